//! Messages between the command line and the daemon: one JSON object per line over a unix socket.
//!
//! Invariant: additive only; unknown fields are ignored. Field names of [`Status`] are the public contract
//! of `fst status --json`. Source: decisions on commands that scripts rely on.

use serde::{Deserialize, Serialize};

use crate::error::Problem;

/// What the command line asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Everything `fst status` shows.
    Status,
    /// Barrier: everything on disk now is committed, everything on the server now is applied.
    Wait {
        /// Longest time to wait, milliseconds.
        timeout_ms: u64,
        /// One folder, absolute; all folders when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// Scan and sync now.
    Sync,
    /// Pause all folders, or one.
    Pause {
        /// Folder, absolute.
        path: Option<String>,
    },
    /// Resume all folders, or one.
    Resume {
        /// Folder, absolute.
        path: Option<String>,
        /// The deletions that stopped it are meant.
        accept_deletions: bool,
    },
    /// Compare everything anew, trusting no cache.
    Resync,
    /// Stop syncing a folder and forget it; its files stay.
    Remove {
        /// Folder, absolute.
        path: String,
    },
    /// What happened lately, or what happens from now on.
    Events {
        /// From now on, until either side ends.
        follow: bool,
    },
    /// Read the configuration again.
    Reload,
    /// Stop the daemon.
    Stop,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Done.
    Done,
    /// State of everything.
    Status(Box<Status>),
    /// Something happened; more follows.
    Event(Box<Event>),
    /// Nothing happened for a while; more follows.
    Alive,
    /// It did not work.
    Failed {
        /// Why, and what to do.
        problem: Problem,
    },
}

/// Something that happened. Field names are the public contract of `fst events --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Number within the life of this daemon, from 1, without gaps but those that are told.
    pub seq: u64,
    /// When it was noticed, Unix milliseconds.
    pub time_ms: u64,
    /// `state | sent | received | conflict | problem | server | missed | stopping`.
    pub event: String,
    /// Absolute local path of the folder concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Path inside it, printable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of a change: `create | edit | move | delete | attributes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Of a folder the words of [`Status::state`]; of the server `connected | offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `FST-nnnn` of what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Open conflicts, or events that were missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// State of the whole client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `idle | syncing | paused | offline | attention | error`.
    pub state: String,
    /// Folders in the order of the configuration.
    pub folders: Vec<FolderStatus>,
    /// What is still to be done.
    pub pending: Pending,
    /// The server.
    pub server: ServerStatus,
    /// How fast bytes flow, and how fast they may.
    #[serde(default)]
    pub line: LineStatus,
    /// This device.
    pub device: DeviceStatus,
    /// Process id of the daemon, 0 without one.
    pub daemon_pid: u32,
    /// Why the configuration file as it is now is not in force, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Problem>,
}

/// State of one folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FolderStatus {
    /// Absolute local path.
    pub path: String,
    /// Remote path such as `/Documents`.
    pub remote_path: String,
    /// `two-way | upload-only | download-only`.
    pub mode: String,
    /// Which of its sub-folders this device syncs, in a few words, unless it is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Same words as [`Status::state`].
    pub state: String,
    /// What it is doing now.
    pub phase: String,
    /// Synced files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that compression took off what was sent from here, since the local database was made.
    #[serde(default)]
    pub saved_bytes: u64,
    /// Open conflict copies.
    pub conflicts: u64,
    /// Paths that cannot be synced, and why.
    pub problems: Vec<PathProblem>,
    /// Why the folder as a whole stands still, if it does.
    pub stopped: Option<Problem>,
    /// Why changes are noticed late: the system does not tell them, or not all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Problem>,
    /// Time of the last change, Unix milliseconds, 0 for none.
    pub last_change_ms: u64,
}

/// One path that cannot be synced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PathProblem {
    /// Path relative to the folder, printable.
    pub path: String,
    /// `FST-nnnn`.
    pub code: String,
    /// Why.
    pub reason: String,
    /// What to do.
    pub next: String,
}

/// Amount of work left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Files to send.
    pub uploads: u64,
    /// Files to receive.
    pub downloads: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// The server as seen from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its URL.
    pub url: String,
    /// Whether the last request got an answer.
    pub connected: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Since when it does not answer, Unix milliseconds, 0 while it does.
    #[serde(default)]
    pub lost_ms: u64,
}

/// The way to the server; everything in bits a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStatus {
    /// Sent in the last seconds, on average.
    pub upload: u64,
    /// Received in the last seconds, on average.
    pub download: u64,
    /// The limit of uploads that holds now, if one does.
    pub max_upload: Option<u64>,
    /// The limit of downloads that holds now, if one does.
    pub max_download: Option<u64>,
}

/// This device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its name.
    pub name: String,
    /// Number of devices in the account.
    pub devices: u64,
}
