//! Our own directory in the folder: stage, marker, lock.
//!
//! Called by [`crate::real::RealVault`].
//! Invariant: `.fst` and everything in it is readable by its owner only; reached anew for each call, so that
//! a user who deletes it gets a new one, never a write to the deleted one.
//! Not here: what rests in the stage and why (journal of `fst-client`).
//! Source: docs/design/sync-semantics.md.

use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};

use fst_proto::path::PRIVATE_DIR;
use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::file::Reading;
use super::handle::{Root, identity_of};
use super::sys;
use crate::error::{Result, VaultError};
use crate::vault::{Held, LockGuard};

/// Directory for staged objects, in `.fst`.
const STAGE: &str = "stage";
const MARKER: &str = "marker";
const MARKER_NEW: &str = "marker.new";
const LOCK: &str = "lock";

/// A marker is a few lines; more than this was not written by us.
const MARKER_LEN_MAX: u64 = 64 * 1024;

/// Makes `.fst` and its stage where they are missing.
///
/// # Errors
/// [`VaultError::ReadOnly`] where nothing can be written.
pub(super) fn prepare(root: &Root) -> Result<()> {
    const OP: &str = "make private directory";
    make(root.fd(), PRIVATE_DIR, OP)?;
    let private = root.private(None, OP)?;
    make(private.as_fd(), STAGE, OP)
}

/// Opens `.fst` for reading and flushing.
pub(super) fn open(root: &Root, op: &'static str) -> Result<OwnedFd> {
    let through = existing_or_made(root, None, op)?;
    sys::retry(|| fs::openat(&through, ".", sys::DIR, Mode::empty())).map_err(sys::refuse(op))
}

/// Opens `.fst/stage` for walking through.
pub(super) fn stage(root: &Root, op: &'static str) -> Result<OwnedFd> {
    existing_or_made(root, Some(STAGE), op)
}

fn existing_or_made(root: &Root, below: Option<&str>, op: &'static str) -> Result<OwnedFd> {
    match root.private(below, op) {
        Err(VaultError::NotFound { .. }) => {
            prepare(root)?;
            root.private(below, op)
        },
        opened => opened,
    }
}

fn make(dir: impl AsFd, name: &str, op: &'static str) -> Result<()> {
    match fs::mkdirat(dir, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Err(VaultError::ReadOnly { op }),
        Err(errno) => Err(sys::refuse(op)(errno)),
    }
}

/// Takes reading away from others where an older `.fst` allows it.
pub(super) fn close_to_others(private: impl AsFd) -> Result<()> {
    const OP: &str = "protect private directory";
    if sys::stat_fd(private.as_fd(), OP)?.permissions.bits() & 0o077 == 0 {
        return Ok(());
    }
    match fs::fchmod(private, Mode::RWXU) {
        // A file system without permissions, or a read-only one.
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ROFS) => Ok(()),
        Err(errno) => Err(sys::refuse(OP)(errno)),
    }
}

/// Learns the umask by making a file; asking the system would mean setting it for the whole process.
pub(super) fn learn_umask(root: &Root) -> Result<u32> {
    const OP: &str = "learn umask";
    let private = open(root, OP)?;
    let name = format!("umask.{}", rustix::process::getpid());
    let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
    let create = || sys::retry(|| fs::openat(&private, name.as_str(), sys::CREATE, all));
    let made = match create() {
        Err(Errno::EXIST) => {
            fs::unlinkat(&private, name.as_str(), AtFlags::empty()).map_err(sys::refuse(OP))?;
            create()
        },
        made => made,
    };
    let made = made.map_err(sys::refuse(OP))?;
    let kept = sys::stat_fd(&made, OP).map(|stat| stat.permissions.bits());
    fs::unlinkat(&private, name.as_str(), AtFlags::empty()).map_err(sys::refuse(OP))?;
    Ok(0o777 & !kept?)
}

pub(super) fn read_marker(root: &Root) -> Result<Option<Vec<u8>>> {
    const OP: &str = "read marker";
    let private = match root.private(None, OP) {
        Ok(private) => private,
        Err(VaultError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let file = match Reading::open_at(private.as_fd(), MARKER.as_bytes()) {
        Ok(file) => file,
        Err(VaultError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    let read = file.take(MARKER_LEN_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|source| VaultError::io(OP, source))?;
    let is_ours = bytes.len() as u64 <= MARKER_LEN_MAX;
    if is_ours {
        Ok(Some(bytes))
    } else {
        Err(VaultError::io(OP, Errno::FBIG))
    }
}

pub(super) fn write_marker(root: &Root, bytes: &[u8]) -> Result<()> {
    const OP: &str = "write marker";
    let refuse = || sys::refuse(OP);
    let private = open(root, OP)?;
    let flags = sys::CREATE.difference(OFlags::EXCL) | OFlags::TRUNC;
    let mode = Mode::RUSR | Mode::WUSR;
    let opened = sys::retry(|| fs::openat(&private, MARKER_NEW, flags, mode));
    let file = opened.map_err(refuse())?;
    write_all(&file, bytes).map_err(refuse())?;
    fs::fsync(&file).map_err(refuse())?;
    fs::renameat(&private, MARKER_NEW, &private, MARKER).map_err(refuse())?;
    fs::fsync(&private).map_err(refuse())?;
    // The name `.fst` itself may be new.
    fs::fsync(root.fd()).map_err(refuse())
}

fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        let n = sys::retry(|| rustix::io::write(fd.as_fd(), bytes))?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// The open lock file; closing it lets go.
#[derive(Debug)]
struct LockFile(#[expect(dead_code, reason = "held for its effect")] OwnedFd);

impl Held for LockFile {}

pub(super) fn lock(root: &Root) -> Result<LockGuard> {
    const OP: &str = "lock folder";
    let private = open(root, OP)?;
    let flags = sys::CREATE.difference(OFlags::EXCL);
    let mode = Mode::RUSR | Mode::WUSR;
    let file = sys::retry(|| fs::openat(&private, LOCK, flags, mode)).map_err(sys::refuse(OP))?;
    match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {},
        Err(Errno::AGAIN) => return Err(VaultError::Locked),
        Err(errno) => return Err(sys::refuse(OP)(errno)),
    }
    // Somebody may have deleted `.fst` since; then the lock belongs to a file that nobody else will find.
    let ours = identity_of(&file)?;
    let there = sys::stat_at(&private, LOCK, OP)?;
    let is_there = there.is_some_and(|s| (s.dev, s.ino) == (ours.dev, ours.ino));
    if is_there {
        Ok(LockGuard::new(LockFile(file)))
    } else {
        Err(VaultError::Locked)
    }
}
