//! When to scan after file events: soon after the last one, never long after the first.
//!
//! Fed by the watcher in `fst-client`, which asks [`Settle::due`] when to scan. Invariant: a pending scan is due
//! within [`SETTLE_WAIT_MS_MAX`] of the first event, even if the clock is set back.
//! Not here: which paths to scan, the watcher itself. Source: docs/design/sync-semantics.md, rows S-152 to S-155.

use fst_proto::time::UnixMillis;

use crate::limits::{SETTLE_CLOSED_MS, SETTLE_QUIET_MS, SETTLE_REST_MS, SETTLE_WAIT_MS_MAX};

/// What a file event tells about how far a save is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// A program that wrote to a file closed it.
    Closed,
    /// A name came or went: saves that rename, remove and write anew are in the middle then.
    Renamed,
    /// Anything else.
    Other,
}

/// Pending file events of one folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settle {
    pending: Option<Pending>,
    scanned: Option<UnixMillis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    first: UnixMillis,
    last: UnixMillis,
    last_touch: Touch,
    has_renames: bool,
}

impl Settle {
    /// Notes that something in the folder changed at `now`.
    pub fn on_event(&mut self, now: UnixMillis, touch: Touch) {
        let before = self.pending;
        self.pending = Some(Pending {
            first: before.map_or(now, |p| p.first.min(now)),
            last: now,
            last_touch: touch,
            has_renames: touch == Touch::Renamed || before.is_some_and(|p| p.has_renames),
        });
    }

    /// Moment at which a scan is due, at or before `now` when it is due already; `None` when nothing
    /// is pending.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> Option<UnixMillis> {
        let pending = self.pending?;
        if pending.last > now {
            // The clock was set back: the wait cannot be measured, so it is over.
            return Some(now);
        }
        let quiet = pending.last.0.saturating_add(self.quiet_ms(pending));
        let latest = pending.first.0.saturating_add(SETTLE_WAIT_MS_MAX);
        Some(UnixMillis(quiet.min(latest)))
    }

    /// A single save after a rest is taken up at once; where more is going on, it is gathered.
    fn quiet_ms(&self, pending: Pending) -> u64 {
        let rested = |scanned: UnixMillis| scanned.0.saturating_add(SETTLE_REST_MS);
        let is_rested = self.scanned.is_none_or(|at| rested(at) <= pending.first.0);
        match is_rested && !pending.has_renames && pending.last_touch == Touch::Closed {
            true => SETTLE_CLOSED_MS,
            false => SETTLE_QUIET_MS,
        }
    }

    /// A scan begins at `now`: it takes up every event so far.
    pub fn begin(&mut self, now: UnixMillis) {
        *self = Self {
            pending: None,
            scanned: Some(now),
        };
    }
}
