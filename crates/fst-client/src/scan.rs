//! Looks at the folder: every path, with content where the stat cache cannot vouch for it.
//!
//! [`crate::folder`] calls it at the start of a cycle; the result goes to `fst_engine::identify`. Invariant: a
//! path is reported with contents that it really had between two equal looks, or as a problem; a directory
//! that cannot be listed is never taken for an empty one. Not here: node ids, decisions.
//! Source: docs/adr/0004-what-base-means.md.

use std::collections::BTreeMap;

use fst_crypto::ids::ContentHasher;
use fst_crypto::key::SpaceKeys;
use fst_engine::identify::{FileKey, Scan, Seen};
use fst_engine::ignore::{Damage, Level, RULE_FILE, Verdict};
use fst_fs::vault::{FileKind, ReadFile, Stat, Vault, VaultError};
use fst_proto::entry::{Content, Kind};
use fst_proto::error::ErrorCode;
use fst_proto::ids::ContentId;
use fst_proto::ipc::PathProblem;
use fst_proto::path::{Name, RelPath};
use fst_proto::text;
use fst_proto::time::UnixMillis;

use crate::db::StatRow;
use crate::ignore::{self, Ignore};

/// Read at a time while hashing.
const READ_LEN: usize = 256 << 10;

/// A file changed this recently may change again without its times showing it: clocks of file systems
/// tick every 4–10 ms.
const RACY_NS: i64 = 20_000_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Every path, parents first.
    pub scan: Scan,
    /// Looks of files, for writing over them later and for base.
    pub stats: BTreeMap<RelPath, Stat>,
    /// Paths that cannot be synced.
    pub problems: Vec<PathProblem>,
    /// New lines of the stat cache.
    pub fresh: Vec<StatRow>,
    /// Something changed while it was read: look again soon.
    pub is_unsettled: bool,
    /// Bytes read for hashing.
    pub hashed_bytes: u64,
    /// A file whose times lie before this cannot change any more without its times showing it; nanoseconds since
    /// 1970.
    pub settled_before_ns: i64,
    /// The ignore rules that were met.
    pub loaded: ignore::Loaded,
}

/// What a scan needs.
#[derive(Debug)]
pub struct Scanner<'a> {
    /// The folder.
    pub vault: &'a dyn Vault,
    /// Keys for content ids.
    pub keys: &'a SpaceKeys,
    /// What earlier scans found.
    pub cache: &'a BTreeMap<FileKey, StatRow>,
    /// What the user does not want synced.
    pub ignore: &'a Ignore,
    /// Wall-clock time of the scan.
    pub now: UnixMillis,
    /// Step of the file system's times.
    pub grain_ns: u32,
}

