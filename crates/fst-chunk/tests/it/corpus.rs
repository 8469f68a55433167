//! Contents that tests and vectors share, made by rules that any language can follow.

use fst_chunk::params::ChunkParams;
use fst_proto::control::{Chunking, Policy};

/// `len` bytes of `BLAKE3-XOF(UTF-8 of label)`.
pub(crate) fn random(label: &str, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(label.as_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

/// `unit` over and over, `len` bytes.
pub(crate) fn repeated(unit: &[u8], len: usize) -> Vec<u8> {
    unit.iter().copied().cycle().take(len).collect()
}

/// Lines `line 0\n`, `line 1\n`, …, cut off at `len` bytes.
pub(crate) fn lines(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 16);
    for n in 0_u64.. {
        if out.len() >= len {
            break;
        }
        out.extend_from_slice(format!("line {n}\n").as_bytes());
    }
    out.truncate(len);
    out
}

pub(crate) fn policy(chunking: Chunking, min: u32, avg: u32, max: u32) -> Policy {
    Policy {
        chunking,
        chunk_min: min,
        chunk_avg: avg,
        chunk_max: max,
        ..Policy::default()
    }
}

/// Small sizes, so that a test sees many cuts.
pub(crate) fn small() -> ChunkParams {
    ChunkParams::from_policy(&policy(Chunking::Cdc, 512, 2048, 8192)).unwrap()
}
