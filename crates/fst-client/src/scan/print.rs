//! The hash of a directory's listing.
//!
//! The scan keeps it when a listing shows exactly what base has: an equal one then does too. Invariant: a change of a name,
//! a file's identity, size, times or executable bit changes the hash; what holds something ignored has none. Not here: contents; that a
//! file's times vouch for them is the rule of the stat cache.

use fst_engine::identify::Seen;
use fst_fs::vault::{DirEntry, FileKind, Stat};
use fst_proto::hash::sha256;
use fst_proto::ids::Hash32;

use super::Scanned;

/// A listing that may be found again.
#[derive(Debug)]
pub(super) struct Print {
    hash: Option<Hash32>,
}

impl Print {
    /// Of a sorted listing, with what is to be left alone in it.
    pub(super) fn of(entries: &[DirEntry], aside: &[Option<Seen>], out: &Scanned) -> Self {
        let mut bytes = Vec::with_capacity(entries.len() * 80);
        for (entry, aside) in entries.iter().zip(aside) {
            let (Ok(name), Ok(stat)) = (&entry.name, &entry.stat) else {
                return Self { hash: None };
            };
            // Names hold no zero byte.
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            // It keeps its directory from being removed, and may be a node that was somewhere else: shown each time.
            if aside.is_some() {
                return Self { hash: None };
            }
            // A clock that was set back makes times equal that are not.
            if stat.kind != FileKind::Dir && !out.is_settled(stat) {
                return Self { hash: None };
            }
            push_look(&mut bytes, stat);
        }
        let hash = Some(sha256(&[&bytes]));
        Self { hash }
    }

    /// The listing does not show what base has, or may change unseen.
    pub(super) fn spoil(&mut self) {
        self.hash = None;
    }

    pub(super) fn hash(&self) -> Option<Hash32> {
        self.hash
    }
}

fn push_look(bytes: &mut Vec<u8>, stat: &Stat) {
    bytes.push(match stat.kind {
        FileKind::File => b'f',
        FileKind::Dir => b'd',
        FileKind::Symlink => b'l',
        FileKind::Special => b's',
    });
    push_key(bytes, stat);
    if stat.kind == FileKind::Dir {
        return;
    }
    bytes.push(u8::from(stat.exec));
    bytes.extend_from_slice(&stat.size.to_be_bytes());
    for n in [stat.mtime_ns, stat.ctime_ns] {
        bytes.extend_from_slice(&n.to_be_bytes());
    }
}

fn push_key(bytes: &mut Vec<u8>, stat: &Stat) {
    for n in [stat.dev, stat.ino] {
        bytes.extend_from_slice(&n.to_be_bytes());
    }
}
