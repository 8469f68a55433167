//! Metadata in PostgreSQL: several workers share it.
//!
//! Every write is one transaction at READ COMMITTED that first locks the row of its space or account, so that
//! whoever comes second reads what the first one wrote. Invariant: a transaction that returned is flushed, whatever
//! `synchronous_commit` the role has; a deadlock or serialization failure is tried again, a bounded number of times.
//! Not here: SQL of single methods (`accounts`, `log`, `objects`), rules ([`crate::rules`]), when to migrate.
//! Source: migrations/postgres; ADR 0016.

use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;

use fst_proto::account::AccountEntry;
use fst_proto::ids::{AccountId, BadId, DeviceId, Hash32, ObjectId, SlotId, SpaceId};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;
use fst_proto::wire::SpaceInfo;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, Row};

use super::{
    AppendAccountTx, AuditEvent, AuditRecord, CommitTx, Committed, CreateAccountTx, CreateSpaceTx,
    ForgetTx, Lead, Located, MetaStore, Outcome, PackTx, Page, PageLimit, Quota, StoredSlot,
    Subject, Totals, Usage,
};
use crate::blob::BlobKey;
use crate::cache::ShortValues;
use crate::error::{StoreError, StoreResult};

mod access;
mod accounts;
mod audit;
mod locks;
mod log;
mod migrate;
mod objects;
mod pool;
mod quota;

pub use locks::{Place, Sharing};
pub use migrate::{Migration, create_database, migrate, pending};

use pool::{Pool, Transact, Tx};

/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Silence after which a connection is probed, so that a lost machine is noticed.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Metadata in PostgreSQL.
#[derive(Debug)]
pub struct PostgresMeta {
    pool: Pool,
    /// Connections that hold session locks, past any pooler.
    direct: Config,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl(Config);

/// A database URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// It does not parse.
    #[error("the database URL is not understood")]
    Shape(#[source] tokio_postgres::Error),
    /// The way there would be readable, and nobody said that it may be.
    #[error(
        "this build cannot encrypt the way to another machine's PostgreSQL: use a private network or a tunnel and say \
         so with ?sslmode=disable"
    )]
    Plain,
}

impl PostgresUrl {
    /// Parses `postgresql://USER:PASSWORD@HOST:PORT/NAME?…`.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let mut config = Config::from_str(url).map_err(BadUrl::Shape)?;
        let is_near = config.get_hosts().iter().all(is_this_machine);
        if !is_near && config.get_ssl_mode() != SslMode::Disable {
            return Err(BadUrl::Plain);
        }
        if config.get_application_name().is_none() {
            config.application_name("fst-server");
        }
        config
            .connect_timeout(CONNECT_TIME_MAX)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE)
            .tcp_user_timeout(3 * KEEPALIVE);
        Ok(Self(config))
    }

    /// Name of the database; PostgreSQL takes that of the user when none is given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.get_dbname().or_else(|| self.0.get_user())
    }
}

impl PostgresMeta {
    /// Opens a pool of at most `pool_size` connections on a database of exactly this version.
    ///
    /// `direct` is for session locks: the same place, past any pooler.
    /// # Errors
    /// When the database does not answer, or is older or newer than this program.
    pub async fn open(
        url: &PostgresUrl,
        direct: &PostgresUrl,
        pool_size: usize,
    ) -> StoreResult<Self> {
        let pool = Pool::new(&url.0, pool_size)?;
        migrate::check(&pool).await?;
        pool.warn_if_unsafe().await?;
        Ok(Self {
            pool,
            direct: direct.0.clone(),
        })
    }

    /// Takes a place among the workers of this database; `None` when `sharing` does not go with those there.
    ///
    /// # Errors
    /// Failures of the backend.
    pub async fn enlist(&self, sharing: Sharing) -> StoreResult<Option<Place>> {
        locks::enlist(&self.direct, sharing).await
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::backend("use the database")(error)
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        },
    }
}

/// A number of ours as PostgreSQL keeps it: it counts to 2^63, nothing lies beyond.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Reads a number.
fn number(row: &Row, column: usize) -> StoreResult<u64> {
    let n: i64 = row.try_get(column)?;
    u64::try_from(n).map_err(|_| StoreError::Damaged { what: "number" })
}

/// Reads an id.
fn id<T>(
    row: &Row,
    column: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, BadId>,
) -> StoreResult<T> {
    parse(row.try_get(column)?).map_err(|_| StoreError::Damaged { what: "id" })
}

#[async_trait::async_trait]
impl ShortValues for PostgresMeta {
    async fn put_short(
        &self,
        key: &str,
        value: Vec<u8>,
        now: UnixMillis,
        ends: UnixMillis,
    ) -> StoreResult<()> {
        let value = value.as_slice();
        let request = accounts::PutShort {
            key,
            value,
            now,
            ends,
        };
        self.pool.write(&request).await
    }

    async fn take_short(&self, key: &str, now: UnixMillis) -> StoreResult<Option<Vec<u8>>> {
        self.pool.write(&accounts::TakeShort { key, now }).await
    }
}

