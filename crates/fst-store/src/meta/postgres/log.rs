//! SQL of spaces and their logs.
//!
//! A commit locks its space, reads the facts of [`crate::rules`], asks for a verdict and writes the plan. Statements
//! that do not need each other's answers are sent together. Invariant: rows of `log`, `bodies` and the state in
//! `spaces` agree at every commit; a space's row is locked before anything of the space is written.
//! Not here: which entries are acceptable ([`crate::rules`]), objects (`objects`).
//! Source: `migrations/postgres/0001_init.sql`.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::ids::{AccountId, Hash32, NameTag, NodeId, ObjectId, Signature, SpaceId};
use fst_proto::log::{Op, OpCode, OrderClass};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::time::UnixMillis;
use fst_proto::wire::{Conflict, SpaceInfo};
use futures::try_join;
use tokio_postgres::Row;

use super::{Transact, Tx, audit, id, int, number, objects, quota};
use crate::blob::BlobKey;
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::{
    CommitTx, Committed, CreateSpaceTx, Outcome, Page, PageLimit, Payload, StoredEntry, Totals,
    needed_by_commit,
};
use crate::rules::{self, DeviceLast, Facts, NodeFact, NodeWrite, Plan, Verdict};

/// Newest state of a space.
pub(super) struct SpaceRow {
    pub(super) no: i64,
    epoch: u32,
    generation: u32,
    range: CompactRange,
    time: UnixMillis,
}

impl SpaceRow {
    /// Length of the log.
    pub(super) fn size(&self) -> u64 {
        self.range.size()
    }
}

/// Columns that make a [`SpaceRow`].
const SPACE: &str =
    "SELECT no, epoch, generation, size, peaks, time_ms FROM spaces WHERE space = $1";

impl Transact for CreateSpaceTx {
    type Output = Committed;

    async fn run(&self, tx: &Tx) -> StoreResult<Committed> {
        let made = create_space(tx, self).await?;
        if made.outcome == Outcome::New {
            audit::append(tx, &[self.told()]).await?;
        }
        Ok(made)
    }
}

impl Transact for CommitTx {
    type Output = Committed;

    async fn run(&self, tx: &Tx) -> StoreResult<Committed> {
        commit(tx, self).await
    }
}

async fn create_space(tx: &Tx, request: &CreateSpaceTx) -> StoreResult<Committed> {
    let space = request.commit.header.space;
    // Waits for another request that creates the same space or uses the same tag.
    let made = tx
        .execute(
            "INSERT INTO spaces \
             (space, account, tag, epoch, generation, size, peaks, time_ms, bytes) \
             VALUES ($1, $2, $3, 1, 1, 0, '', 0, 0) ON CONFLICT DO NOTHING",
            &[
                &space.as_bytes(),
                &request.account.as_bytes(),
                &request.tag.as_bytes(),
            ],
        )
        .await?;
    if made == 1 {
        return commit(tx, &request.commit).await;
    }
    let same = tx
        .query_opt(
            "SELECT no FROM spaces WHERE space = $1 AND account = $2 AND tag = $3",
            &[
                &space.as_bytes(),
                &request.account.as_bytes(),
                &request.tag.as_bytes(),
            ],
        )
        .await?;
    let no: i64 = same.ok_or(Conflict::Exists)?.try_get(0)?;
    let repeated = repeated(tx, no, &request.commit).await?;
    repeated.ok_or_else(|| Conflict::Exists.into())
}

async fn commit(tx: &Tx, request: &CommitTx) -> StoreResult<Committed> {
    let space = lock_space(tx, request.header.space).await?;
    if let Some(committed) = repeated(tx, space.no, request).await? {
        return Ok(committed);
    }
    if let Some(pack) = &request.pack {
        objects::register_in(tx, space.no, pack).await?;
    }
    match rules::decide(request, &facts(tx, &space, request).await?)? {
        Verdict::Repeated(committed) => Ok(committed),
        Verdict::Commit(plan) => {
            let adds = needed_by_commit(request, &plan);
            quota::check(tx, space.no, request.bounds.quota, adds).await?;
            try_join!(
                write_nodes(tx, space.no, &plan),
                write_refs(tx, space.no, request),
                write_log(tx, space.no, request, &plan),
                write_body(tx, space.no, request, &plan),
                write_state(tx, space.no, request, &plan),
            )?;
            quota::check_files(tx, space.no, request).await?;
            Ok(plan.committed)
        },
    }
}

