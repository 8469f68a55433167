//! What is wrong with our own files and can be put right without asking: `fst doctor --fix`.
//!
//! [`faults`] only looks; [`Fault::mend`] does one thing. Called by the command line. Invariant: only names that are ours,
//! in our own directories, owned by this user and reached by no link are touched; no file of a folder, no key's bytes and
//! no database; what was mended is not found again. Not here: findings that need a person (`fst-client`), printing.
//! Source: docs/design/commands.md §13.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fst_client::Topic;
use fst_client::dirs::Dirs;
use rustix::process::{Pid, geteuid, test_kill_process};

use crate::error::shown;
use crate::lock::{DaemonLock, is_held};
use crate::record::{self, DaemonRecord};
use crate::{log, socket};

mod watches;

pub use watches::{Kept, WatchLimit};

/// Directories are for their owner only.
const DIR_MODE: u32 = 0o700;

/// Something of ours that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Others may look into it, or its owner may not.
    Mode {
        /// Ours.
        path: PathBuf,
        /// Permissions that it should have.
        want: u32,
    },
    /// A daemon died and left its record and socket behind.
    DeadDaemon {
        /// What it left, the record last: it names the others.
        traces: Vec<PathBuf>,
    },
    /// A command was killed and left its temporary file or directory behind.
    Abandoned {
        /// It, directly in the state directory.
        path: PathBuf,
    },
}

impl Fault {
    /// What of `fst doctor` it belongs to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Mode { .. } => Topic::Keys,
            Self::DeadDaemon { .. } | Self::Abandoned { .. } => Topic::Disk,
        }
    }

    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Mode { path, want } => {
                format!("{} should have mode {want:04o}", shown(path))
            },
            Self::DeadDaemon { traces } => {
                let names: Vec<String> = traces.iter().map(|path| shown(path)).collect();
                format!("a dead daemon left {}", names.join(", "))
            },
            Self::Abandoned { path } => format!("a killed command left {}", shown(path)),
        }
    }

    /// Puts it right.
    ///
    /// # Errors
    /// The I/O error of the step that failed, [`io::ErrorKind::WouldBlock`] when somebody uses it by now.
    pub fn mend(&self, dirs: &Dirs) -> io::Result<()> {
        match self {
            Self::Mode { path, want } => fs::set_permissions(path, Permissions::from_mode(*want)),
            Self::DeadDaemon { traces } => {
                // Held until all is gone: no daemon starts meanwhile and loses what it has just written.
                let _lock = DaemonLock::take(dirs).map_err(|_| io::ErrorKind::WouldBlock)?;
                traces.iter().try_for_each(|path| remove(path))
            },
            Self::Abandoned { path } if path.is_dir() => {
                // A command that runs where its process id means nothing here still has its lock.
                File::open(path)?.try_lock()?;
                fs::remove_dir_all(path)
            },
            Self::Abandoned { path } => remove(path),
        }
    }
}

/// Everything that [`Fault::mend`] would put right now; directories before what is in them.
#[must_use]
pub fn faults(dirs: &Dirs) -> Vec<Fault> {
    let mut faults: Vec<Fault> = private_paths(dirs).iter().filter_map(open_one).collect();
    faults.extend(dead_daemon(dirs));
    faults.extend(abandoned(dirs));
    faults
}

/// What must be for its owner only, directories first: while one is open, what is in it could be exchanged.
fn private_paths(dirs: &Dirs) -> Vec<PathBuf> {
    let keystore = dirs.keystore();
    let state = |name: &str| dirs.state.join(name);
    let mut paths = vec![
        dirs.config.clone(),
        dirs.data.clone(),
        keystore.clone(),
        dirs.state.clone(),
        state("folders"),
        dirs.config.join("config.yaml"),
        dirs.good_config_file(),
        log::path_of(dirs),
        record::path_of(dirs),
        state("daemon.sock"),
        state("operations.jsonl"),
    ];
    paths.extend(entries(&keystore));
    paths
}

fn open_one(path: &PathBuf) -> Option<Fault> {
    let meta = fs::symlink_metadata(path).ok()?;
    let mode = meta.permissions().mode() & 0o777;
    let want = if meta.is_dir() {
        DIR_MODE
    } else {
        // A file that its owner made read-only stays so.
        (mode & 0o600) | 0o400
    };
    let path = path.clone();
    (is_ours(&meta) && mode != want).then_some(Fault::Mode { path, want })
}

/// Owned by this user and neither a link nor reached by a second name, which may be a user's file.
fn is_ours(meta: &Metadata) -> bool {
    let kind = meta.file_type();
    let is_own_kind = kind.is_dir() || kind.is_socket() || (kind.is_file() && meta.nlink() == 1);
    is_own_kind && meta.uid() == geteuid().as_raw()
}

fn dead_daemon(dirs: &Dirs) -> Option<Fault> {
    let in_state = dirs.state.join("daemon.sock");
    let record = record::path_of(dirs);
    let recorded = DaemonRecord::read(dirs).filter(|record| socket::is_name(&record.socket));
    let mut traces = vec![in_state];
    if let Some(found) = recorded {
        let own_dir = found.socket.parent().filter(|dir| socket::is_own_dir(dir));
        let own_dir = own_dir.map(Path::to_owned);
        traces.push(found.socket);
        traces.extend(own_dir);
    }
    traces.push(record);
    traces.dedup();
    traces.retain(|path| fs::symlink_metadata(path).is_ok_and(|meta| is_ours(&meta)));
    // Only looked at when there is something: to look makes the state directory.
    (!traces.is_empty() && !is_held(dirs)).then_some(Fault::DeadDaemon { traces })
}

fn abandoned(dirs: &Dirs) -> impl Iterator<Item = Fault> {
    let entries = entries(&dirs.state).into_iter();
    let left = entries.filter(|path| is_abandoned(path));
    left.map(|path| Fault::Abandoned { path })
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return false;
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let is_left = match name.and_then(temporary) {
        None => false,
        // Whoever uses it has it locked.
        Some(Temporary::Dir) => {
            meta.is_dir() && File::open(path).is_ok_and(|dir| dir.try_lock().is_ok())
        },
        Some(Temporary::File { pid }) => meta.is_file() && !is_alive(pid),
    };
    is_left && is_ours(&meta)
}

/// What a name of ours says about a temporary thing.
enum Temporary {
    Dir,
    File { pid: i32 },
}

/// `verify-` and 32 hex digits is the directory of a verify, `.fst-bench-` and so on that of a bench, `NAME.new-PID` a file
/// that was about to take its place.
fn temporary(name: &str) -> Option<Temporary> {
    let of_a_command = ["verify-", ".fst-bench-"];
    if let Some(tag) = of_a_command.iter().find_map(|what| name.strip_prefix(what)) {
        let is_tag = tag.len() == 32 && tag.bytes().all(|digit| digit.is_ascii_hexdigit());
        return is_tag.then_some(Temporary::Dir);
    }
    let (_, digits) = name.rsplit_once(".new-")?;
    let pid = digits.parse().ok().filter(|pid| *pid > 0)?;
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    is_plain.then_some(Temporary::File { pid })
}

/// A process of another user counts as well: nothing is done while in doubt.
fn is_alive(pid: i32) -> bool {
    let gone = |pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
    Pid::from_raw(pid).is_some_and(|pid| !gone(pid))
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Gone already is as good; a directory goes only when it is empty.
fn remove(path: &Path) -> io::Result<()> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    let removed = if is_dir {
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
