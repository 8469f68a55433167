//! The system calls that differ between systems, and how their answers read here.
//!
//! Called by the other parts of [`crate::real`] only.
//! Invariant: every open here is close-on-exec and follows no link.
//! Not here: fallbacks that take several steps ([`super::moves`]).
//! Source: openat2(2), rename(2), syncfs(2), lseek(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::error::{Result, VaultError};
use crate::vault::{FileKind, Permissions, Stat};

/// Flags for a directory that is only walked through.
#[cfg(target_os = "linux")]
pub(super) const THROUGH: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
pub(super) const THROUGH: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Flags for a directory that is read or flushed.
pub(super) const DIR: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Flags for a regular file that is read; a pipe put in its place does not block.
pub(super) const READ: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Flags for a file that must not exist yet.
pub(super) const CREATE: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Translates an answer of the system.
pub(super) fn refuse(op: &'static str) -> impl Fn(Errno) -> VaultError {
    move |errno| match errno {
        Errno::NOENT => VaultError::NotFound { op },
        Errno::EXIST => VaultError::Occupied { op },
        Errno::NOTEMPTY => VaultError::NotEmpty { op },
        Errno::NOTDIR => VaultError::NotADirectory { op },
        Errno::LOOP => VaultError::SymlinkInPath { op },
        Errno::XDEV => VaultError::OtherDevice { op },
        Errno::NAMETOOLONG => VaultError::NameTooLong { op },
        Errno::ROFS => VaultError::ReadOnly { op },
        Errno::ACCESS | Errno::PERM => VaultError::Denied {
            op,
            source: errno.into(),
        },
        Errno::NOSPC | Errno::DQUOT => VaultError::NoSpace {
            op,
            source: errno.into(),
        },
        other => VaultError::io(op, other),
    }
}

/// True when the system or file system does not know the call or the flag.
pub(super) fn is_unknown(errno: Errno) -> bool {
    [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP].contains(&errno)
}

/// Opens a directory below `dir` for walking through, in one call that follows nothing.
#[cfg(target_os = "linux")]
pub(super) fn open_beneath(
    dir: BorrowedFd<'_>,
    path: &[u8],
    may_cross: bool,
) -> rustix::io::Result<OwnedFd> {
    use fs::ResolveFlags;
    let mut how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if !may_cross {
        how |= ResolveFlags::NO_XDEV;
    }
    // With NO_SYMLINKS a link at the end reads as LOOP only when NOFOLLOW is absent.
    let flags = THROUGH.difference(OFlags::NOFOLLOW);
    retry(|| fs::openat2(dir, path, flags, Mode::empty(), how))
}
#[cfg(not(target_os = "linux"))]
pub(super) fn open_beneath(
    _dir: BorrowedFd<'_>,
    _path: &[u8],
    _may_cross: bool,
) -> rustix::io::Result<OwnedFd> {
    Err(Errno::NOSYS)
}

/// Opens one component for walking through; tells a link from other things that are no directory.
pub(super) fn open_step(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let opened = retry(|| fs::openat(dir, name, THROUGH, Mode::empty()));
    if !matches!(opened, Err(Errno::NOTDIR)) {
        return opened;
    }
    let seen = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_link = FileType::from_raw_mode(seen.st_mode) == FileType::Symlink;
    Err(if is_link { Errno::LOOP } else { Errno::NOTDIR })
}

/// Repeats a call that a signal or a concurrent rename cut short.
pub(super) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    const TRIES_MAX: u32 = 128;
    for _ in 1..TRIES_MAX {
        match call() {
            Err(Errno::INTR | Errno::AGAIN) => {},
            done => return done,
        }
    }
    call()
}

