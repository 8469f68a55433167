//! The client's configuration: `config.yaml`, and what the environment says over it.
//!
//! Read at start and on reload; written by `fst config set`, `init`, `add`, `remove`, `pause`, each of which changes
//! one thing and leaves the rest of the file as its owner wrote it. Invariant: a file that cannot be read is reported
//! with every mistake in it and never written. Not here: keys of devices (`keystore`), commands.
//! Source: docs/design/configuration.md; ADR 0022, ADR 0023.

use std::fs::File;
use std::path::{Path, PathBuf};

pub use fst_engine::ignore::Copies;
use fst_engine::ignore::Selection;
use fst_engine::reconcile::{Backup, Strategy};
use fst_proto::control::Policy;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::path::RelPath;
use rustix::fs::{FlockOperation, flock};

use crate::dirs::{Dirs, write_durably};
use crate::error::ClientError;
use crate::remote::tls::Trust;

mod build;
mod check;
mod draft;
mod edit;
pub mod keys;
mod performance;
mod report;
mod save;
pub mod schema;
mod tree;

pub(crate) use check::is_remote;
pub use check::{Origin, Setting, Value, parse_value};
pub use draft::{Changed, Draft, Lines};
pub use performance::{Performance, Schedule};
pub use report::{Finding, Report, Severity};
pub use tree::Place;

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

/// Sub-folders as a person names them: paths inside the folder, `Photos/2024`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The only ones that are synced; everything when there is none.
    pub only: Vec<String>,
    /// Not synced; copies stay.
    pub except: Vec<String>,
    /// Not synced; synced copies go.
    pub cleared: Vec<String>,
}

impl Chosen {
    /// What the names mean.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] for a name that is no path inside a folder.
    pub fn selection(&self) -> Result<Selection, ClientError> {
        let paths = |names: &[String]| -> Result<Vec<RelPath>, ClientError> {
            names.iter().map(|name| sub_folder(name)).collect()
        };
        Ok(Selection::new(
            paths(&self.only)?,
            paths(&self.except)?,
            paths(&self.cleared)?,
        ))
    }
}

/// Path of a sub-folder as a person names it: slashes at its ends do not matter.
///
/// # Errors
/// [`ErrorCode::BadConfig`].
pub fn sub_folder(name: &str) -> Result<RelPath, ClientError> {
    let path = RelPath::parse(name.trim_matches('/'));
    match path.ok().filter(|path| !path.is_root()) {
        Some(path) => Ok(path),
        None => {
            let detail = format!("{name:?} is not a path inside the folder, such as Photos/2024");
            Err(ClientError::new(ErrorCode::BadConfig, detail))
        },
    }
}

/// One synced folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderConfig {
    /// Absolute local path.
    pub path: PathBuf,
    /// Remote path such as `/Documents`.
    pub remote_path: String,
    /// Which ways changes flow.
    pub mode: Mode,
    /// Patterns in gitignore syntax.
    pub ignore: Vec<String>,
    /// Which of its sub-folders this device syncs.
    pub chosen: Chosen,
    /// Whether it rests.
    pub paused: bool,
    /// What happens where two devices edited one file; from the section for all folders.
    pub conflicts: ConflictRules,
}

/// A server that runs inside the daemon of this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedServer {
    /// Its data directory.
    pub data: PathBuf,
    /// Address and port it listens on.
    pub listen: String,
}

/// What the configuration says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Server address.
    pub server_url: Option<String>,
    /// What makes that server the right one.
    pub trust: Trust,
    /// Folders in their order.
    pub folders: Vec<FolderConfig>,
    /// Server inside the daemon.
    pub embedded_server: Option<EmbeddedServer>,
    /// What happens where two devices edited one file.
    pub conflicts: ConflictRules,
    /// How transfers may use line and memory.
    pub performance: Performance,
    /// Rules of spaces that this device makes.
    pub new_spaces: Policy,
    /// Every value and where it comes from.
    pub settings: Vec<Setting>,
    /// What was said about the file and accepted.
    pub report: Report,
    /// Why this is not what the file says now but what it said when it was good last.
    pub trouble: Option<Problem>,
    /// The text that it was read from: what a command changed is told by it.
    source: String,
}

impl Config {
    /// Reads the file and the environment; a missing file is an empty one.
    ///
    /// Keys that do not exist are findings in the report and no error, so that an older client reads a newer file.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`]; its source is the [`Report`] with everything that is wrong.
    pub fn load(dirs: &Dirs) -> Result<Self, ClientError> {
        let file = dirs.config_file();
        Self::parse(dirs, &read(&file)?)
    }

