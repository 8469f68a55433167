//! `daemon.json`: where a running daemon can be reached. The command line reads it and never guesses.

use std::path::PathBuf;

use fst_client::dirs::{Dirs, write_durably};
use serde::{Deserialize, Serialize};

use crate::DaemonError;

/// What a daemon writes about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonRecord {
    /// Process id.
    pub pid: u32,
    /// Control socket.
    pub socket: PathBuf,
    /// Start, Unix milliseconds.
    pub started_at: u64,
    /// Version of the program.
    pub version: String,
}

impl DaemonRecord {
    /// Reads the record; `None` when there is none or it is not readable as one.
    #[must_use]
    pub fn read(dirs: &Dirs) -> Option<Self> {
        let bytes = std::fs::read(path_of(dirs)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn write(&self, dirs: &Dirs) -> Result<(), DaemonError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(DaemonError::Protocol)?;
        let path = path_of(dirs);
        write_durably(&path, &bytes).map_err(|source| DaemonError::File {
            what: "write",
            path,
            source,
        })
    }

    pub(crate) fn remove(dirs: &Dirs) {
        // A record that stays behind is harmless: nobody answers on its socket.
        std::fs::remove_file(path_of(dirs)).unwrap_or_default();
    }
}

/// Where it is.
pub(crate) fn path_of(dirs: &Dirs) -> PathBuf {
    dirs.state.join("daemon.json")
}
