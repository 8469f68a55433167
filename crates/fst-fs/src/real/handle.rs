//! From a path inside the folder to an open parent directory, following nothing.
//!
//! Called by every part of [`crate::real`].
//! Invariant: each handle was reached from the root handle through directories only; none of them was a
//! symbolic link at the moment it was passed.
//! Not here: what is done with the last name.
//! Source: docs/design/sync-semantics.md.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use fst_proto::path::{Name, PRIVATE_DIR, RelPath};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::sys;
use crate::error::{Result, VaultError};
use crate::vault::RootIdentity;

/// Longest path given to one call; Linux takes 4095.
const CALL_PATH_LEN_MAX: usize = 4000;

/// Whether a path may lead into a file system mounted inside the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    /// For looking.
    Allowed,
    /// For changing: a rename could not cross, and the barrier would not cover it.
    Refused,
}

/// The folder itself.
#[derive(Debug)]
pub(super) struct Root {
    /// Where the user said it is.
    path: PathBuf,
    /// Open for as long as the vault lives, so that [`sys::sync_fs`] reports every failed write-back.
    fd: OwnedFd,
    identity: RootIdentity,
    has_openat2: AtomicBool,
    /// Our own directory, on a file system where other spellings of `.fst` lead there too.
    reserved: OnceLock<RootIdentity>,
}

/// A directory that is held open, or the root.
#[derive(Debug)]
pub(super) enum DirHandle<'r> {
    Root(BorrowedFd<'r>),
    Open(OwnedFd),
}

impl AsFd for DirHandle<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Open(fd) => fd.as_fd(),
        }
    }
}

/// A name in an open directory.
#[derive(Debug)]
pub(super) struct Spot<'a> {
    pub(super) dir: DirHandle<'a>,
    pub(super) name: &'a [u8],
}

