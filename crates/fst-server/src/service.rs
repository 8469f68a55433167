//! Everything the server does, without a transport.
//!
//! [`crate::http`] calls it with decoded messages and an authenticated [`Caller`]; simulations call it
//! directly. Invariant: it keeps no state of its own that matters (chains are cached, never trusted beyond
//! their length), and it acknowledges only what is durable: blob, then metadata, then the answer.
//! Not here: routes, bodies, tokens in headers ([`crate::http`]); rules of order (`fst_store::rules`).
//! Source: docs/design/wire.md, docs/design/crypto-format.md §3–4.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fst_proto::account::Chain;
use fst_proto::ids::{AccountId, DeviceId, SpaceId, VerifyKey};
use fst_proto::limits;
use fst_proto::time::Clock;
use fst_proto::wire::ServerInfo;
use fst_store::blob::BlobStore;
use fst_store::blob::memory::MemoryBlobs;
use fst_store::cache::local::LocalCache;
use fst_store::cache::{BackOff, Cache, Hint, Note, Pay, Rate, Subscription, Taken, Topic};
use fst_store::meta::memory::MemoryMeta;
use fst_store::meta::{Bounds, Lead, MetaStore, Totals};
use tokio::sync::broadcast::Receiver;

use crate::refusal::Refusal;
use crate::seams::{self, Random};

mod access;
mod accounts;
mod audit;
mod commit;
mod keys;
mod objects;
pub(crate) mod payload;
mod quota;
mod retention;
mod spaces;
mod tokens;

pub use access::{AccountRow, DeviceRow};
pub use objects::{ByteRange, ObjectPart};
pub use quota::Room;
pub use retention::Pruned;
pub use spaces::ServedChanges;

use keys::Keys;

/// Notes of one device: one for each frame of several uploads.
const NOTES: Rate = Rate {
    quota: 64,
    window_ms: 64 * 20,
};

/// Who asks: a device whose token was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The device.
    pub device: DeviceId,
    /// Its account.
    pub account: AccountId,
}

/// What a service stands on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Metadata.
    pub meta: Arc<dyn MetaStore>,
    /// Blobs.
    pub blobs: Arc<dyn BlobStore>,
    /// Bus and short-lived values.
    pub cache: Arc<dyn Cache>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// The server without a transport.
#[derive(Debug)]
pub struct Service {
    parts: Parts,
    keys: Keys,
    chains: Mutex<BTreeMap<AccountId, Arc<Chain>>>,
    bounds: Bounds,
}

/// Result of a service call.
pub type Served<T> = Result<T, Refusal>;

impl Service {
    /// Opens a service on its stores; makes the server's secrets when they are missing.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the stores fail.
    pub async fn open(parts: Parts) -> Served<Self> {
        Self::open_with(parts, None).await
    }

    /// Like [`Service::open`], with tokens made from `token` when it is given: all workers need the same one.
    ///
    /// # Errors
    /// As [`Service::open`].
    pub(crate) async fn open_with(parts: Parts, token: Option<[u8; 32]>) -> Served<Self> {
        let receipt = seams::bytes(&*parts.random);
        let receipt = parts
            .meta
            .get_or_create_secret("receipt-key-1", receipt)
            .await?;
        let token = match token {
            Some(token) => token,
            None => {
                let fresh = seams::bytes(&*parts.random);
                let kept = parts.meta.get_or_create_secret("token-key-1", fresh);
                kept.await?
            },
        };
        Ok(Self::assemble(parts, &receipt, &token))
    }

