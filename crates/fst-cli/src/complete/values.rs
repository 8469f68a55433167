//! Values that an argument may take on this device, from its files.
//!
//! Invariant: as for [`super`]: files are read and nothing else is done; what cannot be read has no values.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use fst_client::Client;
use fst_client::config::keys::{self, KEYS};
use fst_client::config::{Config, keys::Kind as Setting};
use fst_client::dirs::{Dirs, Variables};
use fst_client::operations::Operations;
use fst_proto::error::ErrorCode;
use fst_proto::text::printable;

use crate::args::Line;
use crate::cmd::topic_names;
use crate::context::var;
use crate::schema::documents;

/// Most values of one kind that are offered, the newest first where there is an order: a person chooses among them.
const VALUES_MAX: usize = 200;

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A synced folder.
    Folder,
    /// A synced folder, or any path.
    Path,
    /// A folder at the server.
    Space,
    /// The id of a conflict.
    Conflict,
    /// The id of an operation.
    Operation,
    /// A key of the configuration.
    Setting,
    /// A value of the key before it.
    Value,
    /// The name of a rule of the schedule.
    Rule,
    /// The number of a version of the file in the line.
    Version,
    /// A command or a topic.
    Topic,
    /// A code of an error.
    Code,
    /// A JSON document.
    Document,
}

/// The line so far, and whose it is.
#[derive(Debug)]
pub(super) struct Typed {
    words: Vec<OsString>,
    dirs: Option<Dirs>,
}

/// A value and what is said of it.
type Offer = (OsString, String);

impl Typed {
    pub(super) fn new(words: Vec<OsString>) -> Self {
        let dirs = Dirs::from_env(&var).ok().map(|dirs| Dirs {
            variables: Variables::new(std::env::vars_os()),
            ..dirs
        });
        Self { words, dirs }
    }

    fn config(&self) -> Option<Config> {
        Config::load(self.dirs.as_ref()?).ok()
    }

    fn client(&self) -> Option<Client> {
        Client::open(self.dirs.as_ref()?).ok()
    }
}

/// What an argument may become that begins with `current`.
pub(super) fn find(kind: Kind, typed: &Typed, current: &OsStr) -> Vec<CompletionCandidate> {
    let found = offers(kind, typed, current).unwrap_or_default();
    let begins = |offer: &Offer| offer.0.as_bytes().starts_with(current.as_bytes());
    let fitting = found.into_iter().filter(begins).take(VALUES_MAX);
    let mut fitting: Vec<CompletionCandidate> = fitting.map(candidate).collect();
    match kind {
        // A path that is typed from the working directory.
        Kind::Folder if fitting.is_empty() => PathCompleter::dir().complete(current),
        Kind::Path => {
            fitting.extend(PathCompleter::any().complete(current));
            fitting
        },
        _ => fitting,
    }
}

fn candidate((value, about): Offer) -> CompletionCandidate {
    let about = printable(about.as_bytes());
    CompletionCandidate::new(value).help((!about.is_empty()).then(|| about.into()))
}

fn offers(kind: Kind, typed: &Typed, current: &OsStr) -> Option<Vec<Offer>> {
    Some(match kind {
        Kind::Folder | Kind::Path => folders(typed, current)?,
        Kind::Space => spaces(typed)?,
        Kind::Conflict => {
            let conflicts = typed.client()?.conflicts().ok()?;
            let offer = conflicts.into_iter().map(|it| (it.id.into(), it.path));
            offer.collect()
        },
        Kind::Operation => operations(typed)?,
        Kind::Setting => settings(),
        Kind::Value => setting_values(typed)?,
        Kind::Rule => {
            let rules = typed.config()?.performance.schedules.into_iter();
            rules
                .map(|rule| (rule.name.into(), String::new()))
                .collect()
        },
        Kind::Version => versions(typed)?,
        Kind::Topic => topics(),
        Kind::Code => {
            let codes = ErrorCode::ALL.iter();
            codes
                .map(|code| (code.to_string().into(), code.title().to_owned()))
                .collect()
        },
        Kind::Document => {
            let documents = documents::all();
            documents
                .map(|it| (it.short().into(), it.about.to_owned()))
                .collect()
        },
    })
}

/// As the word begins: from `~`, or from the root.
fn folders(typed: &Typed, current: &OsStr) -> Option<Vec<Offer>> {
    let dirs = typed.dirs.as_ref()?;
    let is_from_home = current.as_bytes().starts_with(b"~");
    let shown = |path: &Path| match is_from_home {
        true => OsString::from(dirs.tilde(path)),
        false => path.as_os_str().to_owned(),
    };
    let folders = typed.config()?.folders.into_iter();
    let offers = folders.map(|folder| (shown(&folder.path), folder.remote_path));
    Some(offers.collect())
}

fn spaces(typed: &Typed) -> Option<Vec<Offer>> {
    let dirs = typed.dirs.as_ref()?;
    let folders = typed.config()?.folders.into_iter();
    let offers = folders.map(|folder| (folder.remote_path.into(), dirs.tilde(&folder.path)));
    Some(offers.collect())
}

fn operations(typed: &Typed) -> Option<Vec<Offer>> {
    let all = Operations::of(typed.dirs.as_ref()?).all().ok()?;
    let newest = all.into_iter().rev().take(VALUES_MAX);
    let about = newest.map(|it| (it.short.into(), format!("{} {}", it.command, it.subject)));
    Some(about.collect())
}

/// Items of lists have numbers, which nobody has to guess.
fn settings() -> Vec<Offer> {
    let single = KEYS.iter().filter(|key| !key.path.contains("[]"));
    single
        .map(|key| (key.path.into(), key.about.to_owned()))
        .collect()
}

fn setting_values(typed: &Typed) -> Option<Vec<Offer>> {
    let mut words = typed.words.iter().filter_map(|word| word.to_str());
    let path = words.find_map(keys::resolve)?;
    let words: &[&str] = match keys::at(&path)?.kind {
        Setting::Word(words) => words,
        Setting::Bool => &["true", "false"],
        _ => &[],
    };
    let offers = words.iter().map(|&word| (word.into(), String::new()));
    Some(offers.collect())
}

/// Of the first word that is a path with versions.
fn versions(typed: &Typed) -> Option<Vec<Offer>> {
    let (dirs, client) = (typed.dirs.as_ref()?, typed.client()?);
    let plain = typed.words.iter().filter_map(|word| word.to_str());
    let mut paths = plain.skip(2).filter(|word| !word.starts_with('-'));
    let numbers = paths.find_map(|word| {
        let numbers = client.version_numbers(&dirs.expand(word)).ok()?;
        (!numbers.is_empty()).then_some(numbers)
    })?;
    let newest = numbers.into_iter().rev();
    let offers = newest.map(|(number, device)| (number.to_string().into(), device));
    Some(offers.collect())
}

fn topics() -> Vec<Offer> {
    let tree = Line::command();
    let about = |command: &clap::Command| {
        let about = command.get_about().map(ToString::to_string);
        (
            OsString::from(command.get_name()),
            about.unwrap_or_default(),
        )
    };
    let commands = tree.get_subcommands().map(about);
    let topics = topic_names().into_iter();
    let topics = topics.map(|name| (OsString::from(name), "topic".to_owned()));
    commands.chain(topics).collect()
}
