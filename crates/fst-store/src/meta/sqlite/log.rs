//! SQL of spaces and their logs.
//!
//! A commit reads the facts of [`crate::rules`], asks for a verdict and writes the plan, all in the
//! transaction of the writer. Invariant: rows of `log`, `bodies` and the state in `spaces` agree at every
//! commit. Not here: which entries are acceptable ([`crate::rules`]), objects (`objects`).
//! Source: `migrations/sqlite/0001_init.sql`.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::ids::{AccountId, Hash32, NameTag, NodeId, Signature, SpaceId};
use fst_proto::log::{OpCode, OrderClass};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::time::UnixMillis;
use fst_proto::wire::{Conflict, SpaceInfo};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{id, objects, quota};
use crate::blob::BlobKey;
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::{
    CommitTx, Committed, CreateSpaceTx, Outcome, Page, PageLimit, Payload, StoredEntry, Totals,
    needed_by_commit,
};
use crate::rules::{self, DeviceLast, Facts, NodeFact, Plan, Verdict};

/// Newest state of a space.
struct SpaceRow {
    no: i64,
    epoch: u32,
    generation: u32,
    range: CompactRange,
    time: UnixMillis,
}

pub(super) fn create_space(
    tx: &Transaction<'_>,
    request: &CreateSpaceTx,
) -> StoreResult<Committed> {
    let space = request.commit.header.space;
    let sql = "SELECT 1 FROM spaces WHERE space = ?1 AND account = ?2 AND tag = ?3";
    let same = params![
        space.as_bytes(),
        request.account.as_bytes(),
        request.tag.as_bytes()
    ];
    if tx.prepare_cached(sql)?.exists(same)? {
        let row = space_row(tx, space)?.ok_or(Refused::NoSpace)?;
        let repeated = repeated(tx, &row, &request.commit)?;
        return repeated.ok_or_else(|| Conflict::Exists.into());
    }
    let n = tx.execute(
        "INSERT OR IGNORE INTO spaces \
         (space, account, tag, epoch, generation, size, peaks, time_ms) \
         VALUES (?1, ?2, ?3, 1, 1, 0, x'', 0)",
        same,
    )?;
    if n == 0 {
        return Err(Conflict::Exists.into());
    }
    commit(tx, &request.commit)
}

pub(super) fn commit(tx: &Transaction<'_>, request: &CommitTx) -> StoreResult<Committed> {
    let row = space_row(tx, request.header.space)?.ok_or(Refused::NoSpace)?;
    if let Some(committed) = repeated(tx, &row, request)? {
        return Ok(committed);
    }
    if let Some(pack) = &request.pack {
        objects::register_in(tx, row.no, pack)?;
    }
    match rules::decide(request, &facts(tx, &row, request)?)? {
        Verdict::Repeated(committed) => Ok(committed),
        Verdict::Commit(plan) => {
            let adds = needed_by_commit(request, &plan);
            quota::check(tx, row.no, request.bounds.quota, adds)?;
            write_nodes(tx, row.no, &plan)?;
            write_refs(tx, row.no, request)?;
            quota::check_files(tx, row.no, request)?;
            write_entry(tx, row.no, request, &plan)?;
            add_bytes(tx, row.no, request.stored_bytes(), plan.files)?;
            Ok(plan.committed)
        },
    }
}

pub(super) fn changes(
    tx: &Transaction<'_>,
    space: SpaceId,
    since: u64,
    limit: PageLimit,
) -> StoreResult<Page> {
    let row = space_row(tx, space)?.ok_or(Refused::NoSpace)?;
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let sql = "SELECT length(b.header) + b.payload_len, b.header, b.sig, l.time_ms, b.payload, \
               b.payload_pack, b.payload_offset, b.payload_len, l.n_files \
               FROM log l JOIN bodies b ON b.space_no = l.space_no AND b.idx = l.idx \
               WHERE l.space_no = ?1 AND l.idx >= ?2 ORDER BY l.idx LIMIT ?3";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![row.no, since, limit.entries])?;
    let mut left = limit.bytes;
    let mut entries = Vec::new();
    while let Some(found) = rows.next()? {
        let size: usize = found.get(0)?;
        if !entries.is_empty() && size > left {
            break;
        }
        left = left.saturating_sub(size);
        entries.push(read_entry(found)?);
    }
    Ok(Page {
        head: row.range.head(),
        time: row.time,
        entries,
    })
}

