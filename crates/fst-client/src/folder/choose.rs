//! What a device has chosen of a folder: what base and the list of open nodes know of the rest, which is nothing.
//!
//! Called before the disk is looked at, and after each pull. Invariant: base has no node at a place that is not chosen,
//! from before the first plan under a choice; so nothing that becomes of the copies here can look like a deletion when
//! it is chosen again: equal copies are adopted, others kept beside what is at the server. What is not chosen costs
//! nothing per cycle. Not here: which paths are chosen ([`fst_engine::ignore::Selection`]).
//! Source: docs/adr/0042-selective-sync.md.

use fst_engine::scope::Replica as _;
use fst_proto::ids::NodeId;

use super::Folder;
use crate::db::{DbError, path_in};
use crate::error::FolderError;

/// Name under which the choice is kept that base goes by.
const CHOICE: &str = "choice";

/// Stands for no choice that there is.
const IN_BETWEEN: &[u8] = b"?";

impl Folder {
    /// Base forgets what is not chosen, and what differs is open again where it may be chosen now.
    pub(super) fn obey_choice(&mut self) -> Result<(), FolderError> {
        let selection = self.settings.ignore.selection();
        let choice = selection.to_bytes();
        let known = self.db.read().meta(CHOICE)?.unwrap_or_default();
        if known != choice {
            let (base, remote) = self.db.trees()?;
            let left_out = selection.left_out(&base);
            let differs = |id: NodeId| left_out.contains(&id) || base.get(id) != remote.get(id);
            let open: Vec<NodeId> = remote.iter().map(|(id, _)| id).collect();
            // What was sent and not answered comes into base with its answer: look again then.
            let is_open = self.db.read().has_intents()?;
            let choice: &[u8] = if is_open { IN_BETWEEN } else { &choice };
            self.db.transaction(|tx| {
                left_out.iter().try_for_each(|&id| tx.remove_base(id))?;
                let mut open = open.into_iter().filter(|id| differs(*id));
                open.try_for_each(|id| tx.put_ahead(id))?;
                tx.set_meta(CHOICE, choice)
            })?;
            // Fewer files than before are no deletions.
            self.peak.forget();
        }
        self.close_the_rest()
    }

    /// Nodes that are not chosen are not open; those in a directory that comes to be chosen are.
    fn close_the_rest(&mut self) -> Result<(), FolderError> {
        let selection = self.settings.ignore.selection();
        if selection.is_everything() {
            return Ok(());
        }
        let db = self.db.read();
        let (base, remote) = (db.base(), db.remote());
        let (mut closed, mut opened) = (Vec::new(), Vec::new());
        for id in db.ahead()? {
            let (was, is) = (base.node(id)?, remote.node(id)?);
            let (Some(is), Some(path)) = (is, path_in(&remote, id)?) else {
                continue;
            };
            let is_out = selection.leaves_out(&path, is.is_dir());
            let has_come = was.as_ref().is_none_or(|was| was.place != is.place);
            if is_out && was.is_none() {
                closed.push(id);
            } else if !is_out && is.is_dir() && has_come {
                opened.extend(self.absent_below(id)?);
            }
        }
        if closed.is_empty() && opened.is_empty() {
            return Ok(());
        }
        Ok(self.db.transaction(|tx| {
            opened.iter().try_for_each(|&id| tx.put_ahead(id))?;
            closed.iter().try_for_each(|&id| tx.remove_ahead(id))
        })?)
    }

    /// Nodes below a directory of the server that base does not have.
    fn absent_below(&self, dir: NodeId) -> Result<Vec<NodeId>, DbError> {
        let db = self.db.read();
        let mut absent = Vec::new();
        let mut open = db.remote().children(dir)?;
        while let Some(id) = open.pop() {
            open.extend(db.remote().children(id)?);
            if db.base().node(id)?.is_none() {
                absent.push(id);
            }
        }
        Ok(absent)
    }
}
