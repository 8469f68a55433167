//! Speed of naming, sealing, packing and opening objects, on one core: `cargo bench -p fst-crypto --bench seal`.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use fst_crypto::device::HedgeKey;
use fst_crypto::envelope::{Payload, SaltSource};
use fst_crypto::key::{EpochSecret, GenerationSecret, SpaceKeys};
use fst_crypto::object::{ObjectKind, object_id, open_chunk, seal_object};
use fst_crypto::random::SeededRandom;
use fst_proto::frame;
use fst_proto::ids::{ObjectId, SpaceId};

/// The average chunk.
const LEN: usize = 1 << 20;

fn main() {
    divan::main();
}

struct Seal {
    keys: SpaceKeys,
    hedge: HedgeKey,
    random: SeededRandom,
    raw: Vec<u8>,
    id: ObjectId,
}

impl Seal {
    fn new() -> Self {
        let keys = SpaceKeys::derive(
            SpaceId([7; 16]),
            1,
            &EpochSecret::from_bytes([1; 32]),
            1,
            &GenerationSecret::from_bytes([2; 32]),
        );
        let mut raw = vec![0; LEN];
        blake3::Hasher::new().finalize_xof().fill(&mut raw);
        Self {
            id: object_id(&keys, ObjectKind::Data, &raw),
            keys,
            hedge: HedgeKey::from_bytes([3; 32]),
            random: SeededRandom::new([4; 32]),
            raw,
        }
    }

    fn seal(&self) -> Vec<u8> {
        let salts = SaltSource {
            hedge: &self.hedge,
            random: &self.random,
        };
        let payload = Payload::raw(&self.raw);
        seal_object(&salts, &self.keys, ObjectKind::Data, &self.id, &payload).expect("it is small")
    }
}

#[divan::bench]
fn name(bencher: Bencher<'_, '_>) {
    let with = Seal::new();
    bencher
        .counter(BytesCount::new(LEN))
        .bench_local(|| object_id(&with.keys, ObjectKind::Data, black_box(&with.raw)));
}

#[divan::bench]
fn seal(bencher: Bencher<'_, '_>) {
    let with = Seal::new();
    bencher
        .counter(BytesCount::new(LEN))
        .bench_local(|| with.seal());
}

#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let with = Seal::new();
    let envelope = with.seal();
    bencher.counter(BytesCount::new(LEN)).bench_local(|| {
        let inflate = |_: &[u8], _: usize| None;
        open_chunk(&with.keys, &with.id, black_box(&envelope), inflate).expect("it is ours")
    });
}

/// Seals and packs as many chunks as one upload frame holds.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn pack(bencher: Bencher<'_, '_>) {
    let with = Seal::new();
    bencher.counter(BytesCount::new(7 * LEN)).bench_local(|| {
        let mut out = Vec::new();
        for _ in 0..7 {
            frame::push(&mut out, with.id, &with.seal()).expect("it fits");
        }
        out
    });
}
