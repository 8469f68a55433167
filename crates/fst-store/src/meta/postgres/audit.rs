//! SQL of the audit log.

use fst_proto::ids::Hash32;

use super::{Transact, Tx, id, int, number};
use crate::error::StoreResult;
use crate::meta::audit::{Position, START};
use crate::meta::{AuditEvent, AuditRecord};

/// Key of the lock that appends take: "fst" and 2. It is always the last lock of a transaction, so nobody waits in a ring.
const LOCK: i64 = 0x0066_7374_0000_0002;

/// Appends an event by itself.
pub(super) struct Tell(pub(super) AuditEvent);

impl Transact for Tell {
    type Output = ();

    async fn run(&self, tx: &Tx) -> StoreResult<()> {
        append(tx, std::slice::from_ref(&self.0)).await
    }
}

/// Appends in the transaction of what is told, and keeps others from appending until it ends.
pub(super) async fn append(tx: &Tx, events: &[AuditEvent]) -> StoreResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    tx.query_opt(
        "SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS l",
        &[&LOCK],
    )
    .await?;
    let sql = "SELECT no, hash FROM audit ORDER BY no DESC LIMIT 1";
    let mut last = match tx.query_opt(sql, &[]).await? {
        Some(row) => Position {
            no: number(&row, 0)?,
            hash: id(&row, 1, Hash32::from_slice)?,
        },
        None => START,
    };
    for event in events {
        let AuditRecord { no, body, hash } = AuditRecord::after(last, event);
        let sql = "INSERT INTO audit (no, body, hash) VALUES ($1, $2, $3)";
        tx.execute(sql, &[&int(no), &body, &hash.as_bytes()])
            .await?;
        last = Position { no, hash };
    }
    Ok(())
}

pub(super) async fn records(tx: &Tx, after: u64, n_max: usize) -> StoreResult<Vec<AuditRecord>> {
    let sql = "SELECT no, body, hash FROM audit WHERE no > $1 ORDER BY no LIMIT $2";
    let rows = tx.query(sql, &[&int(after), &int(n_max as u64)]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(AuditRecord {
            no: number(row, 0)?,
            body: row.try_get(1)?,
            hash: id(row, 2, Hash32::from_slice)?,
        })
    };
    rows.iter().map(read).collect()
}
