//! Turns the target into a plan: what the disk needs, what the server needs, what base may take over.
//!
//! Last phase of [`super::plan`]. Invariant: no step, operation or adoption concerns a held node.
//! Not here: the order of steps ([`crate::order`]) and of operations (`push`).
//! Source: docs/design/sync-semantics.md, rows S-010 to S-013.

use std::borrow::Cow;
use std::collections::BTreeSet;

use fst_proto::ids::NodeId;

use super::hold::Held;
use super::merge::{Merge, all_ids, is_same};
use super::push;
use crate::order;
use crate::plan::{HeldNode, Plan};
use crate::tree::Tree;

pub(super) fn plan(merge: &Merge<'_>, held: &Held) -> Plan {
    let goal = disk_goal(merge, held);
    let steps = order::steps(&merge.local, &goal, &merge.copies, merge.inputs.folds_names);
    let push = push::ops(merge, held);
    let mut waits = merge.waits.clone();
    waits.retain(|(node, _)| !held.contains_key(node));
    waits.sort_unstable();
    Plan {
        waits,
        adopt: adopt(merge, held),
        steps,
        push,
        held: report(merge, held),
        conflicts: conflicts(merge, held),
        united: merge.united.clone(),
    }
}

/// The folder as it is to be: the target, but held nodes and those whose merge is sent first as they are.
fn disk_goal<'a>(merge: &'a Merge<'_>, held: &Held) -> Cow<'a, Tree> {
    let mut goal = Cow::Borrowed(&merge.target);
    for &id in held.keys().chain(&merge.merging) {
        let goal = goal.to_mut();
        goal.remove(id);
        if let Some(node) = merge.local.get(id) {
            goal.insert(id, node.clone());
        }
    }
    goal
}

fn adopt(merge: &Merge<'_>, held: &Held) -> Vec<NodeId> {
    let (base, remote) = (merge.inputs.base, merge.inputs.remote);
    let is_open =
        |id| !is_same(merge.local.get(id), merge.target.get(id)) || held.contains_key(&id);
    let waits = merge.waits.iter().filter(|(_, other)| is_open(*other));
    let waiting: BTreeSet<NodeId> = waits.map(|(node, _)| *node).collect();
    let is_agreed = |id: &NodeId| {
        base.get(*id) != remote.get(*id)
            && !held.contains_key(id)
            && !waiting.contains(id)
            && is_same(merge.local.get(*id), merge.target.get(*id))
            && is_same(remote.get(*id), merge.target.get(*id))
    };
    all_ids(&[base, remote])
        .into_iter()
        .filter(is_agreed)
        .collect()
}

/// Held nodes for which there would have been something to do.
fn report(merge: &Merge<'_>, held: &Held) -> Vec<HeldNode> {
    let differs = |id: NodeId| {
        let (local, remote) = (merge.local.get(id), merge.inputs.remote.get(id));
        let is_there = local.is_some() || remote.is_some();
        is_there && !(is_same(local, remote) && is_same(local, merge.target.get(id)))
    };
    let notable = held.iter().filter(|(id, _)| differs(**id));
    notable
        .map(|(&node, &why)| HeldNode { node, why })
        .collect()
}

/// Conflicts that this plan settles.
fn conflicts(merge: &Merge<'_>, held: &Held) -> Vec<crate::plan::ConflictNote> {
    let mut notes = merge.notes.clone();
    notes.retain(|note| !held.contains_key(&note.node));
    notes.sort_by_key(|note| (note.node, note.kind, note.copy));
    notes
}
