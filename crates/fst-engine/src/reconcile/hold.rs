//! Finds everything that must stay as it is because something else must.
//!
//! Starts from what may not be touched and follows what hangs on it, on both sides. Invariant: with held nodes at
//! their present place on each side and all others at their target, both sides are well-formed trees.
//! Not here: deciding what is doubtful in itself. Source: docs/design/sync-semantics.md, rows S-080 to S-089.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, PRIVATE_DIR};

use super::merge::{Merge, all_ids};
use super::places;
use crate::plan::Why;
use crate::tree::Tree;

/// Nodes to leave alone, with the reason.
pub(super) type Held = BTreeMap<NodeId, Why>;

pub(super) fn close(merge: &Merge<'_>) -> Held {
    let mut closure = Closure {
        merge,
        ties: both_ways(&merge.ties),
        held: Held::new(),
        sealed: BTreeSet::new(),
        open: Vec::new(),
    };
    closure.seed();
    closure.follow();
    if !closure.held.is_empty() {
        while closure.break_cycles() {
            closure.follow();
        }
    }
    closure.held
}

fn both_ways(ties: &[(NodeId, NodeId)]) -> BTreeMap<NodeId, Vec<NodeId>> {
    let mut map: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for &(one, other) in ties {
        map.entry(one).or_default().push(other);
        map.entry(other).or_default().push(one);
    }
    map
}

struct Closure<'a> {
    merge: &'a Merge<'a>,
    ties: BTreeMap<NodeId, Vec<NodeId>>,
    held: Held,
    /// Frozen nodes and all below them: nothing may be brought in or out.
    sealed: BTreeSet<NodeId>,
    open: Vec<NodeId>,
}

impl Closure<'_> {
    fn seed(&mut self) {
        let merge = self.merge;
        for &id in merge.inputs.frozen.union(merge.inputs.ignored) {
            if !merge.is_hidden(id) {
                self.seal(id);
            }
        }
        for (&id, &why) in &merge.doubtful {
            self.hold(id, why);
        }
        for (parent, name) in &*merge.blocked {
            for &id in merge.target.namesakes(*parent, name) {
                self.hold(id, Why::Blocked);
            }
            self.keep_parent(*parent);
        }
        for (id, _) in merge
            .target
            .iter()
            .filter(|(_, n)| !merge.target.is_dir(n.place.parent))
        {
            self.hold(id, Why::Malformed);
        }
        if let Ok(private) = Name::new(PRIVATE_DIR.as_bytes()) {
            for &id in merge.target.namesakes(ROOT, &private) {
                self.hold(id, Why::Malformed);
            }
        }
    }

    fn hold(&mut self, id: NodeId, why: Why) {
        if id != ROOT && !self.held.contains_key(&id) {
            self.held.insert(id, why);
            self.open.push(id);
        }
    }

    fn seal(&mut self, id: NodeId) {
        if self.sealed.insert(id) {
            let is_ignored = self.merge.inputs.ignored.contains(&id);
            let why = if is_ignored {
                Why::Ignored
            } else {
                Why::Frozen
            };
            self.held.insert(id, why);
            self.open.push(id);
        }
    }

    /// A directory that is to be deleted stays as long as something in it stays.
    fn keep_parent(&mut self, parent: NodeId) {
        if !self.merge.target.contains(parent) {
            self.hold(parent, Why::Dependent);
        }
    }

    fn follow(&mut self) {
        while let Some(id) = self.open.pop() {
            for other in self.ties.get(&id).cloned().unwrap_or_default() {
                self.hold(other, Why::Dependent);
            }
            self.follow_children(id);
            let (local, remote) = (self.merge.local.get(id), self.merge.inputs.remote.get(id));
            for node in [local, remote].into_iter().flatten() {
                self.follow_place(id, &node.place);
            }
        }
    }

    /// What is to live in a directory that is missing on one side, or sealed, has to wait.
    fn follow_children(&mut self, id: NodeId) {
        let (local, target) = (&*self.merge.local, &self.merge.target);
        if self.sealed.contains(&id) {
            for (_, child) in target.children(id).chain(local.children(id)) {
                self.seal(child);
            }
        } else if !local.contains(id) || !self.merge.inputs.remote.contains(id) {
            for (_, child) in target.children(id) {
                self.hold(child, Why::Dependent);
            }
        }
    }

    /// The place of a held node is taken, and its directory stays.
    fn follow_place(&mut self, id: NodeId, place: &Place) {
        for &other in self.merge.target.namesakes(place.parent, &place.name) {
            if other != id {
                self.hold(other, Why::Dependent);
            }
        }
        self.keep_parent(place.parent);
    }

    /// Held and moved directories may end up inside each other on one side: then they all stay.
    fn break_cycles(&mut self) -> bool {
        let merge = self.merge;
        let mut found = Vec::new();
        for side in [&*merge.local, merge.inputs.remote] {
            let dirs = all_ids(&[side, &merge.target]).into_iter();
            found.extend(places::cycles(dirs, |id| self.parent_on(side, id)));
        }
        let n_held = self.held.len();
        for id in found.into_iter().flatten() {
            self.hold(id, Why::Dependent);
        }
        self.held.len() > n_held
    }

    fn parent_on(&self, side: &Tree, id: NodeId) -> Option<NodeId> {
        let tree = if self.held.contains_key(&id) {
            side
        } else {
            &self.merge.target
        };
        tree.get(id).map(|node| node.place.parent)
    }
}
