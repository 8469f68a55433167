//! A watch that says what a test tells it to.
//!
//! Given to the client in place of [`super::NotifyWatch`].
//! Invariant: an event reaches every watch that is running, in the order of the calls; none after its drop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{LostReason, OnEvent, Watch, WatchEvent, Watching};

/// Watches that are told what happened. Clones share their watches.
#[derive(Debug, Clone, Default)]
pub struct ScriptedWatch {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    running: BTreeMap<u64, OnEvent>,
    n_started: u64,
    refusal: Option<LostReason>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("n_running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl ScriptedWatch {
    /// No watch is running yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every running watch the event that `make` makes.
    ///
    /// Do not call it from inside a watch's own handler.
    pub fn emit(&self, make: impl Fn() -> WatchEvent) {
        for on_event in self.lock().running.values() {
            on_event(make());
        }
    }

    /// Number of watches running.
    #[must_use]
    pub fn n_running(&self) -> usize {
        self.lock().running.len()
    }

    /// Makes the next start fail.
    pub fn refuse_next(&self, reason: LostReason) {
        self.lock().refusal = Some(reason);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for ScriptedWatch {
    fn start(&self, _root: &Path, on_event: OnEvent) -> Result<Box<dyn Watching>, LostReason> {
        let mut shared = self.lock();
        if let Some(reason) = shared.refusal.take() {
            return Err(reason);
        }
        shared.n_started += 1;
        let number = shared.n_started;
        shared.running.insert(number, on_event);
        drop(shared);
        Ok(Box::new(Scripted {
            watch: self.clone(),
            number,
        }))
    }
}

#[derive(Debug)]
struct Scripted {
    watch: ScriptedWatch,
    number: u64,
}

impl Watching for Scripted {}

impl Drop for Scripted {
    fn drop(&mut self) {
        let ended = self.watch.lock().running.remove(&self.number);
        drop(ended);
    }
}
