//! Sends local changes: bytes first, then conditional batches, each applied here through the same checks
//! as anybody else's entry.
//!
//! [`crate::folder`] calls it with operations whose nodes lie on the disk as planned. Invariant: what is committed
//! was read between two equal looks and has the content id that was planned; an intent is durable before a
//! commit is sent, so a lost answer never makes our own commit a rival. Memory: one batch and one frame.
//! Not here: what to push ([`fst_engine::reconcile`]). Source: docs/design/wire.md.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use fst_crypto::batch::BatchSealer;
use fst_engine::batch::{cuts, set_aside};
use fst_engine::identify::{FileKey, Seen};
use fst_engine::plan::{PushKind, PushOp, Source};
use fst_engine::scope::Replica as _;
use fst_engine::tree::{Node, Tree};
use fst_fs::vault::{FileAttrs, Vault, VaultError};
use fst_proto::entry::{Content, Kind, NodeMeta, Place};
use fst_proto::error::ErrorCode;
use fst_proto::hash::sha256;
use fst_proto::ids::{ContentId, NodeId, ObjectId};
use fst_proto::ipc::PathProblem;
use fst_proto::limits;
use fst_proto::log::{self, EntryKind, Flags, Op, OpCode};
use fst_proto::path::RelPath;
use fst_proto::recipe::Body;
use fst_proto::time::UnixMillis;
use fst_proto::wire::{self, Changes, Commit, Conflict, Entry, Receipt};

use crate::db::{Arrived, Db, Loaded};
use crate::error::{FolderError, vault_code};
use crate::evidence;
use crate::exec::{draft_tag, ignore_missing};
use crate::folder::{Merges, Space};
use crate::log::{LogError, LogFault};
use crate::remote::Remote;
use crate::scan::{Scanned, content_of, problem};
use lanes::Lanes;
use packing::Packed;
use telling::Fresh;
use upload::Uploader;

mod delta;
pub(crate) mod lanes;
mod packing;
mod telling;
mod upload;

/// Sealed bytes that an operation adds to a batch besides its body: header, meta slot, frame heads.
const OP_OVERHEAD: usize = 512;

/// A file above this size does not travel with a commit in one request: other changes do not wait for it.
const LONG_FILE: u64 = limits::FRAME_BYTES_TARGET as u64;

/// What a push works on.
#[derive(Debug)]
pub struct Pusher<'a> {
    /// The folder.
    pub vault: &'a dyn Vault,
    /// The server.
    pub remote: &'a dyn Remote,
    /// Keys and ids.
    pub space: &'a Space,
    /// Local database.
    pub db: &'a mut Db,
    /// State of the log.
    pub state: &'a mut Loaded,
    /// Local states that the plan was made from.
    pub local: &'a Tree,
    /// Remote states that the plan was made from; follows what is committed.
    pub remote_tree: &'a mut Tree,
    /// Scan that it came from.
    pub scanned: &'a Scanned,
    /// Clean merges that the plan sends.
    pub merges: &'a Merges,
    /// Wall-clock time.
    pub now: UnixMillis,
    /// Where evidence against the server is kept.
    pub evidence: Option<&'a Path>,
    /// Set when something comes up that should not wait for long uploads.
    pub urgent: &'a AtomicBool,
}

/// What became of the operations.
#[derive(Debug, Default)]
pub struct Pushed {
    /// Operations committed.
    pub n_ops: usize,
    /// Somebody else was first, or files changed: plan again.
    pub is_stale: bool,
    /// Nodes whose bytes could not be had, and why: what was sent left them out.
    pub unreadable: BTreeSet<NodeId>,
    /// The same for status.
    pub problems: Vec<PathProblem>,
    /// Nodes whose names the server has already.
    pub taken: Vec<NodeId>,
    /// Nodes that the server just refused for their size, to be left out.
    too_large: Vec<NodeId>,
}

/// An operation with its bytes read and its objects on their way.
struct Ready {
    op: Op,
    meta: Option<NodeMeta>,
    body: Option<Vec<u8>>,
    key: Option<FileKey>,
}

impl Ready {
    fn len(&self) -> usize {
        let refs = self.op.add_refs.len() + self.op.drop_refs.len();
        let body = self
            .body
            .as_ref()
            .map_or(0, |bytes| bytes.len() + OP_OVERHEAD);
        OP_OVERHEAD + refs * ObjectId::LEN + body
    }
}

