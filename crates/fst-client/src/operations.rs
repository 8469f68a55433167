//! The log of operations: what commands of this device changed, so that it can be undone.
//!
//! One JSON document a line, in the state directory, for its owner only: a line before the change, a line after it.
//! Invariant: the line before is durable before anything is changed; a line that was cut off by a crash is dropped by the
//! next writer and skipped by readers; the log is bounded; no secret is in it. Not here: whether something may be
//! undone ([`fst_engine::undo`]). Source: ADR 0037.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use fst_crypto::random::{OsRandom, bytes};
use fst_engine::undo::{self, Entry, NoneMeant, Progress, Refusal};
use fst_proto::error::ErrorCode;
use fst_proto::text::to_hex;
use fst_proto::time::Clock as _;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::clock::SystemClock;
use crate::config::{Config, Draft, Lines};
use crate::dirs::{Dirs, write_durably};
use crate::error::ClientError;

/// Operations that are kept at least: months of a person's commands.
const KEPT: usize = 500;

/// Operations at which the oldest go: the log is written anew once in so many commands.
const ENTRIES_MAX: usize = 2 * KEPT;

/// Bytes of the log at which the oldest go: it is read whole by every command that writes to it.
const BYTES_MAX: u64 = 4 << 20;

/// Things that one operation keeps: a person can look at so many, and a record stays below 64 KiB.
pub const THINGS_MAX: usize = 200;

/// Fewest hex digits of an id that people are shown.
const ID_LEN_MIN: usize = 4;

/// Something that an operation changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// What it is called.
    pub name: String,
    /// What it was; `None` when it was not there.
    pub was: Option<String>,
    /// What the operation made of it.
    pub left: Option<String>,
}

/// By which means an operation is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Way {
    /// Values go back into the configuration; as lines when these are still there.
    Config {
        /// The file.
        file: String,
        /// The lines that were replaced.
        lines: Option<Lines>,
    },
    /// A path at the server becomes what it was.
    Afar {
        /// The space, such as `/Documents`.
        space: String,
        /// The path in it that was made, changed or removed; of a move the new one.
        path: String,
        /// What is done to it.
        back: Back,
    },
    /// Files of folders become what they were, from the versions; the names of the things are their paths.
    Files,
    /// A rule of a space becomes what it was.
    Space {
        /// A folder of the space, or a path in it.
        folder: String,
        /// The rule.
        rule: SpaceRule,
    },
    /// The rule file at the top of a folder becomes what it was.
    RuleFile {
        /// The folder.
        folder: String,
    },
    /// Not at all.
    None {
        /// Why not.
        why: String,
    },
    /// By a newer version of this program.
    #[serde(other)]
    Newer,
}

/// What a space has for all its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum SpaceRule {
    /// What no device syncs.
    Ignore,
    /// How long versions are kept.
    Retention,
    /// Whether a version is pinned.
    Pin {
        /// The node, hex digits.
        node: String,
        /// The revision.
        rev: u64,
    },
    /// A rule of a newer version of this program.
    #[serde(other)]
    Newer,
}

/// How a path at the server becomes what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Back {
    /// It moves back.
    Move {
        /// Where it was.
        to: String,
    },
    /// It goes, with everything in it.
    Remove,
    /// It comes back as it was at a moment, with everything in it.
    Restore {
        /// Server time, milliseconds since 1970.
        at_ms: u64,
    },
    /// Its file gets an earlier revision again.
    Version {
        /// The node, hex digits.
        node: String,
        /// The revision.
        rev: u64,
    },
    /// By a newer version of this program.
    #[serde(other)]
    Newer,
}

/// What a command is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The command, such as `config set`.
    pub command: String,
    /// What it is about, as people are shown it.
    pub subject: String,
    /// What it changes.
    pub things: Vec<Thing>,
    /// How it is undone.
    pub way: Way,
    /// The operation that it undoes.
    pub undoes: Option<String>,
}

/// An operation of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id, 16 hex digits.
    pub id: String,
    /// When it began, milliseconds since 1970.
    pub time_ms: u64,
    /// The command, such as `config set`.
    pub command: String,
    /// What it was about.
    pub subject: String,
    /// What it changed.
    pub things: Vec<Thing>,
    /// How it is undone.
    pub way: Way,
    /// The operation that it undid.
    pub undoes: Option<String>,
    /// How far it came.
    #[serde(skip, default = "begun")]
    pub progress: Progress,
    /// Whether it is undone now.
    #[serde(skip)]
    pub is_undone: bool,
    /// The start of its id that no other operation of the log has.
    #[serde(skip)]
    pub short: String,
}

