//! SQL of secrets, set-up codes, sign-ins, accounts, devices and slots.

use fst_proto::account::AccountEntry;
use fst_proto::ids::{AccountId, DeviceId, Hash32, Signature, SlotId};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Conflict;
use tokio_postgres::Row;

use super::{Transact, Tx, audit, id, int, number};
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::audit::told_of_code;
use crate::meta::{AppendAccountTx, CreateAccountTx, Outcome, Slot, SlotKind, StoredSlot};

/// Reads a secret, or makes it.
pub(super) struct Secret<'a> {
    pub(super) name: &'a str,
    pub(super) fresh: [u8; 32],
}

/// Opens a set-up code.
pub(super) struct SetupCode {
    pub(super) code: Hash32,
    pub(super) ends: UnixMillis,
    pub(super) now: UnixMillis,
}

/// Keeps a value for a short time.
pub(super) struct PutShort<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
    pub(super) now: UnixMillis,
    pub(super) ends: UnixMillis,
}

/// Takes such a value out.
pub(super) struct TakeShort<'a> {
    pub(super) key: &'a str,
    pub(super) now: UnixMillis,
}

/// Ended values that one put clears away: more than one, so that none pile up.
const SHORT_SWEEP: i64 = 10;

impl Transact for PutShort<'_> {
    type Output = ();

    async fn run(&self, tx: &Tx) -> StoreResult<()> {
        tx.execute(
            "DELETE FROM short_values WHERE key IN (SELECT key FROM short_values \
             WHERE ends_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &[&int(self.now.0), &SHORT_SWEEP],
        )
        .await?;
        tx.execute(
            "INSERT INTO short_values (key, value, ends_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends_ms = excluded.ends_ms",
            &[&self.key, &self.value, &int(self.ends.0)],
        )
        .await?;
        Ok(())
    }
}

impl Transact for TakeShort<'_> {
    type Output = Option<Vec<u8>>;

    async fn run(&self, tx: &Tx) -> StoreResult<Option<Vec<u8>>> {
        let sql = "DELETE FROM short_values WHERE key = $1 RETURNING value, ends_ms";
        let Some(row) = tx.query_opt(sql, &[&self.key]).await? else {
            return Ok(None);
        };
        let is_over = number(&row, 1)? <= self.now.0;
        let value = row.try_get(0)?;
        Ok((!is_over).then_some(value))
    }
}

impl Transact for Secret<'_> {
    type Output = [u8; 32];

    async fn run(&self, tx: &Tx) -> StoreResult<[u8; 32]> {
        secret(tx, self.name, &self.fresh).await
    }
}

impl Transact for SetupCode {
    type Output = ();

    async fn run(&self, tx: &Tx) -> StoreResult<()> {
        create_setup_code(tx, self.code, self.ends).await?;
        audit::append(tx, &[told_of_code(self.now)]).await
    }
}

impl Transact for CreateAccountTx {
    type Output = Outcome;

    async fn run(&self, tx: &Tx) -> StoreResult<Outcome> {
        let done = create_account(tx, self).await?;
        if done == Outcome::New {
            audit::append(tx, &self.told()).await?;
        }
        Ok(done)
    }
}

impl Transact for AppendAccountTx {
    type Output = Outcome;

    async fn run(&self, tx: &Tx) -> StoreResult<Outcome> {
        let done = append(tx, self).await?;
        if done == Outcome::New {
            audit::append(tx, &self.told()).await?;
        }
        Ok(done)
    }
}

async fn secret(tx: &Tx, name: &str, fresh: &[u8; 32]) -> StoreResult<[u8; 32]> {
    tx.execute(
        "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[&name, &fresh.as_slice()],
    )
    .await?;
    let sql = "SELECT value FROM secrets WHERE name = $1";
    let row = tx.query_opt(sql, &[&name]).await?;
    let value: Vec<u8> = match row {
        Some(row) => row.try_get(0)?,
        None => Vec::new(),
    };
    value
        .try_into()
        .map_err(|_| StoreError::Damaged { what: "secret" })
}

