//! What the system tells of a folder between two looks.
//!
//! Invariant: a path is a hint where to look, never what is there; a watch that does not see everything is
//! said in status. Not here: when the next cycle runs (`fst-daemon`).

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use fst_engine::settle::Touch;
use fst_fs::watch::{LostReason, NotifyWatch, Watch as _, WatchEvent, Watching};
use fst_proto::path::RelPath;

use super::Folder;
use crate::scan::Reach;

/// What a watcher has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Something changed.
    Change(Touch),
    /// Changes may go unnoticed from now on.
    Lost,
}

impl Folder {
    /// Says that something may have changed at a path or below it.
    pub fn hint(&self, path: RelPath) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        hints.add(path, Reach::Below);
    }

    /// Watches the folder until the result is dropped; `notice` is called on the watcher's thread when there is
    /// something to [`Folder::follow`], and told whether the watch goes on.
    ///
    /// # Errors
    /// [`LostReason`] when the system cannot watch: cycles still find everything.
    pub fn start_watch(
        &self,
        notice: impl Fn(Watched) + Send + 'static,
    ) -> Result<Box<dyn Watching>, LostReason> {
        self.status.note_watch(None);
        let (status, hints) = (self.status.clone(), Arc::clone(&self.hints));
        let urgent = self.urgent();
        let on_event = move |event| {
            let mut places = hints.lock().unwrap_or_else(PoisonError::into_inner);
            let watched = match event {
                WatchEvent::Changed(path) => {
                    places.add(path, Reach::Below);
                    Watched::Change(Touch::Other)
                },
                WatchEvent::Closed(path) => {
                    places.add(path, Reach::Below);
                    Watched::Change(Touch::Closed)
                },
                WatchEvent::Renamed(path) => {
                    places.add(path, Reach::Below);
                    Watched::Change(Touch::Renamed)
                },
                WatchEvent::Overflow => {
                    places.add_everything();
                    Watched::Change(Touch::Other)
                },
                WatchEvent::Lost(reason) => {
                    places.add_everything();
                    status.note_watch(Some(&reason));
                    Watched::Lost
                },
            };
            drop(places);
            urgent.store(true, Ordering::Release);
            notice(watched);
        };
        let started = NotifyWatch.start(Path::new(&self.settings.path), Box::new(on_event));
        started.inspect_err(|reason| self.status.note_watch(Some(reason)))
    }
}
