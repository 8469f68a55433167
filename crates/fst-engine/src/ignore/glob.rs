//! One glob of an ignore rule, compiled to states.
//!
//! Used by `file`. Invariant: matching takes time in proportion to pattern times text and no memory from the heap,
//! whatever the pattern is: rule files come from other devices. Not here: lines, negation, where a rule applies.
//! Source: gitignore(5); the oracle of the tests is `git check-ignore`.

use crate::limits::IGNORE_STATES_MAX;

/// What one state takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// One byte that is no slash.
    Any,
    /// One byte of a set; never a slash.
    Class(Box<[u64; 4]>),
    /// Any bytes but slashes.
    Star,
    /// Any bytes.
    Everything,
    /// Nothing; what follows is `Everything` and a slash, and may be left out whole.
    Optional,
}

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

/// Why a pattern can never match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadGlob {
    /// A bracket that is never closed, or names a class that does not exist.
    Bracket,
    /// A backslash with nothing after it.
    Escape,
    /// More states than a matcher may have.
    TooLong,
}

impl Glob {
    pub(super) fn new(pattern: &[u8]) -> Result<Self, BadGlob> {
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut rest = pattern;
        let mut is_at_start = true;
        while let Some((&first, mut tail)) = rest.split_first() {
            match first {
                b'?' => tokens.push(Token::Any),
                b'*' => tail = star(rest, is_at_start, &mut tokens),
                b'[' => {
                    let (class, after) = bracket(tail).ok_or(BadGlob::Bracket)?;
                    tokens.push(Token::Class(Box::new(class)));
                    tail = after;
                },
                b'\\' => {
                    let (&escaped, after) = tail.split_first().ok_or(BadGlob::Escape)?;
                    tokens.push(Token::Byte(escaped));
                    tail = after;
                },
                byte => tokens.push(Token::Byte(byte)),
            }
            let taken = &rest[..rest.len() - tail.len()];
            is_at_start = taken.last() == Some(&b'/');
            rest = tail;
        }
        if tokens.len() < IGNORE_STATES_MAX {
            Ok(Self(tokens))
        } else {
            Err(BadGlob::TooLong)
        }
    }

    /// True when the whole of `text` fits.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut now = States::default();
        self.enter(&mut now, 0);
        for &byte in text {
            let mut next = States::default();
            for at in now.iter() {
                self.step(at, byte, &mut next);
            }
            if next.is_empty() {
                return false;
            }
            now = next;
        }
        now.has(self.0.len())
    }

    /// Adds a state with all that are reached from it without a byte.
    fn enter(&self, states: &mut States, at: usize) {
        states.add(at);
        match self.0.get(at) {
            Some(Token::Star | Token::Everything) => self.enter(states, at + 1),
            Some(Token::Optional) => {
                self.enter(states, at + 1);
                self.enter(states, at + 3);
            },
            Some(Token::Byte(_) | Token::Any | Token::Class(_)) | None => {},
        }
    }

    fn step(&self, at: usize, byte: u8, next: &mut States) {
        let Some(token) = self.0.get(at) else { return };
        let is_slash = byte == b'/';
        match token {
            Token::Byte(wanted) if *wanted == byte => self.enter(next, at + 1),
            Token::Any if !is_slash => self.enter(next, at + 1),
            Token::Class(set) if !is_slash && has(set, byte) => self.enter(next, at + 1),
            Token::Star if !is_slash => self.enter(next, at),
            Token::Everything => self.enter(next, at),
            Token::Byte(_) | Token::Any | Token::Class(_) | Token::Star | Token::Optional => {},
        }
    }
}

/// The states a matcher is in: one bit each.
#[derive(Clone, Copy, Default)]
struct States([u64; IGNORE_STATES_MAX / 64]);

impl States {
    fn add(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.0.into_iter().enumerate();
        words.flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.checked_sub(1)?;
                Some(index * 64 + bit)
            })
        })
    }
}

/// One or more stars at the front of `rest`; returns what follows them.
fn star<'p>(rest: &'p [u8], is_at_start: bool, tokens: &mut Vec<Token>) -> &'p [u8] {
    let n_stars = rest.iter().take_while(|&&byte| byte == b'*').count();
    let tail = &rest[n_stars..];
    let ends_name = tail.is_empty() || tail.starts_with(b"/") || tail.starts_with(b"\\/");
    match (n_stars, is_at_start && ends_name) {
        (1, _) | (_, false) => tokens.push(Token::Star),
        (_, true) => {
            // "**/x" is x in this directory too; a slash that is escaped has to be there.
            tokens.extend(tail.starts_with(b"/").then_some(Token::Optional));
            tokens.push(Token::Everything);
        },
    }
    tail
}

fn has(set: &[u64; 4], byte: u8) -> bool {
    set[usize::from(byte) / 64] >> (byte % 64) & 1 == 1
}

/// Reads a set after its `[`; returns it and what follows its `]`.
fn bracket(pattern: &[u8]) -> Option<([u64; 4], &[u8])> {
    let mut set = [0; 4];
    let is_negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut rest = &pattern[usize::from(is_negated)..];
    let mut before: Option<u8> = None;
    let mut is_first = true;
    loop {
        let (&byte, tail) = rest.split_first()?;
        match byte {
            b']' if !is_first => {
                rest = tail;
                break;
            },
            b'-' if before.is_some() && tail.first().is_some_and(|&next| next != b']') => {
                let (end, after) = literal(tail)?;
                (before.unwrap_or(end)..=end).for_each(|byte| add(&mut set, byte));
                (before, rest) = (None, after);
            },
            b'[' if tail.first() == Some(&b':') => match named(&tail[1..])? {
                Named::Class(is_member, after) => {
                    (0..=u8::MAX)
                        .filter(is_member)
                        .for_each(|b| add(&mut set, b));
                    (before, rest) = (None, after);
                },
                Named::Plain => {
                    add(&mut set, byte);
                    (before, rest) = (Some(byte), tail);
                },
            },
            _ => {
                let (byte, after) = literal(rest)?;
                add(&mut set, byte);
                (before, rest) = (Some(byte), after);
            },
        }
        is_first = false;
    }
    if is_negated {
        set = set.map(|word: u64| !word);
    }
    Some((set, rest))
}

fn add(set: &mut [u64; 4], byte: u8) {
    set[usize::from(byte) / 64] |= 1 << (byte % 64);
}

/// One byte of a set, perhaps after a backslash.
fn literal(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (&byte, tail) = rest.split_first()?;
    if byte == b'\\' {
        let (&escaped, after) = tail.split_first()?;
        return Some((escaped, after));
    }
    Some((byte, tail))
}

enum Named<'p> {
    /// Members of `[:name:]`, and what follows it.
    Class(fn(&u8) -> bool, &'p [u8]),
    /// No `:]` ends it: the bracket is a bracket.
    Plain,
}

/// Reads a named class after its `[:`; `None` when there is no such class, or its set is never closed.
fn named(rest: &[u8]) -> Option<Named<'_>> {
    let end = rest.iter().position(|&byte| byte == b']')?;
    let Some(name) = rest[..end].strip_suffix(b":") else {
        return Some(Named::Plain);
    };
    let is_member: fn(&u8) -> bool = match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    };
    Some(Named::Class(is_member, &rest[end + 1..]))
}
