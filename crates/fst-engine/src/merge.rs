//! Merges two contents of one file that were both made from a third.
//!
//! `fst-client` calls it with bytes from disk and history where the strategy is `merge`, and for `fst conflicts merge`;
//! the planner only hears the result. Invariant: the result does not depend on which side is called local, every
//! line of it is a line of one side, and merging an input with the result gives the result again, so that
//! devices that merge one after the other end with the same bytes. What is not certain is [`Unclean`]: a kept
//! conflict, never markers in a file.
//! Not here: where bytes come from, what becomes of an unclean pair ([`crate::reconcile`]).
//! Source: docs/design/sync-semantics.md, rows S-300 to S-319; ADR 0013.

mod keys;
mod lines;

use fst_proto::path::Name;

use crate::limits::{MERGE_BYTES_MAX, MERGE_LINES_MAX};

/// Three contents of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triple<'a> {
    /// What both sides were made from.
    pub base: &'a [u8],
    /// One side.
    pub local: &'a [u8],
    /// The other side.
    pub remote: &'a [u8],
}

/// Why two contents are left to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unclean {
    /// A NUL byte: a picture, a document, UTF-16.
    #[error("not a text")]
    NotText,
    /// More than [`MERGE_BYTES_MAX`] bytes or [`MERGE_LINES_MAX`] lines.
    #[error("too large to merge")]
    TooLarge,
    /// Both sides changed the same lines, or lines that touch.
    #[error("both sides changed the same lines")]
    Overlap,
    /// Nothing that both were made from is known.
    #[error("no common base is known")]
    NoBase,
    /// Merging an input with the result would not give the result again.
    #[error("the changes cannot be told apart for certain")]
    Uncertain,
}

/// Merges by lines, and where lines will not do by the keys of JSON, YAML or TOML, as the ending of `name` says.
///
/// Shape: bytes as they are, also line endings and a missing last one. Symmetric in local and remote.
/// # Errors
/// [`Unclean`] when a person has to look.
/// Cost: O((n + m) d) for d differing lines, bounded by the limits; a few times the input in memory.
pub fn merge(triple: Triple<'_>, name: &Name) -> Result<Vec<u8>, Unclean> {
    check_size(triple)?;
    let format = keys::Format::of(name);
    let merged = once(triple, format)?;
    // A device that still has one side will merge it with the result: that must lead here again.
    for side in [triple.local, triple.remote] {
        let again = Triple {
            local: side,
            remote: &merged,
            ..triple
        };
        if once(again, format).as_ref() != Ok(&merged) {
            return Err(Unclean::Uncertain);
        }
    }
    Ok(merged)
}

/// Both sides in one text for a person, with markers as `git merge-file --diff3` sets them where they disagree.
///
/// Never for a user's folder: see [`has_markers`].
#[must_use]
pub fn marked(triple: Triple<'_>) -> Vec<u8> {
    lines::marked(triple)
}

/// Whether a text still has the markers of [`marked`].
#[must_use]
pub fn has_markers(text: &[u8]) -> bool {
    let is_marker = |line: &[u8]| [&b"<<<<<<< local"[..], b">>>>>>> remote"].contains(&line);
    text.split(|&byte| byte == b'\n')
        .any(|line| is_marker(line.strip_suffix(b"\r").unwrap_or(line)))
}

fn once(triple: Triple<'_>, format: Option<keys::Format>) -> Result<Vec<u8>, Unclean> {
    let Some(format) = format else {
        return lines::merge(triple);
    };
    match lines::merge(triple) {
        Ok(merged) if keys::is_sound(format, triple, &merged) => Ok(merged),
        Ok(_) | Err(_) => keys::merge(format, triple),
    }
}

fn check_size(triple: Triple<'_>) -> Result<(), Unclean> {
    for side in [triple.base, triple.local, triple.remote] {
        if side.len() > MERGE_BYTES_MAX {
            return Err(Unclean::TooLarge);
        }
        if side.contains(&0) {
            return Err(Unclean::NotText);
        }
        if side.iter().filter(|&&byte| byte == b'\n').count() > MERGE_LINES_MAX {
            return Err(Unclean::TooLarge);
        }
    }
    Ok(())
}
