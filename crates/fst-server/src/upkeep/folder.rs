//! The folder of a backup: what lies where, and who may use it now.
//!
//! Layout: `fst-backup` (marks the folder, and is locked by those who use it), `manifest`, `database-HASH`,
//! `objects/a/b/KEY` as at the server. Invariant: the manifest names only files that are whole and durable; it is
//! replaced in one step, and what the old one named stays until then. Source: ADR 0038.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use fst_proto::ids::Hash32;

use super::BackupError;
use super::manifest::{Digest, Manifest};
use crate::run::{RunError, io_error, make_private_dir};

const MARK_FILE: &str = "fst-backup";
const MANIFEST_FILE: &str = "manifest";
const BLOB_FOLDER: &str = "objects";
const STAGED_DATABASE: &str = "database.tmp";

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// A backup's folder, locked as long as this lives.
#[derive(Debug)]
pub(super) struct BackupFolder {
    path: PathBuf,
    // Held as long as the folder is used.
    _lock: File,
}

impl BackupFolder {
    /// Takes a folder to back up into: a new one, an empty one, or one that was begun.
    pub(super) fn to_write(path: &Path) -> Result<Self, RunError> {
        make_private_dir(path)?;
        let mark = path.join(MARK_FILE);
        let mut listed = fs::read_dir(path).map_err(io_error("read the folder", path))?;
        if !mark.exists() && listed.next().is_some() {
            return Err(BackupError::NotABackup(path.to_owned()).into());
        }
        let mut how = OpenOptions::new();
        how.create(true).truncate(false).write(true).mode(0o600);
        let lock = how.open(&mark).map_err(io_error("open", &mark))?;
        taken(lock.try_lock(), path)?;
        make_private_dir(&path.join(BLOB_FOLDER))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Takes a backup to read, which may lie on a read-only disk.
    pub(super) fn to_read(path: &Path) -> Result<Self, RunError> {
        let mark = path.join(MARK_FILE);
        let lock = match File::open(&mark) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::NotABackup(path.to_owned()).into());
            },
            opened => opened.map_err(io_error("open", &mark))?,
        };
        taken(lock.try_lock_shared(), path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join(BLOB_FOLDER)
    }

    pub(super) fn database(&self, manifest: &Manifest) -> PathBuf {
        self.path.join(manifest.database_name())
    }

    /// The manifest of the last backup that was finished, if there is one.
    pub(super) fn manifest(&self) -> Result<Option<Manifest>, RunError> {
        let path = self.path.join(MANIFEST_FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(io_error("read", &path))?,
        };
        let manifest = String::from_utf8(bytes)
            .ok()
            .and_then(|text| Manifest::parse(&text));
        manifest
            .map(Some)
            .ok_or_else(|| BackupError::BadManifest(path).into())
    }

    /// An empty file that only its owner can read, for a copy of the database.
    pub(super) fn stage_database(&self) -> Result<PathBuf, RunError> {
        let path = self.path.join(STAGED_DATABASE);
        private_file(&path).map_err(io_error("create", &path))?;
        Ok(path)
    }

    /// Gives the staged database the name that the manifest has for it.
    pub(super) fn name_database(&self, manifest: &Manifest) -> Result<(), RunError> {
        let (staged, path) = (self.path.join(STAGED_DATABASE), self.database(manifest));
        fs::rename(&staged, &path).map_err(io_error("rename", &staged))?;
        sync_dir(&self.path)
    }

    /// Makes the backup that this manifest lists the one that the folder holds.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<(), RunError> {
        write_durable(&self.path.join(MANIFEST_FILE), &manifest.render())
    }

    /// Removes databases that the manifest does not name.
    pub(super) fn remove_old_databases(&self, manifest: &Manifest) -> Result<(), RunError> {
        let failed = || io_error("clean up", &self.path);
        let kept = manifest.database_name();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("database") && name != kept {
                fs::remove_file(entry.path()).map_err(failed())?;
            }
        }
        Ok(())
    }
}

fn taken(lock: Result<(), TryLockError>, path: &Path) -> Result<(), RunError> {
    match lock {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(path.to_owned()).into()),
        Err(TryLockError::Error(source)) => Err(io_error("lock", path)(source)),
    }
}

/// A new, empty file for its owner only, in place of one that an interruption left.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {},
    }
    let mut how = OpenOptions::new();
    how.write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a private file, complete and durable or not at all.
pub(super) fn write_durable(path: &Path, text: &str) -> Result<(), RunError> {
    let staged = path.with_extension("tmp");
    let write = || {
        let mut file = private_file(&staged)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, path)
    };
    write().map_err(io_error("write", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

pub(super) fn sync_dir(path: &Path) -> Result<(), RunError> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(io_error("sync the folder", path))
}

/// Reads a file to its end and writes what it reads; returns length and hash of that.
pub(super) fn copy_hashed(from: &Path, to: &mut impl io::Write) -> io::Result<Digest> {
    let mut file = File::open(from)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        context.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        bytes += n as u64;
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(Digest {
        bytes,
        hash: Hash32(hash),
    })
}
