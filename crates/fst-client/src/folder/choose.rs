//! What a device has chosen of a folder, where that is another choice than before.
//!
//! Called once per opening, before the disk is looked at. Invariant: base has no node that is not chosen, from before
//! the first plan under a choice; so nothing that becomes of the copies here can look like a deletion when it is
//! chosen again: equal copies are adopted, others kept beside what is at the server.
//! Not here: which paths are chosen ([`fst_engine::ignore::Selection`]). Source: docs/adr/0042-selective-sync.md.

use super::Folder;
use crate::error::FolderError;

/// Name under which the choice is kept that base goes by.
const CHOICE: &str = "choice";

impl Folder {
    /// Base forgets what is not chosen.
    pub(super) fn obey_choice(&mut self) -> Result<(), FolderError> {
        let selection = self.settings.ignore.selection();
        let choice = selection.to_bytes();
        let known = self.db.read().meta(CHOICE)?.unwrap_or_default();
        if known == choice {
            return Ok(());
        }
        let (base, _) = self.db.trees()?;
        let out = selection.left_out(&base);
        // What was sent and not answered comes into base with its answer: look again then.
        let is_final = !self.db.read().has_intents()?;
        self.db.transaction(|tx| {
            for &id in &out {
                tx.remove_base(id)?;
                // The server has it still; a plan that includes it has to see that.
                tx.put_ahead(id)?;
            }
            if is_final {
                tx.set_meta(CHOICE, &choice)?;
            }
            Ok::<_, FolderError>(())
        })?;
        // Fewer files than before are no deletions.
        self.peak.forget();
        Ok(())
    }
}
