//! Blobs in memory, for simulations and tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{BLOB_BYTES_MAX, BlobCounts, BlobInfo, BlobKey, BlobStore, Counters};
use crate::error::{StoreError, StoreResult};

/// Blobs in a map.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<BlobKey, Bytes>>,
    counters: Counters,
}

impl MemoryBlobs {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A second store that holds what this one holds now, as a backup does; it has counted nothing yet.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            blobs: Mutex::new(self.with(|blobs| blobs.clone())),
            counters: Counters::default(),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<BlobKey, Bytes>) -> T) -> T {
        f(&mut self.blobs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The part of `blob` from `offset` on, `len` bytes long.
pub(super) fn cut(blob: &Bytes, offset: u64, len: u64) -> StoreResult<Bytes> {
    let end = offset.checked_add(len).ok_or(StoreError::Range)?;
    let (start, end) = (usize::try_from(offset), usize::try_from(end));
    match (start, end) {
        (Ok(start), Ok(end)) if end <= blob.len() => Ok(blob.slice(start..end)),
        (_, _) => Err(StoreError::Range),
    }
}

#[async_trait::async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, key: BlobKey, bytes: Bytes) -> StoreResult<()> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge);
        }
        self.with(|blobs| blobs.insert(key, bytes));
        self.counters.put();
        Ok(())
    }

    async fn get(&self, key: BlobKey) -> StoreResult<Bytes> {
        self.with(|blobs| blobs.get(&key).cloned())
            .ok_or(StoreError::NoBlob)
    }

    async fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes> {
        cut(&self.get(key).await?, offset, len)
    }

    async fn delete(&self, key: BlobKey) -> StoreResult<()> {
        self.with(|blobs| blobs.remove(&key));
        Ok(())
    }

    async fn list(&self, after: Option<BlobKey>, limit: usize) -> StoreResult<Vec<BlobInfo>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(|blobs| {
            let range = blobs.range((from, Bound::Unbounded)).take(limit);
            range
                .map(|(key, blob)| BlobInfo {
                    key: *key,
                    bytes: blob.len() as u64,
                })
                .collect()
        }))
    }

    fn counts(&self) -> BlobCounts {
        self.counters.read()
    }
}