impl Pusher<'_> {
    /// Commits `ops` in order, but those with a long file after the others: small changes overtake big transfers. Of those
    /// that need an unreadable node, none is sent.
    ///
    /// # Errors
    /// [`FolderError`] when server, database or log fail; batches committed before stay committed.
    pub(crate) fn run(&mut self, ops: &[PushOp], lanes: &mut Lanes) -> Result<Pushed, FolderError> {
        let mut out = Pushed::default();
        let mut done: BTreeSet<NodeId> = BTreeSet::new();
        let sent = self.rounds(ops, (&mut done, &mut out), lanes);
        match sent {
            Ok(()) => Ok(out),
            Err(full) if is_full(&full) => {
                // What needs no room goes on: deletes are how the account gets some.
                let big = ops.iter().filter(|op| needs_room(op, self.remote_tree));
                let big: BTreeSet<NodeId> = big.map(|op| op.node).collect();
                let mut rest = Pushed::default();
                self.round(ops, &big, (&mut done, &mut rest), lanes)?;
                Err(full)
            },
            Err(error) => Err(error),
        }
    }

    fn rounds(
        &mut self,
        ops: &[PushOp],
        (done, out): (&mut BTreeSet<NodeId>, &mut Pushed),
        lanes: &mut Lanes,
    ) -> Result<(), FolderError> {
        let later = set_aside(self.remote_tree, ops, LONG_FILE);
        if !later.is_empty() && later.len() < ops.len() {
            self.round(ops, &later, (&mut *done, &mut *out), lanes)?;
        }
        if !out.is_stale {
            let unreadable = out.unreadable.clone();
            let end = self.round(ops, &unreadable, (done, &mut *out), lanes)?;
            out.is_stale |= end == Pass::Left && out.unreadable.is_empty();
        }
        Ok(())
    }

    /// Commits what is not done yet and does not need a node that was set aside.
    fn round(
        &mut self,
        ops: &[PushOp],
        aside: &BTreeSet<NodeId>,
        (done, out): (&mut BTreeSet<NodeId>, &mut Pushed),
        lanes: &mut Lanes,
    ) -> Result<Pass, FolderError> {
        let mut dropped = aside.clone();
        loop {
            let left = still_to_do(ops, done, &mut dropped);
            match self.pass(&left, (&mut *done, &mut *out), lanes)? {
                // What depends on it must not be sent either: cut the rest into batches anew.
                Pass::Unreadable(node) => {
                    dropped.insert(node);
                    out.unreadable.insert(node);
                },
                end @ (Pass::Ended | Pass::Left) => return Ok(end),
            }
        }
    }

    /// Sends batches that end where the tree is well formed, each within its limits.
    fn pass(
        &mut self,
        ops: &[PushOp],
        (done, out): (&mut BTreeSet<NodeId>, &mut Pushed),
        lanes: &mut Lanes,
    ) -> Result<Pass, FolderError> {
        let cuts: BTreeSet<usize> = cuts(self.remote_tree, ops).into_iter().collect();
        let mut uploader = Uploader::new(self.space, lanes, self.urgent);
        let mut batch: VecDeque<Ready> = VecDeque::new();
        let (mut start, mut bytes) = (0, 0);
        for (index, op) in ops.iter().enumerate() {
            let ready = match self.prepare(op, &mut uploader) {
                Ok(ready) => ready,
                Err(FolderError::Vault(_)) if uploader.has_given_way() => {
                    out.is_stale = true;
                    return Ok(Pass::Ended);
                },
                Err(FolderError::Vault(error)) => {
                    self.note(op, &error, out);
                    return Ok(Pass::Unreadable(op.node));
                },
                Err(error) => return Err(error),
            };
            if uploader.is_heavy() {
                let sketches = uploader.take_sketches();
                self.db.transaction(|tx| tx.put_sketches(&sketches))?;
            }
            let is_full = batch.len() == limits::BATCH_OPS_MAX
                || bytes + ready.len() > limits::BATCH_BYTES_MAX;
            if is_full {
                let Some(&cut) = cuts.range(start + 1..=index).next_back() else {
                    tracing::error!(ops = batch.len(), "these changes do not fit one commit");
                    return Ok(Pass::Ended);
                };
                let part: Vec<Ready> = batch.drain(..cut - start).collect();
                if !self.commit(&part, &mut uploader, out)? {
                    return Ok(Pass::refused(out));
                }
                done.extend(part.iter().map(|ready| ready.op.node));
                bytes -= part.iter().map(Ready::len).sum::<usize>();
                start = cut;
            }
            bytes += ready.len();
            batch.push_back(ready);
        }
        let last = cuts.last().copied().unwrap_or(0).max(start);
        let part: Vec<Ready> = batch.drain(..last - start).collect();
        if !part.is_empty() {
            if !self.commit(&part, &mut uploader, out)? {
                return Ok(Pass::refused(out));
            }
            done.extend(part.iter().map(|ready| ready.op.node));
        }
        Ok(if batch.is_empty() {
            Pass::Ended
        } else {
            Pass::Left
        })
    }

    fn note(&self, op: &PushOp, error: &VaultError, out: &mut Pushed) {
        match error {
            VaultError::Changed { .. } | VaultError::NotFound { .. } => out.is_stale = true,
            error => {
                let path = self.local.path(op.node).unwrap_or_default();
                out.problems
                    .push(problem(&path, vault_code(error), &error.to_string()));
            },
        }
    }

    fn prepare(&self, op: &PushOp, uploader: &mut Uploader<'_>) -> Result<Ready, FolderError> {
        let old = self.db.read().remote_row(op.node)?;
        let old_refs = old.as_ref().map_or(&[][..], |row| &row.refs);
        let (place, content, mtime_ns, size, bytes) = match &op.kind {
            PushKind::Delete { is_dir } => {
                return Ok(delete_op(op, *is_dir, old_refs));
            },
            PushKind::Put {
                place,
                content,
                mtime_ns,
                size,
                bytes,
                ..
            } => (place, content, *mtime_ns, *size, bytes),
        };
        let before = self.remote_tree.get(op.node);
        let at = lies_at(op.node, *bytes);
        let path = self.local.path(at);
        let path = path.ok_or(VaultError::Changed { op: "read file" })?;
        let stored = match (bytes, &old) {
            (Some(Source::Merged(node)), _) => self.store_merge(*node, content, uploader)?,
            (None, Some(row)) if !row.is_deleted && row.body != Body::Slot => Stored {
                body: row.body.clone(),
                slot: None,
                refs: row.refs.clone(),
            },
            _ => {
                let stage = self.stage_of(op.node, place, before);
                self.read_bytes(&path, content, size, &stage, uploader)?
            },
        };
        let is_copy = fst_engine::naming::original_of(&place.name).is_some() && before.is_none();
        let before = before.map(|node| (&node.place, &node.content));
        let mut flags = flags_of(before, place, content);
        if is_copy || matches!(bytes, Some(Source::Merged(_))) {
            flags = flags.with(Flags::CONFLICT);
        }
        let hint = self.db.read().copy_hint(&path, &content.id)?;
        let (add_refs, drop_refs) = ref_delta(old_refs, &stored.refs);
        let meta = NodeMeta {
            parent: place.parent,
            name: place.name.clone(),
            kind: content.kind,
            exec: content.exec,
            mtime_ns,
            size,
            content: content.id,
            body: stored.body,
            copy_of: hint.filter(|_| is_copy),
        };
        let key = match self.scanned.scan.get(&path) {
            Some(Seen::Known { key, .. }) if at == op.node => Some(*key),
            Some(Seen::Known { .. } | Seen::Problem | Seen::Ignored { .. }) | None => None,
        };
        Ok(Ready {
            op: Op {
                code: OpCode::Put,
                node: op.node,
                base_rev: op.base_rev,
                flags,
                name_tag: self.space.name_tag(place),
                meta_hash: None,
                body_hash: None,
                add_refs,
                drop_refs,
            },
            meta: Some(meta),
            body: stored.slot,
            key,
        })
    }

    fn stage_of<'s>(&'s self, node: NodeId, place: &'s Place, before: Option<&Node>) -> Stage<'s> {
        Stage {
            db: self.db,
            space: self.space,
            base: before.map(|node| node.content.id),
            fresh: before.is_none().then_some(Fresh {
                remote: self.remote,
                node,
                parent: place.parent,
                name: &place.name,
            }),
        }
    }

    /// Stores a merge by way of the stage, as if it were a file.
    fn store_merge(
        &self,
        node: NodeId,
        content: &Content,
        uploader: &mut Uploader<'_>,
    ) -> Result<Stored, FolderError> {
        let changed = || VaultError::Changed { op: "send merge" };
        let bytes = self.merges.bytes(node, content).ok_or_else(changed)?;
        let tag = draft_tag(node);
        self.vault.discard(&tag).or_else(ignore_missing)?;
        let mut file = self.vault.stage_file(&tag)?;
        let failed = |source| VaultError::Io {
            op: "write staged file",
            source,
        };
        file.write_all(bytes).map_err(failed)?;
        file.finish(FileAttrs {
            exec: false,
            mtime_ns: 0,
            like: None,
        })?;
        let stage = Stage {
            db: self.db,
            space: self.space,
            base: self.remote_tree.get(node).map(|node| node.content.id),
            fresh: None,
        };
        let mut file = self.vault.read_staged(&tag)?;
        let len = bytes.len() as u64;
        let stored = upload::read_file(file.as_mut(), len, content, uploader, &stage);
        drop(file);
        self.vault.discard(&tag)?;
        stored
    }

    fn read_bytes(
        &self,
        path: &RelPath,
        content: &Content,
        size: u64,
        stage: &Stage<'_>,
        uploader: &mut Uploader<'_>,
    ) -> Result<Stored, FolderError> {
        let changed = || VaultError::Changed { op: "read file" };
        match content.kind {
            Kind::Dir => Ok(Stored {
                body: Body::None,
                slot: None,
                refs: Vec::new(),
            }),
            Kind::Symlink => {
                let target = self.vault.read_link(path)?;
                if content_of(&self.space.keys, &target) != content.id {
                    return Err(changed().into());
                }
                Ok(Stored::slot(target))
            },
            Kind::File => {
                let mut file = self.vault.open_read(path)?;
                let before = file.stat()?;
                if before.size != size {
                    return Err(changed().into());
                }
                let stored = upload::read_file(file.as_mut(), size, content, uploader, stage)?;
                let after = file.stat()?;
                if before.is_same_object(&after) {
                    Ok(stored)
                } else {
                    Err(changed().into())
                }
            },
        }
    }

    /// Sends one batch. False when it was refused on its merits: plan again.
    fn commit(
        &mut self,
        ready: &[Ready],
        uploader: &mut Uploader<'_>,
        out: &mut Pushed,
    ) -> Result<bool, FolderError> {
        let refs = ready.iter().flat_map(|item| item.op.add_refs.iter());
        uploader.settle(&refs.copied().collect(), self.db)?;
        let Packed {
            bytes: objects,
            saved,
        } = uploader.take_frame()?;
        let commit = self.seal(ready, objects)?;
        let header_hash = sha256(&[&commit.header]);
        let ctr = self.next_ctr();
        let sketches = uploader.take_sketches();
        self.db.transaction(|tx| {
            tx.put_sketches(&sketches)?;
            tx.put_intent(&header_hash, ctr)
        })?;
        let receipt = match self.remote.commit(self.space.id, &commit) {
            Ok(receipt) => receipt,
            Err(error) => return self.refused(error, uploader, out),
        };
        let (known, now) = (self.state.range.head(), self.now);
        let checked = self.space.verifier(now).check_receipt(&receipt, &known);
        checked.map_err(|fault| self.freeze(fault, &receipt, &commit))?;
        if receipt.head.size != known.size + 1 {
            // Others came between: the pull of the next cycle brings theirs and ours in order. The server has
            // signed that it will, so it is held to it.
            self.db
                .transaction(|tx| tx.set_meta("receipt", &wire::to_cbor(&receipt)))?;
            out.is_stale = true;
            return Ok(false);
        }
        let keys = ready
            .iter()
            .filter_map(|item| Some((item.op.node, item.key?)));
        self.state.sent_keys = keys.collect();
        let accepted = self.accept(&commit, &receipt);
        self.state.sent_keys.clear();
        accepted?;
        // Its objects are known by the entry itself.
        let ids = Vec::new();
        self.db.note_arrived(&Arrived { ids, saved })?;
        self.follow(ready)?;
        out.n_ops += ready.len();
        Ok(true)
    }

    /// What was committed is the remote state now.
    fn follow(&mut self, ready: &[Ready]) -> Result<(), FolderError> {
        let remote = self.db.read().remote();
        for item in ready {
            let id = item.op.node;
            match remote.node(id)? {
                Some(node) => drop(self.remote_tree.insert(id, node)),
                None => drop(self.remote_tree.remove(id)),
            }
        }
        Ok(())
    }

    fn refused(
        &mut self,
        error: crate::remote::RemoteError,
        uploader: &mut Uploader<'_>,
        out: &mut Pushed,
    ) -> Result<bool, FolderError> {
        let Some(conflict) = error.conflict() else {
            return Err(error.into());
        };
        if let Conflict::MissingObjects { ids } = conflict {
            self.db
                .transaction(|tx| ids.iter().try_for_each(|&id| tx.remove_object(id)))?;
        }
        if let Conflict::NameTaken { nodes } = conflict {
            out.taken.extend(nodes);
        }
        if let Conflict::FileTooLarge { nodes, limit } = conflict {
            // The next try would fare the same: they are left out until somebody acts.
            let why = format!("the server keeps files of up to {limit} bytes");
            for node in nodes {
                let path = self.local.path(*node).unwrap_or_default();
                out.problems.push(problem(&path, ErrorCode::TooLarge, &why));
            }
            out.too_large.extend(nodes);
            uploader.forget();
            return Ok(false);
        }
        uploader.forget();
        out.is_stale = true;
        Ok(false)
    }

    fn accept(&mut self, commit: &Commit, receipt: &Receipt) -> Result<(), FolderError> {
        let (state, space, now) = (&mut *self.state, self.space, self.now);
        let entry = entry_of(commit, receipt);
        let done = self.db.transaction(|tx| {
            space.verifier(now).advance(state, tx, &entry)?;
            if state.range.root() == receipt.head.root {
                Ok(())
            } else {
                let at = state.range.size();
                Err(LogError::Fault(LogFault::Fork { at }))
            }
        });
        match done {
            Ok(()) => Ok(()),
            Err(error) => {
                *self.state = self.db.load()?;
                Err(match error {
                    LogError::Fault(fault) => self.freeze(fault, receipt, commit),
                    LogError::Db(error) => error.into(),
                })
            },
        }
    }

    fn freeze(&self, fault: LogFault, receipt: &Receipt, commit: &Commit) -> FolderError {
        let page = Changes {
            entries: vec![entry_of(commit, receipt)],
            receipt: receipt.clone(),
        };
        evidence::freeze(self.db.read(), self.space.id, self.evidence, fault, &page)
    }

    fn next_ctr(&self) -> u64 {
        self.state
            .chains
            .get(&self.space.device)
            .map_or(0, |(ctr, _)| *ctr)
            + 1
    }

    fn seal(&self, ready: &[Ready], objects: Vec<u8>) -> Result<Commit, FolderError> {
        let space = self.space;
        let ctr = self.next_ctr();
        let mut sealer = BatchSealer::new(&space.keys, space.device, ctr);
        for (index, item) in ready.iter().enumerate() {
            if let Some(meta) = &item.meta {
                sealer
                    .put(
                        index,
                        item.op.node,
                        item.op.base_rev,
                        meta,
                        item.body.as_deref(),
                    )
                    .map_err(|e| FolderError::Sealed(e.to_string()))?;
            }
        }
        let sealed = sealer.finish(&space.salts());
        let mut ops: Vec<Op> = ready.iter().map(|item| item.op.clone()).collect();
        for hashes in &sealed.hashes {
            ops[hashes.op_index].meta_hash = Some(hashes.meta);
            ops[hashes.op_index].body_hash = hashes.body;
        }
        let header = space.header(self.state, ctr, EntryKind::Batch, ops);
        let header = log::encode_header(&header);
        let sig = space.sign_key.sign_entry(&header);
        Ok(Commit {
            header,
            sig,
            payload: sealed.payload,
            objects,
        })
    }
}