pub(super) fn head_at(
    tx: &Transaction<'_>,
    space: SpaceId,
    size: u64,
) -> StoreResult<Option<(Head, UnixMillis)>> {
    let row = space_row(tx, space)?.ok_or(Refused::NoSpace)?;
    if size == 0 {
        return Ok(Some((Head::empty(), UnixMillis(0))));
    }
    let found = root_at(tx, row.no, size)?;
    Ok(found.map(|(root, time)| (Head { size, root }, time)))
}

pub(super) fn spaces(tx: &Transaction<'_>, account: AccountId) -> StoreResult<Vec<SpaceInfo>> {
    let sql = "SELECT space, tag, size, peaks FROM spaces WHERE account = ?1 ORDER BY no";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([account.as_bytes()])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(SpaceInfo {
            space: id(row, 0, SpaceId::from_slice)?,
            tag: id(row, 1, NameTag::from_slice)?,
            head: read_range(row.get(2)?, row.get_ref(3)?.as_blob().unwrap_or_default())?.head(),
        });
    }
    Ok(out)
}

pub(super) fn owner(tx: &Transaction<'_>, space: SpaceId) -> StoreResult<Option<AccountId>> {
    let sql = "SELECT account FROM spaces WHERE space = ?1";
    let read = |row: &Row<'_>| id(row, 0, AccountId::from_slice);
    Ok(tx
        .prepare_cached(sql)?
        .query_row([space.as_bytes()], read)
        .optional()?)
}

pub(super) fn space_no(tx: &Transaction<'_>, space: SpaceId) -> StoreResult<Option<i64>> {
    let sql = "SELECT no FROM spaces WHERE space = ?1";
    Ok(tx
        .prepare_cached(sql)?
        .query_row([space.as_bytes()], |row| row.get(0))
        .optional()?)
}

pub(super) fn all_spaces(tx: &Transaction<'_>) -> StoreResult<Vec<SpaceId>> {
    let mut statement = tx.prepare_cached("SELECT space FROM spaces ORDER BY no")?;
    let rows = statement.query_map([], |row| id(row, 0, SpaceId::from_slice))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn totals(tx: &Transaction<'_>) -> StoreResult<Totals> {
    let one = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, u64>(0));
    Ok(Totals {
        accounts: one("SELECT COUNT(*) FROM account_entries WHERE idx = 0")?,
        devices: one("SELECT COUNT(*) FROM devices")?,
        spaces: one("SELECT COUNT(*) FROM spaces")?,
        entries: one("SELECT COALESCE(SUM(size), 0) FROM spaces")?,
        bytes: one("SELECT value FROM totals WHERE name = 'bytes'")?,
    })
}

pub(super) fn add_bytes(
    tx: &Transaction<'_>,
    space_no: i64,
    bytes: u64,
    files: i64,
) -> StoreResult<()> {
    let sql = "UPDATE totals SET value = value + ?1 WHERE name = 'bytes'";
    tx.prepare_cached(sql)?.execute([bytes])?;
    quota::count(
        tx,
        space_no,
        i64::try_from(bytes).unwrap_or(i64::MAX),
        files,
    )
}

fn space_row(tx: &Transaction<'_>, space: SpaceId) -> StoreResult<Option<SpaceRow>> {
    let sql = "SELECT no, epoch, generation, size, peaks, time_ms FROM spaces WHERE space = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([space.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(SpaceRow {
        no: row.get(0)?,
        epoch: row.get(1)?,
        generation: row.get(2)?,
        range: read_range(row.get(3)?, row.get_ref(4)?.as_blob().unwrap_or_default())?,
        time: UnixMillis(row.get(5)?),
    }))
}

fn read_range(size: u64, peaks: &[u8]) -> StoreResult<CompactRange> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "log state" };
    let peaks = peaks
        .chunks(Hash32::LEN)
        .map(Hash32::from_slice)
        .collect::<Result<_, _>>();
    CompactRange::from_parts(size, peaks.map_err(|_| DAMAGED)?).map_err(|_| DAMAGED)
}

/// The entry of this device and number, when it is the very same.
fn repeated(
    tx: &Transaction<'_>,
    space: &SpaceRow,
    request: &CommitTx,
) -> StoreResult<Option<Committed>> {
    let Ok(ctr) = i64::try_from(request.header.dev_ctr) else {
        return Ok(None);
    };
    let sql = "SELECT idx, root, time_ms FROM log \
               WHERE space_no = ?1 AND device = ?2 AND dev_ctr = ?3 AND hash = ?4";
    let device = request.header.device;
    let hash = request.entry_hash();
    let read = |row: &Row<'_>| {
        let index: u64 = row.get(0)?;
        let head = Head {
            size: index + 1,
            root: id(row, 1, Hash32::from_slice)?,
        };
        Ok(Committed {
            head,
            time: UnixMillis(row.get(2)?),
            outcome: Outcome::Repeated,
        })
    };
    let key = params![space.no, device.as_bytes(), ctr, hash.as_bytes()];
    Ok(tx.prepare_cached(sql)?.query_row(key, read).optional()?)
}

