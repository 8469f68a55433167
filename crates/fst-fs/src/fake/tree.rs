//! The tree in memory: inodes, names, times.
//!
//! Changed by [`super::FakeVault`] (the vault's calls) and [`super::user`] (the user's).
//! Invariant: every name leads to an inode that exists; an inode without names exists only while open; each
//! change moves the clock by one tick and stamps what it touches as a real file system does.
//! Not here: counting calls, faults, locks.

use std::collections::BTreeMap;
use std::sync::Arc;

use fst_proto::path::{Name, PRIVATE_DIR, RelPath};

use crate::error::{Result, VaultError};
use crate::vault::{FileKind, Permissions, Stat};

mod keep;

/// Number of the folder itself.
pub(super) const ROOT: Ino = 1;
/// Number of the stage; no name in the folder leads there.
pub(super) const STAGE: Ino = 2;
/// Device of everything.
pub(super) const DEV: u64 = 1;

/// Time of the first change, and the step to the next.
const START_NS: i64 = 1_700_000_000_000_000_000;
const TICK_NS: i64 = 1_000_000;

const NEW_FILE: u32 = 0o644;
const NEW_EXEC: u32 = 0o755;

pub(super) type Ino = u64;

/// How the file system in memory behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FakeOptions {
    /// `a` and `A` are one name.
    pub folds_case: bool,
    /// Smallest step of a modification time; at least 1.
    pub mtime_grain_ns: u32,
    /// The change time has the same step; otherwise it is exact.
    pub is_ctime_coarse: bool,
}

impl Default for FakeOptions {
    fn default() -> Self {
        Self {
            folds_case: false,
            mtime_grain_ns: 1,
            is_ctime_coarse: false,
        }
    }
}

/// Contents of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) bytes: Arc<Vec<u8>>,
    /// Sorted, apart from each other.
    pub(super) holes: Vec<(u64, u64)>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Data),
    Dir(BTreeMap<Vec<u8>, Ino>),
    Symlink(Vec<u8>),
    Special,
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) node: Node,
    pub(super) permissions: Permissions,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) nlink: u64,
    pub(super) n_open: u32,
    /// How many of them are user's programs that may write.
    pub(super) n_writers: u32,
    /// Cleared to play a file that this process may not read.
    pub(super) is_readable: bool,
    /// Contents written by the vault since the last barrier.
    pub(super) is_unsynced: bool,
    /// Contents that a failed barrier has given up: the cache shows them, the disk never gets them, and no
    /// later barrier says so. That is what Linux does after an error of writing back.
    pub(super) is_doomed: bool,
}

/// A name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) dir: Ino,
    pub(super) name: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(super) struct Tree {
    inodes: BTreeMap<Ino, Inode>,
    next_ino: Ino,
    pub(super) now_ns: i64,
    pub(super) tick_ns: i64,
    pub(super) options: FakeOptions,
}

impl Tree {
    pub(super) fn new(options: FakeOptions) -> Self {
        let inodes = BTreeMap::new();
        let mut tree = Self {
            inodes,
            next_ino: ROOT,
            now_ns: START_NS,
            tick_ns: TICK_NS,
            options,
        };
        for ino in [ROOT, STAGE] {
            let made = tree.make(Node::Dir(BTreeMap::new()), NEW_EXEC);
            debug_assert_eq!(made, ino, "the first two numbers are taken in order");
        }
        tree
    }

    /// Goes back to `earlier`, but neither the clock nor the numbers do.
    pub(super) fn revert_to(&mut self, earlier: &Self) {
        self.inodes.clone_from(&earlier.inodes);
        for inode in self.inodes.values_mut() {
            inode.n_open = 0;
            inode.n_writers = 0;
        }
    }

    /// Moves the clock and tells the time.
    pub(super) fn tick(&mut self) -> i64 {
        self.now_ns = self.now_ns.saturating_add(self.tick_ns);
        self.now_ns
    }

    /// Moves the clock and tells what a change time becomes now.
    fn tick_ctime(&mut self) -> i64 {
        let now_ns = self.tick();
        self.changed_at(now_ns)
    }

