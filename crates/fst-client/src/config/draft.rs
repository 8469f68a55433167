//! A new text of the configuration that is not written yet, what it changes, and the way back.
//!
//! Commands draft a change, note it in the log of operations, and write it. Invariant: a draft is written only over the
//! text that it was made from; a way back changes what the operation changed and nothing else, which the strict parser
//! of [`super::tree`] compares. Secrets are never handed out. Source: ADR 0037.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::error::ErrorCode;
use fst_proto::hash::sha256;
use serde_json::Value;

use super::edit::{self, Change, Written, steps};
use super::keys::{self, KEYS, Kind};
use super::{Config, tree};
use crate::dirs::Dirs;
use crate::error::ClientError;

/// Most bytes of lines that are kept to be put back exactly; beyond, values are put back without their comments.
const LINES_BYTES_MAX: usize = 64 << 10;

/// Name of the whole text, when only comments or blanks in it were changed.
const TEXT: &str = "the text of the configuration";

/// A new text of the file that is not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is changed until it is written"]
pub struct Draft {
    before: String,
    pub(super) after: String,
}

/// A value that a draft changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its key; items of lists by path or name: `sync_folders[~/Documents].paused`.
    pub name: String,
    /// What it was.
    pub was: Option<String>,
    /// What it becomes.
    pub left: Option<String>,
}

/// Lines that a draft replaces.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lines {
    /// Number of the first, from 0.
    at: usize,
    /// As they were, with their ends.
    was: Vec<String>,
    /// As they become.
    left: Vec<String>,
}

/// A value of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leaf {
    /// Its path with numbers of items.
    path: String,
    value: String,
}

/// Values by name.
type Leaves = BTreeMap<String, Leaf>;

impl Draft {
    /// A draft of a person, or of a change of [`Config`].
    pub fn new(before: impl Into<String>, after: impl Into<String>) -> Self {
        let (before, after) = (before.into(), after.into());
        Self { before, after }
    }

    /// Whether nothing would be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// What it changes, sorted by name; comments alone are the change of the whole text.
    ///
    /// # Errors
    /// [`ErrorCode::NotUndoable`] when a secret is among it: secrets are not kept.
    pub fn changes(&self) -> Result<Vec<Changed>, ClientError> {
        let (before, after) = (leaves(&self.before), leaves(&self.after));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut changes = Vec::new();
        for name in names {
            let (was, left) = (before.get(name), after.get(name));
            if was.map(|leaf| &leaf.value) == left.map(|leaf| &leaf.value) {
                continue;
            }
            if was.or(left).is_some_and(Leaf::is_secret) {
                let detail = format!("{name} is secret, and secrets are not kept");
                return Err(ClientError::new(ErrorCode::NotUndoable, detail));
            }
            changes.push(Changed {
                name: name.clone(),
                was: was.map(|leaf| leaf.value.clone()),
                left: left.map(|leaf| leaf.value.clone()),
            });
        }
        if changes.is_empty() && !self.is_empty() {
            changes.push(Changed {
                name: TEXT.to_owned(),
                was: Some(print(&self.before)),
                left: Some(print(&self.after)),
            });
        }
        Ok(changes)
    }

    /// The lines that it replaces; `None` when they are too many, or a secret may stand in them.
    #[must_use]
    pub fn lines(&self) -> Option<Lines> {
        let lines = Lines::between(&self.before, &self.after);
        let n_bytes: usize = lines.all().map(String::len).sum();
        let secrets = self.secrets();
        let is_secret = |line: &String| secrets.iter().any(|secret| line.contains(secret.as_str()));
        (n_bytes <= LINES_BYTES_MAX && !lines.all().any(is_secret)).then_some(lines)
    }

    /// Secrets that stand in either text, and the names of their keys: a line that was commented out may hold one.
    fn secrets(&self) -> Vec<String> {
        let keys = KEYS.iter().filter(|key| key.kind == Kind::Secret);
        let mut all: Vec<String> = keys.map(|key| key.leaf().to_owned()).collect();
        for text in [&self.before, &self.after] {
            let found = leaves(text).into_values().filter(Leaf::is_secret);
            all.extend(found.map(|leaf| leaf.value));
        }
        all
    }

    /// Folders of `before` that `after` has no more, and those that it has anew; both must be good.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`].
    pub fn folders(&self, dirs: &Dirs) -> Result<[Vec<super::FolderConfig>; 2], ClientError> {
        let before = Config::parse(dirs, &self.before)?.folders;
        let after = Config::parse(dirs, &self.after)?.folders;
        let lacks = |all: &[super::FolderConfig], one: &super::FolderConfig| {
            all.iter().all(|other| other.path != one.path)
        };
        let gone = before.iter().filter(|one| lacks(&after, one)).cloned();
        let new = after.iter().filter(|one| lacks(&before, one)).cloned();
        Ok([gone.collect(), new.collect()])
    }