/// The entry that a commit becomes by its receipt.
fn entry_of(commit: &Commit, receipt: &Receipt) -> Entry {
    Entry {
        header: commit.header.clone(),
        sig: commit.sig,
        time_ms: receipt.time_ms,
        payload: Some(commit.payload.clone()),
    }
}

/// Where a file's bytes went.
#[derive(Debug)]
struct Stored {
    body: Body,
    slot: Option<Vec<u8>>,
    refs: Vec<ObjectId>,
}

impl Stored {
    fn slot(bytes: Vec<u8>) -> Self {
        let body = if bytes.is_empty() {
            Body::None
        } else {
            Body::Slot
        };
        Self {
            body,
            slot: (!bytes.is_empty()).then_some(bytes),
            refs: Vec::new(),
        }
    }
}

/// What a file is read for, and who knows what is there already.
struct Stage<'a> {
    db: &'a Db,
    space: &'a Space,
    /// Content of the node's version before, if it has one.
    base: Option<ContentId>,
    /// How others know it, if it is new and they may be told.
    fresh: Option<Fresh<'a>>,
}

/// How a pass over the operations ended.
#[derive(Debug, PartialEq, Eq)]
enum Pass {
    /// Everything that can be sent was sent, or was refused.
    Ended,
    /// The last operations do not make a well-formed tree by themselves.
    Left,
    /// The bytes of this node cannot be had now.
    Unreadable(NodeId),
}

