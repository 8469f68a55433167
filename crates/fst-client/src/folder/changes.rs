//! What the verified log gained lately, for those who follow what happens.
//!
//! Used by the daemon's worker after a cycle. Invariant: one bounded read of an index; nothing is changed.

use super::Folder;
use crate::error::FolderError;

/// Most lines that are told at once: somebody reads them one by one; a longer list is what `fst history` is for.
const CHANGES_MAX: usize = 200;

/// A change that the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path inside the folder, printable.
    pub path: String,
    /// `create | edit | move | delete | attributes`.
    pub action: String,
    /// Made here, rather than by another device.
    pub is_ours: bool,
}

impl Folder {
    /// Position behind the newest change that is known.
    ///
    /// # Errors
    /// [`FolderError::Db`].
    pub fn position(&self) -> Result<u64, FolderError> {
        let newest = self.db.read().history(1)?;
        Ok(newest.first().map_or(0, |line| line.idx + 1))
    }

    /// Changes from `position` on, oldest first: of many the newest `CHANGES_MAX`.
    ///
    /// # Errors
    /// [`FolderError::Db`].
    pub fn changes_from(&self, position: u64) -> Result<Vec<Change>, FolderError> {
        let mut lines = self.db.read().history(CHANGES_MAX)?;
        lines.retain(|line| line.idx >= position);
        let own = self.space.device;
        let change = |line: crate::db::HistoryLine| Change {
            path: line.path.to_string(),
            action: line.action,
            is_ours: line.device == own,
        };
        Ok(lines.into_iter().rev().map(change).collect())
    }
}
