//! The vault on a real file system.
//!
//! Opened by `fst-client` for each folder; all system calls of the workspace on user files are in its parts:
//! `handle` (paths), `file` (contents), `copy`, `moves`, `private` (`.fst`), `lease` (writers), `sys` (the calls).
//! Invariant: paths are used twice only, to open the root and to compare it later; everything else is
//! relative to its handle and follows no link.
//! Not here: decisions of any kind.
//! Source: docs/design/sync-semantics.md.
//!
//! A directory that a user moves out of the folder while a call holds it open is still reached by that one
//! call: the kernel offers no way to tell. It is the user's directory then as before.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use fst_proto::path::{Name, PRIVATE_DIR, RelPath};
use rustix::fs::{self, AtFlags, Dir, Mode};
use rustix::io::Errno;

use self::file::{Growing, Reading};
use self::handle::{Crossing, Root, Spot};
use self::moves::Mover;
use crate::error::{Result, VaultError};
use crate::name::{RawName, StageName};
use crate::probe::{self, Abilities};
use crate::vault::{
    AttrChange, DirEntry, FileAt, FileKind, IsExpected, LockGuard, ReadFile, RootIdentity,
    StagedEntry, StagedFile, Stat, Vault,
};

mod copy;
mod file;
mod flush;
mod handle;
mod lease;
mod moves;
mod private;
mod sys;

/// System calls that may be used; a missing one is noticed by itself, so this is for trying the fallbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// `openat2`: a whole path in one call that follows no link.
    pub openat2: bool,
    /// `RENAME_EXCHANGE`.
    pub exchange: bool,
    /// `RENAME_NOREPLACE`.
    pub rename_new: bool,
}

impl Means {
    /// All of them.
    pub const ALL: Self = Self {
        openat2: true,
        exchange: true,
        rename_new: true,
    };
    /// None of them.
    pub const NONE: Self = Self {
        openat2: false,
        exchange: false,
        rename_new: false,
    };
}

/// One folder on a real file system.
#[derive(Debug)]
pub struct RealVault {
    root: Root,
    means: Means,
    /// Permission bits that new files go without; learned when first needed.
    umask: OnceLock<u32>,
    /// Held while the abilities are tried, so that two threads do not clean up each other's trials.
    probing: Mutex<()>,
}

impl RealVault {
    /// Opens the folder at `root` and makes `.fst` in it, unless it is read-only.
    ///
    /// A link at `root` or above it is followed: where the folder is, is the user's choice. The folder
    /// itself is never made.
    /// # Errors
    /// [`VaultError::RootMissing`]; [`VaultError::SymlinkInPath`] when `.fst` is a link;
    /// [`VaultError::Denied`], [`VaultError::Io`].
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_with(root, Means::ALL)
    }

    /// Opens the folder using only some of the system's calls.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(root: &Path, means: Means) -> Result<Self> {
        let root = Root::open(root.to_path_buf(), means.openat2)?;
        match private::prepare(&root) {
            Ok(()) | Err(VaultError::ReadOnly { .. }) => {},
            Err(error) => return Err(error),
        }
        let vault = Self {
            root,
            means,
            umask: OnceLock::new(),
            probing: Mutex::new(()),
        };
        vault.guard_private()?;
        Ok(vault)
    }

    /// Shuts `.fst` to others, and to other spellings of its name.
    fn guard_private(&self) -> Result<()> {
        const OP: &str = "open private directory";
        let private = match self.root.private(None, OP) {
            Ok(through) => sys::retry(|| fs::openat(&through, ".", sys::DIR, Mode::empty())),
            Err(VaultError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let private = private.map_err(sys::refuse(OP))?;
        private::close_to_others(&private)?;
        let identity = handle::identity_of(&private)?;
        let shouted = PRIVATE_DIR.to_ascii_uppercase();
        let folded = sys::stat_at(self.root.fd(), shouted.as_str(), OP)?;
        if folded.is_some_and(|s| (s.dev, s.ino) == (identity.dev, identity.ino)) {
            self.root.reserve(identity);
        }
        Ok(())
    }

    fn changed_spot<'a>(&'a self, path: &'a RelPath, op: &'static str) -> Result<Spot<'a>> {
        self.root.spot(path, Crossing::Refused, op)
    }

    fn seen_spot<'a>(&'a self, path: &'a RelPath, op: &'static str) -> Result<Spot<'a>> {
        self.root.spot(path, Crossing::Allowed, op)
    }

    fn stage(&self, op: &'static str) -> Result<OwnedFd> {
        private::stage(&self.root, op)
    }

    fn mover(&self, op: &'static str) -> Result<Mover> {
        Ok(Mover {
            stage: self.stage(op)?,
            means: self.means,
        })
    }

    fn umask(&self) -> Result<u32> {
        if let Some(umask) = self.umask.get() {
            return Ok(*umask);
        }
        let learned = private::learn_umask(&self.root)?;
        Ok(*self.umask.get_or_init(|| learned))
    }

    fn grow(&self, tag: &StageName) -> Result<Box<Growing>> {
        let umask = self.umask()?;
        Growing::create(self.stage("create staged file")?, tag, umask).map(Box::new)
    }

    /// True for our own directory, under any name.
    fn is_private(&self, name: &[u8], stat: &Stat) -> bool {
        let is_reserved = |ours: RootIdentity| stat.dev == ours.dev && stat.ino == ours.ino;
        name == PRIVATE_DIR.as_bytes() || self.root.reserved().is_some_and(is_reserved)
    }
}

