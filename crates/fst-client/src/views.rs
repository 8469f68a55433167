//! Read-only views over the folders' databases: history and conflict copies.
//!
//! Works beside a running daemon. Invariant: a conflict is a conflict copy that lies in the tree; every device
//! derives the same list.

use std::path::PathBuf;

use serde::Serialize;

/// One line of `fst history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryItem {
    /// Server time, Unix milliseconds.
    pub time_ms: u64,
    /// Device that did it.
    pub device: String,
    /// `create | edit | move | delete | attributes`.
    pub action: String,
    /// Path inside the folder, printable.
    pub path: String,
    /// The folder.
    pub folder: PathBuf,
    /// Log position.
    pub idx: u64,
}

/// One line of `fst conflicts list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictItem {
    /// Short id.
    pub id: String,
    /// Path of the file that kept its name, printable.
    pub path: String,
    /// `edit`.
    pub kind: String,
    /// What lies at the path.
    pub local: Option<ConflictSide>,
    /// The kept copy.
    pub remote: Option<ConflictSide>,
    /// Common ancestor, when known.
    pub base: Option<ConflictSide>,
    /// The folder.
    pub folder: PathBuf,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictSide {
    /// Path inside the folder, printable.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Server time of the version, Unix milliseconds.
    pub time_ms: u64,
    /// Device that wrote it.
    pub device: String,
}
