//! Blobs in a bucket of an S3 server.
//!
//! Invariant: a put is acknowledged only after the server confirmed the checksum of every part and then shows the
//! whole blob under its name. Conditional requests are never relied on, because servers differ: names are random.
//! Not here: whether the bytes that a server gives back are those it took; clients open what they read, and what was
//! changed does not open. Source: ADR 0017.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, ObjectMeta, ObjectStore as _,
    ObjectStoreExt as _, RetryConfig,
};

use super::{BLOB_BYTES_MAX, BlobCounts, BlobInfo, BlobKey, BlobStore, Counters};
use crate::error::{StoreError, StoreResult};

/// Size from which a blob is sent in parts, and of each part but the last; S3 takes no smaller part than 5 MiB.
pub const PART_BYTES: usize = 8 << 20;

/// How long S3 may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// One attempt at one request.
    pub request: Duration,
    /// All attempts at one request.
    pub total: Duration,
    /// Attempts after the first.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            total: Duration::from_secs(60),
            retries: 6,
        }
    }
}

/// Keys of a bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token, for keys that end.
    pub token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.id)
    }
}

/// Whether the bucket is named by the host or by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `https://BUCKET.HOST/KEY`.
    Host,
    /// `https://HOST/BUCKET/KEY`.
    #[default]
    Path,
}

/// Where blobs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Place {
    /// Bucket, which must exist.
    pub bucket: String,
    /// Region.
    pub region: String,
    /// URL of the server; that of AWS when there is none.
    pub endpoint: Option<String>,
    /// How the bucket is named.
    pub style: Style,
    /// Folder in the bucket; empty for none.
    pub prefix: String,
    /// Keys; from the machine's role when there are none.
    pub credentials: Option<Credentials>,
    /// Time limits.
    pub patience: Patience,
}

/// Blobs in a bucket.
#[derive(Debug)]
pub struct S3Blobs {
    store: AmazonS3,
    folder: Path,
    counters: Counters,
}

impl S3Blobs {
    /// Opens a bucket; asks nothing yet.
    ///
    /// # Errors
    /// When the place does not parse.
    pub fn open(place: &S3Place) -> StoreResult<Self> {
        let Patience {
            request,
            total,
            retries,
        } = place.patience;
        let is_plain = place
            .endpoint
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"));
        let options = ClientOptions::new()
            .with_timeout(request)
            .with_connect_timeout(request.min(Duration::from_secs(5)))
            .with_allow_http(is_plain);
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: retries,
            retry_timeout: total,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&place.bucket)
            .with_region(&place.region)
            .with_virtual_hosted_style_request(place.style == Style::Host)
            // Single deletes are repeated after a time-out, and every server has them.
            .with_disable_bulk_delete(true)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_client_options(options)
            .with_retry(retry);
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(keys) = &place.credentials {
            builder = builder
                .with_access_key_id(&keys.id)
                .with_secret_access_key(&keys.secret);
            if let Some(token) = &keys.token {
                builder = builder.with_token(token);
            }
        }
        let store = builder.build();
        Ok(Self {
            store: store.map_err(StoreError::backend("open the bucket"))?,
            folder: Path::from(place.prefix.as_str()).join("objects"),
            counters: Counters::default(),
        })
    }

    fn path(&self, key: BlobKey) -> Path {
        self.folder.clone().join(key.to_string())
    }

    async fn put_in_parts(&self, path: &Path, mut bytes: Bytes) -> StoreResult<()> {
        let failed = "send a blob in parts to S3";
        let upload = self.store.put_multipart(path).await;
        let mut upload = upload.map_err(StoreError::backend(failed))?;
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(PART_BYTES));
            if let Err(error) = upload.put_part(part.into()).await {
                self.abort(&mut *upload).await;
                return Err(StoreError::backend(failed)(error));
            }
        }
        let completed = upload.complete().await;
        completed.map(drop).map_err(StoreError::backend(failed))
    }

    /// Frees the parts that were sent; the bucket's own rule for unfinished uploads frees what stays.
    async fn abort(&self, upload: &mut dyn object_store::MultipartUpload) {
        if let Err(error) = upload.abort().await {
            tracing::warn!(%error, "parts of an unfinished upload stay");
        }
    }

    async fn head(&self, path: &Path) -> StoreResult<ObjectMeta> {
        self.store.head(path).await.map_err(failure("ask S3"))
    }

    /// Why a range could not be read.
    async fn range_error(&self, path: &Path, end: Option<u64>, error: Error) -> StoreError {
        match self.head(path).await {
            Ok(meta) if end.is_none_or(|end| end > meta.size) => StoreError::Range,
            Ok(_) => failure("read from S3")(error),
            Err(error) => error,
        }
    }
}