impl Vault for RealVault {
    fn root_identity(&self) -> Result<RootIdentity> {
        self.root.checked_identity()
    }

    fn abilities(&self) -> Result<Abilities> {
        let private = private::open(&self.root, "probe file system")?;
        let _alone = self.probing.lock().unwrap_or_else(PoisonError::into_inner);
        probe::try_out(private.as_fd()).map_err(sys::refuse("probe file system"))
    }

    fn stat(&self, path: &RelPath) -> Result<Option<Stat>> {
        const OP: &str = "look at path";
        if path.is_root() {
            return sys::stat_fd(self.root.fd(), OP).map(Some);
        }
        match self.seen_spot(path, OP) {
            Ok(spot) => sys::stat_at(&spot.dir, spot.name, OP),
            Err(VaultError::NotFound { .. } | VaultError::NotADirectory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &RelPath) -> Result<Vec<DirEntry>> {
        let listed = list_dir(&self.root.dir(dir, Crossing::Allowed, LIST)?)?;
        let is_ours = |name: &[u8], stat: &Result<Stat>| match stat {
            Ok(stat) => self.is_private(name, stat),
            Err(_) => name == PRIVATE_DIR.as_bytes(),
        };
        let kept = listed
            .into_iter()
            .filter(|(n, s)| !(dir.is_root() && is_ours(n, s)));
        let entry = |(name, stat): (Vec<u8>, Result<Stat>)| {
            let name = Name::new(&name).map_err(|_| RawName(name.into()));
            DirEntry { name, stat }
        };
        Ok(kept.map(entry).collect())
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>> {
        let spot = self.seen_spot(path, READ_LINK)?;
        read_link_at(spot.dir.as_fd(), spot.name)
    }

    fn open_read(&self, path: &RelPath) -> Result<Box<dyn ReadFile>> {
        const OP: &str = "open file";
        if path.is_root() {
            return Err(VaultError::Special { op: OP });
        }
        Ok(Box::new(Reading::open(&self.seen_spot(path, OP)?)?))
    }

    fn stage_file(&self, tag: &StageName) -> Result<Box<dyn StagedFile>> {
        Ok(self.grow(tag)?)
    }

    fn stage_link(&self, tag: &StageName, target: &[u8]) -> Result<Stat> {
        const OP: &str = "make staged link";
        let stage = self.stage(OP)?;
        match fs::symlinkat(target, &stage, tag.as_str()) {
            Ok(()) => {},
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return Err(VaultError::Unsupported { op: OP });
            },
            Err(errno) => return Err(sys::refuse(OP)(errno)),
        }
        sys::stat_at(&stage, tag.as_str(), OP)?.ok_or(VaultError::NotFound { op: OP })
    }

    fn copy_to_stage(&self, from: &RelPath, tag: &StageName) -> Result<Stat> {
        let from = Reading::open(&self.seen_spot(from, "copy to stage")?)?;
        copy::copy(&from, self.grow(tag)?)
    }

    fn sync_stage(&self) -> Result<()> {
        sys::sync_fs(self.root.fd()).map_err(|errno| VaultError::io("wait for the disk", errno))
    }

    fn sync_files(&self, files: &[FileAt<'_>]) -> Result<()> {
        const OP: &str = "wait for the disk";
        for file in files {
            match file {
                FileAt::Stage(tag) => flush::file(&self.stage(OP)?, tag.as_str().as_bytes())?,
                FileAt::Folder(path) => {
                    let spot = self.changed_spot(path, OP)?;
                    flush::file(&spot.dir, spot.name)?;
                },
            }
        }
        Ok(())
    }

    fn place_new(&self, tag: &StageName, to: &RelPath) -> Result<Stat> {
        const OP: &str = "move into place";
        self.mover(OP)?.place(tag, &self.changed_spot(to, OP)?)
    }

    fn exchange(&self, tag: &StageName, to: &RelPath) -> Result<Stat> {
        const OP: &str = "swap with stage";
        self.mover(OP)?.exchange(tag, &self.changed_spot(to, OP)?)
    }

    fn stage_move(&self, from: &RelPath, tag: &StageName) -> Result<Stat> {
        const OP: &str = "move to stage";
        self.mover(OP)?.take(&self.changed_spot(from, OP)?, tag)
    }

    fn rename_new(&self, from: &RelPath, to: &RelPath) -> Result<Stat> {
        const OP: &str = "rename";
        if to != from && to.starts_with(from) {
            return Err(VaultError::Unsupported { op: OP });
        }
        let (from, to) = (self.changed_spot(from, OP)?, self.changed_spot(to, OP)?);
        self.mover(OP)?.rename_inside(&from, &to)
    }

    fn make_dir(&self, path: &RelPath) -> Result<Stat> {
        const OP: &str = "make directory";
        let spot = self.changed_spot(path, OP)?;
        let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        fs::mkdirat(&spot.dir, spot.name, all).map_err(sys::refuse(OP))?;
        sys::stat_at(&spot.dir, spot.name, OP)?.ok_or(VaultError::NotFound { op: OP })
    }

    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        const OP: &str = "remove directory";
        let spot = self.changed_spot(path, OP)?;
        remove_dir_at(spot.dir.as_fd(), spot.name, OP)
    }

    fn set_attributes(
        &self,
        path: &RelPath,
        change: AttrChange,
        is_expected: IsExpected<'_>,
    ) -> Result<Stat> {
        const OP: &str = "set attributes";
        let file = Reading::open(&self.changed_spot(path, OP)?)?;
        let seen = file.stat()?;
        if !is_expected(&seen)? || file.stat()? != seen {
            return Err(VaultError::Changed { op: OP });
        }
        if let Some(exec) = change.exec.filter(|exec| *exec != seen.exec) {
            let mode = Mode::from_raw_mode(file::mode_bits(seen.permissions.with_exec(exec)));
            fs::fchmod(file.fd(), mode).map_err(sys::refuse(OP))?;
        }
        if let Some(mtime_ns) = change.mtime_ns {
            sys::set_mtime(file.fd(), mtime_ns).map_err(sys::refuse(OP))?;
        }
        file.stat()
    }

    fn stage_list(&self) -> Result<Vec<StagedEntry>> {
        const OP: &str = "list stage";
        let stage = match self.root.private(Some("stage"), OP) {
            Err(VaultError::NotFound { .. }) => return Ok(Vec::new()),
            opened => opened?,
        };
        let mut staged = Vec::new();
        for (name, stat) in list_dir(&stage)? {
            let tag = std::str::from_utf8(&name)
                .ok()
                .and_then(|text| StageName::new(text).ok());
            if let Some(tag) = tag {
                staged.push(StagedEntry { tag, stat: stat? });
            }
        }
        Ok(staged)
    }

    fn stat_staged(&self, tag: &StageName) -> Result<Option<Stat>> {
        const OP: &str = "look at staged object";
        sys::stat_at(self.stage(OP)?, tag.as_str(), OP)
    }

    fn read_staged(&self, tag: &StageName) -> Result<Box<dyn ReadFile>> {
        let stage = self.stage("open staged file")?;
        Ok(Box::new(Reading::open_at(
            stage.as_fd(),
            tag.as_str().as_bytes(),
        )?))
    }

    fn read_staged_link(&self, tag: &StageName) -> Result<Vec<u8>> {
        read_link_at(self.stage(READ_LINK)?.as_fd(), tag.as_str().as_bytes())
    }

    fn has_writer(&self, tag: &StageName) -> Result<Option<bool>> {
        let stage = self.stage("look for writers")?;
        match Reading::open_at(stage.as_fd(), tag.as_str().as_bytes()) {
            Ok(file) => Ok(lease::has_writer(file.fd())),
            Err(VaultError::Special { .. }) => Ok(Some(false)),
            // Without reading there is no asking.
            Err(VaultError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn retag(&self, from: &StageName, to: &StageName) -> Result<()> {
        self.mover("rename in stage")?.retag(from, to)
    }

    fn discard(&self, tag: &StageName) -> Result<()> {
        const OP: &str = "discard staged object";
        let stage = self.stage(OP)?;
        let name = tag.as_str();
        match sys::stat_at(&stage, name, OP)? {
            None => Ok(()),
            Some(stat) if stat.kind == FileKind::Dir => {
                remove_dir_at(stage.as_fd(), name.as_bytes(), OP)
            },
            Some(_) => fs::unlinkat(&stage, name, AtFlags::empty()).map_err(sys::refuse(OP)),
        }
    }

    fn marker_read(&self) -> Result<Option<Vec<u8>>> {
        private::read_marker(&self.root)
    }

    fn marker_write(&self, bytes: &[u8]) -> Result<()> {
        private::write_marker(&self.root, bytes)
    }

    fn lock(&self) -> Result<LockGuard> {
        private::lock(&self.root)
    }
}

const LIST: &str = "list directory";
const READ_LINK: &str = "read link";

/// Names and looks of everything in a directory but `.` and `..`, sorted by bytes.
fn list_dir(through: impl AsFd) -> Result<Vec<(Vec<u8>, Result<Stat>)>> {
    let refuse = || sys::refuse(LIST);
    let opened = sys::retry(|| fs::openat(through.as_fd(), ".", sys::DIR, Mode::empty()));
    let mut dir = Dir::new(opened.map_err(refuse())?).map_err(refuse())?;
    let mut names = Vec::new();
    while let Some(entry) = dir.read() {
        let entry = entry.map_err(refuse())?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    // A directory that is changed while it is read may give a name twice.
    names.dedup();
    let fd = dir.fd().map_err(refuse())?;
    let mut seen = Vec::with_capacity(names.len());
    for name in names {
        match sys::stat_at(fd, name.as_slice(), LIST) {
            Ok(Some(stat)) => seen.push((name, Ok(stat))),
            // Gone since its name was read.
            Ok(None) => {},
            Err(error) => seen.push((name, Err(error))),
        }
    }
    Ok(seen)
}

fn read_link_at(dir: std::os::fd::BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>> {
    match sys::retry(|| fs::readlinkat(dir, name, Vec::new())) {
        Ok(target) => Ok(target.into_bytes()),
        Err(Errno::INVAL) => Err(VaultError::Special { op: READ_LINK }),
        Err(errno) => Err(sys::refuse(READ_LINK)(errno)),
    }
}

fn remove_dir_at(dir: std::os::fd::BorrowedFd<'_>, name: &[u8], op: &'static str) -> Result<()> {
    match fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(VaultError::NotEmpty { op }),
        Err(errno) => Err(sys::refuse(op)(errno)),
    }
}
