//! Waiting for what another process does, until Ctrl-C, and measuring how long it took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use fst_proto::error::ErrorCode;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::report::Failure;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Longest time any step of the demo may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Set by Ctrl-C: the demo ends at the next look, and takes its processes and its folder with it.
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on Ctrl-C and a request to end are noticed by [`wait_until`] and [`or_interrupted`]; a second one ends at once.
pub(super) fn notice_signals() -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        let flag = &*INTERRUPTED;
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))?;
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// What failed because of Ctrl-C is not a failure of its own.
pub(super) fn or_interrupted<T>(done: Result<T, Failure>) -> Result<T, Failure> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        let hint = "fst demo";
        return Err(Failure::new(ErrorCode::Interrupted, "the demo was interrupted").hint(hint));
    }
    done
}

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
        or_interrupted(Ok(()))?;
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
