//! Merges each node by itself: place, bytes and executable bit, each on its own.
//!
//! First phase of a two-way plan; `places` repairs what cannot stand together. Invariant: a node is left out of the
//! target only if one side deleted it and the other side has exactly its base state.
//! Not here: names that clash, parents that are missing. Source: docs/design/sync-semantics.md, rows S-001 to S-048.

use std::collections::BTreeMap;

use fst_proto::entry::{Content, Kind, Place};
use fst_proto::ids::NodeId;

use super::merge::{Merge, Outcome, Rival, all_ids};
use super::{Inputs, Side, Strategy};
use crate::plan::{ConflictKind, Why};
use crate::tree::{Node, Tree};

pub(super) fn merge<'a>(inputs: &'a Inputs<'a>) -> Merge<'a> {
    let mut merge = Merge::new(inputs);
    let Inputs {
        base,
        local,
        remote,
        ..
    } = *inputs;
    let carried_here = carried_along(base, local, remote);
    let carried_there = carried_along(base, remote, local);
    for id in all_ids(&[local, remote]) {
        if merge.is_hidden(id) {
            merge.doubtful.insert(id, Why::Ignored);
            continue;
        }
        match (base.get(id), local.get(id), remote.get(id)) {
            (base, Some(local), Some(remote)) => both(&mut merge, id, base, [local, remote]),
            (Some(base), Some(kept), None) => {
                one(
                    &mut merge,
                    id,
                    [base, kept],
                    Side::Local,
                    carried_here.get(&id),
                );
            },
            (Some(base), None, Some(kept)) => {
                one(
                    &mut merge,
                    id,
                    [base, kept],
                    Side::Remote,
                    carried_there.get(&id),
                );
            },
            (None, Some(new), None) => merge.put(id, new.clone(), Side::Local),
            (None, None, Some(new)) => merge.put(id, new.clone(), Side::Remote),
            (_, None, None) => {},
        }
    }
    merge
}

/// What lies in a directory that `keeper` moved and `deleter` removed, with that directory: the move saves
/// all of it.
fn carried_along(base: &Tree, keeper: &Tree, deleter: &Tree) -> BTreeMap<NodeId, NodeId> {
    let is_saved = |id: NodeId, node: &Node| {
        let was = base
            .get(id)
            .filter(|_| keeper.is_dir(id) && !deleter.contains(id));
        was.is_some_and(|was| was.place != node.place)
    };
    let saved = keeper.iter().filter(|(id, node)| is_saved(*id, node));
    let mut open: Vec<(NodeId, NodeId)> = saved.map(|(id, _)| (id, id)).collect();
    let mut carried = BTreeMap::new();
    while let Some((id, carrier)) = open.pop() {
        if carried.insert(id, carrier).is_none() {
            open.extend(keeper.children(id).map(|(_, child)| (child, carrier)));
        }
    }
    carried
}

fn one(
    merge: &mut Merge<'_>,
    id: NodeId,
    [base, kept]: [&Node; 2],
    side: Side,
    carrier: Option<&NodeId>,
) {
    let kind = match (base.content == kept.content, base.place == kept.place) {
        (false, _) => Some(ConflictKind::EditDelete),
        (true, false) => Some(ConflictKind::MoveDelete),
        (true, true) => None,
    };
    match (kind, carrier) {
        (Some(kind), _) => merge.note(kind, id, side),
        // Once base has the move, nothing says that it saved this node.
        (None, Some(&carrier)) => merge.waits.push((carrier, id)),
        (None, None) => return,
    }
    merge.put(id, kept.clone(), side);
}

fn both(merge: &mut Merge<'_>, id: NodeId, base: Option<&Node>, [local, remote]: [&Node; 2]) {
    if local.content.kind != remote.content.kind {
        merge.doubtful.insert(id, Why::Malformed);
        merge.put(id, local.clone(), Side::Local);
        return;
    }
    let (place, placed_by) = match choose(base.map(|b| &b.place), [&local.place, &remote.place]) {
        Choice::Equal => (&remote.place, Side::Remote),
        Choice::Take(Side::Local) => (&local.place, Side::Local),
        Choice::Take(Side::Remote) => (&remote.place, Side::Remote),
        Choice::Conflict => {
            merge.note(ConflictKind::MoveMove, id, Side::Remote);
            (&remote.place, Side::Remote)
        },
    };
    let exec = merge_exec(base, local, remote);
    let ids = [&local.content.id, &remote.content.id];
    let from = match choose(base.map(|b| &b.content.id), ids) {
        Choice::Equal if exec == remote.content.exec => remote,
        Choice::Equal | Choice::Take(Side::Local) => local,
        Choice::Take(Side::Remote) => remote,
        // A directory has no bytes; whatever the remote says about them is put right.
        Choice::Conflict if local.content.kind == Kind::Dir => local,
        Choice::Conflict => match settle(merge, id, [local, remote]) {
            Side::Local => local,
            Side::Remote => remote,
        },
    };
    let place: Place = place.clone();
    merge.put(
        id,
        Node {
            place,
            content: Content {
                exec,
                ..from.content
            },
            ..from.clone()
        },
        placed_by,
    );
}

/// Who wins, as long as no merge replaces both.
fn settle(merge: &mut Merge<'_>, id: NodeId, [local, remote]: [&Node; 2]) -> Side {
    let policy = merge.inputs.policy;
    let merged =
        merge.inputs.merged.get(&id).copied().filter(|merged| {
            merged.local == local.content.id && merged.remote == remote.content.id
        });
    let adds_to = |side: &Node| merged.is_some_and(|merged| merged.content != side.content.id);
    let (winner, outcome) = match merged {
        Some(_) if !adds_to(local) => (Side::Local, Outcome::Included),
        Some(_) if !adds_to(remote) => (Side::Remote, Outcome::Included),
        Some(merged) => (
            winner(policy.strategy, local, remote),
            Outcome::Merged(merged),
        ),
        None => (winner(policy.strategy, local, remote), Outcome::Open),
    };
    merge.rivals.push(Rival {
        node: id,
        winner,
        outcome,
    });
    winner
}

/// Outcome of a three-way merge of one field.
enum Choice {
    Equal,
    Take(Side),
    Conflict,
}

fn choose<T: PartialEq>(base: Option<&T>, [local, remote]: [&T; 2]) -> Choice {
    if local == remote {
        Choice::Equal
    } else if base == Some(remote) {
        Choice::Take(Side::Local)
    } else if base == Some(local) {
        Choice::Take(Side::Remote)
    } else {
        Choice::Conflict
    }
}

/// A bit cannot be changed in two ways: if the sides differ, one of them changed it.
fn merge_exec(base: Option<&Node>, local: &Node, remote: &Node) -> bool {
    match base {
        Some(base) if remote.content.exec == base.content.exec => local.content.exec,
        Some(_) | None => remote.content.exec,
    }
}

fn winner(strategy: Strategy, local: &Node, remote: &Node) -> Side {
    let local = (local.mtime_ns, local.content.id);
    let remote = (remote.mtime_ns, remote.content.id);
    let local_wins = match strategy {
        Strategy::Newest | Strategy::Manual | Strategy::Merge => local > remote,
        Strategy::Oldest => local < remote,
    };
    if local_wins {
        Side::Local
    } else {
        Side::Remote
    }
}
