//! The target tree while it is being worked out, with what is known about its making.
//!
//! Filled by `nodes` or `one_way`, changed by `places`, `names` and `copies`, read by `hold` and `diff`.
//! Invariant: `target` decides a node that is not in `doubtful`; `local` differs from the input only by `united`.
//! Not here: any decision.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Kind, Place};
use fst_proto::ids::NodeId;
use fst_proto::path::Name;

use super::{Asked, Inputs, Merged, Side};
use crate::plan::{ConflictKind, ConflictNote, PushOp, Source, Why};
use crate::tree::{Node, Tree};

/// Two contents of one node, neither made from the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rival {
    pub(super) node: NodeId,
    pub(super) winner: Side,
    pub(super) outcome: Outcome,
}

/// What is known about two contents of one node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// One has to give way.
    Open,
    /// The winner has all that the other changed.
    Included,
    /// Another content has all that both changed.
    Merged(Merged),
}

pub(super) struct Merge<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) local: Cow<'a, Tree>,
    /// As in the inputs, under the ids of `local`.
    pub(super) blocked: Cow<'a, BTreeSet<(NodeId, Name)>>,
    pub(super) target: Tree,
    /// Nodes whose place was chosen on this device.
    pub(super) placed_here: BTreeSet<NodeId>,
    pub(super) rivals: Vec<Rival>,
    pub(super) notes: Vec<ConflictNote>,
    /// Conflict copies, with where their bytes are before any step runs.
    pub(super) copies: BTreeMap<NodeId, Source>,
    /// Nodes that are done together or not at all.
    pub(super) ties: Vec<(NodeId, NodeId)>,
    /// Nodes that are not done before another is: see [`crate::plan::Plan::waits`].
    pub(super) waits: Vec<(NodeId, NodeId)>,
    /// Nodes that must not be touched, whatever `target` says.
    pub(super) doubtful: BTreeMap<NodeId, Why>,
    pub(super) united: Vec<(NodeId, NodeId)>,
    /// Nodes whose target is a merge that nobody has yet: it is sent first, the folder follows.
    pub(super) merging: BTreeSet<NodeId>,
    /// Losing contents that go into history before their node is touched.
    pub(super) archive: Vec<PushOp>,
    asked: RefCell<Asked>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(inputs: &'a Inputs<'a>) -> Self {
        Self {
            inputs,
            local: Cow::Borrowed(inputs.local),
            blocked: Cow::Borrowed(inputs.blocked),
            target: Tree::new(),
            placed_here: BTreeSet::new(),
            rivals: Vec::new(),
            notes: Vec::new(),
            copies: BTreeMap::new(),
            ties: Vec::new(),
            waits: Vec::new(),
            doubtful: BTreeMap::new(),
            united: Vec::new(),
            merging: BTreeSet::new(),
            archive: Vec::new(),
            asked: RefCell::default(),
        }
    }

    /// Notes that the plan depends on who has this place, though no node that differs does.
    pub(super) fn ask_place(&self, parent: NodeId, name: &Name) {
        let name = name.clone();
        self.asked
            .borrow_mut()
            .places
            .insert(Place { parent, name });
    }

    /// Notes that the plan depends on this node, whether it differs or not.
    pub(super) fn ask_node(&self, id: NodeId) {
        self.asked.borrow_mut().nodes.insert(id);
    }

    pub(super) fn take_asked(&self) -> Asked {
        self.asked.take()
    }

    pub(super) fn put(&mut self, id: NodeId, node: Node, placed_by: Side) {
        match placed_by {
            Side::Local => self.placed_here.insert(id),
            Side::Remote => self.placed_here.remove(&id),
        };
        self.target.insert(id, node);
    }

    pub(super) fn note(&mut self, kind: ConflictKind, node: NodeId, winner: Side) {
        let local_won = winner == Side::Local;
        self.notes.push(ConflictNote {
            kind,
            node,
            copy: None,
            local_won,
        });
    }

    /// True for a node that is ignored here and not on this disk: it is in nobody's way, and stays where it is.
    pub(super) fn is_hidden(&self, id: NodeId) -> bool {
        self.inputs.ignored.contains(&id) && !self.inputs.local.contains(id)
    }

    /// True for a node that only this device has ever heard of.
    pub(super) fn is_new_here(&self, id: NodeId) -> bool {
        self.local.contains(id)
            && !self.inputs.base.contains(id)
            && !self.inputs.remote.contains(id)
    }

    /// True for a directory that the server deleted and that lives on in its place only for what is in it.
    fn is_mere_shell(&self, id: NodeId) -> bool {
        let was = self.inputs.base.get(id).map(|node| &node.place);
        self.local.is_dir(id)
            && !self.inputs.remote.contains(id)
            && was.is_some()
            && was == self.local.get(id).map(|node| &node.place)
    }

    /// True when the local node `fresh`, which the server does not have, may take the id of `known`: a directory for
    /// a directory, or a new leaf that already is what `known` is to become.
    pub(super) fn may_unite(&self, fresh: NodeId, known: &Node) -> bool {
        (self.is_new_here(fresh) || self.is_mere_shell(fresh))
            && self
                .target
                .get(fresh)
                .is_some_and(|node| node.content == known.content)
    }

    /// Makes the local node `fresh` the local state of `known`, which has none.
    pub(super) fn unite(&mut self, fresh: NodeId, known: NodeId) {
        self.local.to_mut().rename(fresh, known);
        self.united.push((fresh, known));
        if self.blocked.iter().any(|(parent, _)| *parent == fresh) {
            let moved = self.blocked.iter().cloned();
            let moved = moved.map(|(dir, name)| (if dir == fresh { known } else { dir }, name));
            self.blocked = Cow::Owned(moved.collect());
        }
        self.target.remove(fresh);
        let orphans: Vec<NodeId> = self.target.children(fresh).map(|(_, id)| id).collect();
        for id in orphans {
            if let Some(mut node) = self.target.remove(id) {
                node.place.parent = known;
                self.target.insert(id, node);
            }
        }
    }

    pub(super) fn is_leaf(&self, id: NodeId) -> bool {
        self.target
            .get(id)
            .is_some_and(|node| node.content.kind != Kind::Dir)
    }
}

/// True when two states of a node call for nothing: same presence, place and content.
pub(super) fn is_same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(a), Some(b)) => a.place == b.place && a.content == b.content,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// All ids of some trees, sorted, each once.
pub(super) fn all_ids(trees: &[&Tree]) -> Vec<NodeId> {
    let mut ids: Vec<NodeId> = trees
        .iter()
        .flat_map(|t| t.iter().map(|(id, _)| id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
