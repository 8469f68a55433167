//! Vetoes: a plan that looks like an accident is not carried out.
//!
//! `fst-client` asks between [`crate::reconcile`] and running the plan; a [`Stop`] halts the folder until a
//! person answers. Invariant: the only time that counts is that of deletions gone before, and moves never count as
//! deletions.
//! Not here: finding out whether the root is there (the scan says so), asking the person.
//! Source: docs/design/sync-semantics.md, rows S-130 to S-138.

use std::collections::VecDeque;

use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;
use fst_proto::time::UnixMillis;

use crate::limits::{
    EMPTIED_FILES_MIN, MASS_DELETE_FILES, MASS_DELETE_ONE_IN, MASS_DELETE_WINDOW_MS,
};
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
    /// A large part of the files would go at once, or little by little in a short time.
    #[error("{gone} of {of} files would be deleted")]
    MassDelete {
        /// Side on which they would be deleted.
        side: Side,
        /// Files that would be gone.
        gone: usize,
        /// Files there were before.
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
    /// The most that were in base lately: [`Peak::note`].
    pub peak: usize,
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
        let files = files.count();
        Self {
            base,
            files,
            peak: files,
            is_empty: local.is_empty(),
        }
    }
}

/// How many files a folder had at the most within [`MASS_DELETE_WINDOW_MS`]; deletions that trickle in are seen by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peak {
    /// Since when there were how many files, the numbers falling from first to last.
    falling: VecDeque<(UnixMillis, usize)>,
}

impl Peak {
    /// Of numbers closer together than this only first and last are kept, so that the window holds few of them.
    const STEP_MS: u64 = MASS_DELETE_WINDOW_MS / 64;

    /// Notes how many files there are now, and returns the most of the window.
    pub fn note(&mut self, now: UnixMillis, files: usize) -> usize {
        let age_ms = |at: UnixMillis| now.0.saturating_sub(at.0);
        // The first stands until the second does.
        while self
            .falling
            .get(1)
            .is_some_and(|&(at, _)| age_ms(at) >= MASS_DELETE_WINDOW_MS)
        {
            self.falling.pop_front();
        }
        while self.falling.back().is_some_and(|&(_, most)| most < files) {
            self.falling.pop_back();
        }
        if self.falling.back().is_none_or(|&(_, most)| most != files) {
            let before_last = self.falling.iter().rev().nth(1);
            if before_last.is_some_and(|&(at, _)| age_ms(at) < Self::STEP_MS) {
                self.falling.pop_back();
            }
            self.falling.push_back((now, files));
        }
        self.falling.front().map_or(files, |&(_, most)| most)
    }

    /// Forgets what is gone: a person has agreed to it.
    pub fn forget(&mut self) {
        self.falling.clear();
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
    let files = whole.files;
    if whole.is_empty && files >= EMPTIED_FILES_MIN {
        return Err(Stop::RootEmptied { files });
    }
    let there = plan.push.iter().filter_map(deleted_remotely);
    mass(Side::Remote, there, whole)?;
    let here = plan.steps.iter().filter_map(deleted_locally);
    mass(Side::Local, here, whole)
}

fn mass(side: Side, deleted: impl Iterator<Item = NodeId>, whole: &Whole<'_>) -> Result<(), Stop> {
    let next = deleted.filter(|&id| whole.base.contains(id)).count();
    let of = whole.peak.max(whole.files);
    let gone = of - whole.files + next;
    let is_mass = gone > MASS_DELETE_FILES && gone * MASS_DELETE_ONE_IN > of;
    if next > 0 && is_mass {
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