impl Scanner<'_> {
    /// Walks the whole folder.
    ///
    /// # Errors
    /// [`VaultError`] when the root itself cannot be listed; anything below is a problem of its path.
    pub fn run(&self) -> Result<Scanned, VaultError> {
        let mut out = Scanned {
            settled_before_ns: self.settled_before_ns(),
            ..Scanned::default()
        };
        let mut loaded = self.ignore.begin();
        let mut pending = vec![RelPath::root()];
        while let Some(dir) = pending.pop() {
            match self.vault.list(&dir) {
                Ok(entries) => {
                    self.ignore
                        .enter(self.vault, (&dir, &entries), self.now, &mut loaded);
                    out.problems.extend(damage_of(&loaded, &dir));
                    let mut level = loaded.rules.level(&dir);
                    for entry in entries {
                        let here = (&dir, &mut level);
                        match entry.name {
                            Ok(name) => self.look(here, name, entry.stat, &mut pending, &mut out),
                            Err(raw) => out.problems.push(bad_name(&dir, &raw.0)),
                        }
                    }
                },
                Err(error) if dir.is_root() => return Err(error),
                Err(error) => fail(&dir, &error, &mut out),
            }
        }
        out.is_unsettled |= loaded.is_unsettled;
        out.loaded = loaded;
        Ok(out)
    }

    fn look(
        &self,
        (dir, level): (&RelPath, &mut Level<'_>),
        name: Name,
        stat: Result<Stat, VaultError>,
        pending: &mut Vec<RelPath>,
        out: &mut Scanned,
    ) {
        let verdict = level.decide(
            &name,
            matches!(&stat, Ok(stat) if stat.kind == FileKind::Dir),
        );
        let Ok(path) = dir.child(name) else { return };
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => return fail(&path, &error, out),
        };
        if let Some(verdict) = verdict.filter(Verdict::is_hands_off) {
            out.scan.insert(path, aside(&verdict, &stat));
            return;
        }
        let known = |kind, id, exec, size| Seen::Known {
            content: Content { kind, id, exec },
            mtime_ns: stat.mtime_ns,
            size,
            key: FileKey {
                dev: stat.dev,
                ino: stat.ino,
            },
        };
        match stat.kind {
            FileKind::Dir => {
                out.scan
                    .insert(path.clone(), known(Kind::Dir, ContentId::ZERO, false, 0));
                pending.push(path);
            },
            FileKind::Symlink => match self.vault.read_link(&path) {
                Ok(target) => {
                    let id = content_of(self.keys, &target);
                    let size = target.len() as u64;
                    out.stats.insert(path.clone(), stat);
                    out.scan.insert(path, known(Kind::Symlink, id, false, size));
                },
                Err(error) => fail(&path, &error, out),
            },
            FileKind::File => match self.content(&path, &stat, out) {
                Ok(id) => {
                    out.stats.insert(path.clone(), stat);
                    out.scan
                        .insert(path, known(Kind::File, id, stat.exec, stat.size));
                },
                Err(error) => fail(&path, &error, out),
            },
            FileKind::Special => {
                out.scan.insert(path.clone(), Seen::Problem);
                out.problems.push(problem(
                    &path,
                    ErrorCode::SpecialFile,
                    ErrorCode::SpecialFile.title(),
                ));
            },
        }
    }

    fn content(
        &self,
        path: &RelPath,
        stat: &Stat,
        out: &mut Scanned,
    ) -> Result<ContentId, VaultError> {
        if let Some(row) = self.cache.get(&FileKey {
            dev: stat.dev,
            ino: stat.ino,
        }) && *row == row_of(stat, row.content)
        {
            return Ok(row.content);
        }
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

impl Scanned {
    /// Whether a later write to this file is sure to show in its times, so that looks can stand for contents.
    #[must_use]
    pub fn is_settled(&self, stat: &Stat) -> bool {
        stat.mtime_ns.max(stat.ctime_ns) < self.settled_before_ns
    }
}

fn fail(path: &RelPath, error: &VaultError, out: &mut Scanned) {
    match error {
        VaultError::NotFound { .. } => out.is_unsettled = true,
        VaultError::Changed { .. }
        | VaultError::NotADirectory { .. }
        | VaultError::SymlinkInPath { .. } => {
            out.is_unsettled = true;
            out.scan.insert(path.clone(), Seen::Problem);
        },
        other => {
            out.scan.insert(path.clone(), Seen::Problem);
            out.problems
                .push(problem(path, ErrorCode::Unreadable, &other.to_string()));
        },
    }
}

/// How an entry that is not to be touched appears in a scan.
fn aside(verdict: &Verdict<'_>, stat: &Stat) -> Seen {
    let kind = match stat.kind {
        FileKind::File => Some(Kind::File),
        FileKind::Dir => Some(Kind::Dir),
        FileKind::Symlink => Some(Kind::Symlink),
        FileKind::Special => None,
    };
    match verdict {
        Verdict::Ignored(_) => Seen::Ignored {
            kind,
            mtime_ns: stat.mtime_ns,
            size: stat.size,
            key: key_of(stat),
        },
        Verdict::Held { .. } | Verdict::Kept(_) => Seen::Problem,
    }
}

/// What is wrong with the rule file of a directory. One that is being written is no problem yet.
fn damage_of(loaded: &ignore::Loaded, dir: &RelPath) -> Option<PathProblem> {
    let damage = loaded.rules.files.get(dir)?.damage()?;
    if *damage == Damage::Changing {
        return None;
    }
    let reason = format!("{damage}; nothing here is synced until it is repaired");
    let path = dir.child(Name::new(RULE_FILE.as_bytes()).ok()?).ok()?;
    Some(problem(&path, ErrorCode::BadIgnoreFile, &reason))
}

fn key_of(stat: &Stat) -> FileKey {
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

/// Content id of bytes in memory.
#[must_use]
pub fn content_of(keys: &SpaceKeys, bytes: &[u8]) -> ContentId {
    let mut hasher = ContentHasher::new(keys);
    hasher.update(bytes);
    hasher.finish()
}

/// Content id of an open file of `size` bytes; holes are not read from the disk.
///
/// # Errors
/// [`VaultError::Changed`] when it ends early; [`VaultError::Io`].
pub fn hash_file(
    keys: &SpaceKeys,
    file: &mut dyn ReadFile,
    size: u64,
) -> Result<ContentId, VaultError> {
    let mut hasher = ContentHasher::new(keys);
    for_each_run(file, size, &mut |run| {
        match run {
            Run::Data(bytes) => hasher.update(bytes),
            Run::Hole(len) => hash_zeros(&mut hasher, len),
        }
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Adds `len` zero bytes to a hash.
pub fn hash_zeros(hasher: &mut ContentHasher, len: u64) {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut left = len;
    while left > 0 {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        hasher.update(&ZEROS[..take]);
        left -= take as u64;
    }
}

/// A stretch of a file while it is read.
#[derive(Debug)]
pub enum Run<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// Zeros that the disk does not store.
    Hole(u64),
}

/// Reads a file front to back, telling data from holes.
///
/// # Errors
/// [`VaultError::Changed`] when it ends before `size`; what `visit` returns.
pub fn for_each_run(
    file: &mut dyn ReadFile,
    size: u64,
    visit: &mut dyn FnMut(Run<'_>) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let mut buffer = vec![0; READ_LEN.min(usize::try_from(size).unwrap_or(READ_LEN))];
    let mut offset = 0;
    while offset < size {
        let (start, end) = match file.next_data(offset)? {
            Some((start, end)) => (start.min(size), end.min(size)),
            None => (size, size),
        };
        if start > offset {
            visit(Run::Hole(start - offset))?;
        }
        offset = start;
        while offset < end {
            let want = usize::try_from(end - offset)
                .unwrap_or(READ_LEN)
                .min(buffer.len());
            let read = file.read_at(offset, &mut buffer[..want]);
            let n = read.map_err(|source| VaultError::Io {
                op: "read file",
                source,
            })?;
            if n == 0 {
                return Err(VaultError::Changed { op: "read file" });
            }
            visit(Run::Data(&buffer[..n]))?;
            offset += n as u64;
        }
    }
    Ok(())
}

/// A problem of one path, with its next step.
#[must_use]
pub fn problem(path: &RelPath, code: ErrorCode, reason: &str) -> PathProblem {
    PathProblem {
        path: path.to_string(),
        code: code.to_string(),
        reason: reason.to_owned(),
        next: code.next_step().to_owned(),
    }
}

fn bad_name(dir: &RelPath, raw: &[u8]) -> PathProblem {
    let shown = text::printable(raw);
    let path = if dir.is_root() {
        shown
    } else {
        format!("{dir}/{shown}")
    };
    PathProblem {
        path,
        ..problem(dir, ErrorCode::BadName, ErrorCode::BadName.title())
    }
}
