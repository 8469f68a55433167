//! What other devices tell of files that they are still sending: the file is written meanwhile, into the stage.
//!
//! The daemon calls [`Folder::take_notes`] between cycles. Invariant: nothing of it shows in the folder before the commit, and
//! nothing depends on it: a note that is lost, late, forged or replayed costs some bytes and nothing else. One file at a
//! time. Not here: checking the file ([`crate::fetch`]). Source: docs/design/transfers.md.

use fst_crypto::space::open_note;
use fst_engine::scope::Replica as _;
use fst_proto::ids::DeviceId;
use fst_proto::note::Note;

use super::naming::is_kept_out;
use super::{Folder, FolderError};
use crate::config::Mode;
use crate::db::path_in;
use crate::fetch::{Early, Fetcher};

/// Silence after which a file that was begun is given up, milliseconds: an upload that rests that long begins anew.
const SILENCE_MS_MAX: u64 = 5 * 60 * 1000;

impl Folder {
    /// Fetches what sealed notes of other devices tell of. Whatever goes wrong, the file comes when it is committed.
    pub fn take_notes(&mut self, told: &[(DeviceId, Vec<u8>)]) {
        if let Err(error) = self.try_notes(told) {
            self.early = None;
            tracing::debug!(%error, "a file under way is not followed");
        }
    }

    fn try_notes(&mut self, told: &[(DeviceId, Vec<u8>)]) -> Result<(), FolderError> {
        let mut notes: Vec<Note> = Vec::new();
        for (from, sealed) in told {
            // One that does not open says nothing of the file that is being followed.
            let Ok(note) = open_note(&self.space.keys, *from, sealed) else {
                continue;
            };
            if note.number == 0 && self.is_beginning(*from, &note)? {
                self.write_ahead(&std::mem::take(&mut notes))?;
                self.begin(*from, &note)?;
            }
            let goes_on = |early: &Early| early.goes_on(&notes, *from, &note);
            if self.early.as_ref().is_some_and(goes_on) {
                notes.push(note);
            }
        }
        self.write_ahead(&notes)
    }

    fn write_ahead(&mut self, notes: &[Note]) -> Result<(), FolderError> {
        // Gone unless all goes well: what was written by half is of no use.
        if let Some(mut early) = self.early.take_if(|_| !notes.is_empty()) {
            let remote = self.seams.remote.as_ref();
            Fetcher::new(&self.space, remote, self.db.read()).write_ahead(&mut early, notes)?;
            self.early = Some(early);
            self.early_ms = self.seams.clock.now().0;
        }
        Ok(())
    }

    /// Whether a first note tells of a file that would come to this folder. Of two devices the first one is followed.
    fn is_beginning(&self, from: DeviceId, note: &Note) -> Result<bool, FolderError> {
        let is_free = self.early.as_ref().is_none_or(|early| early.is_from(from));
        let may_be = is_free && self.is_recovered && self.space.members.is_live(from);
        Ok(may_be && self.is_wanted(note)?)
    }

    /// Begins the file, or goes on with what an upload that was cut short has left of it.
    fn begin(&mut self, from: DeviceId, note: &Note) -> Result<(), FolderError> {
        match &mut self.early {
            Some(early) if early.is_told_again(from, note) => early.follow(note),
            early => {
                // The old one goes first: it may lie under the same tag.
                *early = None;
                let vault = self.seams.vault.as_ref();
                *early = Some(Early::begin(&self.space, vault, from, note)?);
            },
        }
        Ok(())
    }

    /// True for a new file that no rule keeps out.
    fn is_wanted(&self, note: &Note) -> Result<bool, FolderError> {
        let remote = self.db.read().remote();
        if self.settings.mode == Mode::UploadOnly || remote.node(note.node)?.is_some() {
            return Ok(false);
        }
        let dir = path_in(&remote, note.parent)?;
        Ok(dir.is_some_and(|dir| !is_kept_out(&self.rules, &dir, &note.name)))
    }

    /// Gives up a file that was not heard of for long.
    pub(super) fn drop_silent(&mut self) {
        let now = self.seams.clock.now().0;
        if now.abs_diff(self.early_ms) > SILENCE_MS_MAX {
            self.early = None;
        }
    }
}
