//! The one way out to the terminal.
//!
//! Invariant: a reader that went away (`fst status | head -1`) is no error; nothing else prints.

use std::io::Write as _;

/// Prints a result.
pub(crate) fn print(text: &str) {
    // The reader may have closed the pipe: it has seen what it wanted.
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

/// Says something that is not the result.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{line}").unwrap_or_default();
}
