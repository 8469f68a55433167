//! What may be forgotten: hints that a log grew, notes between devices, rate buckets, values with a short life.
//!
//! `fst-server` wakes long-polls by hints and keeps sign-in challenges here. Invariant: losing everything in
//! a cache loses no data and weakens no check: a lost hint costs one poll, a lost challenge one sign-in.
//! Sizes are bounded. Time is an argument. Not here: anything that matters ([`crate::meta`]).
//! Source: docs/design/wire.md.

use bytes::Bytes;
use fst_proto::ids::{AccountId, DeviceId, SpaceId};
use fst_proto::time::UnixMillis;
use futures::future::select_all;
use tokio::sync::{broadcast, watch};

use crate::error::StoreResult;

pub mod bucket;
pub mod local;
#[cfg(feature = "redis")]
pub mod redis;
pub mod strikes;

pub use bucket::{Pay, Rate, Taken};
pub use strikes::{BackOff, Strikes};

/// What a hint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The log of a space.
    Space(SpaceId),
    /// The chain or the list of spaces of an account.
    Account(AccountId),
}

/// Says that something grew; `size` is what it has at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// What grew.
    pub topic: Topic,
    /// Its length, as far as the sender knows.
    pub size: u64,
}

/// What a device tells the others of a space, sealed; whoever does not listen misses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whose devices it is for.
    pub space: SpaceId,
    /// Who tells it.
    pub from: DeviceId,
    /// At most [`fst_proto::limits::NOTE_BYTES_MAX`] bytes.
    pub bytes: Bytes,
}

/// Hints for some topics, merged: only the newest size of each is kept.
#[derive(Debug)]
pub struct Subscription {
    topics: Vec<(Topic, watch::Receiver<u64>)>,
}

impl Subscription {
    /// Builds a subscription from one receiver per topic; for backends.
    #[must_use]
    pub fn new(topics: Vec<(Topic, watch::Receiver<u64>)>) -> Self {
        Self { topics }
    }

    /// Waits for the next hint; `None` when no hint can come any more. May be dropped while waiting.
    pub async fn next(&mut self) -> Option<Hint> {
        if self.topics.is_empty() {
            return None;
        }
        let waits = self.topics.iter_mut().map(|(topic, receiver)| {
            Box::pin(async move {
                let changed = receiver.changed().await;
                changed.is_ok().then(|| Hint {
                    topic: *topic,
                    size: *receiver.borrow_and_update(),
                })
            })
        });
        select_all(waits).await.0
    }
}

/// Values with a short life, such as sign-ins under way.
#[async_trait::async_trait]
pub trait ShortValues: Send + Sync + std::fmt::Debug {
    /// Keeps a value until `ends`; an earlier one of the same key is gone.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn put_short(
        &self,
        key: &str,
        value: Vec<u8>,
        now: UnixMillis,
        ends: UnixMillis,
    ) -> StoreResult<()>;

    /// Takes a value out: of two callers one gets it.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn take_short(&self, key: &str, now: UnixMillis) -> StoreResult<Option<Vec<u8>>>;
}

/// Bus, buckets and short-lived values.
///
/// No method is atomic with any other. Everything may be called twice and may be forgotten.
#[async_trait::async_trait]
pub trait Cache: ShortValues {
    /// Tells all subscribers of the topic, on all workers.
    ///
    /// # Errors
    /// Failures of the backend; subscribers then learn by polling.
    async fn publish(&self, hint: Hint) -> StoreResult<()>;

    /// Subscribes; hints published after this returns are seen.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn subscribe(&self, topics: &[Topic]) -> StoreResult<Subscription>;

    /// Passes a note on to all who listen, on all workers.
    ///
    /// # Errors
    /// Failures of the backend; the note is then lost to some.
    async fn tell(&self, note: Note) -> StoreResult<()>;

    /// Notes of all spaces from now on; who is too slow misses some.
    fn notes(&self) -> broadcast::Receiver<Note>;

    /// Pays from a bucket, which begins full, as [`bucket::take`] says.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn pay(&self, bucket: &str, rate: Rate, pay: Pay, now: UnixMillis) -> StoreResult<Taken>;

    /// Notes one more failure of somebody, as [`Strikes::and_one`] says.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn strike(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes>;

    /// Failures of somebody that are not forgotten.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn strikes(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes>;

    /// Forgets the failures of somebody.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn forgive(&self, who: &str) -> StoreResult<()>;

    /// Whether hints of other workers arrive at once now; false while they are found by polling.
    fn is_shared_now(&self) -> bool {
        true
    }
}
