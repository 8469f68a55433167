//! A directory of one command, for copies that go when the command ends.
//!
//! Used by [`crate::past`] for what is about to be sent and for a log that is read anew, and by [`crate::measure`]. Invariant: its
//! name is random and only its owner may look into it, so that commands side by side, even in containers that share process
//! ids, never meet.

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fst_crypto::random::{self, OsRandom};
use fst_proto::error::ErrorCode;
use fst_proto::text;

use crate::error::ClientError;

/// A private directory that goes with the value.
#[derive(Debug)]
pub(crate) struct Private {
    path: PathBuf,
    /// Locked while it is used, so that nobody tidies it up meanwhile (`fst doctor --fix`).
    _held: File,
}

impl Private {
    /// Makes one in `above`; `what` begins its name.
    pub(crate) fn new(above: &Path, what: &str) -> Result<Self, ClientError> {
        Self::make(above, what).map_err(|e| {
            let op = format!("make a directory in {}", above.display());
            ClientError::caused(ErrorCode::Io, op, e)
        })
    }

    /// [`Self::new`], with the error of the system.
    pub(crate) fn make(above: &Path, what: &str) -> io::Result<Self> {
        let tag: [u8; 16] = random::bytes(&OsRandom);
        let path = above.join(format!("{what}-{}", text::to_hex(&tag)));
        let held = locked(&path)?;
        Ok(Self { path, _held: held })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a directory and locks it.
fn locked(path: &Path) -> io::Result<File> {
    std::fs::DirBuilder::new().mode(0o700).create(path)?;
    let held = File::open(path)?;
    held.lock()?;
    Ok(held)
}

impl Drop for Private {
    fn drop(&mut self) {
        // Best effort: it holds nothing but copies, and `fst doctor --fix` finds what is left.
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "a directory of copies cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Private;

    #[test]
    fn two_are_apart_closed_to_others_and_gone_in_the_end() {
        let above = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| Private::new(above.path(), "stage").unwrap());
        assert_ne!(one.path(), two.path());
        let mode = std::fs::metadata(one.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(one.path().join("copy"), "c").unwrap();
        drop((one, two));
        assert_eq!(std::fs::read_dir(above.path()).unwrap().count(), 0);
    }
}
