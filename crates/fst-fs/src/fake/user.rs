//! What a user does to the folder, and what a test sees of it.
//!
//! Called by tests; never counted, never made to fail by planned faults.
//! Invariant: behaves like the system calls of the same names; contents are written in place unless the
//! method says that it saves beside and renames.
//! Not here: the vault's own calls ([`super::FakeVault`] as a `Vault`).

use std::collections::BTreeMap;
use std::sync::Arc;

use fst_proto::path::{Name, RelPath};

use super::FakeVault;
use super::tree::{Data, Ino, Node, ROOT, STAGE, Spot, Tree};
use crate::error::{Result, VaultError};
use crate::vault::Stat;

/// One object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FakeEntry {
    /// Regular file.
    File {
        /// Its contents.
        bytes: Vec<u8>,
        /// Its executable bit.
        exec: bool,
    },
    /// Directory.
    Dir,
    /// Symbolic link and its text.
    Symlink(Vec<u8>),
    /// Pipe, socket or device.
    Special,
}

/// A file that a user's program holds open, wherever it was moved since.
#[derive(Debug)]
pub struct UserFile {
    vault: FakeVault,
    ino: Ino,
}

impl UserFile {
    /// What the program reads from it.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        let state = self.vault.lock_state();
        match state
            .tree
            .has(self.ino)
            .then(|| &state.tree.inode(self.ino).node)
        {
            Some(Node::File(data)) => data.bytes.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Adds to its end.
    pub fn append(&self, more: &[u8]) {
        let mut state = self.vault.lock_state();
        // After a power cut the file may not exist any more.
        if state.tree.has(self.ino) {
            state.tree.write(self.ino, |data| {
                Arc::make_mut(&mut data.bytes).extend_from_slice(more);
            });
        }
    }
}

impl Drop for UserFile {
    fn drop(&mut self) {
        self.vault.close_writer(self.ino);
        self.vault.close(self.ino);
    }
}

const OP: &str = "act as the user";

impl FakeVault {
    /// Writes a file in place, as `echo >` does; makes it when it is missing.
    ///
    /// # Errors
    /// Those of `open`: missing parent, a link or a file in the path, not a file.
    pub fn user_write(&self, path: &RelPath, bytes: &[u8]) -> Result<()> {
        self.as_user(|tree| {
            let ino = file_to_write(tree, path)?;
            let bytes = Arc::new(bytes.to_vec());
            tree.write(ino, |data| {
                *data = Data {
                    bytes,
                    holes: Vec::new(),
                }
            });
            Ok(())
        })
    }

    /// Adds to the end of a file, in place.
    ///
    /// # Errors
    /// As [`Self::user_write`].
    pub fn user_append(&self, path: &RelPath, more: &[u8]) -> Result<()> {
        self.as_user(|tree| {
            let ino = file_to_write(tree, path)?;
            tree.write(ino, |data| {
                Arc::make_mut(&mut data.bytes).extend_from_slice(more);
            });
            Ok(())
        })
    }

    /// Saves as careful editors do: writes a new file beside and renames it over.
    ///
    /// # Errors
    /// As [`Self::user_write`].
    pub fn user_save(&self, path: &RelPath, bytes: &[u8]) -> Result<()> {
        self.as_user(|tree| {
            let spot = tree.spot(path, OP)?;
            if tree.find(&spot).is_some() {
                file_to_write(tree, path)?;
                tree.unlink(&spot, OP)?;
            }
            let bytes = Arc::new(bytes.to_vec());
            tree.create(
                &spot,
                Node::File(Data {
                    bytes,
                    holes: Vec::new(),
                }),
                OP,
            )
            .map(|_| ())
        })
    }

    /// Removes a file, a link, or a directory with everything in it.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] when nothing is there.
    pub fn user_remove(&self, path: &RelPath) -> Result<()> {
        self.as_user(|tree| {
            let spot = tree.spot(path, OP)?;
            remove_all(tree, &spot)
        })
    }

