//! Where our own files lie: everything comes from `HOME` and `XDG_*`.
//!
//! Invariant: keys under `data`; what can be rebuilt under `state`. Several homes on one machine are
//! several clients.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fst_proto::error::ErrorCode;

use crate::error::ClientError;

/// Directories of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Home directory.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME/filesynctool`.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME/filesynctool`: keys, embedded server.
    pub data: PathBuf,
    /// `$XDG_STATE_HOME/filesynctool`: databases, logs, socket path.
    pub state: PathBuf,
}

impl Dirs {
    /// Reads `HOME`, `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME` through `var`.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] when `HOME` is not set.
    pub fn from_env(var: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ClientError> {
        let home = var("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from);
        let home = home.ok_or_else(|| ClientError::new(ErrorCode::Usage, "HOME is not set"))?;
        let base = |name: &str, fallback: &str| {
            let dir = var(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
            dir.unwrap_or_else(|| home.join(fallback))
                .join("filesynctool")
        };
        Ok(Self {
            config: base("XDG_CONFIG_HOME", ".config"),
            data: base("XDG_DATA_HOME", ".local/share"),
            state: base("XDG_STATE_HOME", ".local/state"),
            home,
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.yaml")
    }

    /// The key store.
    #[must_use]
    pub fn keystore(&self) -> PathBuf {
        self.data.join("keystore")
    }

    /// Expands a leading `~`.
    #[must_use]
    pub fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }
}

/// Writes a file of ours so that a crash leaves the old or the new one: temp, fsync, rename, fsync dir.
///
/// The file is readable by its owner only.
///
/// # Errors
/// The I/O error of the step that failed; the old file is then untouched.
pub fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir)?;
    let temp = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temp, path)?;
    std::fs::File::open(dir)?.sync_all()
}
