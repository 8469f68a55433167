//! Open files: one that is read, one that grows in the stage.
//!
//! Handed out by [`crate::real::RealVault`] as [`ReadFile`] and [`StagedFile`].
//! Invariant: a [`Reading`] is a regular file; a [`Growing`] that is not finished leaves nothing behind.
//! Not here: copying ([`super::copy`]), moving into place ([`super::moves`]).
//! Source: docs/design/sync-semantics.md.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode};
use rustix::io::Errno;

use super::handle::Spot;
use super::sys;
use crate::error::{Result, VaultError};
use crate::name::StageName;
use crate::vault::{FileAttrs, FileKind, Permissions, ReadFile, StagedFile, Stat};

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct Reading {
    fd: OwnedFd,
    /// Where `Read` goes on; the system's own place is moved by looking for holes.
    at: u64,
}

impl Reading {
    /// Opens what lies at `spot` after looking that it is a regular file, and looks again afterwards.
    pub(super) fn open(spot: &Spot<'_>) -> Result<Self> {
        Self::open_at(spot.dir.as_fd(), spot.name)
    }

    pub(super) fn open_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Self> {
        const OP: &str = "open file";
        let seen = sys::stat_at(dir, name, OP)?.ok_or(VaultError::NotFound { op: OP })?;
        if seen.kind != FileKind::File {
            return Err(VaultError::Special { op: OP });
        }
        let opened = sys::retry(|| fs::openat(dir, name, sys::READ, Mode::empty()));
        let fd = opened.map_err(sys::refuse(OP))?;
        // Something else may have been put there between the look and the opening.
        if sys::stat_fd(&fd, OP)?.kind != FileKind::File {
            return Err(VaultError::Special { op: OP });
        }
        Ok(Self { fd, at: 0 })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Read for Reading {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(self.at, buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl ReadFile for Reading {
    fn stat(&self) -> Result<Stat> {
        sys::stat_fd(&self.fd, "look at open file")
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        Ok(sys::retry(|| {
            rustix::io::pread(&self.fd, &mut *buf, offset)
        })?)
    }

    fn next_data(&self, offset: u64) -> Result<Option<(u64, u64)>> {
        const OP: &str = "look for data";
        let size = sys::stat_fd(&self.fd, OP)?.size;
        sys::next_data(&self.fd, offset, size).map_err(sys::refuse(OP))
    }
}

/// A file that grows in the stage.
#[derive(Debug)]
pub(super) struct Growing {
    fd: OwnedFd,
    stage: OwnedFd,
    tag: StageName,
    /// Length so far, holes included.
    len: u64,
    /// Permission bits that the umask takes from new files.
    umask: u32,
    is_finished: bool,
}

impl Growing {
    /// Creates the file; an existing one is never touched.
    pub(super) fn create(stage: OwnedFd, tag: &StageName, umask: u32) -> Result<Self> {
        let mode = Mode::RUSR | Mode::WUSR;
        let opened = sys::retry(|| fs::openat(&stage, tag.as_str(), sys::CREATE, mode));
        let fd = opened.map_err(sys::refuse("create staged file"))?;
        Ok(Self {
            fd,
            stage,
            tag: tag.clone(),
            len: 0,
            umask,
            is_finished: false,
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Notes bytes that were written past [`Write`].
    pub(super) fn grow_to(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    fn settle(&self, attrs: FileAttrs) -> Result<Stat> {
        const OP: &str = "finish staged file";
        fs::ftruncate(&self.fd, self.len).map_err(sys::refuse(OP))?;
        let mode = Mode::from_raw_mode(mode_bits(permissions(attrs, self.umask)));
        match fs::fchmod(&self.fd, mode) {
            // The file is ours, so the file system has no such permissions to keep; `Stat` says so.
            Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {},
            Err(errno) => return Err(sys::refuse(OP)(errno)),
        }
        sys::set_mtime(&self.fd, attrs.mtime_ns).map_err(sys::refuse(OP))?;
        sys::stat_fd(&self.fd, OP)
    }

    /// Takes the unfinished file away, unless the name means something else by now.
    fn remove(&self) {
        let name = self.tag.as_str();
        let ours = sys::stat_fd(&self.fd, "");
        let there = sys::stat_at(&self.stage, name, "");
        let (Ok(ours), Ok(Some(there))) = (ours, there) else {
            return;
        };
        if (ours.dev, ours.ino) == (there.dev, there.ino) {
            // What stays after a failure is found by `stage_list`.
            let _ = fs::unlinkat(&self.stage, name, AtFlags::empty());
        }
    }
}

impl Write for Growing {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = sys::retry(|| rustix::io::pwrite(&self.fd, buf, self.len))?;
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedFile for Growing {
    fn skip(&mut self, len: u64) -> Result<()> {
        let longer = self
            .len
            .checked_add(len)
            .filter(|len| i64::try_from(*len).is_ok());
        self.len = longer.ok_or_else(|| VaultError::io("leave a hole", Errno::FBIG))?;
        Ok(())
    }

    fn finish(mut self: Box<Self>, attrs: FileAttrs) -> Result<Stat> {
        let stat = self.settle(attrs)?;
        self.is_finished = true;
        Ok(stat)
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.is_finished {
            self.remove();
        }
    }
}

/// Permissions of a finished file; an executable bit that is right already changes nothing else.
fn permissions(attrs: FileAttrs, umask: u32) -> Permissions {
    let fresh = if attrs.exec { 0o755 } else { 0o644 };
    match attrs.like {
        Some(like) if like.is_exec() == attrs.exec => like,
        Some(like) => like.with_exec(attrs.exec),
        None => Permissions::from_mode(fresh & !umask),
    }
}

/// The bits in the width that this system uses.
pub(super) fn mode_bits(permissions: Permissions) -> fs::RawMode {
    sys::wide(permissions.bits())
}
