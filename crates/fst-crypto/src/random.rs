//! The one seam through which randomness enters.
//!
//! Faces hand [`OsRandom`] down; tests and vectors hand down a [`SeededRandom`] or a [`ConstantRandom`].
//! Invariant: a [`SecureRandom`] fills every byte it is asked for or does not return.
//! Not here: hedging against a repeating source ([`crate::envelope`]).
//! Source: docs/design/crypto-format.md §2.2 (salt), §1.1 (random values).

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of unpredictable bytes.
///
/// One call is one draw; concurrent calls get different bytes. There is no error: without randomness nothing
/// may be sealed.
pub trait SecureRandom: Send + Sync + std::fmt::Debug {
    /// Fills `out` completely.
    fn fill(&self, out: &mut [u8]);
}

/// Draws `N` bytes.
#[must_use]
pub fn bytes<const N: usize>(random: &dyn SecureRandom) -> [u8; N] {
    let mut out = [0; N];
    random.fill(&mut out);
    out
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl SecureRandom for OsRandom {
    /// # Panics
    /// When the operating system has no randomness: going on would seal with predictable salts.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system provides random bytes");
    }
}

/// For tests and vectors: the BLAKE3 output stream of a seed, read from front to back.
#[derive(Debug)]
pub struct SeededRandom {
    seed: [u8; 32],
    position: AtomicU64,
}

impl SeededRandom {
    /// A stream that begins at its first byte.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            position: AtomicU64::new(0),
        }
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        let mut stream = blake3::Hasher::new().update(&self.seed).finalize_xof();
        stream.set_position(self.position.fetch_add(out.len() as u64, Ordering::Relaxed));
        stream.fill(out);
    }
}

/// For tests: a generator that failed and repeats one byte for ever.
#[derive(Debug, Clone, Copy)]
pub struct ConstantRandom(pub u8);

impl SecureRandom for ConstantRandom {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0);
    }
}
