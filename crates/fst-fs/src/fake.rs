//! A vault in memory: the same contract, a clock of its own, a user to interfere, and faults on order.
//!
//! For tests and simulations; clones are the same vault. Parts: `tree` (inodes), `user` (what the user
//! does), `faults` (what goes wrong), `handle` (open files).
//! Invariant: equal calls in equal order give equal results; nothing here reads a clock or randomness.
//! Not here: anything that only a real disk can show (permissions of others, mounts, writeback errors).
//! Source: docs/design/sync-semantics.md.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fst_proto::path::{Name, RelPath};

use self::faults::{BARRIER, Faults};
use self::handle::{FakeRead, FakeStaged};
use self::tree::{DEV, Data, Ino, Node, ROOT, STAGE, Spot, Tree, denied};
use crate::error::{Result, VaultError};
use crate::name::{RawName, StageName};
use crate::probe::Abilities;
use crate::vault::{
    AttrChange, DirEntry, FileAt, Held, IsExpected, LockGuard, ReadFile, RootIdentity, StagedEntry,
    StagedFile, Stat, Vault,
};

mod faults;
mod handle;
mod tree;
mod user;

pub use faults::{Killed, PowerCut, RootState};
pub use tree::FakeOptions;
pub use user::{FakeEntry, UserFile};

/// One folder in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct FakeVault {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    tree: Tree,
    /// The tree as of the last barrier.
    synced: Tree,
    marker: Option<Vec<u8>>,
    lock_holder: Option<u64>,
    n_locks: u64,
    faults: Faults,
}

impl Default for FakeVault {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeVault {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(FakeOptions::default())
    }

