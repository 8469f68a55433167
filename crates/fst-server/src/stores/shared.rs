//! Stores that several workers share, and a worker's place among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fst_store::blob::BlobStore;
use fst_store::blob::s3::{Credentials, Patience, S3Blobs, S3Place, Style};
use fst_store::cache::ShortValues;
use fst_store::cache::redis::RedisCache;
use fst_store::error::{StoreError, StoreResult};
use fst_store::meta::postgres::{self, Migration, Place, PostgresMeta, PostgresUrl, Sharing};
use tokio::task::JoinHandle;

use crate::config::{Options, Postgres, Redis, S3, SecretUrl, Storage};
use crate::run::RunError;
use crate::seams::{OsRandom, bytes};
use crate::stores::Standing;

/// Pause between looks at the place, and between attempts to take it again: shorter than any client's patience.
const LOOK: Duration = Duration::from_secs(2);

/// A place among the workers of a database, taken again when the database was away.
#[derive(Debug)]
pub(super) struct Membership {
    is_welcome: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Takes the place.
    ///
    /// # Errors
    /// [`RunError::NotAlone`] when this worker and one that runs cannot work side by side.
    pub(super) async fn take(meta: Arc<PostgresMeta>, options: &Options) -> Result<Self, RunError> {
        let (sharing, why) = sharing(options);
        let place = meta.enlist(sharing).await?.ok_or(RunError::NotAlone(why))?;
        let is_welcome = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn(keep(meta, sharing, place, Arc::clone(&is_welcome)));
        Ok(Self { is_welcome, task })
    }
}

impl Standing for Membership {
    fn is_welcome(&self) -> bool {
        self.is_welcome.load(Ordering::Relaxed)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What this worker shares, and what it would take to work beside others.
fn sharing(options: &Options) -> (Sharing, &'static str) {
    let is_shared_storage = match options.storage {
        Storage::S3(_) => true,
        Storage::Local(_) | Storage::Memory => false,
    };
    match (options.redis.is_some(), is_shared_storage) {
        (true, true) => (
            Sharing::WithOthers,
            "the one that runs shares no bus or no storage: give it redis.url and storage.backend: s3",
        ),
        (false, _) => (
            Sharing::Alone,
            "several workers need a bus: set redis.url for all of them",
        ),
        (true, false) => (
            Sharing::Alone,
            "several workers need one storage: set storage.backend: s3 for all of them",
        ),
    }
}

async fn keep(
    meta: Arc<PostgresMeta>,
    sharing: Sharing,
    place: Place,
    is_welcome: Arc<AtomicBool>,
) {
    let mut place = Some(place);
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        if place.as_ref().is_some_and(Place::is_held) {
            continue;
        }
        // The database was away. While it is, nobody else can take the place either.
        match meta.enlist(sharing).await {
            Ok(Some(again)) => {
                place = Some(again);
                is_welcome.store(true, Ordering::Relaxed);
            },
            Ok(None) => {
                place = None;
                is_welcome.store(false, Ordering::Relaxed);
                tracing::error!(
                    "another worker took the database that this one needs for itself: stop one of them"
                );
            },
            Err(error) => tracing::warn!(%error, "the database is away"),
        }
    }
}

pub(super) async fn create(place: &Postgres) -> Result<bool, RunError> {
    Ok(postgres::create_database(&direct(place)?).await?)
}

pub(super) async fn migrate(place: &Postgres) -> Result<Vec<String>, RunError> {
    let steps = postgres::migrate(&direct(place)?).await?;
    Ok(names(&steps))
}

pub(super) async fn pending(place: &Postgres) -> Result<Vec<String>, RunError> {
    let steps = postgres::pending(&direct(place)?).await?;
    Ok(names(&steps))
}

pub(super) async fn open_meta(place: &Postgres) -> Result<PostgresMeta, RunError> {
    let (url, direct) = (parse(&place.url)?, direct(place)?);
    Ok(PostgresMeta::open(&url, &direct, place.pool_size).await?)
}

pub(super) async fn open_redis(
    place: &Redis,
    short: Option<Arc<dyn ShortValues>>,
) -> StoreResult<RedisCache> {
    let db = place.db.map(i64::from);
    RedisCache::open(place.url.expose_secret(), db, bytes(&OsRandom), short).await
}

pub(super) fn open_s3(place: &S3) -> StoreResult<S3Blobs> {
    let keys = place.credentials.clone();
    S3Blobs::open(&S3Place {
        bucket: place.bucket.clone(),
        region: place.region.clone(),
        endpoint: place.endpoint.clone(),
        style: if place.is_path_style {
            Style::Path
        } else {
            Style::Host
        },
        prefix: place.prefix.clone(),
        credentials: keys.map(|(id, secret, token)| Credentials { id, secret, token }),
        patience: Patience::default(),
    })
}

/// Finds out at the start what is wrong with bucket or credentials: else each upload of every device would.
pub(super) async fn look_at_bucket(
    storage: &Storage,
    blobs: &dyn BlobStore,
) -> Result<(), RunError> {
    let Storage::S3(place) = storage else {
        return Ok(());
    };
    let listed = blobs.list(None, 1).await;
    listed.map(drop).map_err(|source| RunError::Bucket {
        bucket: place.bucket.clone(),
        source,
    })
}

/// Past any pooler.
fn direct(place: &Postgres) -> Result<PostgresUrl, RunError> {
    parse(place.migration_url.as_ref().unwrap_or(&place.url))
}

fn parse(url: &SecretUrl) -> Result<PostgresUrl, RunError> {
    let parsed = PostgresUrl::parse(url.expose_secret());
    Ok(parsed.map_err(StoreError::backend("open the database"))?)
}

fn names(steps: &[Migration]) -> Vec<String> {
    steps.iter().map(|step| step.name.to_owned()).collect()
}
