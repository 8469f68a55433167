//! Carries out the disk steps of a plan, page by page, and moves base by what was achieved.
//!
//! [`crate::folder`] calls it with the trees the plan was made from. The stage inside the folder is the
//! journal: tags name the node, and [`recover()`] settles what a crash left there. Invariant: nothing is
//! overwritten or unlinked that is not the expected content; base of node n becomes its remote only after every
//! step of n is done and durable. Order per page: stage, barrier, place, barrier, record.
//! Not here: which steps ([`fst_engine::order`]). Source: docs/design/sync-semantics.md, docs/adr/0004.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::identify::FileKey;
use fst_engine::plan::{ConflictKind, DiskStep, Plan, Source};
use fst_engine::progress::Progress;
use fst_engine::tree::Tree;
use fst_fs::commit::{self, Outcome};
use fst_fs::vault::{AttrChange, FileAt, StageName, Stat, Vault, VaultError};
use fst_proto::entry::{Content, CopyOf, Kind};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::ipc::PathProblem;
use fst_proto::path::RelPath;

use crate::db::{Db, RemoteRow, StatRow};
use crate::error::{FolderError, chain};
use crate::fetch::{Early, Fetcher, READ_OLD};
use crate::folder::Space;
use crate::remote::Remote;
use crate::scan::{Scanned, hash_file, problem, row_of};

mod recover;
mod stage;
mod tags;

pub use recover::recover;
use tags::move_tag;
pub(crate) use tags::{draft_tag, early_tag, swap_back_tag, swap_tag};

/// Files written in one page: bounds what is unrecorded when a crash comes.
const PAGE_FILES_MAX: usize = 512;

/// Plain bytes written in one page, unless one file is larger: their objects fit one page of the server.
const PAGE_BYTES_TARGET: u64 = 7 << 20;

/// What there is of a file above this size is kept when fetching it was interrupted: more than a page of the server.
const LONG_FILE: u64 = 8 << 20;

/// What the steps work on.
#[derive(Debug)]
pub struct Applier<'a> {
    /// The folder.
    pub vault: &'a dyn Vault,
    /// The server.
    pub remote: &'a dyn Remote,
    /// Keys and ids.
    pub space: &'a Space,
    /// Local database.
    pub db: &'a mut Db,
    /// Local states that the plan was made from.
    pub local: &'a Tree,
    /// Remote states that the plan was made from.
    pub remote_tree: &'a Tree,
    /// Scan that it came from.
    pub scanned: &'a Scanned,
    /// A directory of the folder may not be on the disk yet: waiting for a file in it is not enough.
    pub has_young_dirs: bool,
    /// A file that was begun before it was committed.
    pub early: &'a mut Option<Early>,
}

/// What became of the steps.
#[derive(Debug, Default)]
pub struct Applied {
    /// Steps done.
    pub n_done: usize,
    /// Nodes with a step that was not done.
    pub failed: BTreeSet<NodeId>,
    /// Why, for status.
    pub problems: Vec<PathProblem>,
    /// Something of the user rests in the stage, or something of ours lies in the folder and not in base: recover before
    /// anything else.
    pub needs_recovery: bool,
}

/// A node whose steps are all done, and how it looks now.
struct Settled {
    node: NodeId,
    /// The object as it was left; `None` when there is none.
    stat: Option<Stat>,
    /// Content that surely goes with `stat`.
    content: Option<Content>,
}

/// A step that was done, and how it left its node.
type Done<'s> = (&'s DiskStep, Settled);

