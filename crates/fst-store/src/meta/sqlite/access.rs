//! SQL of accounts and devices that are barred.

use fst_proto::ids::AccountId;
use fst_proto::time::UnixMillis;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::id;
use crate::error::StoreResult;
use crate::meta::{Outcome, Subject};

pub(super) fn bar(
    tx: &Transaction<'_>,
    subject: Subject,
    since: UnixMillis,
) -> StoreResult<Outcome> {
    let n = tx.execute(
        "INSERT OR IGNORE INTO barred (kind, subject, since_ms) VALUES (?1, ?2, ?3)",
        params![subject.kind(), subject.id_bytes(), since.0],
    )?;
    Ok(Outcome::of(n))
}

pub(super) fn unbar(tx: &Transaction<'_>, subject: Subject) -> StoreResult<Outcome> {
    let n = tx.execute(
        "DELETE FROM barred WHERE kind = ?1 AND subject = ?2",
        params![subject.kind(), subject.id_bytes()],
    )?;
    Ok(Outcome::of(n))
}

pub(super) fn barred_since(
    tx: &Transaction<'_>,
    subject: Subject,
) -> StoreResult<Option<UnixMillis>> {
    let sql = "SELECT since_ms FROM barred WHERE kind = ?1 AND subject = ?2";
    let found = tx
        .prepare_cached(sql)?
        .query_row(params![subject.kind(), subject.id_bytes()], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.map(UnixMillis))
}

pub(super) fn accounts(
    tx: &Transaction<'_>,
    after: Option<AccountId>,
    n_max: usize,
) -> StoreResult<Vec<AccountId>> {
    let sql = "SELECT account FROM account_entries WHERE idx = 0 AND (?1 IS NULL OR account > ?1) \
               ORDER BY account LIMIT ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let after = after.as_ref().map(AccountId::as_bytes);
    let rows = statement.query_map(params![after, n_max], |row| {
        id(row, 0, AccountId::from_slice)
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
