//! Applies a verified entry to the remote tree, re-checking what the server was trusted to check.
//!
//! Invariant: after each entry the remote tree is well formed, and every revision grew by exactly one.

use std::collections::BTreeMap;

use fst_engine::scope::Replica as _;
use fst_engine::tree::Node;
use fst_proto::entry::{NodeMeta, Place, ROOT};
use fst_proto::ids::{DeviceId, NodeId, ObjectId};
use fst_proto::log::{EntryKind, Flags, Op, OpCode};
use fst_proto::path::RelPath;
use fst_proto::recipe::Body;

use super::{LogError, LogFault, Ruling, Verified};
use crate::db::{
    DbError, HistoryRow, IGNORE_KEY, Loaded, RETENTION_KEY, RemoteRow, RevisionRow, Tx, path_in,
};

/// What an applied entry means for the local side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Written by another device, or by this one before its database was lost.
    Foreign,
    /// The fate of a commit of this device whose answer was lost: base has moved with it.
    Own,
}

/// Applies `entry` to `state` and `tx` alike.
pub(super) fn apply(
    device: DeviceId,
    state: &mut Loaded,
    tx: &Tx<'_>,
    entry: &Verified,
) -> Result<Applied, LogError> {
    let is_own = entry.header.device == device && tx.read().is_intended(&entry.header_hash)?;
    tx.put_entry(entry.idx, &entry.row)?;
    tx.put_chain(entry.header.device, entry.header.dev_ctr, &entry.row.hash)?;
    tx.set_meta("range", &fst_proto::wire::to_cbor(&state.range))?;
    let newest = (entry.header.dev_ctr, entry.row.hash);
    state.chains.insert(entry.header.device, newest);
    state.last_time_ms = entry.row.time_ms;
    if entry.header.account_len > state.account_len {
        state.account_len = entry.header.account_len;
        tx.set_meta("account-len", &state.account_len.to_be_bytes())?;
    }
    if entry.header.device == device {
        tx.remove_intents(entry.header.dev_ctr)?;
    }
    match &entry.ruling {
        Some(Ruling::Retention(retention)) => {
            tx.set_meta(RETENTION_KEY, &fst_proto::wire::to_cbor(retention))?;
        },
        Some(Ruling::Pin(pin)) => tx.put_pin(pin)?,
        Some(Ruling::Ignore(text)) => tx.set_meta(IGNORE_KEY, text.as_bytes())?,
        None => {},
    }
    if entry.header.kind == EntryKind::Batch {
        Replay {
            state,
            tx,
            entry,
            is_own,
            dirs: BTreeMap::new(),
        }
        .run()?;
    }
    Ok(if is_own {
        Applied::Own
    } else {
        Applied::Foreign
    })
}

struct Replay<'a, 'b> {
    state: &'a mut Loaded,
    tx: &'a Tx<'b>,
    entry: &'a Verified,
    is_own: bool,
    /// Paths of directories in the remote tree as it is now.
    dirs: BTreeMap<NodeId, Option<RelPath>>,
}

impl Replay<'_, '_> {
    fn run(mut self) -> Result<(), LogError> {
        let entry = self.entry;
        let mut opened = entry.opened.iter();
        for (index, op) in entry.header.ops.iter().enumerate() {
            match op.code {
                OpCode::Put => {
                    let plain = opened
                        .next()
                        .ok_or(LogFault::CannotOpen { idx: entry.idx })?;
                    self.put(index, op, &plain.meta, plain.body.as_deref())?;
                },
                OpCode::Delete => self.delete(index, op)?,
                OpCode::Control => return Err(self.invalid("control operation in a batch").into()),
            }
        }
        self.check_shape()
    }

    fn invalid(&self, rule: &'static str) -> LogFault {
        LogFault::Invalid {
            idx: self.entry.idx,
            rule,
        }
    }

    fn put(
        &mut self,
        index: usize,
        op: &Op,
        meta: &NodeMeta,
        body: Option<&[u8]>,
    ) -> Result<(), LogError> {
        let old = self.tx.read().remote_row(op.node)?;
        let before = old.as_ref().and_then(alive);
        self.check_revision(op, old.as_ref())?;
        self.check_flags(op, before, meta)?;
        let rev = op.base_rev + 1;
        let node = Node {
            place: meta.place(),
            content: meta.content(),
            mtime_ns: meta.mtime_ns,
            size: meta.size,
            rev,
        };
        let row = self.row(op, old.as_ref(), node.clone(), false, meta.body.clone())?;
        self.keep(op.node, &row)?;
        for &object in &op.add_refs {
            self.tx.put_object(object)?;
        }
        if self.is_own && !is_merge(op) {
            let key = self.state.sent_keys.get(&op.node).copied();
            self.tx.put_base(op.node, &node, key)?;
        } else {
            self.tx.put_ahead(op.node)?;
            if let Some(bytes) = body {
                self.tx.put_body(op.node, rev, bytes)?;
            }
        }
        if let Some(copy_of) = meta.copy_of {
            self.tx.put_conflict(op.node, copy_of)?;
        }
        match before {
            Some(before) if node.is_dir() && before.place != node.place => self.dirs.clear(),
            // What was put into it before it was there has a path now.
            None if node.is_dir() => self.dirs.retain(|_, path| path.is_some()),
            Some(_) | None => {},
        }
        let path = self.path_at(&node.place)?;
        self.note(index, op.node, action_of(before, &node), path)
    }

