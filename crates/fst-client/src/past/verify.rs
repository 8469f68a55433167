//! Checks a folder and its space from end to end, without changing either.
//!
//! `fst verify` calls [`Past::verify`] beside a running daemon or without one. Invariant: nothing that the server says
//! is believed: its log is read anew from the first entry and has to hold what this device has verified before; the
//! files of the user are only read, and what is found damaged is told, never uploaded. Not here: mending, words.
//! Source: docs/design/commands.md §16, ADR 0043.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fst_crypto::random::{self, OsRandom};
use fst_engine::identify::FileKey;
use fst_engine::tree::{Node, Tree};
use fst_fs::real::RealVault;
use fst_fs::vault::{FileKind, Stat, Vault, VaultError};
use fst_proto::entry::Kind;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, NodeId, ObjectId};
use fst_proto::limits::IDS_PER_REQUEST_MAX;
use fst_proto::path::RelPath;

use super::Past;
use crate::db::{Db, RevisionRow, StatRow};
use crate::error::{ClientError, chain};
use crate::fetch::Flat;
use crate::folder::Space;
use crate::scan::hash_file;

/// Findings that are told one by one; the rest is counted, so that a lost disk is no flood.
pub const FINDINGS_MAX: usize = 1000;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The server's log, from its first entry: signatures, chains, authors, epochs, and what this device verified before.
    Log,
    /// What this device keeps of the server's tree is what the log gives.
    State,
    /// The server has the objects of all current files.
    Refs,
    /// The contents of current files open and are what their authors signed.
    Data,
    /// Files on the disk have the contents that were synced.
    Local,
}

/// What kind of trouble a finding is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Something could not be looked at.
    Unchecked,
    /// Damage on this device.
    Local,
    /// Data at the server is missing or damaged.
    Remote,
    /// The server's log breaks a rule.
    Log,
    /// The server shows less than before, or another history.
    Rollback,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which look found it.
    pub part: Part,
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// The file concerned.
    pub path: Option<RelPath>,
    /// What was seen.
    pub text: String,
}

/// What a verification saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Faults, at most [`FINDINGS_MAX`], in the order in which they were found.
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more: u64,
    /// The worst of all.
    pub worst: Option<Trouble>,
    /// What each part has looked at: entries, nodes, objects, files, files.
    pub seen: BTreeMap<Part, u64>,
    /// Files that were changed here and are not synced yet: no contents to compare with.
    pub changed: u64,
}

/// What is to be looked at, and how much of it.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The parts.
    pub parts: BTreeSet<Part>,
    /// Percent of the files that [`Part::Data`] fetches.
    pub percent: u8,
}

/// The log as the server gives it now, replayed into a database of its own.
struct Fresh {
    space: Space,
    db: Db,
    _dir: Private,
}

/// A directory that goes when this does.
struct Private {
    path: PathBuf,
    /// Locked while it is used, so that nobody tidies it up meanwhile (`fst doctor --fix`).
    _held: File,
}

impl Part {
    /// All, in the order in which they are looked at.
    pub const ALL: [Self; 5] = [Self::Log, Self::State, Self::Refs, Self::Data, Self::Local];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::State => "state",
            Self::Refs => "refs",
            Self::Data => "data",
            Self::Local => "local",
        }
    }
}

impl Private {
    fn make(path: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().mode(0o700).create(path)?;
        let held = File::open(path)?;
        held.lock()?;
        Ok(Self {
            path: path.to_owned(),
            _held: held,
        })
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // What stays is a copy of what the server has anyway, sealed names and all, below our own directory.
        let _left = std::fs::remove_dir_all(&self.path);
    }
}

