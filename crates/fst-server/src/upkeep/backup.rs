//! Copies everything a server holds into a folder, while the server runs.
//!
//! Called by `fst-server backup`. Invariant: what the folder held as a whole backup stays one until the new one is whole
//! and durable; a good copy is never replaced by a damaged one, nor a backup by one of other or older data. Not here:
//! reading it back ([`super::restore`]). Source: ADR 0038.

use std::io;
use std::path::Path;

use fst_proto::time::Clock as _;
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::{BlobKey, BlobStore as _};
use fst_store::meta::sqlite::holdings::{self, Holdings, NamedBlob};
use futures::{StreamExt as _, stream};

use super::folder::{BackupFolder, copy_hashed, write_durable};
use super::manifest::{Digest, Manifest};
use super::verify::{Damage, Depth, look};
use super::{BackupError, Hold, places};
use crate::config::Options;
use crate::run::{RunError, io_error};
use crate::seams::SystemClock;
use crate::stores;

/// Blobs copied at once: while one waits for the disk another is read; each may be as large as a request.
pub(super) const COPIES_AT_ONCE: usize = 4;

/// Blobs listed at once while unneeded ones are looked for.
const LISTED_AT_ONCE: usize = 4096;

/// File with the time of the last backup that became whole, Unix seconds.
pub(crate) const LAST_BACKUP_FILE: &str = "last-backup";

/// What has just been done; what comes next has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The database is copied.
    Database,
    /// So many blobs are there.
    Blobs {
        /// There.
        done: usize,
        /// Of all.
        of: usize,
    },
    /// Everything is there but the manifest.
    Named,
    /// The backup, or what was restored, is whole; what is not needed may lie beside it.
    Whole,
}

/// Hears of every step.
pub type Listener<'a> = &'a mut (dyn FnMut(Step) + Send);

/// What a backup or a restore moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Blobs that are there now.
    pub blobs: u64,
    /// Their bytes, and those of the database.
    pub bytes: u64,
    /// Blobs that were not there before.
    pub new_blobs: u64,
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            blobs,
            bytes,
            new_blobs,
        } = self;
        writeln!(f, "blobs {blobs}  new {new_blobs}  bytes {bytes}")
    }
}

/// How a blob came to be where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    pub(super) digest: Digest,
    pub(super) is_new: bool,
}

/// Backs up database and blobs into the folder `to`; may run beside the server.
///
/// Blobs that an earlier backup left in the folder are read and kept.
/// # Errors
/// [`RunError`]; the folder then holds the backup that it held before, or none.
pub async fn backup(options: &Options, to: &Path, tell: Listener<'_>) -> Result<Moved, RunError> {
    let moved = run(options, to, tell).await;
    let moved = moved.map_err(|error| error.on_disk(to))?;
    // In the server's log, and so in the next backup.
    let service = stores::open_meta_only(options).await?;
    service.tell_backup(moved.blobs).await;
    Ok(moved)
}

async fn run(options: &Options, to: &Path, tell: Listener<'_>) -> Result<Moved, RunError> {
    let (database, blobs) = places(options)?;
    let hold = Hold::to_read(&options.data)?;
    let folder = BackupFolder::to_write(to)?;
    let earlier = folder.manifest()?;

    let staged = folder.stage_database()?;
    holdings::copy(database, &staged)?;
    let held = Holdings::open_copy(&staged)?;
    check_copy(&held)?;
    if let Some(earlier) = &earlier {
        check_follows(&held, &folder, earlier, to)?;
    }
    tell(Step::Database);

    let (source, target) = (FsBlobs::beside(blobs), FsBlobs::open(&folder.blobs())?);
    let copied = copy_all(&source, &target, &held.blobs()?, earlier.as_ref(), tell).await?;
    drop((hold, held));

    let manifest = Manifest {
        time: SystemClock.now(),
        schema: holdings::SCHEMA,
        database: sync_hashed(&staged)?,
        blobs: copied
            .iter()
            .map(|(key, copied)| (*key, copied.digest))
            .collect(),
    };
    folder.name_database(&manifest)?;
    tell(Step::Named);
    folder.finish(&manifest)?;
    tell(Step::Whole);

    folder.remove_old_databases(&manifest)?;
    remove_unnamed(&target, &manifest).await?;
    let seconds = manifest.time.0 / 1000;
    write_durable(
        &options.data.join(LAST_BACKUP_FILE),
        &format!("{seconds}\n"),
    )?;
    Ok(Moved {
        blobs: manifest.blobs.len() as u64,
        bytes: bytes(&manifest),
        new_blobs: copied.iter().filter(|(_, copied)| copied.is_new).count() as u64,
    })
}

