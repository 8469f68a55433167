//! Cuts YAML block mappings into members by their indentation.

use super::{Map, Member, Part, is_looked_into};

/// Cuts one document that ends with a line ending; markers and directives are not understood.
pub(super) fn split(text: &str) -> Option<Map<'_>> {
    let is_ended = text.is_empty() || text.ends_with('\n');
    let is_mark = |line: &str| {
        ["---", "...", "%"]
            .iter()
            .any(|mark| line.starts_with(mark))
    };
    let is_understood = is_ended && !text.lines().any(is_mark);
    let top = Level {
        indent: 0,
        depth: 0,
    };
    is_understood.then(|| mapping(text, top)).flatten()
}

/// Where the keys of a mapping stand, and how many mappings it lies in.
#[derive(Debug, Clone, Copy)]
struct Level {
    indent: usize,
    depth: usize,
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

fn mapping(text: &str, level: Level) -> Option<Map<'_>> {
    let mut map = Map::default();
    let (mut open, mut said, mut at) = (None::<Open<'_>>, 0, 0);
    for line in text.split_inclusive('\n') {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let is_quiet = body.trim().is_empty() || (body.starts_with('#') && indent <= level.indent);
        let is_item = body.starts_with("- ") || body.trim_end() == "-";
        if !is_quiet && indent == level.indent && !is_item {
            map.members
                .extend(open.map(|open| member(text, open, said, level)));
            let key = key_of(body)?;
            open = Some(Open {
                from: said,
                at,
                key,
            });
        } else if !is_quiet && (indent < level.indent || open.is_none()) {
            return None;
        }
        at += line.len();
        if !is_quiet {
            said = at;
        }
    }
    map.members
        .extend(open.map(|open| member(text, open, said, level)));
    map.tail = &text[said..];
    Some(map)
}

fn member<'a>(text: &'a str, open: Open<'a>, end: usize, level: Level) -> Member<'a> {
    let body = &text[open.at..end];
    let first = body.find('\n').map_or(body.len(), |at| at + 1);
    let (lead, value) = match nested(body, first, level) {
        Some(map) => (&text[open.from..open.at + first], Part::Map(map)),
        None => (&text[open.from..open.at], Part::Text(body)),
    };
    Member {
        key: open.key,
        space: "",
        lead,
        value,
    }
}

/// The mapping below a line that holds a key and nothing else.
fn nested(body: &str, first: usize, level: Level) -> Option<Map<'_>> {
    let (line, below) = body.split_at(first);
    let rest = line.split_once(':')?.1.trim();
    let is_key_alone = rest.is_empty() || rest.starts_with('#');
    let mut lines = below
        .lines()
        .map(|line| (line, line.trim_start_matches(' ')));
    let says = |(_, body): &(&str, &str)| !body.trim().is_empty() && !body.starts_with('#');
    let indent = lines
        .find(says)
        .map(|(line, body)| line.len() - body.len())?;
    let depth = level.depth + 1;
    let is_inside = is_key_alone && indent > level.indent && is_looked_into(depth);
    is_inside
        .then(|| mapping(below, Level { indent, depth }))
        .flatten()
}

fn key_of(body: &str) -> Option<&str> {
    let (key, rest) = body.split_once(':')?;
    let is_key = rest.is_empty() || rest.starts_with([' ', '\n', '\r']);
    (is_key && !key.is_empty()).then_some(key)
}
