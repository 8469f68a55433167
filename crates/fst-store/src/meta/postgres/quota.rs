//! SQL of quotas and of what is used.

use fst_proto::ids::{AccountId, NodeId};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Conflict;
use tokio_postgres::Row;

use super::{Transact, Tx, audit, id, int, number};
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::audit::told_of_quota;
use crate::meta::{CommitTx, Outcome, Quota, Usage};

/// Sets the quota of an account, or takes it away.
pub(super) struct PutQuota {
    pub(super) account: AccountId,
    pub(super) quota: Option<Quota>,
    pub(super) now: UnixMillis,
}

impl Transact for PutQuota {
    type Output = Outcome;

    async fn run(&self, tx: &Tx) -> StoreResult<Outcome> {
        let Self {
            account,
            quota,
            now,
        } = *self;
        lock(tx, account).await?;
        if kept(tx, account).await? == quota {
            return Ok(Outcome::Repeated);
        }
        let sql = "DELETE FROM quotas WHERE account = $1";
        tx.execute(sql, &[&account.as_bytes()]).await?;
        if let Some(Quota { bytes, files }) = quota {
            let sql = "INSERT INTO quotas (account, bytes, files) VALUES ($1, $2, $3)";
            let (bytes, files) = (bytes.map(int), files.map(int));
            tx.execute(sql, &[&account.as_bytes(), &bytes, &files])
                .await?;
        }
        audit::append(tx, &[told_of_quota(account, quota, now)]).await?;
        Ok(Outcome::New)
    }
}

pub(super) async fn kept(tx: &Tx, account: AccountId) -> StoreResult<Option<Quota>> {
    let sql = "SELECT bytes, files FROM quotas WHERE account = $1";
    let Some(row) = tx.query_opt(sql, &[&account.as_bytes()]).await? else {
        return Ok(None);
    };
    read(&row).map(Some)
}

/// The bounds in the first two columns.
fn read(row: &Row) -> StoreResult<Quota> {
    Ok(Quota {
        bytes: bound(row, 0)?,
        files: bound(row, 1)?,
    })
}

fn bound(row: &Row, column: usize) -> StoreResult<Option<u64>> {
    let bound: Option<i64> = row.try_get(column)?;
    let damaged = |_| StoreError::Damaged { what: "quota" };
    bound.map(u64::try_from).transpose().map_err(damaged)
}

pub(super) async fn usage(tx: &Tx, account: AccountId) -> StoreResult<Usage> {
    let sql = "SELECT COALESCE(SUM(bytes), 0)::bigint, COALESCE(SUM(files), 0)::bigint FROM spaces WHERE account = $1";
    let row = tx.query_opt(sql, &[&account.as_bytes()]).await?;
    let row = row.ok_or(StoreError::Closed)?;
    Ok(Usage {
        bytes: number(&row, 0)?,
        files: number(&row, 1)?,
    })
}

/// Refuses what the account of a locked space has no room for.
///
/// Where there is a bound the account is locked too, after the space, so that of two requests in different spaces the
/// second one counts the first; without one nobody waits.
pub(super) async fn check(tx: &Tx, space_no: i64, default: Quota, adds: Usage) -> StoreResult<()> {
    let sql = "SELECT q.bytes, q.files, s.account, q.account IS NOT NULL FROM spaces s \
               LEFT JOIN quotas q ON q.account = s.account WHERE s.no = $1";
    let row = tx.query_opt(sql, &[&space_no]).await?;
    let row = row.ok_or(Refused::NoSpace)?;
    let account = id(&row, 2, AccountId::from_slice)?;
    let is_own = row.try_get(3)?;
    let quota = if is_own { read(&row)? } else { default };
    if !quota.is_none() {
        lock(tx, account).await?;
        quota.check(usage(tx, account).await?, adds)?;
    }
    Ok(())
}

async fn lock(tx: &Tx, account: AccountId) -> StoreResult<()> {
    let sql = "SELECT 1 FROM accounts WHERE account = $1 FOR UPDATE";
    tx.query_opt(sql, &[&account.as_bytes()]).await?;
    Ok(())
}

/// Refuses files whose objects are more than is allowed, once their references are written.
pub(super) async fn check_files(tx: &Tx, space_no: i64, request: &CommitTx) -> StoreResult<()> {
    let Some(limit) = request.bounds.file_bytes else {
        return Ok(());
    };
    let brings = request
        .header
        .ops
        .iter()
        .filter(|op| !op.add_refs.is_empty());
    let nodes: Vec<&[u8]> = brings.map(|op| op.node.as_bytes()).collect();
    let sql = "SELECT r.node FROM node_refs r \
               JOIN objects o ON o.space_no = r.space_no AND o.object = r.object \
               WHERE r.space_no = $1 AND r.node = ANY($2) AND r.rev_to IS NULL \
               GROUP BY r.node HAVING SUM(o.len)::bigint > $3 ORDER BY r.node";
    let rows = tx.query(sql, &[&space_no, &nodes, &int(limit)]).await?;
    let nodes = rows.iter().map(|row| id(row, 0, NodeId::from_slice));
    let nodes: Vec<NodeId> = nodes.collect::<StoreResult<_>>()?;
    if nodes.is_empty() {
        Ok(())
    } else {
        Err(Conflict::FileTooLarge { nodes, limit }.into())
    }
}