    /// Renames; replaces a file, a link or an empty directory at `to`.
    ///
    /// # Errors
    /// [`VaultError::NotFound`]; [`VaultError::NotEmpty`] when `to` is a directory with entries.
    pub fn user_rename(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.as_user(|tree| {
            if to.starts_with(from) {
                return Err(VaultError::Unsupported { op: OP });
            }
            let (from, to) = (tree.spot(from, OP)?, tree.spot(to, OP)?);
            let moved = tree.found(&from, OP)?;
            if tree.find(&to).is_some_and(|there| there != moved) {
                tree.unlink(&to, OP)?;
            }
            tree.rename(&from, &to, OP).map(|_| ())
        })
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// [`VaultError::Occupied`], [`VaultError::NotFound`].
    pub fn user_mkdir(&self, path: &RelPath) -> Result<()> {
        self.user_create(path, Node::Dir(BTreeMap::new()))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`VaultError::Occupied`], [`VaultError::NotFound`].
    pub fn user_symlink(&self, path: &RelPath, target: &[u8]) -> Result<()> {
        self.user_create(path, Node::Symlink(target.to_vec()))
    }

    /// Makes a pipe.
    ///
    /// # Errors
    /// [`VaultError::Occupied`], [`VaultError::NotFound`].
    pub fn user_special(&self, path: &RelPath) -> Result<()> {
        self.user_create(path, Node::Special)
    }

    /// Gives the file at `from` a second name.
    ///
    /// # Errors
    /// [`VaultError::Occupied`], [`VaultError::NotFound`].
    pub fn user_link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.as_user(|tree| {
            let ino = tree.found(&tree.spot(from, OP)?, OP)?;
            if matches!(tree.inode(ino).node, Node::Dir(_)) {
                return Err(VaultError::Special { op: OP });
            }
            let to = tree.spot(to, OP)?;
            tree.link(&to, ino, OP)
        })
    }

    /// Sets or clears the executable bit.
    ///
    /// # Errors
    /// [`VaultError::NotFound`].
    pub fn user_chmod(&self, path: &RelPath, exec: bool) -> Result<()> {
        self.as_user(|tree| {
            let ino = tree.found(&tree.spot(path, OP)?, OP)?;
            let permissions = tree.inode(ino).permissions.with_exec(exec);
            tree.set(ino, permissions, None);
            Ok(())
        })
    }

    /// Sets the modification time.
    ///
    /// # Errors
    /// [`VaultError::NotFound`].
    pub fn user_touch(&self, path: &RelPath, mtime_ns: i64) -> Result<()> {
        self.as_user(|tree| {
            let ino = tree.found(&tree.spot(path, OP)?, OP)?;
            let permissions = tree.inode(ino).permissions;
            tree.set(ino, permissions, Some(mtime_ns));
            Ok(())
        })
    }

    /// Lets this process read a file or list a directory, or not.
    ///
    /// # Errors
    /// [`VaultError::NotFound`].
    pub fn user_set_readable(&self, path: &RelPath, is_readable: bool) -> Result<()> {
        self.as_user(|tree| {
            let ino = tree.found(&tree.spot(path, OP)?, OP)?;
            tree.inode_mut(ino).is_readable = is_readable;
            Ok(())
        })
    }

    /// Whether programs may read what lies at `path`.
    #[must_use]
    pub fn user_can_read(&self, path: &RelPath) -> bool {
        let state = self.lock_state();
        let spot = state.tree.spot(path, OP).ok();
        let ino = spot.and_then(|spot| state.tree.found(&spot, OP).ok());
        ino.is_some_and(|ino| state.tree.inode(ino).is_readable)
    }

    /// Opens a file for writing and keeps it open, as a program does that saves now and then.
    ///
    /// # Errors
    /// As [`Self::user_write`].
    pub fn user_open(&self, path: &RelPath) -> Result<UserFile> {
        let ino = self.as_user(|tree| {
            let ino = file_to_write(tree, path)?;
            let inode = tree.inode_mut(ino);
            inode.n_open += 1;
            inode.n_writers += 1;
            Ok(ino)
        })?;
        Ok(UserFile {
            vault: self.clone(),
            ino,
        })
    }

