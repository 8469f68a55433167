//! One daemon per state directory: an advisory lock that the kernel gives back when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use fst_client::dirs::Dirs;

use crate::DaemonError;

/// Held while a daemon lives.
#[derive(Debug)]
pub(crate) struct DaemonLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DaemonLock {
    /// Takes the lock or says who cannot have it; makes the state directory when it is missing.
    pub(crate) fn take(dirs: &Dirs) -> Result<Self, DaemonError> {
        let file = open(dirs)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(DaemonError::Locked {
                state: dirs.state.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(DaemonError::File {
                what: "lock",
                path: path_of(dirs),
                source,
            }),
        }
    }
}

/// Whether a daemon holds the lock now.
pub(crate) fn is_held(dirs: &Dirs) -> bool {
    matches!(DaemonLock::take(dirs), Err(DaemonError::Locked { .. }))
}

/// Waits until no daemon holds the lock; `false` when `limit` passes first.
///
/// # Errors
/// [`DaemonError::File`] when the lock file cannot be opened.
pub fn wait_until_free(dirs: &Dirs, limit: Duration) -> Result<bool, DaemonError> {
    let file = open(dirs)?;
    let (free, freed) = mpsc::channel();
    // The kernel has no lock call with a time limit, so the call that blocks gets a thread of its own.
    // It ends with the lock or with this short-lived process.
    std::thread::spawn(move || {
        let locked = file.lock();
        drop(file);
        free.send(locked.is_ok()).unwrap_or_default();
    });
    Ok(freed.recv_timeout(limit).unwrap_or(false))
}

fn path_of(dirs: &Dirs) -> PathBuf {
    dirs.state.join("daemon.lock")
}

fn open(dirs: &Dirs) -> Result<File, DaemonError> {
    private_dir(&dirs.state)?;
    let path = path_of(dirs);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| DaemonError::File {
            what: "open",
            path,
            source,
        })
}

/// Makes a directory of ours that only its owner may enter.
pub(crate) fn private_dir(path: &Path) -> Result<(), DaemonError> {
    fst_client::dirs::make_private(path).map_err(|source| DaemonError::File {
        what: "make the directory",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(home: &Path) -> Dirs {
        Dirs::from_env(&|name| (name == "HOME").then(|| home.as_os_str().to_owned())).unwrap()
    }

    #[test]
    fn a_second_daemon_is_refused_until_the_first_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let dirs = dirs(home.path());
        let first = DaemonLock::take(&dirs).unwrap();
        assert!(matches!(
            DaemonLock::take(&dirs),
            Err(DaemonError::Locked { .. })
        ));
        assert!(!wait_until_free(&dirs, Duration::from_millis(1)).unwrap());
        drop(first);
        assert!(wait_until_free(&dirs, Duration::from_secs(5)).unwrap());
        assert!(!is_held(&dirs));
    }
}
