//! Says of every node that a plan concerns what happens to it and by which row.
//!
//! Called by [`super::explain`] alone, so a plan that nobody asks about pays nothing. Invariant: every node with a
//! step, an operation, an adoption or a hold has exactly one reason, and no other node has one.
//! Not here: decisions; they were made by the phases whose result is read here.
//! Source: docs/design/sync-semantics.md.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Kind, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::PRIVATE_DIR;

use super::hold::Held;
use super::merge::{Merge, is_same};
use super::{Backup, Direction, Strategy};
use crate::plan::{ConflictKind, DiskStep, Plan, PushKind, Why};
use crate::row::Row;
use crate::tree::Node;

/// What is done with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Its bytes or its directory go to the server.
    Upload,
    /// Its bytes or its directory come from the server.
    Download,
    /// It gets another place, here or there.
    Move,
    /// It is removed, here or there.
    Delete,
    /// Executable bit or time are set.
    Attributes,
    /// Both sides are equal; base follows.
    Adopt,
    /// It is left alone.
    Hold,
}

/// Which side a reason changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The server.
    Up,
    /// The folder.
    Down,
    /// Both.
    Both,
    /// Neither.
    Neither,
}

/// Why a plan concerns a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The node, under its id after [`Plan::united`].
    pub node: NodeId,
    /// Which side changes.
    pub way: Way,
    /// What is done.
    pub action: Action,
    /// The row that decides.
    pub row: Row,
}

pub(super) fn of(merge: &Merge<'_>, held: &Held, plan: &Plan) -> Vec<Reason> {
    let mut told = BTreeMap::new();
    for held in &plan.held {
        told.insert(held.node, (Way::Neither, Action::Hold));
    }
    for &node in &plan.adopt {
        told.entry(node).or_insert((Way::Neither, Action::Adopt));
    }
    for step in &plan.steps {
        tell(&mut told, step.node(), Way::Down, of_step(step));
    }
    for op in &plan.push {
        tell(&mut told, op.node, Way::Up, of_push(&op.kind));
    }
    let facts = Facts::new(merge, held, plan);
    let told = told.into_iter();
    told.map(|(node, (way, action))| Reason {
        node,
        way,
        action,
        row: facts.row(node),
    })
    .collect()
}

/// Adds what one step or operation does; of several the one that says most is told.
fn tell(told: &mut BTreeMap<NodeId, (Way, Action)>, node: NodeId, way: Way, action: Action) {
    let entry = told.entry(node).or_insert((way, action));
    let is_new = entry.0 == Way::Neither;
    entry.1 = if is_new { action } else { entry.1.min(action) };
    entry.0 = if is_new || entry.0 == way {
        way
    } else {
        Way::Both
    };
}

fn of_step(step: &DiskStep) -> Action {
    match step {
        DiskStep::MakeDir { .. } | DiskStep::Write { .. } => Action::Download,
        DiskStep::Move { .. } | DiskStep::Stage { .. } | DiskStep::Unstage { .. } => Action::Move,
        DiskStep::SetAttributes { .. } => Action::Attributes,
        DiskStep::Remove { .. } | DiskStep::RemoveDir { .. } => Action::Delete,
    }
}

fn of_push(kind: &PushKind) -> Action {
    match kind {
        PushKind::Put { bytes: Some(_), .. } => Action::Upload,
        PushKind::Put { is_move: true, .. } => Action::Move,
        PushKind::Put { content, .. } if content.kind == Kind::Dir => Action::Upload,
        PushKind::Put { .. } => Action::Attributes,
        PushKind::Delete { .. } => Action::Delete,
    }
}

/// What the phases found out, by node.
struct Facts<'a> {
    merge: &'a Merge<'a>,
    held: &'a Held,
    noted: BTreeMap<NodeId, Row>,
    united: BTreeSet<NodeId>,
}

