//! What a device has chosen of a folder: what base and the list of open nodes know of the rest, which is nothing.
//!
//! Called before the disk is looked at, after each pull, and by a command where no program syncs the folder. Invariant: base has no node at a place that is not chosen,
//! from before the first plan under a choice; so nothing that becomes of the copies here can look like a deletion when
//! it is chosen again: equal copies are adopted, others kept beside what is at the server. What is not chosen costs
//! nothing per cycle. Not here: which paths are chosen ([`fst_engine::ignore::Selection`]).
//! Source: docs/adr/0042-selective-sync.md.

use fst_engine::ignore::Selection;
use fst_engine::plan::{PushKind, PushOp};
use fst_engine::scope::Replica as _;
use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;

use super::Folder;
use crate::db::{Db, DbError, path_in};
use crate::error::FolderError;

/// Name under which the choice is kept that base goes by.
const CHOICE: &str = "choice";

/// Stands for no choice that there is.
const IN_BETWEEN: &[u8] = b"?";

/// Base forgets what is not chosen, and what differs is open again where it may be chosen now; true when the choice is
/// another one than base went by.
///
/// # Errors
/// [`DbError`].
pub(crate) fn obey(db: &mut Db, selection: &Selection) -> Result<bool, DbError> {
    let choice = selection.to_bytes();
    if db.read().meta(CHOICE)?.unwrap_or_default() == choice {
        return Ok(false);
    }
    let (base, remote) = db.trees()?;
    let left_out = selection.left_out(&base);
    let differs = |id: NodeId| left_out.contains(&id) || base.get(id) != remote.get(id);
    let open: Vec<NodeId> = remote.iter().map(|(id, _)| id).collect();
    // What was sent and not answered comes into base with its answer: look again then.
    let is_open = db.read().has_intents()?;
    let choice: &[u8] = if is_open { IN_BETWEEN } else { &choice };
    db.transaction(|tx| {
        left_out.iter().try_for_each(|&id| tx.remove_base(id))?;
        let mut open = open.into_iter().filter(|id| differs(*id));
        open.try_for_each(|id| tx.put_ahead(id))?;
        tx.set_meta(CHOICE, choice)
    })?;
    Ok(true)
}

impl Folder {
    /// What base and the list of open nodes know follows the choice.
    pub(super) fn obey_choice(&mut self) -> Result<(), FolderError> {
        if obey(&mut self.db, self.settings.ignore.selection())? {
            // Fewer files than before are no deletions.
            self.peak.forget();
        }
        self.close_the_rest()
    }

    /// To be called before operations are sent: a directory that moves may take into the choice what was not in it.
    pub(super) fn doubt_choice(&mut self, operations: &[PushOp]) -> Result<(), DbError> {
        let moves_dir = |op: &PushOp| match &op.kind {
            PushKind::Put {
                content, is_move, ..
            } => *is_move && content.kind == Kind::Dir,
            PushKind::Delete { .. } => false,
        };
        let is_everything = self.settings.ignore.selection().is_everything();
        if is_everything || !operations.iter().any(moves_dir) {
            return Ok(());
        }
        self.db.transaction(|tx| tx.set_meta(CHOICE, IN_BETWEEN))
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
