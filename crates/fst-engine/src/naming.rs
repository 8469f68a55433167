//! Names of conflict copies: `name (conflict <device> YYYY-MM-DD HHMMSS-xxxx).ext`.
//!
//! Used by whoever implements [`ConflictNaming`]; every device makes the same name from the same loser. Invariant:
//! a result is a valid name of at most 255 bytes that `taken` refuses, and never nests two conflict suffixes.
//! Not here: which content loses ([`crate::reconcile`]). Source: docs/design/sync-semantics.md, rows S-140 to S-146.

use fst_proto::entry::Content;
use fst_proto::ids::NodeId;
use fst_proto::path::{NAME_LEN_MAX, Name};
use fst_proto::time::UnixMillis;

use crate::limits::{CONFLICT_COUNTER, DEVICE_NAME_LEN_MAX, EXTENSION_LEN_MAX};
use crate::reconcile::{ConflictNaming, Loser};

const MARK: &[u8] = b" (conflict ";

/// Where a conflict copy comes from, as its name shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Name of the device that wrote the losing version.
    pub device: &'a str,
    /// When it was committed at the server, or last modified if it never was.
    pub at: UnixMillis,
    /// Four hex digits of the losing version.
    pub version_hex4: &'a str,
}

/// Returns the name of a conflict copy beside `original`.
///
/// Shape: the suffix goes before the extension; an older conflict suffix of `original` is replaced; a number is
/// added while `taken` says yes; the stem is cut at a character to fit 255 bytes.
#[must_use]
pub fn conflict_name(original: &Name, origin: Origin<'_>, taken: &dyn Fn(&Name) -> bool) -> Name {
    let (stem, extension) = split(original.as_bytes());
    let stem = without_suffix(stem);
    let mut suffix = suffix(origin, None);
    for counter in CONFLICT_COUNTER {
        if let Some(name) = join(stem, suffix.as_bytes(), extension)
            && !taken(&name)
        {
            return name;
        }
        suffix = self::suffix(origin, Some(counter));
    }
    original.clone()
}

/// Returns the name that a conflict copy was made beside, or `None` when `name` is no conflict copy's.
#[must_use]
pub fn original_of(name: &Name) -> Option<Name> {
    let (stem, extension) = split(name.as_bytes());
    let original = without_suffix(stem);
    if original.len() == stem.len() {
        return None;
    }
    Name::new(&[original, extension].concat()).ok()
}

/// Returns the device that a conflict copy's name tells of, as the name spells it.
#[must_use]
pub fn device_of(name: &Name) -> Option<String> {
    let (stem, _) = split(name.as_bytes());
    let start = without_suffix(stem).len();
    let inner = stem.get(start + MARK.len()..)?.strip_suffix(b")")?;
    let words: Vec<&[u8]> = inner.split(|&b| b == b' ').collect();
    let at = words.iter().rposition(|word| fits(word, b"dddd-dd-dd"))?;
    let device = words[..at].join(&b' ');
    String::from_utf8(device)
        .ok()
        .filter(|device| !device.is_empty())
}

/// Whether a conflict name spells this device so.
#[must_use]
pub fn is_device(spelled: &str, device: &str) -> bool {
    device_part(device) == spelled
}

/// Returns a name for the second of two contents that are both kept: `name (device).ext`, with a number from the second
/// try on.
#[must_use]
pub fn beside(original: &Name, device: &str, attempt: u32) -> Name {
    let (stem, extension) = split(original.as_bytes());
    let device = device_part(device);
    let suffix = match attempt {
        0 | 1 => format!(" ({device})"),
        n => format!(" ({device} {n})"),
    };
    join(stem, suffix.as_bytes(), extension).unwrap_or_else(|| original.clone())
}

fn suffix(origin: Origin<'_>, counter: Option<u32>) -> String {
    let t = origin.at.to_civil();
    let device = device_part(origin.device);
    let version: String = origin
        .version_hex4
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(4)
        .collect();
    let count = counter.map(|n| format!(" {n}")).unwrap_or_default();
    format!(
        " (conflict {device} {:04}-{:02}-{:02} {:02}{:02}{:02}-{version:0>4}{count})",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    )
}

