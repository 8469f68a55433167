//! A plan: what has to happen so that base, local and remote become one.
//!
//! [`crate::reconcile`] makes it, [`crate::guard`] may veto it, `fst-client::exec` carries it out. Every
//! step names what it expects to find; if that is not there at the last moment, the step is not done
//! and its path is planned again. Invariant: equal inputs give an equal, equally ordered plan.

use fst_proto::entry::{Content, Place};
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

/// Where the bytes of a file come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The local file of this node, at the path it has when the step or operation runs.
    Local(NodeId),
    /// The remote version of this node.
    Remote(NodeId),
    /// The clean merge of both versions of this node; only ever sent, the folder gets it as any remote version.
    Merged(NodeId),
}

impl Source {
    /// Node whose bytes these are.
    #[must_use]
    pub fn node(self) -> NodeId {
        let (Self::Local(node) | Self::Remote(node) | Self::Merged(node)) = self;
        node
    }
}

/// One change of the local folder. Paths are those at the moment the step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskStep {
    /// Makes a directory where nothing is.
    MakeDir {
        /// Node that comes to be.
        node: NodeId,
        /// Its path.
        path: RelPath,
    },
    /// Renames; nothing may lie at `to`.
    Move {
        /// Node that moves.
        node: NodeId,
        /// Where it is.
        from: RelPath,
        /// Where it goes.
        to: RelPath,
    },
    /// Moves a node aside into staging, to break a cycle of renames; a later `Unstage` brings it back.
    Stage {
        /// Node that moves.
        node: NodeId,
        /// Where it is.
        from: RelPath,
    },
    /// Brings a staged node to its place; nothing may lie at `to`.
    Unstage {
        /// Node that moves.
        node: NodeId,
        /// Where it goes.
        to: RelPath,
    },
    /// Writes a file or link with the bytes, mode and time of `source`.
    Write {
        /// Node whose bytes these become.
        node: NodeId,
        /// Its path.
        path: RelPath,
        /// Where the bytes come from.
        source: Source,
        /// Kind, bytes and mode to write.
        content: Content,
        /// Modification time to set.
        mtime_ns: i64,
        /// What lies there now and may be displaced; `None` when nothing may lie there.
        expect: Option<Content>,
    },
    /// Sets executable bit and modification time; the bytes stay.
    SetAttributes {
        /// Node concerned.
        node: NodeId,
        /// Its path.
        path: RelPath,
        /// Bytes that must lie there, and the executable bit to set.
        content: Content,
        /// Modification time to set.
        mtime_ns: i64,
    },
    /// Removes a file or link that holds exactly `expect`.
    Remove {
        /// Node that goes.
        node: NodeId,
        /// Its path.
        path: RelPath,
        /// What must lie there.
        expect: Content,
    },
    /// Removes a directory if it is empty.
    RemoveDir {
        /// Node that goes.
        node: NodeId,
        /// Its path.
        path: RelPath,
    },
}

impl DiskStep {
    /// Node this step is about.
    #[must_use]
    pub fn node(&self) -> NodeId {
        match self {
            Self::MakeDir { node, .. }
            | Self::Move { node, .. }
            | Self::Stage { node, .. }
            | Self::Unstage { node, .. }
            | Self::Write { node, .. }
            | Self::SetAttributes { node, .. }
            | Self::Remove { node, .. }
            | Self::RemoveDir { node, .. } => *node,
        }
    }
}

/// What a push operation does to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushKind {
    /// Creates the node, brings it back, or gives it a new place, content or attributes.
    Put {
        /// New place.
        place: Place,
        /// New kind, bytes and mode.
        content: Content,
        /// New modification time.
        mtime_ns: i64,
        /// New size in bytes.
        size: u64,
        /// Where the bytes are, when they differ from the remote version of this node.
        bytes: Option<Source>,
        /// True when the place changes against a live remote node, or the node comes back to life.
        is_move: bool,
    },
    /// Deletes the node.
    Delete {
        /// True for a directory.
        is_dir: bool,
    },
}

/// One operation for the server, conditional on the revision its author had seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOp {
    /// Node concerned.
    pub node: NodeId,
    /// Revision that this replaces; 0 for a node the server never had.
    pub base_rev: u64,
    /// What to do.
    pub kind: PushKind,
}

/// Why two sides could not simply be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConflictKind {
    /// Both sides changed the bytes.
    EditEdit,
    /// Both sides changed the bytes, and a clean merge holds both changes; nothing is open.
    Merged,
    /// One side edited what the other deleted; the edit stays.
    EditDelete,
    /// Both sides gave the node a different place; one place wins.
    MoveMove,
    /// One side moved what the other deleted; the move stays.
    MoveDelete,
    /// Two nodes wanted one name; one is renamed.
    SameName,
    /// Two moves would have put directories into each other; one is undone.
    MoveCycle,
}

/// A conflict that was met and settled, for history, status and `fst conflicts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictNote {
    /// What kind.
    pub kind: ConflictKind,
    /// Node that keeps its name.
    pub node: NodeId,
    /// Node that holds the other content, when both were kept.
    pub copy: Option<NodeId>,
    /// True when the local side won.
    pub local_won: bool,
}

/// Why a node is left as it is on both sides for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The local entry cannot be read or is of a kind that is not synced.
    Frozen,
    /// A rule says that it is not synced on this device.
    Ignored,
    /// Something that is not synced has the name on disk.
    Blocked,
    /// The folder syncs in one direction and this change is against it.
    OneWay,
    /// The remote tree cannot be right here: no parent, a cycle, another kind, a reserved name.
    Malformed,
    /// The losing content goes into version history first.
    Archiving,
    /// Another held node is in the way.
    Dependent,
}

/// A node with a difference that this plan leaves alone, for status and `fst status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldNode {
    /// Node concerned.
    pub node: NodeId,
    /// What holds it.
    pub why: Why,
}

/// Everything to do for one folder now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Fresh local ids that turned out to be another node: `(fresh, node)`. Rename them in the local
    /// tree ([`crate::tree::Tree::rename`]) before anything else; the rest of the plan uses `node`.
    pub united: Vec<(NodeId, NodeId)>,
    /// Nodes whose local and remote states agree: base becomes the remote state (or forgets the node).
    pub adopt: Vec<NodeId>,
    /// Changes of the local folder, in an order in which each finds what it needs.
    pub steps: Vec<DiskStep>,
    /// Operations for the server, parents before children, deletes last.
    pub push: Vec<PushOp>,
    /// Conflicts met.
    pub conflicts: Vec<ConflictNote>,
    /// Differences left alone for now, sorted by node.
    pub held: Vec<HeldNode>,
    /// Pairs `(node, other)`, sorted: a conflict and its copy, a moved directory and what survives in it.
    ///
    /// As long as a step of `other` is not done, base of `node` must not move and `node` must not be pushed; if
    /// a step of `other` failed, no later step of `node` may be done. Otherwise what has to be kept is lost.
    pub waits: Vec<(NodeId, NodeId)>,
}

impl Plan {
    /// True when there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.adopt.is_empty() && self.steps.is_empty() && self.push.is_empty()
    }

    /// Nodes whose steps must be done before `node` counts as done: see [`Plan::waits`].
    pub fn waits_for(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let from = self.waits.partition_point(|(waiting, _)| *waiting < node);
        let own = self.waits[from..]
            .iter()
            .take_while(move |(waiting, _)| *waiting == node);
        own.map(|(_, other)| *other)
    }
}
