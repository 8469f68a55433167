//! `fst wait`: everything on disk when it was called is committed, everything on the server is applied.
//!
//! Asks every folder for one more whole cycle that begins after the request ([`crate::worker`] keeps the
//! [`Ticket`]s) and waits for all of them. Invariant: a watcher is never trusted; a paused folder is not
//! waited for. Source: docs/design/commands.md §4.

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
        Err(error) => {
            return Reply::Failed {
                problem: error.problem(),
            };
        },
    };
    let mut open: Vec<Option<Arc<Seat>>> = seats.into_iter().map(unpaused).collect();
    let (landed, landings) = mpsc::channel();
    for (seat, waiting) in open.iter().enumerate() {
        if let Some(waiting) = waiting {
            waiting.tell(Command::Barrier(Ticket {
                seat,
                landed: landed.clone(),
            }));
        }
    }
    drop(landed);
    let clock = Monotonic::start();
    let deadline = clock
        .now()
        .plus_ms(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
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
    Reply::Failed {
        problem: Problem::new(ErrorCode::WaitTimedOut, reasons.join("; ")),
    }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use fst_client::config::{FolderConfig, Mode};

    use super::*;

    /// A board with one folder and the inbox of its worker.
    fn board(paused: bool) -> (Board, Receiver<Command>) {
        let (commands, inbox) = mpsc::channel();
        let config = FolderConfig {
            path: "/h/anna/Documents".into(),
            remote_path: "/Documents".to_owned(),
            mode: Mode::TwoWay,
            paused,
            ..FolderConfig::default()
        };
        let board = Board::default();
        board.set_seats(vec![Arc::new(Seat::new(config, commands))]);
        (board, inbox)
    }

    #[test]
    fn it_ends_when_the_folder_lands() {
        let (board, inbox) = board(false);
        std::thread::spawn(move || match inbox.recv() {
            Ok(Command::Barrier(ticket)) => ticket.land(),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            run_barrier(&board, None, Duration::from_secs(60)),
            Reply::Done
        );
    }

    #[test]
    fn it_does_not_wait_for_a_paused_folder() {
        let (board, _inbox) = board(true);
        assert_eq!(
            run_barrier(&board, None, Duration::from_secs(60)),
            Reply::Done
        );
    }

    #[test]
    fn it_gives_the_reason_when_time_is_over() {
        let (board, inbox) = board(false);
        let problem = Problem::new(ErrorCode::Unreachable, "connection refused");
        board.seats()[0].view().trouble = Some(problem);
        let reply = run_barrier(&board, None, Duration::from_millis(1));
        drop(inbox);
        let Reply::Failed { problem } = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(problem.error_code(), Some(ErrorCode::WaitTimedOut));
        assert_eq!(problem.detail, "/h/anna/Documents: connection refused");
    }

    #[test]
    fn a_folder_that_is_removed_meanwhile_is_not_waited_for() {
        let (board, inbox) = board(false);
        // The worker ends without an answer.
        std::thread::spawn(move || drop(inbox.recv()));
        assert_eq!(
            run_barrier(&board, None, Duration::from_secs(60)),
            Reply::Done
        );
    }
}
