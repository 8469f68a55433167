//! What can go wrong when a vault is asked for something, and whether to ask again.
//!
//! Made by [`crate::real`] and [`crate::fake`]; matched by the synchroniser's steps.
//! Invariant: a refusal that the caller plans for has a variant of its own; everything else is
//! [`VaultError::Io`] and keeps its cause.
//! Not here: problems of the watcher ([`crate::watch::LostReason`]).
//! Source: docs/design/sync-semantics.md.

use std::io;

use crate::name::StageName;

/// Result of everything a vault does.
pub type Result<T> = std::result::Result<T, VaultError>;

/// A vault could not, or would not, do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Nothing lies at the path, or one of its parents is gone.
    #[error("{op}: nothing is there")]
    NotFound {
        /// What was tried.
        op: &'static str,
    },
    /// Something lies where nothing may lie.
    #[error("{op}: the place is taken")]
    Occupied {
        /// What was tried.
        op: &'static str,
    },
    /// The directory has entries.
    #[error("{op}: directory is not empty")]
    NotEmpty {
        /// What was tried.
        op: &'static str,
    },
    /// The object is not the one expected, or changed while it was used.
    #[error("{op}: changed meanwhile")]
    Changed {
        /// What was tried.
        op: &'static str,
    },
    /// A program holds the file open for writing: what it writes next must not be lost.
    #[error("{op}: a program has it open for writing")]
    InUse {
        /// What was tried.
        op: &'static str,
    },
    /// A parent, or the object itself, should be a directory and is something else.
    #[error("{op}: not a directory")]
    NotADirectory {
        /// What was tried.
        op: &'static str,
    },
    /// A component of the path is a symbolic link; links are never followed.
    #[error("{op}: a symbolic link lies in the path")]
    SymlinkInPath {
        /// What was tried.
        op: &'static str,
    },
    /// Not a regular file: a directory, link, pipe, socket or device.
    #[error("{op}: not a regular file")]
    Special {
        /// What was tried.
        op: &'static str,
    },
    /// The name leads into the synchroniser's own directory, by way of case folding.
    #[error("{op}: the name is reserved for the synchroniser")]
    Reserved {
        /// What was tried.
        op: &'static str,
    },
    /// The path lies on another file system, mounted inside the folder.
    #[error("{op}: lies on another file system")]
    OtherDevice {
        /// What was tried.
        op: &'static str,
    },
    /// The file system cannot hold a name this long.
    #[error("{op}: name is too long for this file system")]
    NameTooLong {
        /// What was tried.
        op: &'static str,
    },
    /// The file system lacks an operation without which this cannot be done safely.
    #[error("{op}: this file system cannot do it safely")]
    Unsupported {
        /// What was tried.
        op: &'static str,
    },
    /// Permissions forbid it.
    #[error("{op}: permission denied")]
    Denied {
        /// What was tried.
        op: &'static str,
        /// Answer of the system.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be written at all.
    #[error("{op}: the folder is read-only")]
    ReadOnly {
        /// What was tried.
        op: &'static str,
    },
    /// No space or no quota left.
    #[error("{op}: no space left")]
    NoSpace {
        /// What was tried.
        op: &'static str,
        /// Answer of the system.
        #[source]
        source: io::Error,
    },
    /// The folder is gone or not mounted.
    #[error("the folder is missing")]
    RootMissing,
    /// Another directory lies where the folder was.
    #[error("another directory lies where the folder was")]
    RootReplaced,
    /// Another process works on this folder.
    #[error("another process works on this folder")]
    Locked,
    /// A step of several failed half way; an object of the user rests in the stage.
    #[error("something of the user rests in the stage as `{tag}`")]
    Displaced {
        /// Where it rests; move it back or beside its place with `unstage_move`.
        tag: StageName,
        /// What stopped the step.
        #[source]
        source: Box<Self>,
    },
    /// Anything else; after a change the outcome is unknown: look before going on.
    #[error("{op}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// Answer of the system.
        #[source]
        source: io::Error,
    },
}

/// What a caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The disk moved on: look again and plan again, at once.
    Moved,
    /// Concerns this path only: show it, go on with the others.
    Path,
    /// Concerns the disk; try again later, when space or the device may be back.
    Disk,
    /// Concerns the whole folder: stop it and say so.
    Folder,
}

impl VaultError {
    /// Says what to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound { .. }
            | Self::Occupied { .. }
            | Self::NotEmpty { .. }
            | Self::Changed { .. }
            | Self::NotADirectory { .. }
            | Self::SymlinkInPath { .. } => ErrorClass::Moved,
            Self::Special { .. }
            | Self::Reserved { .. }
            | Self::OtherDevice { .. }
            | Self::NameTooLong { .. }
            | Self::Unsupported { .. }
            | Self::Denied { .. }
            | Self::InUse { .. }
            | Self::Displaced { .. } => ErrorClass::Path,
            Self::NoSpace { .. } | Self::Io { .. } => ErrorClass::Disk,
            Self::ReadOnly { .. } | Self::RootMissing | Self::RootReplaced | Self::Locked => {
                ErrorClass::Folder
            },
        }
    }

    /// An error of the system while doing `op`.
    pub(crate) fn io(op: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Io {
            op,
            source: source.into(),
        }
    }
}

/// Inside `Read` and `Write` an error keeps its whole story as the cause.
impl From<VaultError> for io::Error {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Io { source, .. } | VaultError::NoSpace { source, .. } => source,
            other => Self::other(other),
        }
    }
}
