//! Text for people: symbols, colours, amounts, times.
//!
//! Used by [`crate::cmd`]. Invariant: a colour never carries a meaning alone; every name of a user's file
//! goes through [`printable`]; nothing here reads a clock or the environment.
//! Not here: JSON ([`json`]), what to say about which state ([`status`]).

use std::path::{Path, PathBuf};

use fst_proto::text::printable;

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
        let length = text.chars().count();
        if length <= width_max {
            return text;
        }
        let mark = if self.has_symbols { "…" } else { ".." };
        let kept = width_max.saturating_sub(mark.chars().count());
        let head: String = text.chars().take(kept / 2).collect();
        let tail: String = text.chars().skip(length - (kept - kept / 2)).collect();
        format!("{head}{mark}{tail}")
    }

    /// A line with the next command.
    pub(crate) fn next(&self, command: &str) -> String {
        format!("  {} {command}\n", self.symbol(Symbol::Next))
    }
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
