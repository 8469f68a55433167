//! A file that is written while its sender still sends it, so that little is left to do when it is committed.
//!
//! [`crate::folder`] feeds it with notes of other devices, [`crate::exec`] takes it when the file is to be written. Invariant:
//! nothing of it is believed: when the file is committed its recipe must begin with these extents and its bytes must hash
//! to its content id, else it is written from the beginning. It lies in the stage and goes when it is dropped.
//! Not here: who may tell what, and when it is given up. Source: docs/design/transfers.md.

use fst_fs::vault::{StageName, StagedFile, Vault, VaultError};
use fst_proto::entry::{Content, Place};
use fst_proto::ids::{DeviceId, NodeId};
use fst_proto::note::Note;
use fst_proto::recipe::Extent;

use super::{Fetcher, Sink, Staged, Sums, add_up, size_of};
use crate::db::RemoteRow;
use crate::error::FolderError;
use crate::exec::{early_tag, ignore_missing};
use crate::folder::Space;

/// The beginning of a file, in the stage.
#[derive(Debug)]
pub struct Early {
    from: DeviceId,
    stream: [u8; 16],
    /// Of the note that comes next.
    number: u32,
    node: NodeId,
    place: Place,
    size: u64,
    tag: StageName,
    file: Box<dyn StagedFile>,
    sums: Option<Sums>,
    extents: Vec<Extent>,
    /// How many of them the stream has told; what it tells next must be those that follow.
    n_told: usize,
}

impl Early {
    /// Begins a file that the first note of a stream tells of.
    ///
    /// # Errors
    /// [`VaultError`] of the stage.
    pub fn begin(
        space: &Space,
        vault: &dyn Vault,
        from: DeviceId,
        note: &Note,
    ) -> Result<Self, VaultError> {
        let tag = early_tag(note.node);
        vault.discard(&tag).or_else(ignore_missing)?;
        Ok(Self {
            from,
            stream: note.stream,
            number: 0,
            node: note.node,
            place: place_of(note),
            size: note.size,
            file: vault.stage_file(&tag)?,
            tag,
            sums: Some(Sums::keeping(space, note.size)),
            extents: Vec::new(),
            n_told: 0,
        })
    }

    /// True when the first note of another stream of `from` tells of the same file: its upload was begun anew.
    #[must_use]
    pub fn is_told_again(&self, from: DeviceId, note: &Note) -> bool {
        self.from == from && self.place == place_of(note) && self.size == note.size
    }

    /// Follows the stream that `note` begins; what is there is kept as far as it tells the same.
    pub fn follow(&mut self, note: &Note) {
        (self.stream, self.number, self.n_told) = (note.stream, 0, 0);
        self.node = note.node;
    }

    /// True when `from` sends it.
    #[must_use]
    pub fn is_from(&self, from: DeviceId) -> bool {
        self.from == from
    }

    /// True when `note` of `from` tells how this file goes on after `notes`.
    #[must_use]
    pub fn goes_on(&self, notes: &[Note], from: DeviceId, note: &Note) -> bool {
        let number = u64::from(self.number) + notes.len() as u64;
        (self.from, self.stream) == (from, note.stream) && u64::from(note.number) == number
    }

    /// The node whose file it is going to be.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// True when a version of this node may be what was begun.
    pub(crate) fn is_of(&self, node: NodeId, row: &RemoteRow) -> bool {
        self.node == node && self.size == size_of(&row.body)
    }
}

fn place_of(note: &Note) -> Place {
    Place {
        parent: note.parent,
        name: note.name.clone(),
    }
}

impl Fetcher<'_> {
    /// Writes what the next notes tell of behind what is there.
    ///
    /// # Errors
    /// [`FolderError`]; the file is then of no use any more.
    pub fn write_ahead(&mut self, early: &mut Early, notes: &[Note]) -> Result<(), FolderError> {
        let unusable = || VaultError::Changed { op: "write ahead" };
        let extents: Vec<Extent> = notes
            .iter()
            .flat_map(|note| &note.extents)
            .copied()
            .collect();
        let sums = early.sums.take().ok_or_else(unusable)?;
        let again = early.extents.get(early.n_told..).unwrap_or_default();
        let n_again = again.len().min(extents.len());
        if again[..n_again] != extents[..n_again] {
            return Err(unusable().into());
        }
        early.n_told += extents.len();
        let extents = &extents[n_again..];
        let mut staged = Staged(early.file.as_mut());
        let mut sink = Sink::new(&mut staged, sums);
        if add_up(extents.iter().map(Extent::len)) > early.size.saturating_sub(sink.at()) {
            return Err(unusable().into());
        }
        self.extents(extents, &mut sink)?;
        early.sums = Some(sink.into_sums());
        early.extents.extend(extents);
        early.number = early
            .number
            .saturating_add(u32::try_from(notes.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Writes the rest of a version behind what is there, and checks the whole against `content`.
    ///
    /// # Errors
    /// As [`Fetcher::write`]; with [`FolderError::Remote`] what is there is good and may be gone on with.
    pub(crate) fn write_on(
        &mut self,
        row: &RemoteRow,
        content: &Content,
        mut early: Early,
    ) -> (StageName, Box<dyn StagedFile>, Result<(), FolderError>) {
        let done = match early.sums.take() {
            Some(sums) => {
                let mut staged = Staged(early.file.as_mut());
                let sink = Sink::after(&mut staged, sums, &early.extents);
                self.fill(&row.body, None, content, sink)
            },
            None => Err(VaultError::Changed { op: "write ahead" }.into()),
        };
        (early.tag, early.file, done)
    }
}
