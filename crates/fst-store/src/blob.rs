//! Blobs: packs of sealed objects and large payloads, written once under random keys.
//!
//! `fst-server` writes a blob before the metadata that names it and deletes it only after. Invariant: when
//! [`BlobStore::put`] returns, the blob is durable and complete; a reader sees all of it or nothing.
//! Not here: what is inside, which objects are alive ([`crate::meta`]).
//! Source: docs/design/crypto-format.md §6.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fst_proto::text;

use crate::error::StoreResult;

pub mod faulty;
pub mod fs;
pub mod memory;
#[cfg(feature = "s3")]
pub mod s3;

/// Largest blob: a request body, see [`fst_proto::limits::REQUEST_BYTES_MAX`].
pub const BLOB_BYTES_MAX: usize = fst_proto::limits::REQUEST_BYTES_MAX;

/// Name of a blob: 16 random bytes, so that two writers never share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(pub [u8; 16]);

impl BlobKey {
    /// Parses 32 lower-case hex digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        text::from_hex(hex)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
    }
}

impl std::fmt::Display for BlobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::to_hex(&self.0))
    }
}

impl std::fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobKey({self})")
    }
}

/// A stored blob as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its key.
    pub key: BlobKey,
    /// Its length.
    pub bytes: u64,
}

/// Work done by a blob store since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlobCounts {
    /// Calls that forced data to disk.
    pub fsyncs: u64,
    /// Blobs written.
    pub puts: u64,
}

/// Counters behind [`BlobCounts`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    fsyncs: AtomicU64,
    puts: AtomicU64,
}

impl Counters {
    pub(crate) fn fsync(&self) {
        self.fsyncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn put(&self) {
        self.puts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> BlobCounts {
        BlobCounts {
            fsyncs: self.fsyncs.load(Ordering::Relaxed),
            puts: self.puts.load(Ordering::Relaxed),
        }
    }
}

/// Stores blobs by key.
///
/// Every method may be called twice with the same arguments. After an error of [`BlobStore::put`] the blob
/// may or may not be there; after an error of [`BlobStore::delete`] likewise.
#[async_trait::async_trait]
pub trait BlobStore: Send + Sync + std::fmt::Debug {
    /// Writes a blob; durable when it returns. Writing the same bytes again is allowed.
    ///
    /// # Errors
    /// [`crate::error::StoreError::TooLarge`] above [`BLOB_BYTES_MAX`]; failures of the backend.
    async fn put(&self, key: BlobKey, bytes: Bytes) -> StoreResult<()>;

    /// Reads a whole blob.
    ///
    /// # Errors
    /// [`crate::error::StoreError::NoBlob`]; failures of the backend.
    async fn get(&self, key: BlobKey) -> StoreResult<Bytes>;

    /// Reads `len` bytes from `offset`.
    ///
    /// # Errors
    /// [`crate::error::StoreError::NoBlob`], [`crate::error::StoreError::Range`] when the range does not lie
    /// wholly inside; failures of the backend.
    async fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes>;

    /// Removes a blob; removing what is not there is fine.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn delete(&self, key: BlobKey) -> StoreResult<()>;

    /// Lists at most `limit` blobs with keys above `after`, in order of keys.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn list(&self, after: Option<BlobKey>, limit: usize) -> StoreResult<Vec<BlobInfo>>;

    /// Work done so far.
    fn counts(&self) -> BlobCounts;
}
