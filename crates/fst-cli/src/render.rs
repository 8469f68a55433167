//! Text for people: symbols, colours, amounts, times.
//!
//! Used by [`crate::cmd`]. Invariant: a colour never carries a meaning alone; every name of a user's file
//! goes through [`printable`]; nothing here reads a clock or the environment.
//! Not here: JSON ([`json`]), what to say about which state ([`status`]).

use std::path::{Path, PathBuf};

use fst_proto::text::printable;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub(crate) mod amounts;
pub(crate) mod json;
pub(crate) mod status;
pub(crate) mod table;

/// How results are drawn.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent wishes of the person at the terminal"
)]
pub(crate) struct Look {
    /// With colours.
    pub has_color: bool,
    /// With symbols beyond ASCII.
    pub has_symbols: bool,
    /// Tab-separated, without drawing.
    pub is_plain: bool,
    /// Long lists are not cut.
    pub shows_all: bool,
    /// Home directory, shown as `~`.
    pub home: PathBuf,
}

/// Text that grows line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page(String);

impl Page {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    /// Adds lines that are complete already.
    pub(crate) fn block(&mut self, block: impl AsRef<str>) {
        self.0.push_str(block.as_ref());
    }

    /// The text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// A symbol that stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// Everything is well.
    Good,
    /// A person should look.
    Look,
    /// A person must act.
    Bad,
    /// Resting or away.
    Off,
    /// Both ways.
    Both,
    /// Under way in both.
    Busy,
    /// To the server.
    Up,
    /// From the server.
    Down,
    /// A command to type.
    Next,
}

impl Look {
    /// The symbol, in colour where that is wished.
    pub(crate) fn symbol(&self, symbol: Symbol) -> String {
        let (drawn, ascii, color) = match symbol {
            Symbol::Good => ("✓", "ok", 32),
            Symbol::Look => ("!", "!", 33),
            Symbol::Bad => ("✗", "x", 31),
            Symbol::Off => ("○", "o", 36),
            Symbol::Both => ("⇄", "<>", 0),
            Symbol::Busy => ("⇅", "^v", 0),
            Symbol::Up => ("↑", "^", 0),
            Symbol::Down => ("↓", "v", 0),
            Symbol::Next => ("→", "->", 0),
        };
        let text = if self.has_symbols { drawn } else { ascii };
        match color {
            0 => text.to_owned(),
            color if self.has_color => format!("\x1b[{color}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// A path below the home directory with `~`.
    pub(crate) fn tilde(&self, path: &Path) -> String {
        match path.strip_prefix(&self.home) {
            Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Ok(rest) => format!("~/{}", crate::context::shown(rest)),
            Err(_) => crate::context::shown(path),
        }
    }

    /// A path as a shell takes it.
    pub(crate) fn quoted(&self, path: &Path) -> String {
        quote(&self.tilde(path))
    }

    /// Cuts the middle out of a text that is too long.
    pub(crate) fn clip(&self, text: &str, width_max: usize) -> String {
        let text = printable(text.as_bytes());
        if width(&text) <= width_max {
            return text;
        }
        let mark = if self.has_symbols { "…" } else { ".." };
        let kept = width_max.saturating_sub(width(mark));
        let head = head(&text, kept / 2);
        let tail = tail(&text, kept - width(head));
        format!("{head}{mark}{tail}")
    }

    /// A line with the next command.
    pub(crate) fn next(&self, command: &str) -> String {
        format!("  {} {command}\n", self.symbol(Symbol::Next))
    }
}

/// Columns of a terminal that a text takes: two for wide characters, none for those that combine.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The longest beginning that is no wider, with the marks that belong to its last character.
fn head(text: &str, width_max: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, char)| {
        taken += char.width().unwrap_or(0);
        taken > width_max
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The longest end that is no wider and does not begin with a mark of a character before it.
fn tail(text: &str, width_max: usize) -> &str {
    let mut taken = 0;
    let mut start = text.len();
    for (at, char) in text.char_indices().rev() {
        let columns = char.width().unwrap_or(0);
        taken += columns;
        if taken > width_max {
            break;
        }
        if columns > 0 {
            start = at;
        }
    }
    &text[start..]
}

/// Quotes a word for a shell when it needs it; a leading `~/` stays outside so that it is expanded.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=~".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let (home, rest) = word
        .strip_prefix("~/")
        .map_or(("", word), |rest| ("~/", rest));
    format!("{home}'{}'", rest.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_in_the_middle() {
        let look = Look {
            has_symbols: true,
            ..Look::default()
        };
        assert_eq!(look.clip("short", 10), "short");
        assert_eq!(look.clip("~/Documents/long/name.txt", 12), "~/Doc…me.txt");
        assert_eq!(look.clip("a\nb", 10), "a\\nb");
        assert_eq!(
            Look::default().clip("~/Documents/long/name.txt", 12),
            "~/Doc..e.txt"
        );
    }

    #[test]
    fn wide_and_combining_characters_take_the_columns_they_take() {
        let look = Look {
            has_symbols: true,
            ..Look::default()
        };
        let wide = "日本語の長い名前.txt";
        assert_eq!(width(wide), 20);
        assert_eq!(look.clip(wide, 20), wide);
        assert_eq!(look.clip(wide, 12), "日本…前.txt");
        // The acute belongs to the letter before it, on either side of the cut.
        let marked = "e\u{301}".repeat(8);
        assert_eq!(width(&marked), 8);
        let cut = look.clip(&marked, 5);
        assert_eq!(cut, "e\u{301}e\u{301}…e\u{301}e\u{301}");
        for width_max in 2..20 {
            assert!(width(&look.clip(wide, width_max)) <= width_max);
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quote("~/Documents"), "~/Documents");
        assert_eq!(quote("~/My Files"), "~/'My Files'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn symbols_have_an_ascii_form_and_colour_is_an_extra() {
        let look = Look::default();
        assert_eq!(look.symbol(Symbol::Good), "ok");
        let look = Look {
            has_symbols: true,
            has_color: true,
            ..look
        };
        assert_eq!(look.symbol(Symbol::Good), "\u{1b}[32m✓\u{1b}[0m");
        assert_eq!(look.symbol(Symbol::Both), "⇄");
    }
}
