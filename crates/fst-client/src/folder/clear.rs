//! The clear phase: copies of what is not chosen leave the device, once the server has them.
//!
//! Runs after the pull, so that what the server has is known. Invariant: what goes is compared with the newest version
//! at the server when it is looked at, and once more, by its bytes, when it is taken; base has forgotten it before, or
//! forgets it with its removal, and nothing is sent because of it. Not here: what may go ([`fst_engine::clear`]).
//! Source: docs/design/sync-semantics.md, rows S-185 to S-187; docs/adr/0042-selective-sync.md.

use std::sync::Arc;

use fst_engine::clear::{Clearing, Copies, clear};
use fst_engine::guard::{self, Root};
use fst_engine::plan::Plan;
use fst_engine::scope::Replica as _;
use fst_engine::tree::Tree;
use fst_proto::entry::{Place, ROOT};
use fst_proto::error::ErrorCode;
use fst_proto::ids::NodeId;
use fst_proto::ipc::PathProblem;
use fst_proto::path::RelPath;

use super::Folder;
use crate::config::Mode;
use crate::db::{DbError, Remote, path_in};
use crate::error::FolderError;
use crate::exec::Applier;
use crate::ignore::Ignore;
use crate::scan::{Noted, Scanned, Scanner, problem};

/// A place on the disk that is to be cleared, and what the server has in its stead.
struct Top {
    path: RelPath,
    node: Option<NodeId>,
    /// Where that is at the server: elsewhere when it was moved there.
    there: RelPath,
    is_moved: bool,
}

impl Folder {
    /// Removes synced copies of what is not chosen; returns what is to be said about others.
    pub(super) fn clear(&mut self) -> Result<Vec<PathProblem>, FolderError> {
        if self.settings.ignore.selection().is_everything() {
            return Ok(Vec::new());
        }
        let mut said = Vec::new();
        let mut tops = self.cleared()?;
        tops.extend(self.moved_out(&mut said)?);
        for top in tops {
            let (scanned, copies) = self.copies(&top)?;
            let Clearing { plan, kept } = clear(&copies);
            if top.is_moved {
                self.guard_moved(&plan)?;
            }
            said.extend(stays(&kept));
            said.extend(self.remove_copies(&plan, &scanned)?);
        }
        Ok(said)
    }

    /// Directories that the configuration names.
    fn cleared(&self) -> Result<Vec<Top>, DbError> {
        let remote = self.db.read().remote();
        let cleared = self.settings.ignore.selection().cleared();
        let tops = cleared.map(|path| {
            Ok(Top {
                path: path.clone(),
                node: node_at(remote, path)?,
                there: path.clone(),
                is_moved: false,
            })
        });
        tops.collect()
    }

    /// What others have moved to where this device does not sync.
    fn moved_out(&self, said: &mut Vec<PathProblem>) -> Result<Vec<Top>, DbError> {
        let db = self.db.read();
        let (base, remote) = (db.base(), db.remote());
        let selection = self.settings.ignore.selection();
        let mut tops = Vec::new();
        for id in db.ahead()? {
            let (Some(was), Some(will)) = (base.node(id)?, remote.node(id)?) else {
                continue;
            };
            let (Some(path), Some(there)) = (path_in(&base, id)?, path_in(&remote, id)?) else {
                continue;
            };
            let leaves = !selection.leaves_out(&path, was.is_dir())
                && selection.leaves_out(&there, will.is_dir());
            if was.place == will.place || !leaves {
                continue;
            }
            if selection.is_named(&path) {
                let reason =
                    format!("was moved at the server to {there}, which is not chosen here");
                said.push(problem(&path, ErrorCode::ChosenMoved, &reason));
            } else if self.settings.mode != Mode::UploadOnly {
                tops.push(Top {
                    path,
                    node: Some(id),
                    there,
                    is_moved: true,
                });
            }
        }
        Ok(tops)
    }

    fn copies(&mut self, top: &Top) -> Result<(Scanned, Copies), FolderError> {
        let no_rules = Ignore::default();
        let scanner = Scanner {
            vault: self.seams.vault.as_ref(),
            keys: &self.space.keys,
            db: self.db.read(),
            ignore: &no_rules,
            now: self.seams.clock.now(),
            grain_ns: self.grain_ns,
            noted: Noted::Everything,
        };
        let mut scanned = scanner.look_below(&top.path)?;
        self.db.transaction(|tx| {
            scanned.fresh.iter().try_for_each(|row| tx.put_stat(row))?;
            let mut stale = scanned.stale.iter();
            stale.try_for_each(|key| tx.remove_stat(*key))
        })?;
        let scan = std::mem::take(&mut scanned.scan);
        let copies = self.compare_copies(top, scan)?;
        Ok((scanned, copies))
    }