    /// Reads the file; while it is bad, what it said when it was good last.
    ///
    /// # Errors
    /// As [`Config::load`] when it never was good, [`ErrorCode::Io`] when that cannot be noted.
    pub fn load_or_last_good(dirs: &Dirs) -> Result<Self, ClientError> {
        let note = dirs.good_config_file();
        let text = read(&dirs.config_file());
        let loaded = text.and_then(|text| Ok((Self::parse(dirs, &text)?, text)));
        let (config, text) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                let Ok(good) = std::fs::read_to_string(&note) else {
                    return Err(error);
                };
                let config = Self::parse(dirs, &good)?;
                let trouble = Some(error.problem());
                return Ok(Self { trouble, ..config });
            },
        };
        if std::fs::read(&note).ok().as_deref() != Some(text.as_bytes()) {
            write_durably(&note, text.as_bytes()).map_err(|e| unwritable(&note, e))?;
        }
        Ok(config)
    }

    /// What a text says, if it is good.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(dirs: &Dirs, text: &str) -> Result<Self, ClientError> {
        let config = Self::examine(dirs, &dirs.config_file(), text);
        if config.report.is_unusable() {
            let read = format!("read {}", config.report.file);
            return Err(ClientError::caused(
                ErrorCode::BadConfig,
                read,
                config.report,
            ));
        }
        Ok(config)
    }

    /// What a text of this file says as far as it can be read, with everything that is wrong in its report.
    #[must_use]
    pub fn examine(dirs: &Dirs, file: &Path, text: &str) -> Self {
        let shown = dirs.tilde(file);
        let (mut config, findings) = match tree::parse(text) {
            Ok(root) => {
                let (settings, mut findings) = check::check(&root, &dirs.variables);
                let (config, more) = build::build(dirs, settings);
                findings.extend(more);
                (config, findings)
            },
            Err(broken) => (Self::default(), vec![broken]),
        };
        config.report = Report::new(shown, text, findings);
        text.clone_into(&mut config.source);
        config
    }

    /// What the file says as far as it can be read: a bad value counts as absent, so that it can be mended.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] when there is a file and it cannot be opened.
    pub fn inspect(dirs: &Dirs) -> Result<Self, ClientError> {
        let file = dirs.config_file();
        let text = read(&file)?;
        Ok(Self::examine(dirs, &file, &text))
    }

    /// Writes what changed since the file was read, and nothing else.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] when the file is bad now, [`ErrorCode::EditByHand`] when it cannot be changed without
    /// touching something else, [`ErrorCode::Io`]; the old one then stands.
    pub fn save(&self, dirs: &Dirs) -> Result<(), ClientError> {
        let lock = Lock::take(dirs)?;
        let draft = self.draft(dirs)?;
        lock.write(dirs, &draft)
    }

    /// Drafts what changed since the file was read, and nothing else.
    ///
    /// # Errors
    /// As [`Config::save`].
    pub fn draft(&self, dirs: &Dirs) -> Result<Draft, ClientError> {
        let text = read(&dirs.config_file())?;
        let versions = save::Versions {
            before: &Self::parse(dirs, &self.source)?,
            wanted: self,
            now: &Self::parse(dirs, &text)?,
        };
        drafted(dirs, text, &save::differences(dirs, versions))
    }

    /// Replaces the whole text, unless it is another one than `before` by now. Returns whether it was replaced.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] for a text that is not good, [`ErrorCode::Io`]; the old one then stands.
    pub fn replace(dirs: &Dirs, before: &str, text: &str) -> Result<bool, ClientError> {
        let lock = Lock::take(dirs)?;
        Self::parse(dirs, text)?;
        if read(&dirs.config_file())? != before {
            return Ok(false);
        }
        lock.write(dirs, &Draft::new(before, text))?;
        Ok(true)
    }

    /// Drafts a value of a key. `path` is a full one.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownSetting`], [`ErrorCode::BadValue`]; as [`Config::save`].
    pub fn draft_set(dirs: &Dirs, path: &str, text: &str) -> Result<Draft, ClientError> {
        let key = keys::at(path).ok_or_else(|| unknown(path))?;
        let value = parse_value(key, text).map_err(|error| {
            let detail = format!("{path} cannot be {text:?}; wanted: {error}");
            ClientError::new(ErrorCode::BadValue, detail)
        })?;
        let value = save::written(&value, text);
        let change = edit::Change::Set(edit::steps(path), value);
        drafted(dirs, read(&dirs.config_file())?, &[change])
    }

    /// Drafts the file without a key, so that its default holds.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not there; as [`Config::save`].
    pub fn draft_unset(dirs: &Dirs, path: &str) -> Result<Draft, ClientError> {
        let text = read(&dirs.config_file())?;
        if !tree::parse(&text).is_ok_and(|root| edit::is_there(&root, path)) {
            let detail = format!("{path} is not in {}", dirs.tilde(&dirs.config_file()));
            return Err(ClientError::new(ErrorCode::NotFound, detail));
        }
        drafted(dirs, text, &[edit::Change::Unset(edit::steps(path))])
    }

    /// Drafts one more rule for hours of the week.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] when there is one with this name; as [`Config::save`].
    pub fn draft_schedule(dirs: &Dirs, schedule: &Schedule) -> Result<Draft, ClientError> {
        let list = edit::steps("schedules");
        let change = edit::Change::Push(list, save::written_schedule(schedule));
        drafted(dirs, read(&dirs.config_file())?, &[change])
    }

    /// Drafts the file without a rule for hours of the week.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]; as [`Config::save`].
    pub fn draft_no_schedule(dirs: &Dirs, name: &str) -> Result<Draft, ClientError> {
        let text = read(&dirs.config_file())?;
        let config = Self::parse(dirs, &text)?;
        let mut all = config.performance.schedules.iter();
        let at = all.position(|schedule| schedule.name == name);
        let at = at.ok_or_else(|| {
            ClientError::new(ErrorCode::NotFound, format!("no schedule {name:?}"))
        })?;
        let item = edit::steps(&format!("schedules[{at}]"));
        drafted(dirs, text, &[edit::Change::Unset(item)])
    }
}