fn begun() -> Progress {
    Progress::Begun
}

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// Before a change.
    Begun(Box<Operation>),
    /// After it.
    Ended { id: String, is_done: bool },
}

/// The log of this device.
#[derive(Debug)]
pub struct Operations {
    dirs: Dirs,
}

/// An operation that is noted and not done yet; dropped, it stays one that may have happened.
#[derive(Debug)]
#[must_use = "it was done, or it failed"]
pub struct Begun<'a> {
    log: &'a Operations,
    /// What is written to the log.
    pub operation: Operation,
}

impl Operations {
    /// The log in these directories; it need not be there.
    #[must_use]
    pub fn of(dirs: &Dirs) -> Self {
        Self { dirs: dirs.clone() }
    }

    /// All operations that are kept, oldest first.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] when the log cannot be read.
    pub fn all(&self) -> Result<Vec<Operation>, ClientError> {
        let text = match File::open(self.file()) {
            Ok(file) => read(&file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => Err(error),
        };
        Ok(parse(&text.map_err(unusable)?))
    }

    /// The operation that is meant: that whose id begins so, else the newest that may be undone.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchOperation`]; [`ErrorCode::Usage`] when several begin so.
    pub fn find(&self, id: Option<&str>) -> Result<Operation, ClientError> {
        let mut all = self.all()?;
        let chosen = undo::choose(&entries(&all), id);
        let at = chosen.map_err(|none| {
            let code = match none {
                NoneMeant::Nothing | NoneMeant::Unknown { .. } => ErrorCode::NoSuchOperation,
                NoneMeant::Ambiguous { .. } => ErrorCode::Usage,
            };
            ClientError::new(code, none.to_string())
        })?;
        Ok(all.swap_remove(at))
    }

    /// The newest operation before this one that may be undone.
    ///
    /// # Errors
    /// As [`Operations::all`].
    pub fn before(&self, operation: &Operation) -> Result<Option<Operation>, ClientError> {
        let mut all = self.all()?;
        let at = all.iter().position(|one| one.id == operation.id);
        let older = undo::older(&entries(&all), at.unwrap_or_default());
        Ok(older.map(|at| all.swap_remove(at)))
    }

    /// Notes what is about to be done. When this returns, it is durable.
    ///
    /// # Errors
    /// [`ErrorCode::Io`]: then nothing may be done.
    pub fn begin(&self, intent: Intent) -> Result<Begun<'_>, ClientError> {
        let Intent {
            command,
            subject,
            mut things,
            mut way,
            undoes,
        } = intent;
        if things.len() > THINGS_MAX {
            let why = format!("it changed {} things, {THINGS_MAX} are kept", things.len());
            things.truncate(THINGS_MAX);
            way = Way::None { why };
        }
        let mut operation = Operation {
            id: to_hex(&bytes::<8>(&OsRandom)),
            time_ms: SystemClock.now().0,
            command,
            subject,
            things,
            way,
            undoes,
            progress: Progress::Begun,
            is_undone: false,
            short: String::new(),
        };
        let others = self.append(&Line::Begun(Box::new(operation.clone())))?;
        operation.short = short(&operation.id, others.iter().map(|other| other.id.as_str()));
        Ok(Begun {
            log: self,
            operation,
        })
    }

    fn file(&self) -> PathBuf {
        self.dirs.state.join("operations.jsonl")
    }

    /// Adds a line and returns what the log held before it.
    fn append(&self, line: &Line) -> Result<Vec<Operation>, ClientError> {
        let text = serde_json::to_string(line);
        let text = text.map_err(|e| ClientError::caused(ErrorCode::Internal, "write a line", e))?;
        self.add(&text).map_err(unusable)
    }

