//! Changes one thing in a YAML text and leaves every other byte of meaning, comments and order as they are.
//!
//! `yaml-edit` makes the edit; the strict parser of [`super::tree`] then reads both texts and the edit counts only when
//! they differ in that one thing and no comment is lost. Invariant: a text that was not edited exactly is never
//! returned. Source: docs/adr/0023-editing-configuration.md.

use std::str::FromStr as _;

use granit_parser::{Event, Parser};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Map, Value};
use yaml_edit::{Document, Mapping, Sequence};

use super::tree;

/// One step into a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a map.
    Name(String),
    /// Into a list, from 0.
    Item(usize),
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// Gives a key of a map a value.
    Set(Vec<Step>, Written),
    /// Takes a key of a map, or an item of a list, away.
    Unset(Vec<Step>),
    /// Adds an item to the end of a list.
    Push(Vec<Step>, Written),
}

/// A value to be written; maps keep their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Written {
    /// A text; it is quoted where it has to be.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Bool(bool),
    /// A list.
    List(Vec<Self>),
    /// A map in the order in which people read it.
    #[serde(serialize_with = "in_order")]
    Map(Vec<(String, Self)>),
}

impl Written {
    fn plain(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Number(n) => Value::String(n.to_string()),
            Self::Bool(value) => Value::String(value.to_string()),
            Self::List(items) => items.iter().map(Self::plain).collect(),
            Self::Map(entries) => {
                let plain = |(name, value): &(String, Self)| (name.clone(), value.plain());
                Value::Object(entries.iter().map(plain).collect())
            },
        }
    }
}

fn in_order<S: Serializer>(entries: &[(String, Written)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(entries.len()))?;
    for (name, value) in entries {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// The text cannot be edited safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotExact;

/// Reads a path such as `sync_folders[0].paused`.
pub(super) fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let mut pieces = part.split('[');
        steps.extend(pieces.next().map(|name| Step::Name(name.to_owned())));
        let items = pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok());
        steps.extend(items.map(Step::Item));
    }
    steps
}

/// Whether something stands at a path.
pub(super) fn is_there(root: &tree::Node, path: &str) -> bool {
    let start = root.plain();
    let found = steps(path)
        .into_iter()
        .try_fold(&start, |at, step| match step {
            Step::Name(name) => at.get(name),
            Step::Item(item) => at.get(item),
        });
    found.is_some()
}

/// Makes the change.
///
/// # Errors
/// [`NotExact`] when it cannot be made without touching something else.
pub(super) fn apply(text: &str, change: &Change) -> Result<String, NotExact> {
    let before = tree::parse(text).map_err(|_| NotExact)?.plain();
    let wanted = changed(before, change).ok_or(NotExact)?;
    let edited = edit(text, change).ok_or(NotExact)?;
    let after = tree::parse(&edited).map_err(|_| NotExact)?.plain();
    let keeps_comments = match change {
        Change::Set(..) | Change::Push(..) => comments(&edited) == comments(text),
        Change::Unset(_) => true,
    };
    if full(after) == full(wanted) && keeps_comments {
        Ok(edited)
    } else {
        Err(NotExact)
    }
}

/// What the tree is to be afterwards.
fn changed(mut root: Value, change: &Change) -> Option<Value> {
    match change {
        Change::Set(path, value) => *reach(&mut root, path)? = value.plain(),
        Change::Push(path, value) => {
            let list = reach(&mut root, path)?;
            if list.is_null() {
                *list = Value::Array(Vec::new());
            }
            list.as_array_mut()?.push(value.plain());
        },
        Change::Unset(path) => {
            let (last, above) = path.split_last()?;
            match (reach(&mut root, above)?, last) {
                (Value::Object(map), Step::Name(name)) => drop(map.remove(name)?),
                (Value::Array(items), Step::Item(at)) if *at < items.len() => {
                    drop(items.remove(*at));
                },
                _ => return None,
            }
        },
    }
    Some(root)
}

/// The value at a path; maps on the way are made.
fn reach<'v>(root: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Name(name) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            let entry = value.as_object_mut()?.entry(name.clone());
            Some(entry.or_insert(Value::Null))
        },
        Step::Item(at) => value.as_array_mut()?.get_mut(*at),
    })
}

