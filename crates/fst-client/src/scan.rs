//! Looks at the folder, or at some paths of it, and returns what base does not show.
//!
//! [`crate::folder`] calls it at the start of a cycle; the result goes to `fst_engine::identify`. A directory whose
//! listing has the hash it had when it showed exactly what base has is not compared again, entry by entry. Invariant: a
//! path is reported with contents that it really had between two equal looks, or as a problem; a directory that cannot be
//! listed is never taken for an empty one. Not here: node ids, decisions.
//! Source: docs/adr/0004-what-base-means.md, docs/adr/0011-scale-with-changes.md.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::rc::Rc;
use std::vec;

use fst_crypto::key::SpaceKeys;
use fst_engine::identify::{FileKey, Scan, Seen};
use fst_engine::ignore::{Level, Verdict};
use fst_engine::survey::{self, Finding};
use fst_fs::vault::{DirEntry, FileKind, Permissions, Stat, Vault, VaultError};
use fst_proto::entry::{Content, Kind, ROOT};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, Hash32, NodeId};
use fst_proto::ipc::PathProblem;
use fst_proto::path::{Name, PRIVATE_DIR, RelPath};
use fst_proto::time::UnixMillis;

use crate::db::{BaseRow, DbError, Reader, StatRow, path_in};
use crate::error::FolderError;
use crate::ignore::{self, Ignore};

mod bytes;
mod outside;
mod places;
mod print;
mod problems;

pub use bytes::{Run, content_of, for_each_run, hash_file};
pub use places::{Places, Reach};
use print::Print;
pub use problems::problem;
use problems::{bad_name, fail, note_damage};

/// A file changed this recently may change again without its times showing it: clocks of file systems
/// tick every 4–10 ms.
const RACY_NS: i64 = 20_000_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Every path that is not as base has it, and the directories above.
    pub scan: Scan,
    /// Base nodes at these paths, and base nodes that are not where base has them.
    pub looked: BTreeSet<NodeId>,
    /// Looks of files, for writing over them later and for base.
    pub stats: BTreeMap<RelPath, Stat>,
    /// Paths that cannot be synced.
    pub problems: Vec<PathProblem>,
    /// Where to look again before long, though nothing may tell.
    pub again: BTreeSet<RelPath>,
    /// New lines of the stat cache.
    pub fresh: Vec<StatRow>,
    /// Lines of the stat cache that cannot be trusted any more.
    pub stale: Vec<FileKey>,
    /// Directories that turned out to show exactly what base has.
    pub clean: Vec<(NodeId, Hash32, u64)>,
    /// Something changed while it was read: look again soon.
    pub is_unsettled: bool,
    /// Bytes read for hashing.
    pub hashed_bytes: u64,
    /// A file whose times lie before this cannot change any more without its times showing it; nanoseconds since
    /// 1970.
    pub settled_before_ns: i64,
    /// The ignore rules that were met.
    pub loaded: ignore::Loaded,
    /// Base nodes that were met.
    n_met: u64,
    /// A base node is not where it was.
    has_gone: bool,
}

impl Scanned {
    /// Whether a later write to this file is sure to show in its times, so that looks can stand for contents.
    #[must_use]
    pub fn is_settled(&self, stat: &Stat) -> bool {
        stat.mtime_ns.max(stat.ctime_ns) < self.settled_before_ns
    }
}

/// What a scan needs.
#[derive(Debug)]
pub struct Scanner<'a> {
    /// The folder.
    pub vault: &'a dyn Vault,
    /// Keys for content ids.
    pub keys: &'a SpaceKeys,
    /// Base, and what earlier scans found.
    pub db: Reader<'a>,
    /// What the user does not want synced.
    pub ignore: &'a Ignore,
    /// Wall-clock time of the scan.
    pub now: UnixMillis,
    /// Step of the file system's times.
    pub grain_ns: u32,
    /// What is noted.
    pub noted: Noted,
}

/// What a scan notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// What is not as base has it.
    Differences,
    /// Every entry, for explaining.
    Everything,
}

/// A directory on the way down.
#[derive(Debug)]
struct Dir {
    path: RelPath,
    /// How it looked from above; `None` for the root.
    seen: Option<Seen>,
    /// Its node in base; `None` when base has none there.
    node: Option<NodeId>,
    above: Option<Rc<Self>>,
}