impl Root {
    pub(super) fn open(path: PathBuf, has_openat2: bool) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = sys::retry(|| fs::open(&path, flags, Mode::empty())).map_err(root_error)?;
        let identity = identity_of(&fd)?;
        let has_openat2 = AtomicBool::new(has_openat2);
        Ok(Self {
            path,
            fd,
            identity,
            has_openat2,
            reserved: OnceLock::new(),
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The identity, if the path still leads to the open directory.
    pub(super) fn checked_identity(&self) -> Result<RootIdentity> {
        let there = fs::stat(&self.path).map_err(root_error)?;
        let there = sys::stat_from(&there);
        let is_same = (there.dev, there.ino) == (self.identity.dev, self.identity.ino);
        if is_same {
            Ok(self.identity)
        } else {
            Err(VaultError::RootReplaced)
        }
    }

    /// From now on refuses every spelling that leads to the directory `private`.
    pub(super) fn reserve(&self, private: RootIdentity) {
        self.reserved.get_or_init(|| private);
    }

    /// Our own directory, where other spellings lead to it.
    pub(super) fn reserved(&self) -> Option<RootIdentity> {
        self.reserved.get().copied()
    }

    /// Opens the directory at `path` for walking through.
    pub(super) fn dir(
        &self,
        path: &RelPath,
        crossing: Crossing,
        op: &'static str,
    ) -> Result<DirHandle<'_>> {
        self.refuse_reserved(path, op)?;
        self.walk(path.names(), crossing, op)
    }

    /// Opens the parent of `path`; the root itself has none.
    pub(super) fn spot<'a>(
        &'a self,
        path: &'a RelPath,
        crossing: Crossing,
        op: &'static str,
    ) -> Result<Spot<'a>> {
        let (name, parents) = path
            .names()
            .split_last()
            .ok_or(VaultError::Reserved { op })?;
        self.refuse_reserved(path, op)?;
        let dir = self.walk(parents, crossing, op)?;
        Ok(Spot {
            dir,
            name: name.as_bytes(),
        })
    }

    /// Opens `.fst` or something in it; a link there is refused like anywhere.
    pub(super) fn private(&self, below: Option<&str>, op: &'static str) -> Result<OwnedFd> {
        let names = std::iter::once(PRIVATE_DIR).chain(below).map(str::as_bytes);
        self.descend(&names.collect::<Vec<_>>(), Crossing::Refused)
            .map_err(sys::refuse(op))
    }

    fn walk(&self, names: &[Name], crossing: Crossing, op: &'static str) -> Result<DirHandle<'_>> {
        if names.is_empty() {
            return Ok(DirHandle::Root(self.fd()));
        }
        let names: Vec<&[u8]> = names.iter().map(Name::as_bytes).collect();
        self.descend(&names, crossing)
            .map(DirHandle::Open)
            .map_err(sys::refuse(op))
    }

    /// Opens a non-empty list of names one below the other.
    fn descend(&self, names: &[&[u8]], crossing: Crossing) -> rustix::io::Result<OwnedFd> {
        if self.has_openat2.load(Ordering::Relaxed) {
            let opened = self.descend_at_once(names, crossing);
            if !matches!(opened, Err(Errno::NOSYS)) {
                return opened;
            }
            self.has_openat2.store(false, Ordering::Relaxed);
        }
        self.descend_by_steps(names, crossing)
    }

    /// As few calls as the longest path allows.
    fn descend_at_once(&self, names: &[&[u8]], crossing: Crossing) -> rustix::io::Result<OwnedFd> {
        let may_cross = crossing == Crossing::Allowed;
        let mut at: Option<OwnedFd> = None;
        let mut text = Vec::new();
        for (i, name) in names.iter().enumerate() {
            text.extend_from_slice(name);
            let next_len = names.get(i + 1).map(|next| next.len());
            if next_len.is_some_and(|len| text.len() + 1 + len <= CALL_PATH_LEN_MAX) {
                text.push(b'/');
                continue;
            }
            let from = at.as_ref().map_or(self.fd(), AsFd::as_fd);
            at = Some(sys::open_beneath(from, &text, may_cross)?);
            text.clear();
        }
        at.ok_or(Errno::INVAL)
    }

    /// One call for each component, for systems without `openat2`.
    fn descend_by_steps(&self, names: &[&[u8]], crossing: Crossing) -> rustix::io::Result<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        for name in names {
            let from = at.as_ref().map_or(self.fd(), AsFd::as_fd);
            let next = sys::open_step(from, name)?;
            let dev = sys::stat_from(&fs::fstat(&next)?).dev;
            if crossing == Crossing::Refused && dev != self.identity.dev {
                return Err(Errno::XDEV);
            }
            at = Some(next);
        }
        at.ok_or(Errno::INVAL)
    }

    /// `RelPath` refuses `.fst`; where names fold, other spellings of it lead there as well.
    fn refuse_reserved(&self, path: &RelPath, op: &'static str) -> Result<()> {
        let (Some(reserved), Some(first)) = (self.reserved.get(), path.names().first()) else {
            return Ok(());
        };
        let there = sys::stat_at(self.fd(), first.as_bytes(), op)?;
        let is_ours = there.is_some_and(|s| (s.dev, s.ino) == (reserved.dev, reserved.ino));
        if is_ours {
            Err(VaultError::Reserved { op })
        } else {
            Ok(())
        }
    }
}

pub(super) fn identity_of(fd: impl AsFd) -> Result<RootIdentity> {
    let stat = sys::stat_fd(fd, "look at directory")?;
    Ok(RootIdentity {
        dev: stat.dev,
        ino: stat.ino,
    })
}

fn root_error(errno: Errno) -> VaultError {
    match errno {
        // The last two are what a network or user-space file system says after it went away.
        Errno::NOENT | Errno::NOTDIR | Errno::NOTCONN | Errno::STALE => VaultError::RootMissing,
        other => sys::refuse("open the folder")(other),
    }
}
