//! Decides when a folder's next cycle is due.
//!
//! Driven by [`crate::worker`]: events go in, a due time comes out; nothing is waited for here.
//! Invariant: a change is followed by a cycle within [`SETTLE_MS_MAX`], unless the folder backs off; a
//! folder in any state is looked at again within [`RESCAN_MS`].
//! Not here: clocks, threads, what a cycle does.
//! Source: docs/design/performance.md on latency; retry as in `fst-engine`.

use crate::monotonic::Tick;

/// Quiet time after a local change: a save is often several system calls.
pub(crate) const SETTLE_MS: u64 = 20;

/// Longest time a busy writer can hold off a cycle.
pub(crate) const SETTLE_MS_MAX: u64 = 500;

/// Every folder is looked at this often, because watchers lose events.
pub(crate) const RESCAN_MS: u64 = 60_000;

/// First pause after a failure.
const RETRY_MS_MIN: u64 = 500;

/// Longest pause between tries: the event stream wakes us earlier when the server returns.
const RETRY_MS_MAX: u64 = 30_000;

/// What may move the next cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The watcher saw something.
    LocalChange,
    /// The server has news, somebody asks, or the server is back: go now.
    Poke,
    /// A cycle ended.
    Ended(Ending),
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing left to do, problems or not.
    Settled,
    /// More to do at once.
    Progress,
    /// Failed in a way that may pass; `jitter` is in `0..1024`.
    Retry {
        /// Random part, drawn by the caller.
        jitter: u64,
    },
    /// Stopped until somebody acts; looked at again like any folder.
    Stopped,
}

/// When the next cycle is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pace {
    due: Tick,
    first_change: Option<Tick>,
    failures: u32,
}

impl Pace {
    /// A folder that has not been looked at yet is due at once.
    pub(crate) fn new(now: Tick) -> Self {
        Self { due: now, first_change: None, failures: 0 }
    }

    /// Moment of the next cycle.
    pub(crate) fn due(&self) -> Tick {
        self.due
    }

    /// Takes one event.
    pub(crate) fn on(&mut self, now: Tick, event: Event) {
        match event {
            Event::LocalChange => self.local_change(now),
            Event::Poke => self.due = now,
            Event::Ended(ending) => self.ended(now, ending),
        }
    }

    /// A cycle begins: it takes up everything seen so far.
    pub(crate) fn begin(&mut self) {
        self.first_change = None;
    }

    fn local_change(&mut self, now: Tick) {
        let first = *self.first_change.get_or_insert(now);
        // While the server is away a save must not shorten the pause: it would fail again.
        if self.failures == 0 {
            self.due = now.plus_ms(SETTLE_MS).min(first.plus_ms(SETTLE_MS_MAX));
        }
    }

    fn ended(&mut self, now: Tick, ending: Ending) {
        self.failures = match ending {
            Ending::Retry { .. } => self.failures.saturating_add(1),
            Ending::Settled | Ending::Progress | Ending::Stopped => 0,
        };
        self.due = match ending {
            Ending::Progress => now,
            Ending::Settled | Ending::Stopped => now.plus_ms(RESCAN_MS),
            Ending::Retry { jitter } => now.plus_ms(pause_ms(self.failures, jitter)),
        };
    }
}

/// Randomness of pauses: spreads clients out, keeps no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Jitter(u64);

impl Jitter {
    /// A sequence of its own for every seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number in `0..1024`, by Marsaglia's xorshift.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 54
    }
}

/// Doubling pause, of which a random half is cut so that clients do not return in step.
pub(crate) fn pause_ms(failures: u32, jitter: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(16);
    let full = RETRY_MS_MIN.saturating_mul(1 << doublings).min(RETRY_MS_MAX);
    full - full / 2 * (jitter % 1024) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled_at(ms: u64) -> Pace {
        let mut pace = Pace::new(Tick(ms));
        pace.begin();
        pace.on(Tick(ms), Event::Ended(Ending::Settled));
        pace
    }

    #[test]
    fn a_new_folder_is_due_at_once() {
        assert_eq!(Pace::new(Tick(7)).due(), Tick(7));
    }

    #[test]
    fn a_save_is_taken_up_after_a_short_quiet() {
        let mut pace = settled_at(0);
        pace.on(Tick(1000), Event::LocalChange);
        assert_eq!(pace.due(), Tick(1020));
    }

    #[test]
    fn a_busy_writer_cannot_hold_a_cycle_off_for_ever() {
        let mut pace = settled_at(0);
        for ms in (1000..3000).step_by(10) {
            pace.on(Tick(ms), Event::LocalChange);
        }
        assert_eq!(pace.due(), Tick(1500));
    }

    #[test]
    fn a_quiet_folder_is_looked_at_every_minute() {
        assert_eq!(settled_at(5).due(), Tick(60_005));
    }

    #[test]
    fn failures_double_the_pause_up_to_half_a_minute() {
        let mut pace = Pace::new(Tick(0));
        let pauses: Vec<u64> = (0..9)
            .map(|_| {
                pace.on(Tick(0), Event::Ended(Ending::Retry { jitter: 0 }));
                pace.due().0
            })
            .collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn jitter_cuts_at_most_half() {
        assert_eq!(pause_ms(1, 0), 500);
        assert!((250..=500).contains(&pause_ms(1, 1023)));
        assert!((15_000..=30_000).contains(&pause_ms(40, 1023)));
    }

    #[test]
    fn a_save_while_the_server_is_away_does_not_shorten_the_pause() {
        let mut pace = settled_at(0);
        pace.on(Tick(0), Event::Ended(Ending::Retry { jitter: 0 }));
        pace.on(Tick(10), Event::LocalChange);
        assert_eq!(pace.due(), Tick(500));
    }

    #[test]
    fn the_server_coming_back_ends_the_pause() {
        let mut pace = settled_at(0);
        pace.on(Tick(0), Event::Ended(Ending::Retry { jitter: 0 }));
        pace.on(Tick(10), Event::Poke);
        assert_eq!(pace.due(), Tick(10));
    }

    #[test]
    fn a_change_during_a_cycle_starts_another_one() {
        let mut pace = settled_at(0);
        pace.begin();
        pace.on(Tick(100), Event::Ended(Ending::Settled));
        // The watcher's event was queued while the cycle ran and is taken after it.
        pace.on(Tick(101), Event::LocalChange);
        assert_eq!(pace.due(), Tick(121));
    }
}
