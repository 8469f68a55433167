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

/// A rule that decides about a path. Field names are a public contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `space | file | device`.
    pub source: String,
    /// Rule file inside the folder, or `config.yaml`; empty for the policy of the space.
    pub file: String,
    /// Line of the file, or number in the list, from 1.
    pub line: u32,
    /// The rule as it was written.
    pub pattern: String,
}

/// What a device has chosen of a folder. Field names are a public contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChoiceView {
    /// The folder.
    pub folder: PathBuf,
    /// Nothing is left out.
    pub is_everything: bool,
    /// Names of the configuration: the only ones that are synced.
    pub only: Vec<String>,
    /// Not synced; copies stay.
    pub except: Vec<String>,
    /// Not synced; synced copies go.
    pub cleared: Vec<String>,
    /// Directories at the top and those that are named, sorted by path.
    pub sub_folders: Vec<SubFolder>,
}

/// A sub-folder as it is at the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SubFolder {
    /// Path inside the folder, printable.
    pub path: String,
    /// `all | part | none | cleared`.
    pub chosen: String,
    /// Something of this name lies on this disk.
    pub is_here: bool,
    /// Files in it at the server, as far as this device knows.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A path on the disk that a rule ignores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IgnoredItem {
    /// Path inside the folder, printable.
    pub path: String,
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
}

/// What would be done with one path. Field names are a public contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlannedItem {
    /// Path inside the folder, printable.
    pub path: String,
    /// Path on the side that is to change, when it is another one.
    pub was: Option<String>,
    /// `up | down | both | none`.
    pub direction: String,
    /// `upload | download | move | delete | attributes | adopt | hold`.
    pub action: String,
    /// Why, in a few words.
    pub reason: String,
    /// Row of the specification, `S-nnn`.
    pub row: String,
    /// Bytes of the content that travels.
    pub bytes: u64,
}

/// Why a plan would not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopItem {
    /// Row of the specification.
    pub row: String,
    /// Why.
    pub reason: String,
    /// `FST-nnnn`.
    pub code: String,
    /// What to do.
    pub next: String,
}

/// What the next cycle of a folder would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FolderPlan {
    /// The folder.
    pub folder: PathBuf,
    /// Remote path such as `/Documents`.
    pub remote_path: String,
    /// One line per path that is concerned.
    pub items: Vec<PlannedItem>,
    /// Paths that a rule ignores, up to a limit.
    pub ignored: Vec<IgnoredItem>,
    /// Number of all of them.
    pub n_ignored: u64,
    /// Paths that cannot be synced.
    pub problems: Vec<fst_proto::ipc::PathProblem>,
    /// The guard that would stop it.
    pub stopped: Option<StopItem>,
    /// Files that are equal on both sides already.
    pub same: u64,
    /// Bytes to send.
    pub upload_bytes: u64,
    /// Bytes to receive.
    pub download_bytes: u64,
    /// The server did not answer: the plan is made from what this device knew.
    pub is_offline: bool,
}

/// Why a path is as it is. Field names are a public contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WhyItem {
    /// The folder.
    pub folder: PathBuf,
    /// Path inside the folder, printable.
    pub path: String,
    /// `synced | pending | held | ignored | problem | deleted | unknown`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Row of the specification, when one decides.
    pub row: Option<String>,
    /// What the next cycle would do with it.
    pub plan: Option<PlannedItem>,
    /// The rule that ignores it or keeps it.
    pub rule: Option<Rule>,
    /// `FST-nnnn` of a problem.
    pub code: Option<String>,
    /// What to do.
    pub next: Option<String>,
    /// Device of the newest known version, or of the deletion.
    pub device: Option<String>,
    /// Server time of it, Unix milliseconds.
    pub time_ms: Option<u64>,
    /// Size of it in bytes.
    pub size: Option<u64>,
}
