//! What the wait for one file leaves on the disk.
//!
//! Called by [`super::super::FakeVault`] on the tree that survives a power cut. As with journals, a rename is on the disk
//! wholly or not at all: a file that got its place leaves its old one, and what it was swapped with goes where it went.

use super::{Ino, Node, Spot, Tree};

impl Tree {
    /// Takes over the file `ino` at `spot` as it is in `now`; nothing where its directory is not on the disk.
    pub(in crate::fake) fn keep(&mut self, now: &Self, spot: &Spot, ino: Ino) {
        if !self.has(spot.dir) {
            return;
        }
        self.inodes.insert(ino, now.inode(ino).clone());
        if now.inode(ino).is_doomed {
            self.inode_mut(ino).node = Node::File(super::Data::default());
        }
        self.drop_names(now, ino);
        let name = spot.name.clone();
        let displaced = self.entries_mut(spot.dir).insert(name, ino);
        if let Some(other) = displaced.filter(|other| *other != ino) {
            self.follow(now, other);
        }
        self.count_names(ino);
    }

    /// Names that `ino` has no more.
    fn drop_names(&mut self, now: &Self, ino: Ino) {
        let names = self.names(ino);
        for spot in names {
            if !now.has(spot.dir) || now.find(&spot) != Some(ino) {
                self.entries_mut(spot.dir).remove(&spot.name);
            }
        }
    }

    /// What was displaced is where it is now, if that place is on the disk.
    fn follow(&mut self, now: &Self, ino: Ino) {
        for spot in now.names(ino) {
            if self.has(spot.dir) && self.find(&spot).is_none() {
                self.entries_mut(spot.dir).insert(spot.name, ino);
            }
        }
        self.count_names(ino);
        self.forget_if_unused(ino);
    }

    fn count_names(&mut self, ino: Ino) {
        let n_names = self.names(ino).len() as u64;
        let inode = self.inode_mut(ino);
        (inode.nlink, inode.n_open) = (n_names, 0);
    }

    fn names(&self, ino: Ino) -> Vec<Spot> {
        let mut out = Vec::new();
        for (dir, inode) in &self.inodes {
            let Node::Dir(entries) = &inode.node else {
                continue;
            };
            let own = entries.iter().filter(|(_, there)| **there == ino);
            out.extend(own.map(|(name, _)| Spot {
                dir: *dir,
                name: name.clone(),
            }));
        }
        out
    }
}