impl Verdict {
    fn note(&mut self, fault: Fault) {
        self.worst = self.worst.max(Some(fault.trouble));
        if self.faults.len() < FINDINGS_MAX {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }

    fn count(&mut self, part: Part, n: u64) {
        *self.seen.entry(part).or_default() += n;
    }

    /// A failure that says something about what was looked at, or that it could not be.
    fn note_failure(&mut self, part: Part, path: Option<RelPath>, error: &ClientError) {
        self.note(Fault {
            part,
            trouble: trouble_of(error.code()),
            path,
            text: chain(error),
        });
    }
}

impl Past<'_> {
    /// Looks at the folder, or at what lies at and below the path, as `scope` says; `progress` is told of each file.
    ///
    /// The log and the state are always those of the whole space. Cost: the whole log is read once, for any part but
    /// [`Part::Local`]; memory grows with the number of nodes, not with their bytes.
    /// # Errors
    /// [`ClientError`] when the folder's database cannot be read. Everything else is a fault in the answer.
    pub fn verify(
        &self,
        scope: &Scope,
        progress: &mut dyn FnMut(Part, u64),
    ) -> Result<Verdict, ClientError> {
        let mut verdict = Verdict::default();
        let kept = Db::open_copy(&self.client.database(self.folder))?;
        if scope.parts.iter().any(|part| *part != Part::Local) {
            match self.fresh() {
                Ok(fresh) => self.verify_remote(scope, &kept, fresh, (&mut verdict, progress))?,
                Err(error) => verdict.note_failure(Part::Log, None, &error),
            }
        }
        if scope.parts.contains(&Part::Local) {
            self.verify_local(&kept, &mut verdict, progress)?;
        }
        Ok(verdict)
    }

    fn verify_remote(
        &self,
        scope: &Scope,
        kept: &Db,
        fresh: Fresh,
        (verdict, progress): (&mut Verdict, &mut dyn FnMut(Part, u64)),
    ) -> Result<(), ClientError> {
        let Fresh { space, db, _dir } = fresh;
        verdict.count(Part::Log, db.load()?.range.size());
        if scope.parts.contains(&Part::State) {
            verify_state(kept, &db, verdict)?;
        }
        let (_, tree) = db.trees()?;
        let afar = Past {
            folder: self.folder,
            path: self.path.clone(),
            client: self.client,
            db,
            space,
            tree,
        };
        if scope.parts.contains(&Part::Refs) {
            afar.verify_refs(verdict, progress)?;
        }
        if scope.parts.contains(&Part::Data) {
            afar.verify_data(scope.percent, verdict, progress)?;
        }
        Ok(())
    }

    fn fresh(&self) -> Result<Fresh, ClientError> {
        let name = format!("verify-{}", std::process::id());
        let dir = self.client.state_dir().join(name);
        let private = Private::make(&dir)
            .map_err(|e| ClientError::caused(ErrorCode::Io, "make a state directory", e))?;
        let db = Db::open(&dir.join("log.db"))?;
        let (space, db) = self.client.replayed(self.folder, dir, db)?;
        Ok(Fresh {
            space,
            db,
            _dir: private,
        })
    }

    /// Files and links of the tree at and below the path, in the order of the log.
    fn leaves(&self) -> Result<Vec<(RelPath, RevisionRow)>, ClientError> {
        let mut leaves = Vec::new();
        for (id, path) in below(&self.tree, &self.path) {
            let newest = self.db.read().revisions(id)?.pop();
            leaves.extend(newest.map(|row| (path, row)));
        }
        leaves.sort_by_key(|(_, row)| row.idx);
        Ok(leaves)
    }

    /// Asks for objects a bounded batch at a time.
    fn verify_refs(
        &self,
        verdict: &mut Verdict,
        progress: &mut dyn FnMut(Part, u64),
    ) -> Result<(), ClientError> {
        let mut batch: BTreeMap<ObjectId, NodeId> = BTreeMap::new();
        for (id, _) in below(&self.tree, &self.path) {
            let row = self.db.read().remote_row(id)?;
            for object in row.map(|row| row.refs).unwrap_or_default() {
                batch.insert(object, id);
                if batch.len() == IDS_PER_REQUEST_MAX {
                    self.ask_for(&std::mem::take(&mut batch), verdict);
                    progress(Part::Refs, verdict.seen[&Part::Refs]);
                }
            }
        }
        self.ask_for(&batch, verdict);
        Ok(())
    }

    fn ask_for(&self, batch: &BTreeMap<ObjectId, NodeId>, verdict: &mut Verdict) {
        let ids: Vec<ObjectId> = batch.keys().copied().collect();
        verdict.count(Part::Refs, ids.len() as u64);
        if ids.is_empty() {
            return;
        }
        match self.remote().missing(self.space.id, &ids) {
            Ok(missing) => {
                for id in missing {
                    // An answer that names what was not asked for says nothing.
                    let Some(node) = batch.get(&id) else { continue };
                    verdict.note(Fault {
                        part: Part::Refs,
                        trouble: Trouble::Remote,
                        path: self.tree.path(*node),
                        text: format!("the server lacks object {id}"),
                    });
                }
            },
            Err(error) => verdict.note_failure(Part::Refs, None, &error.into()),
        }
    }