/// A device name that can stand in a file name on every system.
fn device_part(device: &str) -> String {
    let is_bad = |c: char| c.is_control() || "/\\:*?\"<>|()".contains(c);
    let clean: String = device
        .chars()
        .map(|c| if is_bad(c) { '_' } else { c })
        .collect();
    let cut = cut_at_char(clean.trim().as_bytes(), DEVICE_NAME_LEN_MAX);
    let text = String::from_utf8_lossy(cut).trim_end().to_owned();
    if text.is_empty() {
        "device".to_owned()
    } else {
        text
    }
}

/// Splits at the last dot, unless it starts the name or what follows is no extension: too long, or with a space.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let dot = name.iter().rposition(|&b| b == b'.').filter(|dot| *dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let is_extension = extension.len() <= EXTENSION_LEN_MAX && !extension.contains(&b' ');
    if is_extension {
        (stem, extension)
    } else {
        (name, &[])
    }
}

/// Takes a conflict suffix off the end of a stem.
fn without_suffix(stem: &[u8]) -> &[u8] {
    let Some(start) = stem.windows(MARK.len()).rposition(|window| window == MARK) else {
        return stem;
    };
    let inner = stem[start + MARK.len()..].strip_suffix(b")");
    if inner.is_some_and(is_origin) {
        &stem[..start]
    } else {
        stem
    }
}

/// True for `<device> YYYY-MM-DD HHMMSS-xxxx`, with or without a number after it.
fn is_origin(text: &[u8]) -> bool {
    let words: Vec<&[u8]> = text.split(|&b| b == b' ').collect();
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let stamped = |words: &[&[u8]]| match words {
        [_, .., date, time] => fits(date, b"dddd-dd-dd") && fits(time, b"dddddd-xxxx"),
        _ => false,
    };
    match words.split_last() {
        Some((last, rest)) if is_number(last) => stamped(rest),
        Some(_) => stamped(&words),
        None => false,
    }
}

fn fits(text: &[u8], pattern: &[u8]) -> bool {
    let is_fit = |(&byte, &kind): (&u8, &u8)| match kind {
        b'd' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_hexdigit(),
        other => byte == other,
    };
    text.len() == pattern.len() && text.iter().zip(pattern).all(is_fit)
}

fn join(stem: &[u8], suffix: &[u8], extension: &[u8]) -> Option<Name> {
    let room = NAME_LEN_MAX.saturating_sub(suffix.len() + extension.len());
    Name::new(&[cut_at_char(stem, room), suffix, extension].concat()).ok()
}

/// The longest start of `bytes` within `len_max` that does not cut a UTF-8 character; bytes that are not UTF-8
/// may be cut anywhere.
fn cut_at_char(bytes: &[u8], len_max: usize) -> &[u8] {
    if bytes.len() <= len_max {
        return bytes;
    }
    let is_inside = |at: usize| bytes[at] & 0xC0 == 0x80;
    let start = (len_max.saturating_sub(3)..=len_max)
        .rev()
        .find(|&at| !is_inside(at));
    &bytes[..start.unwrap_or(len_max)]
}

/// Naming that needs no device list: names and ids come from the losing content alone.
///
/// For examples, dry runs and tests; real folders name the device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByHash;

impl ConflictNaming for ByHash {
    fn copy_name(&self, original: &Name, loser: Loser, taken: &dyn Fn(&Name) -> bool) -> Name {
        let version = loser.node.to_hex();
        let origin = Origin {
            device: "copy",
            at: UnixMillis(0),
            version_hex4: &version,
        };
        conflict_name(original, origin, taken)
    }

    fn copy_id(&self, node: NodeId, loser_content: &Content) -> NodeId {
        let mut id = node.0;
        for (at, byte) in loser_content.id.0.iter().enumerate() {
            let mixed = id[at % id.len()].rotate_left(3) ^ byte;
            id[at % id.len()] = mixed.wrapping_mul(167).wrapping_add(13);
        }
        NodeId(id)
    }

    fn is_ignored(&self, _parent: NodeId, _name: &Name) -> bool {
        false
    }
}