impl Scanner<'_> {
    /// Looks at the whole folder, or at some paths and takes the rest to be as base has it.
    ///
    /// Cost: a listing and a look per entry, or per path its depth; what differs is read and compared.
    /// # Errors
    /// [`VaultError`] when the root itself cannot be listed, [`DbError`]; anything below is a problem of its path.
    pub fn run(&self, places: &Places) -> Result<Scanned, FolderError> {
        let is_everything = places.is_everything || self.noted == Noted::Everything;
        let mut out = Scanned {
            settled_before_ns: self.settled_before_ns(),
            loaded: self.ignore.begin(),
            ..Scanned::default()
        };
        if !is_everything {
            self.ignore.resume(&mut out.loaded);
        }
        if is_everything {
            self.walk(root(), &mut out)?;
            if out.n_met != self.db.totals()?.nodes {
                out.looked.extend(self.db.base().astray()?);
            }
        }
        let mut covered: Option<&RelPath> = None;
        for (path, reach) in &places.spots {
            if is_everything {
                self.keep_if_same(path, &mut out)?;
            } else if !covered.is_some_and(|above| path.starts_with(above)) {
                if !self.look_at(path, *reach, &mut out)? {
                    // A listing shows what a look at the path alone does not.
                    let (is_everything, spots) = (true, places.spots.clone());
                    return self.run(&Places {
                        is_everything,
                        spots,
                    });
                }
                if *reach == Reach::Below {
                    covered = Some(path);
                }
            }
        }
        self.look_outside(&mut out)?;
        self.look_at_holders(&mut out)?;
        note_damage(&mut out);
        out.is_unsettled |= out.loaded.is_unsettled;
        Ok(out)
    }

    /// Keeps the look of a file that is as base has it and about to be written over. A name that only leads to it, on a
    /// disk that folds names, is not its name.
    fn keep_if_same(&self, path: &RelPath, out: &mut Scanned) -> Result<(), FolderError> {
        let base = self.db.base();
        let mut rows: Vec<BaseRow> = Vec::new();
        let mut dir = ROOT;
        for name in path.names() {
            rows = base.at(dir, name)?;
            let [row] = &rows[..] else { return Ok(()) };
            dir = row.id;
        }
        let Ok(Some(stat)) = self.vault.stat(path) else {
            return Ok(());
        };
        let mut aside = Scanned {
            settled_before_ns: out.settled_before_ns,
            ..Scanned::default()
        };
        let entry = self.see(path, Ok(stat), None, &mut aside)?;
        let short: Vec<survey::Row> = rows.iter().map(BaseRow::short).collect();
        let seen = entry.map(|(seen, _)| seen);
        if let (Some(seen), Finding::Same(_)) = (seen, survey::compare(seen.as_ref(), &short)) {
            keep_stat(path, seen, stat, out);
        }
        Ok(())
    }

    /// Whoever has or had the object of something that was found: it may have moved from where nobody looked.
    fn look_at_holders(&self, out: &mut Scanned) -> Result<(), FolderError> {
        let base = self.db.base();
        let mut asked: BTreeSet<FileKey> = BTreeSet::new();
        loop {
            let mut wanted: BTreeSet<FileKey> = out.scan.values().filter_map(key_of).collect();
            for &id in &out.looked {
                wanted.extend(base.row(id)?.and_then(|row| row.key));
            }
            let fresh: Vec<FileKey> = wanted.difference(&asked).copied().collect();
            if fresh.is_empty() {
                return Ok(());
            }
            for key in fresh {
                asked.insert(key);
                let mut holders = base.with_key(key)?;
                holders.retain(|id| !out.looked.contains(id));
                for id in holders {
                    self.look_at_node(id, out)?;
                }
            }
        }
    }

    /// Notes a base node whether it is the same or not.
    fn look_at_node(&self, id: NodeId, out: &mut Scanned) -> Result<(), FolderError> {
        let base = self.db.base();
        if let Some(path) = path_in(&base, id)? {
            let all = Self {
                noted: Noted::Everything,
                ..*self
            };
            if !all.look_at(&path, Reach::Itself, out)? {
                return Ok(());
            }
        }
        // Below something that cannot be seen: so can it not.
        let mut at = id;
        while let Some(row) = base.row(at)?.filter(|_| out.looked.insert(at)) {
            at = row.node.place.parent;
        }
        Ok(())
    }

    /// Looks at one path; false when that could not be done.
    fn look_at(
        &self,
        path: &RelPath,
        reach: Reach,
        out: &mut Scanned,
    ) -> Result<bool, FolderError> {
        let is_private = |name: &Name| name.as_bytes() == PRIVATE_DIR.as_bytes();
        if path.names().first().is_some_and(is_private) {
            return Ok(true);
        }
        let mut dir = root();
        for (depth, name) in path.names().iter().enumerate() {
            let is_last = depth + 1 == path.names().len();
            let Ok(at) = dir.path.child(name.clone()) else {
                return Ok(true);
            };
            let rows = match dir.node {
                Some(node) => self.db.base().at(node, name)?,
                None => Vec::new(),
            };
            let stat = match self.vault.stat(&at) {
                Ok(stat) => stat.map(Ok),
                Err(error) if is_telling(&error) => Some(Err(error)),
                Err(_) => return Ok(false),
            };
            let aside = stat.as_ref().and_then(|stat| {
                let mut level = out.loaded.rules.level(&dir.path);
                aside_of(&mut level, name, stat)
            });
            let entry = stat
                .map(|stat| self.see(&at, stat, aside, out))
                .transpose()?;
            let entry = entry.flatten();
            if let Some((seen, stat)) = entry.filter(|_| is_last) {
                keep_stat(&at, seen, stat, out);
            }
            let finding = self.judge(&dir, &at, entry, &rows, out)?;
            match (entry.map(|(seen, _)| seen), below(finding)) {
                (Some(seen), Some(node)) if is_dir(&seen) && (!is_last || node.is_none()) => {
                    dir = inside(&dir, at, seen, node);
                    if node.is_none() {
                        self.walk(dir, out)?;
                        return Ok(true);
                    }
                },
                (Some(seen), Some(node)) if is_dir(&seen) && reach == Reach::Below => {
                    self.walk(inside(&dir, at, seen, node), out)?;
                    return Ok(true);
                },
                (Some(_) | None, _) => return Ok(true),
            }
        }
        if reach == Reach::Below {
            self.walk(dir, out)?;
        }
        Ok(true)
    }

    /// Looks at everything below a directory.
    fn walk(&self, top: Rc<Dir>, out: &mut Scanned) -> Result<(), FolderError> {
        let mut open = vec![top];
        while let Some(dir) = open.pop() {
            match self.vault.list(&dir.path) {
                Ok(entries) => self.compare(&dir, entries, &mut open, out)?,
                Err(error) if dir.path.is_root() => return Err(error.into()),
                Err(error) => {
                    // What was in it is not gone, it cannot be seen.
                    note(&dir, out);
                    fail(&dir.path, &error, out);
                    out.scan.insert(dir.path.clone(), Seen::Problem);
                },
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        dir: &Rc<Dir>,
        entries: Vec<DirEntry>,
        open: &mut Vec<Rc<Dir>>,
        out: &mut Scanned,
    ) -> Result<(), FolderError> {
        self.ignore
            .enter(self.vault, (&dir.path, &entries), self.now, &mut out.loaded);
        let mut aside: Vec<Option<Seen>> = Vec::with_capacity(entries.len());
        let mut level = out.loaded.rules.level(&dir.path);
        for entry in &entries {
            let name = entry.name.as_ref().ok();
            aside.push(name.and_then(|name| aside_of(&mut level, name, &entry.stat)));
        }
        let mut print = Print::of(&entries, &aside, out);
        if self.noted == Noted::Differences
            && let Some(node) = dir.node
            && let Some((known, n)) = self.db.clean(node)?
            && print.hash() == Some(known)
        {
            out.n_met += n;
            return self.descend(dir, node, entries, open);
        }
        let rows = match dir.node {
            Some(node) => self.db.base().within(node)?,
            None => Vec::new(),
        };
        let n_rows = rows.len() as u64;
        out.n_met += n_rows;
        let mut rows = rows.into_iter().peekable();
        for (entry, aside) in entries.into_iter().zip(aside) {
            let name = match entry.name {
                Ok(name) => name,
                Err(raw) => {
                    out.problems.push(bad_name(&dir.path, &raw.0));
                    print.spoil();
                    continue;
                },
            };
            let gone = take_while(&mut rows, |row| row.node.place.name < name);
            let here = take_while(&mut rows, |row| row.node.place.name == name);
            self.all_gone(dir, gone, &mut print, out)?;
            let entry = (name, entry.stat, aside);
            self.one(dir, entry, &here, (&mut print, open, out))?;
        }
        self.all_gone(dir, rows.collect(), &mut print, out)?;
        if let (Some(node), Some(hash)) = (dir.node, print.hash()) {
            out.clean.push((node, hash, n_rows));
        }
        Ok(())
    }

    fn all_gone(
        &self,
        dir: &Rc<Dir>,
        mut gone: Vec<BaseRow>,
        print: &mut Print,
        out: &mut Scanned,
    ) -> Result<(), FolderError> {
        while let Some(last) = gone.pop() {
            let name = last.node.place.name.clone();
            let mut same = vec![last];
            while gone.last().is_some_and(|row| row.node.place.name == name) {
                same.extend(gone.pop());
            }
            print.spoil();
            if let Ok(path) = dir.path.child(name) {
                self.judge(dir, &path, None, &same, out)?;
            }
        }
        Ok(())
    }

    fn one(
        &self,
        dir: &Rc<Dir>,
        (name, stat, aside): (Name, Result<Stat, VaultError>, Option<Seen>),
        rows: &[BaseRow],
        (print, open, out): (&mut Print, &mut Vec<Rc<Dir>>, &mut Scanned),
    ) -> Result<(), FolderError> {
        let Ok(path) = dir.path.child(name) else {
            print.spoil();
            return Ok(());
        };
        let entry = self.see(&path, stat, aside, out)?;
        let finding = self.judge(dir, &path, entry, rows, out)?;
        if !is_lasting(entry, finding, out) {
            print.spoil();
        }
        if let Some((seen, _)) = entry.filter(|(seen, _)| is_dir(seen))
            && let Some(node) = below(finding)
        {
            open.push(inside(dir, path, seen, node));
        }
        Ok(())
    }

    /// Goes on into the directories of one that shows exactly what base has.
    fn descend(
        &self,
        dir: &Rc<Dir>,
        node: NodeId,
        entries: Vec<DirEntry>,
        open: &mut Vec<Rc<Dir>>,
    ) -> Result<(), FolderError> {
        let is_dir =
            |entry: &DirEntry| matches!(&entry.stat, Ok(stat) if stat.kind == FileKind::Dir);
        if !entries.iter().any(is_dir) {
            return Ok(());
        }
        let nodes = self.db.base().dirs_within(node)?;
        for entry in entries.into_iter().filter(is_dir) {
            let (Ok(name), Ok(stat)) = (entry.name, entry.stat) else {
                continue;
            };
            // One that base does not have there is ignored.
            let Some(&node) = nodes.get(&name) else {
                continue;
            };
            if let Ok(path) = dir.path.child(name) {
                open.push(inside(dir, path, seen_dir(&stat), Some(node)));
            }
        }
        Ok(())
    }

    /// Compares one name with base and notes it unless it is the same.
    fn judge(
        &self,
        dir: &Rc<Dir>,
        path: &RelPath,
        entry: Option<(Seen, Stat)>,
        rows: &[BaseRow],
        out: &mut Scanned,
    ) -> Result<Finding, FolderError> {
        let short: Vec<survey::Row> = rows.iter().map(BaseRow::short).collect();
        let seen = entry.map(|(seen, _)| seen);
        let finding = survey::compare(seen.as_ref(), &short);
        match finding {
            Finding::Same(_) if self.noted == Noted::Differences => return Ok(finding),
            Finding::Same(_) | Finding::Changed(_) | Finding::Hidden(_) => {
                out.looked.extend(short.iter().map(|r| r.id));
            },
            Finding::New | Finding::Gone => {
                out.has_gone |= !short.is_empty();
                for row in &short {
                    let lost = self.db.base().below(row.id)?;
                    out.n_met += lost.len() as u64 - 1;
                    out.looked.extend(lost);
                }
            },
        }
        note(dir, out);
        if let Some((seen, stat)) = entry {
            keep_stat(path, seen, stat, out);
            out.scan.insert(path.clone(), seen);
        }
        Ok(finding)
    }

    /// What lies at a path; `None` when it vanished meanwhile.
    fn see(
        &self,
        path: &RelPath,
        stat: Result<Stat, VaultError>,
        aside: Option<Seen>,
        out: &mut Scanned,
    ) -> Result<Option<(Seen, Stat)>, FolderError> {
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => return Ok(fail(path, &error, out).map(|seen| (seen, no_stat()))),
        };
        if let Some(aside) = aside {
            return Ok(Some((aside, stat)));
        }
        let known = |kind, id, exec, size| Seen::Known {
            content: Content { kind, id, exec },
            mtime_ns: stat.mtime_ns,
            size,
            key: key_of_file(&stat),
        };
        let content = match stat.kind {
            FileKind::Dir => return Ok(Some((seen_dir(&stat), stat))),
            FileKind::Symlink => self.vault.read_link(path).map(|target| {
                let id = content_of(self.keys, &target);
                known(Kind::Symlink, id, false, target.len() as u64)
            }),
            FileKind::File => self
                .content(path, &stat, out)?
                .map(|id| known(Kind::File, id, stat.exec, stat.size)),
            FileKind::Special => {
                let code = ErrorCode::SpecialFile;
                out.problems.push(problem(path, code, code.title()));
                out.again.insert(path.clone());
                return Ok(Some((Seen::Problem, stat)));
            },
        };
        Ok(match content {
            Ok(seen) => Some((seen, stat)),
            Err(error) => fail(path, &error, out).map(|seen| (seen, no_stat())),
        })
    }

    fn content(
        &self,
        path: &RelPath,
        stat: &Stat,
        out: &mut Scanned,
    ) -> Result<Result<ContentId, VaultError>, DbError> {
        if let Some(row) = self.db.stat(key_of_file(stat))?
            && row == row_of(stat, row.content)
        {
            if out.is_settled(stat) {
                return Ok(Ok(row.content));
            }
            // It was settled when it was noted, so the clock was set back since: equal times say nothing then.
            out.stale.push(row.key);
        }
        Ok(self.hash(path, stat, out))
    }

    fn hash(
        &self,
        path: &RelPath,
        stat: &Stat,
        out: &mut Scanned,
    ) -> Result<ContentId, VaultError> {
        let mut file = self.vault.open_read(path)?;
        let before = file.stat()?;
        let id = hash_file(self.keys, file.as_mut(), before.size)?;
        out.hashed_bytes += before.size;
        let after = file.stat()?;
        if !after.is_same_object(stat) || after.ctime_ns != stat.ctime_ns {
            return Err(VaultError::Changed { op: "hash file" });
        }
        if out.is_settled(stat) {
            out.fresh.push(row_of(stat, id));
        } else {
            out.again.insert(path.clone());
        }
        Ok(id)
    }

    /// What is written from now on gets a time of now or later, rounded down.
    fn settled_before_ns(&self) -> i64 {
        let now_ns = i64::try_from(self.now.0)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000);
        now_ns.saturating_sub(RACY_NS + i64::from(self.grain_ns))
    }
}

