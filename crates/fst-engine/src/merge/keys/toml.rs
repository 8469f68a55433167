//! Cuts TOML text into members: a table with its header is one, a key with its value and further lines is one.

use super::{Map, Member, Part};

/// Cuts a document that ends with a line ending and has no arrays of tables.
pub(super) fn split(text: &str) -> Option<Map<'_>> {
    let is_ended = text.is_empty() || text.ends_with('\n');
    let has_array = text.lines().any(|line| line.trim_start().starts_with("[["));
    (is_ended && !has_array).then(|| table(text, Level::Document))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Keys, then tables.
    Document,
    /// Keys.
    Table,
}

/// A member whose end is not known yet.
#[derive(Debug, Clone, Copy)]
struct Open<'a> {
    /// Where the comments before it begin.
    from: usize,
    /// Where it begins itself.
    at: usize,
    key: &'a str,
}

fn table(text: &str, level: Level) -> Map<'_> {
    let mut map = Map::default();
    let (mut open, mut said, mut at) = (None::<Open<'_>>, 0, 0);
    let mut inside = level;
    for line in text.split_inclusive('\n') {
        let is_header = level == Level::Document && line.starts_with('[') && line.contains(']');
        let key = match (is_header, inside == level) {
            (true, _) => Some(line.trim()),
            (false, true) => key_of(line),
            (false, false) => None,
        };
        if let Some(key) = key {
            map.members
                .extend(open.map(|open| member(text, open, said)));
            open = Some(Open {
                from: said,
                at,
                key,
            });
        }
        if is_header {
            inside = Level::Table;
        }
        at += line.len();
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            said = at;
        }
    }
    map.members
        .extend(open.map(|open| member(text, open, said)));
    map.tail = &text[said..];
    map
}

fn member<'a>(text: &'a str, open: Open<'a>, end: usize) -> Member<'a> {
    let body = &text[open.at..end];
    let first = body.find('\n').map_or(body.len(), |at| at + 1);
    let (lead, value) = if open.key.starts_with('[') {
        let lead = &text[open.from..open.at + first];
        (lead, Part::Map(table(&body[first..], Level::Table)))
    } else {
        (&text[open.from..open.at], Part::Text(body))
    };
    Member {
        key: open.key,
        space: "",
        lead,
        value,
    }
}

/// The key of a line that looks like `key = value`.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let may_be_in_key = |c: char| c.is_alphanumeric() || "_-.\"' ".contains(c);
    (!key.is_empty() && key.chars().all(may_be_in_key)).then_some(key)
}
