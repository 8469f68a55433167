//! The one way out to the terminal.
//!
//! Invariant: a reader that went away (`fst status | head -1`) is no error; nothing else prints.

use std::io::{self, Read, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Prints a result.
pub(crate) fn print(text: &str) {
    // The reader may have closed the pipe: it has seen what it wanted.
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

/// Says something that is not the result.
pub(crate) fn say(line: &str) {
    let mut out = io::stderr().lock();
    writeln!(out, "{line}").unwrap_or_default();
}

/// Prints bytes as they are, such as those of a file.
///
/// # Errors
/// What reading them said, or writing, unless the reader went away.
pub(crate) fn copy(bytes: &mut impl Read) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match io::copy(bytes, &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Whoever reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// May want more.
    There,
    /// Has closed the pipe.
    Gone,
}

/// Prints a part of a long result.
pub(crate) fn stream(text: &str) -> Reader {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Reader::There,
        Err(_) => Reader::Gone,
    }
}

/// Waits so long, or until the reader goes away or a signal comes.
pub(crate) fn wait(limit: Duration) -> Reader {
    let out = io::stdout();
    // Nothing is asked for: an error of the pipe is told all the same.
    let mut ends = [PollFd::new(&out, PollFlags::empty())];
    let limit = Timespec::try_from(limit).ok();
    match poll(&mut ends, limit.as_ref()) {
        Ok(n) if n > 0 => Reader::Gone,
        Ok(_) | Err(_) => Reader::There,
    }
}
