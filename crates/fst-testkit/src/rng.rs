//! The one source of chance of a simulation: `SplitMix64`, so that a seed means the same on every machine.

use std::sync::{Arc, Mutex, PoisonError};

/// A stream of pseudo-random numbers, shared by clones.
#[derive(Debug, Clone)]
pub struct Rng {
    state: Arc<Mutex<u64>>,
}

impl Rng {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(seed ^ 0x9e37_79b9_7f4a_7c15)),
        }
    }

    /// The next number.
    #[must_use]
    pub fn next(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for `n` = 0.
    #[must_use]
    pub fn below(&self, n: usize) -> usize {
        let n = n.max(1) as u64;
        usize::try_from(self.next() % n).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    #[must_use]
    pub fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Fills `out`.
    pub fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

impl fst_crypto::random::SecureRandom for Rng {
    fn fill(&self, out: &mut [u8]) {
        Self::fill(self, out);
    }
}

impl fst_server::seams::Random for Rng {
    fn fill(&self, out: &mut [u8]) {
        Self::fill(self, out);
    }
}
