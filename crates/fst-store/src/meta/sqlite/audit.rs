//! SQL of the audit log.

use fst_proto::ids::Hash32;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::id;
use crate::error::StoreResult;
use crate::meta::audit::{Position, START};
use crate::meta::{AuditEvent, AuditRecord};

/// Appends in the transaction of what is told. Writers come one at a time, so the last record stays the last.
pub(super) fn append(tx: &Transaction<'_>, events: &[AuditEvent]) -> StoreResult<()> {
    let sql = "SELECT no, hash FROM audit ORDER BY no DESC LIMIT 1";
    let read = |row: &Row<'_>| {
        Ok(Position {
            no: row.get(0)?,
            hash: id(row, 1, Hash32::from_slice)?,
        })
    };
    let last = tx.prepare_cached(sql)?.query_row([], read).optional()?;
    let mut last = last.unwrap_or(START);
    for event in events {
        let record = AuditRecord::after(last, event);
        tx.prepare_cached("INSERT INTO audit (no, body, hash) VALUES (?1, ?2, ?3)")?
            .execute(params![record.no, record.body, record.hash.as_bytes()])?;
        let (no, hash) = (record.no, record.hash);
        last = Position { no, hash };
    }
    Ok(())
}

pub(super) fn records(
    tx: &Transaction<'_>,
    after: u64,
    n_max: usize,
) -> StoreResult<Vec<AuditRecord>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let sql = "SELECT no, body, hash FROM audit WHERE no > ?1 ORDER BY no LIMIT ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        Ok(AuditRecord {
            no: row.get(0)?,
            body: row.get(1)?,
            hash: id(row, 2, Hash32::from_slice)?,
        })
    };
    let rows = statement.query_map(params![after, n_max], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
