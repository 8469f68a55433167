//! SQL of objects and packs.

use std::collections::BTreeSet;

use fst_proto::ids::{ObjectId, SpaceId};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::log::{add_bytes, space_no};
use super::quota;
use crate::blob::BlobKey;
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::{ForgetTx, LEASE_MS, Located, PackTx, needed_by_pack};

pub(super) fn register(tx: &Transaction<'_>, pack: &PackTx) -> StoreResult<Vec<ObjectId>> {
    let no = space_no(tx, pack.space)?.ok_or(Refused::NoSpace)?;
    let new = register_in(tx, no, pack)?;
    if !new.is_empty() {
        quota::check(tx, no, pack.bounds.quota, needed_by_pack(pack))?;
        add_bytes(tx, no, pack.bytes, 0)?;
    }
    Ok(new)
}

/// Like [`register`], without counting bytes: a commit counts its pack with its payload.
pub(super) fn register_in(
    tx: &Transaction<'_>,
    space_no: i64,
    pack: &PackTx,
) -> StoreResult<Vec<ObjectId>> {
    let ids = pack.items.iter().map(|item| item.id).collect();
    let new: BTreeSet<ObjectId> = missing_in(tx, space_no, ids)?.into_iter().collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    tx.prepare_cached(
        "INSERT INTO packs (space_no, key, bytes, uploader, lease_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        space_no,
        pack.key.to_string(),
        pack.bytes,
        pack.uploader.as_bytes(),
        pack.now.0.saturating_add(LEASE_MS),
    ])?;
    let pack_no = tx.last_insert_rowid();
    // Of two objects with one id in a pack, the first counts.
    let mut put = tx.prepare_cached(
        "INSERT OR IGNORE INTO objects (space_no, object, pack_no, pack_offset, len) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut out = Vec::with_capacity(new.len());
    for item in &pack.items {
        let row = params![space_no, item.id.as_bytes(), pack_no, item.offset, item.len];
        if put.execute(row)? == 1 {
            out.push(item.id);
        }
    }
    Ok(out)
}

pub(super) fn missing(
    tx: &Transaction<'_>,
    space: SpaceId,
    ids: Vec<ObjectId>,
) -> StoreResult<Vec<ObjectId>> {
    match space_no(tx, space)? {
        None => Ok(ids),
        Some(no) => missing_in(tx, no, ids),
    }
}

pub(super) fn missing_in(
    tx: &Transaction<'_>,
    space_no: i64,
    ids: Vec<ObjectId>,
) -> StoreResult<Vec<ObjectId>> {
    let sql = "SELECT 1 FROM objects WHERE space_no = ?1 AND object = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let mut out = Vec::new();
    for id in ids {
        if !statement.exists(params![space_no, id.as_bytes()])? {
            out.push(id);
        }
    }
    Ok(out)
}

pub(super) fn locate(
    tx: &Transaction<'_>,
    space: SpaceId,
    ids: &[ObjectId],
) -> StoreResult<Vec<Located>> {
    let Some(no) = space_no(tx, space)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT p.key, o.pack_offset, o.len FROM objects o JOIN packs p ON p.no = o.pack_no \
               WHERE o.space_no = ?1 AND o.object = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?));
    let mut out = Vec::with_capacity(ids.len());
    for id in ids {
        let found = statement
            .query_row(params![no, id.as_bytes()], read)
            .optional()?;
        if let Some((key, offset, len)) = found {
            let pack = BlobKey::parse(&key).ok_or(StoreError::Damaged { what: "pack key" })?;
            out.push(Located {
                id: *id,
                pack,
                offset,
                len,
            });
        }
    }
    Ok(out)
}

pub(super) fn forget(
    tx: &Transaction<'_>,
    request: &ForgetTx,
) -> StoreResult<Option<Vec<BlobKey>>> {
    let no = space_no(tx, request.space)?.ok_or(Refused::NoSpace)?;
    let size: u64 = tx
        .prepare_cached("SELECT size FROM spaces WHERE no = ?1")?
        .query_row([no], |row| row.get(0))?;
    if size != request.size {
        return Ok(None);
    }
    let sql = "DELETE FROM objects WHERE space_no = ?1 AND object = ?2 \
               AND pack_no IN (SELECT no FROM packs WHERE lease_ms <= ?3) RETURNING pack_no";
    let mut touched: BTreeSet<i64> = BTreeSet::new();
    {
        let mut statement = tx.prepare_cached(sql)?;
        for object in &request.ids {
            let values = params![no, object.as_bytes(), request.now.0];
            let pack = statement
                .query_row(values, |row| row.get::<_, i64>(0))
                .optional()?;
            touched.extend(pack);
        }
    }
    let mut freed = Vec::new();
    for pack in touched {
        freed.extend(drop_pack(tx, no, pack)?);
    }
    Ok(Some(freed))
}

/// Drops a pack without objects, unless its blob holds a payload too.
fn drop_pack(tx: &Transaction<'_>, space_no: i64, pack: i64) -> StoreResult<Option<BlobKey>> {
    let sql = "DELETE FROM packs WHERE no = ?1 \
               AND NOT EXISTS (SELECT 1 FROM objects WHERE pack_no = ?1) \
               AND NOT EXISTS (SELECT 1 FROM bodies WHERE payload_pack = key) \
               RETURNING key, bytes";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?));
    let dropped = tx.prepare_cached(sql)?.query_row([pack], read).optional()?;
    let Some((key, bytes)) = dropped else {
        return Ok(None);
    };
    let sql = "UPDATE totals SET value = max(0, value - ?1) WHERE name = 'bytes'";
    tx.prepare_cached(sql)?.execute([bytes])?;
    let less = i64::try_from(bytes).unwrap_or(i64::MAX);
    quota::count(tx, space_no, -less, 0)?;
    let key = BlobKey::parse(&key).ok_or(StoreError::Damaged { what: "pack key" })?;
    Ok(Some(key))
}
