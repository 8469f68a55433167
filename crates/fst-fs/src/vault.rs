//! The contract of the one place that touches a user's files.
//!
//! Called by the scan and the steps of `fst-client`; implemented by [`crate::real::RealVault`] and
//! `fake::FakeVault`, both held to it by one suite (`conformance`).
//! Invariant: nothing outside the root is read or changed; no symbolic link is followed, not even one
//! put in place during the call; nothing is overwritten; an object of the user is unlinked only by
//! [`Vault::discard`], after the caller has seen it in the stage.
//! Not here: what to do with a path (`fst-engine`); the check-and-undo around a swap ([`crate::commit`]).
//! Source: docs/design/sync-semantics.md.
//!
//! # The stage
//! `.fst/stage/` lies in the folder, on the same file system, never synced. New content is built there
//! under a tag and moved into place in one rename; what has to leave the folder is moved there first
//! and looked at. A crash leaves at most whole objects in the stage: [`Vault::stage_list`] finds them.
//!
//! # Durability
//! No method waits for the disk except [`Vault::sync_stage`], its small form [`Vault::sync_files`], and
//! [`Vault::marker_write`]. The order that survives a power cut is: stage, `sync_stage`, place, `sync_stage`, record. After a crash without the
//! second barrier each single rename has either happened or not.
//!
//! # After an error
//! Variants that name a refusal (`NotFound`, `Occupied`, `NotEmpty`, `Changed`, `Special`, …) mean that
//! nothing was changed. After [`VaultError::Io`] from a changing method the outcome is unknown: compare
//! [`Vault::stat_staged`] and [`Vault::stat`] before trying again.

use std::fmt::Debug;
use std::io::{self, Read, Write};

use fst_proto::path::{Name, RelPath};

pub use crate::error::{ErrorClass, Result, VaultError};
pub use crate::name::{RawName, StageName};
pub use crate::probe::Abilities;

/// Files whose way to the disk is waited for one by one; for more of them one wait for everything is cheaper.
pub const SYNC_FILES_MAX: usize = 4;

/// A regular file of a folder or its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAt<'a> {
    /// In the stage.
    Stage(&'a StageName),
    /// In the folder.
    Folder(&'a RelPath),
}

/// Kind of an object on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Regular file.
    File,
    /// Directory.
    Dir,
    /// Symbolic link.
    Symlink,
    /// Pipe, socket or device: shown, never synced, never opened.
    Special,
}

/// Read, write and execute bits of owner, group and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

impl Permissions {
    /// Keeps the nine permission bits of `mode`.
    #[must_use]
    pub fn from_mode(mode: u32) -> Self {
        Self(u16::try_from(mode & 0o777).unwrap_or(0))
    }

    /// The nine bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }

    /// True when the owner may execute.
    #[must_use]
    pub fn is_exec(self) -> bool {
        self.0 & 0o100 != 0
    }

    /// The same bits with execution allowed to all who may read, or to nobody.
    #[must_use]
    pub fn with_exec(self, exec: bool) -> Self {
        let readers = (self.0 & 0o444) >> 2;
        Self(if exec {
            self.0 | readers | 0o100
        } else {
            self.0 & !0o111
        })
    }
}

/// What the system says about one object; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Kind.
    pub kind: FileKind,
    /// Device of the file system that holds it.
    pub dev: u64,
    /// Number of the object there.
    pub ino: u64,
    /// Bytes of a file, length of a link's text; without meaning for others.
    pub size: u64,
    /// Time of the last change of contents, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of anything, nanoseconds since 1970; renaming changes it too.
    pub ctime_ns: i64,
    /// The owner may execute it.
    pub exec: bool,
    /// Number of names it has.
    pub nlink: u64,
    /// Its permission bits.
    pub permissions: Permissions,
}

impl Stat {
    /// True when `other` is the same object with nothing written to it since.
    ///
    /// Leaves out `ctime_ns`, `nlink` and permissions, which a rename or a `chmod` change.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        let key = |s: &Self| (s.kind, s.dev, s.ino, s.size, s.mtime_ns);
        key(self) == key(other)
    }
}

/// One name in a directory.
#[derive(Debug)]
pub struct DirEntry {
    /// Its name, or the bytes that cannot be one.
    pub name: std::result::Result<Name, RawName>,
    /// What it is; an error concerns this entry only.
    pub stat: Result<Stat>,
}