    fn compare_copies(
        &self,
        top: &Top,
        scan: fst_engine::identify::Scan,
    ) -> Result<Copies, DbError> {
        let remote = self.db.read().remote();
        let selection = Arc::clone(self.settings.ignore.selection());
        let mut copies = Copies::default();
        for path in scan.keys() {
            let node = match path == &top.path {
                true => top.node,
                false => child_at(remote, &copies, path)?,
            };
            let state = node.map(|id| remote.node(id)).transpose()?.flatten();
            let is_dir = state.as_ref().is_some_and(|state| state.is_dir());
            let there = moved(path, top);
            let is_out = there.is_some_and(|there| selection.leaves_out(&there, is_dir));
            let goes = is_out && (top.is_moved || selection.clears(path));
            if !goes {
                copies.spared.insert(path.clone());
            }
            if let Some((id, state)) = node.zip(state) {
                copies.there.insert(path.clone(), (id, state.content));
            }
        }
        Ok(Copies { scan, ..copies })
    }

    /// As many removals as other deletions may be: somebody else caused them.
    fn guard_moved(&mut self, plan: &Plan) -> Result<(), FolderError> {
        let totals = self.db.read().totals()?;
        let mut base = Tree::new();
        for step in &plan.steps {
            if let Some(node) = self.db.read().base().node(step.node())? {
                base.insert(step.node(), node);
            }
        }
        let files = usize::try_from(totals.leaves).unwrap_or(usize::MAX);
        let whole = guard::Whole {
            base: &base,
            files,
            peak: self.peak.note(self.seams.clock.now(), files),
            is_empty: false,
        };
        Ok(guard::check(plan, &whole, Root::Present, self.accept)?)
    }

    fn remove_copies(
        &mut self,
        plan: &Plan,
        scanned: &Scanned,
    ) -> Result<Vec<PathProblem>, FolderError> {
        if plan.steps.is_empty() {
            return Ok(Vec::new());
        }
        self.status.note_phase("clearing what is not chosen");
        let nothing = Tree::new();
        let mut applier = Applier {
            vault: self.seams.vault.as_ref(),
            remote: self.seams.remote.as_ref(),
            space: &self.space,
            db: &mut self.db,
            // Without a look to compare with, each file is read once more when it is taken.
            local: &nothing,
            remote_tree: &nothing,
            scanned,
            has_young_dirs: self.has_young_dirs,
            early: &mut self.early,
        };
        let applied = applier.run(plan);
        self.is_recovered &= applied.as_ref().is_ok_and(|done| !done.needs_recovery);
        self.places.add_everything();
        Ok(applied?.problems)
    }
}

/// What is to be said about files that stay: one line, however many they are.
fn stays(kept: &[RelPath]) -> Option<PathProblem> {
    let code = ErrorCode::NotCleared;
    let first = kept.first()?;
    let reason = match kept.len() {
        1 => code.title().to_owned(),
        n => format!("this and {} more: {}", n - 1, code.title()),
    };
    Some(problem(first, code, &reason))
}

/// Where something at `path` below the top is at the server.
fn moved(path: &RelPath, top: &Top) -> Option<RelPath> {
    let below = path.names().get(top.path.names().len()..)?.iter();
    let mut below = below.cloned();
    below.try_fold(top.there.clone(), |at, name| at.child(name).ok())
}

fn node_at(remote: Remote<'_>, path: &RelPath) -> Result<Option<NodeId>, DbError> {
    let mut at = ROOT;
    for name in path.names() {
        let place = Place {
            parent: at,
            name: name.clone(),
        };
        match remote.namesakes(&place)?.first() {
            Some(&id) => at = id,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn child_at(
    remote: Remote<'_>,
    copies: &Copies,
    path: &RelPath,
) -> Result<Option<NodeId>, DbError> {
    let dir = path.parent().and_then(|dir| copies.there.get(&dir));
    let (Some(&(parent, _)), Some(name)) = (dir, path.name().cloned()) else {
        return Ok(None);
    };
    let place = Place { parent, name };
    Ok(remote.namesakes(&place)?.first().copied())
}
