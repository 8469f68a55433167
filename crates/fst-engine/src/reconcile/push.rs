//! What the server has to be told, in an order that is right even if it comes in parts.
//!
//! Called by `diff`. Invariant: an operation comes after those that make its directory, free its name, or keep the
//! content it supersedes, unless these wait for each other; deletions come last where nothing waits for them, but those
//! of a content that something else takes over follow it at once (S-128).
//! Not here: batches, encryption, sending (`fst-client`). Source: docs/design/sync-semantics.md, rows S-120 to S-124.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::Kind;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::RelPath;

use super::hold::Held;
use super::merge::{Merge, all_ids, is_same};
use crate::batch::taken_over;
use crate::limits::REPLACED_MAX;
use crate::paths::Paths;
use crate::plan::{PushKind, PushOp, Source};
use crate::tree::Node;

pub(super) fn ops(merge: &Merge<'_>, held: &Held) -> Vec<PushOp> {
    let remote = merge.inputs.remote;
    let mut ops: BTreeMap<NodeId, PushOp> = BTreeMap::new();
    for id in all_ids(&[&merge.target, remote]) {
        let (want, have) = (merge.target.get(id), remote.get(id));
        if !held.contains_key(&id) && !is_same(want, have) {
            ops.extend(op(merge, id, want, have).map(|op| (id, op)));
        }
    }
    let order = Order::new(merge, &ops).run();
    let mut sorted: Vec<PushOp> = merge.archive.clone();
    sorted.extend(order.into_iter().filter_map(|id| ops.remove(&id)));
    sorted
}

fn op(merge: &Merge<'_>, id: NodeId, want: Option<&Node>, have: Option<&Node>) -> Option<PushOp> {
    let buried = merge.inputs.tombstones.get(&id).copied();
    let base_rev = have.map_or(buried.unwrap_or(0), |node| node.rev);
    let kind = match (want, have) {
        (Some(want), have) => put(merge, id, want, have, buried.is_some()),
        (None, Some(have)) => PushKind::Delete {
            is_dir: have.content.kind == Kind::Dir,
        },
        (None, None) => return None,
    };
    Some(PushOp {
        node: id,
        base_rev,
        kind,
    })
}

fn put(
    merge: &Merge<'_>,
    id: NodeId,
    want: &Node,
    have: Option<&Node>,
    was_dead: bool,
) -> PushKind {
    PushKind::Put {
        place: want.place.clone(),
        content: want.content,
        mtime_ns: want.mtime_ns,
        size: want.size,
        bytes: bytes(merge, id, want, have),
        is_move: have.map_or(was_dead, |have| have.place != want.place),
    }
}

fn bytes(merge: &Merge<'_>, id: NodeId, want: &Node, have: Option<&Node>) -> Option<Source> {
    let is_there = have.is_some_and(|have| have.content.id == want.content.id);
    if is_there || want.content.kind == Kind::Dir {
        return None;
    }
    if merge.merging.contains(&id) {
        return Some(Source::Merged(id));
    }
    match merge.copies.get(&id) {
        Some(Source::Remote(original)) => Some(Source::Remote(*original)),
        // By then the copy is on disk, and its original may be overwritten.
        Some(Source::Local(_) | Source::Merged(_)) | None => Some(Source::Local(id)),
    }
}

/// Depth-first order over "comes after".
struct Order<'a> {
    merge: &'a Merge<'a>,
    ops: &'a BTreeMap<NodeId, PushOp>,
    /// Conflict copies by the node whose content they keep.
    kept_by: BTreeMap<NodeId, Vec<NodeId>>,
    /// Leaves that are deleted, by what they hold.
    given_up: BTreeMap<ContentId, Vec<NodeId>>,
    entered: BTreeSet<NodeId>,
    done: Vec<NodeId>,
}

impl<'a> Order<'a> {
    fn new(merge: &'a Merge<'a>, ops: &'a BTreeMap<NodeId, PushOp>) -> Self {
        let mut kept_by: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for (&copy, &source) in &merge.copies {
            kept_by.entry(source.node()).or_default().push(copy);
        }
        let mut given_up: BTreeMap<ContentId, Vec<NodeId>> = BTreeMap::new();
        for (&id, op) in ops {
            if let PushKind::Delete { is_dir: false } = op.kind
                && let Some(node) = merge.inputs.remote.get(id)
            {
                given_up.entry(node.content.id).or_default().push(id);
            }
        }
        Self {
            merge,
            ops,
            kept_by,
            given_up,
            entered: BTreeSet::new(),
            done: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<NodeId> {
        for id in self.starts() {
            self.visit(id);
        }
        self.done
    }

    /// Puts by target path, then deletions by remote path from the bottom up.
    fn starts(&self) -> Vec<NodeId> {
        let (mut target, mut remote) = (Paths::default(), Paths::default());
        let mut puts: Vec<(Option<RelPath>, NodeId)> = Vec::new();
        let mut deletes = Vec::new();
        for (&id, op) in self.ops {
            match op.kind {
                PushKind::Put { .. } => puts.push((target.of(&self.merge.target, id), id)),
                PushKind::Delete { .. } => {
                    deletes.push((remote.of(self.merge.inputs.remote, id), id));
                },
            }
        }
        puts.sort();
        deletes.sort();
        puts.into_iter()
            .chain(deletes.into_iter().rev())
            .map(|(_, id)| id)
            .collect()
    }

    fn visit(&mut self, start: NodeId) {
        let mut open = vec![(start, false)];
        while let Some((id, is_ready)) = open.pop() {
            if is_ready {
                self.done.push(id);
                self.replace(id);
            } else if self.ops.contains_key(&id) && self.entered.insert(id) {
                open.push((id, true));
                open.extend(
                    self.before(id)
                        .into_iter()
                        .rev()
                        .map(|other| (other, false)),
                );
            }
        }
    }

    /// Puts behind `id` the deletions of what it takes over.
    fn replace(&mut self, id: NodeId) {
        let taken = self
            .ops
            .get(&id)
            .and_then(|op| taken_over(self.merge.inputs.remote, op));
        let gone = taken.and_then(|content| self.given_up.get(&content));
        for &id in gone.into_iter().flatten().take(REPLACED_MAX) {
            if self.entered.insert(id) {
                self.done.push(id);
            }
        }
    }

    /// What has to come before `id`.
    fn before(&self, id: NodeId) -> Vec<NodeId> {
        let remote = self.merge.inputs.remote;
        match self.ops.get(&id).map(|op| &op.kind) {
            Some(PushKind::Put { place, .. }) => {
                let mut before = vec![place.parent];
                before.extend(self.kept_by.get(&id).into_iter().flatten());
                let there = remote.namesakes(place.parent, &place.name).iter();
                before.extend(there.filter(|&&other| other != id));
                before
            },
            Some(PushKind::Delete { is_dir: true }) => {
                remote.children(id).map(|(_, child)| child).collect()
            },
            Some(PushKind::Delete { is_dir: false }) | None => Vec::new(),
        }
    }
}
