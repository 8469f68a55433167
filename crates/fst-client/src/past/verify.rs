//! Checks a folder and its space from end to end, without changing either.
//!
//! `fst verify` calls [`Client::verify`] beside a running daemon or without one. Invariant: nothing that the server says
//! is believed: its log is read anew from the first entry and has to hold what this device has verified before; the
//! files of the user are only read, and what is found damaged is told, never uploaded; whatever is wrong with a folder is
//! a fault in the verdict and stops no other look. Not here: mending, words.
//! Source: docs/design/commands.md §16, ADR 0043.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use fst_crypto::random::{self, OsRandom};
use fst_engine::tree::Tree;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::limits::IDS_PER_REQUEST_MAX;
use fst_proto::path::RelPath;
use fst_proto::time::Clock as _;

use super::Past;
use crate::client::Client;
use crate::clock::SystemClock;
use crate::config::FolderConfig;
use crate::db::{Db, RevisionRow};
use crate::error::{ClientError, FolderError, chain};
use crate::fetch::Flat;
use crate::private::Private;
use crate::remote::RemoteError;
use crate::versions::{self, NodeHistory};

mod here;

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
    /// The contents of current files, and of older versions that the server has to keep, open and are what their authors
    /// signed.
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
    /// What each part has looked at: entries, nodes, objects, versions, files.
    pub seen: BTreeMap<Part, u64>,
    /// Files that were changed here and are not synced yet: no contents to compare with.
    pub changed: u64,
}

/// What is to be looked at, and how much of it.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The parts.
    pub parts: BTreeSet<Part>,
    /// Percent of the versions that [`Part::Data`] fetches; of few it fetches one.
    pub percent: u8,
}

/// One verification of one folder.
struct Look<'a> {
    client: &'a Client,
    folder: &'a FolderConfig,
    path: RelPath,
    scope: &'a Scope,
    verdict: Verdict,
    progress: &'a mut dyn FnMut(Part, u64),
}

/// The space as the server gives it now, replayed into a database of its own.
struct Fresh<'a> {
    past: Past<'a>,
    _dir: Private,
}

/// A version to be fetched.
struct Wanted {
    path: RelPath,
    /// Its number, unless it is what the path holds now.
    older: Option<u32>,
    row: RevisionRow,
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
}

impl Client {
    /// Looks at the folder that `path` lies in, or at what lies at and below the path, as `scope` says; `progress` is told how
    /// much each part has looked at so far. Returns where the folder is, and what was seen.
    ///
    /// The log and the state are always those of the whole space. Cost: the whole log is read once, for any part but
    /// [`Part::Local`]; memory grows with the number of versions, not with their bytes.
    /// # Errors
    /// [`ErrorCode::UnknownFolder`] when it lies in none, or the folder was never synced. Everything else is a fault in the
    /// answer.
    pub fn verify(
        &self,
        path: &Path,
        scope: &Scope,
        progress: &mut dyn FnMut(Part, u64),
    ) -> Result<(PathBuf, Verdict), ClientError> {
        let (folder, inside) = self.inside(path)?;
        if !self.database(folder).exists() {
            return Err(super::in_no_folder(path));
        }
        let mut look = Look {
            client: self,
            folder,
            path: inside,
            scope,
            verdict: Verdict::default(),
            progress,
        };
        look.run();
        Ok((folder.path.clone(), look.verdict))
    }
}

impl<'a> Look<'a> {
    fn run(&mut self) {
        let kept = Db::open_copy(&self.client.database(self.folder));
        let kept = kept.map_err(|error| self.note_failure(Part::State, None, &error.into()));
        let kept = kept.ok();
        if self.scope.parts.iter().any(|part| *part != Part::Local) {
            match self.fresh() {
                Ok(fresh) => self.look_there(&fresh.past, kept.as_ref()),
                Err(error) => self.note_failure(Part::Log, None, &error),
            }
        }
        if let (true, Some(kept)) = (self.scope.parts.contains(&Part::Local), &kept)
            && let Err(error) = self.look_here(kept)
        {
            self.note_failure(Part::Local, None, &error);
        }
    }

    /// The parts for which the server is needed. One that cannot be looked at hinders no other.
    fn look_there(&mut self, fresh: &Past<'_>, kept: Option<&Db>) {
        let mut parts = self.scope.parts.clone();
        // It was read, asked for or not.
        parts.insert(Part::Log);
        for part in parts {
            let looked = match (part, kept) {
                (Part::Log, _) => self.count_log(fresh),
                (Part::State, Some(kept)) => self.look_at_state(kept, &fresh.db),
                (Part::Refs, _) => self.look_at_refs(fresh),
                (Part::Data, _) => self.look_at_data(fresh),
                (Part::State, None) | (Part::Local, _) => Ok(()),
            };
            if let Err(error) = looked {
                self.note_failure(part, None, &error);
            }
        }
    }

