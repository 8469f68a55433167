//! What an operator does with a server's data: look whether all of it is there, back it up, restore it.
//!
//! Called by the `fst-server` command, in a process of its own beside a running server. Invariant: while a `Hold` to
//! read is kept, no server on this data folder deletes what the database named when the hold began. Not here:
//! printing, arguments, stores on other machines. Source: ADR 0030, ADR 0038.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fst_proto::error::ErrorCode;
use fst_proto::ids::SpaceId;

use crate::config::{Database, Options, Storage};
use crate::run::{RunError, io_error};

pub mod access;
pub mod audit;
pub mod backup;
mod folder;
mod manifest;
pub mod quota;
pub mod restore;
pub mod verify;

use verify::Damage;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder has other files.
    #[error("{} is no backup of fst-server and not empty: choose another folder", .0.display())]
    NotABackup(PathBuf),
    /// A first backup was begun there and not finished.
    #[error("the backup in {} was cut short: run fst-server backup --to there again", .0.display())]
    CutShort(PathBuf),
    /// The manifest is not as it was written.
    #[error("{} is damaged: use another backup, or make a new one in another folder", .0.display())]
    BadManifest(PathBuf),
    /// Another command uses the folder.
    #[error("another backup or restore uses {}: wait for it", .0.display())]
    Busy(PathBuf),
    /// The earlier backup in the folder knows what the server does not.
    #[error(
        "{} holds a backup of other or newer data, of space {space}: back up into another folder", path.display()
    )]
    OtherData {
        /// The folder.
        path: PathBuf,
        /// The first space that is not, or no longer, what the backup knows.
        space: SpaceId,
    },
    /// The server's own data is not whole.
    #[error(
        "the server's data is damaged, so it was not backed up; fst-server verify --deep names what is:{}", listed(.0)
    )]
    Damaged(Vec<Damage>),
    /// The backup's data is not whole.
    #[error(
        "the backup is damaged; restore another one, or what is left of this one with --accept-losses:{}", listed(.0)
    )]
    Lossy(Vec<Damage>),
    /// The backup's database is not whole.
    #[error("the database of the backup is damaged: use another backup")]
    NoDatabase,
    /// A later version made it.
    #[error("the backup in {} is of a newer fst-server: restore it with that version", .0.display())]
    Newer(PathBuf),
    /// There is something where a backup is to be restored to.
    #[error("{} is there already: restore to an empty place, with --data DIR", .0.display())]
    NotEmpty(PathBuf),
    /// A restore was begun and not finished.
    #[error("a restore into {} was cut short: run fst-server restore again", .0.display())]
    HalfRestored(PathBuf),
}

impl BackupError {
    /// The code in the catalogue.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotABackup(_) | Self::OtherData { .. } | Self::NotEmpty(_) => ErrorCode::InTheWay,
            Self::Busy(_) => ErrorCode::Locked,
            Self::Newer(_) => ErrorCode::BadConfig,
            Self::CutShort(_) | Self::HalfRestored(_) => ErrorCode::CutShort,
            Self::BadManifest(_) | Self::Damaged(_) | Self::Lossy(_) | Self::NoDatabase => {
                ErrorCode::DataDamaged
            },
        }
    }
}

/// One line for each.
fn listed(damage: &[Damage]) -> String {
    let lines = damage.iter().map(|one| format!("\n  {one}"));
    lines.collect()
}

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
