//! One text of ignore rules: a `.fstignore` file, the list of a folder, the policy of a space.
//!
//! Parsed once per text by `fst-client`, asked for every entry. Invariant: for a text without damage, the rule
//! that decides is the one that `git check-ignore` names. Not here: which texts apply to a path ([`super::Rules`]).
//! Source: gitignore(5).

use std::fmt;

use super::glob::{BadGlob, Glob};
use crate::limits::{IGNORE_LINE_LEN_MAX, IGNORE_RULES_MAX};

/// The rules of one text, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleFile {
    rules: Vec<Rule>,
    damage: Option<Damage>,
}

/// A rule as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its line, from 1.
    pub line: u32,
    /// The line without trailing blanks.
    pub text: String,
    /// True for `!`: what it matches is synced.
    pub is_negated: bool,
    is_for_dirs: bool,
    /// Compared with the last name instead of the whole path.
    is_for_names: bool,
    shape: Shape,
}

/// How a rule is compared; all but the last without states.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Equal bytes.
    Literal(Vec<u8>),
    /// Ends like this.
    Suffix(Vec<u8>),
    /// Begins like this, and the rest fits.
    Glob(Vec<u8>, Glob),
}

/// Why a text cannot be relied on: what it was meant to ignore is not known for sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It is larger than a rule file may be.
    TooLarge,
    /// It has nothing in it: a write that was cut short looks like this.
    Empty,
    /// A line is not UTF-8 text.
    NotText {
        /// Line, from 1.
        line: u32,
    },
    /// A line holds a pattern that can never match.
    BadPattern {
        /// Line, from 1.
        line: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It cannot be read, or is no regular file.
    Unreadable,
    /// It was changed a moment ago.
    Changing,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("is too large for a rule file"),
            Self::Empty => f.write_str("is empty, as after a write that was cut short"),
            Self::NotText { line } => write!(f, "line {line} is not text"),
            Self::BadPattern { line, why } => write!(f, "line {line} {why}"),
            Self::Unreadable => f.write_str("cannot be read as a file"),
            Self::Changing => f.write_str("is being written"),
        }
    }
}

impl RuleFile {
    /// Reads a text. A damaged line is left out; the first damage is kept.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut file = Self::default();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (line, number) in text.split(|&byte| byte == b'\n').zip(1..) {
            match rule(line, number) {
                Ok(rule) => file.rules.extend(rule),
                Err(damage) => file.note(damage),
            }
            if file.rules.len() > IGNORE_RULES_MAX {
                return Self::damaged(Damage::TooLarge);
            }
        }
        file
    }

    /// Stands for a text that could not be read at all.
    #[must_use]
    pub fn damaged(damage: Damage) -> Self {
        Self {
            rules: Vec::new(),
            damage: Some(damage),
        }
    }

    fn note(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    /// The first thing that is wrong with it.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// All rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The last rule that fits `path`, which is relative to the place of this text and has no ignored parent.
    #[must_use]
    pub fn decide(&self, path: &[u8], is_dir: bool) -> Option<&Rule> {
        let name_at = path
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |at| at + 1);
        let mut rules = self.rules.iter().rev();
        rules.find(|rule| {
            let subject = if rule.is_for_names {
                &path[name_at..]
            } else {
                path
            };
            (is_dir || !rule.is_for_dirs) && rule.shape.matches(subject)
        })
    }
}

impl Shape {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Literal(all) => text == all,
            Self::Suffix(end) => text.ends_with(end),
            Self::Glob(start, glob) => {
                let rest = text.strip_prefix(start.as_slice());
                rest.is_some_and(|rest| glob.matches(rest))
            },
        }
    }
}

/// Reads one line; `None` for a blank one or a comment.
fn rule(line: &[u8], number: u32) -> Result<Option<Rule>, Damage> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.first() == Some(&b'#') {
        return Ok(None);
    }
    let line = without_trailing_blanks(line);
    let bad = |why| Damage::BadPattern { line: number, why };
    if line.len() > IGNORE_LINE_LEN_MAX {
        return Err(bad("is too long"));
    }
    let text = std::str::from_utf8(line).map_err(|_| Damage::NotText { line: number })?;
    let (is_negated, pattern) = match line.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (is_for_dirs, pattern) = match pattern.strip_suffix(b"/") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    if pattern.is_empty() && !is_for_dirs {
        return Ok(None);
    }
    let is_for_names = !pattern.contains(&b'/');
    let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
    let shape = shape(pattern, is_for_names).map_err(|bad_glob| {
        bad(match bad_glob {
            BadGlob::Bracket => "has a bracket that is not closed or names no class",
            BadGlob::Escape => "ends in a backslash",
            BadGlob::TooLong => "has too many wildcards and letters",
        })
    })?;
    Ok(Some(Rule {
        line: number,
        text: text.to_owned(),
        is_negated,
        is_for_dirs,
        is_for_names,
        shape,
    }))
}

/// Blanks at the end do not count, unless a backslash stands before them.
fn without_trailing_blanks(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' => at += 1,
            b'\\' => {
                at = (at + 2).min(line.len());
                end = at;
            },
            _ => {
                at += 1;
                end = at;
            },
        }
    }
    &line[..end]
}

fn shape(pattern: &[u8], is_for_names: bool) -> Result<Shape, BadGlob> {
    let is_wild = |&byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let Some(first) = pattern.iter().position(is_wild) else {
        return Ok(Shape::Literal(pattern.to_vec()));
    };
    let (start, rest) = pattern.split_at(first);
    match rest {
        [b'*', end @ ..] if is_for_names && start.is_empty() && !end.iter().any(is_wild) => {
            Ok(Shape::Suffix(end.to_vec()))
        },
        _ => Ok(Shape::Glob(start.to_vec(), Glob::new(rest)?)),
    }
}