    /// An empty folder on a file system that behaves as told.
    #[must_use]
    pub fn with_options(options: FakeOptions) -> Self {
        let tree = Tree::new(options);
        let synced = tree.clone();
        let faults = Faults::default();
        let state = State {
            tree,
            synced,
            marker: None,
            lock_holder: None,
            n_locks: 0,
            faults,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call that only looks.
    fn look<T>(&self, op: &'static str, look: impl FnOnce(&Tree) -> Result<T>) -> Result<T> {
        let mut state = self.lock_state();
        state.faults.count_look(op)?;
        look(&state.tree)
    }

    /// Runs a call that changes the tree.
    fn mutate<T>(
        &self,
        op: &'static str,
        change: impl FnOnce(&mut Tree) -> Result<T>,
    ) -> Result<T> {
        self.mutate_state(op, |state| change(&mut state.tree))
    }

    /// Runs a changing call: counts it, lets the user interfere, lets planned faults happen.
    fn mutate_state<T>(
        &self,
        op: &'static str,
        change: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        let (n, interferences) = self.lock_state().faults.begin_call();
        for interfere in interferences {
            interfere(self);
        }
        let mut state = self.lock_state();
        let admitted = state.faults.admit(n, op);
        if state.faults.take_kill() {
            drop(state);
            Killed::strike();
        }
        admitted?;
        let done = change(&mut state)?;
        state.faults.answer(n, op)?;
        Ok(done)
    }

    fn open(&self, op: &'static str, spot: impl FnOnce(&Tree) -> Result<Spot>) -> Result<FakeRead> {
        let mut state = self.lock_state();
        state.faults.count_look(op)?;
        let spot = spot(&state.tree)?;
        let ino = state.tree.readable_file(&spot, op)?;
        state.tree.inode_mut(ino).n_open += 1;
        Ok(FakeRead::new(self.clone(), ino))
    }

    /// Gives back one count of `n_open`.
    fn close(&self, ino: Ino) {
        let mut state = self.lock_state();
        // After a power cut the inode may not exist any more.
        if state.tree.has(ino) {
            let n_open = &mut state.tree.inode_mut(ino).n_open;
            *n_open = n_open.saturating_sub(1);
            state.tree.forget_if_unused(ino);
        }
    }

    /// Gives back one count of `n_writers`.
    fn close_writer(&self, ino: Ino) {
        let mut state = self.lock_state();
        if state.tree.has(ino) {
            let n_writers = &mut state.tree.inode_mut(ino).n_writers;
            *n_writers = n_writers.saturating_sub(1);
        }
    }

    /// A crashed process removes nothing.
    fn remove_unfinished(&self, spot: &Spot, ino: Ino) {
        let mut state = self.lock_state();
        if !state.faults.is_crashed() && state.tree.find(spot) == Some(ino) {
            // It is a file and it is there, so nothing can refuse.
            drop(state.tree.unlink(spot, "remove unfinished file"));
        }
    }
}

fn files_at(tree: &Tree, files: &[FileAt<'_>]) -> Result<Vec<(Spot, Ino)>> {
    let find = |file: &FileAt<'_>| {
        let spot = match file {
            FileAt::Stage(tag) => staged(tag),
            FileAt::Folder(path) => tree.spot(path, BARRIER)?,
        };
        let ino = tree.readable_file(&spot, BARRIER)?;
        Ok((spot, ino))
    };
    files.iter().map(find).collect()
}

fn staged(tag: &StageName) -> Spot {
    Spot {
        dir: STAGE,
        name: tag.as_str().as_bytes().to_vec(),
    }
}

/// The look of a moved object with the `ctime_ns` that it had before.
fn as_before(tree: &Tree, ino: Ino, before: &Stat) -> Stat {
    Stat {
        ctime_ns: before.ctime_ns,
        ..tree.stat(ino)
    }
}

impl Vault for FakeVault {
    fn root_identity(&self) -> Result<RootIdentity> {
        let state = self.lock_state();
        state.faults.admit_look("look at the folder")?;
        match state.faults.root {
            RootState::Present | RootState::ReadOnly => Ok(RootIdentity {
                dev: DEV,
                ino: ROOT,
            }),
            RootState::Missing => Err(VaultError::RootMissing),
            RootState::Replaced => Err(VaultError::RootReplaced),
        }
    }

    fn abilities(&self) -> Result<Abilities> {
        self.look("probe file system", |tree| {
            Ok(Abilities {
                can_exchange: true,
                can_rename_new: true,
                folds_case: tree.options.folds_case,
                folds_unicode: false,
                keeps_raw_names: true,
                has_symlinks: true,
                has_exec: true,
                mtime_grain_ns: tree.options.mtime_grain_ns.max(1),
            })
        })
    }

    fn stat(&self, path: &RelPath) -> Result<Option<Stat>> {
        self.look("look at path", |tree| {
            if path.is_root() {
                return Ok(Some(tree.stat(ROOT)));
            }
            match tree.spot(path, "look at path") {
                Ok(spot) => Ok(tree.find(&spot).map(|ino| tree.stat(ino))),
                Err(VaultError::NotFound { .. } | VaultError::NotADirectory { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn list(&self, dir: &RelPath) -> Result<Vec<DirEntry>> {
        const OP: &str = "list directory";
        self.look(OP, |tree| {
            let ino = tree.dir(dir.names(), OP)?;
            if !tree.inode(ino).is_readable {
                return Err(denied(OP));
            }
            let entry = |(name, ino): (Vec<u8>, Ino)| DirEntry {
                name: Name::new(&name).map_err(|_| RawName(name.into())),
                stat: Ok(tree.stat(ino)),
            };
            Ok(tree.list(ino).into_iter().map(entry).collect())
        })
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>> {
        const OP: &str = "read link";
        self.look(OP, |tree| tree.link_text(&tree.spot(path, OP)?, OP))
    }

    fn open_read(&self, path: &RelPath) -> Result<Box<dyn ReadFile>> {
        const OP: &str = "open file";
        if path.is_root() {
            return Err(VaultError::Special { op: OP });
        }
        Ok(Box::new(self.open(OP, |tree| tree.spot(path, OP))?))
    }

    fn stage_file(&self, tag: &StageName) -> Result<Box<dyn StagedFile>> {
        const OP: &str = "create staged file";
        let ino = self.mutate(OP, |tree| {
            let ino = tree.create(&staged(tag), Node::File(Data::default()), OP)?;
            tree.inode_mut(ino).n_open += 1;
            Ok(ino)
        })?;
        Ok(Box::new(FakeStaged::new(self.clone(), tag.clone(), ino)))
    }

    fn stage_link(&self, tag: &StageName, target: &[u8]) -> Result<Stat> {
        const OP: &str = "make staged link";
        self.mutate(OP, |tree| {
            let ino = tree.create(&staged(tag), Node::Symlink(target.to_vec()), OP)?;
            Ok(tree.stat(ino))
        })
    }

    fn copy_to_stage(&self, from: &RelPath, tag: &StageName) -> Result<Stat> {
        const OP: &str = "copy to stage";
        self.mutate(OP, |tree| {
            let from = tree.readable_file(&tree.spot(from, OP)?, OP)?;
            let source = tree.inode(from).clone();
            let ino = tree.create(&staged(tag), source.node, OP)?;
            tree.set(ino, source.permissions, Some(source.mtime_ns));
            tree.inode_mut(ino).is_unsynced = true;
            Ok(tree.stat(ino))
        })
    }

    fn sync_stage(&self) -> Result<()> {
        let done = self.mutate_state(BARRIER, |state| {
            for inode in state.tree.inodes_mut() {
                inode.is_unsynced = false;
            }
            state.synced = state.tree.clone();
            state.synced.empty_doomed();
            Ok(())
        });
        let mut state = self.lock_state();
        if done.is_err() && !state.faults.is_crashed() {
            state.tree.doom_unsynced();
        }
        done
    }

    fn sync_files(&self, files: &[FileAt<'_>]) -> Result<()> {
        let done = self.mutate_state(BARRIER, |state| {
            for (spot, ino) in files_at(&state.tree, files)? {
                state.tree.inode_mut(ino).is_unsynced = false;
                state.synced.keep(&state.tree, &spot, ino);
            }
            Ok(())
        });
        let mut state = self.lock_state();
        if matches!(done, Err(VaultError::Io { .. })) && !state.faults.is_crashed() {
            for (_, ino) in files_at(&state.tree, files)? {
                state.tree.doom(ino);
            }
        }
        done
    }

    fn place_new(&self, tag: &StageName, to: &RelPath) -> Result<Stat> {
        const OP: &str = "move into place";
        self.mutate(OP, |tree| {
            let to = tree.spot(to, OP)?;
            let ino = tree.rename(&staged(tag), &to, OP)?;
            Ok(tree.stat(ino))
        })
    }

    fn exchange(&self, tag: &StageName, to: &RelPath) -> Result<Stat> {
        const OP: &str = "swap with stage";
        self.mutate(OP, |tree| {
            let to = tree.spot(to, OP)?;
            let before = tree.stat(tree.found(&to, OP)?);
            let ino = tree.exchange(&staged(tag), &to, OP)?;
            Ok(as_before(tree, ino, &before))
        })
    }

    fn stage_move(&self, from: &RelPath, tag: &StageName) -> Result<Stat> {
        const OP: &str = "move to stage";
        self.mutate(OP, |tree| {
            let from = tree.spot(from, OP)?;
            let before = tree.stat(tree.found(&from, OP)?);
            let ino = tree.rename(&from, &staged(tag), OP)?;
            Ok(as_before(tree, ino, &before))
        })
    }

    fn rename_new(&self, from: &RelPath, to: &RelPath) -> Result<Stat> {
        const OP: &str = "rename";
        self.mutate(OP, |tree| {
            if to != from && to.starts_with(from) {
                return Err(VaultError::Unsupported { op: OP });
            }
            let (from, to) = (tree.spot(from, OP)?, tree.spot(to, OP)?);
            let ino = tree.rename(&from, &to, OP)?;
            Ok(tree.stat(ino))
        })
    }

    fn make_dir(&self, path: &RelPath) -> Result<Stat> {
        const OP: &str = "make directory";
        self.mutate(OP, |tree| {
            let spot = tree.spot(path, OP)?;
            let ino = tree.create(&spot, Node::Dir(std::collections::BTreeMap::new()), OP)?;
            Ok(tree.stat(ino))
        })
    }

    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        const OP: &str = "remove directory";
        self.mutate(OP, |tree| {
            let spot = tree.spot(path, OP)?;
            match &tree.inode(tree.found(&spot, OP)?).node {
                Node::Dir(_) => tree.unlink(&spot, OP),
                Node::File(_) | Node::Symlink(_) | Node::Special => {
                    Err(VaultError::NotADirectory { op: OP })
                },
            }
        })
    }

    fn set_attributes(
        &self,
        path: &RelPath,
        change: AttrChange,
        is_expected: IsExpected<'_>,
    ) -> Result<Stat> {
        const OP: &str = "set attributes";
        let seen = self.look(OP, |tree| {
            Ok(tree.stat(tree.readable_file(&tree.spot(path, OP)?, OP)?))
        })?;
        // Asked without the lock, since it may read from this vault.
        if !is_expected(&seen)? {
            return Err(VaultError::Changed { op: OP });
        }
        self.mutate(OP, |tree| {
            let ino = tree.readable_file(&tree.spot(path, OP)?, OP)?;
            if tree.stat(ino) != seen {
                return Err(VaultError::Changed { op: OP });
            }
            let exec = change.exec.filter(|exec| *exec != seen.exec);
            let permissions = exec.map_or(seen.permissions, |x| seen.permissions.with_exec(x));
            tree.set(ino, permissions, change.mtime_ns);
            Ok(tree.stat(ino))
        })
    }

    fn stage_list(&self) -> Result<Vec<StagedEntry>> {
        self.look("list stage", |tree| {
            let tag = |name: &[u8]| StageName::new(std::str::from_utf8(name).ok()?).ok();
            let entry = |(name, ino): (Vec<u8>, Ino)| {
                Some(StagedEntry {
                    tag: tag(&name)?,
                    stat: tree.stat(ino),
                })
            };
            Ok(tree.list(STAGE).into_iter().filter_map(entry).collect())
        })
    }

    fn stat_staged(&self, tag: &StageName) -> Result<Option<Stat>> {
        self.look("look at staged object", |tree| {
            Ok(tree.find(&staged(tag)).map(|ino| tree.stat(ino)))
        })
    }

    fn read_staged(&self, tag: &StageName) -> Result<Box<dyn ReadFile>> {
        Ok(Box::new(
            self.open("open staged file", |_| Ok(staged(tag)))?,
        ))
    }

    fn read_staged_link(&self, tag: &StageName) -> Result<Vec<u8>> {
        self.look("read link", |tree| {
            tree.link_text(&staged(tag), "read link")
        })
    }

    fn has_writer(&self, tag: &StageName) -> Result<Option<bool>> {
        const OP: &str = "look for writers";
        self.look(OP, |tree| {
            let ino = tree.found(&staged(tag), OP)?;
            Ok(Some(tree.inode(ino).n_writers > 0))
        })
    }

    fn retag(&self, from: &StageName, to: &StageName) -> Result<()> {
        const OP: &str = "rename in stage";
        self.mutate(OP, |tree| {
            tree.rename(&staged(from), &staged(to), OP).map(drop)
        })
    }

    fn discard(&self, tag: &StageName) -> Result<()> {
        const OP: &str = "discard staged object";
        self.mutate(OP, |tree| match tree.find(&staged(tag)) {
            Some(_) => tree.unlink(&staged(tag), OP),
            None => Ok(()),
        })
    }

    fn marker_read(&self) -> Result<Option<Vec<u8>>> {
        let state = self.lock_state();
        state.faults.admit_look("read marker")?;
        Ok(state.marker.clone())
    }

    fn marker_write(&self, bytes: &[u8]) -> Result<()> {
        self.mutate_state("write marker", |state| {
            state.marker = Some(bytes.to_vec());
            Ok(())
        })
    }

    fn lock(&self) -> Result<LockGuard> {
        let mut state = self.lock_state();
        state.faults.admit_look("lock folder")?;
        if state.lock_holder.is_some() {
            return Err(VaultError::Locked);
        }
        state.n_locks += 1;
        state.lock_holder = Some(state.n_locks);
        Ok(LockGuard::new(FakeLock {
            number: state.n_locks,
            vault: self.clone(),
        }))
    }
}

/// Lets go of the lock unless a crash already did.
#[derive(Debug)]
struct FakeLock {
    vault: FakeVault,
    number: u64,
}

impl Held for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut state = self.vault.lock_state();
        if state.lock_holder == Some(self.number) {
            state.lock_holder = None;
        }
    }
}