fn facts(tx: &Transaction<'_>, space: &SpaceRow, request: &CommitTx) -> StoreResult<Facts> {
    let header = &request.header;
    let seen_root = match header.seen.size {
        0 => Some(Head::empty().root),
        size => root_at(tx, space.no, size)?.map(|(root, _)| root),
    };
    let refs = header
        .ops
        .iter()
        .flat_map(|op| op.add_refs.iter().copied())
        .collect();
    Ok(Facts {
        repeated: None,
        range: space.range.clone(),
        last_time: space.time,
        epoch: space.epoch,
        generation: space.generation,
        device_last: device_last(tx, space.no, request)?,
        seen_root,
        unseen: unseen(tx, space.no, request)?,
        nodes: nodes(tx, space.no, request)?,
        holders: holders(tx, space.no, request)?,
        missing: objects::missing_in(tx, space.no, refs)?,
    })
}

fn root_at(
    tx: &Transaction<'_>,
    space_no: i64,
    size: u64,
) -> StoreResult<Option<(Hash32, UnixMillis)>> {
    let Some(index) = size
        .checked_sub(1)
        .and_then(|index| i64::try_from(index).ok())
    else {
        return Ok(None);
    };
    let sql = "SELECT root, time_ms FROM log WHERE space_no = ?1 AND idx = ?2";
    let read = |row: &Row<'_>| Ok((id(row, 0, Hash32::from_slice)?, UnixMillis(row.get(1)?)));
    Ok(tx
        .prepare_cached(sql)?
        .query_row(params![space_no, index], read)
        .optional()?)
}

fn device_last(
    tx: &Transaction<'_>,
    space_no: i64,
    request: &CommitTx,
) -> StoreResult<Option<DeviceLast>> {
    let sql = "SELECT dev_ctr, hash FROM log WHERE space_no = ?1 AND device = ?2 \
               ORDER BY dev_ctr DESC LIMIT 1";
    let read = |row: &Row<'_>| {
        Ok(DeviceLast {
            ctr: row.get(0)?,
            hash: id(row, 1, Hash32::from_slice)?,
        })
    };
    let key = params![space_no, request.header.device.as_bytes()];
    Ok(tx.prepare_cached(sql)?.query_row(key, read).optional()?)
}

fn unseen(
    tx: &Transaction<'_>,
    space_no: i64,
    request: &CommitTx,
) -> StoreResult<BTreeSet<OrderClass>> {
    let since = i64::try_from(request.header.seen.size).unwrap_or(i64::MAX);
    let sql = "SELECT DISTINCT class FROM log WHERE space_no = ?1 AND idx >= ?2 AND device <> ?3";
    let mut statement = tx.prepare_cached(sql)?;
    let key = params![space_no, since, request.header.device.as_bytes()];
    let rows = statement.query_map(key, |row| row.get(0).map(OrderClass::from_u8))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn nodes(
    tx: &Transaction<'_>,
    space_no: i64,
    request: &CommitTx,
) -> StoreResult<BTreeMap<NodeId, NodeFact>> {
    let sql =
        "SELECT rev, name_tag, deleted_ms IS NOT NULL FROM nodes WHERE space_no = ?1 AND node = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let mut out = BTreeMap::new();
    for op in request
        .header
        .ops
        .iter()
        .filter(|op| op.code != OpCode::Control)
    {
        let read = |row: &Row<'_>| {
            let is_tagged = row.get_ref(1)? != rusqlite::types::ValueRef::Null;
            let tag = is_tagged
                .then(|| id(row, 1, NameTag::from_slice))
                .transpose()?;
            Ok(NodeFact {
                rev: row.get(0)?,
                tag,
                is_deleted: row.get(2)?,
            })
        };
        let fact = statement
            .query_row(params![space_no, op.node.as_bytes()], read)
            .optional()?;
        out.extend(fact.map(|fact| (op.node, fact)));
    }
    Ok(out)
}

fn holders(
    tx: &Transaction<'_>,
    space_no: i64,
    request: &CommitTx,
) -> StoreResult<BTreeMap<NameTag, NodeId>> {
    let sql = "SELECT node FROM nodes WHERE space_no = ?1 AND name_tag = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let mut out = BTreeMap::new();
    for tag in request.header.ops.iter().filter_map(|op| op.name_tag) {
        let read = |row: &Row<'_>| id(row, 0, NodeId::from_slice);
        let node = statement
            .query_row(params![space_no, tag.as_bytes()], read)
            .optional()?;
        out.extend(node.map(|node| (tag, node)));
    }
    Ok(out)
}

