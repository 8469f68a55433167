//! Copies a file into the stage, by sharing blocks where the file system can.
//!
//! Called by [`crate::real::RealVault`].
//! Invariant: either the copy equals one state of the source, or there is none.
//! Not here: reading for the network; that goes through [`super::file::Reading`].
//! Source: docs/design/sync-semantics.md.

use std::io::Write as _;

use super::file::{Growing, Reading};
use super::sys;
use crate::error::{Result, VaultError};
use crate::vault::{FileAttrs, ReadFile as _, StagedFile as _, Stat};

const OP: &str = "copy to stage";

/// Bytes given to one call.
const STEP_LEN: usize = 1 << 20;

/// Copies contents, holes, modification time and permissions.
pub(super) fn copy(from: &Reading, to: Box<Growing>) -> Result<Stat> {
    copy_as(from, to, &from.stat()?)
}

/// Copies the state that `before` describes.
fn copy_as(from: &Reading, mut to: Box<Growing>, before: &Stat) -> Result<Stat> {
    if sys::try_clone(from.fd(), to.fd()) {
        to.grow_to(before.size);
    } else {
        copy_stretches(from, &mut to, before.size)?;
    }
    // A writer during the copy leaves its trace in the times, whatever it wrote.
    if from.stat()? != *before {
        return Err(VaultError::Changed { op: OP });
    }
    let like = Some(before.permissions);
    to.finish(FileAttrs {
        exec: before.exec,
        mtime_ns: before.mtime_ns,
        like,
    })
}

fn copy_stretches(from: &Reading, to: &mut Growing, size: u64) -> Result<()> {
    let mut at = 0;
    while let Some((start, end)) = from.next_data(at)? {
        copy_stretch(from, to, start, end.min(size))?;
        at = end;
    }
    to.grow_to(size);
    Ok(())
}

fn copy_stretch(from: &Reading, to: &mut Growing, start: u64, end: u64) -> Result<()> {
    let mut at = start;
    while at < end {
        let len = usize::try_from(end - at).map_or(STEP_LEN, |left| left.min(STEP_LEN));
        match sys::retry(|| sys::copy_range(from.fd(), to.fd(), at, len)) {
            // The source became shorter; the caller sees that it changed.
            Ok(0) => return Ok(()),
            Ok(n) => at += n as u64,
            Err(rustix::io::Errno::NOSPC) => {
                return Err(sys::refuse(OP)(rustix::io::Errno::NOSPC));
            },
            Err(_) => return copy_by_hand(from, to, at, end),
        }
        to.grow_to(at);
    }
    Ok(())
}

/// Reads and writes, for file systems that cannot copy by themselves; tells a real error on its own.
fn copy_by_hand(from: &Reading, to: &mut Growing, start: u64, end: u64) -> Result<()> {
    let io = |source| VaultError::io(OP, source);
    let mut buf = vec![0; STEP_LEN];
    let mut at = start;
    to.grow_to(at);
    while at < end {
        let len = usize::try_from(end - at).map_or(STEP_LEN, |left| left.min(STEP_LEN));
        let n = from.read_at(at, &mut buf[..len]).map_err(io)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&buf[..n]).map_err(io)?;
        at += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::{AsFd as _, OwnedFd};

    use super::*;
    use crate::name::StageName;

    #[test]
    fn a_copy_of_a_file_that_changed_meanwhile_is_refused_and_removed() {
        let home = tempfile::tempdir().expect("make a directory");
        fs::write(home.path().join("a"), b"first").expect("write");
        let dir = OwnedFd::from(fs::File::open(home.path()).expect("open"));
        let from = Reading::open_at(dir.as_fd(), b"a").expect("open");
        let before = from.stat().expect("look");
        fs::write(home.path().join("a"), b"other").expect("write in place");
        let tag = StageName::new("t").expect("a tag");
        let to = Growing::create(dir, &tag, 0o022).expect("create");
        let copied = copy_as(&from, Box::new(to), &before);
        assert!(
            matches!(copied, Err(VaultError::Changed { .. })),
            "{copied:?}"
        );
        assert!(!home.path().join("t").exists());
    }
}
