//! The limit of watched directories, now and after the next start of the machine.
//!
//! Invariant: a file that an administrator wrote is never changed. Not here: whether the limit is too low (`fst-client`).
//! Source: inotify(7), sysctl.d(5).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use rustix::process::geteuid;

/// Directories that all programs of one user may watch: what other programs for syncing ask for. One takes about a
/// kilobyte of the kernel's memory, and only while it is used.
const WATCHES_MAX: u64 = 1 << 20;

/// Where the limit is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchLimit {
    /// Read at each start of the machine.
    pub kept: PathBuf,
    /// In force now.
    pub live: PathBuf,
    /// Whether this process may write both.
    pub is_root: bool,
}

/// What came of keeping it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It holds now and after the next start.
    Done {
        /// In words.
        text: String,
    },
    /// Somebody else has to do it.
    ByHand {
        /// Why.
        text: String,
        /// The line to type.
        command: String,
    },
}

impl WatchLimit {
    /// That of this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self {
            kept: "/etc/sysctl.d/90-fst.conf".into(),
            live: "/proc/sys/fs/inotify/max_user_watches".into(),
            is_root: geteuid().is_root(),
        }
    }

    /// Raises it, for root; for others says what root has to type.
    ///
    /// # Errors
    /// The I/O error of the file that cannot be written.
    pub fn raise(&self) -> io::Result<Kept> {
        let line = format!("fs.inotify.max_user_watches={WATCHES_MAX}");
        let file = self.kept.display();
        if !self.is_root {
            let command = format!("echo {line} | sudo tee {file} && sudo sysctl -p {file}");
            let text = format!("only root may write {file}");
            return Ok(Kept::ByHand { text, command });
        }
        let wanted = format!("{line}\n");
        match fs::read_to_string(&self.kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut file = File::create_new(&self.kept)?;
                file.write_all(wanted.as_bytes())?;
                file.sync_all()?;
            },
            Ok(there) if there == wanted => {},
            // Somebody's own settings: the limit holds until the next start, and stays theirs to keep.
            Ok(_) | Err(_) => {
                let text = format!("{file} says something else already");
                let command = format!("sudo sysctl -w {line}");
                return Ok(Kept::ByHand { text, command });
            },
        }
        fs::write(&self.live, format!("{WATCHES_MAX}\n"))?;
        let text = format!("{WATCHES_MAX} directories may be watched; kept in {file}");
        Ok(Kept::Done { text })
    }
}