impl Applier<'_> {
    /// Runs the plan's steps in order; a failed one does not stop others that do not depend on it.
    ///
    /// # Errors
    /// [`FolderError`] when the server, the database or the whole disk fails; what was done stays done.
    pub fn run(&mut self, plan: &Plan) -> Result<Applied, FolderError> {
        let steps = &plan.steps;
        let mut left: BTreeMap<NodeId, usize> = BTreeMap::new();
        for step in steps {
            *left.entry(step.node()).or_default() += 1;
        }
        let planned = left.clone();
        let mut out = Applied::default();
        let has_copy = steps.iter().any(is_local_copy);
        let mut progress = has_copy.then(|| Progress::new(self.local.clone()));
        let mut rest = steps.as_slice();
        let mut unrecorded: Vec<Settled> = Vec::new();
        while let Some(first) = rest.first() {
            let is_write = matches!(first, DiskStep::Write { .. });
            let n = if is_write {
                self.page_len(rest)
            } else {
                run_len(rest)
            };
            let (page, tail) = rest.split_at(n);
            let done = if is_write {
                self.write_page(plan, page, progress.as_ref(), &mut out)?
            } else {
                self.small_steps(plan, page, &mut out)?
            };
            if !done.is_empty() {
                self.sync(done.iter().map(|(step, _)| file_of(step)).collect())?;
            }
            for (step, done) in done {
                out.n_done += 1;
                if let Some(progress) = &mut progress {
                    progress.follow(step);
                }
                unrecorded.extend(last_of_its_node(done, &mut left));
            }
            // Base may not pass a content that is still to be kept elsewhere.
            let is_kept = |copy: NodeId| left.get(&copy).is_none_or(|n| *n == 0);
            let (ready, later): (Vec<Settled>, Vec<Settled>) = unrecorded
                .into_iter()
                .partition(|done| plan.waits_for(done.node).all(is_kept));
            self.record(&ready)?;
            unrecorded = later;
            rest = tail;
        }
        // What was done by half is settled before a newer version makes it look like an edit of the user.
        let is_half = |(node, n): (&NodeId, &usize)| *n > 0 && planned.get(node) != Some(n);
        out.needs_recovery |= left.iter().any(is_half);
        Ok(out)
    }

    /// Notes which conflict copies this plan writes: once they are files like any others, nothing else tells.
    ///
    /// # Errors
    /// [`FolderError::Db`].
    pub fn note_copies(&mut self, plan: &Plan) -> Result<(), FolderError> {
        let base = self.db.read().base();
        let mut copies: Vec<(RelPath, ContentId, CopyOf)> = Vec::new();
        for note in &plan.conflicts {
            let is_copy = |step: &&DiskStep| Some(step.node()) == note.copy;
            let step = plan.steps.iter().find(is_copy);
            let base_rev = base.row(note.node)?.map_or(0, |row| row.node.rev);
            let node = note.node;
            if let (ConflictKind::EditEdit, Some(DiskStep::Write { path, content, .. })) =
                (note.kind, step)
            {
                copies.push((path.clone(), content.id, CopyOf { node, base_rev }));
            }
        }
        if !copies.is_empty() {
            self.db.transaction(|tx| {
                let mut copies = copies.iter();
                copies.try_for_each(|(path, content, of)| tx.put_copy_hint(path, content, *of))
            })?;
        }
        Ok(())
    }

    /// The barrier: for these files alone where that is enough, else for everything.
    fn sync(&self, files: Option<Vec<FileAt<'_>>>) -> Result<(), VaultError> {
        let files = files.filter(|_| !self.has_young_dirs);
        self.vault.sync_some(&files.unwrap_or_default())
    }

    fn page_len(&self, steps: &[DiskStep]) -> usize {
        let mut bytes = 0;
        let mut n = 0;
        for step in steps.iter().take(PAGE_FILES_MAX) {
            let DiskStep::Write { source, .. } = step else {
                break;
            };
            let tree = match source {
                Source::Local(_) | Source::Merged(_) => self.local,
                Source::Remote(_) => self.remote_tree,
            };
            bytes += tree.get(source.node()).map_or(0, |node| node.size);
            if n > 0 && bytes > PAGE_BYTES_TARGET {
                break;
            }
            n += 1;
        }
        n.max(1)
    }

    fn write_page<'s>(
        &mut self,
        plan: &Plan,
        page: &'s [DiskStep],
        progress: Option<&Progress>,
        out: &mut Applied,
    ) -> Result<Vec<Done<'s>>, FolderError> {
        let rows = self.rows(page)?;
        let mut fetcher = Fetcher::new(self.space, self.remote, self.db.read());
        fetcher.prefetch(self.unknown(page, &rows)?.into_iter())?;
        let mut early = self.early.take();
        let mut staged = Vec::new();
        for step in page {
            match self.stage(step, &rows, progress, (&mut fetcher, &mut early)) {
                Ok(tag) => staged.push((step, tag)),
                Err(error) => self.note_failure(step, error, out)?,
            }
        }
        let sketches = fetcher.take_sketches();
        *self.early = early;
        if !staged.is_empty() {
            let files = staged.iter().map(|(step, tag)| {
                let is_file = file_of(step).is_some();
                is_file.then_some(FileAt::Stage(tag))
            });
            self.sync(files.collect())?;
        }
        if !sketches.is_empty() {
            self.db.transaction(|tx| tx.put_sketches(&sketches))?;
        }
        let mut settled = Vec::new();
        for (step, tag) in staged {
            let placed = if is_waiting(plan, step, out) {
                Err(VaultError::Changed {
                    op: "keep the other content first",
                })
            } else {
                self.place(step, &tag)
            };
            match placed {
                Ok(done) => settled.push((step, done)),
                Err(error) => {
                    self.drop_own(&tag, step);
                    self.note_folded(step, &error, out);
                    self.note_failure(step, error.into(), out)?;
                },
            }
        }
        Ok(settled)
    }

    fn rows(&self, page: &[DiskStep]) -> Result<BTreeMap<NodeId, RemoteRow>, FolderError> {
        let mut rows = BTreeMap::new();
        for step in page {
            if let DiskStep::Write {
                source: Source::Remote(node),
                ..
            } = step
                && let Some(row) = self.db.read().remote_row(*node)?
            {
                rows.insert(*node, row);
            }
        }
        Ok(rows)
    }

    /// Rows whose bytes are fetched, since no old version on this disk is known well enough to help.
    fn unknown<'r>(
        &self,
        page: &[DiskStep],
        rows: &'r BTreeMap<NodeId, RemoteRow>,
    ) -> Result<Vec<&'r RemoteRow>, FolderError> {
        let mut out = Vec::new();
        for step in page {
            let DiskStep::Write {
                source: Source::Remote(node),
                path,
                content,
                expect,
                ..
            } = step
            else {
                continue;
            };
            let row = rows.get(node);
            let is_begun = |row: &&RemoteRow| {
                self.early
                    .as_ref()
                    .is_some_and(|early| early.is_of(*node, row))
            };
            if self.sources(path, content, expect.as_ref())?.is_empty() {
                out.extend(row.filter(|row| !is_begun(row)));
            }
        }
        Ok(out)
    }

    fn place(&self, step: &DiskStep, draft: &StageName) -> Result<Settled, VaultError> {
        let DiskStep::Write {
            node,
            path,
            content,
            expect,
            ..
        } = step
        else {
            return Err(VaultError::Changed { op: "place file" });
        };
        let placed = match expect {
            None => self.vault.place_new(draft, path)?,
            Some(expect) => {
                // From here on the tag may hold something of the user: recovery must not take it for ours.
                let tag = swap_tag(*node);
                self.vault.retag(draft, &tag)?;
                let mut is_expected = |stat: &Stat| self.is_expected(*node, stat, &tag, expect);
                settled_or(
                    commit::replace_if(self.vault, &tag, path, &mut is_expected)?,
                    &tag,
                )?
            },
        };
        // What somebody wrote since is not what was placed: the next scan reads it.
        let now = self
            .vault
            .stat(path)?
            .filter(|now| now.is_same_object(&placed));
        let known = now.map(|_| *content);
        Ok(Settled {
            node: *node,
            stat: Some(now.unwrap_or(placed)),
            content: known,
        })
    }

    /// Whether what came out is what the plan was made from.
    fn is_expected(
        &self,
        node: NodeId,
        stat: &Stat,
        tag: &StageName,
        expect: &Content,
    ) -> Result<bool, VaultError> {
        let is_unmoved = self.expected_stat(node).is_some_and(|seen| {
            let is_same = seen.is_same_object(stat) && seen.ctime_ns == stat.ctime_ns;
            is_same && self.scanned.is_settled(seen)
        });
        if is_unmoved {
            return Ok(true);
        }
        let id = match expect.kind {
            Kind::Symlink if stat.kind == fst_fs::vault::FileKind::Symlink => {
                crate::scan::content_of(&self.space.keys, &self.vault.read_staged_link(tag)?)
            },
            Kind::File if stat.kind == fst_fs::vault::FileKind::File => {
                let mut file = self.vault.read_staged(tag)?;
                hash_file(&self.space.keys, file.as_mut(), stat.size)?
            },
            Kind::File | Kind::Symlink | Kind::Dir => return Ok(false),
        };
        Ok(id == expect.id && (expect.kind == Kind::Symlink || stat.exec == expect.exec))
    }

    fn expected_stat(&self, node: NodeId) -> Option<&Stat> {
        self.scanned.stats.get(&self.local.path(node)?)
    }

    /// Removes a draft that was not placed; a swap tag is left to recovery, which looks before it acts.
    fn drop_own(&self, tag: &StageName, step: &DiskStep) {
        if let DiskStep::Write { .. } = step {
            // Best effort: recovery removes drafts too.
            self.vault.discard(tag).unwrap_or_default();
        }
    }

    fn small_steps<'s>(
        &mut self,
        plan: &Plan,
        steps: &'s [DiskStep],
        out: &mut Applied,
    ) -> Result<Vec<Done<'s>>, FolderError> {
        let mut settled = Vec::new();
        for step in steps {
            if is_waiting(plan, step, out) {
                out.failed.insert(step.node());
                continue;
            }
            match self.small_step(step) {
                Ok(done) => settled.push((step, done)),
                Err(error) => {
                    self.note_folded(step, &error, out);
                    self.note_failure(step, error.into(), out)?;
                },
            }
        }
        Ok(settled)
    }

    /// Says so when a place is taken by something of another name: another look would not show it.
    fn note_folded(&self, step: &DiskStep, error: &VaultError, out: &mut Applied) {
        let path = path_of(step);
        let is_listed = || {
            let entries = self.vault.list(&path.parent().unwrap_or_default());
            let mut names = entries.into_iter().flatten().map(|entry| entry.name);
            names.any(|name| name.as_ref().ok() == path.name())
        };
        if matches!(error, VaultError::Occupied { .. }) && !is_listed() {
            let reason = "this disk takes it for a name that is there";
            out.problems.push(problem(path, ErrorCode::BadName, reason));
        }
    }

    fn small_step(&self, step: &DiskStep) -> Result<Settled, VaultError> {
        let vault = self.vault;
        let settle = |node: &NodeId, stat| Settled {
            node: *node,
            stat,
            content: None,
        };
        Ok(match step {
            DiskStep::MakeDir { node, path } => settle(node, Some(vault.make_dir(path)?)),
            DiskStep::Move { node, from, to } => {
                vault.rename_new(from, to)?;
                settle(node, vault.stat(to)?)
            },
            DiskStep::Stage { node, from } => {
                vault.stage_move(from, &move_tag(*node))?;
                settle(node, None)
            },
            DiskStep::Unstage { node, to } => {
                vault.unstage_move(&move_tag(*node), to)?;
                settle(node, vault.stat(to)?)
            },
            DiskStep::SetAttributes {
                node,
                path,
                content,
                ..
            } => {
                let change = AttrChange {
                    exec: Some(content.exec),
                    mtime_ns: None,
                };
                let own = self.object_of_its_own(*node, path)?;
                let seen = own.or_else(|| self.expected_stat(*node).copied());
                let mut is_expected =
                    |stat: &Stat| Ok(seen.is_some_and(|seen| seen.is_same_object(stat)));
                let stat = vault.set_attributes(path, change, &mut is_expected)?;
                settle(node, Some(stat))
            },
            DiskStep::Remove { node, path, expect } => {
                let tag = swap_tag(*node);
                let mut is_expected = |stat: &Stat| self.is_expected(*node, stat, &tag, expect);
                settled_or(
                    commit::remove_if(vault, path, &tag, &mut is_expected)?,
                    &tag,
                )?;
                settle(node, None)
            },
            DiskStep::RemoveDir { node, path } => {
                vault.remove_dir(path)?;
                settle(node, None)
            },
            DiskStep::Write { .. } => return Err(VaultError::Changed { op: "write file" }),
        })
    }

    /// Moves base for every settled node: what the remote says has been seen and is on the disk.
    fn record(&mut self, settled: &[Settled]) -> Result<(), FolderError> {
        if settled.is_empty() {
            return Ok(());
        }
        let remote = self.remote_tree;
        let settled_before_ns = self.scanned.settled_before_ns;
        self.db.transaction(|tx| {
            for done in settled {
                let key = done.stat.map(|stat| FileKey {
                    dev: stat.dev,
                    ino: stat.ino,
                });
                match remote.get(done.node) {
                    Some(node) => tx.put_base(done.node, node, key)?,
                    None => tx.remove_base(done.node)?,
                }
                if let Some(row) = stat_row(done, settled_before_ns) {
                    tx.put_stat(&row)?;
                }
                tx.remove_body(done.node)?;
            }
            Ok(())
        })
    }

    /// A failure of one path is noted; one of the whole disk or server ends the run.
    fn note_failure(
        &self,
        step: &DiskStep,
        error: FolderError,
        out: &mut Applied,
    ) -> Result<(), FolderError> {
        let code = match &error {
            FolderError::Vault(
                VaultError::RootMissing | VaultError::RootReplaced | VaultError::NoSpace { .. },
            )
            | FolderError::Remote(_)
            | FolderError::Db(_)
            | FolderError::Frozen(_)
            | FolderError::Stopped(_) => return Err(error),
            FolderError::Vault(error) => crate::error::vault_code(error),
            FolderError::Sealed(_) | FolderError::NotDelivered(_) => ErrorCode::CannotOpen,
            FolderError::Pruned => ErrorCode::NoSuchVersion,
        };
        // A swap that was undone may leave our own file under a tag that must be free next time; a call that reports an
        // error may have placed a new entry all the same.
        let is_there = |path| matches!(self.vault.stat(path), Ok(Some(_)));
        let is_placed = |path| !is_passing(&error) && is_there(path);
        out.needs_recovery |= match step {
            DiskStep::Remove { .. } => true,
            DiskStep::Write { expect, path, .. } => expect.is_some() || is_placed(path),
            DiskStep::MakeDir { path, .. } => is_placed(path),
            _ => false,
        };
        out.failed.insert(step.node());
        // What changed meanwhile, or waits for such a thing, is planned again and is nobody's problem.
        if !is_passing(&error) {
            out.problems
                .push(problem(path_of(step), code, &chain(&error)));
        }
        Ok(())
    }
}

