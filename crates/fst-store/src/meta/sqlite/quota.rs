//! SQL of quotas and of what is used.

use fst_proto::ids::{AccountId, NodeId};
use fst_proto::wire::Conflict;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use crate::error::StoreResult;
use crate::meta::{CommitTx, Outcome, Quota, Usage};

pub(super) fn put(
    tx: &Transaction<'_>,
    account: AccountId,
    quota: Option<Quota>,
) -> StoreResult<Outcome> {
    if kept(tx, account)? == quota {
        return Ok(Outcome::Repeated);
    }
    tx.execute(
        "DELETE FROM quotas WHERE account = ?1",
        [account.as_bytes()],
    )?;
    if let Some(Quota { bytes, files }) = quota {
        tx.execute(
            "INSERT INTO quotas (account, bytes, files) VALUES (?1, ?2, ?3)",
            params![account.as_bytes(), bytes.map(cap), files.map(cap)],
        )?;
    }
    Ok(Outcome::New)
}

pub(super) fn kept(tx: &Transaction<'_>, account: AccountId) -> StoreResult<Option<Quota>> {
    let sql = "SELECT bytes, files FROM quotas WHERE account = ?1";
    let read = |row: &Row<'_>| {
        Ok(Quota {
            bytes: row.get(0)?,
            files: row.get(1)?,
        })
    };
    let mut statement = tx.prepare_cached(sql)?;
    Ok(statement.query_row([account.as_bytes()], read).optional()?)
}

pub(super) fn usage(tx: &Transaction<'_>, account: AccountId) -> StoreResult<Usage> {
    let sql =
        "SELECT COALESCE(SUM(bytes), 0), COALESCE(SUM(files), 0) FROM spaces WHERE account = ?1";
    let read = |row: &Row<'_>| {
        Ok(Usage {
            bytes: row.get(0)?,
            files: row.get(1)?,
        })
    };
    let mut statement = tx.prepare_cached(sql)?;
    Ok(statement.query_row([account.as_bytes()], read)?)
}

/// Refuses what the account of the space has no room for. Writers come one at a time, so nobody is between.
pub(super) fn check(
    tx: &Transaction<'_>,
    space_no: i64,
    default: Quota,
    adds: Usage,
) -> StoreResult<()> {
    let sql = "SELECT account FROM spaces WHERE no = ?1";
    let read = |row: &Row<'_>| super::id(row, 0, AccountId::from_slice);
    let account = tx.prepare_cached(sql)?.query_row([space_no], read)?;
    let quota = kept(tx, account)?.unwrap_or(default);
    if !quota.is_none() {
        quota.check(usage(tx, account)?, adds)?;
    }
    Ok(())
}

/// Counts what an account keeps more, or less.
pub(super) fn count(
    tx: &Transaction<'_>,
    space_no: i64,
    bytes: i64,
    files: i64,
) -> StoreResult<()> {
    let sql =
        "UPDATE spaces SET bytes = max(0, bytes + ?2), files = max(0, files + ?3) WHERE no = ?1";
    tx.prepare_cached(sql)?
        .execute(params![space_no, bytes, files])?;
    Ok(())
}

/// Refuses files whose objects are more than is allowed, once their references are written.
pub(super) fn check_files(
    tx: &Transaction<'_>,
    space_no: i64,
    request: &CommitTx,
) -> StoreResult<()> {
    let Some(limit) = request.bounds.file_bytes else {
        return Ok(());
    };
    let sql = "SELECT COALESCE(SUM(o.len), 0) FROM node_refs r \
               JOIN objects o ON o.space_no = r.space_no AND o.object = r.object \
               WHERE r.space_no = ?1 AND r.node = ?2 AND r.rev_to IS NULL";
    let mut statement = tx.prepare_cached(sql)?;
    let mut nodes: Vec<NodeId> = Vec::new();
    for op in request
        .header
        .ops
        .iter()
        .filter(|op| !op.add_refs.is_empty())
    {
        let stored: u64 =
            statement.query_row(params![space_no, op.node.as_bytes()], |row| row.get(0))?;
        if stored > limit {
            nodes.push(op.node);
        }
    }
    if nodes.is_empty() {
        Ok(())
    } else {
        Err(Conflict::FileTooLarge { nodes, limit }.into())
    }
}

/// A number as the database keeps it: it counts to 2^63, nothing lies beyond.
fn cap(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
