//! Session locks: who leads, and who else works on the database.
//!
//! Each lock lives in a connection of its own; the database frees it when that connection ends, however it ends.
//! Invariant: a lock is held as long as `is_held` says so. Not here: what a leader does.
//! Source: ADR 0016.

use fst_proto::hash::sha256;
use tokio_postgres::{Client, Config};

use super::migrate::{cannot_connect, connect};
use crate::error::StoreResult;
use crate::meta::{Held, Lead};

/// Makes the database notice within half a minute that a worker's machine is gone.
const PROBE: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
    SET tcp_keepalives_count = 3; SET idle_session_timeout = 0; SET statement_timeout = '10s'";

/// What a worker can share with others on its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Bus and blobs are its own: it must be alone.
    Alone,
    /// Bus and blobs are shared.
    WithOthers,
}

/// A place among the workers of a database; dropping it leaves.
#[derive(Debug)]
pub struct Place(Session);

impl Place {
    /// False once the connection that holds the place was lost.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }
}

/// A connection that holds a lock.
#[derive(Debug)]
struct Session(Client);

impl Held for Session {
    fn is_held(&self) -> bool {
        !self.0.is_closed()
    }
}

pub(super) async fn enlist(direct: &Config, sharing: Sharing) -> StoreResult<Option<Place>> {
    let sql = match sharing {
        Sharing::Alone => "SELECT pg_try_advisory_lock($1)",
        Sharing::WithOthers => "SELECT pg_try_advisory_lock_shared($1)",
    };
    Ok(lock(direct, sql, "workers").await?.map(Place))
}

pub(super) async fn lead(direct: &Config, role: &str) -> StoreResult<Option<Lead>> {
    let name = format!("leader:{role}");
    let session = lock(direct, "SELECT pg_try_advisory_lock($1)", &name).await?;
    Ok(session.map(Lead::new))
}

async fn lock(direct: &Config, sql: &str, name: &str) -> StoreResult<Option<Session>> {
    let client = connect(direct).await.map_err(cannot_connect)?;
    client.batch_execute(PROBE).await?;
    let row = client.query_one(sql, &[&key(name)]).await?;
    let is_mine: bool = row.try_get(0)?;
    Ok(is_mine.then_some(Session(client)))
}

/// Key of a lock: locks of other programs on the same database server do not meet it.
fn key(name: &str) -> i64 {
    let hash = sha256(&[b"fst/lock\0", name.as_bytes()]);
    let mut key = [0; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_be_bytes(key)
}
