//! How much an account may keep, and how large one file may be.
//!
//! Decided here, inside the transaction that would use the room: by [`PackTx`] when objects come, by [`CommitTx`] when an
//! entry does. Invariant: what frees room or needs none (deletes, moves, control entries) is never refused for want of it.
//! Not here: who may set a quota, what the refused are told. Source: docs/adr/0049-quotas-and-audit.md.

use fst_proto::log::{Flags, Op, OpCode};

use super::{CommitTx, PackTx};
use crate::error::Refused;
use crate::rules::Plan;

/// Most that an account may keep; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Bytes of packs, headers and payloads.
    pub bytes: Option<u64>,
    /// Files, directories and links that are not deleted: the server cannot tell them apart.
    pub files: Option<u64>,
}

/// What an account keeps, all its spaces together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// As [`Quota::bytes`].
    pub bytes: u64,
    /// As [`Quota::files`].
    pub files: u64,
}

/// What a server allows to whom nothing else was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Of an account without a quota of its own.
    pub quota: Quota,
    /// Most stored bytes of the objects of one file.
    pub file_bytes: Option<u64>,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Bytes.
    Bytes,
    /// Files.
    Files,
}

impl Quota {
    /// True when it bounds nothing.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Refuses what goes beyond; what adds nothing passes, however full it is.
    ///
    /// # Errors
    /// [`Refused::Quota`], for bytes first.
    pub fn check(self, used: Usage, adds: Usage) -> Result<(), Refused> {
        let rows = [
            (Counted::Bytes, self.bytes, used.bytes, adds.bytes),
            (Counted::Files, self.files, used.files, adds.files),
        ];
        for (counted, limit, used, adds) in rows {
            let is_over = limit.is_some_and(|limit| used.saturating_add(adds) > limit);
            if let (Some(limit), true, true) = (limit, is_over, adds > 0) {
                return Err(Refused::Quota {
                    counted,
                    used,
                    adds,
                    limit,
                });
            }
        }
        Ok(())
    }
}

/// Room that new objects need.
pub(crate) fn needed_by_pack(pack: &PackTx) -> Usage {
    Usage {
        bytes: pack.bytes,
        files: 0,
    }
}

/// Room that an entry needs; its bytes are free when it brings no contents.
pub(crate) fn needed_by_commit(tx: &CommitTx, plan: &Plan) -> Usage {
    let brings = tx.pack.is_some() || tx.header.ops.iter().any(brings_content);
    Usage {
        bytes: if brings { tx.stored_bytes() } else { 0 },
        files: u64::try_from(plan.files).unwrap_or(0),
    }
}

/// True when an operation brings bytes of a file, whatever it declares.
fn brings_content(op: &Op) -> bool {
    let brings = op.flags.has(Flags::CONTENT) || op.body_hash.is_some() || !op.add_refs.is_empty();
    op.code == OpCode::Put && brings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `QUOTA uses USAGE adds USAGE`, each as bytes/files, `-` for no bound.
    fn check(row: &str, expected: &str) {
        let words: Vec<&str> = row.split(' ').collect();
        let pair = |word: &str| {
            let (bytes, files) = word.split_once('/').unwrap();
            (bytes.parse().ok(), files.parse().ok())
        };
        let usage = |word| {
            let (bytes, files): (Option<u64>, Option<u64>) = pair(word);
            Usage {
                bytes: bytes.unwrap(),
                files: files.unwrap(),
            }
        };
        let (bytes, files) = pair(words[0]);
        let checked = Quota { bytes, files }.check(usage(words[2]), usage(words[4]));
        let said = match checked {
            Ok(()) => "fits".to_owned(),
            Err(Refused::Quota {
                counted,
                used,
                adds,
                limit,
            }) => format!("{counted:?} {used}+{adds}>{limit}"),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(said, expected, "{row}");
    }

    #[test]
    fn what_fits_passes_and_what_needs_nothing_always_does() {
        check("-/- uses 9/9 adds 9/9", "fits");
        check("10/- uses 4/9 adds 6/9", "fits");
        check("10/- uses 4/9 adds 7/9", "Bytes 4+7>10");
        check("-/10 uses 9/10 adds 9/1", "Files 10+1>10");
        check("10/10 uses 10/10 adds 1/1", "Bytes 10+1>10");
        // A quota that was lowered: nothing more, but nothing is taken away.
        check("10/10 uses 99/99 adds 0/0", "fits");
        check("10/10 uses 99/5 adds 0/1", "fits");
        check("0/- uses 0/0 adds 1/0", "Bytes 0+1>0");
        check(
            "10/- uses 18446744073709551615/0 adds 1/0",
            "Bytes 18446744073709551615+1>10",
        );
    }
}
