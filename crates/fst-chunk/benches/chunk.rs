//! Speed of cutting, signing and comparing, on one core: `cargo bench -p fst-chunk --bench chunk`.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use fst_chunk::cdc::Chunker;
use fst_chunk::delta::{Matcher, Piece, Signature, SignatureBuilder};
use fst_chunk::params::ChunkParams;
use fst_proto::control::{Chunking, Policy};

/// Large enough that many chunks are cut, small enough to be repeated often.
const LEN: usize = 64 << 20;

fn main() {
    divan::main();
}

fn random() -> Vec<u8> {
    let mut out = vec![0; LEN];
    blake3::Hasher::new()
        .update(b"bench")
        .finalize_xof()
        .fill(&mut out);
    out
}

fn params(chunking: Chunking) -> ChunkParams {
    let policy = Policy {
        chunking,
        ..Policy::default()
    };
    ChunkParams::from_policy(&policy).expect("the default is valid")
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn cdc(bencher: Bencher<'_, '_>) {
    let content = random();
    bencher
        .counter(BytesCount::new(LEN))
        .bench_local(|| Chunker::new(params(Chunking::Cdc), &[7; 32]).cut_all(black_box(&content)));
}

/// Cuts and names each chunk by a keyed hash, as an upload does.
#[divan::bench(args = [Chunking::Cdc, Chunking::Fixed], sample_count = 20, sample_size = 1)]
fn with_hashing(bencher: Bencher<'_, '_>, chunking: Chunking) {
    let content = random();
    bencher.counter(BytesCount::new(LEN)).bench_local(|| {
        let lens = Chunker::new(params(chunking), &[7; 32]).cut_all(black_box(&content));
        let mut rest = content.as_slice();
        for len in lens {
            let (chunk, tail) = rest.split_at(len);
            black_box(blake3::keyed_hash(&[9; 32], chunk));
            rest = tail;
        }
    });
}

fn sign(content: &[u8]) -> Signature {
    let mut builder = SignatureBuilder::new([5; 32], LEN as u64).expect("it is large enough");
    builder.update(content);
    builder.finish()
}

fn compare(signature: &Signature, content: &[u8]) -> Vec<Piece> {
    let mut matcher = Matcher::new(signature);
    for part in content.chunks(256 << 10) {
        matcher.push(part);
    }
    matcher.finish()
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn signature(bencher: Bencher<'_, '_>) {
    let content = random();
    bencher
        .counter(BytesCount::new(LEN))
        .bench_local(|| sign(black_box(&content)));
}

/// Compares with the same content, in which every `n`-th page is another one; 1 stands for all of them.
#[divan::bench(args = [1_000_000, 10, 1], sample_count = 10, sample_size = 1)]
fn diff(bencher: Bencher<'_, '_>, n: usize) {
    let old = random();
    let signature = sign(&old);
    let mut new = old;
    for page in new.chunks_mut(4096).step_by(n) {
        for byte in page {
            *byte = byte.rotate_left(3) ^ 0x55;
        }
    }
    bencher
        .counter(BytesCount::new(LEN))
        .bench_local(|| compare(&signature, black_box(&new)));
}
