//! Metadata in one SQLite file: a server that runs alone needs nothing else.
//!
//! One thread writes and runs whole transactions as closures; readers run beside it on their own
//! connections. Invariant: write-ahead log with `synchronous=FULL`, so a transaction that returned survives
//! a power cut. Not here: SQL of single methods (`accounts`, `log`, `objects`), rules ([`crate::rules`]).
//! Source: migrations/sqlite; measured choices: docs/adr.

use std::path::Path;

use fst_proto::account::AccountEntry;
use fst_proto::ids::{AccountId, BadId, DeviceId, Hash32, ObjectId, SlotId, SpaceId};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;
use fst_proto::wire::SpaceInfo;
use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, types};

use super::audit::{told_of_bar, told_of_code, told_of_quota};
use super::lead::{Lead, LocalRoles};
use super::{
    AppendAccountTx, AuditEvent, AuditRecord, CommitTx, Committed, CreateAccountTx, CreateSpaceTx,
    ForgetTx, Located, MetaStore, Outcome, PackTx, Page, PageLimit, Quota, StoredSlot, Subject,
    Totals, Usage,
};
use crate::blob::BlobKey;
use crate::error::{StoreError, StoreResult};

mod access;
mod accounts;
mod audit;
pub mod holdings;
mod log;
mod objects;
mod quota;
mod threads;

use threads::{Readers, Writer};

/// Migrations in order; the file's `user_version` is the number that it has seen.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_init",
        include_str!("../../migrations/sqlite/0001_init.sql"),
    ),
    (
        "0002_forget",
        include_str!("../../migrations/sqlite/0002_forget.sql"),
    ),
    (
        "0003_barred",
        include_str!("../../migrations/sqlite/0003_barred.sql"),
    ),
    (
        "0004_quotas",
        include_str!("../../migrations/sqlite/0004_quotas.sql"),
    ),
    (
        "0005_audit",
        include_str!("../../migrations/sqlite/0005_audit.sql"),
    ),
];

/// Pages in the write-ahead log at which it is written back: 16 MiB, so that a checkpoint's fsyncs are
/// shared by many commits.
const WAL_PAGES: u32 = 4000;

/// How long a connection waits for another process, such as `setup-code new`, milliseconds.
const BUSY_MS: u32 = 10_000;

/// Metadata in SQLite.
#[derive(Debug)]
pub struct SqliteMeta {
    // Readers go first when the store is dropped, so that the writer's connection is the last one and
    // writes the log back.
    readers: Readers,
    writer: Writer,
    // One process uses the file: the server locks its data folder.
    roles: LocalRoles,
}

impl SqliteMeta {
    /// Opens the file, makes it when missing, and brings it to the newest version.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or was written by a newer version.
    pub fn open(path: &Path) -> StoreResult<Self> {
        let mut connection = connect(path)?;
        migrate(&mut connection)?;
        let writer = Writer::start(connection)?;
        Ok(Self {
            readers: Readers::new(path),
            writer,
            roles: LocalRoles::default(),
        })
    }
}

impl SqliteMeta {
    /// Names of the steps that opening the file would run; changes nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pending(path: &Path) -> StoreResult<Vec<String>> {
        let seen = if path.exists() {
            let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
            let connection = Connection::open_with_flags(path, read_only)?;
            connection.query_row("PRAGMA user_version", [], |row| row.get(0))?
        } else {
            0
        };
        let steps = MIGRATIONS.iter().skip(seen);
        Ok(steps.map(|(name, _)| (*name).to_owned()).collect())
    }
}

/// Opens one connection with our settings.
fn connect(path: &Path) -> StoreResult<Connection> {
    let connection = Connection::open(path).map_err(StoreError::backend("open the database"))?;
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA wal_autocheckpoint = {WAL_PAGES}; PRAGMA cache_size = -32768; \
         PRAGMA temp_store = MEMORY;"
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> StoreResult<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > MIGRATIONS.len() {
        return Err(StoreError::backend("open the database")(
            "it was written by a newer version",
        ));
    }
    for (_, migration) in &MIGRATIONS[version..] {
        tx.execute_batch(migration)?;
    }
    tx.execute_batch(&format!("PRAGMA user_version = {}", MIGRATIONS.len()))?;
    tx.commit()?;
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::backend("use the database")(error)
    }
}

/// Reads an id from a blob column.
fn id<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, BadId>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_blob()?).map_err(|bad| {
        rusqlite::Error::FromSqlConversionFailure(column, types::Type::Blob, Box::new(bad))
    })
}

/// Records what a transaction did, when it did it.
fn told(tx: &Transaction<'_>, done: Outcome, events: &[AuditEvent]) -> StoreResult<Outcome> {
    if done == Outcome::New && !events.is_empty() {
        audit::append(tx, events)?;
    }
    Ok(done)
}

#[async_trait::async_trait]
impl MetaStore for SqliteMeta {
    async fn get_or_create_secret(&self, name: &str, fresh: [u8; 32]) -> StoreResult<[u8; 32]> {
        let name = name.to_owned();
        self.writer
            .run(move |tx| accounts::secret(tx, &name, &fresh))
            .await
    }

