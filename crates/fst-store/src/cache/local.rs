//! The cache of a server that runs alone: in process, bounded.
//!
//! Invariant: no map grows beyond its limit; what is dropped to stay below is the oldest or the idle.
//! Not here: several workers (a shared backend passes the same conformance suite).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use fst_proto::time::UnixMillis;
use tokio::sync::{broadcast, watch};

use super::{
    BackOff, Cache, Hint, Note, Pay, Rate, ShortValues, Strikes, Subscription, Taken, Topic, bucket,
};
use crate::error::StoreResult;

/// Rate buckets kept: more than devices of one installation, 100 bytes each.
pub const BUCKETS_MAX: usize = 50_000;

/// Failures kept, each of somebody else: as many as buckets.
pub const STRIKES_MAX: usize = 50_000;

/// Short-lived values kept: sign-ins in flight within one minute.
pub const SHORT_MAX: usize = 50_000;

/// Notes that a listener may lag behind: some seconds of a dozen uploads, 8 KiB each.
pub const NOTES_MAX: usize = 256;

/// Idle topics at which the table is swept.
const TOPICS_SWEEP: usize = 1024;

/// The cache in this process.
#[derive(Debug)]
pub struct LocalCache {
    topics: Mutex<BTreeMap<Topic, watch::Sender<u64>>>,
    /// Microseconds at which each bucket is full again.
    buckets: Mutex<BTreeMap<String, u64>>,
    strikes: Mutex<BTreeMap<String, Strikes>>,
    short: Mutex<Short>,
    notes: broadcast::Sender<Note>,
}

impl Default for LocalCache {
    fn default() -> Self {
        Self {
            topics: Mutex::default(),
            buckets: Mutex::default(),
            strikes: Mutex::default(),
            short: Mutex::default(),
            notes: broadcast::Sender::new(NOTES_MAX),
        }
    }
}

#[derive(Debug, Default)]
struct Short {
    values: BTreeMap<String, (UnixMillis, Vec<u8>)>,
    /// Same keys as `values`, by end of life.
    by_end: BTreeSet<(UnixMillis, String)>,
}

impl LocalCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes every subscriber as if its topics had grown.
    pub fn wake_all(&self) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics
            .values()
            .for_each(|sender| sender.send_modify(|_| ()));
    }
}

#[async_trait::async_trait]
impl ShortValues for LocalCache {
    async fn put_short(
        &self,
        key: &str,
        value: Vec<u8>,
        now: UnixMillis,
        ends: UnixMillis,
    ) -> StoreResult<()> {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        short.forget(key);
        while short
            .by_end
            .first()
            .is_some_and(|first| first.0 <= now || short.is_full())
        {
            if let Some((_, oldest)) = short.by_end.pop_first() {
                short.values.remove(&oldest);
            }
        }
        short.by_end.insert((ends, key.to_owned()));
        short.values.insert(key.to_owned(), (ends, value));
        Ok(())
    }

    async fn take_short(&self, key: &str, now: UnixMillis) -> StoreResult<Option<Vec<u8>>> {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = short.forget(key);
        Ok(taken
            .filter(|(ends, _)| now < *ends)
            .map(|(_, value)| value))
    }
}

#[async_trait::async_trait]
impl Cache for LocalCache {
    async fn publish(&self, hint: Hint) -> StoreResult<()> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(&hint.topic) {
            if sender.receiver_count() == 0 {
                topics.remove(&hint.topic);
            } else {
                sender.send_replace(hint.size);
            }
        }
        Ok(())
    }

    async fn subscribe(&self, wanted: &[Topic]) -> StoreResult<Subscription> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.len() > TOPICS_SWEEP {
            topics.retain(|_, sender| sender.receiver_count() > 0);
        }
        let receiver = |topic: &Topic| {
            let sender = topics.entry(*topic).or_insert_with(|| watch::channel(0).0);
            (*topic, sender.subscribe())
        };
        Ok(Subscription::new(wanted.iter().map(receiver).collect()))
    }

    async fn tell(&self, note: Note) -> StoreResult<()> {
        // Nobody listens: that is no failure.
        self.notes.send(note).map_or(Ok(()), |_| Ok(()))
    }

    fn notes(&self) -> broadcast::Receiver<Note> {
        self.notes.subscribe()
    }

    async fn pay(&self, bucket: &str, rate: Rate, pay: Pay, now: UnixMillis) -> StoreResult<Taken> {
        let now = now.0.saturating_mul(1000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // The usual case copies no key.
        if let Some(full_at) = buckets.get_mut(bucket) {
            let taken;
            (*full_at, taken) = bucket::take(*full_at, now, rate, pay);
            return Ok(taken);
        }
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, full_at| *full_at > now);
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        let (full_at, taken) = bucket::take(0, now, rate, pay);
        buckets.insert(bucket.to_owned(), full_at);
        Ok(taken)
    }

    async fn strike(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes> {
        let mut strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        if strikes.len() >= STRIKES_MAX && !strikes.contains_key(who) {
            // Who waits goes last: others are far from it.
            strikes.retain(|_, kept| kept.until > now);
            if strikes.len() >= STRIKES_MAX {
                strikes.clear();
            }
        }
        let kept = strikes.entry(who.to_owned()).or_default();
        *kept = kept.and_one(rule, now);
        Ok(*kept)
    }

    async fn strikes(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes> {
        let strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = strikes.get(who).copied().unwrap_or_default();
        Ok(kept.now(rule, now))
    }

    async fn forgive(&self, who: &str) -> StoreResult<()> {
        let mut strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        strikes.remove(who);
        Ok(())
    }
}

impl Short {
    fn is_full(&self) -> bool {
        self.values.len() >= SHORT_MAX
    }

    fn forget(&mut self, key: &str) -> Option<(UnixMillis, Vec<u8>)> {
        let (ends, value) = self.values.remove(key)?;
        self.by_end.remove(&(ends, key.to_owned()));
        Some((ends, value))
    }
}
