//! Where our own files lie: everything comes from `HOME` and `XDG_*`.
//!
//! Invariant: keys under `data`; what can be rebuilt under `state`. Several homes on one machine are
//! several clients.

use std::collections::BTreeMap;
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
    /// The configuration file, when it is another than that of `config`.
    pub config_override: Option<PathBuf>,
    /// What the configuration may take from the environment.
    pub variables: Variables,
}

/// Variables of the environment; what they hold may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Variables({} …)", self.0.len())
    }
}

impl Variables {
    /// Takes the variables that are text and not empty.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let all = all.into_iter().filter_map(text);
        Self(all.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a variable for this program, as if the environment had it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Names of all variables, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Dirs {
    /// Reads `HOME`, `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME`, `FST_CONFIG` through `var`.
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
            config_override: var("FST_CONFIG").map(PathBuf::from),
            variables: Variables::default(),
            home,
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        match &self.config_override {
            Some(file) => file.clone(),
            None => self.config.join("config.yaml"),
        }
    }

    /// The configuration as it was when it was good last; used while the file is not.
    #[must_use]
    pub fn good_config_file(&self) -> PathBuf {
        self.state.join("config.good.yaml")
    }

    /// A path as people write it: from `~` when it lies in the home directory.
    #[must_use]
    pub fn tilde(&self, path: &Path) -> String {
        match path.strip_prefix(&self.home) {
            Ok(inside) if inside.as_os_str().is_empty() => "~".to_owned(),
            Ok(inside) => format!("~/{}", inside.display()),
            Err(_) => path.display().to_string(),
        }
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

/// Makes a directory of ours, and those above it that are missing: for its owner only.
///
/// # Errors
/// The I/O error; what was made stays.
pub fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut private = std::fs::DirBuilder::new();
    private.recursive(true).mode(0o700).create(dir)
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
    make_private(dir)?;
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