/// The text with the changes, if the outcome is good.
fn drafted(dirs: &Dirs, text: String, changes: &[edit::Change]) -> Result<Draft, ClientError> {
    let mut new = text.clone();
    for change in changes {
        new = edit::apply(&new, change).map_err(|edit::NotExact| by_hand(dirs, change))?;
    }
    let config = Config::examine(dirs, &dirs.config_file(), &new);
    if config.report.is_unusable() {
        let detail = "the change does not fit the rest of the file";
        return Err(ClientError::caused(
            ErrorCode::BadConfig,
            detail,
            config.report,
        ));
    }
    Ok(Draft::new(text, new))
}

/// The key is not in the table.
#[must_use]
pub fn unknown(path: &str) -> ClientError {
    let all = keys::KEYS.iter();
    let near = keys::similar(path, all.clone().map(|key| key.path));
    let near = near.or_else(|| keys::similar(path, all.map(|key| key.leaf())));
    let detail = match near {
        Some(near) => format!("unknown setting {path:?}; did you mean {near}?"),
        None => format!("unknown setting {path:?}"),
    };
    ClientError::new(ErrorCode::UnknownSetting, detail)
}

fn read(file: &Path) -> Result<String, ClientError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => {
            let read = format!("read {}", file.display());
            Err(ClientError::caused(ErrorCode::BadConfig, read, error))
        },
    }
}

fn unwritable(file: &Path, error: std::io::Error) -> ClientError {
    ClientError::caused(ErrorCode::Io, format!("write {}", file.display()), error)
}

/// The right to change the file: two commands, or a command and the daemon, do it one after the other.
struct Lock(
    #[expect(
        dead_code,
        reason = "the system holds the lock as long as the file is open"
    )]
    File,
);

impl Lock {
    fn take(dirs: &Dirs) -> Result<Self, ClientError> {
        let path = dirs.state.join("config.lock");
        let open = || {
            crate::dirs::make_private(&dirs.state)?;
            let mut options = File::options();
            let file = options
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        open().map(Self).map_err(|error| unwritable(&path, error))
    }

    /// A link to a file kept elsewhere stays one.
    #[expect(clippy::unused_self, reason = "who writes holds the lock")]
    fn write(&self, dirs: &Dirs, draft: &Draft) -> Result<(), ClientError> {
        if draft.is_empty() {
            return Ok(());
        }
        let file = dirs.config_file();
        let file = std::fs::canonicalize(&file).unwrap_or(file);
        write_durably(&file, draft.after.as_bytes()).map_err(|e| unwritable(&file, e))
    }
}

fn by_hand(dirs: &Dirs, change: &edit::Change) -> ClientError {
    let file = dirs.tilde(&dirs.config_file());
    let detail = format!("edit {file} by hand: {}", save::described(change));
    ClientError::new(ErrorCode::EditByHand, detail)
}

#[cfg(test)]
mod tests;
