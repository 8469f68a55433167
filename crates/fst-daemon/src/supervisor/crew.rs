//! The workers: which folders have one, hiring and dismissing.
//!
//! Used by the supervisor alone. Invariant: one worker per folder path; a folder whose configuration
//! changed gets a new worker after the old one gave its locks back.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use fst_client::config::FolderConfig;
use fst_client::dirs::Dirs;
use fst_client::remote::throttle::Throttle;

use crate::board::{Board, Seat};
use crate::monotonic::Monotonic;
use crate::pace::Jitter;
use crate::worker::{Command, Worker};

/// Longest time a stop waits for cycles to end.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(4);

/// All workers, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Crew(Vec<Hired>);

/// What every worker is given.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    /// The client's directories.
    pub dirs: &'a Dirs,
    /// The line to the server.
    pub line: &'a Arc<Throttle>,
    /// Folders and the server's state.
    pub board: &'a Arc<Board>,
}

#[derive(Debug)]
struct Hired {
    seat: Arc<Seat>,
    /// Disconnected when the worker has ended and given its locks back.
    gone: Receiver<Infallible>,
}

impl Crew {
    /// The seats, in the order of the configuration.
    pub(super) fn seats(&self) -> Vec<Arc<Seat>> {
        self.0.iter().map(|hired| Arc::clone(&hired.seat)).collect()
    }

    /// Makes the workers fit `folders`: ends those that are not wanted any more, begins new ones.
    ///
    /// `false` when a worker that was to end is still in a long step; it ends after that.
    pub(super) fn seat(
        &mut self,
        folders: &[FolderConfig],
        shared: &Shared<'_>,
        seed: u64,
    ) -> bool {
        let (mut kept, leaving): (Vec<_>, Vec<_>) = self
            .0
            .drain(..)
            .partition(|hired| folders.iter().any(|f| is_same(f, hired)));
        let have_left = Self(leaving).dismiss(DRAIN_LIMIT);
        for (folder, number) in folders.iter().zip(1..) {
            let known = kept
                .iter()
                .position(|hired| hired.seat.config.path == folder.path);
            let hired = match known {
                Some(at) => kept.swap_remove(at).told_of(folder),
                None => hire(folder, shared, Jitter::new(seed ^ number)),
            };
            self.0.push(hired);
        }
        have_left
    }

    /// Ends all workers; `false` when some were still busy at the limit.
    pub(super) fn dismiss(&mut self, limit: Duration) -> bool {
        for hired in &self.0 {
            hired.seat.tell(Command::Stop);
        }
        let clock = Monotonic::start();
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let deadline = clock.now().plus_ms(limit_ms);
        self.0.drain(..).all(|hired| {
            let end = hired.gone.recv_timeout(deadline.after(clock.now()));
            end == Err(RecvTimeoutError::Disconnected)
        })
    }
}

impl Hired {
    /// A pause that was written into the configuration by hand.
    fn told_of(self, folder: &FolderConfig) -> Self {
        let is_paused = self.seat.view().is_paused;
        match (is_paused, folder.paused) {
            (false, true) => self.seat.tell(Command::Pause),
            (true, false) => self.seat.tell(Command::Resume {
                accept_deletions: false,
            }),
            (true, true) | (false, false) => {},
        }
        self
    }
}

/// Pausing is told to a worker, not a reason for a new one.
fn is_same(folder: &FolderConfig, hired: &Hired) -> bool {
    let now = &hired.seat.config;
    now.path == folder.path
        && now.remote_path == folder.remote_path
        && now.mode == folder.mode
        && now.ignore == folder.ignore
        && now.chosen == folder.chosen
        && now.conflicts == folder.conflicts
}

fn hire(folder: &FolderConfig, shared: &Shared<'_>, jitter: Jitter) -> Hired {
    let (commands, inbox) = mpsc::channel();
    let (alive, gone) = mpsc::channel::<Infallible>();
    let seat = Arc::new(Seat::new(folder.clone(), commands.clone()));
    let worker = Worker {
        seat: Arc::clone(&seat),
        dirs: shared.dirs.clone(),
        line: Arc::clone(shared.line),
        board: Arc::clone(shared.board),
        inbox,
        own: commands,
        jitter,
    };
    std::thread::spawn(move || {
        worker.run();
        drop(alive);
    });
    Hired { seat, gone }
}
