//! The one way out to the terminal.

use std::fmt::Display;

/// Prints one line.
#[expect(
    clippy::print_stdout,
    reason = "a tool for people: its output is its purpose"
)]
pub(crate) fn say(line: impl Display) {
    println!("{line}");
}