#[async_trait::async_trait]
impl BlobStore for S3Blobs {
    async fn put(&self, key: BlobKey, bytes: Bytes) -> StoreResult<()> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge);
        }
        let (path, len) = (self.path(key), bytes.len() as u64);
        if bytes.len() > PART_BYTES {
            self.put_in_parts(&path, bytes).await?;
        } else {
            let put = self.store.put(&path, bytes.into()).await;
            put.map_err(StoreError::backend("send a blob to S3"))?;
        }
        // What a server took and does not show is not durable.
        let shown = self.head(&path).await.map_err(|error| match error {
            StoreError::NoBlob => lost(),
            other => other,
        })?;
        if shown.size != len {
            return Err(lost());
        }
        self.counters.put();
        Ok(())
    }

    async fn get(&self, key: BlobKey) -> StoreResult<Bytes> {
        let got = self.store.get(&self.path(key)).await;
        let got = got.map_err(failure("read from S3"))?;
        let len = got.meta.size;
        let bytes = got.bytes().await.map_err(failure("read from S3"))?;
        whole(bytes, len)
    }

    async fn get_range(&self, key: BlobKey, offset: u64, len: u64) -> StoreResult<Bytes> {
        let path = self.path(key);
        let Some(end) = offset.checked_add(len).filter(|_| len > 0) else {
            let size = self.head(&path).await?.size;
            let is_inside = len == 0 && offset <= size;
            return if is_inside {
                Ok(Bytes::new())
            } else {
                Err(StoreError::Range)
            };
        };
        let options = GetOptions::new().with_range(Some(offset..end));
        match self.store.get_opts(&path, options).await {
            Ok(got) if got.meta.size < end => Err(StoreError::Range),
            Ok(got) => {
                let bytes = got.bytes().await.map_err(failure("read from S3"))?;
                whole(bytes, len)
            },
            Err(error) => Err(self.range_error(&path, Some(end), error).await),
        }
    }

    async fn delete(&self, key: BlobKey) -> StoreResult<()> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::backend("delete from S3")(error)),
        }
    }

    async fn list(&self, after: Option<BlobKey>, limit: usize) -> StoreResult<Vec<BlobInfo>> {
        let listed = match after {
            Some(key) => self
                .store
                .list_with_offset(Some(&self.folder), &self.path(key)),
            None => self.store.list(Some(&self.folder)),
        };
        let infos = listed.try_filter_map(async |meta| {
            let key = meta.location.filename().and_then(BlobKey::parse);
            let bytes = meta.size;
            // What is not ours is left alone.
            Ok(key.map(|key| BlobInfo { key, bytes }))
        });
        let infos: Vec<BlobInfo> = infos
            .take(limit)
            .try_collect()
            .await
            .map_err(failure("list the bucket"))?;
        Ok(infos)
    }

    fn counts(&self) -> BlobCounts {
        self.counters.read()
    }
}

fn whole(bytes: Bytes, len: u64) -> StoreResult<Bytes> {
    if bytes.len() as u64 == len {
        Ok(bytes)
    } else {
        Err(StoreError::backend("read from S3")("it gave only a part"))
    }
}

fn lost() -> StoreError {
    StoreError::backend("send a blob to S3")("the server does not show what it acknowledged")
}

fn failure(what: &'static str) -> impl FnOnce(Error) -> StoreError {
    move |error| match error {
        Error::NotFound { .. } => StoreError::NoBlob,
        other => StoreError::backend(what)(other),
    }
}
