//! The daemon's log: `daemon.log` in the state directory, moved aside at start when it has grown large.
//!
//! Invariant: no key, token or content is ever logged; names of the user's files appear at `debug` only.
//! `FST_LOG` takes a filter in the syntax of `tracing-subscriber`.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fst_client::dirs::Dirs;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::DaemonError;
use crate::lock::private_dir;

mod tail;

pub use tail::{LINES_MAX, Tail};

/// Size at which the log is moved aside at the next start: two of them are kept at most.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// What is logged unless `FST_LOG` says otherwise.
const FILTER: &str = "warn,fst_daemon=info,fst_client=info,fst_server=info,fst_cli=info";

/// Where the log is.
#[must_use]
pub fn path_of(dirs: &Dirs) -> PathBuf {
    dirs.state.join("daemon.log")
}

/// Opens the log for appending, moving a large one aside.
///
/// # Errors
/// [`DaemonError::File`] when the state directory cannot be written.
pub fn open(dirs: &Dirs) -> Result<File, DaemonError> {
    private_dir(&dirs.state)?;
    let path = path_of(dirs);
    rotate(&path);
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| DaemonError::File {
            what: "open the log",
            path,
            source,
        })
}

/// Sends log lines to the file, and to standard error as well when the daemon stays in the foreground.
///
/// A second call in one process changes nothing.
///
/// # Errors
/// [`DaemonError::File`] when the log cannot be opened.
pub fn start(dirs: &Dirs, filter: Option<&str>, echo: Echo) -> Result<(), DaemonError> {
    let file = fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(open(dirs)?));
    let wanted = || EnvFilter::new(filter.unwrap_or(FILTER));
    let screen = match echo {
        Echo::Screen => {
            let has_color = std::io::stderr().is_terminal();
            let screen = fmt::layer()
                .with_ansi(has_color)
                .with_writer(std::io::stderr);
            Some(screen.with_filter(wanted()))
        },
        Echo::FileOnly => None,
    };
    let started = tracing_subscriber::registry()
        .with(file.with_filter(wanted()))
        .with(screen)
        .try_init();
    if started.is_err() {
        tracing::debug!("a log is set up already");
    }
    Ok(())
}

/// Where log lines go besides the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Also to standard error.
    Screen,
    /// Nowhere else.
    FileOnly,
}

fn rotate(path: &Path) {
    let is_large = std::fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX);
    if is_large {
        // Without the move the log only stays longer than wished.
        std::fs::rename(path, path.with_extension("log.1")).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_log_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        File::create(&path)
            .unwrap()
            .set_len(LOG_BYTES_MAX + 1)
            .unwrap();
        rotate(&path);
        assert!(!path.exists());
        assert!(dir.path().join("daemon.log.1").exists());
        File::create(&path).unwrap().set_len(10).unwrap();
        rotate(&path);
        assert!(path.exists());
    }
}
