//! Decides when a folder's next cycle is due.
//!
//! Driven by [`crate::worker`]: events go in, a due time comes out; nothing is waited for here. How long a
//! save settles and how long a failure pauses is `fst-engine`'s rule ([`Settle`], [`retry`]).
//! Invariant: a change is followed by a cycle soon, unless the folder backs off; a folder in any state is
//! looked at again within [`RESCAN_MS`]. Not here: clocks, threads, what a cycle does.
//! Source: docs/design/sync-semantics.md, rows S-150 to S-155.

use fst_engine::retry;
use fst_engine::settle::{Settle, Touch};
use fst_proto::time::UnixMillis;

use crate::monotonic::Tick;

/// Every folder is looked at this often, because watchers lose events.
pub(crate) const RESCAN_MS: u64 = 60_000;

/// What may move the next cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The watcher saw something.
    LocalChange(Touch),
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
    /// Failed in a way that may pass.
    Retry {
        /// Random, drawn by the caller.
        jitter: u16,
    },
    /// Stopped until somebody acts; looked at again like any folder.
    Stopped,
}

/// When the next cycle is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pace {
    due: Tick,
    changes: Settle,
    failures: u32,
}

impl Pace {
    /// A folder that has not been looked at yet is due at once.
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            due: now,
            changes: Settle::default(),
            failures: 0,
        }
    }

    /// Moment of the next cycle.
    pub(crate) fn due(&self) -> Tick {
        self.due
    }

    /// Takes one event.
    pub(crate) fn on(&mut self, now: Tick, event: Event) {
        match event {
            Event::LocalChange(touch) => self.local_change(UnixMillis(now.0), touch),
            Event::Poke => self.due = now,
            Event::Ended(ending) => self.ended(now, ending),
        }
    }

    /// A cycle begins: it takes up everything seen so far.
    pub(crate) fn begin(&mut self, now: Tick) {
        self.changes.begin(UnixMillis(now.0));
    }

    fn local_change(&mut self, now: UnixMillis, touch: Touch) {
        self.changes.on_event(now, touch);
        // While the server is away a save must not shorten the pause: it would fail again.
        if let Some(due) = self.changes.due(now).filter(|_| self.failures == 0) {
            self.due = Tick(due.0);
        }
    }

    fn ended(&mut self, now: Tick, ending: Ending) {
        self.due = match ending {
            Ending::Progress => now,
            Ending::Settled | Ending::Stopped => now.plus_ms(RESCAN_MS),
            Ending::Retry { jitter } => now.plus_ms(retry::delay(self.failures, jitter)),
        };
        self.failures = match ending {
            Ending::Retry { .. } => self.failures.saturating_add(1),
            Ending::Settled | Ending::Progress | Ending::Stopped => 0,
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

    /// The next number, by Marsaglia's xorshift.
    pub(crate) fn draw(&mut self) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u16::try_from(self.0 >> 48).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use fst_engine::limits::{RETRY_DELAY_MS_MAX, SETTLE_QUIET_MS, SETTLE_WAIT_MS_MAX};

    use super::*;

    const FAILED: Event = Event::Ended(Ending::Retry { jitter: u16::MAX });

    const CHANGE: Event = Event::LocalChange(Touch::Other);

    fn settled_at(ms: u64) -> Pace {
        let mut pace = Pace::new(Tick(ms));
        pace.begin(Tick(ms));
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
        pace.on(Tick(1000), CHANGE);
        assert_eq!(pace.due(), Tick(1000 + SETTLE_QUIET_MS));
    }

    #[test]
    fn a_busy_writer_cannot_hold_a_cycle_off_for_ever() {
        let mut pace = settled_at(0);
        for ms in (1000..9000).step_by(10) {
            pace.on(Tick(ms), CHANGE);
        }
        assert_eq!(pace.due(), Tick(1000 + SETTLE_WAIT_MS_MAX));
    }

    #[test]
    fn a_quiet_folder_is_looked_at_every_minute() {
        assert_eq!(settled_at(5).due(), Tick(60_005));
    }

    #[test]
    fn failures_lengthen_the_pause_up_to_a_limit() {
        let mut pace = Pace::new(Tick(0));
        let mut last = 0;
        for _ in 0..40 {
            pace.on(Tick(0), FAILED);
            assert!(pace.due().0 >= last);
            last = pace.due().0;
        }
        assert_eq!(last, RETRY_DELAY_MS_MAX);
    }

    #[test]
    fn a_save_while_the_server_is_away_does_not_shorten_the_pause() {
        let mut pace = settled_at(0);
        pace.on(Tick(0), FAILED);
        let due = pace.due();
        pace.on(Tick(1), CHANGE);
        assert_eq!(pace.due(), due);
    }

    #[test]
    fn the_server_coming_back_ends_the_pause() {
        let mut pace = settled_at(0);
        pace.on(Tick(0), FAILED);
        pace.on(Tick(10), Event::Poke);
        assert_eq!(pace.due(), Tick(10));
    }

    #[test]
    fn a_change_during_a_cycle_starts_another_one() {
        let mut pace = settled_at(0);
        pace.begin(Tick(0));
        pace.on(Tick(100), Event::Ended(Ending::Settled));
        // The watcher's event was queued while the cycle ran and is taken after it.
        pace.on(Tick(101), CHANGE);
        assert_eq!(pace.due(), Tick(101 + SETTLE_QUIET_MS));
    }

    #[test]
    fn jitter_differs_from_draw_to_draw() {
        let mut jitter = Jitter::new(42);
        let draws: std::collections::BTreeSet<u16> = (0..50).map(|_| jitter.draw()).collect();
        assert!(draws.len() > 45);
    }
}
