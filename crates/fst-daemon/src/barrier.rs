//! `fst wait`: everything on disk when it was called is committed, everything on the server is applied.
//!
//! Asks every folder for one more whole cycle that begins after the request ([`crate::worker`] keeps the
//! [`Ticket`]s) and waits for all of them. Invariant: a watcher is never trusted; a paused folder is not
//! waited for. Source: docs/design/decisions, `fst wait --synced` is a barrier.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::Reply;

use crate::board::{Board, Seat};
use crate::monotonic::Monotonic;
use crate::worker::Command;

/// Answers one waiter for one folder; dropping it unanswered means that the worker ended.
#[derive(Debug)]
pub(crate) struct Ticket {
    seat: usize,
    landed: Sender<usize>,
}

impl Ticket {
    /// The folder has nothing more to do.
    pub(crate) fn land(self) {
        // A waiter that gave up needs no answer.
        self.landed.send(self.seat).unwrap_or_default();
    }
}

/// Waits until all folders, or the one at `path`, have synced what exists now.
pub(crate) fn run_barrier(board: &Board, path: Option<&Path>, timeout: Duration) -> Reply {
    let seats = match board.seats_at(path) {
        Ok(seats) => seats,
        Err(error) => return Reply::Failed { problem: error.problem() },
    };
    let mut open: Vec<Option<Arc<Seat>>> = seats.into_iter().map(unpaused).collect();
    let (landed, landings) = mpsc::channel();
    for (seat, waiting) in open.iter().enumerate() {
        if let Some(waiting) = waiting {
            waiting.tell(Command::Barrier(Ticket { seat, landed: landed.clone() }));
        }
    }
    drop(landed);
    let clock = Monotonic::start();
    let deadline = clock.now().plus_ms(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    loop {
        match landings.recv_timeout(deadline.after(clock.now())) {
            Ok(seat) => open[seat] = None,
            // No ticket is left: every folder has landed, or was removed meanwhile.
            Err(RecvTimeoutError::Disconnected) => return Reply::Done,
            Err(RecvTimeoutError::Timeout) => return timed_out(&open),
        }
    }
}

fn unpaused(seat: Arc<Seat>) -> Option<Arc<Seat>> {
    let is_paused = seat.view().is_paused;
    (!is_paused).then_some(seat)
}

fn timed_out(open: &[Option<Arc<Seat>>]) -> Reply {
    let reasons: Vec<String> = open.iter().flatten().map(|seat| reason(seat)).collect();
    Reply::Failed { problem: Problem::new(ErrorCode::WaitTimedOut, reasons.join("; ")) }
}

fn reason(seat: &Seat) -> String {
    let (folder, pending) = seat.status();
    match &folder.stopped {
        Some(problem) => format!("{}: {}", folder.path, problem.detail),
        None => format!(
            "{}: {} to send, {} to receive, {} bytes ({})",
            folder.path, pending.uploads, pending.downloads, pending.bytes, folder.phase
        ),
    }
}