    fn make(&mut self, node: Node, mode: u32) -> Ino {
        let now_ns = self.tick();
        let ino = self.next_ino;
        self.next_ino += 1;
        let inode = Inode {
            node,
            permissions: Permissions::from_mode(mode),
            mtime_ns: self.rounded(now_ns),
            ctime_ns: self.changed_at(now_ns),
            nlink: 1,
            n_open: 0,
            n_writers: 0,
            is_readable: true,
            is_unsynced: false,
            is_doomed: false,
        };
        self.inodes.insert(ino, inode);
        ino
    }

    pub(super) fn rounded(&self, time_ns: i64) -> i64 {
        time_ns - time_ns.rem_euclid(i64::from(self.options.mtime_grain_ns.max(1)))
    }

    /// What the file system keeps of a change time.
    fn changed_at(&self, time_ns: i64) -> i64 {
        if self.options.is_ctime_coarse {
            self.rounded(time_ns)
        } else {
            time_ns
        }
    }

    pub(super) fn inodes_mut(&mut self) -> impl Iterator<Item = &mut Inode> {
        self.inodes.values_mut()
    }

    pub(super) fn doom_unsynced(&mut self) {
        let all: Vec<Ino> = self.inodes.keys().copied().collect();
        all.into_iter().for_each(|ino| self.doom(ino));
    }

    /// What was written to this file and is not on the disk never gets there.
    pub(super) fn doom(&mut self, ino: Ino) {
        let inode = self.inode_mut(ino);
        inode.is_doomed |= inode.is_unsynced;
        inode.is_unsynced = false;
    }

    pub(super) fn empty_doomed(&mut self) {
        for inode in self.inodes.values_mut().filter(|i| i.is_doomed) {
            inode.node = Node::File(Data::default());
        }
    }

    pub(super) fn has(&self, ino: Ino) -> bool {
        self.inodes.contains_key(&ino)
    }

    pub(super) fn inode(&self, ino: Ino) -> &Inode {
        self.inodes
            .get(&ino)
            .expect("every name and open file leads to an inode")
    }

    pub(super) fn inode_mut(&mut self, ino: Ino) -> &mut Inode {
        self.inodes
            .get_mut(&ino)
            .expect("every name and open file leads to an inode")
    }

    fn entries(&self, dir: Ino) -> &BTreeMap<Vec<u8>, Ino> {
        match &self.inode(dir).node {
            Node::Dir(entries) => entries,
            Node::File(_) | Node::Symlink(_) | Node::Special => {
                unreachable!("a spot lies in a directory")
            },
        }
    }

    fn entries_mut(&mut self, dir: Ino) -> &mut BTreeMap<Vec<u8>, Ino> {
        match &mut self.inode_mut(dir).node {
            Node::Dir(entries) => entries,
            Node::File(_) | Node::Symlink(_) | Node::Special => {
                unreachable!("a spot lies in a directory")
            },
        }
    }

    /// Number at `spot`, if something is there.
    pub(super) fn find(&self, spot: &Spot) -> Option<Ino> {
        let entries = self.entries(spot.dir);
        if self.options.folds_case {
            let is_it = |name: &[u8]| name.eq_ignore_ascii_case(&spot.name);
            return entries
                .iter()
                .find(|(name, _)| is_it(name))
                .map(|(_, ino)| *ino);
        }
        entries.get(&spot.name).copied()
    }

    pub(super) fn found(&self, spot: &Spot, op: &'static str) -> Result<Ino> {
        self.find(spot).ok_or(VaultError::NotFound { op })
    }

    fn must_be_free(&self, spot: &Spot, op: &'static str) -> Result<()> {
        self.find(spot)
            .map_or(Ok(()), |_| Err(VaultError::Occupied { op }))
    }

    /// Number of the directory at `names`.
    pub(super) fn dir(&self, names: &[Name], op: &'static str) -> Result<Ino> {
        let mut at = ROOT;
        for name in names {
            at = self.found(
                &Spot {
                    dir: at,
                    name: name.as_bytes().to_vec(),
                },
                op,
            )?;
            match &self.inode(at).node {
                Node::Dir(_) => {},
                Node::Symlink(_) => return Err(VaultError::SymlinkInPath { op }),
                Node::File(_) | Node::Special => return Err(VaultError::NotADirectory { op }),
            }
        }
        Ok(at)
    }