#[async_trait::async_trait]
impl MetaStore for PostgresMeta {
    async fn get_or_create_secret(&self, name: &str, fresh: [u8; 32]) -> StoreResult<[u8; 32]> {
        self.pool.write(&accounts::Secret { name, fresh }).await
    }

    async fn create_setup_code(
        &self,
        code: Hash32,
        ends: UnixMillis,
        now: UnixMillis,
    ) -> StoreResult<()> {
        let request = accounts::SetupCode { code, ends, now };
        self.pool.write(&request).await
    }

    async fn is_setup_code_open(&self, code: Hash32, now: UnixMillis) -> StoreResult<bool> {
        accounts::is_setup_code_open(&self.pool.reader().await?, code, now).await
    }

    async fn create_account(&self, request: CreateAccountTx) -> StoreResult<Outcome> {
        self.pool.write(&request).await
    }

    async fn account_entries(
        &self,
        account: AccountId,
        since: u64,
    ) -> StoreResult<Vec<AccountEntry>> {
        accounts::entries(&self.pool.reader().await?, account, since).await
    }

    async fn account_len(&self, account: AccountId) -> StoreResult<u64> {
        accounts::len(&self.pool.reader().await?, account).await
    }

    async fn append_account(&self, request: AppendAccountTx) -> StoreResult<Outcome> {
        self.pool.write(&request).await
    }

    async fn slot(&self, slot: SlotId) -> StoreResult<Option<StoredSlot>> {
        accounts::slot(&self.pool.reader().await?, slot).await
    }

    async fn device_account(&self, device: DeviceId) -> StoreResult<Option<AccountId>> {
        accounts::device_account(&self.pool.reader().await?, device).await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        n_max: usize,
    ) -> StoreResult<Vec<AccountId>> {
        access::accounts(&self.pool.reader().await?, after, n_max).await
    }

    async fn bar(&self, subject: Subject, since: UnixMillis) -> StoreResult<Outcome> {
        self.pool.write(&access::Bar { subject, since }).await
    }

    async fn unbar(&self, subject: Subject, now: UnixMillis) -> StoreResult<Outcome> {
        self.pool.write(&access::Unbar { subject, now }).await
    }

    async fn barred_since(&self, subject: Subject) -> StoreResult<Option<UnixMillis>> {
        access::barred_since(&self.pool.reader().await?, subject).await
    }

    async fn set_quota(
        &self,
        account: AccountId,
        quota: Option<Quota>,
        now: UnixMillis,
    ) -> StoreResult<Outcome> {
        let request = quota::PutQuota {
            account,
            quota,
            now,
        };
        self.pool.write(&request).await
    }

    async fn quota(&self, account: AccountId) -> StoreResult<Option<Quota>> {
        quota::kept(&self.pool.reader().await?, account).await
    }

    async fn usage(&self, account: AccountId) -> StoreResult<Usage> {
        quota::usage(&self.pool.reader().await?, account).await
    }

    async fn create_space(&self, request: CreateSpaceTx) -> StoreResult<Committed> {
        self.pool.write(&request).await
    }

    async fn spaces(&self, account: AccountId) -> StoreResult<Vec<SpaceInfo>> {
        log::spaces(&self.pool.reader().await?, account).await
    }

    async fn space_owner(&self, space: SpaceId) -> StoreResult<Option<AccountId>> {
        log::owner(&self.pool.reader().await?, space).await
    }

    async fn commit(&self, request: CommitTx) -> StoreResult<Committed> {
        self.pool.write(&request).await
    }

    async fn changes(&self, space: SpaceId, since: u64, limit: PageLimit) -> StoreResult<Page> {
        log::changes(&self.pool.reader().await?, space, since, limit).await
    }

    async fn head_at(&self, space: SpaceId, size: u64) -> StoreResult<Option<(Head, UnixMillis)>> {
        log::head_at(&self.pool.reader().await?, space, size).await
    }

    async fn missing_objects(
        &self,
        space: SpaceId,
        ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<ObjectId>> {
        objects::missing(&self.pool.reader().await?, space, ids).await
    }

    async fn locate_objects(
        &self,
        space: SpaceId,
        ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<Located>> {
        objects::locate(&self.pool.reader().await?, space, &ids).await
    }

    async fn register_pack(&self, pack: PackTx) -> StoreResult<Vec<ObjectId>> {
        self.pool.write(&pack).await
    }

    async fn all_spaces(&self) -> StoreResult<Vec<SpaceId>> {
        log::all_spaces(&self.pool.reader().await?).await
    }

    async fn forget_objects(&self, request: ForgetTx) -> StoreResult<Option<Vec<BlobKey>>> {
        self.pool.write(&request).await
    }

    async fn lead(&self, role: &str) -> StoreResult<Option<Lead>> {
        locks::lead(&self.direct, role).await
    }

    async fn tell_audit(&self, event: AuditEvent) -> StoreResult<()> {
        self.pool.write(&audit::Tell(event)).await
    }

    async fn audit_records(&self, after: u64, n_max: usize) -> StoreResult<Vec<AuditRecord>> {
        audit::records(&self.pool.reader().await?, after, n_max).await
    }

    async fn totals(&self) -> StoreResult<Totals> {
        log::totals(&self.pool.reader().await?).await
    }
}