/// When a backup of this data folder became whole last, Unix seconds.
pub(crate) fn last(data: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(data.join(LAST_BACKUP_FILE)).ok()?;
    text.trim().parse().ok()
}

/// Bytes of everything that a manifest lists.
pub(super) fn bytes(manifest: &Manifest) -> u64 {
    let blobs = manifest.blobs.iter().map(|(_, digest)| digest.bytes);
    manifest.database.bytes + blobs.sum::<u64>()
}

fn check_copy(held: &Holdings) -> Result<(), RunError> {
    let damage = held.complaints()?.into_iter().map(Damage::of_database);
    let damage: Vec<Damage> = damage.collect();
    if damage.is_empty() {
        Ok(())
    } else {
        Err(BackupError::Damaged(damage).into())
    }
}

/// Looks whether everything that the earlier backup knew is history of what is to replace it.
fn check_follows(
    held: &Holdings,
    folder: &BackupFolder,
    earlier: &Manifest,
    to: &Path,
) -> Result<(), RunError> {
    let before = Holdings::open_copy(&folder.database(earlier))?;
    for (space, head) in before.heads()? {
        if !held.has_seen(space, head)? {
            return Err(BackupError::OtherData {
                path: to.to_owned(),
                space,
            }
            .into());
        }
    }
    Ok(())
}

/// Copies what is not there yet, in order of keys; reports all that is damaged, not only the first.
async fn copy_all(
    source: &FsBlobs,
    target: &FsBlobs,
    named: &[NamedBlob],
    earlier: Option<&Manifest>,
    tell: Listener<'_>,
) -> Result<Vec<(BlobKey, Copied)>, RunError> {
    let copies = named.iter().map(|named| async {
        let known = earlier.and_then(|earlier| earlier.blob(named.key));
        (named.key, copy(source, target, *named, known).await)
    });
    let mut copies = stream::iter(copies).buffered(COPIES_AT_ONCE);
    let (mut out, mut damage) = (Vec::with_capacity(named.len()), Vec::new());
    while let Some((key, copied)) = copies.next().await {
        match copied? {
            Ok(copied) => out.push((key, copied)),
            Err(why) => damage.push(Damage::of_blob(key, why)),
        }
        tell(Step::Blobs {
            done: out.len() + damage.len(),
            of: named.len(),
        });
    }
    if damage.is_empty() {
        Ok(out)
    } else {
        Err(BackupError::Damaged(damage).into())
    }
}

/// Copies one blob, unless it is there; inside, why it cannot be had.
///
/// A blob never changes: when it is not what the earlier backup saw, it was damaged since, and is not copied.
async fn copy(
    source: &FsBlobs,
    target: &FsBlobs,
    named: NamedBlob,
    known: Option<Digest>,
) -> Result<Result<Copied, &'static str>, RunError> {
    // What cannot be read is not there, and is written anew.
    let there = target.get(named.key).await.ok();
    let there = there.map(|bytes| Digest::of(&bytes));
    if let Some(digest) = there.filter(|there| Some(*there) == known) {
        return Ok(Ok(Copied {
            digest,
            is_new: false,
        }));
    }
    let bytes = match look(source, named, Depth::Deep).await? {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(why)),
    };
    let digest = Digest::of(&bytes);
    if known.is_some_and(|known| known != digest) {
        return Ok(Err("its blob is not what the earlier backup saw"));
    }
    let is_new = there != Some(digest);
    if is_new {
        target.put(named.key, bytes).await?;
    }
    Ok(Ok(Copied { digest, is_new }))
}

fn sync_hashed(path: &Path) -> Result<Digest, RunError> {
    let hashed = std::fs::File::open(path)
        .and_then(|file| file.sync_all())
        .and_then(|()| copy_hashed(path, &mut io::sink()));
    hashed.map_err(io_error("read", path))
}

/// Removes blobs that the manifest does not name: the server gave them up.
async fn remove_unnamed(target: &FsBlobs, manifest: &Manifest) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let listed = target.list(after, LISTED_AT_ONCE).await?;
        let Some(last) = listed.last() else {
            return Ok(());
        };
        after = Some(last.key);
        for blob in listed {
            if manifest.blob(blob.key).is_none() {
                target.delete(blob.key).await?;
            }
        }
    }
}