pub(super) async fn changes(
    tx: &Tx,
    space: SpaceId,
    since: u64,
    limit: PageLimit,
) -> StoreResult<Page> {
    let row = tx.query_opt(SPACE, &[&space.as_bytes()]).await?;
    let row = read_space(&row.ok_or(Refused::NoSpace)?)?;
    let head = row.range.head();
    if limit.entries == 0 {
        return Ok(Page {
            head,
            time: row.time,
            entries: Vec::new(),
        });
    }
    let until = page_end(tx, row.no, since, head.size, limit).await?;
    // A log only grows, so a page that ends below the head that was read agrees with it.
    let sql = "SELECT b.header, b.sig, l.time_ms, b.payload, b.payload_pack, b.payload_offset, \
               b.payload_len, l.n_files \
               FROM log l JOIN bodies b ON b.space_no = l.space_no AND b.idx = l.idx \
               WHERE l.space_no = $1 AND l.idx >= $2 AND l.idx < $3 ORDER BY l.idx";
    let rows = tx.query(sql, &[&row.no, &int(since), &int(until)]).await?;
    Ok(Page {
        head,
        time: row.time,
        entries: rows.iter().map(read_entry).collect::<StoreResult<_>>()?,
    })
}

/// Position behind the last entry of a page, found by lengths alone.
async fn page_end(
    tx: &Tx,
    space_no: i64,
    since: u64,
    head: u64,
    limit: PageLimit,
) -> StoreResult<u64> {
    let sql = "SELECT octet_length(header) + payload_len FROM bodies \
               WHERE space_no = $1 AND idx >= $2 AND idx < $3 ORDER BY idx LIMIT $4";
    let most = i64::try_from(limit.entries).unwrap_or(i64::MAX);
    let rows = tx
        .query(sql, &[&space_no, &int(since), &int(head), &most])
        .await?;
    let mut left = limit.bytes as u64;
    let mut until = since;
    for row in &rows {
        let size = number(row, 0)?;
        if until > since && size > left {
            break;
        }
        left = left.saturating_sub(size);
        until += 1;
    }
    Ok(until)
}

pub(super) async fn head_at(
    tx: &Tx,
    space: SpaceId,
    size: u64,
) -> StoreResult<Option<(Head, UnixMillis)>> {
    let no = space_no(tx, space).await?.ok_or(Refused::NoSpace)?;
    if size == 0 {
        return Ok(Some((Head::empty(), UnixMillis(0))));
    }
    let found = root_at(tx, no, size).await?;
    Ok(found.map(|(root, time)| (Head { size, root }, time)))
}