    /// Fetches files, opens them and throws the bytes away.
    fn verify_data(
        &self,
        percent: u8,
        verdict: &mut Verdict,
        progress: &mut dyn FnMut(Part, u64),
    ) -> Result<(), ClientError> {
        let leaves = self.leaves()?;
        let mut fetcher = self.fetcher();
        for (path, row) in leaves {
            if !is_drawn(percent) {
                continue;
            }
            if let Err(error) = fetcher.write_revision(&row, &mut Flat(io::sink())) {
                verdict.note_failure(Part::Data, Some(path), &error.into());
            }
            verdict.count(Part::Data, 1);
            progress(Part::Data, verdict.seen[&Part::Data]);
        }
        Ok(())
    }

    fn verify_local(
        &self,
        kept: &Db,
        verdict: &mut Verdict,
        progress: &mut dyn FnMut(Part, u64),
    ) -> Result<(), ClientError> {
        let (base, _) = kept.trees()?;
        let vault = RealVault::open(&self.folder.path)?;
        for (id, path) in below(&base, &self.path) {
            let node = base.get(id).filter(|node| node.content.kind == Kind::File);
            let Some(node) = node else { continue };
            match self.look(kept, &vault, &path, node) {
                Ok(Local::Same) => {},
                Ok(Local::Changed) => verdict.changed += 1,
                Ok(Local::Rotten) => verdict.note(Fault {
                    part: Part::Local,
                    trouble: Trouble::Local,
                    path: Some(path),
                    text: "the disk gives other bytes than were synced, and nothing has written to the file"
                        .to_owned(),
                }),
                Err(error) => verdict.note_failure(Part::Local, Some(path), &error),
            }
            verdict.count(Part::Local, 1);
            progress(Part::Local, verdict.seen[&Part::Local]);
        }
        Ok(())
    }

    fn look(
        &self,
        kept: &Db,
        vault: &dyn Vault,
        path: &RelPath,
        node: &Node,
    ) -> Result<Local, ClientError> {
        let mut file = match vault.open_read(path) {
            Err(VaultError::NotFound { .. }) => return Ok(Local::Changed),
            opened => opened?,
        };
        let before = file.stat()?;
        if before.kind != FileKind::File {
            return Ok(Local::Changed);
        }
        let id = match hash_file(&self.space.keys, file.as_mut(), before.size) {
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

/// Compares what is kept of the server's tree with what the entries up to the same place give.
fn verify_state(kept: &Db, fresh: &Db, verdict: &mut Verdict) -> Result<(), ClientError> {
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
    verdict.count(Part::State, ids.len() as u64);
    for id in ids.into_iter().filter(|id| mine.get(*id) != given.get(*id)) {
        verdict.note(Fault {
            part: Part::State,
            trouble: Trouble::Local,
            path: given.path(id).or_else(|| mine.path(id)),
            text: "what is kept here of the server's tree is not what the log gives".to_owned(),
        });
    }
    Ok(())
}

/// Files and links at and below a path.
fn below(tree: &Tree, top: &RelPath) -> Vec<(NodeId, RelPath)> {
    let leaves = tree.iter().filter(|(_, node)| !node.is_dir());
    let paths = leaves.filter_map(|(id, _)| Some((id, tree.path(id)?)));
    paths.filter(|(_, path)| path.starts_with(top)).collect()
}

fn is_drawn(percent: u8) -> bool {
    u64::from_be_bytes(random::bytes(&OsRandom)) % 100 < u64::from(percent)
}

fn trouble_of(code: ErrorCode) -> Trouble {
    match code {
        ErrorCode::Rollback | ErrorCode::Fork => Trouble::Rollback,
        ErrorCode::InvalidLog => Trouble::Log,
        ErrorCode::CannotOpen | ErrorCode::NoSuchVersion => Trouble::Remote,
        _ => Trouble::Unchecked,
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
