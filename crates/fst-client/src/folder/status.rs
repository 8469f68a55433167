//! What a folder tells other threads about itself.
//!
//! Invariant: cheap to read, never waits for the cycle; words are those of `fst status --json`.

use std::sync::{Arc, Mutex, PoisonError};

use fst_engine::plan::{DiskStep, Plan, PushKind};
use fst_fs::watch::LostReason;
use fst_proto::entry::Kind;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::{FolderStatus, PathProblem, Pending};

use super::{Outcome, Settings};
use crate::db::Totals;
use crate::error::{FolderError, chain};

/// Problems listed in status; the rest is counted by their absence from the list.
const PROBLEMS_SHOWN_MAX: usize = 1000;

/// A folder's state, shared between its worker and whoever asks.
#[derive(Debug, Clone)]
pub struct StatusHandle {
    shared: Arc<Mutex<(FolderStatus, Pending)>>,
}

impl StatusHandle {
    pub(super) fn new(settings: &Settings, (totals, last_time_ms): (Totals, u64)) -> Self {
        let mut status = FolderStatus {
            path: settings.path.clone(),
            remote_path: settings.remote_path.clone(),
            mode: settings.mode.as_str().to_owned(),
            state: "syncing".to_owned(),
            ..FolderStatus::default()
        };
        count(&mut status, totals, last_time_ms);
        Self {
            shared: Arc::new(Mutex::new((status, Pending::default()))),
        }
    }

    /// The state now.
    #[must_use]
    pub fn read(&self) -> (FolderStatus, Pending) {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut FolderStatus, &mut Pending)) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, pending) = &mut *shared;
        change(status, pending);
    }

    /// Says why not every change is told by the system; `None` when all are again.
    pub(super) fn note_watch(&self, lost: Option<&LostReason>) {
        let problem = lost.map(|reason| Problem {
            next: reason.next_step().to_owned(),
            ..Problem::new(ErrorCode::NotWatched, chain(reason))
        });
        self.change(|status, _| status.watch = problem);
    }

    pub(super) fn note_phase(&self, phase: &str) {
        self.change(|status, _| phase.clone_into(&mut status.phase));
    }

    pub(super) fn note_plan(&self, plan: &Plan) {
        let mut next = Pending::default();
        for op in &plan.push {
            if let PushKind::Put {
                content,
                size,
                bytes,
                ..
            } = &op.kind
                && content.kind != Kind::Dir
            {
                next.uploads += 1;
                next.bytes += if bytes.is_some() { *size } else { 0 };
            }
        }
        let writes = plan
            .steps
            .iter()
            .filter(|step| matches!(step, DiskStep::Write { .. }));
        next.downloads = writes.count() as u64;
        let is_busy = !plan.steps.is_empty() || !plan.push.is_empty();
        self.change(|status, pending| {
            *pending = next;
            if is_busy {
                "syncing".clone_into(&mut status.state);
            }
        });
    }

    pub(super) fn note_saved(&self, bytes: u64) {
        self.change(|status, _| status.saved_bytes = bytes);
    }

    pub(super) fn note_end(
        &self,
        result: &Result<Outcome, FolderError>,
        (totals, last_time_ms): (Totals, u64),
        problems: &[PathProblem],
    ) {
        self.change(|status, pending| {
            status.phase.clear();
            status.stopped = None;
            match result {
                Ok(outcome) => {
                    count(status, totals, last_time_ms);
                    status.problems = problems.iter().take(PROBLEMS_SHOWN_MAX).cloned().collect();
                    word(*outcome, problems).clone_into(&mut status.state);
                    if *outcome != Outcome::Progress {
                        *pending = Pending::default();
                    }
                },
                Err(error) => {
                    let is_offline = matches!(error, FolderError::Remote(_));
                    let word = if is_offline { "offline" } else { "error" };
                    word.clone_into(&mut status.state);
                    status.stopped = Some(error.problem());
                },
            }
        });
    }
}

fn word(outcome: Outcome, problems: &[PathProblem]) -> &'static str {
    match outcome {
        Outcome::Progress | Outcome::Unsettled => "syncing",
        Outcome::Quiet if problems.is_empty() => "idle",
        Outcome::Quiet | Outcome::Waiting => "attention",
    }
}

fn count(status: &mut FolderStatus, totals: Totals, last_time_ms: u64) {
    status.files = totals.files;
    status.bytes = totals.bytes;
    status.conflicts = totals.copies;
    status.last_change_ms = last_time_ms;
}
