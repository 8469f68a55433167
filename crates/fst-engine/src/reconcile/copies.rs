//! Keeps the losing content of every edit conflict.
//!
//! Runs last on the target, when places and names are final. Invariant: a content that loses is in the target as a
//! copy, or in version history, before its node may be overwritten. Not here: who wins (`nodes`).
//! Source: docs/design/sync-semantics.md, rows S-030 to S-048.

use fst_proto::entry::{Content, Kind};
use fst_proto::ids::NodeId;

use super::merge::{Merge, Outcome, Rival};
use super::{Backup, Loser, Merged, Side, Strategy, names};
use crate::limits::COPIES_OF_ONE_CONTENT_MAX;
use crate::plan::{ConflictKind, ConflictNote, PushKind, PushOp, Source, Why};
use crate::tree::Node;

pub(super) fn add(merge: &mut Merge<'_>) {
    for rival in std::mem::take(&mut merge.rivals) {
        let (rival, backup) = conclude(merge, rival);
        let (side, tree) = match rival.winner {
            Side::Local => (Side::Remote, merge.inputs.remote),
            Side::Remote => (Side::Local, merge.inputs.local),
        };
        let Some(lost) = tree.get(rival.node).cloned() else {
            continue;
        };
        let loser = Loser {
            side,
            node: rival.node,
        };
        match backup {
            Backup::Keep => keep_beside(merge, rival, loser, &lost),
            Backup::HistoryOnly => keep_in_history(merge, rival, loser, &lost),
        }
    }
}

/// Puts a merge into the target where it can stand, and says what becomes of the loser.
fn conclude(merge: &mut Merge<'_>, rival: Rival) -> (Rival, Backup) {
    let policy = merge.inputs.policy;
    let kept = match policy.strategy {
        Strategy::Newest | Strategy::Oldest => policy.backup,
        // What a person is to decide stays in sight.
        Strategy::Manual | Strategy::Merge => Backup::Keep,
    };
    match rival.outcome {
        Outcome::Open => (rival, kept),
        Outcome::Included => (rival, Backup::HistoryOnly),
        Outcome::Merged(merged) if try_join(merge, rival.node, merged) => {
            // The remote content is a version already; the local one becomes one first.
            let winner = Side::Remote;
            (Rival { winner, ..rival }, Backup::HistoryOnly)
        },
        Outcome::Merged(_) => {
            let outcome = Outcome::Open;
            (Rival { outcome, ..rival }, kept)
        },
    }
}

/// False where the file has to move here as well: base would follow the move and forget the conflict.
fn try_join(merge: &mut Merge<'_>, id: NodeId, merged: Merged) -> bool {
    let (local, remote) = (merge.inputs.local.get(id), merge.inputs.remote.get(id));
    let (Some(local), Some(remote), Some(target)) = (local, remote, merge.target.get(id)) else {
        return false;
    };
    if local.place != target.place {
        return false;
    }
    let joined = Node {
        content: Content {
            id: merged.content,
            ..target.content
        },
        mtime_ns: local.mtime_ns.max(remote.mtime_ns),
        size: merged.size,
        ..target.clone()
    };
    merge.target.insert(id, joined);
    merge.merging.insert(id);
    true
}

fn note(merge: &mut Merge<'_>, rival: Rival, copy: Option<NodeId>) {
    let local_won = rival.winner == Side::Local;
    let (kind, node) = match rival.outcome {
        Outcome::Open => (ConflictKind::EditEdit, rival.node),
        Outcome::Included | Outcome::Merged(_) => (ConflictKind::Merged, rival.node),
    };
    merge.notes.push(ConflictNote {
        kind,
        node,
        copy,
        local_won,
    });
}