    /// Writes it, unless the file holds another text by now. Returns whether it was written.
    ///
    /// # Errors
    /// As [`Config::replace`].
    pub fn write(&self, dirs: &Dirs) -> Result<bool, ClientError> {
        Config::replace(dirs, &self.before, &self.after)
    }
}

impl Lines {
    fn between(before: &str, after: &str) -> Self {
        let [old, new] = [before, after].map(split);
        let equal = |(one, other): (&&str, &&str)| one == other;
        let at = old.iter().zip(&new).take_while(|p| equal(*p)).count();
        let rest = old.len().min(new.len()) - at;
        let ends = old.iter().rev().zip(new.iter().rev()).take(rest);
        let same = ends.take_while(|p| equal(*p)).count();
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Self {
            at,
            was: owned(&old[at..old.len() - same]),
            left: owned(&new[at..new.len() - same]),
        }
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        self.was.iter().chain(&self.left)
    }

    /// Texts in which the lines are put back, the likeliest place first.
    fn put_back(&self, now: &str) -> Vec<String> {
        let now = split(now);
        let n = self.left.len();
        let last = now.len().checked_sub(n);
        let starts = last.map(|last| (0..=last).collect()).unwrap_or_default();
        let fits = |at: &usize| now[*at..*at + n].iter().eq(self.left.iter());
        let mut starts: Vec<usize> = starts;
        starts.retain(fits);
        starts.sort_by_key(|start| start.abs_diff(self.at));
        let text = |at: usize| {
            let was = self.was.iter().map(String::as_str);
            let (above, below) = (&now[..at], &now[at + n..]);
            above
                .iter()
                .copied()
                .chain(was)
                .chain(below.iter().copied())
        };
        starts.into_iter().map(|at| text(at).collect()).collect()
    }
}

impl Leaf {
    fn is_secret(&self) -> bool {
        keys::at(&self.path).is_some_and(|key| key.kind == Kind::Secret)
    }
}

impl Config {
    /// What things of these names are in the file now, in the order of `names`.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] when the file cannot be opened.
    pub fn things(dirs: &Dirs, names: &[&str]) -> Result<Vec<Option<String>>, ClientError> {
        let text = super::read(&dirs.config_file())?;
        let now = leaves(&text);
        let value = |name: &&str| match *name {
            TEXT => Some(print(&text)),
            name => now.get(name).map(|leaf| leaf.value.clone()),
        };
        Ok(names.iter().map(value).collect())
    }

    /// Drafts the way back: the named things become what they were; the lines go back as they stood where that does it.
    ///
    /// # Errors
    /// [`ErrorCode::EditByHand`] when it cannot be done without touching something else.
    pub fn draft_back(
        dirs: &Dirs,
        things: &[(&str, Option<&str>)],
        lines: Option<&Lines>,
    ) -> Result<Draft, ClientError> {
        let now = super::read(&dirs.config_file())?;
        let mut wanted = values(&leaves(&now));
        let mut print_wanted = None;
        for (name, was) in things {
            match was {
                Some(was) if *name == TEXT => print_wanted = Some((*was).to_owned()),
                Some(was) => drop(wanted.insert((*name).to_owned(), (*was).to_owned())),
                None => drop(wanted.remove(*name)),
            }
        }
        let fits = |text: &String| {
            let is_print = |wanted: &String| *wanted == print(text);
            values(&leaves(text)) == wanted && print_wanted.as_ref().is_none_or(is_print)
        };
        let candidates = lines.map(|lines| lines.put_back(&now)).unwrap_or_default();
        let exact = candidates.into_iter().find(&fits);
        let after = exact.or_else(|| by_value(&now, things).filter(&fits));
        let after = after.ok_or_else(|| {
            let names: Vec<&str> = things.iter().map(|(name, _)| *name).collect();
            let detail = format!(
                "put back by hand in {}: {}",
                dirs.tilde(&dirs.config_file()),
                names.join(", ")
            );
            ClientError::new(ErrorCode::EditByHand, detail)
        })?;
        Ok(Draft::new(now, after))
    }
}