    /// Reads a file as the user sees it; `None` when there is no file.
    #[must_use]
    pub fn user_read(&self, path: &RelPath) -> Option<Vec<u8>> {
        let state = self.lock_state();
        let ino = state.tree.find(&state.tree.spot(path, OP).ok()?)?;
        match &state.tree.inode(ino).node {
            Node::File(data) => Some(data.bytes.to_vec()),
            Node::Dir(_) | Node::Symlink(_) | Node::Special => None,
        }
    }

    /// Looks at a path even after a crash.
    #[must_use]
    pub fn user_stat(&self, path: &RelPath) -> Option<Stat> {
        let state = self.lock_state();
        let ino = state.tree.find(&state.tree.spot(path, OP).ok()?)?;
        Some(state.tree.stat(ino))
    }

    /// Everything in the folder but the folder itself.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<RelPath, FakeEntry> {
        let state = self.lock_state();
        below(&state.tree, ROOT)
    }

    /// Everything in the stage, by tag and what lies below it.
    #[must_use]
    pub fn stage_snapshot(&self) -> BTreeMap<RelPath, FakeEntry> {
        let state = self.lock_state();
        below(&state.tree, STAGE)
    }

    /// True when nothing is left in the stage.
    #[must_use]
    pub fn stage_is_empty(&self) -> bool {
        self.lock_state().tree.list(STAGE).is_empty()
    }

    fn user_create(&self, path: &RelPath, node: Node) -> Result<()> {
        self.as_user(|tree| {
            let spot = tree.spot(path, OP)?;
            tree.create(&spot, node, OP).map(|_| ())
        })
    }

    fn as_user<T>(&self, act: impl FnOnce(&mut Tree) -> Result<T>) -> Result<T> {
        act(&mut self.lock_state().tree)
    }
}

fn file_to_write(tree: &mut Tree, path: &RelPath) -> Result<Ino> {
    let spot = tree.spot(path, OP)?;
    match tree.find(&spot) {
        None => tree.create(&spot, Node::File(Data::default()), OP),
        Some(ino) => match &tree.inode(ino).node {
            Node::File(_) => Ok(ino),
            Node::Symlink(_) => Err(VaultError::SymlinkInPath { op: OP }),
            Node::Dir(_) | Node::Special => Err(VaultError::Special { op: OP }),
        },
    }
}

fn remove_all(tree: &mut Tree, spot: &Spot) -> Result<()> {
    let ino = tree.found(spot, OP)?;
    if matches!(tree.inode(ino).node, Node::Dir(_)) {
        for (name, _) in tree.list(ino) {
            remove_all(tree, &Spot { dir: ino, name })?;
        }
    }
    tree.unlink(spot, OP)
}

fn below(tree: &Tree, top: Ino) -> BTreeMap<RelPath, FakeEntry> {
    let mut found = BTreeMap::new();
    let mut left = vec![(RelPath::root(), top)];
    while let Some((dir, ino)) = left.pop() {
        for (name, ino) in tree.list(ino) {
            let name = Name::new(&name).expect("names come from names and tags");
            let path = dir.child(name).expect("`.fst` cannot be made here");
            let inode = tree.inode(ino);
            let entry = match &inode.node {
                Node::File(data) => FakeEntry::File {
                    bytes: data.bytes.to_vec(),
                    exec: inode.permissions.is_exec(),
                },
                Node::Dir(_) => FakeEntry::Dir,
                Node::Symlink(target) => FakeEntry::Symlink(target.clone()),
                Node::Special => FakeEntry::Special,
            };
            if entry == FakeEntry::Dir {
                left.push((path.clone(), ino));
            }
            found.insert(path, entry);
        }
    }
    found
}