    fn fresh(&self) -> Result<Fresh<'a>, ClientError> {
        let dir = Private::new(self.client.state_dir(), "verify")?;
        let db = Db::open(&dir.path().join("log.db"))?;
        let (space, db) = self
            .client
            .replayed(self.folder, dir.path().to_owned(), db)?;
        let (_, tree) = db.trees()?;
        let past = Past {
            folder: self.folder,
            path: self.path.clone(),
            client: self.client,
            db,
            space,
            tree,
        };
        Ok(Fresh { past, _dir: dir })
    }

    fn count_log(&mut self, fresh: &Past<'_>) -> Result<(), ClientError> {
        let size = fresh.db.load()?.range.size();
        self.verdict.count(Part::Log, size);
        Ok(())
    }

    /// Asks for objects, a bounded batch at a time.
    fn look_at_refs(&mut self, fresh: &Past<'_>) -> Result<(), ClientError> {
        self.verdict.count(Part::Refs, 0);
        let wanted = fresh.references()?;
        let mut n_left = wanted.len() as u64;
        for batch in wanted.chunks(IDS_PER_REQUEST_MAX) {
            let ids: Vec<ObjectId> = batch.iter().map(|(id, _)| *id).collect();
            match fresh.remote().missing(fresh.space.id, &ids) {
                Ok(missing) => self.note_missing(fresh, batch, &missing),
                Err(error) if is_silence(&error) => {
                    self.note_silence(Part::Refs, (n_left, "objects"), &error.into());
                    break;
                },
                Err(error) => self.note_failure(Part::Refs, None, &error.into()),
            }
            n_left -= ids.len() as u64;
        }
        Ok(())
    }

    fn note_missing(
        &mut self,
        fresh: &Past<'_>,
        asked: &[(ObjectId, NodeId)],
        missing: &[ObjectId],
    ) {
        let missing: BTreeSet<&ObjectId> = missing.iter().collect();
        // An answer that names what was not asked for says nothing.
        for (id, node) in asked.iter().filter(|(id, _)| missing.contains(id)) {
            self.verdict.note(Fault {
                part: Part::Refs,
                trouble: Trouble::Remote,
                path: fresh.tree.path(*node),
                text: format!("the server lacks object {id}"),
            });
        }
        self.count(Part::Refs, asked.len() as u64);
    }

    /// Fetches versions, opens them and throws the bytes away.
    fn look_at_data(&mut self, fresh: &Past<'_>) -> Result<(), ClientError> {
        self.verdict.count(Part::Data, 0);
        let mut random = || u64::from_be_bytes(random::bytes(&OsRandom));
        let wanted = drawn(fresh.wanted()?, self.scope.percent, &mut random);
        let mut fetcher = fresh.fetcher();
        let mut n_left = wanted.len() as u64;
        for version in wanted {
            let written = fetcher.write_revision(&version.row, &mut Flat(io::sink()));
            match written {
                Err(FolderError::Remote(error)) if is_silence(&error) => {
                    self.note_silence(Part::Data, (n_left, "versions"), &error.into());
                    break;
                },
                // It was kept until a moment ago.
                Ok(()) | Err(FolderError::Pruned) => {},
                Err(error) => self.note_version(version, &error.into()),
            }
            n_left -= 1;
            self.count(Part::Data, 1);
        }
        Ok(())
    }

    fn note_version(&mut self, version: Wanted, error: &ClientError) {
        let older = version.older.map(|n| format!("version {n}: "));
        self.verdict.note(Fault {
            part: Part::Data,
            trouble: trouble_of(error.code()),
            path: Some(version.path),
            text: format!("{}{}", older.unwrap_or_default(), chain(error)),
        });
    }

    /// A failure that says something about what was looked at, or that it could not be.
    fn note_failure(&mut self, part: Part, path: Option<RelPath>, error: &ClientError) {
        self.verdict.note(Fault {
            part,
            trouble: trouble_of(error.code()),
            path,
            text: chain(error),
        });
    }

    /// The server is not asked again: each question would wait as long as the one that was not answered.
    fn note_silence(&mut self, part: Part, (n, what): (u64, &str), error: &ClientError) {
        self.verdict.note(Fault {
            part,
            trouble: Trouble::Unchecked,
            path: None,
            text: format!("{n} {what} were not looked at: {}", chain(error)),
        });
    }

    fn count(&mut self, part: Part, n: u64) {
        self.verdict.count(part, n);
        let so_far = self.verdict.seen.get(&part);
        (self.progress)(part, so_far.copied().unwrap_or_default());
    }
}

