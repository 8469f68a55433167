//! Makes a server's data from a backup, and looks whether a backup is whole.
//!
//! Called by `fst-server restore` and `verify --backup`. Invariant: nothing is restored over anything; the database
//! comes last, and until then no server starts in the place; every byte is compared with the manifest. Not here:
//! making backups ([`super::backup`]). Source: ADR 0038.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::{BlobKey, BlobStore as _};
use fst_store::error::StoreError;
use fst_store::meta::sqlite::holdings;
use futures::{StreamExt as _, stream};

use super::backup::{COPIES_AT_ONCE, Copied, Listener, Moved, Step, bytes};
use super::folder::{BackupFolder, copy_hashed, private_file, sync_dir, write_durable};
use super::manifest::{Digest, Manifest};
use super::verify::Damage;
use super::{BackupError, places};
use crate::config::Options;
use crate::run::{self, RunError, io_error, make_private_dir};

/// File in the data folder that is there from a restore's first step to its last.
const RESTORING_FILE: &str = "restoring";

/// What to do about blobs that the backup has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// Restore nothing.
    Refuse,
    /// Restore what is left; devices that have the rest see what is missing.
    Accept,
}

/// What a backup holds, and what of it is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Blobs that it should hold.
    pub blobs: u64,
    /// Bytes of them and of the database.
    pub bytes: u64,
    /// Everything that is wrong.
    pub damage: Vec<Damage>,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.damage
            .iter()
            .try_for_each(|one| writeln!(f, "{one}"))?;
        let damaged = self.damage.len();
        writeln!(
            f,
            "blobs {}  bytes {}  damaged {damaged}",
            self.blobs, self.bytes
        )
    }
}

/// Restores the backup in the folder `from` to where the options say; that place must be empty.
///
/// May be run again after an interruption.
/// # Errors
/// [`RunError`]; no server starts there then.
pub async fn restore(
    options: &Options,
    from: &Path,
    losses: Losses,
    tell: Listener<'_>,
) -> Result<Moved, RunError> {
    let moved = run(options, from, losses, tell).await;
    moved.map_err(|error| error.on_disk(&options.data))
}

async fn run(
    options: &Options,
    from: &Path,
    losses: Losses,
    tell: Listener<'_>,
) -> Result<Moved, RunError> {
    let (database, blobs) = places(options)?;
    let folder = BackupFolder::to_read(from)?;
    let manifest = whole(&folder, from)?;
    if manifest.schema > holdings::SCHEMA {
        return Err(BackupError::Newer(from.to_owned()).into());
    }
    let _lock = run::lock(&options.data)?;
    begin(options, &manifest, database, blobs)?;

    make_private_dir(blobs)?;
    let (source, target) = (FsBlobs::beside(&folder.blobs()), FsBlobs::open(blobs)?);
    let (copied, damage) = copy_all(&source, &target, &manifest, tell).await?;
    if !damage.is_empty() && losses == Losses::Refuse {
        return Err(BackupError::Lossy(damage).into());
    }
    restore_database(&folder.database(&manifest), database, manifest.database)?;
    tell(Step::Whole);
    let mark = options.data.join(RESTORING_FILE);
    fs::remove_file(&mark).map_err(io_error("remove", &mark))?;
    sync_dir(&options.data)?;
    Ok(Moved {
        blobs: copied.len() as u64,
        bytes: manifest.database.bytes + copied.iter().map(|one| one.digest.bytes).sum::<u64>(),
        new_blobs: copied.iter().filter(|one| one.is_new).count() as u64,
    })
}

/// Looks whether everything that a backup lists is there, byte for byte.
///
/// # Errors
/// [`RunError`] when the folder holds no whole backup; damage is in the report.
pub async fn verify_backup(from: &Path, tell: Listener<'_>) -> Result<Looked, RunError> {
    let folder = BackupFolder::to_read(from)?;
    let manifest = whole(&folder, from)?;
    let mut report = Looked {
        blobs: manifest.blobs.len() as u64,
        bytes: bytes(&manifest),
        damage: Vec::new(),
    };
    let path = folder.database(&manifest);
    match copy_hashed(&path, &mut io::sink()) {
        Ok(digest) if digest == manifest.database => {},
        Ok(_) => report
            .damage
            .push(Damage::of_database("it has another hash")),
        Err(_) => report.damage.push(Damage::of_database("it cannot be read")),
    }
    tell(Step::Database);
    let source = FsBlobs::beside(&folder.blobs());
    let reads = manifest.blobs.iter();
    let reads = reads.map(|(key, digest)| async { (*key, read(&source, *key, *digest).await) });
    let mut reads = stream::iter(reads).buffered(COPIES_AT_ONCE);
    let mut done = 0;
    while let Some((key, found)) = reads.next().await {
        if let Err(why) = found? {
            report.damage.push(Damage::of_blob(key, why));
        }
        done += 1;
        tell(Step::Blobs {
            done,
            of: manifest.blobs.len(),
        });
    }
    Ok(report)
}

