//! The one real clock of the daemon: milliseconds since the process began, never going back.

use std::time::{Duration, Instant};

/// Milliseconds on the process's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Tick(pub u64);

impl Tick {
    /// This moment plus some milliseconds.
    pub(crate) fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How long from `now` until this moment; zero when it has passed.
    pub(crate) fn after(self, now: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now.0))
    }
}

/// Tells [`Tick`]s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    /// A clock whose zero is now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one real clock of the daemon"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The present moment.
    pub(crate) fn now(self) -> Tick {
        Tick(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
