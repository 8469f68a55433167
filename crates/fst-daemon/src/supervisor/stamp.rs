//! Whether the configuration file is another than the one that was read.
//!
//! Used by the supervisor alone. Invariant: cheap, one call to the system; an edit that keeps length, inode and both
//! times is not seen until somebody asks for a reload.

use std::os::unix::fs::MetadataExt as _;

use fst_client::dirs::Dirs;

/// What the system says about the file; `None` when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Option<Seen>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The file now; links are followed.
    pub(super) fn of(dirs: &Dirs) -> Self {
        let seen = std::fs::metadata(dirs.config_file()).ok().map(|file| Seen {
            inode: file.ino(),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        });
        Self(seen)
    }
}
