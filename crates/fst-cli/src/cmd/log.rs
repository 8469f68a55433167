//! `fst log` and `fst daemon logs`: the end of the daemon's log, and what is added to it.
//!
//! Invariant: nothing that a log line holds reaches the terminal as a control sequence; the log itself is not changed.
//! Not here: what is logged (`fst_daemon::log`). Source: docs/design/commands.md §5.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fst_daemon::log::{self, Tail};
use fst_proto::error::{ErrorCode, Exit};
use fst_proto::text::printable;
use serde_json::json;
use signal_hook::consts::SIGINT;

use crate::args::Log;
use crate::context::{Context, shown};
use crate::report::{Answer, Failure};
use crate::screen::{self, Reader};

/// Time between two looks at the file: as fast as a person reads.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Part of the log that one document holds, and longest line that is waited for, in bytes: all of it in most cases.
const DOCUMENT_BYTES_MAX: u64 = 8 << 20;

pub(super) fn run(context: &Context, args: &Log) -> Result<Answer, Failure> {
    let path = log::path_of(&context.dirs);
    let bytes_max = if context.global.json {
        DOCUMENT_BYTES_MAX
    } else {
        u64::MAX
    };
    let mut show = Show::open(&path, args.lines, bytes_max).map_err(|error| failed(&error))?;
    match (context.global.json, args.follow) {
        (true, false) => {
            let lines = show.all().map_err(|error| failed(&error))?;
            Ok(show.answer(&lines))
        },
        (is_json, true) => show.follow(is_json),
        (false, false) => {
            show.print(false)?;
            show.end();
            Ok(Answer::new("fst.log/1", json!({}), ""))
        },
    }
}

/// The last lines of a log, at most so many bytes of it.
///
/// # Errors
/// The I/O error, [`ErrorKind::NotFound`] when there is no log yet.
pub(super) fn last(path: &Path, lines: u64, bytes_max: u64) -> io::Result<Vec<String>> {
    Show::open(path, lines, bytes_max)?.all()
}

/// What is shown of which log.
struct Show {
    tail: Tail,
    path: String,
    lines: Lines,
}

impl Show {
    fn open(path: &Path, lines: u64, bytes_max: u64) -> io::Result<Self> {
        Ok(Self {
            tail: Tail::open(path, lines, bytes_max)?,
            path: shown(path),
            lines: Lines::default(),
        })
    }

    /// All of it that is there now.
    fn all(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let block = self.tail.next_block()?;
            if block.is_empty() {
                lines.extend(self.lines.rest());
                return Ok(lines);
            }
            lines.extend(self.lines.add(block));
        }
    }

    /// Until Ctrl-C, or until nobody reads any more.
    fn follow(&mut self, is_json: bool) -> Result<Answer, Failure> {
        let is_interrupted = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&is_interrupted))
            .map_err(|error| failed(&error))?;
        let mut reader = Reader::There;
        while reader == Reader::There && !is_interrupted.load(Ordering::Relaxed) {
            reader = self.print(is_json)?;
            if reader == Reader::There {
                reader = screen::wait(LOOK_EVERY);
            }
        }
        let answer = self.answer(&[]);
        Ok(match reader {
            Reader::Gone => answer,
            Reader::There => answer.with_exit(Exit::Interrupted as u8),
        })
    }

    /// Prints what is there now.
    fn print(&mut self, is_json: bool) -> Result<Reader, Failure> {
        loop {
            let block = self.tail.next_block().map_err(|error| failed(&error))?;
            if block.is_empty() {
                return Ok(Reader::There);
            }
            let lines = self.lines.add(block);
            let text = if is_json {
                format!("{}\n", self.answer(&lines).envelope())
            } else {
                lines.iter().map(|line| format!("{line}\n")).collect()
            };
            if screen::stream(&text) == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
    }

    /// Prints a last line that nobody has ended.
    fn end(&mut self) {
        if let Some(line) = self.lines.rest() {
            screen::print(&format!("{line}\n"));
        }
    }

    fn answer(&self, lines: &[String]) -> Answer {
        Answer::new(
            "fst.log/1",
            json!({ "path": self.path, "lines": lines }),
            "",
        )
    }
}

/// Cuts blocks into lines that are safe to print.
#[derive(Default)]
struct Lines {
    /// A line whose end has not come yet.
    begun: Vec<u8>,
}

impl Lines {
    fn add(&mut self, block: &[u8]) -> Vec<String> {
        let mut done = Vec::new();
        for part in block.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            let is_long = self.begun.len() as u64 >= DOCUMENT_BYTES_MAX;
            if part.ends_with(b"\n") || is_long {
                done.extend(self.rest());
            }
        }
        done
    }

    fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.begun);
        let bare = line.strip_suffix(b"\n").unwrap_or(&line);
        (!line.is_empty()).then(|| printable(bare))
    }
}

fn failed(error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::NotFound {
        let hint = "start the daemon, it writes the log: fst daemon start";
        return Failure::new(ErrorCode::NotFound, "there is no log yet").hint(hint);
    }
    Failure::new(ErrorCode::Io, "read the log").because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_blocks_end_and_print_no_control() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(b"on"), [""; 0]);
        assert_eq!(lines.add(b"e\ntwo\x1b[2J\nth"), ["one", "two\\u{1b}[2J"]);
        assert_eq!(lines.rest().as_deref(), Some("th"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let block = vec![b'x'; 1 << 20];
        let cut: usize = (0..9).map(|_| lines.add(&block).len()).sum();
        assert_eq!(cut, 1);
        assert_eq!(lines.begun.len(), 1 << 20);
    }
}
