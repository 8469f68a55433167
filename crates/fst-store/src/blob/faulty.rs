//! A blob store that fails when told to, for tests of everything above it.
//!
//! Wraps any backend. Invariant: faults strike in the order they were planned, each once; without a plan it
//! behaves like what it wraps. Not here: faults of the operating system (crash tests kill the process).
//! Source: docs/design/sync-semantics.md, faults.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{BlobCounts, BlobInfo, BlobKey, BlobStore};
use crate::error::{StoreError, StoreResult};

/// What goes wrong with one call of `put`, `get`, `get_range` or `delete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and reports an error.
    Fails,
    /// The call does its work and reports an error all the same.
    DoneButFails,
    /// The call works.
    Works,
}

/// A wrapped store and the faults to come.
#[derive(Debug)]
pub struct FaultyBlobs<B> {
    inner: B,
    plan: Mutex<VecDeque<Fault>>,
}

impl<B: BlobStore> FaultyBlobs<B> {
    /// Wraps `inner`, without faults.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
        }
    }

    /// Adds faults for the next calls, one each.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(faults);
    }

    fn next(&self) -> Fault {
        let next = self
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        next.unwrap_or(Fault::Works)
    }

    async fn strike<T>(&self, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        let planned = || StoreError::backend("planned fault")("planned fault");
        match self.next() {
            Fault::Works => call.await,
            Fault::Fails => Err(planned()),
            Fault::DoneButFails => call.await.and_then(|_| Err(planned())),
        }
    }
}

#[async_trait::async_trait]
impl<B: BlobStore> BlobStore for FaultyBlobs<B> {
    async fn put(&self, key: BlobKey, bytes: Bytes) -> StoreResult<()> {
        self.strike(self.inner.put(key, bytes)).await
    }

    async fn get(&self, key: BlobKey) -> StoreResult<Bytes> {
        self.strike(self.inner.get(key)).await
    }

    async fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes> {
        self.strike(self.inner.get_range(key, offset, len)).await
    }

    async fn delete(&self, key: BlobKey) -> StoreResult<()> {
        self.strike(self.inner.delete(key)).await
    }

    async fn list(&self, after: Option<BlobKey>, limit: usize) -> StoreResult<Vec<BlobInfo>> {
        self.inner.list(after, limit).await
    }

    fn counts(&self) -> BlobCounts {
        self.inner.counts()
    }
}