impl<'a> Facts<'a> {
    fn new(merge: &'a Merge<'a>, held: &'a Held, plan: &Plan) -> Self {
        let mut noted = BTreeMap::new();
        for note in &plan.conflicts {
            let row = of_conflict(merge, note.kind, note.node, note.local_won);
            let renamed = note.copy.filter(|_| note.kind == ConflictKind::SameName);
            noted.entry(renamed.unwrap_or(note.node)).or_insert(row);
        }
        for (&copy, source) in &merge.copies {
            if let Some(&row) = noted.get(&source.node()) {
                noted.insert(copy, row);
            }
        }
        let united = plan.united.iter().map(|(_, node)| *node).collect();
        Self {
            merge,
            held,
            noted,
            united,
        }
    }

    fn row(&self, id: NodeId) -> Row {
        let inputs = self.merge.inputs;
        let (base, local, remote) = (
            inputs.base.get(id),
            self.merge.local.get(id),
            inputs.remote.get(id),
        );
        if let Some(&why) = self.held.get(&id) {
            return self.of_held(id, why);
        }
        if self.merge.archive.iter().any(|op| op.node == id) {
            return Row::LoserGoesToHistory;
        }
        if let Some(&row) = self.noted.get(&id) {
            return row;
        }
        if self.united.contains(&id) {
            let is_leaf = self.merge.is_leaf(id);
            return if is_leaf {
                Row::UnitedLeaf
            } else {
                Row::UnitedDirectory
            };
        }
        match inputs.policy.direction {
            Direction::TwoWay => self.two_way(id, base, [local, remote]),
            _ if is_same(local, remote) => of_equal(base, remote),
            Direction::UploadOnly => Row::UploadOnlySent,
            Direction::DownloadOnly => Row::DownloadOnlyTaken,
        }
    }

    fn of_held(&self, id: NodeId, why: Why) -> Row {
        let inputs = self.merge.inputs;
        let (base, local, remote) = (
            inputs.base.get(id),
            inputs.local.get(id),
            inputs.remote.get(id),
        );
        match why {
            Why::Frozen => Row::Unreadable,
            Why::Ignored if local.is_some() => Row::IgnoredHere,
            Why::Ignored if base.is_some() => Row::MovedOutOfView,
            Why::Ignored => Row::IgnoredAndAway,
            Why::Blocked => Row::NameOccupied,
            Why::OneWay => match inputs.policy.direction {
                Direction::DownloadOnly => Row::DownloadOnlyLeft,
                _ if is_same(base, local) => Row::UploadOnlyLeft,
                Direction::UploadOnly | Direction::TwoWay => Row::UploadOnlyBoth,
            },
            Why::Malformed => self.of_malformed(local, remote),
            Why::Archiving => Row::LoserGoesToHistory,
            Why::Dependent if remote.is_none() && inputs.local.is_dir(id) => Row::DirectoryNotEmpty,
            Why::Dependent => Row::InTheWay,
        }
    }

    fn of_malformed(&self, local: Option<&Node>, remote: Option<&Node>) -> Row {
        let kinds = local
            .zip(remote)
            .map(|(l, r)| (l.content.kind, r.content.kind));
        let is_private = |node: &Node| {
            node.place.parent == ROOT && node.place.name.as_bytes() == PRIVATE_DIR.as_bytes()
        };
        let has_dir = |node: &Node| self.merge.inputs.remote.is_dir(node.place.parent);
        match (kinds, remote) {
            (Some((here, there)), _) if here != there => Row::OtherKind,
            (_, Some(node)) if is_private(node) => Row::ReservedName,
            (_, Some(node)) if !has_dir(node) => Row::NoDirectory,
            (_, Some(_) | None) => Row::DirectoryCycle,
        }
    }

    fn two_way(&self, id: NodeId, base: Option<&Node>, [local, remote]: [Option<&Node>; 2]) -> Row {
        match (base, local, remote) {
            (_, None, None) => Row::GoneOnBoth,
            (None, Some(_), None) => Row::OnlyHere,
            (None, None, Some(_)) => Row::OnlyThere,
            (None, Some(here), Some(there)) if here.content.id == there.content.id => {
                Row::AddedAlike
            },
            (None, Some(_), Some(_)) => Row::AddedApart,
            (Some(_), None, Some(_)) if self.stays(id) => self.of_survivor(id),
            (Some(_), Some(_), None) if self.stays(id) => self.of_survivor(id),
            (Some(_), None, Some(_)) => Row::DeletedHere,
            (Some(_), Some(_), None) => Row::DeletedThere,
            (Some(base), Some(local), Some(remote)) => of_all(base, local, remote),
        }
    }