/// A cache line for a file we wrote, if its time lies so far in the past that any later write shows.
fn stat_row(done: &Settled, settled_before_ns: i64) -> Option<StatRow> {
    match (&done.stat, &done.content) {
        (Some(stat), Some(content))
            if content.kind == Kind::File && stat.mtime_ns < settled_before_ns =>
        {
            Some(row_of(stat, content.id))
        },
        _ => None,
    }
}

/// The bytes that a step would overwrite are kept first, or not overwritten.
fn is_waiting(plan: &Plan, step: &DiskStep, out: &Applied) -> bool {
    plan.waits_for(step.node())
        .any(|copy| out.failed.contains(&copy))
}

pub(crate) fn settled_or<T>(outcome: Outcome<T>, tag: &StageName) -> Result<T, VaultError> {
    match outcome {
        Outcome::Done(value) => Ok(value),
        Outcome::Changed => Err(VaultError::Changed {
            op: "replace or remove",
        }),
        Outcome::Displaced { cause, .. } => {
            let source = Box::new(cause.unwrap_or(VaultError::Changed { op: "put back" }));
            Err(VaultError::Displaced {
                tag: tag.clone(),
                source,
            })
        },
    }
}

fn run_len(steps: &[DiskStep]) -> usize {
    let n = steps
        .iter()
        .take_while(|step| !matches!(step, DiskStep::Write { .. }))
        .count();
    n.max(1)
}