impl Pass {
    /// How a pass ends whose batch was refused.
    fn refused(out: &mut Pushed) -> Self {
        out.too_large.pop().map_or(Self::Ended, Self::Unreadable)
    }
}

/// Nodes that an operation brings bytes for: what a full account has no room for.
fn needs_room(op: &PushOp, remote: &Tree) -> bool {
    match &op.kind {
        PushKind::Put { content, .. } => remote
            .get(op.node)
            .is_none_or(|node| node.content.id != content.id),
        PushKind::Delete { .. } => false,
    }
}

fn is_full(error: &FolderError) -> bool {
    error.code() == ErrorCode::QuotaExceeded
}

/// Operations that are neither done nor depend on a dropped node; parents come before children.
fn still_to_do(
    ops: &[PushOp],
    done: &BTreeSet<NodeId>,
    dropped: &mut BTreeSet<NodeId>,
) -> Vec<PushOp> {
    let mut left = Vec::new();
    for op in ops {
        if is_dropped(op, dropped) {
            dropped.insert(op.node);
        } else if !done.contains(&op.node) {
            left.push(op.clone());
        }
    }
    left
}

fn is_dropped(op: &PushOp, dropped: &BTreeSet<NodeId>) -> bool {
    let parent = match &op.kind {
        PushKind::Put { place, .. } => Some(place.parent),
        PushKind::Delete { .. } => None,
    };
    dropped.contains(&op.node) || parent.is_some_and(|parent| dropped.contains(&parent))
}

