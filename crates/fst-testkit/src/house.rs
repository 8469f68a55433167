//! The server of a simulation, which may be killed and started anew on its stores, and requests that come late.
//!
//! Shared by all lines of a world. Invariant: what a store has taken before a kill is there afterwards, and
//! nothing else of the server is. Not here: the lines ([`crate::net`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fst_fs::fake::Killed;
use fst_server::service::{Parts, Service};
use fst_store::blob::memory::MemoryBlobs;
use fst_store::blob::{BlobCounts, BlobInfo, BlobKey, BlobStore};
use fst_store::cache::local::LocalCache;
use fst_store::error::StoreResult;
use fst_store::meta::MetaStore;
use fst_store::meta::memory::MemoryMeta;
use futures::executor::block_on;

use crate::rng::Rng;
use crate::world::VirtualClock;

/// A request that is on its way for longer than its sender waits.
type Late = Box<dyn FnOnce(&Service) + Send>;

/// Requests under way at most; one more and the oldest never arrives.
const LATE_MAX: usize = 16;

/// A server and its stores. Clones are the same house.
#[derive(Clone)]
pub struct House {
    inner: Arc<Inner>,
}

struct Inner {
    service: Mutex<Arc<Service>>,
    stores: Mutex<Option<Stores>>,
    late: Mutex<Vec<Late>>,
    n_kills: AtomicU64,
}

#[derive(Clone)]
struct Stores {
    meta: Arc<MemoryMeta>,
    blobs: Arc<MortalBlobs>,
    clock: VirtualClock,
    random: Rng,
}

impl Stores {
    fn parts(&self) -> Parts {
        Parts {
            meta: Arc::clone(&self.meta) as Arc<dyn MetaStore>,
            blobs: Arc::clone(&self.blobs) as Arc<dyn BlobStore>,
            cache: Arc::new(LocalCache::new()),
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(self.random.clone()),
        }
    }
}

/// All that a server has, metadata and objects, as a backup of one moment.
#[derive(Debug)]
pub struct Backup {
    meta: MemoryMeta,
    blobs: MemoryBlobs,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").finish_non_exhaustive()
    }
}

impl House {
    /// A house whose server can be killed.
    ///
    /// # Panics
    /// Never: memory does not fail.
    #[must_use]
    pub fn mortal(clock: &VirtualClock, rng: &Rng) -> Self {
        let stores = Stores {
            meta: Arc::new(MemoryMeta::new()),
            blobs: Arc::new(MortalBlobs::default()),
            clock: clock.clone(),
            random: rng.clone(),
        };
        let service = block_on(Service::open(stores.parts())).expect("memory store");
        Self::with(Arc::new(service), Some(stores))
    }

    /// A house around a server that stands for good.
    #[must_use]
    pub fn standing(service: Arc<Service>) -> Self {
        Self::with(service, None)
    }

    fn with(service: Arc<Service>, stores: Option<Stores>) -> Self {
        Self {
            inner: Arc::new(Inner {
                service: Mutex::new(service),
                stores: Mutex::new(stores),
                late: Mutex::default(),
                n_kills: AtomicU64::new(0),
            }),
        }
    }

    fn stores(&self) -> Option<Stores> {
        let stores = self.inner.stores.lock();
        stores.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A copy of all that the server has now; `None` for one that stands for good.
    #[must_use]
    pub fn back_up(&self) -> Option<Backup> {
        let stores = self.stores()?;
        Some(Backup {
            meta: stores.meta.copied(),
            blobs: stores.blobs.inner.copied(),
        })
    }

    /// Replaces all that the server has by a copy, and starts it anew.
    ///
    /// # Panics
    /// Never: memory does not fail.
    pub fn put_back(&self, backup: Backup) {
        let inner = &self.inner;
        let mut stores = inner.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stores) = stores.as_mut() {
            stores.meta = Arc::new(backup.meta);
            stores.blobs = Arc::new(MortalBlobs {
                inner: backup.blobs,
                ..MortalBlobs::default()
            });
        }
        drop(stores);
        self.start();
    }

