//! The one way out to the terminal.
//!
//! Invariant: a reader that went away (`fst status | head -1`) is no error; nothing else prints.

use std::io::{self, Read, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Prints a result.
pub(crate) fn print(text: &str) {
    // The reader may have closed the pipe: it has seen what it wanted.
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

/// Prints one line of a result that goes on; false when nobody reads it any more.
pub(crate) fn line(line: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Whether somebody may read what is printed: not when the other end of a pipe was closed.
pub(crate) fn is_read() -> bool {
    let out = io::stdout();
    let mut looked = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec::default();
    let gone = PollFlags::ERR | PollFlags::NVAL;
    poll(&mut looked, Some(&now)).is_err() || !looked[0].revents().intersects(gone)
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
