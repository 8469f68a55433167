//! The two things a server takes from its machine besides stores: time and randomness.
//!
//! Given to [`crate::service::Service`]; a simulation passes its own. Invariant: no other file of this crate
//! reads a clock or asks for random bytes. Not here: monotonic timers of the transport.

use aws_lc_rs::rand;
use fst_proto::time::{Clock, UnixMillis};

/// Gives random bytes.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// Fills `out` with bytes that nobody can guess.
    fn fill(&self, out: &mut [u8]);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one real clock of the server"
        )]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixMillis(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, out: &mut [u8]) {
        rand::fill(out).expect("the operating system gives random bytes");
    }
}

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut out = [0; N];
    random.fill(&mut out);
    out
}