    fn delete(&mut self, index: usize, op: &Op) -> Result<(), LogError> {
        let old = self.tx.read().remote_row(op.node)?;
        let Some(before) = old.as_ref().and_then(alive) else {
            return Err(self.invalid("deletes what is not there").into());
        };
        self.check_revision(op, old.as_ref())?;
        if before.is_dir() && !op.flags.has(Flags::STRUCTURAL) {
            return Err(self.invalid("deletes a directory without saying so").into());
        }
        let path = self.path_at(&before.place)?;
        let rev = op.base_rev + 1;
        let dead = Node {
            rev,
            ..before.clone()
        };
        let row = self.row(op, old.as_ref(), dead, true, Body::None)?;
        self.keep(op.node, &row)?;
        self.tx.remove_body(op.node)?;
        if self.is_own {
            self.tx.remove_base(op.node)?;
        } else {
            self.tx.put_ahead(op.node)?;
        }
        if before.is_dir() {
            self.dirs.clear();
        }
        self.note(index, op.node, "delete", path)
    }

    /// The newest version, and one more of history.
    fn keep(&self, node: NodeId, row: &RemoteRow) -> Result<(), LogError> {
        self.tx.put_remote(node, row)?;
        Ok(self.tx.put_revision(&RevisionRow {
            node,
            state: row.node.clone(),
            is_deleted: row.is_deleted,
            idx: row.idx,
            device: row.device,
            time_ms: row.time_ms,
        })?)
    }

    /// Path of a place in the remote tree; `None` when its directory is not there.
    fn path_at(&mut self, place: &Place) -> Result<Option<RelPath>, DbError> {
        let dir = match self.dirs.get(&place.parent) {
            Some(known) => known.clone(),
            None => {
                let path = path_in(&self.tx.read().remote(), place.parent)?;
                self.dirs.insert(place.parent, path.clone());
                path
            },
        };
        Ok(dir.and_then(|dir| dir.child(place.name.clone()).ok()))
    }

    fn check_revision(&self, op: &Op, before: Option<&RemoteRow>) -> Result<(), LogFault> {
        if before.map_or(0, |row| row.node.rev) == op.base_rev {
            Ok(())
        } else {
            Err(self.invalid("is based on a stale revision"))
        }
    }

    fn check_flags(&self, op: &Op, before: Option<&Node>, meta: &NodeMeta) -> Result<(), LogFault> {
        match before {
            None if !op.flags.has(Flags::CREATE) => Err(self.invalid("creates without saying so")),
            Some(node) if node.content.kind != meta.kind => {
                Err(self.invalid("changes the kind of a node"))
            },
            Some(node) if node.place != meta.place() && !op.flags.has(Flags::STRUCTURAL) => {
                Err(self.invalid("moves without saying so"))
            },
            Some(_) | None => Ok(()),
        }
    }

    fn row(
        &self,
        op: &Op,
        old: Option<&RemoteRow>,
        node: Node,
        is_deleted: bool,
        body: Body,
    ) -> Result<RemoteRow, LogError> {
        let old = old.map_or(&[][..], |row| &row.refs);
        let refs = join_refs(old, &op.add_refs, &op.drop_refs)
            .ok_or_else(|| self.invalid("references do not add up"))?;
        Ok(RemoteRow {
            node,
            is_deleted,
            body,
            refs,
            idx: self.entry.idx,
            device: self.entry.header.device,
            time_ms: self.entry.row.time_ms,
        })
    }

    fn note(
        &self,
        op: usize,
        node: NodeId,
        action: &str,
        path: Option<RelPath>,
    ) -> Result<(), LogError> {
        let path = path.unwrap_or_default();
        let row = HistoryRow {
            idx: self.entry.idx,
            op,
            node,
            device: self.entry.header.device,
            time_ms: self.entry.row.time_ms,
            action,
            path: &path,
        };
        Ok(self.tx.put_history(&row)?)
    }

    fn check_shape(&mut self) -> Result<(), LogError> {
        self.dirs.clear();
        let entry = self.entry;
        for op in &entry.header.ops {
            if !self.is_well_placed(op.node)? {
                return Err(self.invalid("leaves a malformed tree").into());
            }
        }
        Ok(())
    }

    fn is_well_placed(&mut self, id: NodeId) -> Result<bool, DbError> {
        let remote = self.tx.read().remote();
        let Some(node) = remote.node(id)? else {
            return Ok(id != ROOT && remote.children(id)?.is_empty());
        };
        let parent = node.place.parent;
        let is_alone = remote.namesakes(&node.place)?.len() == 1;
        let is_in_dir = parent == ROOT || remote.node(parent)?.is_some_and(|dir| dir.is_dir());
        Ok(is_alone && is_in_dir && self.path_at(&node.place)?.is_some())
    }
}

/// A merge is in the log before it is in any folder: base follows when it is written here.
fn is_merge(op: &Op) -> bool {
    op.flags.has(Flags::CONFLICT) && !op.flags.has(Flags::CREATE)
}

fn alive(row: &RemoteRow) -> Option<&Node> {
    (!row.is_deleted).then_some(&row.node)
}

fn action_of(before: Option<&Node>, after: &Node) -> &'static str {
    match before {
        None => "create",
        Some(node) if node.content.id != after.content.id => "edit",
        Some(node) if node.place != after.place => "move",
        Some(_) => "attributes",
    }
}

/// References after an operation; `None` when it adds what is there or drops what is not.
fn join_refs(old: &[ObjectId], add: &[ObjectId], drop: &[ObjectId]) -> Option<Vec<ObjectId>> {
    let mut refs: std::collections::BTreeSet<ObjectId> = old.iter().copied().collect();
    let is_sound = drop.iter().all(|id| refs.remove(id)) && add.iter().all(|id| refs.insert(*id));
    is_sound.then(|| refs.into_iter().collect())
}
