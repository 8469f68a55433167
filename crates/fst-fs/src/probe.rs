//! What a file system can do, found out by trying.
//!
//! [`Abilities`] comes from [`crate::vault::Vault::abilities`]; the client keeps it per folder.
//! Invariant: everything tried lies in `.fst/probe` and is gone afterwards, also after an error.
//! Not here: acting on the answer; a vault tries the better way first each time and falls back by itself.
//! Source: docs/design/sync-semantics.md.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::{Errno, Result};

/// Directory for the trials, in `.fst`.
const PROBE: &str = "probe";

/// Modification time that is set to see what comes back: an odd second and nine different digits.
const TRIAL_SECONDS: i64 = 1_234_567_891;
const TRIAL_NANOS: i64 = 987_654_321;

/// Steps that file systems are known to have, finest first.
const GRAINS_NS: [u32; 6] = [1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000];

/// The step of FAT, assumed when none of the finer ones fits.
const GRAIN_NS_MAX: u32 = 2_000_000_000;

/// Abilities of one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of independent facts, not a state"
)]
pub struct Abilities {
    /// Two names can be swapped in one step.
    pub can_exchange: bool,
    /// A rename can refuse to replace.
    pub can_rename_new: bool,
    /// `a` and `A` are one name.
    pub folds_case: bool,
    /// The composed and the decomposed form of a letter are one name.
    pub folds_unicode: bool,
    /// Names need not be UTF-8.
    pub keeps_raw_names: bool,
    /// Symbolic links can be made.
    pub has_symlinks: bool,
    /// The executable bit can be set and cleared.
    pub has_exec: bool,
    /// Smallest step of a modification time, nanoseconds.
    pub mtime_grain_ns: u32,
}

/// Tries everything in `probe` below `private`, and cleans up before and after.
pub(crate) fn try_out(private: BorrowedFd<'_>) -> Result<Abilities> {
    match fs::mkdirat(private, PROBE, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {},
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = fs::openat(private, PROBE, flags, Mode::empty())?;
    clean(&dir)?;
    let tried = try_all(&dir);
    clean(&dir)?;
    fs::unlinkat(private, PROBE, AtFlags::REMOVEDIR)?;
    tried
}

fn try_all(dir: &OwnedFd) -> Result<Abilities> {
    let file = create(dir, b"a")?;
    create(dir, b"b")?;
    create(dir, "\u{e9}".as_bytes())?;
    Ok(Abilities {
        can_exchange: can_exchange(dir)?,
        can_rename_new: can_rename_new(dir)?,
        folds_case: is_there(dir, "A")?,
        folds_unicode: is_there(dir, "e\u{301}")?,
        keeps_raw_names: create(dir, b"\xff\xfe").is_ok() && lists(dir, b"\xff\xfe")?,
        has_symlinks: fs::symlinkat("target", dir, "link").is_ok(),
        has_exec: has_exec(&file)?,
        mtime_grain_ns: mtime_grain_ns(&file)?,
    })
}

fn create(dir: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)
}

fn inode(dir: &OwnedFd, name: &str) -> Result<u64> {
    Ok(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino)
}

fn is_there(dir: &OwnedFd, name: &str) -> Result<bool> {
    match inode(dir, name) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::INVAL | Errno::ILSEQ) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Believes a swap only when the objects have changed places.
fn can_exchange(dir: &OwnedFd) -> Result<bool> {
    let before = (inode(dir, "a")?, inode(dir, "b")?);
    let swapped = fs::renameat_with(dir, "a", dir, "b", RenameFlags::EXCHANGE).is_ok();
    Ok(swapped && (inode(dir, "b")?, inode(dir, "a")?) == before)
}

/// Believes the flag only when a taken name is refused and a free one is not.
fn can_rename_new(dir: &OwnedFd) -> Result<bool> {
    create(dir, b"c")?;
    let taken = fs::renameat_with(dir, "c", dir, "b", RenameFlags::NOREPLACE);
    let free = fs::renameat_with(dir, "c", dir, "d", RenameFlags::NOREPLACE);
    Ok(taken == Err(Errno::EXIST) && free.is_ok() && is_there(dir, "d")?)
}

fn has_exec(file: &OwnedFd) -> Result<bool> {
    let is_set = |mode: Mode| match fs::fchmod(file, mode) {
        Ok(()) => Ok(Mode::from_raw_mode(fs::fstat(file)?.st_mode).contains(Mode::XUSR)),
        // Nothing can be set, so the answer is what it happens to be; the two answers will be equal.
        Err(_) => Ok(false),
    };
    Ok(is_set(Mode::RWXU)? && !is_set(Mode::RUSR | Mode::WUSR)?)
}

fn mtime_grain_ns(file: &OwnedFd) -> Result<u32> {
    let trial = Timespec {
        tv_sec: TRIAL_SECONDS,
        tv_nsec: TRIAL_NANOS,
    };
    fs::futimens(
        file,
        &Timestamps {
            last_access: trial,
            last_modification: trial,
        },
    )?;
    let kept = fs::fstat(file)?;
    if kept.st_mtime != TRIAL_SECONDS {
        return Ok(GRAIN_NS_MAX);
    }
    let kept_ns = i64::try_from(kept.st_mtime_nsec).unwrap_or(0);
    let fits = |grain: &u32| TRIAL_NANOS - TRIAL_NANOS % i64::from(*grain) == kept_ns;
    Ok(GRAINS_NS.into_iter().find(fits).unwrap_or(GRAIN_NS_MAX))
}

fn lists(dir: &OwnedFd, name: &[u8]) -> Result<bool> {
    Ok(names(dir)?.iter().any(|listed| listed == name))
}

fn names(dir: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    let mut listed = Vec::new();
    for entry in Dir::read_from(dir.as_fd())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            listed.push(name);
        }
    }
    Ok(listed)
}

/// Unlinks all trials; all of them are files or links.
fn clean(dir: &OwnedFd) -> Result<()> {
    for name in names(dir)? {
        fs::unlinkat(dir, name.as_slice(), AtFlags::empty())?;
    }
    Ok(())
}
