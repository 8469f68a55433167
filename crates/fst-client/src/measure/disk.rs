//! Writes, saves and reads in a private directory beside the files that are meant, and removes it.
//!
//! Called by [`super::measure`]. Invariant: the directory is gone when this returns, also on errors; it is made only
//! where [`ROOM_BYTES_MIN`] are free. Inside a synced folder it lies where nothing is synced from.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use fst_proto::error::ErrorCode;
use fst_proto::path::PRIVATE_DIR;
use rustix::fs::{Advice, fadvise, statvfs};

use super::{Budget, Figure, noise, per_second, percentile};
use crate::error::ClientError;
use crate::private::Private;

/// Most bytes of the large file: beyond what the memory of a disk hides, little enough for a full disk.
const FILE_BYTES_MAX: u64 = 128 << 20;

/// Bytes written between two looks at the clock, made durable each time: a slow disk does not go on for minutes.
const STEP_BYTES: usize = 4 << 20;

/// Bytes of a small file: a page.
const SMALL_BYTES: usize = 4096;

/// Most small files, one after the other under one name: enough for a 95th percentile.
const SAVES_MAX: usize = 200;

/// Free bytes without which nothing is written: measuring never fills a disk.
const ROOM_BYTES_MIN: u64 = 4 * FILE_BYTES_MAX;

/// Begins the name of the directory, which may lie among files of a user.
const PRIVATE_NAME: &str = ".fst-bench";

/// Measures the file system that `dir` lies on.
pub(super) fn measure(dir: &Path) -> Result<Figure, ClientError> {
    let failed = |error: io::Error| {
        let code = match error.kind() {
            io::ErrorKind::NotFound => ErrorCode::NotFound,
            io::ErrorKind::StorageFull => ErrorCode::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => ErrorCode::ReadOnlyRoot,
            _ => ErrorCode::Unreadable,
        };
        ClientError::caused(
            code,
            format!("measure the disk at {}", dir.display()),
            error,
        )
    };
    has_room(dir, ROOM_BYTES_MIN).map_err(failed)?;
    let place = Private::make(&beside(dir), PRIVATE_NAME).map_err(failed)?;
    figures(place.path()).map_err(failed)
}

fn has_room(dir: &Path, bytes: u64) -> io::Result<()> {
    let stat = statvfs(dir)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < bytes {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}

/// Where nothing is synced from: the private directory of the synced folder around it, if there is one.
fn beside(dir: &Path) -> PathBuf {
    let private = dir.ancestors().map(|above| above.join(PRIVATE_DIR));
    let there = private.into_iter().find(|private| private.is_dir());
    there.unwrap_or_else(|| dir.to_owned())
}

fn figures(place: &Path) -> io::Result<Figure> {
    let file = place.join("large");
    let write_bytes_per_s = write(&file)?;
    let read_bytes_per_s = read(&file)?;
    let mut saves = saves(place)?;
    saves.sort_unstable();
    Ok(Figure::Disk {
        write_bytes_per_s,
        read_bytes_per_s,
        save_p50_us: percentile(&saves, 50),
        save_p95_us: percentile(&saves, 95),
    })
}

fn write(path: &Path) -> io::Result<u64> {
    let step = noise(STEP_BYTES);
    let mut file = File::create_new(path)?;
    let (budget, mut bytes) = (Budget::start(), 0);
    while bytes == 0 || (bytes < FILE_BYTES_MAX && !budget.is_spent()) {
        file.write_all(&step)?;
        file.sync_data()?;
        bytes += STEP_BYTES as u64;
    }
    Ok(per_second(bytes, budget.us()))
}

fn read(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    // What was just written lies in memory. A file system that cannot let go of it is measured as it is.
    fadvise(&file, 0, None, Advice::DontNeed).unwrap_or_default();
    let mut step = vec![0; STEP_BYTES];
    let (budget, mut bytes) = (Budget::start(), 0);
    while bytes == 0 || !budget.is_spent() {
        let n_read = file.read(&mut step)?;
        if n_read == 0 {
            break;
        }
        bytes += n_read as u64;
    }
    Ok(per_second(bytes, budget.us()))
}

/// Microseconds of each save, done as a download is: write, make durable, give the name.
fn saves(place: &Path) -> io::Result<Vec<u64>> {
    let page = noise(SMALL_BYTES);
    let (staged, named) = (place.join("staged"), place.join("named"));
    let (budget, mut times) = (Budget::start(), Vec::new());
    while times.is_empty() || (times.len() < SAVES_MAX && !budget.is_spent()) {
        let one = Budget::start();
        let mut file = File::create(&staged)?;
        file.write_all(&page)?;
        file.sync_data()?;
        fs::rename(&staged, &named)?;
        times.push(one.us());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_entries(dir: &Path) -> usize {
        fs::read_dir(dir).expect("a directory").count()
    }

    #[test]
    fn nothing_stays_on_the_disk() {
        let dir = tempfile::tempdir().expect("a directory");
        let figure = measure(dir.path()).expect("room");
        assert!(
            matches!(
                figure,
                Figure::Disk {
                    save_p50_us: 1..,
                    ..
                }
            ),
            "{figure:?}"
        );
        assert_eq!(n_entries(dir.path()), 0);
    }

    #[test]
    fn nothing_stays_when_it_fails_half_way() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Private::new(dir.path(), PRIVATE_NAME).expect("room");
        fs::create_dir(place.path().join("staged")).expect("ours");
        figures(place.path()).expect_err("a directory lies where a file has to be");
        drop(place);
        assert_eq!(n_entries(dir.path()), 0);
    }

    #[test]
    fn without_room_nothing_is_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = has_room(dir.path(), u64::MAX).expect_err("no disk is that large");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        has_room(dir.path(), 1).expect("a byte is free");
        let error = measure(&dir.path().join("gone")).expect_err("it is not there");
        assert_eq!(error.code(), ErrorCode::NotFound);
    }

    #[test]
    fn in_a_synced_folder_it_lies_where_nothing_is_synced_from() {
        let dir = tempfile::tempdir().expect("a directory");
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).expect("ours");
        assert_eq!(beside(&below), below);
        let private = dir.path().join(PRIVATE_DIR);
        fs::create_dir(&private).expect("ours");
        assert_eq!(beside(&below), private);
    }
}
