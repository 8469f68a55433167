//! Chunk sizes, taken from a space's signed policy and checked once.
//!
//! [`crate::cdc`] trusts them. Invariant: `256 ≤ min ≤ avg ≤ max ≤ 8 MiB`, so a window of 64 bytes lies inside
//! every chunk that is tested and memory per stream is bounded.
//! Not here: the policy itself (`fst-proto::control`).
//! Source: docs/design/crypto-format.md §2.4.

use fst_proto::control::{Chunking, Policy};
use fst_proto::limits;

/// Smallest minimum: four windows.
pub const CHUNK_MIN_FLOOR: usize = 256;

/// Checked sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkParams {
    pub(crate) chunking: Chunking,
    pub(crate) min: usize,
    pub(crate) avg: usize,
    pub(crate) max: usize,
}

/// A policy whose sizes do not make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("chunk sizes must satisfy 256 <= min <= avg <= max <= 8 MiB, got {min}, {avg}, {max}")]
pub struct BadPolicy {
    /// Minimum asked for.
    pub min: u32,
    /// Average asked for.
    pub avg: u32,
    /// Maximum asked for.
    pub max: u32,
}

impl ChunkParams {
    /// Takes the sizes of a policy; in [`Chunking::Fixed`] every chunk but the last has the average size.
    ///
    /// # Errors
    /// [`BadPolicy`] names the sizes.
    pub fn from_policy(policy: &Policy) -> Result<Self, BadPolicy> {
        let bad = BadPolicy {
            min: policy.chunk_min,
            avg: policy.chunk_avg,
            max: policy.chunk_max,
        };
        let size = |n: u32| usize::try_from(n).map_err(|_| bad);
        let params = Self {
            chunking: policy.chunking,
            min: size(policy.chunk_min)?,
            avg: size(policy.chunk_avg)?,
            max: size(policy.chunk_max)?,
        };
        let is_ordered = CHUNK_MIN_FLOOR <= params.min
            && params.min <= params.avg
            && params.avg <= params.max
            && params.max <= limits::CHUNK_MAX;
        if is_ordered { Ok(params) } else { Err(bad) }
    }

    /// Largest chunk in bytes: how much a caller must be ready to buffer.
    #[must_use]
    pub fn max(&self) -> usize {
        match self.chunking {
            Chunking::Cdc => self.max,
            Chunking::Fixed => self.avg,
        }
    }
}