/// A node is settled by the last of its steps.
fn last_of_its_node(done: Settled, left: &mut BTreeMap<NodeId, usize>) -> Option<Settled> {
    let n = left.get_mut(&done.node)?;
    *n -= 1;
    (*n == 0).then_some(done)
}

/// The file that this step writes: waiting for it alone waits for the step.
fn file_of(step: &DiskStep) -> Option<FileAt<'_>> {
    match step {
        DiskStep::Write { path, content, .. } if content.kind == Kind::File => {
            Some(FileAt::Folder(path))
        },
        _ => None,
    }
}

fn is_local_copy(step: &DiskStep) -> bool {
    matches!(
        step,
        DiskStep::Write {
            source: Source::Local(_),
            ..
        }
    )
}

fn is_passing(error: &FolderError) -> bool {
    matches!(
        error,
        FolderError::Vault(
            VaultError::Changed { .. }
                | VaultError::NotFound { .. }
                | VaultError::Occupied { .. }
                | VaultError::Displaced { .. }
        )
    )
}

fn path_of(step: &DiskStep) -> &RelPath {
    match step {
        DiskStep::MakeDir { path, .. }
        | DiskStep::Write { path, .. }
        | DiskStep::SetAttributes { path, .. }
        | DiskStep::Remove { path, .. }
        | DiskStep::RemoveDir { path, .. } => path,
        DiskStep::Move { to, .. } | DiskStep::Unstage { to, .. } => to,
        DiskStep::Stage { from, .. } => from,
    }
}

/// True when an old version that changed under our hands may be the reason.
fn is_doubtful(error: &FolderError) -> bool {
    match error {
        FolderError::Sealed(_) => true,
        FolderError::Vault(VaultError::Io { op, .. }) => *op == READ_OLD,
        _ => false,
    }
}

pub(crate) fn ignore_missing(error: VaultError) -> Result<(), VaultError> {
    match error {
        VaultError::NotFound { .. } => Ok(()),
        other => Err(other),
    }
}
