//! What an operator does with a server's data: look whether all of it is there.
//!
//! Called by the `fst-server` command, in a process of its own beside a running server. Invariant: while a `Hold` to
//! read is kept, no server on this data folder deletes what the database named when the hold began. Not here:
//! printing, arguments, stores on other machines. Source: ADR 0030.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Database, Options, Storage};
use crate::run::{RunError, io_error};

pub mod verify;

/// File that is locked by those who read many blobs, or delete some.
const HOLD_FILE: &str = "hold";

/// A lock between deleting blobs and reading all of them; it ends with the process at the latest.
#[derive(Debug)]
pub(crate) struct Hold {
    // Locked as long as it is open.
    _file: File,
}

impl Hold {
    /// Waits until no blob is being deleted; none will be until the hold is dropped.
    pub(crate) fn to_read(data: &Path) -> Result<Self, RunError> {
        let (file, path) = Self::file(data)?;
        file.lock_shared().map_err(io_error("lock", &path))?;
        Ok(Self { _file: file })
    }

    /// Fails when somebody reads.
    pub(crate) fn to_delete(data: &Path) -> Result<Self, RunError> {
        let (file, path) = Self::file(data)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(_) => Err(RunError::Locked(path)),
        }
    }

    fn file(data: &Path) -> Result<(File, PathBuf), RunError> {
        let path = data.join(HOLD_FILE);
        let mut how = OpenOptions::new();
        how.create(true).truncate(false).write(true).mode(0o600);
        let file = how.open(&path).map_err(io_error("open", &path))?;
        Ok((file, path))
    }
}

/// Database file and blob folder of a server that keeps both on this machine.
fn places(options: &Options) -> Result<(&Path, &Path), RunError> {
    match (&options.database, &options.storage) {
        (Database::Sqlite(database), Storage::Local(blobs)) => Ok((database, blobs)),
        (Database::Postgres(_), _) => Err(RunError::NotHere(
            "not supported for PostgreSQL yet: use pg_dump, then copy the blobs, with all workers stopped",
        )),
        (Database::Sqlite(_), Storage::S3(_)) => Err(RunError::NotHere(
            "not supported for S3 yet: stop the server, copy the database file, then the bucket with a tool of its own",
        )),
        (Database::Sqlite(_), Storage::Memory) => Err(RunError::NotHere(
            "a server in memory leaves nothing to look at",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_while_somebody_reads() {
        let dir = tempfile::tempdir().unwrap();
        let readers = [Hold::to_read(dir.path()), Hold::to_read(dir.path())].map(Result::unwrap);
        assert!(Hold::to_delete(dir.path()).is_err());
        drop(readers);
        Hold::to_delete(dir.path()).unwrap();
    }
}
