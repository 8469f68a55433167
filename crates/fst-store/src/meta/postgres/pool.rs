//! The pool of connections and transactions on it.
//!
//! Invariant: a connection goes back to the pool only outside a transaction. One whose work was abandoned in the
//! middle (a caller that went away, a failed rollback) is closed instead, which rolls back.
//! Not here: SQL.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

use super::migrate::cannot_connect;
use crate::error::{StoreError, StoreResult};

/// How often a transaction that met a deadlock or a serialization failure is run: with row locks taken in one order
/// neither is expected, so more would only hide a fault.
const RUNS_MAX: usize = 5;

/// How long a request waits for a connection when all are busy.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Opens a writing transaction. It must not hang on a lock or a lost client for ever, and must be flushed even where
/// the role or the database has `synchronous_commit` off.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'; \
    SET LOCAL idle_in_transaction_session_timeout = '30s'; \
    SELECT set_config('synchronous_commit', 'on', true) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// A parameter of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// A request that is one writing transaction.
pub(super) trait Transact: Sync {
    /// Its answer.
    type Output: Send;

    /// Does it, inside the transaction `tx`; may be called again after a rollback.
    fn run(&self, tx: &Tx) -> impl Future<Output = StoreResult<Self::Output>> + Send;
}

/// Connections.
#[derive(Debug)]
pub(super) struct Pool {
    inner: deadpool_postgres::Pool,
}

/// A connection: in a transaction that begins with [`Pool::write`], or outside for single statements.
#[derive(Debug)]
pub(super) struct Tx {
    /// `None` once it went back to the pool.
    client: Option<Object>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every statement stands for itself.
    Single,
    /// Inside a transaction.
    Open,
}

impl Pool {
    pub(super) fn new(config: &Config, size: usize) -> StoreResult<Self> {
        let recycling_method = RecyclingMethod::Fast;
        let manager =
            Manager::from_config(config.clone(), NoTls, ManagerConfig { recycling_method });
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(size.max(1))
            .wait_timeout(Some(WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(StoreError::backend("open the database"))?;
        Ok(Self { inner })
    }

    /// A connection for single reading statements.
    pub(super) async fn reader(&self) -> StoreResult<Tx> {
        let client = self.inner.get().await.map_err(no_connection)?;
        Ok(Tx {
            client: Some(client),
            state: State::Single,
        })
    }

    /// Runs `work` in one transaction, again when it met another one.
    pub(super) async fn write<W: Transact>(&self, work: &W) -> StoreResult<W::Output> {
        let mut runs = 1;
        loop {
            match self.write_once(work).await {
                Err(error) if may_run_again(&error) && runs < RUNS_MAX => runs += 1,
                done => return done,
            }
        }
    }

    async fn write_once<W: Transact>(&self, work: &W) -> StoreResult<W::Output> {
        let mut tx = self.reader().await?;
        tx.state = State::Open;
        tx.client()?.batch_execute(BEGIN).await?;
        match work.run(&tx).await {
            Ok(value) => {
                tx.end("COMMIT").await?;
                Ok(value)
            },
            Err(error) => {
                if let Err(failed) = tx.end("ROLLBACK").await {
                    tracing::debug!(%failed, "a connection is given up");
                }
                Err(error)
            },
        }
    }

    /// Says so when the server acknowledges what a crash would lose.
    pub(super) async fn warn_if_unsafe(&self) -> StoreResult<()> {
        for setting in ["fsync", "full_page_writes"] {
            let rows = self.reader().await?;
            let rows = rows
                .query("SELECT current_setting($1) = 'off'", &[&setting])
                .await?;
            if rows.first().is_some_and(|row| row.get(0)) {
                tracing::warn!(
                    setting,
                    "PostgreSQL runs with this setting off: a crash may lose acknowledged work"
                );
            }
        }
        Ok(())
    }
}

impl Tx {
    /// Runs one statement.
    pub(super) async fn query(&self, sql: &str, params: &[Param<'_>]) -> StoreResult<Vec<Row>> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, params).await?)
    }

    /// Runs one statement; at most one row.
    pub(super) async fn query_opt(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> StoreResult<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs one statement; number of rows that it changed.
    pub(super) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> StoreResult<u64> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.execute(&statement, params).await?)
    }

    fn client(&self) -> StoreResult<&Object> {
        self.client.as_ref().ok_or(StoreError::Closed)
    }

    async fn end(&mut self, how: &str) -> StoreResult<()> {
        let ended = self.client()?.batch_execute(how).await;
        ended.map_err(StoreError::backend("commit to the database"))?;
        self.state = State::Single;
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && self.state == State::Open
        {
            // Taken out of the pool, so that it closes.
            drop(Object::take(client));
        }
    }
}

fn no_connection(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => cannot_connect(error),
        other => StoreError::backend("connect to the database")(other),
    }
}

fn may_run_again(error: &StoreError) -> bool {
    let StoreError::Backend { source, .. } = error else {
        return false;
    };
    let code = source
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| {
        *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
    })
}
