//! Does not ask again before the server wants to be asked: `Retry-After` of a server that is asked too often.
//!
//! Used by [`super::http`], by all threads of a client together. A short wait is waited out and the same request repeated,
//! so that a cycle goes on where it was; of a long one the caller learns at once, and nothing is sent until it is over.
//! Invariant: whatever a server says, the wait has an end. Not here: when a whole cycle is tried again (`fst-engine::retry`).
//! Source: docs/adr/0048-rate-limits.md.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fst_proto::error::{ErrorCode, Problem};
use reqwest::StatusCode;
use reqwest::blocking::Response;

use super::RemoteError;
use super::throttle::Throttle;

/// Longest wait inside of a request: shorter than a cycle that begins anew, and short enough for a daemon that stops.
const WAIT_MS_MAX: u64 = 10_000;

/// Longest time for which a server is believed that it does not want to be asked.
const HOLD_MS_MAX: u64 = 5 * 60_000;

/// Times one request is sent before its caller learns that it is refused: a minute of the longest waits.
const TRIES_MAX: u32 = 6;

/// Wait after a refusal that names none.
const WAIT_MS_UNNAMED: u64 = 1000;

/// Until when the server is not asked, by the clock of the line.
#[derive(Debug, Default)]
pub(super) struct Manners(Mutex<u64>);

impl Manners {
    /// Sends a request when the server wants it, and again after each wait that it asks for.
    pub(super) fn ask(
        &self,
        line: &Throttle,
        send: impl Fn() -> Result<Response, RemoteError>,
    ) -> Result<Response, RemoteError> {
        let mut tries = 0;
        loop {
            self.wait(line)?;
            let reply = send()?;
            tries += 1;
            if reply.status() != StatusCode::TOO_MANY_REQUESTS {
                return Ok(reply);
            }
            let named = reply.headers().get("retry-after");
            let named = named.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
            self.hold(line.now_ms(), named);
            if tries >= TRIES_MAX {
                return Ok(reply);
            }
        }
    }

    /// Notes that the server asks for so many seconds.
    fn hold(&self, now_ms: u64, seconds: Option<u64>) {
        let named = seconds.map_or(WAIT_MS_UNNAMED, |seconds| seconds.saturating_mul(1000));
        let until = now_ms.saturating_add(named.min(HOLD_MS_MAX));
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = until.max(*held);
    }

    /// Milliseconds for which the server is not to be asked.
    fn left_ms(&self, now_ms: u64) -> u64 {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.saturating_sub(now_ms)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "nobody tells that the server is ready again"
    )]
    fn wait(&self, line: &Throttle) -> Result<(), RemoteError> {
        let left_ms = self.left_ms(line.now_ms());
        if left_ms > WAIT_MS_MAX {
            let seconds = left_ms.div_ceil(1000);
            let why = format!("too many requests; the server wants none for {seconds} s");
            let problem = Problem::new(ErrorCode::RateLimited, why);
            return Err(RemoteError::Refused(Box::new(problem)));
        }
        if left_ms > 0 {
            // tidy: real-time wait, because the server said how long it wants to be left alone.
            std::thread::sleep(Duration::from_millis(left_ms));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_asks_for_is_kept_and_has_an_end() {
        for (named, left_ms) in [
            (Some(0), 0),
            (Some(3), 3000),
            (None, 1000),
            (Some(u64::MAX), HOLD_MS_MAX),
        ] {
            let manners = Manners::default();
            manners.hold(500, named);
            assert_eq!(manners.left_ms(500), left_ms, "{named:?}");
            assert_eq!(manners.left_ms(500 + left_ms), 0, "{named:?}");
        }
        // A shorter wait of another request does not end a longer one.
        let manners = Manners::default();
        manners.hold(0, Some(8));
        manners.hold(1000, Some(1));
        assert_eq!(manners.left_ms(1000), 7000);
    }

    #[test]
    fn a_long_wait_is_told_and_nothing_is_sent() {
        let (manners, line) = (Manners::default(), Throttle::new(Default::default()));
        manners.hold(line.now_ms(), Some(60));
        let asked = manners.ask(&line, || unreachable!("nothing is sent"));
        let error = asked.map(drop).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RateLimited);
        assert!(error.is_retryable());
    }
}
