//! Blobs as files in a folder of the server.
//!
//! Layout: `<root>/a/b/<32 hex digits>`, where `a` and `b` are the first two digits: 256 folders, all made
//! when the store is opened, so that a put costs two fsyncs and never a third for a new folder.
//! Invariant: a file under its final name is complete and durable; what is not is called `*.tmp` and is
//! removed at the next start. Not here: encryption (blobs are sealed already).
//! Source: docs/design/crypto-format.md §6.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{BLOB_BYTES_MAX, BlobCounts, BlobInfo, BlobKey, BlobStore, Counters};
use crate::error::{StoreError, StoreResult};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Blobs in a folder.
#[derive(Debug, Clone)]
pub struct FsBlobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    counters: Counters,
}

impl FsBlobs {
    /// Opens the folder, makes it when missing, and removes what an interrupted put left behind.
    ///
    /// Only one process may have a folder open.
    /// # Errors
    /// When folders cannot be made or read.
    pub fn open(root: &Path) -> StoreResult<Self> {
        let inner = Inner {
            root: root.to_owned(),
            counters: Counters::default(),
        };
        inner
            .prepare()
            .map_err(StoreError::backend("open the blob folder"))?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Opens a folder that another process may have open, to read; makes and removes nothing.
    #[must_use]
    pub fn beside(root: &Path) -> Self {
        Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                counters: Counters::default(),
            }),
        }
    }

    /// Length of a blob in bytes.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`]; failures of the file system.
    pub async fn len(&self, key: BlobKey) -> StoreResult<u64> {
        self.run(move |inner| {
            let found = fs::metadata(inner.path(key)).map_err(read_failure)?;
            Ok(found.len())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inner) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || job(&inner))
            .await
            .map_err(|_| StoreError::Closed)?
    }
}

#[async_trait::async_trait]
impl BlobStore for FsBlobs {
    async fn put(&self, key: BlobKey, bytes: Bytes) -> StoreResult<()> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge);
        }
        self.run(move |inner| {
            inner
                .put(key, &bytes)
                .map_err(StoreError::backend("write a blob"))
        })
        .await
    }

    async fn get(&self, key: BlobKey) -> StoreResult<Bytes> {
        self.run(move |inner| {
            fs::read(inner.path(key))
                .map(Bytes::from)
                .map_err(read_failure)
        })
        .await
    }

    async fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes> {
        self.run(move |inner| inner.get_range(key, offset, len))
            .await
    }

    async fn delete(&self, key: BlobKey) -> StoreResult<()> {
        self.run(move |inner| match fs::remove_file(inner.path(key)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::backend("delete a blob")(e))
            },
            Ok(()) | Err(_) => Ok(()),
        })
        .await
    }

    async fn list(&self, after: Option<BlobKey>, limit: usize) -> StoreResult<Vec<BlobInfo>> {
        self.run(move |inner| {
            inner
                .list(after, limit)
                .map_err(StoreError::backend("list blobs"))
        })
        .await
    }

    fn counts(&self) -> BlobCounts {
        self.inner.counters.read()
    }
}

impl Inner {
    fn prepare(&self) -> io::Result<()> {
        let complete = self.root.join("layout-1");
        if !complete.exists() {
            for first in HEX {
                for second in HEX {
                    fs::create_dir_all(self.dir(*first, *second))?;
                }
                self.sync_dir(&self.root.join(char::from(*first).to_string()))?;
            }
            File::create(&complete)?;
            self.sync_dir(&self.root)?;
            if let Some(parent) = self.root.parent() {
                self.sync_dir(parent)?;
            }
        }
        self.remove_leftovers()
    }

    fn remove_leftovers(&self) -> io::Result<()> {
        for (first, second) in folders() {
            for entry in fs::read_dir(self.dir(first, second))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "tmp") {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    fn dir(&self, first: u8, second: u8) -> PathBuf {
        self.root
            .join(char::from(first).to_string())
            .join(char::from(second).to_string())
    }

    fn path(&self, key: BlobKey) -> PathBuf {
        let name = key.to_string();
        let digits = name.as_bytes();
        self.dir(digits[0], digits[1]).join(name)
    }

    fn put(&self, key: BlobKey, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let staged = path.with_extension("tmp");
        let written = self
            .write_synced(&staged, bytes)
            .and_then(|()| fs::rename(&staged, &path));
        if let Err(e) = written {
            // The first error says what is wrong; a left-over goes at the next start.
            fs::remove_file(&staged).unwrap_or_default();
            return Err(e);
        }
        if let Some(dir) = path.parent() {
            self.sync_dir(dir)?;
        }
        self.counters.put();
        Ok(())
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        self.counters.fsync();
        file.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counters.fsync();
        File::open(dir)?.sync_all()
    }

    fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes> {
        let mut file = File::open(self.path(key)).map_err(read_failure)?;
        let size = file.metadata().map_err(read_failure)?.len();
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(StoreError::Range);
        }
        let mut out = vec![0; usize::try_from(len).map_err(|_| StoreError::Range)?];
        file.seek(SeekFrom::Start(offset)).map_err(read_failure)?;
        file.read_exact(&mut out).map_err(read_failure)?;
        Ok(Bytes::from(out))
    }

    fn list(&self, after: Option<BlobKey>, limit: usize) -> io::Result<Vec<BlobInfo>> {
        let mut out = Vec::new();
        for (first, second) in folders() {
            if out.len() >= limit {
                break;
            }
            let mut found = Vec::new();
            for entry in fs::read_dir(self.dir(first, second))? {
                let entry = entry?;
                let key = entry.file_name().to_str().and_then(BlobKey::parse);
                if let Some(key) = key.filter(|key| after.is_none_or(|after| *key > after)) {
                    found.push(BlobInfo {
                        key,
                        bytes: entry.metadata()?.len(),
                    });
                }
            }
            found.sort_unstable_by_key(|info| info.key);
            out.extend(found);
        }
        out.truncate(limit);
        Ok(out)
    }
}

fn folders() -> impl Iterator<Item = (u8, u8)> {
    HEX.iter()
        .flat_map(|first| HEX.iter().map(move |second| (*first, *second)))
}

fn read_failure(e: io::Error) -> StoreError {
    if e.kind() == io::ErrorKind::NotFound {
        StoreError::NoBlob
    } else {
        StoreError::backend("read a blob")(e)
    }
}
