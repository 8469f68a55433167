//! Vetoes: a plan that looks like an accident is not carried out.
//!
//! `fst-client` asks between [`crate::reconcile`] and running the plan; a [`Stop`] halts the folder until a
//! person answers. Invariant: no veto depends on a clock, and moves never count as deletions.
//! Not here: finding out whether the root is there (the scan says so), asking the person.
//! Source: docs/design/sync-semantics.md, rows S-130 to S-137.

use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;

use crate::limits::{EMPTIED_FILES_MIN, MASS_DELETE_FILES, MASS_DELETE_ONE_IN};
use crate::plan::{DiskStep, Plan, PushKind, PushOp};
use crate::reconcile::Side;
use crate::tree::Tree;

/// What the scan found where the folder should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The folder that was added, with its marker.
    Present,
    /// Nothing, or something that is not a directory.
    Missing,
    /// A directory on another device or without the marker of this folder.
    Replaced,
}

/// Whether a person has agreed to what the guard would stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Nobody was asked.
    Nothing,
    /// The deletions of this plan are wanted.
    Deletions,
}

/// Why the folder stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The folder is not there: an unmounted disk, a renamed directory. Nothing is deleted anywhere.
    #[error("folder is missing")]
    RootMissing,
    /// Another directory is in its place: another disk mounted there, a restored backup.
    #[error("folder was replaced by another directory")]
    RootReplaced,
    /// The folder is there and has nothing in it, although it had files.
    #[error("folder is empty, {files} files were in it")]
    RootEmptied {
        /// Files it had when it was last in sync.
        files: usize,
    },
    /// A large part of the files would go at once.
    #[error("{gone} of {of} files would be deleted")]
    MassDelete {
        /// Side on which they would be deleted.
        side: Side,
        /// Files that would go.
        gone: usize,
        /// Files there were when last in sync.
        of: usize,
    },
}

/// The whole folder that a plan is about, as far as a veto depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// Base of at least all nodes in the plan.
    pub base: &'a Tree,
    /// Files and links in base.
    pub files: usize,
    /// Nothing that could be synced lies in the folder.
    pub is_empty: bool,
}

impl<'a> Whole<'a> {
    /// A folder whose trees are there completely.
    #[must_use]
    pub fn of(base: &'a Tree, local: &Tree) -> Self {
        let files = base
            .iter()
            .filter(|(_, node)| node.content.kind != Kind::Dir);
        Self {
            base,
            files: files.count(),
            is_empty: local.is_empty(),
        }
    }
}

/// Returns the reason not to carry out `plan`, if there is one.
///
/// # Errors
/// [`Stop`], in this order: root, emptied root, deletions on the server, deletions here.
pub fn check(plan: &Plan, whole: &Whole<'_>, root: Root, accept: Accept) -> Result<(), Stop> {
    match root {
        Root::Missing => return Err(Stop::RootMissing),
        Root::Replaced => return Err(Stop::RootReplaced),
        Root::Present => {},
    }
    match accept {
        Accept::Deletions => Ok(()),
        Accept::Nothing => check_deletions(plan, whole),
    }
}

fn check_deletions(plan: &Plan, whole: &Whole<'_>) -> Result<(), Stop> {
    let &Whole { base, files, .. } = whole;
    if whole.is_empty && files >= EMPTIED_FILES_MIN {
        return Err(Stop::RootEmptied { files });
    }
    mass(
        Side::Remote,
        plan.push.iter().filter_map(deleted_remotely),
        base,
        files,
    )?;
    mass(
        Side::Local,
        plan.steps.iter().filter_map(deleted_locally),
        base,
        files,
    )
}

fn mass(
    side: Side,
    deleted: impl Iterator<Item = NodeId>,
    base: &Tree,
    of: usize,
) -> Result<(), Stop> {
    let gone = deleted.filter(|&id| base.contains(id)).count();
    let is_mass = gone > MASS_DELETE_FILES && gone * MASS_DELETE_ONE_IN > of;
    if is_mass {
        Err(Stop::MassDelete { side, gone, of })
    } else {
        Ok(())
    }
}

fn deleted_remotely(op: &PushOp) -> Option<NodeId> {
    match op.kind {
        PushKind::Delete { is_dir: false } => Some(op.node),
        PushKind::Delete { is_dir: true } | PushKind::Put { .. } => None,
    }
}

fn deleted_locally(step: &DiskStep) -> Option<NodeId> {
    match step {
        DiskStep::Remove { node, .. } => Some(*node),
        DiskStep::MakeDir { .. }
        | DiskStep::Move { .. }
        | DiskStep::Stage { .. }
        | DiskStep::Unstage { .. }
        | DiskStep::Write { .. }
        | DiskStep::SetAttributes { .. }
        | DiskStep::RemoveDir { .. } => None,
    }
}
