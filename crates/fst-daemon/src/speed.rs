//! Which limits hold now: those of the configuration and of the hours.
//!
//! Held by [`crate::supervisor`], which asks [`Speed::rest`] how long to wait for the next change. What holds when is
//! decided by [`fst_engine::rate`]; the local time is the system's zone at that moment. Invariant: the line obeys what
//! [`Speed`] says last. Not here: waiting, pausing folders, bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fst_client::clock::SystemClock;
use fst_client::config::Performance;
use fst_client::remote::throttle::{Passed, Throttle};
use fst_engine::rate::{Civil, Limits, Rate, in_force};
use fst_proto::ipc::LineStatus;
use fst_proto::time::{Clock as _, UnixMillis};

/// Windows begin and end with a minute.
const MINUTE_MS: u64 = 60_000;

/// Stretch of time over which speed is measured: long enough that a frame is no peak, short enough to follow.
const MEASURED_MS: u64 = 10_000;

/// Rest where no hours are given: nothing changes by itself.
const NO_HOURS: Duration = Duration::from_secs(24 * 60 * 60);

/// The line to the server and its limits over time.
#[derive(Debug, Default)]
pub(crate) struct Speed {
    line: Arc<Throttle>,
    performance: Performance,
    now: Limits,
    seen: VecDeque<Seen>,
}

/// What had passed at a time of the line's clock.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at_ms: u64,
    passed: Passed,
}

impl Speed {
    /// The line that all clients of this daemon share.
    pub(crate) fn line(&self) -> &Arc<Throttle> {
        &self.line
    }

    /// Whether nothing is to be synced at this hour.
    pub(crate) fn is_paused(&self) -> bool {
        self.now.is_paused
    }

    /// Takes what the configuration says, at once.
    pub(crate) fn configure(&mut self, performance: &Performance) {
        self.performance.clone_from(performance);
        self.line.set_room(performance);
        self.follow();
    }

    /// Sets the limits that hold now.
    pub(crate) fn follow(&mut self) {
        let at = local_time(SystemClock.now());
        self.now = in_force(self.performance.limits, &self.performance.windows, at);
        self.line.set(self.now);
    }

    /// How fast bytes flow, on average since a look that is [`MEASURED_MS`] old, and how fast they may. To be called
    /// about once a second, which bounds what is kept.
    pub(crate) fn measure(&mut self) -> LineStatus {
        let now = Seen {
            at_ms: self.line.now_ms(),
            passed: self.line.passed(),
        };
        let is_old = |seen: &Seen| now.at_ms - seen.at_ms > MEASURED_MS;
        while self.seen.front().is_some_and(is_old) {
            self.seen.pop_front();
        }
        self.seen.push_back(now);
        let first = self.seen.front().copied().unwrap_or(now);
        let bits = |limit: Option<Rate>| limit.map(|limit| limit.bytes() * 8);
        LineStatus {
            upload: bits_per_second(first, now, |passed| passed.up),
            download: bits_per_second(first, now, |passed| passed.down),
            max_upload: bits(self.now.upload),
            max_download: bits(self.now.download),
        }
    }

    /// Until the next minute begins, if other limits may hold then.
    pub(crate) fn rest(&self) -> Duration {
        if self.performance.windows.is_empty() {
            return NO_HOURS;
        }
        let into_minute = SystemClock.now().0 % MINUTE_MS;
        Duration::from_millis(MINUTE_MS - into_minute)
    }
}

fn bits_per_second(first: Seen, now: Seen, of: impl Fn(Passed) -> u64) -> u64 {
    let bytes = of(now.passed) - of(first.passed);
    let ms = now.at_ms - first.at_ms;
    (bytes * 8 * 1000).checked_div(ms).unwrap_or(0)
}

/// The minute by the clocks of this machine's zone, which may have changed since the last look.
fn local_time(now: UnixMillis) -> Civil {
    let moment = i64::try_from(now.0).ok();
    let moment = moment.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let offset = moment.map_or(0, |moment| {
        jiff::tz::TimeZone::system().to_offset(moment).seconds()
    });
    Civil::at(now, offset)
}

#[cfg(test)]
mod tests {
    use fst_engine::rate::{Days, Window};

    use super::*;

    fn always(limits: Limits) -> Window {
        Window {
            days: Days::ALL,
            from: 0,
            to: 0,
            limits,
        }
    }

    #[test]
    fn the_line_obeys_the_stricter_of_configuration_and_hours() {
        let mut speed = Speed::default();
        let at = |bytes| Limits {
            upload: Rate::per_second(bytes),
            ..Limits::default()
        };
        let line = Arc::clone(speed.line());
        assert_eq!(line.upload_rate(), None);
        let mut wanted = Performance {
            limits: at(900),
            ..Performance::default()
        };
        speed.configure(&wanted);
        assert_eq!(line.upload_rate(), Rate::per_second(900));
        assert_eq!(speed.rest(), NO_HOURS);
        wanted.windows = vec![always(at(500)), always(at(700))];
        speed.configure(&wanted);
        assert_eq!(line.upload_rate(), Rate::per_second(500));
        assert!(speed.rest() <= Duration::from_millis(MINUTE_MS) && !speed.rest().is_zero());
        assert!(!speed.is_paused());
        assert_eq!(speed.measure().max_upload, Some(500 * 8));
        wanted.windows = vec![always(Limits {
            is_paused: true,
            ..Limits::default()
        })];
        speed.configure(&wanted);
        assert!(speed.is_paused());
    }

    #[test]
    fn speed_is_what_passed_over_the_time_it_took() {
        let seen = |at_ms, up| Seen {
            at_ms,
            passed: Passed { up, down: 0 },
        };
        let up = |first, now| bits_per_second(first, now, |passed| passed.up);
        assert_eq!(up(seen(1000, 500), seen(3000, 2500)), 8000);
        assert_eq!(up(seen(1000, 500), seen(1000, 500)), 0);
    }
}