/// How an entry that is not to be touched appears in a scan; `None` for all others.
fn aside_of(level: &mut Level<'_>, name: &Name, stat: &Result<Stat, VaultError>) -> Option<Seen> {
    let is_dir = matches!(stat, Ok(stat) if stat.kind == FileKind::Dir);
    let verdict = level.decide(name, is_dir).filter(Verdict::is_hands_off)?;
    let stat = stat.as_ref().ok()?;
    Some(match verdict {
        Verdict::NotChosen | Verdict::Ignored(_) => seen_ignored(stat),
        Verdict::Held { .. } | Verdict::Kept(_) => Seen::Problem,
    })
}

fn seen_ignored(stat: &Stat) -> Seen {
    let kind = match stat.kind {
        FileKind::File => Some(Kind::File),
        FileKind::Dir => Some(Kind::Dir),
        FileKind::Symlink => Some(Kind::Symlink),
        FileKind::Special => None,
    };
    Seen::Ignored {
        kind,
        mtime_ns: stat.mtime_ns,
        size: stat.size,
        key: key_of_file(stat),
    }
}

/// Whether an equal listing would show again that this name needs no look.
fn is_lasting(entry: Option<(Seen, Stat)>, finding: Finding, out: &Scanned) -> bool {
    match (entry, finding) {
        (Some((seen, stat)), Finding::Same(_)) => is_dir(&seen) || out.is_settled(&stat),
        (Some(_) | None, _) => false,
    }
}