async fn create_setup_code(tx: &Tx, code: Hash32, ends: UnixMillis) -> StoreResult<()> {
    // Two that make a code at once must not both leave theirs.
    tx.execute("LOCK TABLE setup_codes IN SHARE ROW EXCLUSIVE MODE", &[])
        .await?;
    tx.execute("DELETE FROM setup_codes", &[]).await?;
    tx.execute(
        "INSERT INTO setup_codes (code, ends_ms) VALUES ($1, $2)",
        &[&code.as_bytes(), &int(ends.0)],
    )
    .await?;
    Ok(())
}

pub(super) async fn is_setup_code_open(
    tx: &Tx,
    code: Hash32,
    now: UnixMillis,
) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM setup_codes WHERE code = $1 AND ends_ms > $2";
    let row = tx.query_opt(sql, &[&code.as_bytes(), &int(now.0)]).await?;
    Ok(row.is_some())
}

async fn create_account(tx: &Tx, request: &CreateAccountTx) -> StoreResult<Outcome> {
    // Waits for another request that creates the same account.
    let made = tx
        .execute(
            "INSERT INTO accounts (account) VALUES ($1) ON CONFLICT DO NOTHING",
            &[&request.account.as_bytes()],
        )
        .await?;
    if made == 0 {
        let genesis = entry(tx, request.account, 0).await?;
        return if genesis.as_ref() == Some(&request.genesis) {
            Ok(Outcome::Repeated)
        } else {
            Err(Conflict::Exists.into())
        };
    }
    let used = tx
        .execute(
            "DELETE FROM setup_codes WHERE code = $1 AND ends_ms > $2",
            &[&request.setup_code.as_bytes(), &int(request.now.0)],
        )
        .await?;
    if used != 1 {
        return Err(Refused::SetupCode.into());
    }
    put_entry(tx, request.account, 0, &request.genesis).await?;
    put_device(tx, request.device, request.account).await?;
    put_slot(tx, request.account, &request.recovery).await?;
    Ok(Outcome::New)
}

async fn append(tx: &Tx, request: &AppendAccountTx) -> StoreResult<Outcome> {
    let sql = "SELECT 1 FROM accounts WHERE account = $1 FOR UPDATE";
    let row = tx.query_opt(sql, &[&request.account.as_bytes()]).await?;
    row.ok_or(Refused::NoAccount)?;
    let len = len(tx, request.account).await?;
    if entry(tx, request.account, request.expected_len)
        .await?
        .as_ref()
        == Some(&request.entry)
    {
        return Ok(Outcome::Repeated);
    }
    if let Some(joins_by) = request.joins_by {
        use_slot(tx, request, joins_by).await?;
    }
    if len != request.expected_len {
        return Err(Conflict::Exists.into());
    }
    put_entry(tx, request.account, len, &request.entry).await?;
    if let Some(device) = request.adds {
        put_device(tx, device, request.account).await?;
    }
    if let Some(slot) = &request.opens {
        put_slot(tx, request.account, slot).await?;
    }
    Ok(Outcome::New)
}

/// Uses up the invitation by which a device joins. Slots of an account change under the lock of the account alone.
async fn use_slot(tx: &Tx, request: &AppendAccountTx, joins_by: SlotId) -> StoreResult<()> {
    let stored = slot(tx, joins_by).await?.ok_or(Refused::Slot)?;
    if stored.account != request.account || !stored.is_open(request.now) {
        return Err(Refused::Slot.into());
    }
    tx.execute(
        "UPDATE slots SET is_used = true WHERE slot = $1 AND ends_ms IS NOT NULL",
        &[&joins_by.as_bytes()],
    )
    .await?;
    Ok(())
}

