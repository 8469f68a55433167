//! What happened lately, for `fst events`: one bounded ring that every follower reads at its own pace.
//!
//! Workers, the board and the supervisor [`Feed::tell`]; connections read. Invariant: telling never waits for a follower.
//! A follower that is slower than the ring turns is told how many events it missed; numbers have no other gaps.
//! Not here: what goes over the socket ([`crate::ipc`]). Source: docs/design/commands.md §19.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fst_client::clock::SystemClock;
use fst_client::folder::Change;
use fst_proto::ipc::{Event, FolderStatus};
use fst_proto::time::{Clock as _, UnixMillis};

/// Events that are kept, some hundred bytes each: what a follower that stumbles for a moment gets all the same, and what
/// `fst events` shows of the past.
const EVENTS_MAX: usize = 1000;

/// Followers at once; each holds one of the connections, and commands need some too.
const FOLLOWERS_MAX: usize = 16;

/// Longest silence towards a follower: then it is seen whether it is still there.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// How long the end waits for followers to hear of it: writing a line to a socket takes no time.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Problems of one cycle that are told one by one; `fst status` has all of them.
const PROBLEMS_MAX: usize = 100;

/// The newest events, in order.
#[derive(Debug)]
struct Ring {
    events: VecDeque<Event>,
    len_max: usize,
    /// Number of the event that comes next.
    next: u64,
}

impl Ring {
    fn new(len_max: usize) -> Self {
        Self {
            events: VecDeque::new(),
            len_max,
            next: 1,
        }
    }

    fn push(&mut self, event: Event, now: UnixMillis) {
        if self.events.len() == self.len_max {
            self.events.pop_front();
        }
        self.events.push_back(Event {
            seq: self.next,
            time_ms: now.0,
            ..event
        });
        self.next += 1;
    }

    /// Events from number `from` on; before them, how many are not there any more.
    fn from(&self, from: u64) -> Vec<Event> {
        let first = self.events.front().map_or(self.next, |event| event.seq);
        let missed = first.saturating_sub(from);
        let told = self.events.front().filter(|_| missed > 0);
        let gap = told.map(|oldest| Event {
            seq: oldest.seq - 1,
            time_ms: oldest.time_ms,
            event: "missed".to_owned(),
            count: Some(missed),
            ..Event::default()
        });
        let rest = self.events.iter().filter(|event| event.seq >= from);
        gap.into_iter().chain(rest.cloned()).collect()
    }

    /// Number of the oldest event that is kept.
    fn oldest(&self) -> u64 {
        self.next - self.events.len() as u64
    }
}

/// The ring, and who waits for it.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    n_followers: usize,
    is_over: bool,
}

impl Default for Feed {
    fn default() -> Self {
        let state = State {
            ring: Ring::new(EVENTS_MAX),
            n_followers: 0,
            is_over: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl Feed {
    /// Tells everybody. Number and time are set here.
    pub(crate) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        let now = SystemClock.now();
        let mut state = self.locked();
        for event in events {
            state.ring.push(event, now);
        }
        self.changed.notify_all();
    }

    /// What is kept.
    pub(crate) fn recent(&self) -> Vec<Event> {
        let state = self.locked();
        state.ring.from(state.ring.oldest())
    }

    /// Tells that the daemon stops, and gives followers a moment to hear of it.
    pub(crate) fn end(&self) {
        self.tell([named("stopping")]);
        let mut state = self.locked();
        state.is_over = true;
        self.changed.notify_all();
        let left = self
            .changed
            .wait_timeout_while(state, FAREWELL_MAX, |state| state.n_followers > 0);
        // Who has not heard by then sees the connection end.
        drop(left);
    }

    /// A new follower, of what happens from now on; `None` when there are too many.
    pub(crate) fn follow(&self) -> Option<Follower<'_>> {
        let mut state = self.locked();
        if state.n_followers >= FOLLOWERS_MAX {
            return None;
        }
        state.n_followers += 1;
        Some(Follower {
            next: state.ring.next,
            feed: self,
        })
    }

    /// A panic elsewhere leaves plain values behind a poisoned lock: they stay readable.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the feed at its own pace.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    next: u64,
    feed: &'a Feed,
}

impl Follower<'_> {
    /// Waits for events, though not for long: none are a reason to look whether somebody still listens. `None` when there
    /// will be no more.
    pub(crate) fn wait(&mut self) -> Option<Vec<Event>> {
        let state = self.feed.locked();
        let next = self.next;
        let waited = self
            .feed
            .changed
            .wait_timeout_while(state, SILENCE_MAX, |state| {
                state.ring.next == next && !state.is_over
            });
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let events = state.ring.from(self.next);
        self.next = state.ring.next;
        (!events.is_empty() || !state.is_over).then_some(events)
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        self.feed.locked().n_followers -= 1;
        self.feed.changed.notify_all();
    }
}

/// An event of which nothing but the name is to be told.
pub(crate) fn named(event: &str) -> Event {
    Event {
        event: event.to_owned(),
        ..Event::default()
    }
}

/// What to tell of a folder that was as `old` and is as `new`.
pub(crate) fn between(old: &FolderStatus, new: &FolderStatus) -> Vec<Event> {
    let about = |event: &str| Event {
        folder: Some(new.path.clone()),
        ..named(event)
    };
    let code = |folder: &FolderStatus| folder.stopped.as_ref().map(|problem| problem.code.clone());
    let mut events = Vec::new();
    if old.state != new.state || code(old) != code(new) {
        events.push(Event {
            state: Some(new.state.clone()),
            code: code(new),
            ..about("state")
        });
    }
    if old.conflicts < new.conflicts {
        events.push(Event {
            count: Some(new.conflicts),
            ..about("conflict")
        });
    }
    let known: HashSet<_> = old.problems.iter().collect();
    let fresh = new.problems.iter().filter(|it| !known.contains(it));
    events.extend(fresh.take(PROBLEMS_MAX).map(|problem| Event {
        path: Some(problem.path.clone()),
        code: Some(problem.code.clone()),
        ..about("problem")
    }));
    events
}

/// What to tell of a change in the log of the folder at `folder`.
pub(crate) fn of_change(folder: &str, change: Change) -> Event {
    Event {
        folder: Some(folder.to_owned()),
        path: Some(change.path),
        action: Some(change.action),
        ..named(if change.is_ours { "sent" } else { "received" })
    }
}

#[cfg(test)]
mod tests;
