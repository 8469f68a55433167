//! The client's configuration file, `config.yaml`.
//!
//! Read at start and on reload, written by `fst init`, `add`, `remove`, `pause`. Invariant: holds no secret; a
//! file that does not parse is reported with line and column and never overwritten.
//! Not here: value grammar, layers and editing with comments kept (issue 6).

use std::path::{Path, PathBuf};

use fst_engine::reconcile::{Backup, Strategy};
use fst_proto::error::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::dirs::{Dirs, write_durably};
use crate::error::ClientError;

mod performance;

pub use performance::Performance;

/// Which ways changes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Both.
    #[default]
    TwoWay,
    /// From here to the server only.
    UploadOnly,
    /// From the server to here only.
    DownloadOnly,
}

impl Mode {
    /// The word used in status and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TwoWay => "two-way",
            Self::UploadOnly => "upload-only",
            Self::DownloadOnly => "download-only",
        }
    }
}

/// What happens where two devices edited one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConflictRules {
    /// Who keeps the name, or whether both are merged.
    pub strategy: Strategy,
    /// What becomes of the other content.
    pub backup: Backup,
}

/// One synced folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderConfig {
    /// Absolute local path.
    pub path: PathBuf,
    /// Remote path such as `/Documents`.
    pub remote_path: String,
    /// Which ways changes flow.
    pub mode: Mode,
    /// Patterns in gitignore syntax.
    pub ignore: Vec<String>,
    /// Whether it rests.
    pub paused: bool,
}

/// A server that runs inside the daemon of this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedServer {
    /// Its data directory.
    pub data: PathBuf,
    /// Address and port it listens on.
    pub listen: String,
}

/// What the configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Server address.
    pub server_url: Option<String>,
    /// Folders in their order.
    pub folders: Vec<FolderConfig>,
    /// Server inside the daemon.
    pub embedded_server: Option<EmbeddedServer>,
    /// What happens where two devices edited one file.
    pub conflicts: ConflictRules,
    /// How transfers may use line and memory.
    pub performance: Performance,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<WrittenServer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sync_folders: Vec<WrittenFolder>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conflict_resolution: Option<WrittenConflicts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    performance: Option<performance::Written>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct WrittenConflicts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backup_conflicts: Option<bool>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct WrittenServer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embedded: Option<EmbeddedServer>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenFolder {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    two_way: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

impl Config {
    /// Reads the file; a missing one is an empty configuration.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] with file, line and column.
    pub fn load(dirs: &Dirs) -> Result<Self, ClientError> {
        let file = dirs.config_file();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            },
            Err(error) => return Err(bad(&file, error)),
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let written: Written = serde_saphyr::from_str(&text).map_err(|e| bad(&file, e))?;
        let server = written.server.unwrap_or_default();
        let folders = written
            .sync_folders
            .into_iter()
            .map(|folder| read_folder(dirs, folder));
        Ok(Self {
            server_url: server.url,
            folders: folders.collect::<Result<_, _>>()?,
            embedded_server: server.embedded,
            conflicts: read_conflicts(&written.conflict_resolution.unwrap_or_default())?,
            performance: performance::read(written.performance)?,
        })
    }

    /// Writes the file durably.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] when it cannot be written; the old one then stands.
    pub fn save(&self, dirs: &Dirs) -> Result<(), ClientError> {
        let written = Written {
            server: Some(WrittenServer {
                url: self.server_url.clone(),
                embedded: self.embedded_server.clone(),
            }),
            sync_folders: self.folders.iter().map(write_folder).collect(),
            conflict_resolution: write_conflicts(self.conflicts),
            performance: performance::write(&self.performance),
        };
        let file = dirs.config_file();
        let text = serde_saphyr::to_string(&written).map_err(|e| bad(&file, e))?;
        let failed = |e| ClientError::caused(ErrorCode::Io, format!("write {}", file.display()), e);
        write_durably(&file, text.as_bytes()).map_err(failed)
    }
}

fn bad(file: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::caused(
        ErrorCode::BadConfig,
        format!("read {}", file.display()),
        cause,
    )
}

fn read_folder(dirs: &Dirs, written: WrittenFolder) -> Result<FolderConfig, ClientError> {
    let path = dirs.expand(&written.path);
    let wrong = |what: &str| {
        let detail = format!("sync_folders: {}: {what}", path.display());
        Err(ClientError::new(ErrorCode::BadConfig, detail))
    };
    if !path.is_absolute() {
        return wrong("path must be absolute or begin with ~");
    }
    let mode = match (written.mode.as_deref(), written.two_way) {
        (None | Some("two-way"), None | Some(true)) => Mode::TwoWay,
        (None, Some(false)) | (Some("upload" | "upload-only"), None | Some(false)) => {
            Mode::UploadOnly
        },
        (Some("download" | "download-only"), None | Some(false)) => Mode::DownloadOnly,
        (Some(_), Some(_)) => return wrong("mode and two_way contradict each other"),
        (Some(_), None) => return wrong("mode is two-way, upload or download"),
    };
    let last = path
        .file_name()
        .map(|name| format!("/{}", name.to_string_lossy()));
    let Some(remote_path) = written.remote_path.or(last) else {
        return wrong("remote_path is missing");
    };
    Ok(FolderConfig {
        path,
        remote_path,
        mode,
        ignore: written.ignore,
        paused: written.paused,
    })
}

fn write_folder(folder: &FolderConfig) -> WrittenFolder {
    WrittenFolder {
        path: folder.path.to_string_lossy().into_owned(),
        remote_path: Some(folder.remote_path.clone()),
        two_way: Some(folder.mode == Mode::TwoWay),
        mode: (folder.mode == Mode::DownloadOnly).then(|| folder.mode.as_str().to_owned()),
        ignore: folder.ignore.clone(),
        paused: folder.paused,
    }
}

fn read_conflicts(written: &WrittenConflicts) -> Result<ConflictRules, ClientError> {
    let word = written.strategy.as_deref().unwrap_or("newest");
    let strategy = STRATEGIES.iter().find(|(name, _)| *name == word);
    let (_, strategy) = strategy.ok_or_else(|| {
        let detail = format!(
            "conflict_resolution.strategy: {word:?} is not newest, oldest, manual or merge"
        );
        ClientError::new(ErrorCode::BadConfig, detail)
    })?;
    let backup = match written.backup_conflicts {
        Some(false) => Backup::HistoryOnly,
        Some(true) | None => Backup::Keep,
    };
    Ok(ConflictRules {
        strategy: *strategy,
        backup,
    })
}

fn write_conflicts(rules: ConflictRules) -> Option<WrittenConflicts> {
    let word = STRATEGIES
        .iter()
        .find(|(_, strategy)| *strategy == rules.strategy);
    (rules != ConflictRules::default()).then(|| WrittenConflicts {
        strategy: word.map(|(word, _)| (*word).to_owned()),
        backup_conflicts: Some(rules.backup == Backup::Keep),
    })
}

const STRATEGIES: [(&str, Strategy); 4] = [
    ("newest", Strategy::Newest),
    ("oldest", Strategy::Oldest),
    ("manual", Strategy::Manual),
    ("merge", Strategy::Merge),
];