pub(super) async fn len(tx: &Tx, account: AccountId) -> StoreResult<u64> {
    let sql = "SELECT COALESCE(MAX(idx) + 1, 0) FROM account_entries WHERE account = $1";
    let row = tx.query_opt(sql, &[&account.as_bytes()]).await?;
    row.map_or(Ok(0), |row| number(&row, 0))
}

pub(super) async fn entries(
    tx: &Tx,
    account: AccountId,
    since: u64,
) -> StoreResult<Vec<AccountEntry>> {
    let sql =
        "SELECT header, sig FROM account_entries WHERE account = $1 AND idx >= $2 ORDER BY idx";
    let rows = tx.query(sql, &[&account.as_bytes(), &int(since)]).await?;
    rows.iter().map(read_entry).collect()
}

pub(super) async fn slot(tx: &Tx, wanted: SlotId) -> StoreResult<Option<StoredSlot>> {
    let sql = "SELECT account, ends_ms, sealed, is_used FROM slots WHERE slot = $1";
    let Some(row) = tx.query_opt(sql, &[&wanted.as_bytes()]).await? else {
        return Ok(None);
    };
    let kind = match row.try_get::<_, Option<i64>>(1)? {
        None => SlotKind::Recovery,
        Some(_) => SlotKind::Invite {
            ends: UnixMillis(number(&row, 1)?),
        },
    };
    Ok(Some(StoredSlot {
        account: id(&row, 0, AccountId::from_slice)?,
        slot: Slot {
            slot: wanted,
            kind,
            sealed: row.try_get(2)?,
        },
        is_used: row.try_get(3)?,
    }))
}

pub(super) async fn device_account(tx: &Tx, device: DeviceId) -> StoreResult<Option<AccountId>> {
    let sql = "SELECT account FROM devices WHERE device = $1";
    let row = tx.query_opt(sql, &[&device.as_bytes()]).await?;
    row.map(|row| id(&row, 0, AccountId::from_slice))
        .transpose()
}

async fn entry(tx: &Tx, account: AccountId, idx: u64) -> StoreResult<Option<AccountEntry>> {
    let sql = "SELECT header, sig FROM account_entries WHERE account = $1 AND idx = $2";
    let row = tx.query_opt(sql, &[&account.as_bytes(), &int(idx)]).await?;
    row.as_ref().map(read_entry).transpose()
}

fn read_entry(row: &Row) -> StoreResult<AccountEntry> {
    Ok(AccountEntry {
        header: row.try_get(0)?,
        sig: id(row, 1, Signature::from_slice)?,
    })
}

async fn put_entry(tx: &Tx, account: AccountId, idx: u64, entry: &AccountEntry) -> StoreResult<()> {
    tx.execute(
        "INSERT INTO account_entries (account, idx, header, sig) VALUES ($1, $2, $3, $4)",
        &[
            &account.as_bytes(),
            &int(idx),
            &entry.header,
            &entry.sig.as_bytes(),
        ],
    )
    .await?;
    Ok(())
}

async fn put_device(tx: &Tx, device: DeviceId, account: AccountId) -> StoreResult<()> {
    let n = tx
        .execute(
            "INSERT INTO devices (device, account) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&device.as_bytes(), &account.as_bytes()],
        )
        .await?;
    if n == 1 {
        Ok(())
    } else {
        Err(Conflict::Exists.into())
    }
}

async fn put_slot(tx: &Tx, account: AccountId, slot: &Slot) -> StoreResult<()> {
    let ends = match slot.kind {
        SlotKind::Recovery => None,
        SlotKind::Invite { ends } => Some(int(ends.0)),
    };
    let n = tx
        .execute(
            "INSERT INTO slots (slot, account, ends_ms, sealed) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
            &[
                &slot.slot.as_bytes(),
                &account.as_bytes(),
                &ends,
                &slot.sealed,
            ],
        )
        .await?;
    if n == 1 {
        Ok(())
    } else {
        Err(Conflict::Exists.into())
    }
}