fn write_nodes(tx: &Transaction<'_>, space_no: i64, plan: &Plan) -> StoreResult<()> {
    // Tags that move are cleared first: a swap within the batch must not meet itself in the unique index.
    let sql = "UPDATE nodes SET name_tag = NULL WHERE space_no = ?1 AND node = ?2";
    let mut clear = tx.prepare_cached(sql)?;
    for node in &plan.clear_tags {
        clear.execute(params![space_no, node.as_bytes()])?;
    }
    let sql = "INSERT INTO nodes (space_no, node, rev, name_tag, deleted_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (space_no, node) DO UPDATE SET \
               rev = excluded.rev, name_tag = excluded.name_tag, deleted_ms = excluded.deleted_ms";
    let mut put = tx.prepare_cached(sql)?;
    for write in &plan.nodes {
        let tag = write.tag.as_ref().map(NameTag::as_bytes);
        let deleted = write.is_deleted.then_some(plan.committed.time.0);
        put.execute(params![
            space_no,
            write.node.as_bytes(),
            write.rev,
            tag,
            deleted
        ])?;
    }
    Ok(())
}

fn write_refs(tx: &Transaction<'_>, space_no: i64, request: &CommitTx) -> StoreResult<()> {
    let mut close = tx.prepare_cached(
        "UPDATE node_refs SET rev_to = ?4 \
         WHERE space_no = ?1 AND node = ?2 AND object = ?3 AND rev_to IS NULL",
    )?;
    let mut open = tx.prepare_cached(
        "INSERT INTO node_refs (space_no, node, object, rev_from) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut first = tx.prepare_cached(
        "UPDATE objects SET first_epoch = ?3 \
         WHERE space_no = ?1 AND object = ?2 AND first_epoch IS NULL",
    )?;
    for op in &request.header.ops {
        let (node, rev) = (op.node.as_bytes(), op.base_rev + 1);
        for object in &op.drop_refs {
            close.execute(params![space_no, node, object.as_bytes(), rev])?;
        }
        for object in &op.add_refs {
            open.execute(params![space_no, node, object.as_bytes(), rev])?;
            first.execute(params![space_no, object.as_bytes(), request.header.epoch])?;
        }
    }
    Ok(())
}

fn write_entry(
    tx: &Transaction<'_>,
    space_no: i64,
    request: &CommitTx,
    plan: &Plan,
) -> StoreResult<()> {
    let Committed { head, time, .. } = plan.committed;
    let index = head.size - 1;
    tx.prepare_cached(
        "INSERT INTO log (space_no, idx, device, dev_ctr, class, hash, root, time_ms, n_files) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        space_no,
        index,
        request.header.device.as_bytes(),
        request.header.dev_ctr,
        plan.class.as_u8(),
        plan.hash.as_bytes(),
        head.root.as_bytes(),
        time.0,
        request.n_files(),
    ])?;
    let (inline, pack, offset) = match &request.payload {
        Payload::Inline(bytes) => (Some(bytes), None, 0),
        Payload::Pack { key, offset, .. } => (None, Some(key.to_string()), *offset),
    };
    tx.prepare_cached(
        "INSERT INTO bodies (space_no, idx, header, sig, payload, payload_pack, payload_offset, \
         payload_len) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        space_no,
        index,
        request.header_bytes,
        request.sig.as_bytes(),
        inline,
        pack,
        offset,
        request.payload.len(),
    ])?;
    let peaks: Vec<u8> = plan.range.peaks().iter().flat_map(|peak| peak.0).collect();
    let sql = "UPDATE spaces SET size = ?2, peaks = ?3, time_ms = ?4 WHERE no = ?1";
    tx.prepare_cached(sql)?
        .execute(params![space_no, head.size, peaks, time.0])?;
    Ok(())
}

fn read_entry(row: &Row<'_>) -> StoreResult<StoredEntry> {
    let pack: Option<String> = row.get(5)?;
    let payload = match pack {
        None => Payload::Inline(row.get(4)?),
        Some(hex) => Payload::Pack {
            key: BlobKey::parse(&hex).ok_or(StoreError::Damaged {
                what: "payload place",
            })?,
            offset: row.get(6)?,
            len: row.get(7)?,
        },
    };
    Ok(StoredEntry {
        header: row.get(1)?,
        sig: id(row, 2, Signature::from_slice)?,
        time: UnixMillis(row.get(3)?),
        payload,
        n_files: row.get(8)?,
    })
}
