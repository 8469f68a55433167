//! Words as shells have them in a line, and as commands get them.
//!
//! bash and zsh hand on words as they were typed, and put offers into the line as they come (zsh because the script says so:
//! else it would quote a tilde too). The other shells quote by themselves.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// What means something to a shell outside of quotes.
const SPECIAL: &str = " \t\\'\"`$&;<>()|*?[]#!{}";

/// What means something between double quotes.
const SPECIAL_IN_DOUBLE: &str = "\\\"`$";

/// What the word under the cursor begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// No quote.
    None,
    /// `'`
    Single,
    /// `"`
    Double,
}

impl Quote {
    /// By the first character of a word.
    pub(super) fn of(word: &OsStr) -> Self {
        match word.as_bytes().first() {
            Some(b'\'') => Self::Single,
            Some(b'"') => Self::Double,
            _ => Self::None,
        }
    }
}

/// A word as a command gets it, from one as it was typed, which may end in the middle of a quote.
pub(super) fn unescaped(word: &OsStr) -> OsString {
    let mut out = Vec::new();
    let mut quote = None;
    let mut bytes = word.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => out.push(bytes.next().copied().unwrap_or(byte)),
            (b'\'' | b'"', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (byte, _) => out.push(byte),
        }
    }
    OsString::from_vec(out)
}

/// A word as it has to stand in the line. A tilde in front keeps its meaning.
pub(super) fn escaped(word: &str, quote: Quote) -> String {
    let mut out = String::new();
    for (at, char) in word.chars().enumerate() {
        let is_special = match quote {
            Quote::None => SPECIAL.contains(char) || (char == '~' && at > 0),
            Quote::Double => SPECIAL_IN_DOUBLE.contains(char),
            Quote::Single => false,
        };
        if is_special {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// A line for zsh's `_describe`, `VALUE:ABOUT` with `\` before what is none of its colons, whose value is made ready for the line.
pub(super) fn described(line: &str) -> String {
    let mut value = String::new();
    let mut chars = line.chars();
    let mut about = None;
    while let Some(char) = chars.next() {
        match char {
            '\\' => value.extend(chars.next()),
            ':' => {
                about = Some(chars.as_str());
                break;
            },
            char => value.push(char),
        }
    }
    let value = escaped(&value, Quote::None);
    let value = value.replace('\\', r"\\").replace(':', r"\:");
    match about {
        Some(about) => format!("{value}:{about}"),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_read_back() {
        for (plain, quote, line) in [
            ("/home/me/Documents", Quote::None, "/home/me/Documents"),
            ("~/My Documents", Quote::None, r"~/My\ Documents"),
            (r#"a$b"c'~"#, Quote::None, r#"a\$b\"c\'\~"#),
            ("é ü", Quote::None, r"é\ ü"),
            (r#"My $x "y""#, Quote::Double, r#"My \$x \"y\""#),
        ] {
            assert_eq!(escaped(plain, quote), line);
        }
        assert_eq!(escaped("My $x", Quote::Single), "My $x");
        for (typed, plain) in [
            (r"~/My\ Documents", "~/My Documents"),
            (r#""/a b\"c"#, "/a b\"c"),
            (r"'/a b\'", r"/a b\"),
            (r#"a" "b' 'c"#, "a b c"),
            ("end\\", "end\\"),
        ] {
            assert_eq!(unescaped(OsStr::new(typed)), plain, "{typed}");
        }
    }

    #[test]
    fn zsh_gets_a_value_that_it_need_not_quote() {
        for (line, ready) in [
            ("~/My Photos:/My Photos", r"~/My\\ Photos:/My Photos"),
            (r"a\:b:c:d", r"a\:b:c:d"),
            ("--json", "--json"),
        ] {
            assert_eq!(described(line), ready);
        }
    }
}