/// One object in the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedEntry {
    /// Its tag.
    pub tag: StageName,
    /// What it is.
    pub stat: Stat,
}

/// Which directory a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootIdentity {
    /// Device of its file system.
    pub dev: u64,
    /// Number of the directory there.
    pub ino: u64,
}

/// What a staged file shall look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAttrs {
    /// Executable.
    pub exec: bool,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Permissions of the file it will replace, so that a private file stays private; `None` for a new
    /// one: 0644 or 0755 less the process's umask.
    pub like: Option<Permissions>,
}

/// Change of attributes in place; `None` leaves the attribute alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttrChange {
    /// Executable or not.
    pub exec: Option<bool>,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
}

/// Decides whether the object just looked at is the one that was meant.
pub type IsExpected<'a> = &'a mut dyn FnMut(&Stat) -> Result<bool>;

/// An open regular file. `Read` goes on from where the last `read` ended.
pub trait ReadFile: Read + Send + Debug {
    /// Looks at the open file again: compare with the first look after reading to find a torn read.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    fn stat(&self) -> Result<Stat>;

    /// Reads at `offset` without moving the place of `Read`; 0 bytes mean the end.
    ///
    /// # Errors
    /// Those of the system.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Returns the next stretch of data `(start, end)` at or after `offset`; `None` when only a hole is left.
    ///
    /// Shape: `start < end`, `start >= offset`. Units: bytes. What lies between stretches reads as zeros.
    /// Where holes cannot be seen, the rest of the file is one stretch.
    /// # Errors
    /// [`VaultError::Io`].
    fn next_data(&self, offset: u64) -> Result<Option<(u64, u64)>>;
}

/// A file that grows in the stage. Dropped without [`StagedFile::finish`] it is removed.
#[must_use = "finish it, or it is removed"]
pub trait StagedFile: Write + Send + Debug {
    /// Leaves a hole of `len` bytes.
    ///
    /// # Errors
    /// [`VaultError::NoSpace`] or [`VaultError::Io`] when the length cannot be.
    fn skip(&mut self, len: u64) -> Result<()>;

    /// Sets permissions and modification time and closes the file. Does not wait for the disk.
    ///
    /// Shape: the returned [`Stat`] says what the file system kept (some round times, some have no
    /// executable bit).
    /// # Errors
    /// Any; the file is then removed from the stage.
    fn finish(self: Box<Self>, attrs: FileAttrs) -> Result<Stat>;
}

/// Held while this process works on a folder; dropping it lets go.
#[must_use = "dropping it lets go of the folder"]
#[derive(Debug)]
pub struct LockGuard {
    /// Only kept: what it is lets go when dropped.
    _held: Box<dyn Held>,
}

/// Something that lets go when dropped.
pub(crate) trait Held: Send + Sync + Debug {}

