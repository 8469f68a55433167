//! SQL of objects and packs.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::ids::{ObjectId, SpaceId};

use super::log::{lock_space, space_no};
use super::quota;
use super::{Transact, Tx, id, int, number};
use crate::blob::BlobKey;
use crate::error::{StoreError, StoreResult};
use crate::meta::{ForgetTx, LEASE_MS, Located, PackItem, PackTx, needed_by_pack};

impl Transact for PackTx {
    type Output = Vec<ObjectId>;

    async fn run(&self, tx: &Tx) -> StoreResult<Vec<ObjectId>> {
        register(tx, self).await
    }
}

impl Transact for ForgetTx {
    type Output = Option<Vec<BlobKey>>;

    async fn run(&self, tx: &Tx) -> StoreResult<Option<Vec<BlobKey>>> {
        forget(tx, self).await
    }
}

async fn register(tx: &Tx, pack: &PackTx) -> StoreResult<Vec<ObjectId>> {
    let space = lock_space(tx, pack.space).await?;
    let new = register_in(tx, space.no, pack).await?;
    if !new.is_empty() {
        quota::check(tx, space.no, pack.bounds.quota, needed_by_pack(pack)).await?;
        let sql = "UPDATE spaces SET bytes = bytes + $2 WHERE no = $1";
        tx.execute(sql, &[&space.no, &int(pack.bytes)]).await?;
    }
    Ok(new)
}

/// Like [`register`], in a space that is locked and without counting bytes: a commit counts its pack with its payload.
pub(super) async fn register_in(
    tx: &Tx,
    space_no: i64,
    pack: &PackTx,
) -> StoreResult<Vec<ObjectId>> {
    let ids: Vec<ObjectId> = pack.items.iter().map(|item| item.id).collect();
    let mut new: BTreeSet<ObjectId> = missing_in(tx, space_no, &ids).await?.into_iter().collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    // Of two objects with one id in a pack, the first counts.
    let items: Vec<&PackItem> = pack
        .items
        .iter()
        .filter(|item| new.remove(&item.id))
        .collect();
    let row = tx
        .query_opt(
            "INSERT INTO packs (space_no, key, bytes, uploader, lease_ms) \
             VALUES ($1, $2, $3, $4, $5) RETURNING no",
            &[
                &space_no,
                &pack.key.to_string(),
                &int(pack.bytes),
                &pack.uploader.as_bytes(),
                &int(pack.now.0.saturating_add(LEASE_MS)),
            ],
        )
        .await?;
    let pack_no: i64 = row.ok_or(StoreError::Closed)?.try_get(0)?;
    let objects: Vec<&[u8]> = items.iter().map(|item| item.id.as_bytes()).collect();
    let offsets: Vec<i64> = items.iter().map(|item| int(item.offset)).collect();
    let lens: Vec<i64> = items.iter().map(|item| int(item.len)).collect();
    tx.execute(
        "INSERT INTO objects (space_no, object, pack_no, pack_offset, len) \
         SELECT $1, o.object, $2, o.pack_offset, o.len \
         FROM unnest($3::bytea[], $4::bigint[], $5::bigint[]) AS o (object, pack_offset, len)",
        &[&space_no, &pack_no, &objects, &offsets, &lens],
    )
    .await?;
    Ok(items.iter().map(|item| item.id).collect())
}

pub(super) async fn missing(
    tx: &Tx,
    space: SpaceId,
    ids: Vec<ObjectId>,
) -> StoreResult<Vec<ObjectId>> {
    match space_no(tx, space).await? {
        None => Ok(ids),
        Some(no) => missing_in(tx, no, &ids).await,
    }
}

pub(super) async fn missing_in(
    tx: &Tx,
    space_no: i64,
    ids: &[ObjectId],
) -> StoreResult<Vec<ObjectId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT object FROM objects WHERE space_no = $1 AND object = ANY($2)";
    let rows = tx.query(sql, &[&space_no, &bytes(ids)]).await?;
    let found: BTreeSet<ObjectId> = rows
        .iter()
        .map(|row| id(row, 0, ObjectId::from_slice))
        .collect::<StoreResult<_>>()?;
    Ok(ids
        .iter()
        .copied()
        .filter(|id| !found.contains(id))
        .collect())
}

pub(super) async fn locate(tx: &Tx, space: SpaceId, ids: &[ObjectId]) -> StoreResult<Vec<Located>> {
    let sql = "SELECT o.object, p.key, o.pack_offset, o.len FROM spaces s \
               JOIN objects o ON o.space_no = s.no JOIN packs p ON p.no = o.pack_no \
               WHERE s.space = $1 AND o.object = ANY($2)";
    let rows = tx.query(sql, &[&space.as_bytes(), &bytes(ids)]).await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let key: &str = row.try_get(1)?;
        let located = Located {
            id: id(row, 0, ObjectId::from_slice)?,
            pack: BlobKey::parse(key).ok_or(StoreError::Damaged { what: "pack key" })?,
            offset: number(row, 2)?,
            len: number(row, 3)?,
        };
        found.insert(located.id, located);
    }
    Ok(ids.iter().filter_map(|id| found.get(id).copied()).collect())
}

async fn forget(tx: &Tx, request: &ForgetTx) -> StoreResult<Option<Vec<BlobKey>>> {
    // The lock keeps out every commit that could reference what is given up.
    let space = lock_space(tx, request.space).await?;
    if space.size() != request.size {
        return Ok(None);
    }
    let sql = "DELETE FROM objects o USING packs p WHERE o.space_no = $1 AND o.object = ANY($2) \
               AND p.no = o.pack_no AND p.lease_ms <= $3 RETURNING o.pack_no";
    let rows = tx
        .query(sql, &[&space.no, &bytes(&request.ids), &int(request.now.0)])
        .await?;
    let touched: BTreeSet<i64> = rows
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect::<StoreResult<_>>()?;
    // A blob that holds a payload too stays.
    let sql = "DELETE FROM packs p WHERE p.no = ANY($1) \
               AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.pack_no = p.no) \
               AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.payload_pack = p.key) \
               RETURNING p.key, p.bytes";
    let touched: Vec<i64> = touched.into_iter().collect();
    let (mut freed, mut n_bytes) = (Vec::new(), 0);
    for row in &tx.query(sql, &[&touched]).await? {
        let key = BlobKey::parse(row.try_get(0)?);
        freed.push(key.ok_or(StoreError::Damaged { what: "pack key" })?);
        n_bytes += number(row, 1)?;
    }
    let sql = "UPDATE spaces SET bytes = GREATEST(0, bytes - $2) WHERE no = $1";
    tx.execute(sql, &[&space.no, &int(n_bytes)]).await?;
    Ok(Some(freed))
}

fn bytes(ids: &[ObjectId]) -> Vec<&[u8]> {
    ids.iter().map(ObjectId::as_bytes).collect()
}