/// Puts values back one by one, by the edits of a command.
fn by_value(now: &str, things: &[(&str, Option<&str>)]) -> Option<String> {
    let mut text = now.to_owned();
    for (name, was) in things {
        let known = leaves(&text);
        let change = match (was, known.get(*name)) {
            (None, None) => continue,
            (None, Some(leaf)) => {
                let item = item_of(name);
                let goes = |name: &String| things.iter().any(|(n, was)| n == name && was.is_none());
                let mut inside = known.keys().filter(|known| item_of(known) == item);
                match (item, leaf.path.rfind(']')) {
                    (Some(_), Some(end)) if inside.all(goes) => {
                        Change::Unset(steps(&leaf.path[..=end]))
                    },
                    (Some(_), Some(_) | None) | (None, _) => Change::Unset(steps(&leaf.path)),
                }
            },
            (Some(was), _) => match path_of(name, &known) {
                Some(path) => Change::Set(steps(&path), written(was)),
                None => whole_item(name, things)?,
            },
        };
        text = edit::apply(&text, &change).ok()?;
    }
    Some(text)
}

/// The item of a list that a value belongs to: `sync_folders[~/a]` of `sync_folders[~/a].paused`.
fn item_of(name: &str) -> Option<&str> {
    let end = name.rfind("].")?;
    name.get(..=end)
}

/// The path with numbers for a name; `None` when its item is not there.
fn path_of(name: &str, known: &Leaves) -> Option<String> {
    if let Some(leaf) = known.get(name) {
        return Some(leaf.path.clone());
    }
    let Some(item) = item_of(name) else {
        return (!name.contains('[')).then(|| name.to_owned());
    };
    let mut inside = known
        .iter()
        .filter(|(known, _)| item_of(known) == Some(item));
    let (_, leaf) = inside.next()?;
    let end = leaf.path.rfind(']')?;
    Some(format!("{}{}", &leaf.path[..=end], &name[item.len()..]))
}

/// An item that is gone, with every value that it had.
fn whole_item(name: &str, things: &[(&str, Option<&str>)]) -> Option<Change> {
    let item = item_of(name)?;
    let list = item.split('[').next()?;
    let inside = things
        .iter()
        .filter(|(name, _)| item_of(name) == Some(item));
    let value = |(name, was): &(&str, Option<&str>)| {
        let key = name.get(item.len() + 1..)?;
        Some((key.to_owned(), written((*was)?)))
    };
    let mut entries: Vec<(String, Written)> = inside.map(value).collect::<Option<_>>()?;
    entries.sort_by_key(|(key, _)| !["path", "name"].contains(&key.as_str()));
    Some(Change::Push(steps(list), Written::Map(entries)))
}

fn written(text: &str) -> Written {
    let list = serde_json::from_str::<Vec<String>>(text);
    match (list, text.parse::<bool>(), text.parse::<u64>()) {
        (Ok(items), _, _) => Written::List(items.into_iter().map(Written::Text).collect()),
        (_, Ok(value), _) => Written::Bool(value),
        (_, _, Ok(number)) => Written::Number(number),
        (Err(_), Err(_), Err(_)) => Written::Text(text.to_owned()),
    }
}

/// Lines with their ends.
fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// What tells one text from another.
fn print(text: &str) -> String {
    sha256(&[text.as_bytes()]).to_hex()[..16].to_owned()
}

fn values(leaves: &Leaves) -> BTreeMap<String, String> {
    let value = |(name, leaf): (&String, &Leaf)| (name.clone(), leaf.value.clone());
    leaves.iter().map(value).collect()
}

/// Every value of a text; none of one that cannot be read.
fn leaves(text: &str) -> Leaves {
    let mut out = Leaves::new();
    if let Ok(root) = tree::parse(text) {
        gather(&root.plain(), [String::new(), String::new()], &mut out);
    }
    out
}

fn gather(value: &Value, [name, path]: [String; 2], out: &mut Leaves) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {},
        Value::String(text) => {
            let value = text.clone();
            drop(out.insert(name, Leaf { path, value }));
        },
        Value::Array(items) if items.is_empty() => {},
        Value::Array(items) => match names_of(items) {
            Some(ids) => {
                for (at, (item, id)) in items.iter().zip(ids).enumerate() {
                    let inside = [format!("{name}[{id}]"), format!("{path}[{at}]")];
                    gather(item, inside, out);
                }
            },
            None => {
                let value = value.to_string();
                drop(out.insert(name, Leaf { path, value }));
            },
        },
        Value::Object(map) => {
            for (key, value) in map {
                let join = |above: &String| match above.is_empty() {
                    true => key.clone(),
                    false => format!("{above}.{key}"),
                };
                gather(value, [join(&name), join(&path)], out);
            }
        },
    }
}

/// What the items of a list are told apart by; `None` when they cannot be.
fn names_of(items: &[Value]) -> Option<Vec<&str>> {
    let name = |item| {
        Value::get(item, "path")
            .or_else(|| item.get("name"))?
            .as_str()
    };
    let all: Vec<&str> = items.iter().map(name).collect::<Option<_>>()?;
    let different: BTreeSet<&str> = all.iter().copied().collect();
    (different.len() == all.len()).then_some(all)
}