fn key_of_file(stat: &Stat) -> FileKey {
    FileKey {
        dev: stat.dev,
        ino: stat.ino,
    }
}

/// True when a file looks exactly as it did.
#[must_use]
pub fn is_same_file(one: &Stat, other: &Stat) -> bool {
    row_of(one, ContentId::ZERO) == row_of(other, ContentId::ZERO)
}

/// Stands for the look of something that could not be looked at.
fn no_stat() -> Stat {
    Stat {
        kind: FileKind::Special,
        dev: 0,
        ino: 0,
        size: 0,
        mtime_ns: i64::MAX,
        ctime_ns: i64::MAX,
        exec: false,
        nlink: 0,
        permissions: Permissions::from_mode(0),
    }
}

/// Keeps how a file or link looked.
fn keep_stat(path: &RelPath, seen: Seen, stat: Stat, out: &mut Scanned) {
    if matches!(seen, Seen::Known { .. }) && !is_dir(&seen) {
        out.stats.insert(path.clone(), stat);
    }
}

fn root() -> Rc<Dir> {
    Rc::new(Dir {
        path: RelPath::root(),
        seen: None,
        node: Some(ROOT),
        above: None,
    })
}

fn inside(above: &Rc<Dir>, path: RelPath, seen: Seen, node: Option<NodeId>) -> Rc<Dir> {
    let (seen, above) = (Some(seen), Some(Rc::clone(above)));
    Rc::new(Dir {
        path,
        seen,
        node,
        above,
    })
}

