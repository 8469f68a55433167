//! One file's way to the disk.
//!
//! Called by [`super`]. Invariant: after `Ok`, contents and name of the file survive a power cut, as far as its directory
//! does: flushing a file does not flush its name, so the directory is flushed too. Source: fsync(2).

use std::os::fd::AsFd;

use rustix::fs::{self, Mode};
use rustix::io::Errno;

use super::file::Reading;
use super::sys;
use crate::error::{Result, VaultError};

const OP: &str = "wait for the disk";

/// Waits for the regular file `name` in `dir`, and for that name.
pub(super) fn file(dir: impl AsFd, name: &[u8]) -> Result<()> {
    let dir = dir.as_fd();
    flush(Reading::open_at(dir, name)?.fd())?;
    // A handle that only leads through a directory cannot be flushed.
    let opened = sys::retry(|| fs::openat(dir, ".", sys::DIR, Mode::empty()));
    flush(opened.map_err(sys::refuse(OP))?)
}

fn flush(fd: impl AsFd) -> Result<()> {
    match sys::retry(|| fs::fsync(fd.as_fd())) {
        Ok(()) => Ok(()),
        // What a file system without the call says; it has another way, or nothing to flush.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::ROFS) => {
            Err(VaultError::Unsupported { op: OP })
        },
        Err(errno) => Err(VaultError::io(OP, errno)),
    }
}
