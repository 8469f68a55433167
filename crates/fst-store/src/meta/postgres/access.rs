//! SQL of accounts and devices that are barred.

use fst_proto::ids::AccountId;
use fst_proto::time::UnixMillis;

use super::{Transact, Tx, audit, id, int, number};
use crate::error::StoreResult;
use crate::meta::audit::told_of_bar;
use crate::meta::{Outcome, Subject};

/// Bars somebody.
pub(super) struct Bar {
    pub(super) subject: Subject,
    pub(super) since: UnixMillis,
}

/// Lets somebody in again.
pub(super) struct Unbar {
    pub(super) subject: Subject,
    pub(super) now: UnixMillis,
}

impl Transact for Bar {
    type Output = Outcome;

    async fn run(&self, tx: &Tx) -> StoreResult<Outcome> {
        let Self { subject, since } = self;
        let sql = "INSERT INTO barred (kind, subject, since_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let n = tx
            .execute(sql, &[&subject.kind(), &subject.id_bytes(), &int(since.0)])
            .await?;
        if n > 0 {
            audit::append(tx, &[told_of_bar(*subject, true, *since)]).await?;
        }
        Ok(Outcome::of(usize::from(n > 0)))
    }
}

impl Transact for Unbar {
    type Output = Outcome;

    async fn run(&self, tx: &Tx) -> StoreResult<Outcome> {
        let Self { subject, now } = self;
        let sql = "DELETE FROM barred WHERE kind = $1 AND subject = $2";
        let n = tx
            .execute(sql, &[&subject.kind(), &subject.id_bytes()])
            .await?;
        if n > 0 {
            audit::append(tx, &[told_of_bar(*subject, false, *now)]).await?;
        }
        Ok(Outcome::of(usize::from(n > 0)))
    }
}

pub(super) async fn barred_since(tx: &Tx, subject: Subject) -> StoreResult<Option<UnixMillis>> {
    let sql = "SELECT since_ms FROM barred WHERE kind = $1 AND subject = $2";
    let row = tx
        .query_opt(sql, &[&subject.kind(), &subject.id_bytes()])
        .await?;
    row.map(|row| number(&row, 0).map(UnixMillis)).transpose()
}

pub(super) async fn accounts(
    tx: &Tx,
    after: Option<AccountId>,
    n_max: usize,
) -> StoreResult<Vec<AccountId>> {
    let sql = "SELECT account FROM accounts WHERE $1::bytea IS NULL OR account > $1 ORDER BY account LIMIT $2";
    let after = after.as_ref().map(AccountId::as_bytes);
    let rows = tx.query(sql, &[&after, &int(n_max as u64)]).await?;
    rows.iter()
        .map(|row| id(row, 0, AccountId::from_slice))
        .collect()
}