fn keep_beside(merge: &mut Merge<'_>, rival: Rival, loser: Loser, lost: &Node) {
    let Some(place) = merge.target.get(loser.node).map(|node| node.place.clone()) else {
        return;
    };
    let copy = match copy_id(merge, loser.node, lost) {
        CopyId::Kept(id) => id,
        CopyId::Free(id) => {
            let mut node = Node {
                place,
                rev: 0,
                ..lost.clone()
            };
            node.place.name = names::name_of_equal(merge, loser, &node);
            let naming = merge.inputs.naming;
            if naming.is_ignored(node.place.parent, &node.place.name) {
                // What is ignored is not written, and would not be found again: each plan would make one more.
                return keep_in_history(merge, rival, loser, lost);
            }
            insert(merge, loser, id, node)
        },
        CopyId::None => {
            merge.doubtful.insert(loser.node, Why::Malformed);
            return;
        },
    };
    merge.waits.push((rival.node, copy));
    note(merge, rival, Some(copy));
}

enum CopyId {
    /// A live node that holds the content already.
    Kept(NodeId),
    /// Not in use.
    Free(NodeId),
    /// The id function goes round in circles.
    None,
}

fn copy_id(merge: &Merge<'_>, node: NodeId, lost: &Node) -> CopyId {
    let mut id = node;
    for _ in 0..COPIES_OF_ONE_CONTENT_MAX {
        id = merge.inputs.naming.copy_id(id, &lost.content);
        merge.ask_node(id);
        match merge.target.get(id) {
            None => return CopyId::Free(id),
            Some(other) if names::has_same_bytes(other, lost) && id != node => {
                return CopyId::Kept(id);
            },
            // Somebody edited that copy; it is a file of its own now.
            Some(_) => {},
        }
    }
    CopyId::None
}

/// Puts the copy into the target, and returns the node that holds the content now.
fn insert(merge: &mut Merge<'_>, loser: Loser, id: NodeId, node: Node) -> NodeId {
    // The name that the copy would have is only ever shared with the same bytes: what an earlier run of this plan
    // wrote before it died, under whatever id they are known now.
    let there = merge
        .target
        .namesakes(node.place.parent, &node.place.name)
        .first()
        .copied();
    match there {
        Some(other) if merge.local.contains(id) || !merge.may_unite(other, &node) => return other,
        Some(_) | None => {},
    }
    let source = match loser.side {
        Side::Local => Source::Local(loser.node),
        Side::Remote => Source::Remote(loser.node),
    };
    merge.put(id, node, Side::Local);
    merge.copies.insert(id, source);
    merge.ties.push((loser.node, id));
    there.into_iter().for_each(|fresh| merge.unite(fresh, id));
    id
}

/// A remote content is a version already. The losing local one is sent to the server as a version of its own before its
/// node is touched; the plan after that overwrites the node and deletes the extra one.
fn keep_in_history(merge: &mut Merge<'_>, rival: Rival, loser: Loser, lost: &Node) {
    if loser.side == Side::Remote {
        return note(merge, rival, None);
    }
    let inputs = merge.inputs;
    let id = inputs.naming.copy_id(loser.node, &lost.content);
    merge.ask_node(id);
    let is_known = inputs.remote.contains(id) || inputs.tombstones.contains_key(&id);
    if is_known || inputs.base.contains(id) {
        let is_spare = merge
            .target
            .get(id)
            .is_some_and(|node| names::has_same_bytes(node, lost));
        if is_spare && !inputs.local.contains(id) {
            merge.target.remove(id);
        }
        note(merge, rival, None);
        return;
    }
    merge.doubtful.insert(loser.node, Why::Archiving);
    let Some(remote) = inputs.remote.get(loser.node) else {
        return;
    };
    let mut node = Node {
        place: remote.place.clone(),
        rev: 0,
        ..lost.clone()
    };
    // It does not become what lies there, so it shares no name, not even with a copy of the same bytes.
    node.place.name = names::unused_name(merge, loser, id, &node);
    debug_assert_ne!(node.content.kind, Kind::Dir, "only leaves have rivals");
    merge.archive.push(PushOp {
        node: id,
        base_rev: 0,
        kind: PushKind::Put {
            place: node.place,
            content: node.content,
            mtime_ns: node.mtime_ns,
            size: node.size,
            bytes: Some(Source::Local(loser.node)),
            is_move: false,
        },
    });
}
