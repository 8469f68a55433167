//! Opens the stores that the options name.
//!
//! Called by [`mod@crate::run`]. Invariant: a worker whose bus or blobs are its own is alone on its database; one
//! that shares both may work beside others. Not here: which settings there are ([`crate::config`]).
//! Source: ADR 0016, ADR 0017.

use std::path::Path;
use std::sync::Arc;

use fst_store::blob::BlobStore;
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::memory::MemoryBlobs;
use fst_store::cache::local::LocalCache;
use fst_store::cache::{Cache, ShortValues};
use fst_store::meta::sqlite::SqliteMeta;

use crate::config::{Database, Options, Storage};
use crate::run::{RunError, make_private_dir};
use crate::seams::{OsRandom, SystemClock};
use crate::service::{Parts, Service};
use crate::upkeep::restore;

#[cfg(feature = "shared-stores")]
mod shared;

/// A service and what keeps its place beside other workers.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) service: Service,
    pub(crate) member: Member,
}

/// A worker's place beside others.
pub(crate) trait Standing: Send + Sync + std::fmt::Debug {
    /// False when another worker took the place while the database was away.
    fn is_welcome(&self) -> bool;
}

/// A worker's membership; it ends when the last of its clones is dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member(Option<Arc<dyn Standing>>);

impl Member {
    /// True when the worker may serve, in particular when there is no place to lose.
    pub(crate) fn is_welcome(&self) -> bool {
        self.0.as_ref().is_none_or(|standing| standing.is_welcome())
    }
}

/// Opens everything that a running server needs.
///
/// # Errors
/// [`RunError`].
pub(crate) async fn open(options: &Options) -> Result<Opened, RunError> {
    restore::check_finished(options)?;
    let blobs = open_blobs(&options.storage)?;
    let opened = open_on(options, Arc::clone(&blobs)).await?;
    #[cfg(feature = "shared-stores")]
    shared::look_at_bucket(&options.storage, blobs.as_ref()).await?;
    Ok(opened)
}

/// The database and the bus, on these blobs.
async fn open_on(options: &Options, blobs: Arc<dyn BlobStore>) -> Result<Opened, RunError> {
    match &options.database {
        Database::Sqlite(path) => {
            let cache = open_cache(options, None).await?;
            Ok(Opened {
                service: service(options, Arc::new(open_sqlite(path)?), blobs, cache).await?,
                member: Member::default(),
            })
        },
        #[cfg(feature = "shared-stores")]
        Database::Postgres(place) => {
            shared::migrate(place).await?;
            let meta = Arc::new(shared::open_meta(place).await?);
            let cache = open_cache(options, Some(Arc::clone(&meta) as _)).await?;
            let membership = shared::Membership::take(Arc::clone(&meta), options).await?;
            Ok(Opened {
                service: service(options, meta, blobs, cache).await?,
                member: Member(Some(Arc::new(membership))),
            })
        },
        #[cfg(not(feature = "shared-stores"))]
        Database::Postgres(_) => Err(RunError::Lacks("PostgreSQL")),
    }
}

/// A service for commands that touch no blob: a running server keeps the blob folder for itself.
///
/// # Errors
/// [`RunError`].
pub(crate) async fn open_meta_only(options: &Options) -> Result<Service, RunError> {
    restore::check_finished(options)?;
    open_meta(options, Arc::new(MemoryBlobs::new())).await
}

/// A service on the database that hears and tells no other worker.
async fn open_meta(options: &Options, blobs: Arc<dyn BlobStore>) -> Result<Service, RunError> {
    let cache = Arc::new(LocalCache::new());
    match &options.database {
        Database::Sqlite(path) => {
            service(options, Arc::new(open_sqlite(path)?), blobs, cache).await
        },
        #[cfg(feature = "shared-stores")]
        Database::Postgres(place) => {
            service(
                options,
                Arc::new(shared::open_meta(place).await?),
                blobs,
                cache,
            )
            .await
        },
        #[cfg(not(feature = "shared-stores"))]
        Database::Postgres(_) => Err(RunError::Lacks("PostgreSQL")),
    }
}

