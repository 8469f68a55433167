//! Carries out a restore: writes earlier contents into the folder as a user would, or somewhere else.
//!
//! Used by [`crate::past`]; works beside a running daemon, which sees ordinary edits and sends them. Invariant: in the
//! folder nothing is overwritten or removed but a content that the verified log has as a kept version of the node that
//! lies there, judged on the object actually displaced; so every restore can be undone. Order per page: stage,
//! barrier, place, barrier. Not here: which steps (`fst_engine::restore`); time and version as people say them.
//! Source: docs/design/versions.md.

use std::collections::{BTreeMap, BTreeSet};

use fst_fs::commit;
use fst_fs::vault::{FileAttrs, FileKind, StageName, Stat, Vault, VaultError};
use fst_proto::entry::Kind;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::ipc::PathProblem;
use fst_proto::path::RelPath;
use fst_proto::time::UnixMillis;

use crate::db::{Reader, RevisionRow};
use crate::error::{FolderError, chain, vault_code};
use crate::exec::{draft_tag, settled_or, swap_back_tag};
use crate::fetch::{Fetcher, Flat, Staged};
use crate::folder::Space;
use crate::remote::Remote;
use crate::scan::{content_of, hash_file, problem};
use crate::versions;

pub mod outside;

pub use fst_engine::restore::{Newer, Plan, Step};

/// Files written between two barriers: bounds what rests in the stage when a crash comes.
const PAGE_FILES_MAX: usize = 64;

/// A plan and the revisions that it takes contents from.
#[derive(Debug, Clone, Default)]
pub struct Restore {
    /// The steps.
    pub plan: Plan,
    /// Revision of each past node that a step names.
    pub sources: BTreeMap<NodeId, RevisionRow>,
}

/// What became of a restore.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// Paths that were brought back or removed.
    pub done: Vec<RelPath>,
    /// Paths that were left as they are, with the reason.
    pub problems: Vec<PathProblem>,
}

/// What a restore works on.
#[derive(Debug)]
pub struct Restorer<'a> {
    /// The folder.
    pub vault: &'a dyn Vault,
    /// Keys and ids.
    pub space: &'a Space,
    /// The server.
    pub remote: &'a dyn Remote,
    /// The folder's database.
    pub db: Reader<'a>,
    /// Becomes the modification time of what is written: a restore is an edit of now.
    pub now: UnixMillis,
}