    /// A service whose stores live in memory, for simulations: the same code on other stores.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (receipt, token) = (seams::bytes(&*random), seams::bytes(&*random));
        let parts = Parts {
            meta: Arc::new(MemoryMeta::new()),
            blobs: Arc::new(MemoryBlobs::new()),
            cache: Arc::new(LocalCache::new()),
            clock,
            random,
        };
        Self::assemble(parts, &receipt, &token)
    }

    fn assemble(parts: Parts, receipt: &[u8; 32], token: &[u8; 32]) -> Self {
        Self {
            parts,
            keys: Keys::new(receipt, token),
            chains: Mutex::default(),
            bounds: Bounds::default(),
        }
    }

    /// The same with bounds for files, and for accounts without a quota of their own.
    #[must_use]
    pub fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Who answers.
    #[must_use]
    pub fn server_info(&self) -> ServerInfo {
        ServerInfo {
            product: "filesynctool".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            receipt_key: self.receipt_key(),
            time_ms: self.parts.clock.now().0,
        }
    }

    /// Key that verifies receipts, and the origin that devices name when they sign in.
    #[must_use]
    pub fn receipt_key(&self) -> VerifyKey {
        self.keys.receipt_key()
    }

    /// The clock that the service goes by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// Randomness that the service uses.
    #[must_use]
    pub fn random(&self) -> &dyn Random {
        &*self.parts.random
    }

    /// Calls that forced blobs to disk.
    #[must_use]
    pub fn blob_fsyncs(&self) -> u64 {
        self.parts.blobs.counts().fsyncs
    }

    /// Totals for metrics; also tells whether the metadata answers.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn totals(&self) -> Served<Totals> {
        Ok(self.parts.meta.totals().await?)
    }

    /// Becomes the only worker that has `role`, until the answer is dropped; `None` when another one has it.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn lead(&self, role: &str) -> Served<Option<Lead>> {
        Ok(self.parts.meta.lead(role).await?)
    }

    /// Subscribes to hints; a lost hint costs one poll.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn subscribe(&self, topics: &[Topic]) -> Served<Subscription> {
        Ok(self.parts.cache.subscribe(topics).await?)
    }

    /// Hands a sealed note to the other devices that listen to a space; nothing of it is kept.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's; [`Refusal::TooLarge`]; [`Refusal::RateLimited`].
    pub async fn tell(&self, caller: Caller, space: SpaceId, bytes: Bytes) -> Served<()> {
        self.check_member(caller, space).await?;
        if bytes.len() > limits::NOTE_BYTES_MAX {
            return Err(Refusal::TooLarge {
                what: "note",
                limit: limits::NOTE_BYTES_MAX,
            });
        }
        let bucket = format!("notes:{}", caller.device);
        self.take_token(&bucket, NOTES).await?;
        let note = Note {
            space,
            from: caller.device,
            bytes,
        };
        // What is lost here is found at the commit.
        if let Err(error) = self.parts.cache.tell(note).await {
            tracing::debug!(%error, "a note was not passed on");
        }
        Ok(())
    }

    /// Notes of all spaces from now on.
    #[must_use]
    pub fn notes(&self) -> Receiver<Note> {
        self.parts.cache.notes()
    }

    /// Whether changes that other workers take are announced at once, or found by polling.
    #[must_use]
    pub fn is_bus_up(&self) -> bool {
        self.parts.cache.is_shared_now()
    }

    async fn publish(&self, hint: Hint) {
        // What is lost here is found by the next poll; the commit itself stands.
        if let Err(error) = self.parts.cache.publish(hint).await {
            tracing::warn!(%error, "a change was not announced");
        }
    }

    /// Pays from a bucket of this installation.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub(crate) async fn pay(&self, bucket: &str, rate: Rate, pay: Pay) -> Served<Taken> {
        let now = self.parts.clock.now();
        Ok(self.parts.cache.pay(bucket, rate, pay, now).await?)
    }

    /// Does `work` unless `who` has to wait after failures; a refusal that proves nothing is one more failure, and what
    /// succeeds ends them.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] during a wait, whatever `work` would say; else what `work` says.
    pub(crate) async fn guarded<T>(
        &self,
        (who, device): (&str, Option<DeviceId>),
        rule: BackOff,
        work: impl Future<Output = Served<T>>,
    ) -> Served<T> {
        let cache = &self.parts.cache;
        let struck = cache.strikes(who, rule, self.parts.clock.now()).await?;
        let retry_ms = struck.wait_ms(self.parts.clock.now());
        if retry_ms > 0 {
            return Err(Refusal::RateLimited { retry_ms });
        }
        let done = work.await;
        match &done {
            Ok(_) if struck.n > 0 => {
                // What succeeded stays so: the failures before it only wear off later.
                if let Err(error) = cache.forgive(who).await {
                    tracing::warn!(%error, "failures before a success are still counted");
                }
            },
            Err(Refusal::Unauthorized(_) | Refusal::SetupCode | Refusal::Slot) => {
                let struck = cache.strike(who, rule, self.parts.clock.now()).await?;
                if struck.n == rule.free.saturating_add(1) {
                    self.tell_back_off(device).await;
                }
            },
            Ok(_) | Err(_) => {},
        }
        done
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Served<()> {
        match self.pay(bucket, rate, Pay::Ahead(1)).await? {
            Taken::Granted { .. } => Ok(()),
            Taken::Empty { retry_ms } => Err(Refusal::RateLimited { retry_ms }),
        }
    }
}