    pub(super) fn spot(&self, path: &RelPath, op: &'static str) -> Result<Spot> {
        let (name, parents) = path
            .names()
            .split_last()
            .ok_or(VaultError::Reserved { op })?;
        let first = path.names()[0].as_bytes();
        if self.options.folds_case && first.eq_ignore_ascii_case(PRIVATE_DIR.as_bytes()) {
            return Err(VaultError::Reserved { op });
        }
        Ok(Spot {
            dir: self.dir(parents, op)?,
            name: name.as_bytes().to_vec(),
        })
    }

    pub(super) fn list(&self, dir: Ino) -> Vec<(Vec<u8>, Ino)> {
        self.entries(dir)
            .iter()
            .map(|(name, ino)| (name.clone(), *ino))
            .collect()
    }

    pub(super) fn stat(&self, ino: Ino) -> Stat {
        let inode = self.inode(ino);
        let (kind, len) = match &inode.node {
            Node::File(data) => (FileKind::File, data.bytes.len()),
            Node::Dir(entries) => (FileKind::Dir, entries.len()),
            Node::Symlink(target) => (FileKind::Symlink, target.len()),
            Node::Special => (FileKind::Special, 0),
        };
        Stat {
            kind,
            dev: DEV,
            ino,
            size: len as u64,
            mtime_ns: inode.mtime_ns,
            ctime_ns: inode.ctime_ns,
            exec: inode.permissions.is_exec(),
            nlink: inode.nlink,
            permissions: inode.permissions,
        }
    }

    /// Number of the readable regular file at `spot`.
    pub(super) fn readable_file(&self, spot: &Spot, op: &'static str) -> Result<Ino> {
        let ino = self.found(spot, op)?;
        match &self.inode(ino).node {
            Node::File(_) if self.inode(ino).is_readable => Ok(ino),
            Node::File(_) => Err(denied(op)),
            Node::Dir(_) | Node::Symlink(_) | Node::Special => Err(VaultError::Special { op }),
        }
    }

    /// The text of a link.
    pub(super) fn link_text(&self, spot: &Spot, op: &'static str) -> Result<Vec<u8>> {
        match &self.inode(self.found(spot, op)?).node {
            Node::Symlink(target) => Ok(target.clone()),
            Node::File(_) | Node::Dir(_) | Node::Special => Err(VaultError::Special { op }),
        }
    }

    /// Makes a new object at a free spot.
    pub(super) fn create(&mut self, spot: &Spot, node: Node, op: &'static str) -> Result<Ino> {
        self.must_be_free(spot, op)?;
        let mode = if matches!(node, Node::Dir(_)) {
            NEW_EXEC
        } else {
            NEW_FILE
        };
        let ino = self.make(node, mode);
        self.enter(spot, ino);
        Ok(ino)
    }

    /// Gives an object one more name.
    pub(super) fn link(&mut self, spot: &Spot, ino: Ino, op: &'static str) -> Result<()> {
        self.must_be_free(spot, op)?;
        self.enter(spot, ino);
        let now_ns = self.tick_ctime();
        let inode = self.inode_mut(ino);
        inode.nlink += 1;
        inode.ctime_ns = now_ns;
        Ok(())
    }

    fn enter(&mut self, spot: &Spot, ino: Ino) {
        self.entries_mut(spot.dir).insert(spot.name.clone(), ino);
        self.touch_dir(spot.dir);
    }

    /// Takes the name out, however it is spelled there.
    fn leave(&mut self, spot: &Spot) {
        let folds_case = self.options.folds_case;
        let is_it = |name: &Vec<u8>| {
            if folds_case {
                name.eq_ignore_ascii_case(&spot.name)
            } else {
                *name == spot.name
            }
        };
        self.entries_mut(spot.dir).retain(|name, _| !is_it(name));
        self.touch_dir(spot.dir);
    }