/// Looks at a name; `None` when nothing is there.
pub(super) fn stat_at(
    dir: impl AsFd,
    name: impl rustix::path::Arg + Copy,
    op: &'static str,
) -> Result<Option<Stat>> {
    #[cfg(target_os = "linux")]
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    #[cfg(not(target_os = "linux"))]
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    match retry(|| fs::statat(dir.as_fd(), name, flags)) {
        Ok(raw) => Ok(Some(stat_from(&raw))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(refuse(op)(errno)),
    }
}

/// Looks at an open object.
pub(super) fn stat_fd(fd: impl AsFd, op: &'static str) -> Result<Stat> {
    fs::fstat(fd).map(|raw| stat_from(&raw)).map_err(refuse(op))
}

/// Reads the answer; its fields have other widths on other systems.
pub(super) fn stat_from(raw: &fs::Stat) -> Stat {
    let permissions = Permissions::from_mode(wide(raw.st_mode));
    Stat {
        kind: match FileType::from_raw_mode(raw.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Dir,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => FileKind::Special,
        },
        dev: wide(raw.st_dev),
        ino: wide(raw.st_ino),
        size: wide(raw.st_size),
        mtime_ns: nanos(wide(raw.st_mtime), wide(raw.st_mtime_nsec)),
        ctime_ns: nanos(wide(raw.st_ctime), wide(raw.st_ctime_nsec)),
        exec: permissions.is_exec(),
        nlink: wide(raw.st_nlink),
        permissions,
    }
}

/// Converts between widths of numbers that fit on every system; one that does not reads as 0.
pub(super) fn wide<From, To: TryFrom<From> + Default>(number: From) -> To {
    To::try_from(number).unwrap_or_default()
}

/// Nanoseconds since 1970; times outside of 1677..2262 stop at the edge.
fn nanos(seconds: i64, nanos: i64) -> i64 {
    seconds
        .saturating_mul(NANOS_PER_SECOND)
        .saturating_add(nanos)
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Sets the modification time of an open file, and leaves the access time alone.
pub(super) fn set_mtime(fd: impl AsFd, mtime_ns: i64) -> rustix::io::Result<()> {
    let omit = Timespec {
        tv_sec: 0,
        tv_nsec: fs::UTIME_OMIT,
    };
    let last_modification = Timespec {
        tv_sec: mtime_ns.div_euclid(NANOS_PER_SECOND),
        tv_nsec: mtime_ns.rem_euclid(NANOS_PER_SECOND),
    };
    fs::futimens(
        fd,
        &Timestamps {
            last_access: omit,
            last_modification,
        },
    )
}

/// Waits until the whole file system that holds `fd` is on the disk.
#[cfg(target_os = "linux")]
pub(super) fn sync_fs(fd: impl AsFd) -> rustix::io::Result<()> {
    fs::syncfs(fd)
}
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_fs(fd: impl AsFd) -> rustix::io::Result<()> {
    fs::sync();
    fs::fsync(fd)
}

/// Makes `to` share all blocks of `from`; false when the file system cannot.
#[cfg(target_os = "linux")]
pub(super) fn try_clone(from: impl AsFd, to: impl AsFd) -> bool {
    fs::ioctl_ficlone(to, from).is_ok()
}
#[cfg(not(target_os = "linux"))]
pub(super) fn try_clone(_from: impl AsFd, _to: impl AsFd) -> bool {
    false
}

/// Copies up to `len` bytes inside the system, at the same offset on both sides.
#[cfg(target_os = "linux")]
pub(super) fn copy_range(
    from: impl AsFd,
    to: impl AsFd,
    offset: u64,
    len: usize,
) -> rustix::io::Result<usize> {
    let (mut read, mut write) = (offset, offset);
    fs::copy_file_range(from, Some(&mut read), to, Some(&mut write), len)
}
#[cfg(not(target_os = "linux"))]
pub(super) fn copy_range(
    _from: impl AsFd,
    _to: impl AsFd,
    _offset: u64,
    _len: usize,
) -> rustix::io::Result<usize> {
    Err(Errno::NOSYS)
}

/// Next stretch of data at or after `offset`; see [`crate::vault::ReadFile::next_data`].
pub(super) fn next_data(
    fd: impl AsFd,
    offset: u64,
    size: u64,
) -> rustix::io::Result<Option<(u64, u64)>> {
    if offset >= size {
        return Ok(None);
    }
    let start = match fs::seek(fd.as_fd(), fs::SeekFrom::Data(offset)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(errno) if is_unknown(errno) => return Ok(Some((offset, size))),
        Err(errno) => return Err(errno),
    };
    let end = fs::seek(fd, fs::SeekFrom::Hole(start)).or_else(|errno| {
        if is_unknown(errno) || errno == Errno::NXIO {
            Ok(size)
        } else {
            Err(errno)
        }
    })?;
    Ok((start < end).then_some((start, end)))
}
