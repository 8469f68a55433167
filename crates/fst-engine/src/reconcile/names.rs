//! Gives every node of a directory a name of its own.
//!
//! Runs after `places`, and for each conflict copy. Invariant: afterwards no two target nodes share a place, and no
//! content was given up: a node is dropped only where another one becomes exactly the same leaf.
//! Not here: how the new name looks (the caller's [`ConflictNaming`](super::ConflictNaming)).
//! Source: docs/design/sync-semantics.md, rows S-060 to S-077.

use std::collections::BTreeSet;

use fst_proto::entry::Place;
use fst_proto::ids::NodeId;
use fst_proto::path::Name;

use super::merge::Merge;
use super::{Loser, Side};
use crate::plan::{ConflictKind, ConflictNote};
use crate::tree::Node;

pub(super) fn settle(merge: &mut Merge<'_>) {
    let mut open: BTreeSet<Place> = merge.target.collisions().collect();
    while let Some(place) = open.pop_first() {
        unite_equals(merge, &place, &mut open);
        let ids = merge.target.namesakes(place.parent, &place.name).to_vec();
        let Some(keeper) = ids
            .iter()
            .copied()
            .min_by_key(|&id| rank(merge, id, &place))
        else {
            continue;
        };
        for id in ids.into_iter().filter(|&id| id != keeper) {
            open.extend(rename(merge, id, keeper));
        }
    }
}

/// Directories before leaves, then what the server already has there, then the smaller id.
fn rank(merge: &Merge<'_>, id: NodeId, place: &Place) -> (bool, bool, NodeId) {
    let is_there = merge
        .inputs
        .remote
        .get(id)
        .is_some_and(|node| node.place == *place);
    (merge.is_leaf(id), !is_there, id)
}

/// Joins new local nodes with the known node that wants to be the same thing at the same place.
fn unite_equals(merge: &mut Merge<'_>, place: &Place, open: &mut BTreeSet<Place>) {
    while let Some((fresh, known)) = equals(merge, place) {
        if !merge.local.contains(known) {
            merge.unite(fresh, known);
            open.extend(
                merge
                    .target
                    .collisions()
                    .filter(|shared| shared.parent == known),
            );
        } else {
            // The known node comes from elsewhere on this disk; the double makes room for it.
            merge.target.remove(fresh);
            merge.ties.push((fresh, known));
        }
    }
}

fn equals(merge: &Merge<'_>, place: &Place) -> Option<(NodeId, NodeId)> {
    let ids = merge.target.namesakes(place.parent, &place.name);
    let pairs = ids
        .iter()
        .flat_map(|&fresh| ids.iter().map(move |&known| (fresh, known)));
    let is_equal = |&(fresh, known): &(NodeId, NodeId)| {
        let can_join = merge.is_leaf(known) || !merge.local.contains(known);
        let node = merge
            .target
            .get(known)
            .filter(|_| fresh != known && can_join);
        node.is_some_and(|node| merge.may_unite(fresh, node))
    };
    let mut equal = pairs.filter(is_equal);
    equal.next()
}

/// Renames one of two namesakes; returns the new place if something to unite with is there.
fn rename(merge: &mut Merge<'_>, id: NodeId, keeper: NodeId) -> Option<Place> {
    let node = merge.target.get(id)?.clone();
    let side = if merge.placed_here.contains(&id) {
        Side::Local
    } else {
        Side::Remote
    };
    let name = free_name(merge, Loser { side, node: id }, id, &node);
    let place = Place { name, ..node.place };
    merge.target.relocate(id, place.clone());
    merge.notes.push(ConflictNote {
        kind: ConflictKind::SameName,
        node: keeper,
        copy: Some(id),
        local_won: merge.placed_here.contains(&keeper),
    });
    let is_shared = merge.target.namesakes(place.parent, &place.name).len() > 1;
    is_shared.then_some(place)
}

/// A name beside `node` for the node `id`, which is to become like `node`.
///
/// A new local node that already is what `id` becomes does not occupy its name: a crash left it.
fn free_name(merge: &Merge<'_>, loser: Loser, id: NodeId, node: &Node) -> Name {
    name_unless(merge, loser, node, &|other, _| {
        other != id && (merge.local.contains(id) || !merge.may_unite(other, node))
    })
}

/// A name beside `node` that nothing but the node `id` has.
pub(super) fn unused_name(merge: &Merge<'_>, loser: Loser, id: NodeId, node: &Node) -> Name {
    name_unless(merge, loser, node, &|other, _| other != id)
}

/// A name beside `node` that nothing has, or a leaf with the same bytes.
pub(super) fn name_of_equal(merge: &Merge<'_>, loser: Loser, node: &Node) -> Name {
    name_unless(merge, loser, node, &|other, name| {
        let there = merge
            .target
            .get(other)
            .filter(|there| has_same_bytes(there, node));
        there.is_none_or(|there| {
            there.place.parent != node.place.parent || there.place.name != *name
        })
    })
}

fn name_unless(
    merge: &Merge<'_>,
    loser: Loser,
    node: &Node,
    is_other: &dyn Fn(NodeId, &Name) -> bool,
) -> Name {
    let parent = node.place.parent;
    let trees = [&merge.target, &*merge.local, merge.inputs.remote];
    let taken = |name: &Name| {
        merge.ask_place(parent, name);
        let mut there = trees.iter().flat_map(|tree| tree.namesakes(parent, name));
        there.any(|&other| is_other(other, name)) || merge.blocked.contains(&(parent, name.clone()))
    };
    merge
        .inputs
        .naming
        .copy_name(&node.place.name, loser, &taken)
}

/// True when two leaves differ in nothing but their executable bit.
pub(super) fn has_same_bytes(one: &Node, other: &Node) -> bool {
    one.content.kind == other.content.kind && one.content.id == other.content.id
}
