//! When to scan after file events: soon after the last one, never long after the first.
//!
//! Fed by the watcher in `fst-client`, which asks [`Settle::due`] when to wake. Invariant: a pending scan is due
//! within [`SETTLE_WAIT_MS_MAX`] of the first event, even if the clock is set back.
//! Not here: which paths to scan, the watcher itself. Source: docs/design/sync-semantics.md, rows S-152 to S-154.

use fst_proto::time::UnixMillis;

use crate::limits::{SETTLE_QUIET_MS, SETTLE_WAIT_MS_MAX};

/// Pending file events of one folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settle {
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    first: UnixMillis,
    last: UnixMillis,
}

impl Settle {
    /// Notes that something in the folder changed at `now`.
    pub fn on_event(&mut self, now: UnixMillis) {
        let first = self.pending.map_or(now, |p| p.first.min(now));
        self.pending = Some(Pending { first, last: now });
    }

    /// Moment at which a scan is due, at or before `now` when it is due already; `None` when nothing
    /// is pending.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> Option<UnixMillis> {
        let Pending { first, last } = self.pending?;
        if last > now {
            // The clock was set back: the wait cannot be measured, so it is over.
            return Some(now);
        }
        let quiet = last.0.saturating_add(SETTLE_QUIET_MS);
        Some(UnixMillis(
            quiet.min(first.0.saturating_add(SETTLE_WAIT_MS_MAX)),
        ))
    }

    /// Forgets the events when a scan is due at `now`, and says whether it is.
    #[must_use]
    pub fn take(&mut self, now: UnixMillis) -> bool {
        let is_due = self.due(now).is_some_and(|due| due <= now);
        if is_due {
            self.pending = None;
        }
        is_due
    }
}
