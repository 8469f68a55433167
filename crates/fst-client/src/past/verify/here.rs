//! What this device keeps: its copy of the server's tree, and the files of the user.
//!
//! Invariant: an edit is never taken for damage: only a file that looks as it did when it held the synced content vouches
//! for that content. Source: docs/design/commands.md §16, ADR 0043.

use std::collections::BTreeSet;

use fst_engine::identify::FileKey;
use fst_engine::tree::{Node, Tree};
use fst_fs::real::RealVault;
use fst_fs::vault::{FileKind, Stat, Vault, VaultError};
use fst_proto::entry::Kind;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::RelPath;

use super::{Fault, Look, Part, Trouble, below};
use crate::db::{Db, StatRow};
use crate::error::ClientError;
use crate::folder::Space;
use crate::scan::hash_file;

impl Look<'_> {
    /// Compares what is kept of the server's tree with what the entries up to the same place give.
    pub(super) fn look_at_state(&mut self, kept: &Db, fresh: &Db) -> Result<(), ClientError> {
        let size = kept.load()?.range.size();
        let (_, mine) = kept.trees()?;
        let mut given = Tree::new();
        fresh.read().revisions_until(u64::MAX, &mut |row| {
            if row.idx >= size {
                return;
            }
            if row.is_deleted {
                given.remove(row.node);
            } else {
                given.insert(row.node, row.state);
            }
        })?;
        let ids: BTreeSet<NodeId> = mine.iter().chain(given.iter()).map(|(id, _)| id).collect();
        self.count(Part::State, ids.len() as u64);
        for id in ids.into_iter().filter(|id| mine.get(*id) != given.get(*id)) {
            self.verdict.note(Fault {
                part: Part::State,
                trouble: Trouble::Local,
                path: given.path(id).or_else(|| mine.path(id)),
                text: "what is kept here of the server's tree is not what the log gives".to_owned(),
            });
        }
        Ok(())
    }

    /// Reads the files on the disk.
    pub(super) fn look_here(&mut self, kept: &Db) -> Result<(), ClientError> {
        let (base, _) = kept.trees()?;
        let space = self.kept_space(kept)?;
        let vault = RealVault::open(&self.folder.path)?;
        self.verdict.count(Part::Local, 0);
        for (id, path) in below(&base, &self.path) {
            let node = base.get(id).filter(|node| node.content.kind == Kind::File);
            let Some(node) = node else { continue };
            match look(kept, &space, &vault, (&path, node)) {
                Ok(Local::Same) => {},
                Ok(Local::Changed) => self.verdict.changed += 1,
                Ok(Local::Rotten) => self.verdict.note(Fault {
                    part: Part::Local,
                    trouble: Trouble::Local,
                    path: Some(path),
                    text: "the disk gives other bytes than were synced, and nothing has written to the file"
                        .to_owned(),
                }),
                Err(error) => self.note_failure(Part::Local, Some(path), &error),
            }
            self.count(Part::Local, 1);
        }
        Ok(())
    }

    fn kept_space(&self, kept: &Db) -> Result<Space, ClientError> {
        let remote_path = &self.folder.remote_path;
        let known = self.client.spaces().open_known(remote_path, kept)?;
        let known = known.ok_or_else(|| {
            ClientError::new(ErrorCode::UnknownFolder, "the folder was never synced")
        })?;
        self.client.space(known)
    }
}

fn look(
    kept: &Db,
    space: &Space,
    vault: &dyn Vault,
    (path, node): (&RelPath, &Node),
) -> Result<Local, ClientError> {
    let mut file = match vault.open_read(path) {
        Err(VaultError::NotFound { .. }) => return Ok(Local::Changed),
        opened => opened?,
    };
    let before = file.stat()?;
    if before.kind != FileKind::File {
        return Ok(Local::Changed);
    }
    let id = match hash_file(&space.keys, file.as_mut(), before.size) {
        Err(VaultError::Changed { .. }) => return Ok(Local::Changed),
        hashed => hashed?,
    };
    if file.stat()? != before {
        return Ok(Local::Changed);
    }
    let (dev, ino) = (before.dev, before.ino);
    let known = kept.read().stat(FileKey { dev, ino })?;
    Ok(judge(id, node.content.id, &before, known.as_ref()))
}

/// What a file on the disk is, beside what was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Local {
    /// As synced.
    Same,
    /// Written to since.
    Changed,
    /// Other bytes, although nothing has written to it.
    Rotten,
}

/// Only a file that looks as it did when it held the synced content vouches for that content.
fn judge(found: ContentId, synced: ContentId, stat: &Stat, known: Option<&StatRow>) -> Local {
    let untouched = known.is_some_and(|row| {
        let times = (row.mtime_ns, row.ctime_ns) == (stat.mtime_ns, stat.ctime_ns);
        row.content == synced && row.size == stat.size && times
    });
    match (found == synced, untouched) {
        (true, _) => Local::Same,
        (false, true) => Local::Rotten,
        (false, false) => Local::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::{Local, judge};
    use crate::db::StatRow;
    use crate::scan::row_of;
    use fst_fs::vault::{FileKind, Permissions, Stat};
    use fst_proto::ids::ContentId;

    const SYNCED: ContentId = ContentId([1; 32]);
    const OTHER: ContentId = ContentId([2; 32]);

    fn stat() -> Stat {
        Stat {
            kind: FileKind::File,
            size: 7,
            mtime_ns: 10,
            ctime_ns: 20,
            dev: 1,
            ino: 2,
            exec: false,
            nlink: 1,
            permissions: Permissions::from_mode(0o644),
        }
    }

    #[test]
    fn only_an_untouched_file_with_other_bytes_has_rotted() {
        let known = row_of(&stat(), SYNCED);
        let judged = |found, known: Option<StatRow>| judge(found, SYNCED, &stat(), known.as_ref());
        assert_eq!(judged(SYNCED, Some(known)), Local::Same);
        assert_eq!(judged(SYNCED, None), Local::Same);
        assert_eq!(judged(OTHER, Some(known)), Local::Rotten);
        assert_eq!(judged(OTHER, None), Local::Changed);
        let touched = [
            StatRow { size: 8, ..known },
            StatRow {
                mtime_ns: 11,
                ..known
            },
            StatRow {
                ctime_ns: 21,
                ..known
            },
            StatRow {
                content: OTHER,
                ..known
            },
        ];
        for row in touched {
            assert_eq!(judged(OTHER, Some(row)), Local::Changed, "{row:?}");
        }
    }
}