/// Refuses a place where a restore was begun and not finished.
///
/// # Errors
/// [`BackupError::HalfRestored`].
pub(crate) fn check_finished(options: &Options) -> Result<(), RunError> {
    if options.data.join(RESTORING_FILE).exists() {
        return Err(BackupError::HalfRestored(options.data.clone()).into());
    }
    Ok(())
}

fn whole(folder: &BackupFolder, from: &Path) -> Result<Manifest, RunError> {
    let manifest = folder.manifest()?;
    manifest.ok_or_else(|| BackupError::CutShort(from.to_owned()).into())
}

/// Marks the place as one where this backup is being restored; it is empty, or was marked so before.
fn begin(
    options: &Options,
    manifest: &Manifest,
    database: &Path,
    blobs: &Path,
) -> Result<(), RunError> {
    let mark = options.data.join(RESTORING_FILE);
    let name = manifest.database_name() + "\n";
    match fs::read_to_string(&mark) {
        Ok(marked) if marked == name => return Ok(()),
        Ok(_) => return Err(BackupError::NotEmpty(options.data.clone()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {},
        Err(source) => return Err(io_error("read", &mark)(source)),
    }
    // A left-over log would be taken for changes of the restored database.
    let beside = ["", "-wal", "-shm", "-journal"].map(|end| with_suffix(database, end));
    if let Some(path) = beside.into_iter().find(|path| path.exists()) {
        return Err(BackupError::NotEmpty(path).into());
    }
    match fs::read_dir(blobs).map(|mut listed| listed.next().is_some()) {
        Ok(true) => return Err(BackupError::NotEmpty(blobs.to_owned()).into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("read the folder", blobs)(error));
        },
        Ok(false) | Err(_) => {},
    }
    write_durable(&mark, &name)
}

fn with_suffix(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

async fn copy_all(
    source: &FsBlobs,
    target: &FsBlobs,
    manifest: &Manifest,
    tell: Listener<'_>,
) -> Result<(Vec<Copied>, Vec<Damage>), RunError> {
    let copies = manifest.blobs.iter();
    let copies =
        copies.map(|(key, digest)| async { (*key, copy(source, target, *key, *digest).await) });
    let mut copies = stream::iter(copies).buffered(COPIES_AT_ONCE);
    let (mut out, mut damage) = (Vec::new(), Vec::new());
    while let Some((key, copied)) = copies.next().await {
        match copied? {
            Ok(copied) => out.push(copied),
            Err(why) => damage.push(Damage::of_blob(key, why)),
        }
        tell(Step::Blobs {
            done: out.len() + damage.len(),
            of: manifest.blobs.len(),
        });
    }
    Ok((out, damage))
}

async fn copy(
    source: &FsBlobs,
    target: &FsBlobs,
    key: BlobKey,
    digest: Digest,
) -> Result<Result<Copied, &'static str>, RunError> {
    let there = target.get(key).await.ok();
    if there.is_some_and(|bytes| Digest::of(&bytes) == digest) {
        let is_new = false;
        return Ok(Ok(Copied { digest, is_new }));
    }
    match read(source, key, digest).await? {
        Ok(bytes) => {
            target.put(key, bytes).await?;
            let is_new = true;
            Ok(Ok(Copied { digest, is_new }))
        },
        Err(why) => Ok(Err(why)),
    }
}

/// A blob of a backup as the manifest has it; inside, why it is not.
async fn read(
    source: &FsBlobs,
    key: BlobKey,
    digest: Digest,
) -> Result<Result<Bytes, &'static str>, RunError> {
    match source.get(key).await {
        Ok(bytes) if Digest::of(&bytes) == digest => Ok(Ok(bytes)),
        Ok(_) => Ok(Err("its blob has another hash")),
        Err(StoreError::NoBlob) => Ok(Err("its blob is missing")),
        Err(StoreError::Backend { .. }) => Ok(Err("its blob cannot be read")),
        Err(error) => Err(error.into()),
    }
}

fn restore_database(from: &Path, to: &Path, digest: Digest) -> Result<(), RunError> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make_private_dir(parent)?;
    let staged = with_suffix(to, ".tmp");
    let write = || {
        let mut file = private_file(&staged)?;
        let found = copy_hashed(from, &mut file)?;
        file.sync_all()?;
        Ok(found)
    };
    if write().map_err(io_error("restore the database to", to))? != digest {
        return Err(BackupError::NoDatabase.into());
    }
    fs::rename(&staged, to).map_err(io_error("rename", &staged))?;
    sync_dir(parent)
}