pub(super) async fn spaces(tx: &Tx, account: AccountId) -> StoreResult<Vec<SpaceInfo>> {
    let sql = "SELECT space, tag, size, peaks FROM spaces WHERE account = $1 ORDER BY no";
    let rows = tx.query(sql, &[&account.as_bytes()]).await?;
    let read = |row: &Row| {
        Ok(SpaceInfo {
            space: id(row, 0, SpaceId::from_slice)?,
            tag: id(row, 1, NameTag::from_slice)?,
            head: read_range(number(row, 2)?, row.try_get(3)?)?.head(),
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn owner(tx: &Tx, space: SpaceId) -> StoreResult<Option<AccountId>> {
    let sql = "SELECT account FROM spaces WHERE space = $1";
    let row = tx.query_opt(sql, &[&space.as_bytes()]).await?;
    row.map(|row| id(&row, 0, AccountId::from_slice))
        .transpose()
}

pub(super) async fn space_no(tx: &Tx, space: SpaceId) -> StoreResult<Option<i64>> {
    let sql = "SELECT no FROM spaces WHERE space = $1";
    let row = tx.query_opt(sql, &[&space.as_bytes()]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

pub(super) async fn all_spaces(tx: &Tx) -> StoreResult<Vec<SpaceId>> {
    let rows = tx
        .query("SELECT space FROM spaces ORDER BY no", &[])
        .await?;
    rows.iter()
        .map(|row| id(row, 0, SpaceId::from_slice))
        .collect()
}

pub(super) async fn totals(tx: &Tx) -> StoreResult<Totals> {
    let sql = "SELECT (SELECT COUNT(*) FROM accounts), (SELECT COUNT(*) FROM devices), COUNT(*), \
               COALESCE(SUM(size), 0)::bigint, COALESCE(SUM(bytes), 0)::bigint FROM spaces";
    let row = tx.query_opt(sql, &[]).await?.ok_or(StoreError::Closed)?;
    Ok(Totals {
        accounts: number(&row, 0)?,
        devices: number(&row, 1)?,
        spaces: number(&row, 2)?,
        entries: number(&row, 3)?,
        bytes: number(&row, 4)?,
    })
}

/// Locks the row of a space until the transaction ends, and reads it as the last writer left it.
pub(super) async fn lock_space(tx: &Tx, space: SpaceId) -> StoreResult<SpaceRow> {
    let sql = format!("{SPACE} FOR UPDATE");
    let row = tx.query_opt(&sql, &[&space.as_bytes()]).await?;
    read_space(&row.ok_or(Refused::NoSpace)?)
}

fn read_space(row: &Row) -> StoreResult<SpaceRow> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "space" };
    let small = |column| u32::try_from(number(row, column)?).map_err(|_| DAMAGED);
    Ok(SpaceRow {
        no: row.try_get(0)?,
        epoch: small(1)?,
        generation: small(2)?,
        range: read_range(number(row, 3)?, row.try_get(4)?)?,
        time: UnixMillis(number(row, 5)?),
    })
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
async fn repeated(tx: &Tx, space_no: i64, request: &CommitTx) -> StoreResult<Option<Committed>> {
    let sql = "SELECT idx, root, time_ms FROM log \
               WHERE space_no = $1 AND device = $2 AND dev_ctr = $3 AND hash = $4";
    let (device, hash) = (request.header.device, request.entry_hash());
    let ctr = int(request.header.dev_ctr);
    let row = tx
        .query_opt(
            sql,
            &[&space_no, &device.as_bytes(), &ctr, &hash.as_bytes()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    Ok(Some(Committed {
        head: Head {
            size: number(&row, 0)? + 1,
            root: id(&row, 1, Hash32::from_slice)?,
        },
        time: UnixMillis(number(&row, 2)?),
        outcome: Outcome::Repeated,
    }))
}

async fn facts(tx: &Tx, space: &SpaceRow, request: &CommitTx) -> StoreResult<Facts> {
    let refs = request.header.ops.iter().flat_map(|op| &op.add_refs);
    let refs: Vec<ObjectId> = refs.copied().collect();
    let (device_last, seen_root, unseen, nodes, holders, missing) = try_join!(
        device_last(tx, space.no, request),
        seen_root(tx, space.no, request),
        unseen(tx, space.no, request),
        nodes(tx, space.no, &request.header.ops),
        holders(tx, space.no, &request.header.ops),
        objects::missing_in(tx, space.no, &refs),
    )?;
    Ok(Facts {
        repeated: None,
        range: space.range.clone(),
        last_time: space.time,
        epoch: space.epoch,
        generation: space.generation,
        device_last,
        seen_root,
        unseen,
        nodes,
        holders,
        missing,
    })
}

async fn seen_root(tx: &Tx, space_no: i64, request: &CommitTx) -> StoreResult<Option<Hash32>> {
    match request.header.seen.size {
        0 => Ok(Some(Head::empty().root)),
        size => Ok(root_at(tx, space_no, size).await?.map(|(root, _)| root)),
    }
}

async fn root_at(tx: &Tx, space_no: i64, size: u64) -> StoreResult<Option<(Hash32, UnixMillis)>> {
    let Some(index) = size.checked_sub(1) else {
        return Ok(None);
    };
    let sql = "SELECT root, time_ms FROM log WHERE space_no = $1 AND idx = $2";
    let row = tx.query_opt(sql, &[&space_no, &int(index)]).await?;
    row.map(|row| {
        Ok((
            id(&row, 0, Hash32::from_slice)?,
            UnixMillis(number(&row, 1)?),
        ))
    })
    .transpose()
}

async fn device_last(
    tx: &Tx,
    space_no: i64,
    request: &CommitTx,
) -> StoreResult<Option<DeviceLast>> {
    let sql = "SELECT dev_ctr, hash FROM log WHERE space_no = $1 AND device = $2 \
               ORDER BY dev_ctr DESC LIMIT 1";
    let device = request.header.device;
    let row = tx.query_opt(sql, &[&space_no, &device.as_bytes()]).await?;
    row.map(|row| {
        Ok(DeviceLast {
            ctr: number(&row, 0)?,
            hash: id(&row, 1, Hash32::from_slice)?,
        })
    })
    .transpose()
}

async fn unseen(tx: &Tx, space_no: i64, request: &CommitTx) -> StoreResult<BTreeSet<OrderClass>> {
    let sql = "SELECT DISTINCT class FROM log WHERE space_no = $1 AND idx >= $2 AND device <> $3";
    let (since, device) = (int(request.header.seen.size), request.header.device);
    let rows = tx
        .query(sql, &[&space_no, &since, &device.as_bytes()])
        .await?;
    let class = |row: &Row| {
        let class: i16 = row.try_get(0)?;
        let class = u8::try_from(class).map_err(|_| StoreError::Damaged { what: "class" })?;
        Ok(OrderClass::from_u8(class))
    };
    rows.iter().map(class).collect()
}

async fn nodes(tx: &Tx, space_no: i64, ops: &[Op]) -> StoreResult<BTreeMap<NodeId, NodeFact>> {
    let named = ops.iter().filter(|op| op.code != OpCode::Control);
    let named: Vec<&[u8]> = named.map(|op| op.node.as_bytes()).collect();
    let sql = "SELECT node, rev, name_tag, deleted_ms IS NOT NULL FROM nodes WHERE space_no = $1 AND node = ANY($2)";
    let rows = tx.query(sql, &[&space_no, &named]).await?;
    let read = |row: &Row| {
        let is_tagged = row.try_get::<_, Option<&[u8]>>(2)?.is_some();
        let tag = is_tagged.then(|| id(row, 2, NameTag::from_slice));
        let rev = number(row, 1)?;
        let tag = tag.transpose()?;
        let fact = NodeFact {
            rev,
            tag,
            is_deleted: row.try_get(3)?,
        };
        Ok((id(row, 0, NodeId::from_slice)?, fact))
    };
    rows.iter().map(read).collect()
}

async fn holders(tx: &Tx, space_no: i64, ops: &[Op]) -> StoreResult<BTreeMap<NameTag, NodeId>> {
    let tags = ops.iter().filter_map(|op| op.name_tag.as_ref());
    let tags: Vec<&[u8]> = tags.map(NameTag::as_bytes).collect();
    let sql = "SELECT name_tag, node FROM nodes WHERE space_no = $1 AND name_tag = ANY($2)";
    let rows = tx.query(sql, &[&space_no, &tags]).await?;
    let read = |row: &Row| {
        Ok((
            id(row, 0, NameTag::from_slice)?,
            id(row, 1, NodeId::from_slice)?,
        ))
    };
    rows.iter().map(read).collect()
}

async fn write_nodes(tx: &Tx, space_no: i64, plan: &Plan) -> StoreResult<()> {
    // Tags that move are cleared first: a swap within the batch must not meet itself in the unique index.
    let clear: Vec<&[u8]> = plan.clear_tags.iter().map(NodeId::as_bytes).collect();
    let clear_sql = "UPDATE nodes SET name_tag = NULL WHERE space_no = $1 AND node = ANY($2)";
    let column = |write: &NodeWrite| write.is_deleted.then_some(int(plan.committed.time.0));
    let nodes: Vec<&[u8]> = plan.nodes.iter().map(|w| w.node.as_bytes()).collect();
    let revs: Vec<i64> = plan.nodes.iter().map(|w| int(w.rev)).collect();
    let tags = plan.nodes.iter().map(|w| w.tag.as_ref());
    let tags: Vec<Option<&[u8]>> = tags.map(|tag| tag.map(NameTag::as_bytes)).collect();
    let deleted: Vec<Option<i64>> = plan.nodes.iter().map(column).collect();
    let put_sql = "INSERT INTO nodes (space_no, node, rev, name_tag, deleted_ms) \
         SELECT $1, n.* FROM unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[]) AS n \
         ON CONFLICT (space_no, node) DO UPDATE SET \
         rev = excluded.rev, name_tag = excluded.name_tag, deleted_ms = excluded.deleted_ms";
    if !clear.is_empty() {
        tx.execute(clear_sql, &[&space_no, &clear]).await?;
    }
    if !nodes.is_empty() {
        tx.execute(put_sql, &[&space_no, &nodes, &revs, &tags, &deleted])
            .await?;
    }
    Ok(())
}

/// One reference per row of three arrays.
#[derive(Default)]
struct Refs<'a> {
    nodes: Vec<&'a [u8]>,
    objects: Vec<&'a [u8]>,
    revs: Vec<i64>,
}

impl<'a> Refs<'a> {
    fn of(ops: &'a [Op], which: impl Fn(&'a Op) -> &'a [ObjectId]) -> Self {
        let mut out = Self::default();
        for op in ops {
            for object in which(op) {
                out.nodes.push(op.node.as_bytes());
                out.objects.push(object.as_bytes());
                out.revs.push(int(op.base_rev + 1));
            }
        }
        out
    }
}

async fn write_refs(tx: &Tx, space_no: i64, request: &CommitTx) -> StoreResult<()> {
    let ops = &request.header.ops;
    let (close, open) = (
        Refs::of(ops, |op| &op.drop_refs),
        Refs::of(ops, |op| &op.add_refs),
    );
    if !close.nodes.is_empty() {
        let sql = "UPDATE node_refs r SET rev_to = c.rev \
             FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS c (node, object, rev) \
             WHERE r.space_no = $1 AND r.node = c.node AND r.object = c.object \
             AND r.rev_to IS NULL";
        tx.execute(sql, &[&space_no, &close.nodes, &close.objects, &close.revs])
            .await?;
    }
    if !open.nodes.is_empty() {
        let sql = "INSERT INTO node_refs (space_no, node, object, rev_from) \
             SELECT $1, o.* FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS o";
        tx.execute(sql, &[&space_no, &open.nodes, &open.objects, &open.revs])
            .await?;
        let sql = "UPDATE objects SET first_epoch = $3 \
             WHERE space_no = $1 AND object = ANY($2) AND first_epoch IS NULL";
        let epoch = i64::from(request.header.epoch);
        tx.execute(sql, &[&space_no, &open.objects, &epoch]).await?;
    }
    Ok(())
}

async fn write_log(tx: &Tx, space_no: i64, request: &CommitTx, plan: &Plan) -> StoreResult<()> {
    let Committed { head, time, .. } = plan.committed;
    tx.execute(
        "INSERT INTO log (space_no, idx, device, dev_ctr, class, hash, root, time_ms, n_files) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &space_no,
            &int(head.size - 1),
            &request.header.device.as_bytes(),
            &int(request.header.dev_ctr),
            &i16::from(plan.class.as_u8()),
            &plan.hash.as_bytes(),
            &head.root.as_bytes(),
            &int(time.0),
            &int(request.n_files()),
        ],
    )
    .await?;
    Ok(())
}

async fn write_body(tx: &Tx, space_no: i64, request: &CommitTx, plan: &Plan) -> StoreResult<()> {
    let (inline, pack, offset) = match &request.payload {
        Payload::Inline(bytes) => (Some(bytes.as_slice()), None, 0),
        Payload::Pack { key, offset, .. } => (None, Some(key.to_string()), *offset),
    };
    tx.execute(
        "INSERT INTO bodies (space_no, idx, header, sig, payload, payload_pack, payload_offset, \
         payload_len) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &space_no,
            &int(plan.committed.head.size - 1),
            &request.header_bytes,
            &request.sig.as_bytes(),
            &inline,
            &pack,
            &int(offset),
            &int(request.payload.len()),
        ],
    )
    .await?;
    Ok(())
}

async fn write_state(tx: &Tx, space_no: i64, request: &CommitTx, plan: &Plan) -> StoreResult<()> {
    let Committed { head, time, .. } = plan.committed;
    let peaks: Vec<u8> = plan.range.peaks().iter().flat_map(|peak| peak.0).collect();
    let sql = "UPDATE spaces SET size = $2, peaks = $3, time_ms = $4, bytes = bytes + $5, files = files + $6 \
               WHERE no = $1";
    let bytes = int(request.stored_bytes());
    tx.execute(
        sql,
        &[
            &space_no,
            &int(head.size),
            &peaks,
            &int(time.0),
            &bytes,
            &plan.files,
        ],
    )
    .await?;
    Ok(())
}

fn read_entry(row: &Row) -> StoreResult<StoredEntry> {
    let pack: Option<&str> = row.try_get(4)?;
    let payload = match pack {
        None => Payload::Inline(row.try_get(3)?),
        Some(hex) => Payload::Pack {
            key: BlobKey::parse(hex).ok_or(StoreError::Damaged {
                what: "payload place",
            })?,
            offset: number(row, 5)?,
            len: number(row, 6)?,
        },
    };
    Ok(StoredEntry {
        header: row.try_get(0)?,
        sig: id(row, 1, Signature::from_slice)?,
        time: UnixMillis(number(row, 2)?),
        payload,
        n_files: number(row, 7)?,
    })
}
