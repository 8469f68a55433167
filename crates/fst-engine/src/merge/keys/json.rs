//! Cuts JSON text into members: strings and brackets are all it has to know.

use super::{Map, Member, Part, is_looked_into};

/// Cuts an object with blanks around it.
pub(super) fn split(text: &str) -> Option<Map<'_>> {
    let open = text.find('{').filter(|&at| is_blank(&text[..at]))?;
    let is_end = |&at: &usize| at > open && is_blank(&text[at + 1..]);
    let close = text.rfind('}').filter(is_end)?;
    object(text, (open, close), 0)
}

/// The object between the brackets at `open` and `close`; all of `text` is head, member or tail.
fn object(text: &str, (open, close): (usize, usize), depth: usize) -> Option<Map<'_>> {
    let inside = &text[open + 1..close];
    let mut map = Map {
        head: &text[..=open],
        members: Vec::new(),
        tail: &text[open + 1..],
    };
    if is_blank(inside) {
        return Some(map);
    }
    let mut rest = inside;
    loop {
        let comma = outside(rest, ',');
        let part = &rest[..comma.unwrap_or(rest.len())];
        let kept = part.trim_end();
        map.members.push(member(kept, depth)?);
        if comma.is_none() {
            map.tail = &text[close - (part.len() - kept.len())..];
            return Some(map);
        }
        if kept.len() < part.len() {
            return None;
        }
        rest = &rest[part.len() + 1..];
    }
}

fn member(text: &str, depth: usize) -> Option<Member<'_>> {
    let body = text.trim_start();
    let colon = outside(body, ':')?;
    let value = body[colon + 1..].trim_start();
    let is_map = value.starts_with('{') && value.ends_with('}') && is_looked_into(depth);
    let brackets = is_map.then(|| (0, value.len() - 1));
    let map = brackets.and_then(|brackets| object(value, brackets, depth + 1));
    Some(Member {
        key: body[..colon].trim_end(),
        space: &text[..text.len() - body.len()],
        lead: &body[..body.len() - value.len()],
        value: map.map_or(Part::Text(value), Part::Map),
    })
}

/// Where `wanted` stands outside of strings and brackets.
fn outside(text: &str, wanted: char) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_string => is_escaped = true,
            '"' => is_string = !is_string,
            _ if is_string => {},
            _ if c == wanted && depth == 0 => return Some(at),
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.checked_sub(1)?,
            _ => {},
        }
    }
    None
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
}
