//! Waiting for what another process does, and measuring how long it took.

use std::time::{Duration, Instant};

use fst_proto::error::ErrorCode;

use crate::report::Failure;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Longest time any step of the demo may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Measures real time: the demo's figures are about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "the demo measures real time")]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub(super) fn ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Waits until `is_so`, and returns how long it took in milliseconds.
pub(super) fn wait_until(what: &str, is_so: impl FnMut() -> bool) -> Result<u64, Failure> {
    let watch = Stopwatch::start();
    let mut is_so = is_so;
    while !is_so() {
        if watch.0.elapsed() > LIMIT {
            return Err(
                Failure::new(ErrorCode::WaitTimedOut, "the demo did not go on")
                    .because(format!("waited {} s until {what}", LIMIT.as_secs())),
            );
        }
        pause();
    }
    Ok(watch.ms())
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes make files and tell nobody here"
)]
fn pause() {
    // tidy: real-time wait, because other processes make files and tell nobody here.
    std::thread::sleep(LOOK_EVERY);
}
