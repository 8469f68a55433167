//! The log of a space that has no folder here, brought up to the server's head and nothing else.
//!
//! Used by [`crate::past`] for remote paths. Invariant: only the pull phase runs; no disk is looked at.

use super::{Db, Folder, FolderError, Space};
use crate::remote::RemoteError;

/// Pulls until one brings nothing new: a log that outgrows so many is no honest one.
const PULLS_MAX: usize = 100;

impl Folder {
    /// Pulls everything, and gives back the space and its verified log.
    ///
    /// # Errors
    /// [`FolderError`] when the server cannot be reached or its log breaks a rule.
    pub(crate) fn refreshed(mut self) -> Result<(Space, Db), FolderError> {
        for _ in 0..PULLS_MAX {
            if !self.pull()? {
                return Ok((self.space, self.db));
            }
        }
        Err(RemoteError::Malformed { what: "changes" }.into())
    }
}