    fn add(&self, line: &str) -> std::io::Result<Vec<Operation>> {
        crate::dirs::make_private(&self.dirs.state)?;
        let mut options = File::options();
        let lock = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = lock.open(self.dirs.state.join("operations.lock"))?;
        // Other commands wait; none holds it for longer than a write takes.
        flock(&lock, FlockOperation::LockExclusive)?;
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false);
        let mut file = file.mode(0o600).open(self.file())?;
        let is_new = file.metadata()?.len() == 0;
        let text = read(&file)?;
        // What a crash cut off is no line, and must not become the beginning of one.
        let end = text.iter().rposition(|&byte| byte == b'\n');
        let whole = end.map_or(0, |end| end + 1);
        let known = parse(&text);
        if known.len() >= ENTRIES_MAX || text.len() as u64 >= BYTES_MAX {
            let kept = trimmed(&known);
            write_durably(&self.file(), format!("{kept}{line}\n").as_bytes())?;
            return Ok(known);
        }
        file.set_len(whole as u64)?;
        file.seek(std::io::SeekFrom::End(0))?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()?;
        if is_new {
            File::open(&self.dirs.state)?.sync_all()?;
        }
        Ok(known)
    }
}

impl Begun<'_> {
    /// Notes that it was done.
    #[must_use]
    pub fn done(self) -> Operation {
        self.end(Progress::Done)
    }

    /// Notes that nothing was changed.
    pub fn failed(self) {
        drop(self.end(Progress::Failed));
    }

    fn end(self, progress: Progress) -> Operation {
        let line = Line::Ended {
            id: self.operation.id.clone(),
            is_done: progress == Progress::Done,
        };
        // An operation without an end is judged by what it left, so nothing is lost without this line.
        if let Err(error) = self.log.append(&line) {
            tracing::warn!(code = %error.code(), "the end of an operation cannot be noted");
        }
        Operation {
            progress,
            ..self.operation
        }
    }
}

impl Intent {
    /// A change of the configuration.
    pub fn of_config(dirs: &Dirs, (command, subject): (&str, &str), draft: &Draft) -> Self {
        let (things, way) = match draft.changes() {
            Ok(changes) => {
                let things = changes.into_iter().map(|change| Thing {
                    name: change.name,
                    was: change.was,
                    left: change.left,
                });
                let lines = draft.lines();
                let file = dirs.config_file().to_string_lossy().into_owned();
                (things.collect(), Way::Config { file, lines })
            },
            Err(error) => {
                let why = error.to_string();
                (Vec::new(), Way::None { why })
            },
        };
        Self {
            command: command.to_owned(),
            subject: subject.to_owned(),
            things,
            way,
            undoes: None,
        }
    }

    /// The same as what undoes an operation.
    #[must_use]
    pub fn undoing(self, operation: &Operation) -> Self {
        Self {
            undoes: Some(operation.id.clone()),
            ..self
        }
    }
}

impl Operation {
    /// How it stands, in a word: `done | begun | failed | undone`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.progress, self.is_undone) {
            (_, true) => "undone",
            (Progress::Begun, false) => "begun",
            (Progress::Done, false) => "done",
            (Progress::Failed, false) => "failed",
        }
    }

    /// Whether there is a way back.
    #[must_use]
    pub fn is_undoable(&self) -> bool {
        match self.way {
            Way::Config { .. } | Way::Files | Way::RuleFile { .. } => true,
            Way::Space { ref rule, .. } => *rule != SpaceRule::Newer,
            Way::Afar { ref back, .. } => *back != Back::Newer,
            Way::None { .. } | Way::Newer => false,
        }
    }

    /// What is to be taken back, given what each thing is now: indexes of things.
    ///
    /// # Errors
    /// [`ErrorCode::ChangedSince`], [`ErrorCode::NotUndoable`].
    pub fn plan(&self, now: &[Option<String>]) -> Result<Vec<usize>, ClientError> {
        let things: Vec<undo::Thing<'_>> = self
            .things
            .iter()
            .zip(now)
            .map(|(thing, now)| undo::Thing {
                name: &thing.name,
                was: thing.was.as_deref(),
                left: thing.left.as_deref(),
                now: now.as_deref(),
            })
            .collect();
        undo::plan(self.progress, self.is_undone, &things).map_err(|refusal| {
            let code = match refusal {
                Refusal::Changed { .. } => ErrorCode::ChangedSince,
                Refusal::Undone | Refusal::NeverHappened | Refusal::AsBefore => {
                    ErrorCode::NotUndoable
                },
            };
            ClientError::new(code, refusal.to_string())
        })
    }

    /// Drafts the way back of a change of the configuration.
    ///
    /// # Errors
    /// [`ErrorCode::NotUndoable`] when it changed another file; as [`Operation::plan`] and [`Config::draft_back`].
    pub fn draft_back(&self, dirs: &Dirs) -> Result<Draft, ClientError> {
        let lines = match &self.way {
            Way::Config { file, lines } if *file == dirs.config_file().to_string_lossy() => lines,
            Way::Config { file, .. } => {
                let detail = format!("it changed another file: add --config {file}");
                return Err(ClientError::new(ErrorCode::NotUndoable, detail));
            },
            Way::Afar { .. }
            | Way::Files
            | Way::Space { .. }
            | Way::RuleFile { .. }
            | Way::None { .. }
            | Way::Newer => {
                let detail = "it changed nothing in the configuration";
                return Err(ClientError::new(ErrorCode::NotUndoable, detail));
            },
        };
        let names: Vec<&str> = self
            .things
            .iter()
            .map(|thing| thing.name.as_str())
            .collect();
        let back = self.plan(&Config::things(dirs, &names)?)?;
        let thing = |at: usize| (names[at], self.things[at].was.as_deref());
        let things: Vec<(&str, Option<&str>)> = back.into_iter().map(thing).collect();
        Config::draft_back(dirs, &things, lines.as_ref())
    }
}

