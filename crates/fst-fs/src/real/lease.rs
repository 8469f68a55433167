//! Asks the kernel whether a program holds a file open for writing.
//!
//! Called by [`crate::real::RealVault`] about files in the stage; the only `unsafe` of this crate.
//! Invariant: the question leaves nothing behind: no lease, no signal that does anything, no change of the file.
//! Not here: what follows from the answer ([`crate::commit`]).
//! Source: fcntl(2) "Leases", docs/adr/0015-a-file-with-a-writer.md.

use std::os::fd::BorrowedFd;

/// Says whether any program holds the file open for writing; `fd` is open for reading only.
///
/// A read lease is granted only when nobody does. It is given back at once; should somebody open the file
/// by another name meanwhile, they wait for that moment, and the signal sent to us is one that is ignored by default.
/// Shape: `None` where the system cannot tell: a file of another owner, a file system without leases.
#[cfg(target_os = "linux")]
pub(super) fn has_writer(fd: BorrowedFd<'_>) -> Option<bool> {
    /// `asm-generic/fcntl.h`; the same on every architecture that Rust's standard library supports.
    const F_SETSIG: i32 = 10;
    control(fd, F_SETSIG, libc::SIGURG).ok()?;
    match control(fd, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            // Closing gives it back too, so a failure changes nothing.
            drop(control(fd, libc::F_SETLEASE, libc::F_UNLCK));
            Some(false)
        },
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Some(true),
        Err(_) => None,
    }
}
#[cfg(not(target_os = "linux"))]
pub(super) fn has_writer(_fd: BorrowedFd<'_>) -> Option<bool> {
    None
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "neither rustix nor nix has leases")]
fn control(fd: BorrowedFd<'_>, command: i32, argument: i32) -> std::io::Result<()> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: the descriptor is open for as long as it is borrowed, and both commands take a number, so
    // the kernel neither reads nor writes memory of ours.
    let answer = unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) };
    if answer == -1 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(())
    }
}