/// What is found in a directory is found in all above it.
fn note(dir: &Rc<Dir>, out: &mut Scanned) {
    let mut at = Some(dir);
    while let Some(dir) = at {
        if let Some(seen) = dir.seen {
            if out.scan.contains_key(&dir.path) {
                return;
            }
            out.scan.insert(dir.path.clone(), seen);
            out.looked.extend(dir.node);
        }
        at = dir.above.as_ref();
    }
}

/// The base node that a directory's inside is compared with; `None` when there is nothing to look into.
fn below(finding: Finding) -> Option<Option<NodeId>> {
    match finding {
        Finding::Same(id) | Finding::Changed(id) => Some(Some(id)),
        Finding::New => Some(None),
        Finding::Gone | Finding::Hidden(_) => None,
    }
}

fn take_while(
    rows: &mut Peekable<vec::IntoIter<BaseRow>>,
    is_one: impl Fn(&BaseRow) -> bool,
) -> Vec<BaseRow> {
    let mut taken = Vec::new();
    while let Some(row) = rows.next_if(&is_one) {
        taken.push(row);
    }
    taken
}

fn seen_dir(stat: &Stat) -> Seen {
    Seen::Known {
        content: Content {
            kind: Kind::Dir,
            id: ContentId::ZERO,
            exec: false,
        },
        mtime_ns: stat.mtime_ns,
        size: 0,
        key: FileKey {
            dev: stat.dev,
            ino: stat.ino,
        },
    }
}

fn is_dir(seen: &Seen) -> bool {
    matches!(seen, Seen::Known { content, .. } if content.kind == Kind::Dir)
}

fn key_of(seen: &Seen) -> Option<FileKey> {
    match seen {
        Seen::Known { key, .. } | Seen::Ignored { key, .. } => Some(*key),
        Seen::Problem => None,
    }
}

/// True for an answer about what lies at the path, not about a look that failed.
fn is_telling(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Denied { .. }
            | VaultError::NotFound { .. }
            | VaultError::NotADirectory { .. }
            | VaultError::SymlinkInPath { .. }
    )
}

/// Line of the stat cache for a file that looks like `stat` and holds `content`.
#[must_use]
pub fn row_of(stat: &Stat, content: ContentId) -> StatRow {
    StatRow {
        key: FileKey {
            dev: stat.dev,
            ino: stat.ino,
        },
        size: stat.size,
        mtime_ns: stat.mtime_ns,
        ctime_ns: stat.ctime_ns,
        content,
    }
}
