//! SQL of secrets, set-up codes, accounts, devices and slots.

use fst_proto::account::AccountEntry;
use fst_proto::ids::{AccountId, DeviceId, Hash32, Signature, SlotId};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Conflict;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::id;
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::{AppendAccountTx, CreateAccountTx, Outcome, Slot, SlotKind, StoredSlot};

pub(super) fn secret(tx: &Transaction<'_>, name: &str, fresh: &[u8; 32]) -> StoreResult<[u8; 32]> {
    tx.execute(
        "INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)",
        params![name, fresh],
    )?;
    let value: Vec<u8> =
        tx.query_row("SELECT value FROM secrets WHERE name = ?1", [name], |row| {
            row.get(0)
        })?;
    value
        .try_into()
        .map_err(|_| StoreError::Damaged { what: "secret" })
}

pub(super) fn create_setup_code(
    tx: &Transaction<'_>,
    code: Hash32,
    ends: UnixMillis,
) -> StoreResult<()> {
    tx.execute("DELETE FROM setup_codes", [])?;
    tx.execute(
        "INSERT INTO setup_codes (code, ends_ms) VALUES (?1, ?2)",
        params![code.as_bytes(), ends.0],
    )?;
    Ok(())
}

pub(super) fn is_setup_code_open(
    tx: &Transaction<'_>,
    code: Hash32,
    now: UnixMillis,
) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM setup_codes WHERE code = ?1 AND ends_ms > ?2";
    Ok(tx
        .prepare_cached(sql)?
        .exists(params![code.as_bytes(), now.0])?)
}

pub(super) fn create_account(
    tx: &Transaction<'_>,
    request: &CreateAccountTx,
) -> StoreResult<Outcome> {
    if let Some(genesis) = entry(tx, request.account, 0)? {
        let is_same = genesis == request.genesis;
        return if is_same {
            Ok(Outcome::Repeated)
        } else {
            Err(Conflict::Exists.into())
        };
    }
    let used = tx.execute(
        "DELETE FROM setup_codes WHERE code = ?1 AND ends_ms > ?2",
        params![request.setup_code.as_bytes(), request.now.0],
    )?;
    if used != 1 {
        return Err(Refused::SetupCode.into());
    }
    put_entry(tx, request.account, 0, &request.genesis)?;
    put_device(tx, request.device, request.account)?;
    put_slot(tx, request.account, &request.recovery)?;
    Ok(Outcome::New)
}

pub(super) fn append(tx: &Transaction<'_>, request: &AppendAccountTx) -> StoreResult<Outcome> {
    let len = len(tx, request.account)?;
    if len == 0 {
        return Err(Refused::NoAccount.into());
    }
    if entry(tx, request.account, request.expected_len)?.as_ref() == Some(&request.entry) {
        return Ok(Outcome::Repeated);
    }
    if let Some(joins_by) = request.joins_by {
        let stored = slot(tx, joins_by)?.ok_or(Refused::Slot)?;
        if stored.account != request.account || !stored.is_open(request.now) {
            return Err(Refused::Slot.into());
        }
        tx.execute(
            "UPDATE slots SET is_used = 1 WHERE slot = ?1 AND ends_ms IS NOT NULL",
            [joins_by.as_bytes()],
        )?;
    }
    if len != request.expected_len {
        return Err(Conflict::Exists.into());
    }
    put_entry(tx, request.account, len, &request.entry)?;
    if let Some(device) = request.adds {
        put_device(tx, device, request.account)?;
    }
    if let Some(slot) = &request.opens {
        put_slot(tx, request.account, slot)?;
    }
    Ok(Outcome::New)
}

pub(super) fn len(tx: &Transaction<'_>, account: AccountId) -> StoreResult<u64> {
    let sql = "SELECT COALESCE(MAX(idx) + 1, 0) FROM account_entries WHERE account = ?1";
    Ok(tx
        .prepare_cached(sql)?
        .query_row([account.as_bytes()], |row| row.get(0))?)
}

pub(super) fn entries(
    tx: &Transaction<'_>,
    account: AccountId,
    since: u64,
) -> StoreResult<Vec<AccountEntry>> {
    // A database counts to 2^63; nothing lies beyond.
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let sql =
        "SELECT header, sig FROM account_entries WHERE account = ?1 AND idx >= ?2 ORDER BY idx";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params![account.as_bytes(), since], read_entry)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn slot(tx: &Transaction<'_>, wanted: SlotId) -> StoreResult<Option<StoredSlot>> {
    let sql = "SELECT account, ends_ms, sealed, is_used FROM slots WHERE slot = ?1";
    let read = |row: &Row<'_>| {
        let ends: Option<u64> = row.get(1)?;
        let kind = ends.map_or(SlotKind::Recovery, |ends| SlotKind::Invite {
            ends: UnixMillis(ends),
        });
        Ok(StoredSlot {
            account: id(row, 0, AccountId::from_slice)?,
            slot: Slot {
                slot: wanted,
                kind,
                sealed: row.get(2)?,
            },
            is_used: row.get(3)?,
        })
    };
    Ok(tx
        .prepare_cached(sql)?
        .query_row([wanted.as_bytes()], read)
        .optional()?)
}

pub(super) fn device_account(
    tx: &Transaction<'_>,
    device: DeviceId,
) -> StoreResult<Option<AccountId>> {
    let sql = "SELECT account FROM devices WHERE device = ?1";
    let read = |row: &Row<'_>| id(row, 0, AccountId::from_slice);
    Ok(tx
        .prepare_cached(sql)?
        .query_row([device.as_bytes()], read)
        .optional()?)
}

fn entry(tx: &Transaction<'_>, account: AccountId, idx: u64) -> StoreResult<Option<AccountEntry>> {
    let Ok(idx) = i64::try_from(idx) else {
        return Ok(None);
    };
    let sql = "SELECT header, sig FROM account_entries WHERE account = ?1 AND idx = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    Ok(statement
        .query_row(params![account.as_bytes(), idx], read_entry)
        .optional()?)
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<AccountEntry> {
    Ok(AccountEntry {
        header: row.get(0)?,
        sig: id(row, 1, Signature::from_slice)?,
    })
}

fn put_entry(
    tx: &Transaction<'_>,
    account: AccountId,
    idx: u64,
    entry: &AccountEntry,
) -> StoreResult<()> {
    tx.execute(
        "INSERT INTO account_entries (account, idx, header, sig) VALUES (?1, ?2, ?3, ?4)",
        params![account.as_bytes(), idx, entry.header, entry.sig.as_bytes()],
    )?;
    Ok(())
}

fn put_device(tx: &Transaction<'_>, device: DeviceId, account: AccountId) -> StoreResult<()> {
    let n = tx.execute(
        "INSERT OR IGNORE INTO devices (device, account) VALUES (?1, ?2)",
        params![device.as_bytes(), account.as_bytes()],
    )?;
    if n == 1 {
        Ok(())
    } else {
        Err(Conflict::Exists.into())
    }
}

fn put_slot(tx: &Transaction<'_>, account: AccountId, slot: &Slot) -> StoreResult<()> {
    let ends = match slot.kind {
        SlotKind::Recovery => None,
        SlotKind::Invite { ends } => Some(i64::try_from(ends.0).unwrap_or(i64::MAX)),
    };
    let n = tx.execute(
        "INSERT OR IGNORE INTO slots (slot, account, ends_ms, sealed) VALUES (?1, ?2, ?3, ?4)",
        params![slot.slot.as_bytes(), account.as_bytes(), ends, slot.sealed],
    )?;
    if n == 1 {
        Ok(())
    } else {
        Err(Conflict::Exists.into())
    }
}