impl Past<'_> {
    /// Objects of current files at and below the path, each once with one of the files that need it.
    fn references(&self) -> Result<Vec<(ObjectId, NodeId)>, ClientError> {
        let mut all = Vec::new();
        for (id, _) in below(&self.tree, &self.path) {
            let row = self.db.read().remote_row(id)?;
            let refs = row.map(|row| row.refs).unwrap_or_default();
            all.extend(refs.into_iter().map(|object| (object, id)));
        }
        all.sort_unstable();
        all.dedup_by_key(|(object, _)| *object);
        Ok(all)
    }

    /// What the server has to keep of files and links at and below the path, deleted ones too, in the order of the log.
    fn wanted(&self) -> Result<Vec<Wanted>, ClientError> {
        let db = self.db.read();
        let rules = self.retention()?;
        let now = SystemClock.now();
        let live = below(&self.tree, &self.path).into_iter();
        let gone = self.deleted()?.into_iter();
        let nodes = live.chain(gone.map(|gone| (gone.deletion.node, gone.path)));
        let mut wanted = Vec::new();
        for (id, path) in nodes {
            let NodeHistory { versions, .. } = versions::of_node(db, id)?;
            for version in versions {
                let row = match version.is_current {
                    // What was moved since is opened from the entry that a device of today opens.
                    true => db.revisions(id)?.pop().unwrap_or(version.revision),
                    false => version.revision,
                };
                let keeping = versions::keeping(db, rules, &row)?;
                let older = (!version.is_current).then_some(version.number);
                let path = path.clone();
                if keeping.over_since(now).is_none() {
                    wanted.push(Wanted { path, older, row });
                }
            }
        }
        wanted.sort_by_key(|version| version.row.idx);
        Ok(wanted)
    }
}

/// Files and links at and below a path.
fn below(tree: &Tree, top: &RelPath) -> Vec<(NodeId, RelPath)> {
    let leaves = tree.iter().filter(|(_, node)| !node.is_dir());
    let paths = leaves.filter_map(|(id, _)| Some((id, tree.path(id)?)));
    paths.filter(|(_, path)| path.starts_with(top)).collect()
}

/// Each with this chance in a hundred; one when that would be none.
fn drawn<T>(all: Vec<T>, percent: u8, random: &mut dyn FnMut() -> u64) -> Vec<T> {
    let mut picks: Vec<bool> = Vec::new();
    picks.resize_with(all.len(), || random() % 100 < u64::from(percent));
    if let Some(n) = NonZeroU64::new(all.len() as u64)
        && !picks.contains(&true)
    {
        let one = usize::try_from(random() % n).unwrap_or_default();
        picks.iter_mut().skip(one).take(1).for_each(|it| *it = true);
    }
    let pairs = all.into_iter().zip(picks);
    pairs
        .filter_map(|(it, is_drawn)| is_drawn.then_some(it))
        .collect()
}

/// Whether the server answers no other question either.
fn is_silence(error: &RemoteError) -> bool {
    match error {
        RemoteError::Refused(problem) => matches!(
            problem.error_code(),
            Some(
                ErrorCode::Unauthorized
                    | ErrorCode::AccountDisabled
                    | ErrorCode::DeviceBarred
                    | ErrorCode::Stopping
            )
        ),
        RemoteError::Malformed { .. } => false,
        RemoteError::Unreachable { .. }
        | RemoteError::WrongPin { .. }
        | RemoteError::Untrusted { .. }
        | RemoteError::PlainHttp { .. }
        | RemoteError::BadUrl(_)
        | RemoteError::Roots { .. }
        | RemoteError::NotAServer { .. } => true,
    }
}

fn trouble_of(code: ErrorCode) -> Trouble {
    match code {
        ErrorCode::Rollback | ErrorCode::Fork => Trouble::Rollback,
        ErrorCode::InvalidLog => Trouble::Log,
        ErrorCode::CannotOpen | ErrorCode::DataLost => Trouble::Remote,
        ErrorCode::BadState => Trouble::Local,
        _ => Trouble::Unchecked,
    }
}

#[cfg(test)]
mod tests {
    use fst_proto::error::{ErrorCode, Problem};

    use super::{RemoteError, drawn, is_silence};

    #[test]
    fn a_server_that_fails_on_one_thing_is_asked_for_the_next() {
        let refused = |code| is_silence(&RemoteError::Refused(Box::new(Problem::new(code, ""))));
        assert!(refused(ErrorCode::Stopping) && refused(ErrorCode::Unauthorized));
        assert!(!refused(ErrorCode::ServerFailed) && !refused(ErrorCode::DataLost));
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        let url = "http://127.0.0.1:1".to_owned();
        assert!(is_silence(&RemoteError::Unreachable { url, source }));
    }

    #[test]
    fn a_sample_of_few_has_one_and_a_sample_of_all_has_all() {
        let mut numbers = [99, 50, 7, 2].into_iter();
        let mut next = || numbers.next().expect("no more is drawn");
        assert_eq!(drawn(vec!['a', 'b', 'c'], 5, &mut next), ['c']);
        assert_eq!(drawn(vec!['a', 'b'], 100, &mut || 99), ['a', 'b']);
        assert_eq!(drawn(Vec::<char>::new(), 100, &mut || 0), [' '; 0]);
        let mut numbers = [4, 5, 104].into_iter();
        let mut next = || numbers.next().expect("no more is drawn");
        assert_eq!(drawn(vec!['a', 'b', 'c'], 5, &mut next), ['a', 'c']);
    }
}