impl Restorer<'_> {
    /// Does all steps; one that cannot be done is named and stops no other.
    ///
    /// # Errors
    /// [`FolderError`] when server, database or the whole disk fail; what was done stays done.
    pub fn run(&self, restore: &Restore) -> Result<Restored, FolderError> {
        let mut out = Restored::default();
        let (mut writes, mut removals) = (Vec::new(), Vec::new());
        for step in &restore.plan.steps {
            match step {
                Step::MakeDir { path } => self.make_dir(path, &mut out)?,
                Step::Create { past, .. } | Step::Replace { past, .. } => {
                    if let Some(source) = restore.sources.get(past) {
                        writes.push((step, source));
                    }
                },
                Step::Remove { .. } => removals.push(step),
            }
        }
        // A page of the log serves all its entries when they are asked for in its order.
        writes.sort_by_key(|(_, source)| source.idx);
        let mut fetcher = Fetcher::new(self.space, self.remote, self.db).at(self.now);
        for page in writes.chunks(PAGE_FILES_MAX) {
            self.write_page(page, &mut fetcher, &mut out)?;
        }
        for step in removals {
            let done = self.remove(step);
            note(step.path(), done, &mut out)?;
        }
        self.vault.sync_stage()?;
        Ok(out)
    }

    fn make_dir(&self, path: &RelPath, out: &mut Restored) -> Result<(), FolderError> {
        let made = match self.vault.make_dir(path) {
            Err(VaultError::Occupied { op }) => match self.vault.stat(path)? {
                Some(stat) if stat.kind == FileKind::Dir => return Ok(()),
                _ => Err(VaultError::Occupied { op }),
            },
            made => made.map(drop),
        };
        note(path, made.map_err(FolderError::from), out)
    }

    fn write_page(
        &self,
        page: &[(&Step, &RevisionRow)],
        fetcher: &mut Fetcher<'_>,
        out: &mut Restored,
    ) -> Result<(), FolderError> {
        let mut staged = Vec::new();
        for (step, source) in page {
            match self.stage(step, source, fetcher) {
                Ok(tag) => staged.push((*step, tag)),
                Err(error) => note(step.path(), Err(error), out)?,
            }
        }
        self.vault.sync_stage()?;
        for (step, tag) in staged {
            let placed = self.place(step, &tag);
            if placed.is_err() {
                // Best effort: what is ours and stays behind goes when the folder is opened next.
                self.vault.discard(&tag).unwrap_or_default();
            }
            note(step.path(), placed, out)?;
        }
        self.vault.sync_stage()?;
        Ok(())
    }

    fn stage(
        &self,
        step: &Step,
        source: &RevisionRow,
        fetcher: &mut Fetcher<'_>,
    ) -> Result<StageName, FolderError> {
        let tag = draft_tag(node_there(step).unwrap_or(source.node));
        if source.state.content.kind == Kind::Symlink {
            let mut target = Vec::new();
            fetcher.write_revision(source, &mut Flat(&mut target))?;
            self.vault.stage_link(&tag, &target)?;
            return Ok(tag);
        }
        let there = self.vault.stat(step.path())?;
        let mut file = self.vault.stage_file(&tag)?;
        fetcher.write_revision(source, &mut Staged(file.as_mut()))?;
        file.finish(FileAttrs {
            exec: source.state.content.exec,
            mtime_ns: i64::try_from(self.now.0)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000),
            like: there
                .filter(|stat| stat.kind == FileKind::File)
                .map(|stat| stat.permissions),
        })?;
        Ok(tag)
    }

    fn place(&self, step: &Step, draft: &StageName) -> Result<(), FolderError> {
        match step {
            Step::Replace { path, now, .. } => {
                let known = self.known(*now)?;
                // From here on the tag may hold something of the user: recovery must not take it for ours.
                let tag = swap_back_tag(*now);
                self.vault.retag(draft, &tag)?;
                let mut is_expected = |stat: &Stat| self.is_known(&known, stat, &tag);
                let done = commit::replace_if(self.vault, &tag, path, &mut is_expected)
                    .and_then(|outcome| settled_or(outcome, &tag));
                // Where something of the user rests at the tag it stays: recovery looks before it acts.
                let may_be_theirs = matches!(done, Err(VaultError::Displaced { .. }));
                if done.is_err() && !may_be_theirs {
                    self.vault.retag(&tag, draft).unwrap_or_default();
                }
                done?;
            },
            Step::Create { path, .. } | Step::MakeDir { path } | Step::Remove { path, .. } => {
                self.vault.place_new(draft, path)?;
            },
        }
        Ok(())
    }

    fn remove(&self, step: &Step) -> Result<(), FolderError> {
        let Step::Remove { path, now } = step else {
            return Ok(());
        };
        if self.vault.stat(path)?.map(|stat| stat.kind) == Some(FileKind::Dir) {
            return Ok(self.vault.remove_dir(path)?);
        }
        let (known, tag) = (self.known(*now)?, swap_back_tag(*now));
        let mut is_expected = |stat: &Stat| self.is_known(&known, stat, &tag);
        let outcome = commit::remove_if(self.vault, path, &tag, &mut is_expected)?;
        settled_or(outcome, &tag)?;
        Ok(())
    }

    /// Contents that can be fetched again as versions of a node.
    fn known(&self, node: NodeId) -> Result<BTreeSet<ContentId>, FolderError> {
        Ok(versions::kept(self.db, self.space, node, self.now)?)
    }

    fn is_known(
        &self,
        known: &BTreeSet<ContentId>,
        stat: &Stat,
        tag: &StageName,
    ) -> Result<bool, VaultError> {
        let keys = &self.space.keys;
        let id = match stat.kind {
            FileKind::File => hash_file(keys, self.vault.read_staged(tag)?.as_mut(), stat.size)?,
            FileKind::Symlink => content_of(keys, &self.vault.read_staged_link(tag)?),
            FileKind::Dir | FileKind::Special => return Ok(false),
        };
        Ok(known.contains(&id))
    }
}

fn node_there(step: &Step) -> Option<NodeId> {
    match step {
        Step::Replace { now, .. } | Step::Remove { now, .. } => Some(*now),
        Step::Create { .. } | Step::MakeDir { .. } => None,
    }
}

/// Keeps what became of a step; an error that concerns everything ends the restore.
fn note(
    path: &RelPath,
    done: Result<(), FolderError>,
    out: &mut Restored,
) -> Result<(), FolderError> {
    let error = match done {
        Ok(()) => {
            out.done.push(path.clone());
            return Ok(());
        },
        Err(error) => error,
    };
    let code = match &error {
        FolderError::Vault(
            VaultError::RootMissing | VaultError::RootReplaced | VaultError::NoSpace { .. },
        )
        | FolderError::Remote(_)
        | FolderError::Db(_) => return Err(error),
        FolderError::Vault(VaultError::Changed { .. } | VaultError::Occupied { .. }) => {
            ErrorCode::Unsynced
        },
        FolderError::Vault(VaultError::NotEmpty { .. } | VaultError::NotADirectory { .. }) => {
            ErrorCode::InTheWay
        },
        FolderError::Vault(other) => vault_code(other),
        FolderError::Frozen(_)
        | FolderError::Stopped(_)
        | FolderError::Sealed(_)
        | FolderError::NotDelivered(_)
        | FolderError::Pruned => error.code(),
    };
    out.problems.push(problem(path, code, &chain(&error)));
    Ok(())
}
