//! Reads the end of the log, and what is added to it.
//!
//! Called by the command line. Invariant: memory is bounded by [`BLOCK_BYTES`] whatever the length of the log or of a line;
//! a log that is moved aside is read to its end before the new one is read from its beginning. Not here: waiting, printing.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Read at once: a few hundred lines.
const BLOCK_BYTES: usize = 64 << 10;

/// Most lines that can be asked for: more is a file to open.
pub const LINES_MAX: u64 = 1_000_000;

/// A log file, from some line on.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    /// Where the next byte is read.
    at: u64,
    block: Vec<u8>,
}

impl Tail {
    /// Opens the log at the start of the last `lines` of it, or where the last `bytes_max` begin.
    ///
    /// # Errors
    /// The I/O error, [`ErrorKind::NotFound`] when there is no log yet.
    pub fn open(path: &Path, lines: u64, bytes_max: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut block = vec![0; BLOCK_BYTES];
        let floor = len.saturating_sub(bytes_max);
        let at = start_of(&file, (floor, len), lines, &mut block)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            at,
            block,
        })
    }

    /// The next bytes; empty when there are no more now.
    ///
    /// # Errors
    /// The I/O error of the file.
    pub fn next_block(&mut self) -> io::Result<&[u8]> {
        let mut n = self.read()?;
        if n == 0 && self.is_moved()? {
            n = self.read()?;
        }
        Ok(&self.block[..n])
    }

    fn read(&mut self) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let n = self.file.read(&mut self.block)?;
        self.at += n as u64;
        Ok(n)
    }

    /// Whether there is another file now, or less of it; then it is read from its beginning.
    fn is_moved(&mut self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match File::open(&self.path) {
            // Between being moved aside and being made anew.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
            Ok(file) => {
                let there = file.metadata()?;
                let is_same = (there.dev(), there.ino()) == (ours.dev(), ours.ino());
                if is_same && there.len() >= self.at {
                    return Ok(false);
                }
                self.file = file;
            },
        }
        self.at = 0;
        Ok(true)
    }
}

/// Where the last `lines` of a file begin, looking from its end to `floor`.
fn start_of(
    file: &File,
    (floor, len): (u64, u64),
    lines: u64,
    block: &mut [u8],
) -> io::Result<u64> {
    if lines == 0 {
        return Ok(len);
    }
    let mut end = len;
    let mut left = lines;
    while end > floor {
        let n = (end - floor).min(block.len() as u64);
        let part = &mut block[..usize::try_from(n).unwrap_or(BLOCK_BYTES)];
        let start = end - n;
        file.read_exact_at(part, start)?;
        for (i, _) in part.iter().enumerate().rev().filter(|(_, b)| **b == b'\n') {
            let behind = start + i as u64 + 1;
            // The newline that closes the last line begins none.
            if behind == len {
                continue;
            }
            if left <= 1 {
                return Ok(behind);
            }
            left -= 1;
        }
        end = start;
    }
    Ok(floor)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn rest(tail: &mut Tail) -> String {
        let mut all = Vec::new();
        loop {
            let block = tail.next_block().unwrap();
            if block.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            all.extend_from_slice(block);
        }
    }

    fn last(text: &str, lines: u64, bytes_max: u64) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, text).unwrap();
        rest(&mut Tail::open(&path, lines, bytes_max).unwrap())
    }

    #[test]
    fn the_last_lines_are_shown() {
        for (text, lines, wanted) in [
            ("", 3, ""),
            ("a\n", 3, "a\n"),
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\nc\n", 0, ""),
            ("a\nb", 0, ""),
            ("\n\n\n", 2, "\n\n"),
            ("a\nb\nc\n", 9, "a\nb\nc\n"),
        ] {
            assert_eq!(last(text, lines, u64::MAX), wanted, "{text:?} {lines}");
        }
        assert_eq!(last("a\nb\nc\n", 9, 3), "\nc\n");
    }

    #[test]
    fn lines_over_many_blocks_are_found() {
        let long = "x".repeat(BLOCK_BYTES * 2 + 7);
        let text: String = (0..9).map(|n| format!("{n}{long}\n")).collect();
        let wanted = &text[text.len() - 2 * (long.len() + 2)..];
        assert_eq!(last(&text, 2, u64::MAX), wanted);
    }

    #[test]
    fn a_log_that_is_moved_aside_or_cut_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "one\n").unwrap();
        let mut tail = Tail::open(&path, 1, u64::MAX).unwrap();
        assert_eq!(rest(&mut tail), "one\n");
        assert_eq!(rest(&mut tail), "");
        let mut old = fs::OpenOptions::new().append(true).open(&path).unwrap();
        fs::rename(&path, dir.path().join("log.1")).unwrap();
        old.write_all(b"two\n").unwrap();
        assert_eq!(rest(&mut tail), "two\n");
        fs::write(&path, "three\n").unwrap();
        assert_eq!(rest(&mut tail), "three\n");
        fs::write(&path, "4\n").unwrap();
        assert_eq!(rest(&mut tail), "4\n");
    }
}