    fn touch_dir(&mut self, dir: Ino) {
        let now_ns = self.tick();
        let (mtime_ns, ctime_ns) = (self.rounded(now_ns), self.changed_at(now_ns));
        let inode = self.inode_mut(dir);
        (inode.mtime_ns, inode.ctime_ns) = (mtime_ns, ctime_ns);
    }

    /// Takes one name away; a directory must be empty.
    pub(super) fn unlink(&mut self, spot: &Spot, op: &'static str) -> Result<()> {
        let ino = self.found(spot, op)?;
        if matches!(&self.inode(ino).node, Node::Dir(entries) if !entries.is_empty()) {
            return Err(VaultError::NotEmpty { op });
        }
        self.leave(spot);
        let now_ns = self.tick_ctime();
        let inode = self.inode_mut(ino);
        inode.nlink -= 1;
        inode.ctime_ns = now_ns;
        self.forget_if_unused(ino);
        Ok(())
    }

    pub(super) fn forget_if_unused(&mut self, ino: Ino) {
        let is_unused = |inode: &Inode| inode.nlink == 0 && inode.n_open == 0;
        if self.inodes.get(&ino).is_some_and(is_unused) {
            self.inodes.remove(&ino);
        }
    }

    /// Moves to a free spot; a change of case only finds itself there.
    pub(super) fn rename(&mut self, from: &Spot, to: &Spot, op: &'static str) -> Result<Ino> {
        let ino = self.found(from, op)?;
        if from.name == to.name && from.dir == to.dir {
            return Err(VaultError::Occupied { op });
        }
        let is_itself = from.dir == to.dir && from.name.eq_ignore_ascii_case(&to.name);
        if !(self.options.folds_case && is_itself) {
            self.must_be_free(to, op)?;
        }
        self.leave(from);
        self.enter(to, ino);
        self.touch_moved(ino);
        Ok(ino)
    }

    /// Swaps two objects; each keeps the spelling of its new place. Returns the one that was at `b`.
    pub(super) fn exchange(&mut self, a: &Spot, b: &Spot, op: &'static str) -> Result<Ino> {
        let (at_a, at_b) = (self.found(a, op)?, self.found(b, op)?);
        for (spot, ino) in [(a, at_b), (b, at_a)] {
            self.replace_entry(spot, ino);
            self.touch_moved(ino);
        }
        Ok(at_b)
    }

    fn replace_entry(&mut self, spot: &Spot, ino: Ino) {
        let folds_case = self.options.folds_case;
        let entries = self.entries_mut(spot.dir);
        let is_it = |name: &[u8]| folds_case && name.eq_ignore_ascii_case(&spot.name);
        let spelled = entries.keys().find(|name| is_it(name)).cloned();
        entries.insert(spelled.unwrap_or_else(|| spot.name.clone()), ino);
        self.touch_dir(spot.dir);
    }

    fn touch_moved(&mut self, ino: Ino) {
        let now_ns = self.tick_ctime();
        self.inode_mut(ino).ctime_ns = now_ns;
    }

    /// Changes the contents of a file in place.
    pub(super) fn write(&mut self, ino: Ino, change: impl FnOnce(&mut Data)) {
        let now_ns = self.tick();
        let (mtime_ns, ctime_ns) = (self.rounded(now_ns), self.changed_at(now_ns));
        let inode = self.inode_mut(ino);
        if let Node::File(data) = &mut inode.node {
            change(data);
            inode.is_doomed = false;
            (inode.mtime_ns, inode.ctime_ns) = (mtime_ns, ctime_ns);
        }
    }

    /// Changes permissions or the modification time.
    pub(super) fn set(&mut self, ino: Ino, permissions: Permissions, mtime_ns: Option<i64>) {
        let now_ns = self.tick_ctime();
        let mtime_ns = mtime_ns.map(|time_ns| self.rounded(time_ns));
        let inode = self.inode_mut(ino);
        inode.permissions = permissions;
        inode.ctime_ns = now_ns;
        if let Some(mtime_ns) = mtime_ns {
            inode.mtime_ns = mtime_ns;
        }
    }
}

/// The answer of a system that forbids it.
pub(super) fn denied(op: &'static str) -> VaultError {
    VaultError::Denied {
        op,
        source: std::io::ErrorKind::PermissionDenied.into(),
    }
}