    /// The server that answers now.
    #[must_use]
    pub fn service(&self) -> Arc<Service> {
        let service = self.inner.service.lock();
        Arc::clone(&service.unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the server's process and starts another on the same stores.
    ///
    /// # Panics
    /// Never: memory does not fail.
    pub fn restart(&self) {
        self.start();
        self.inner.n_kills.fetch_add(1, Ordering::Relaxed);
    }

    fn start(&self) {
        let Some(stores) = self.stores() else {
            return;
        };
        self.spare();
        let fresh = block_on(Service::open(stores.parts())).expect("memory store");
        let mut service = self
            .inner
            .service
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *service = Arc::new(fresh);
    }

    /// Kills the server at the `n`-th call of its object store from now.
    pub fn kill_after(&self, n: u64) {
        if let Some(Stores { blobs, .. }) = self.stores() {
            let at = blobs.n_calls.load(Ordering::Relaxed) + n;
            blobs.kill_at.store(at, Ordering::Relaxed);
        }
    }

    /// Takes back a kill that has not struck yet.
    pub fn spare(&self) {
        if let Some(Stores { blobs, .. }) = self.stores() {
            blobs.kill_at.store(0, Ordering::Relaxed);
        }
    }

    /// Kills so far.
    #[must_use]
    pub fn n_kills(&self) -> u64 {
        self.inner.n_kills.load(Ordering::Relaxed)
    }

    /// Lets the server work on something; `None` when it was killed meanwhile.
    pub fn serve<T>(&self, work: impl FnOnce(&Service) -> T) -> Option<T> {
        let service = self.service();
        match catch_unwind(AssertUnwindSafe(|| work(&service))) {
            Ok(done) => Some(done),
            Err(thrown) if thrown.is::<Killed>() => {
                drop(service);
                self.restart();
                None
            },
            Err(thrown) => std::panic::resume_unwind(thrown),
        }
    }

    /// Keeps a request for later.
    pub fn delay(&self, request: impl FnOnce(&Service) + Send + 'static) {
        let mut late = self.late();
        if late.len() == LATE_MAX {
            drop(late.remove(0));
        }
        late.push(Box::new(request));
    }

    /// Lets one of the late requests arrive, in any order. True when there was one.
    pub fn deliver_one(&self, rng: &Rng) -> bool {
        let mut late = self.late();
        if late.is_empty() {
            return false;
        }
        let at = rng.below(late.len());
        let request = late.swap_remove(at);
        drop(late);
        self.serve(request);
        true
    }

    fn late(&self) -> std::sync::MutexGuard<'_, Vec<Late>> {
        self.inner
            .late
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Objects in memory whose process may be killed right before or right after it has stored one.
#[derive(Debug, Default)]
struct MortalBlobs {
    inner: MemoryBlobs,
    n_calls: AtomicU64,
    kill_at: AtomicU64,
}

impl MortalBlobs {
    /// Each call has two moments: before and after.
    fn moment(&self) {
        let n = self.n_calls.fetch_add(1, Ordering::Relaxed) + 1;
        let at = self.kill_at.load(Ordering::Relaxed);
        if at != 0 && n >= at {
            Killed::strike();
        }
    }
}

#[async_trait::async_trait]
impl BlobStore for MortalBlobs {
    async fn put(&self, key: BlobKey, bytes: Bytes) -> StoreResult<()> {
        self.moment();
        self.inner.put(key, bytes).await?;
        self.moment();
        Ok(())
    }

    async fn get(&self, key: BlobKey) -> StoreResult<Bytes> {
        self.moment();
        self.inner.get(key).await
    }

    async fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes> {
        self.moment();
        self.inner.get_range(key, offset, len).await
    }

    async fn delete(&self, key: BlobKey) -> StoreResult<()> {
        self.moment();
        self.inner.delete(key).await
    }

    async fn list(&self, after: Option<BlobKey>, limit: usize) -> StoreResult<Vec<BlobInfo>> {
        self.inner.list(after, limit).await
    }

    fn counts(&self) -> BlobCounts {
        self.inner.counts()
    }
}
