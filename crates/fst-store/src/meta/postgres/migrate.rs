//! Brings a database to this program's version.
//!
//! Called by `fst-server init`, `migrate` and `start`. Invariant: all steps run in one transaction under one lock, so
//! that of many workers that start at once one migrates and the others find it done; a crash leaves the old version.
//! Not here: what the tables mean. Source: migrations/postgres; ADR 0016.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::PostgresUrl;
use super::pool::Pool;
use crate::error::{StoreError, StoreResult};

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Version that it leads to.
    pub version: usize,
    /// Name of its file.
    pub name: &'static str,
    sql: &'static str,
}

/// Steps in order; `fst_version` counts those that the database has seen.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "0001_init",
        sql: include_str!("../../../migrations/postgres/0001_init.sql"),
    },
    Migration {
        version: 2,
        name: "0002_barred",
        sql: include_str!("../../../migrations/postgres/0002_barred.sql"),
    },
    Migration {
        version: 3,
        name: "0003_quotas",
        sql: include_str!("../../../migrations/postgres/0003_quotas.sql"),
    },
    Migration {
        version: 4,
        name: "0004_audit",
        sql: include_str!("../../../migrations/postgres/0004_audit.sql"),
    },
];

/// Key of the lock that migrations take: "fst" and 1.
const LOCK: i64 = 0x0066_7374_0000_0001;

/// Database that always exists, to create others from.
const MAINTENANCE: &str = "postgres";

/// Creates the database when it is missing; tells whether it did.
///
/// # Errors
/// When the server does not answer, or refuses to create it.
pub async fn create_database(url: &PostgresUrl) -> StoreResult<bool> {
    let missing = match connect(&url.0).await {
        Ok(_) => false,
        Err(error) if is_missing(&error) => true,
        Err(error) => return Err(StoreError::backend("connect to the database")(error)),
    };
    let Some(name) = url.name().filter(|_| missing) else {
        return Ok(false);
    };
    let mut maintenance = url.0.clone();
    maintenance.dbname(MAINTENANCE);
    let client = connect(&maintenance).await;
    let client = client.map_err(StoreError::backend("connect to the database server"))?;
    let quoted = name.replace('"', "\"\"");
    let sql = format!("CREATE DATABASE \"{quoted}\" ENCODING 'UTF8' TEMPLATE template0");
    match client.batch_execute(&sql).await {
        Ok(()) => Ok(true),
        // Somebody else was faster.
        Err(error)
            if [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION]
                .iter()
                .any(|code| error.code() == Some(code)) =>
        {
            Ok(false)
        },
        Err(error) => Err(StoreError::backend("create the database")(error)),
    }
}

/// Steps that the database has not seen: all of them when it is missing.
///
/// # Errors
/// When it does not answer, or was written by a newer version.
pub async fn pending(url: &PostgresUrl) -> StoreResult<Vec<Migration>> {
    match connect(&url.0).await {
        Ok(client) => steps_after(version(&client).await?),
        Err(error) if is_missing(&error) => steps_after(0),
        Err(error) => Err(StoreError::backend("connect to the database")(error)),
    }
}

/// Runs the steps that the database has not seen, and returns them.
///
/// # Errors
/// As [`pending`], and when a step fails; the database is as before then.
pub async fn migrate(url: &PostgresUrl) -> StoreResult<Vec<Migration>> {
    let mut client = connect(&url.0).await.map_err(cannot_connect)?;
    let tx = client.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    // That the table is there is no news.
    tx.batch_execute(
        "SET LOCAL client_min_messages = warning; CREATE TABLE IF NOT EXISTS fst_version (version bigint NOT NULL, \
         at timestamptz NOT NULL DEFAULT now())",
    )
    .await?;
    let row = tx
        .query_one("SELECT COUNT(*) FROM fst_version", &[])
        .await?;
    let steps = steps_after(row.try_get(0)?)?;
    for step in &steps {
        let ran = tx.batch_execute(step.sql).await;
        ran.map_err(StoreError::backend("migrate the database"))?;
        let version = i64::try_from(step.version).unwrap_or(i64::MAX);
        tx.execute("INSERT INTO fst_version (version) VALUES ($1)", &[&version])
            .await?;
    }
    let committed = tx.commit().await;
    committed.map_err(StoreError::backend("migrate the database"))?;
    Ok(steps)
}

/// Refuses a database of another version.
pub(super) async fn check(pool: &Pool) -> StoreResult<()> {
    let reader = pool.reader().await?;
    let row = reader.query_opt("SELECT to_regclass('fst_version') IS NULL", &[]);
    let is_new = row.await?.is_none_or(|row| row.get(0));
    let seen = if is_new {
        0
    } else {
        let row = reader.query_opt("SELECT COUNT(*) FROM fst_version", &[]);
        row.await?.map_or(Ok(0), |row| row.try_get(0))?
    };
    if steps_after(seen)?.is_empty() {
        Ok(())
    } else {
        Err(StoreError::backend("open the database")(
            "it is of an older version: run fst-server migrate",
        ))
    }
}

fn steps_after(seen: i64) -> StoreResult<Vec<Migration>> {
    let seen = usize::try_from(seen).unwrap_or(0);
    let steps = MIGRATIONS.get(seen..).map(<[_]>::to_vec);
    steps.ok_or_else(|| {
        StoreError::backend("open the database")("it was written by a newer version")
    })
}

/// Says what to do about a missing database.
pub(super) fn cannot_connect(error: tokio_postgres::Error) -> StoreError {
    if is_missing(&error) {
        StoreError::backend("open the database")("it does not exist: run fst-server init")
    } else {
        StoreError::backend("connect to the database")(error)
    }
}

/// True when the server answered that it has no such database.
fn is_missing(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_DATABASE)
}

async fn version(client: &Client) -> StoreResult<i64> {
    let is_new = client
        .query_one("SELECT to_regclass('fst_version') IS NULL", &[])
        .await?;
    if is_new.try_get(0)? {
        return Ok(0);
    }
    let row = client
        .query_one("SELECT COUNT(*) FROM fst_version", &[])
        .await?;
    Ok(row.try_get(0)?)
}

/// A connection of its own, outside any pool.
pub(super) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection ended");
        }
    });
    Ok(client)
}
