//! Makes the target a tree again: a parent for everything that lives, no directory inside itself.
//!
//! Runs after `nodes`. Invariant: afterwards every node that is not doubtful hangs below the root.
//! Not here: two nodes with one name (`names`). Source: docs/design/sync-semantics.md, rows S-050 to S-059.

use std::collections::BTreeMap;

use fst_proto::entry::{Kind, Place, ROOT};
use fst_proto::ids::NodeId;

use super::Side;
use super::merge::Merge;
use crate::plan::{ConflictKind, Why};
use crate::tree::Node;

pub(super) fn make_sound(merge: &mut Merge<'_>) {
    loop {
        let revived = revive_parents(merge);
        if !undo_cycles(merge) {
            return;
        }
        // What an undone move had brought back may not be needed any more.
        for id in revived {
            merge.target.remove(id);
        }
    }
}

/// Brings back every deleted directory in which something lives.
fn revive_parents(merge: &mut Merge<'_>) -> Vec<NodeId> {
    let mut revived = Vec::new();
    let mut wanted: Vec<(NodeId, NodeId)> = merge
        .target
        .iter()
        .map(|(id, node)| (id, node.place.parent))
        .collect();
    wanted.retain(|(_, parent)| !merge.target.is_dir(*parent));
    while let Some((child, parent)) = wanted.pop() {
        if merge.target.is_dir(parent) {
            continue;
        }
        match last_state(merge, parent) {
            Some((node, side)) if !merge.target.contains(parent) => {
                wanted.push((parent, node.place.parent));
                merge.put(parent, node, side);
                revived.push(parent);
            },
            Some(_) | None => {
                merge.doubtful.insert(child, Why::Malformed);
            },
        }
    }
    revived
}

fn last_state(merge: &Merge<'_>, id: NodeId) -> Option<(Node, Side)> {
    let remote = merge.inputs.remote.get(id).map(|node| (node, Side::Remote));
    let local = || merge.inputs.local.get(id).map(|node| (node, Side::Local));
    let base = || merge.inputs.base.get(id).map(|node| (node, Side::Remote));
    let (node, side) = remote.or_else(local).or_else(base)?;
    (node.content.kind == Kind::Dir).then(|| (node.clone(), side))
}

/// Undoes one local move in every cycle; says whether anything changed.
fn undo_cycles(merge: &mut Merge<'_>) -> bool {
    let mut is_changed = false;
    for cycle in target_cycles(merge) {
        let Some(victim) = victim(merge, &cycle) else {
            merge
                .doubtful
                .extend(cycle.into_iter().map(|id| (id, Why::Malformed)));
            continue;
        };
        let remote = merge
            .inputs
            .remote
            .get(victim)
            .map(|node| node.place.clone());
        let name = merge.target.get(victim).map(|node| node.place.name.clone());
        if let Some(place) = remote.or(name.map(|name| Place { parent: ROOT, name })) {
            merge.ask_place(place.parent, &place.name);
            merge.target.relocate(victim, place);
            merge.placed_here.remove(&victim);
            merge.note(ConflictKind::MoveCycle, victim, Side::Remote);
            is_changed = true;
        }
    }
    is_changed
}

/// The node whose move on this device is undone: one that the server knows, then the smallest id.
fn victim(merge: &Merge<'_>, cycle: &[NodeId]) -> Option<NodeId> {
    let remote = merge.inputs.remote;
    let is_moved_here = |id: &NodeId| {
        let here = merge.target.get(*id).map(|node| &node.place);
        remote.get(*id).map(|node| &node.place) != here
    };
    let moved = cycle.iter().copied().filter(is_moved_here);
    moved.min_by_key(|id| (!remote.contains(*id), *id))
}

/// All cycles of directories in the target.
fn target_cycles(merge: &Merge<'_>) -> Vec<Vec<NodeId>> {
    let dirs = merge
        .target
        .iter()
        .filter(|(_, node)| node.content.kind == Kind::Dir);
    cycles(dirs.map(|(id, _)| id), |id| {
        merge.target.get(id).map(|node| node.place.parent)
    })
}

/// All cycles that `parent_of` leads into from one of `starts`.
pub(super) fn cycles(
    starts: impl Iterator<Item = NodeId>,
    parent_of: impl Fn(NodeId) -> Option<NodeId>,
) -> Vec<Vec<NodeId>> {
    let mut seen_from: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut cycles = Vec::new();
    for start in starts {
        let mut walk = Vec::new();
        let mut at = start;
        while let Some(parent) = parent_of(at).filter(|_| !seen_from.contains_key(&at)) {
            seen_from.insert(at, start);
            walk.push(at);
            at = parent;
        }
        // The walk ended on itself, unless it met the root or an earlier walk.
        if seen_from.get(&at) == Some(&start)
            && let Some(first) = walk.iter().position(|&id| id == at)
        {
            cycles.push(walk.split_off(first));
        }
    }
    cycles
}
