//! Where a list of operations may be cut into batches.
//!
//! `fst-client::push` asks before it sends: every client checks that the tree is well formed after every entry of the
//! log, and refuses the space for good if it is not. Invariant: after each cut no two live nodes share a place,
//! every live node hangs below the root, and no content has been taken over from a leaf whose deletion follows. Not here: sizes of batches, sealing, sending.
//! Source: docs/design/sync-semantics.md, rows S-125 to S-128; ADR 0006.

use std::collections::BTreeSet;

use fst_proto::entry::{Kind, Place, ROOT};
use fst_proto::ids::{ContentId, NodeId};

use crate::plan::{PushKind, PushOp};
use crate::tree::{Node, Tree};

/// Returns where `ops` may be cut: each number of the result is how many operations there are before a cut.
///
/// Shape: rising, each in `1..=ops.len()`. For the operations of a plan made from `remote` the last is `ops.len()`; if it
/// is not, an operation was left out that others need: send nothing behind the last cut, and plan again.
/// Cost: O(n log n) for the operations of a plan, whatever the size of `remote`.
#[must_use]
pub fn cuts(remote: &Tree, ops: &[PushOp]) -> Vec<usize> {
    let mut draft = Draft {
        remote,
        put: Tree::new(),
        deleted: BTreeSet::new(),
        bad: BTreeSet::new(),
    };
    let mut cuts = Vec::new();
    let mut taken = None;
    for (index, op) in ops.iter().enumerate() {
        match given_up(remote, op) {
            Some(content) if taken == Some(content) => drop(cuts.pop_if(|last| *last == index)),
            Some(_) | None => taken = taken_over(remote, op),
        }
        draft.apply(op);
        if draft.is_sound() {
            cuts.push(index + 1);
        }
    }
    cuts
}

/// Returns the nodes whose operations are better sent after the others: those with more than `long` bytes to send, and
/// those that give up or replace what one of them takes over.
///
/// Shape: empty when nothing is long. What depends on them besides is found by [`cuts`] of the rest.
#[must_use]
pub fn set_aside(remote: &Tree, ops: &[PushOp], long: u64) -> BTreeSet<NodeId> {
    let long_content = |op: &PushOp| match &op.kind {
        PushKind::Put {
            size,
            bytes,
            content,
            ..
        } => (bytes.is_some() && *size > long).then_some(content.id),
        PushKind::Delete { .. } => None,
    };
    let contents: BTreeSet<ContentId> = ops.iter().filter_map(long_content).collect();
    let is_given_up = |op: &PushOp| {
        let held = remote.get(op.node).map(|node| node.content.id);
        held.is_some_and(|held| contents.contains(&held))
    };
    let is_aside = |op: &&PushOp| long_content(op).is_some() || is_given_up(op);
    ops.iter().filter(is_aside).map(|op| op.node).collect()
}

/// The content that an operation brings to a node that had another one.
pub(crate) fn taken_over(remote: &Tree, op: &PushOp) -> Option<ContentId> {
    match &op.kind {
        PushKind::Put { content, .. } if content.kind != Kind::Dir => {
            let is_same = |node: &Node| node.content.id == content.id;
            (!remote.get(op.node).is_some_and(is_same)).then_some(content.id)
        },
        PushKind::Put { .. } | PushKind::Delete { .. } => None,
    }
}

/// The content of a leaf that an operation deletes.
fn given_up(remote: &Tree, op: &PushOp) -> Option<ContentId> {
    match op.kind {
        PushKind::Delete { is_dir: false } => remote.get(op.node).map(|node| node.content.id),
        PushKind::Delete { is_dir: true } | PushKind::Put { .. } => None,
    }
}

/// The remote tree after some operations.
struct Draft<'a> {
    remote: &'a Tree,
    /// Nodes that were put, as they are now.
    put: Tree,
    deleted: BTreeSet<NodeId>,
    /// Nodes that did not fit when they were last looked at.
    bad: BTreeSet<NodeId>,
}

impl Draft<'_> {
    fn apply(&mut self, op: &PushOp) {
        match &op.kind {
            PushKind::Put {
                place,
                content,
                mtime_ns,
                size,
                ..
            } => {
                let (place, content) = (place.clone(), *content);
                let node = Node {
                    place,
                    content,
                    mtime_ns: *mtime_ns,
                    size: *size,
                    rev: 0,
                };
                self.put.insert(op.node, node);
                self.deleted.remove(&op.node);
            },
            PushKind::Delete { .. } => {
                self.put.remove(op.node);
                self.deleted.insert(op.node);
            },
        }
        self.bad.insert(op.node);
    }

    fn is_sound(&mut self) -> bool {
        let mut bad = std::mem::take(&mut self.bad);
        bad.retain(|id| !self.fits(*id));
        self.bad = bad;
        self.bad.is_empty()
    }

    fn fits(&self, id: NodeId) -> bool {
        match self.get(id) {
            Some(node) => self.is_alone(id, &node.place) && self.hangs_below_root(id),
            None => !self.has_children(id),
        }
    }

    fn get(&self, id: NodeId) -> Option<&Node> {
        let untouched = || self.remote.get(id).filter(|_| !self.deleted.contains(&id));
        self.put.get(id).or_else(untouched)
    }

    fn is_untouched(&self, id: NodeId) -> bool {
        !self.put.contains(id) && !self.deleted.contains(&id)
    }

    fn is_alone(&self, id: NodeId, place: &Place) -> bool {
        let put = self.put.namesakes(place.parent, &place.name).iter();
        let old = self.remote.namesakes(place.parent, &place.name).iter();
        let mut there = put.chain(old.filter(|id| self.is_untouched(**id)));
        there.all(|&other| other == id)
    }

    fn has_children(&self, id: NodeId) -> bool {
        let mut old = self.remote.children(id);
        self.put.children(id).next().is_some() || old.any(|(_, child)| self.is_untouched(child))
    }

    fn hangs_below_root(&self, id: NodeId) -> bool {
        let mut seen = BTreeSet::from([id]);
        let mut at = id;
        while let Some(node) = self.get(at) {
            at = node.place.parent;
            let is_dir = at == ROOT || self.get(at).is_some_and(Node::is_dir);
            if !is_dir || !seen.insert(at) {
                return false;
            }
        }
        at == ROOT
    }
}