/// A service beside running servers that reads and deletes blobs, and writes none.
///
/// # Errors
/// [`RunError`].
pub(crate) async fn open_beside(options: &Options) -> Result<Service, RunError> {
    restore::check_finished(options)?;
    let blobs: Arc<dyn BlobStore> = match &options.storage {
        Storage::Local(folder) => Arc::new(FsBlobs::beside(folder)),
        Storage::S3(_) => open_blobs(&options.storage)?,
        Storage::Memory => {
            return Err(RunError::NotHere(
                "a server in memory leaves nothing to prune",
            ));
        },
    };
    open_meta(options, blobs).await
}

/// Creates the database when it is missing and brings it to this program's version; returns the steps that ran.
///
/// # Errors
/// [`RunError`].
pub(crate) async fn prepare(options: &Options) -> Result<Vec<String>, RunError> {
    restore::check_finished(options)?;
    match &options.database {
        // Opening a file does both.
        Database::Sqlite(path) => {
            let steps = pending(options).await?;
            open_sqlite(path)?;
            Ok(steps)
        },
        #[cfg(feature = "shared-stores")]
        Database::Postgres(place) => {
            shared::create(place).await?;
            shared::migrate(place).await
        },
        #[cfg(not(feature = "shared-stores"))]
        Database::Postgres(_) => Err(RunError::Lacks("PostgreSQL")),
    }
}

/// Steps that bring the database to this program's version; changes nothing.
///
/// # Errors
/// [`RunError`].
#[cfg_attr(
    not(feature = "shared-stores"),
    expect(
        clippy::unused_async,
        reason = "a shared database is asked over the network"
    )
)]
pub(crate) async fn pending(options: &Options) -> Result<Vec<String>, RunError> {
    match &options.database {
        Database::Sqlite(path) => Ok(SqliteMeta::pending(path)?),
        #[cfg(feature = "shared-stores")]
        Database::Postgres(place) => shared::pending(place).await,
        #[cfg(not(feature = "shared-stores"))]
        Database::Postgres(_) => Err(RunError::Lacks("PostgreSQL")),
    }
}

async fn service(
    options: &Options,
    meta: Arc<dyn fst_store::meta::MetaStore>,
    blobs: Arc<dyn BlobStore>,
    cache: Arc<dyn Cache>,
) -> Result<Service, RunError> {
    let parts = Parts {
        meta,
        blobs,
        cache,
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    };
    let secret = options.token_secret.as_ref().map(|secret| secret.0);
    let service = Service::open_with(parts, secret).await?;
    Ok(service.bounded(options.bounds))
}

fn open_sqlite(path: &Path) -> Result<SqliteMeta, RunError> {
    path.parent().map_or(Ok(()), make_private_dir)?;
    Ok(SqliteMeta::open(path)?)
}

fn open_blobs(storage: &Storage) -> Result<Arc<dyn BlobStore>, RunError> {
    match storage {
        Storage::Local(folder) => Ok(Arc::new(FsBlobs::open(folder)?)),
        Storage::Memory => Ok(Arc::new(MemoryBlobs::new())),
        #[cfg(feature = "shared-stores")]
        Storage::S3(place) => Ok(Arc::new(shared::open_s3(place)?)),
        #[cfg(not(feature = "shared-stores"))]
        Storage::S3(_) => Err(RunError::Lacks("S3")),
    }
}

#[cfg_attr(
    not(feature = "shared-stores"),
    expect(
        clippy::unused_async,
        reason = "a shared cache is reached over the network"
    )
)]
async fn open_cache(
    options: &Options,
    short: Option<Arc<dyn ShortValues>>,
) -> Result<Arc<dyn Cache>, RunError> {
    match (&options.redis, short) {
        (None, _) => Ok(Arc::new(LocalCache::new())),
        #[cfg(feature = "shared-stores")]
        (Some(place), short) => Ok(Arc::new(shared::open_redis(place, short).await?)),
        #[cfg(not(feature = "shared-stores"))]
        (Some(_), _) => Err(RunError::Lacks("Redis")),
    }
}