    async fn create_setup_code(
        &self,
        code: Hash32,
        ends: UnixMillis,
        now: UnixMillis,
    ) -> StoreResult<()> {
        let work = move |tx: &Transaction<'_>| {
            accounts::create_setup_code(tx, code, ends)?;
            audit::append(tx, &[told_of_code(now)])
        };
        self.writer.run(work).await
    }

    async fn is_setup_code_open(&self, code: Hash32, now: UnixMillis) -> StoreResult<bool> {
        self.readers
            .run(move |tx| accounts::is_setup_code_open(tx, code, now))
            .await
    }

    async fn create_account(&self, request: CreateAccountTx) -> StoreResult<Outcome> {
        let work = move |tx: &Transaction<'_>| {
            let done = accounts::create_account(tx, &request)?;
            told(tx, done, &request.told())
        };
        self.writer.run(work).await
    }

    async fn account_entries(
        &self,
        account: AccountId,
        since: u64,
    ) -> StoreResult<Vec<AccountEntry>> {
        self.readers
            .run(move |tx| accounts::entries(tx, account, since))
            .await
    }

    async fn account_len(&self, account: AccountId) -> StoreResult<u64> {
        self.readers.run(move |tx| accounts::len(tx, account)).await
    }

    async fn append_account(&self, request: AppendAccountTx) -> StoreResult<Outcome> {
        let work = move |tx: &Transaction<'_>| {
            let done = accounts::append(tx, &request)?;
            told(tx, done, &request.told())
        };
        self.writer.run(work).await
    }

    async fn slot(&self, slot: SlotId) -> StoreResult<Option<StoredSlot>> {
        self.readers.run(move |tx| accounts::slot(tx, slot)).await
    }

    async fn device_account(&self, device: DeviceId) -> StoreResult<Option<AccountId>> {
        self.readers
            .run(move |tx| accounts::device_account(tx, device))
            .await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        n_max: usize,
    ) -> StoreResult<Vec<AccountId>> {
        self.readers
            .run(move |tx| access::accounts(tx, after, n_max))
            .await
    }

    async fn bar(&self, subject: Subject, since: UnixMillis) -> StoreResult<Outcome> {
        let work = move |tx: &Transaction<'_>| {
            let done = access::bar(tx, subject, since)?;
            told(tx, done, &[told_of_bar(subject, true, since)])
        };
        self.writer.run(work).await
    }

    async fn unbar(&self, subject: Subject, now: UnixMillis) -> StoreResult<Outcome> {
        let work = move |tx: &Transaction<'_>| {
            let done = access::unbar(tx, subject)?;
            told(tx, done, &[told_of_bar(subject, false, now)])
        };
        self.writer.run(work).await
    }

    async fn barred_since(&self, subject: Subject) -> StoreResult<Option<UnixMillis>> {
        self.readers
            .run(move |tx| access::barred_since(tx, subject))
            .await
    }

    async fn set_quota(
        &self,
        account: AccountId,
        quota: Option<Quota>,
        now: UnixMillis,
    ) -> StoreResult<Outcome> {
        let work = move |tx: &Transaction<'_>| {
            let done = quota::put(tx, account, quota)?;
            told(tx, done, &[told_of_quota(account, quota, now)])
        };
        self.writer.run(work).await
    }

    async fn quota(&self, account: AccountId) -> StoreResult<Option<Quota>> {
        self.readers.run(move |tx| quota::kept(tx, account)).await
    }

    async fn usage(&self, account: AccountId) -> StoreResult<Usage> {
        self.readers.run(move |tx| quota::usage(tx, account)).await
    }

    async fn create_space(&self, request: CreateSpaceTx) -> StoreResult<Committed> {
        let work = move |tx: &Transaction<'_>| {
            let made = log::create_space(tx, &request)?;
            told(tx, made.outcome, &[request.told()])?;
            Ok(made)
        };
        self.writer.run(work).await
    }

    async fn spaces(&self, account: AccountId) -> StoreResult<Vec<SpaceInfo>> {
        self.readers.run(move |tx| log::spaces(tx, account)).await
    }

    async fn space_owner(&self, space: SpaceId) -> StoreResult<Option<AccountId>> {
        self.readers.run(move |tx| log::owner(tx, space)).await
    }

    async fn commit(&self, request: CommitTx) -> StoreResult<Committed> {
        self.writer.run(move |tx| log::commit(tx, &request)).await
    }

    async fn changes(&self, space: SpaceId, since: u64, limit: PageLimit) -> StoreResult<Page> {
        self.readers
            .run(move |tx| log::changes(tx, space, since, limit))
            .await
    }

    async fn head_at(&self, space: SpaceId, size: u64) -> StoreResult<Option<(Head, UnixMillis)>> {
        self.readers
            .run(move |tx| log::head_at(tx, space, size))
            .await
    }

    async fn missing_objects(
        &self,
        space: SpaceId,
        ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<ObjectId>> {
        self.readers
            .run(move |tx| objects::missing(tx, space, ids))
            .await
    }

    async fn locate_objects(
        &self,
        space: SpaceId,
        ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<Located>> {
        self.readers
            .run(move |tx| objects::locate(tx, space, &ids))
            .await
    }

    async fn register_pack(&self, pack: PackTx) -> StoreResult<Vec<ObjectId>> {
        self.writer
            .run(move |tx| objects::register(tx, &pack))
            .await
    }

    async fn all_spaces(&self) -> StoreResult<Vec<SpaceId>> {
        self.readers.run(log::all_spaces).await
    }

    async fn forget_objects(&self, request: ForgetTx) -> StoreResult<Option<Vec<BlobKey>>> {
        self.writer
            .run(move |tx| objects::forget(tx, &request))
            .await
    }

    async fn lead(&self, role: &str) -> StoreResult<Option<Lead>> {
        Ok(self.roles.lead(role))
    }

    async fn tell_audit(&self, event: AuditEvent) -> StoreResult<()> {
        self.writer.run(move |tx| audit::append(tx, &[event])).await
    }

    async fn audit_records(&self, after: u64, n_max: usize) -> StoreResult<Vec<AuditRecord>> {
        self.readers
            .run(move |tx| audit::records(tx, after, n_max))
            .await
    }

    async fn totals(&self) -> StoreResult<Totals> {
        self.readers.run(log::totals).await
    }
}