/// A local content that only goes into history lies under another node.
fn lies_at(node: NodeId, bytes: Option<Source>) -> NodeId {
    match bytes {
        Some(Source::Local(other)) => other,
        Some(Source::Remote(_) | Source::Merged(_)) | None => node,
    }
}

fn delete_op(op: &PushOp, is_dir: bool, refs: &[ObjectId]) -> Ready {
    let structural = if is_dir {
        Flags::STRUCTURAL
    } else {
        Flags::default()
    };
    Ready {
        op: Op {
            code: OpCode::Delete,
            node: op.node,
            base_rev: op.base_rev,
            flags: Flags::DELETE.with(structural),
            name_tag: None,
            meta_hash: None,
            body_hash: None,
            add_refs: Vec::new(),
            drop_refs: refs.to_vec(),
        },
        meta: None,
        body: None,
        key: None,
    }
}

fn flags_of(before: Option<(&Place, &Content)>, place: &Place, content: &Content) -> Flags {
    let Some((old_place, old_content)) = before else {
        return Flags::CREATE.with(Flags::CONTENT).with(Flags::META);
    };
    let mut flags = Flags::default();
    if old_content.id != content.id {
        flags = flags.with(Flags::CONTENT);
    }
    if old_content.exec != content.exec {
        flags = flags.with(Flags::META);
    }
    if old_place != place {
        flags = flags.with(Flags::META).with(Flags::STRUCTURAL);
    }
    flags
}

fn ref_delta(old: &[ObjectId], new: &[ObjectId]) -> (Vec<ObjectId>, Vec<ObjectId>) {
    let old: BTreeSet<ObjectId> = old.iter().copied().collect();
    let new: BTreeSet<ObjectId> = new.iter().copied().collect();
    (
        new.difference(&old).copied().collect(),
        old.difference(&new).copied().collect(),
    )
}