fn unusable(error: std::io::Error) -> ClientError {
    ClientError::caused(ErrorCode::Io, "use the log of operations", error)
}

fn read(file: &File) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // A line is written before the log is found too long: two times the bound is never reached.
    file.take(2 * BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// Every whole line that can be read.
fn parse(text: &[u8]) -> Vec<Operation> {
    let mut all: Vec<Operation> = Vec::new();
    // What stands behind the last end of a line is no line.
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    let whole = lines.filter(|line| line.ends_with(b"\n"));
    for line in whole.filter_map(|line| serde_json::from_slice(line).ok()) {
        match line {
            Line::Begun(operation) => all.push(*operation),
            Line::Ended { id, is_done } => {
                let ended = all.iter_mut().rev().find(|operation| operation.id == id);
                if let Some(operation) = ended {
                    operation.progress = match is_done {
                        true => Progress::Done,
                        false => Progress::Failed,
                    };
                }
            },
        }
    }
    let entries = entries(&all);
    let undone = entries
        .iter()
        .map(|entry| undo::is_undone(&entries, entry.id));
    let undone: Vec<bool> = undone.collect();
    let shorts = shorts(&all);
    for (operation, is_undone) in all.iter_mut().zip(undone) {
        operation.is_undone = is_undone;
        operation.short = shorts.get(&operation.id).cloned().unwrap_or_default();
    }
    all
}

fn entries(all: &[Operation]) -> Vec<Entry<'_>> {
    all.iter()
        .map(|operation| Entry {
            id: &operation.id,
            progress: operation.progress,
            undoes: operation.undoes.as_deref(),
        })
        .collect()
}

/// The newest operations, as lines.
fn trimmed(known: &[Operation]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut n_bytes = 0;
    for operation in known.iter().rev().take(KEPT) {
        let end = (operation.progress != Progress::Begun).then(|| Line::Ended {
            id: operation.id.clone(),
            is_done: operation.progress == Progress::Done,
        });
        let begun = Line::Begun(Box::new(operation.clone()));
        let both = [Some(begun), end].into_iter().flatten();
        let both = both.filter_map(|line| serde_json::to_string(&line).ok());
        let both: String = both.map(|line| line + "\n").collect();
        n_bytes += both.len() as u64;
        if n_bytes > BYTES_MAX / 2 {
            break;
        }
        lines.push(both);
    }
    lines.into_iter().rev().collect()
}

/// For each id its start that no other has.
fn shorts(all: &[Operation]) -> BTreeMap<String, String> {
    let mut sorted: Vec<&str> = all.iter().map(|operation| operation.id.as_str()).collect();
    sorted.sort_unstable();
    let near = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| sorted.get(before));
        before.into_iter().chain(sorted.get(at + 1)).copied()
    };
    let ids = sorted.iter().enumerate();
    ids.map(|(at, id)| ((*id).to_owned(), short(id, near(at))))
        .collect()
}

fn short<'a>(id: &str, others: impl Iterator<Item = &'a str>) -> String {
    let common = |other: &str| {
        let pairs = id.bytes().zip(other.bytes());
        pairs.take_while(|(one, other)| one == other).count()
    };
    let longest = others.map(common).max().unwrap_or_default();
    let len = (longest + 1).max(ID_LEN_MIN).min(id.len());
    id.get(..len).unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests;