/// The same without what is empty: whether a list is there without items makes no difference.
fn full(value: Value) -> Value {
    match value {
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => items.into_iter().map(full).collect(),
        Value::Object(map) => {
            let map = map.into_iter().map(|(name, value)| (name, full(value)));
            let map: Map<_, _> = map.filter(|(_, value)| !value.is_null()).collect();
            if map.is_empty() {
                Value::Null
            } else {
                Value::Object(map)
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn comments(text: &str) -> Vec<String> {
    let comment = |event| match event {
        Ok((Event::Comment(text, _), _)) => Some(text.trim().to_owned()),
        Ok(_) | Err(_) => None,
    };
    Parser::new_from_str(text).filter_map(comment).collect()
}

fn edit(text: &str, change: &Change) -> Option<String> {
    let (Change::Set(path, _) | Change::Push(path, _) | Change::Unset(path)) = change;
    let Some(Step::Name(top)) = path.first() else {
        return None;
    };
    let known = tree::parse(text).ok()?;
    let is_full = known.child(top).map(|node| !node.plain().is_null());
    match (change, is_full) {
        (_, Some(true)) | (Change::Unset(_), Some(false) | None) => edit_inside(text, change),
        (Change::Set(_, value), Some(false)) => renew(text, path, value.clone()),
        (Change::Set(_, value), None) => append(text, path, value.clone()),
        (Change::Push(_, value), Some(false)) => renew(text, path, list_of(value)),
        (Change::Push(_, value), None) => append(text, path, list_of(value)),
    }
}

fn list_of(value: &Written) -> Written {
    Written::List(vec![value.clone()])
}

/// A section without anything in it is written anew.
fn renew(text: &str, path: &[Step], value: Written) -> Option<String> {
    let (top, below) = path.split_first()?;
    let section = Change::Set(vec![top.clone()], wrapped(below, value)?);
    edit_inside(text, &section)
}

/// A section that is not there goes to the end.
fn append(text: &str, path: &[Step], value: Written) -> Option<String> {
    let section = yaml(&wrapped(path, value)?)?;
    let gap = match text {
        "" => "",
        _ if text.ends_with("\n\n") => "",
        _ if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    Some(format!("{text}{gap}{section}"))
}

/// The value inside maps with these names.
fn wrapped(path: &[Step], value: Written) -> Option<Written> {
    path.iter().rev().try_fold(value, |value, step| match step {
        Step::Name(name) => Some(Written::Map(vec![(name.clone(), value)])),
        Step::Item(_) => None,
    })
}

fn edit_inside(text: &str, change: &Change) -> Option<String> {
    let document = Document::from_str(text).ok()?;
    let root = document.as_mapping()?;
    match change {
        Change::Set(path, value) => set(&root, path, value)?,
        Change::Push(path, value) => push(&root, path, value)?,
        Change::Unset(path) => unset(&root, path)?,
    }
    Some(document.to_string())
}

/// A place in the document that has parts.
enum Part {
    Map(Mapping),
    List(Sequence),
}

impl Part {
    fn step(&self, step: &Step) -> Option<Self> {
        match (self, step) {
            (Self::Map(map), Step::Name(name)) => {
                let map_inside = map.get_mapping(name.as_str()).map(Self::Map);
                map_inside.or_else(|| map.get_sequence(name.as_str()).map(Self::List))
            },
            (Self::List(list), Step::Item(at)) => {
                let item = list.get(*at)?;
                let map = item.as_mapping().cloned().map(Self::Map);
                map.or_else(|| item.as_sequence().cloned().map(Self::List))
            },
            (Self::Map(_), Step::Item(_)) | (Self::List(_), Step::Name(_)) => None,
        }
    }
}

fn walk(root: &Mapping, path: &[Step]) -> Option<Part> {
    let start = Part::Map(root.clone());
    path.iter().try_fold(start, |part, step| part.step(step))
}

fn set(root: &Mapping, path: &[Step], value: &Written) -> Option<()> {
    let (Step::Name(name), above) = path.split_last()? else {
        return None;
    };
    let Part::Map(map) = walk(root, above)? else {
        return None;
    };
    match value {
        Written::Bool(value) => map.set(name.as_str(), *value),
        Written::Number(value) => map.set(name.as_str(), i64::try_from(*value).ok()?),
        Written::Text(value) => map.set(name.as_str(), value.as_str()),
        Written::List(_) => map.set(name.as_str(), document(value)?.as_sequence()?),
        Written::Map(_) => map.set(name.as_str(), document(value)?.as_mapping()?),
    }
    Some(())
}

fn push(root: &Mapping, path: &[Step], value: &Written) -> Option<()> {
    let Some(Part::List(list)) = walk(root, path) else {
        return set(root, path, &list_of(value));
    };
    match value {
        Written::Text(value) => list.push(value.as_str()),
        Written::Map(_) => list.push(document(value)?.as_mapping()?),
        Written::Bool(_) | Written::Number(_) | Written::List(_) => return None,
    }
    Some(())
}

fn unset(root: &Mapping, path: &[Step]) -> Option<()> {
    let (last, above) = path.split_last()?;
    let part = walk(root, above)?;
    let is_only = match &part {
        Part::Map(map) => map.len() == 1,
        Part::List(list) => list.len() == 1,
    };
    // A section without anything in it goes too.
    if is_only && !above.is_empty() {
        return unset(root, above);
    }
    match (part, last) {
        (Part::Map(map), Step::Name(name)) => map.remove(name.as_str()).map(drop),
        (Part::List(list), Step::Item(at)) => list.remove(*at).map(drop),
        (Part::Map(_), Step::Item(_)) | (Part::List(_), Step::Name(_)) => None,
    }
}

/// A value as a document of its own, from which parts are taken.
fn document(value: &Written) -> Option<Document> {
    Document::from_str(&yaml(value)?).ok()
}

/// Items of lists stand two columns in, as people write them.
fn yaml(value: &Written) -> Option<String> {
    let options = serde_saphyr::ser_options! { compact_list_indent: false };
    serde_saphyr::to_string_with_options(value, options).ok()
}