impl LockGuard {
    pub(crate) fn new(held: impl Held + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

/// One folder of the user and its stage.
///
/// All methods may be called from several threads. "Unknown after an error" is the module's rule.
pub trait Vault: Send + Sync + Debug {
    /// Says which directory the folder is, and that it is still there under its path.
    ///
    /// # Errors
    /// [`VaultError::RootMissing`] when nothing lies at its path now, [`VaultError::RootReplaced`] when
    /// something else does.
    fn root_identity(&self) -> Result<RootIdentity>;

    /// Says what this file system can do; tries it out in `.fst/probe` and cleans up.
    ///
    /// # Errors
    /// [`VaultError::ReadOnly`] where nothing can be tried.
    fn abilities(&self) -> Result<Abilities>;

    /// Looks at one path; `None` when nothing is there, also when a parent is missing or a file.
    ///
    /// # Errors
    /// [`VaultError::SymlinkInPath`] when a parent is a link; [`VaultError::Denied`].
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>>;

    /// Lists a directory: sorted by bytes, without `.fst` at the top. An entry that vanishes meanwhile is
    /// left out; any other trouble half way is an error, never a shorter list.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::NotADirectory`], [`VaultError::SymlinkInPath`],
    /// [`VaultError::Denied`], [`VaultError::Io`].
    fn list(&self, dir: &RelPath) -> Result<Vec<DirEntry>>;

    /// Reads the text of a symbolic link.
    ///
    /// # Errors
    /// [`VaultError::NotFound`]; [`VaultError::Special`] when it is no link.
    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>>;

    /// Opens a regular file for reading; never blocks on a pipe, never opens a device.
    ///
    /// # Errors
    /// [`VaultError::Special`] for anything but a regular file; [`VaultError::NotFound`],
    /// [`VaultError::Denied`].
    fn open_read(&self, path: &RelPath) -> Result<Box<dyn ReadFile>>;

    /// Begins a new file in the stage, readable by its owner only.
    ///
    /// # Errors
    /// [`VaultError::Occupied`] when the tag is in use: an old object may be the user's, so it is never
    /// truncated; look at it, then [`Vault::discard`] it. [`VaultError::NoSpace`], [`VaultError::ReadOnly`].
    fn stage_file(&self, tag: &StageName) -> Result<Box<dyn StagedFile>>;

    /// Makes a symbolic link in the stage.
    ///
    /// # Errors
    /// As [`Vault::stage_file`]; [`VaultError::Unsupported`] where the file system has no links.
    fn stage_link(&self, tag: &StageName, target: &[u8]) -> Result<Stat>;

    /// Copies a regular file into the stage: contents, holes, modification time, permissions.
    ///
    /// Shares blocks where the file system can.
    /// # Errors
    /// [`VaultError::Changed`] when the source changed during the copy (nothing is left in the stage);
    /// else as [`Vault::open_read`] and [`Vault::stage_file`].
    fn copy_to_stage(&self, from: &RelPath, tag: &StageName) -> Result<Stat>;

    /// Waits until everything staged, placed, moved and removed so far is on the disk (`syncfs`).
    ///
    /// May be called twice. Reports a failed write-back of any earlier write once (Linux 5.8 and later).
    /// # Errors
    /// [`VaultError::Io`]: nothing since the last barrier may be recorded.
    fn sync_stage(&self) -> Result<()>;

    /// Waits until these regular files are on the disk, contents and names (`fsync` of file and directory).
    ///
    /// What else the file system has to write is not waited for, neither is a directory above them that is new itself.
    /// # Errors
    /// [`VaultError::Io`] as in [`Vault::sync_stage`]; anything else, such as [`VaultError::NotFound`], says that it
    /// cannot be done in this way.
    fn sync_files(&self, files: &[FileAt<'_>]) -> Result<()>;

    /// Waits for a few files alone, for everything else by [`Vault::sync_stage`].
    ///
    /// # Errors
    /// [`VaultError::Io`]: nothing since the last barrier may be recorded.
    fn sync_some(&self, files: &[FileAt<'_>]) -> Result<()> {
        if files.is_empty() || files.len() > SYNC_FILES_MAX {
            return self.sync_stage();
        }
        match self.sync_files(files) {
            Err(VaultError::Io { op, source }) => Err(VaultError::Io { op, source }),
            Err(_) => self.sync_stage(),
            Ok(()) => Ok(()),
        }
    }

    /// Moves a staged object to a free place in one step.
    ///
    /// Shape: the [`Stat`] describes what was placed, never what somebody made of it since.
    /// # Errors
    /// [`VaultError::Occupied`] when something is there, [`VaultError::NotFound`] when the tag or the
    /// parent is missing, [`VaultError::SymlinkInPath`], [`VaultError::OtherDevice`]; nothing is changed.
    fn place_new(&self, tag: &StageName, to: &RelPath) -> Result<Stat>;

    /// Swaps a staged object with what lies at `to`, in one step, and says what came out.
    ///
    /// Afterwards the displaced object rests at `tag`: check it, then [`Vault::discard`] it or swap back;
    /// [`crate::commit::replace_if`] does all that. The `ctime_ns` returned is that from just before the
    /// swap (the swap itself changes it), so the [`Stat`] compares with one of an earlier scan.
    ///
    /// Without `RENAME_EXCHANGE` it moves in three steps: the old one aside, the new one in, the old one to
    /// `tag`; the place is then absent for a moment, and a crash leaves the old one under a tag that ends
    /// in [`crate::name::ASIDE_SUFFIX`].
    /// # Errors
    /// [`VaultError::NotFound`] when either side is missing; [`VaultError::Displaced`] only without
    /// `RENAME_EXCHANGE`.
    fn exchange(&self, tag: &StageName, to: &RelPath) -> Result<Stat>;

    /// Takes an object (a file, link or whole directory) out of the folder into the stage, in one step.
    ///
    /// The [`Stat`] is that of what was taken, with `ctime_ns` from just before, as in [`Vault::exchange`].
    /// # Errors
    /// [`VaultError::Occupied`] when the tag is in use, [`VaultError::NotFound`] when nothing is there.
    fn stage_move(&self, from: &RelPath, tag: &StageName) -> Result<Stat>;

    /// Puts a staged object (also a directory) back to a free place; same contract as [`Vault::place_new`].
    ///
    /// # Errors
    /// As [`Vault::place_new`].
    fn unstage_move(&self, tag: &StageName, to: &RelPath) -> Result<Stat> {
        self.place_new(tag, to)
    }

    /// Renames inside the folder to a free place, in one step. Also for a change of case only.
    ///
    /// # Errors
    /// [`VaultError::Occupied`], [`VaultError::NotFound`], [`VaultError::OtherDevice`]; nothing is changed.
    fn rename_new(&self, from: &RelPath, to: &RelPath) -> Result<Stat>;

    /// Makes a directory, with 0777 less the umask.
    ///
    /// # Errors
    /// [`VaultError::Occupied`] when something is there, [`VaultError::NotFound`] when the parent is not.
    fn make_dir(&self, path: &RelPath) -> Result<Stat>;

    /// Removes an empty directory; the system checks that it is empty in the same step.
    ///
    /// # Errors
    /// [`VaultError::NotEmpty`], [`VaultError::NotFound`], [`VaultError::NotADirectory`].
    fn remove_dir(&self, path: &RelPath) -> Result<()>;

    /// Changes attributes of the regular file at `path`, if it is the expected one.
    ///
    /// Looks, asks and changes through one handle, so only the object asked about is touched. A write that
    /// lands between the look and a change of `mtime_ns` keeps its bytes but loses its mark: hash the
    /// contents again before recording the returned [`Stat`], or leave `mtime_ns` alone.
    /// # Errors
    /// [`VaultError::Changed`] when it is not expected; [`VaultError::Special`], [`VaultError::Denied`].
    fn set_attributes(
        &self,
        path: &RelPath,
        change: AttrChange,
        is_expected: IsExpected<'_>,
    ) -> Result<Stat>;

    /// Lists the stage, sorted by tag. Names that are not tags are not ours and left alone.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    fn stage_list(&self) -> Result<Vec<StagedEntry>>;

    /// Looks at a staged object.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    fn stat_staged(&self, tag: &StageName) -> Result<Option<Stat>>;

    /// Opens a staged regular file for reading.
    ///
    /// # Errors
    /// As [`Vault::open_read`].
    fn read_staged(&self, tag: &StageName) -> Result<Box<dyn ReadFile>>;

    /// Reads the text of a staged link.
    ///
    /// # Errors
    /// As [`Vault::read_link`].
    fn read_staged_link(&self, tag: &StageName) -> Result<Vec<u8>>;

    /// Says whether a program holds the staged file open for writing; `None` where that cannot be told.
    ///
    /// In the stage nobody can open it anew (but by a second name), so `false` stays true.
    /// # Errors
    /// As [`Vault::read_staged`], but a link or directory has no writer.
    fn has_writer(&self, tag: &StageName) -> Result<Option<bool>>;

    /// Gives a staged object another tag, in one step.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] when `from` is not there, [`VaultError::Occupied`] when `to` is in use.
    fn retag(&self, from: &StageName, to: &StageName) -> Result<()>;

    /// Unlinks a staged file or link, or removes a staged empty directory. May be called twice.
    ///
    /// # Errors
    /// [`VaultError::NotEmpty`] for a directory with entries; it stays.
    fn discard(&self, tag: &StageName) -> Result<()>;

    /// Reads `.fst/marker`; `None` when there is none.
    ///
    /// # Errors
    /// [`VaultError::Special`] when it is no regular file; [`VaultError::Io`].
    fn marker_read(&self) -> Result<Option<Vec<u8>>>;

    /// Writes `.fst/marker` in one durable step: a power cut leaves the old or the new one.
    ///
    /// # Errors
    /// Any; the old marker then stands, or the new one does.
    fn marker_write(&self, bytes: &[u8]) -> Result<()>;

    /// Claims the folder for this process.
    ///
    /// # Errors
    /// [`VaultError::Locked`] when somebody else holds it, also inside this process.
    fn lock(&self) -> Result<LockGuard>;
}
