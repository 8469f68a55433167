//! Tells the other devices of a space how a long file goes on while it is being sent, so that they fetch it meanwhile.
//!
//! Used by [`super::upload`]. Invariant: only what the server has is told, in file order, sealed for the space; a device that
//! hears nothing, or not all, gets the file when it is committed. Not here: what they make of it ([`crate::fetch`]).
//! Source: docs/design/transfers.md.

use fst_crypto::space::seal_note;
use fst_proto::ids::NodeId;
use fst_proto::limits::NOTE_EXTENTS_MAX;
use fst_proto::note::Note;
use fst_proto::path::Name;
use fst_proto::recipe::Extent;

use super::{LONG_FILE, Stage};
use crate::error::FolderError;
use crate::remote::Remote;

/// A new file, as others need to know it before it is committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh<'a> {
    pub(super) remote: &'a dyn Remote,
    pub(super) node: NodeId,
    pub(super) parent: NodeId,
    pub(super) name: &'a Name,
}

/// What was told of one file.
#[derive(Debug)]
pub(super) struct Teller<'a> {
    fresh: Fresh<'a>,
    stream: [u8; 16],
    number: u32,
    size: u64,
    /// Extents told so far.
    told: usize,
}

impl<'a> Teller<'a> {
    /// A teller for a file that is worth it.
    pub(super) fn new(stage: &Stage<'a>, size: u64) -> Option<Self> {
        let fresh = stage.fresh.filter(|_| size > LONG_FILE)?;
        Some(Self {
            fresh,
            stream: fst_crypto::random::bytes(stage.space.random.as_ref()),
            number: 0,
            size,
            told: 0,
        })
    }

    /// Tells those of `extents` that the server has by now; false when it is of no use to go on.
    ///
    /// # Errors
    /// [`FolderError::Db`].
    pub(super) fn tell(
        &mut self,
        stage: &Stage<'_>,
        extents: &[Extent],
    ) -> Result<bool, FolderError> {
        let mut end = self.told;
        while let Some(extent) = extents.get(end) {
            if let Some(object) = extent.object()
                && !stage.db.read().knows_object(object)?
            {
                break;
            }
            end += 1;
        }
        for part in extents[self.told..end].chunks(NOTE_EXTENTS_MAX) {
            if !self.send(stage, part) {
                return Ok(false);
            }
        }
        self.told = end;
        Ok(true)
    }

    fn send(&mut self, stage: &Stage<'_>, extents: &[Extent]) -> bool {
        let (space, fresh) = (stage.space, self.fresh);
        let note = Note {
            stream: self.stream,
            number: self.number,
            node: fresh.node,
            parent: fresh.parent,
            name: fresh.name.clone(),
            size: self.size,
            extents: extents.to_vec(),
        };
        self.number += 1;
        let Ok(sealed) = seal_note(&space.salts(), &space.keys, space.device, &note) else {
            return false;
        };
        let told = fresh.remote.tell(space.id, &sealed);
        if let Err(error) = &told {
            tracing::debug!(code = %error.code(), "a file under way is not announced any more");
        }
        told.is_ok()
    }
}