    fn stays(&self, id: NodeId) -> bool {
        self.merge.target.contains(id)
    }

    /// Unchanged, deleted on one side, and kept all the same.
    fn of_survivor(&self, id: NodeId) -> Row {
        let is_carried = self.merge.waits.iter().any(|(_, other)| *other == id);
        if is_carried {
            Row::SavedByMove
        } else {
            Row::DirectoryComesBack
        }
    }
}

fn of_equal(base: Option<&Node>, now: Option<&Node>) -> Row {
    match (base, now) {
        (_, None) => Row::GoneOnBoth,
        (None, Some(_)) => Row::AddedAlike,
        (Some(base), Some(now)) if is_same(Some(base), Some(now)) => Row::OtherTimeOnly,
        (Some(_), Some(_)) => Row::ChangedAlike,
    }
}

fn of_conflict(merge: &Merge<'_>, kind: ConflictKind, id: NodeId, local_won: bool) -> Row {
    let inputs = merge.inputs;
    let policy = inputs.policy;
    match kind {
        ConflictKind::Merged => Row::BothMerged,
        ConflictKind::EditEdit if policy.backup == Backup::HistoryOnly => Row::LoserInHistory,
        ConflictKind::EditEdit if policy.strategy == Strategy::Oldest => Row::OldestWins,
        ConflictKind::EditEdit if is_link(merge, id) => Row::LinkConflict,
        ConflictKind::EditEdit if local_won => Row::LocalEditWins,
        ConflictKind::EditEdit => Row::RemoteEditWins,
        ConflictKind::EditDelete => {
            let kept = merge.target.get(id).map(|node| node.content.id);
            let is_bit_only = kept == inputs.base.get(id).map(|node| node.content.id);
            match (is_bit_only, local_won) {
                (true, _) => Row::BitAgainstDelete,
                (false, true) => Row::EditedHereDeletedThere,
                (false, false) => Row::DeletedHereEditedThere,
            }
        },
        ConflictKind::MoveMove => Row::MovedApart,
        ConflictKind::MoveDelete => Row::MovedAgainstDelete,
        ConflictKind::SameName if merge.is_leaf(id) => Row::NameTaken,
        ConflictKind::SameName => Row::DirectoryKeepsName,
        ConflictKind::MoveCycle => Row::MoveUndone,
    }
}

fn is_link(merge: &Merge<'_>, id: NodeId) -> bool {
    let node = merge.target.get(id);
    node.is_some_and(|node| node.content.kind == Kind::Symlink)
}

/// What differs between two states of one node.
struct Change {
    place: bool,
    bytes: bool,
    bit: bool,
}

impl Change {
    fn between(one: &Node, other: &Node) -> Self {
        Self {
            place: one.place != other.place,
            bytes: one.content.id != other.content.id,
            bit: one.content.exec != other.content.exec,
        }
    }

    fn is_none(&self) -> bool {
        !(self.place || self.bytes || self.bit)
    }
}

fn of_all(base: &Node, local: &Node, remote: &Node) -> Row {
    let (here, there) = (Change::between(base, local), Change::between(base, remote));
    match (here.is_none(), there.is_none()) {
        (true, true) if base == remote => Row::Nothing,
        (true, true) => Row::OtherTimeOnly,
        (false, true) => of_one(&here, base, [Row::MovedHere, Row::ChangedHere]),
        (true, false) => of_one(&there, base, [Row::MovedThere, Row::ChangedThere]),
        (false, false) if is_same(Some(local), Some(remote)) => Row::ChangedAlike,
        (false, false) if here.place != there.place => Row::MovedAndEdited,
        (false, false) => Row::BytesAndBit,
    }
}

fn of_one(change: &Change, base: &Node, [moved, edited]: [Row; 2]) -> Row {
    match (change.bytes, change.place) {
        (true, _) if base.content.kind == Kind::Symlink => Row::LinkChanged,
        (true, _) => edited,
        (false, true) => moved,
        (false, false) => Row::BitChanged,
    }
}
