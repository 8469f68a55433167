//! One folder's thread: waits for a reason, runs cycles until nothing is left, shows what it knows.
//!
//! Started by [`crate::supervisor`]; when to run is decided by [`Pace`]; a cycle is `fst_client::Folder::cycle`.
//! Invariant: whatever a cycle does, even a panic, the worker goes on and other folders do not notice.
//! A barrier is answered only by a cycle that began after it arrived.
//! Not here: threads of watchers, the event stream ([`crate::remote`]).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

use fst_client::clock::SystemClock;
use fst_client::dirs::Dirs;
use fst_client::folder::{Change, Watched};
use fst_client::remote::throttle::Throttle;
use fst_client::{Client, ClientError, Folder, FolderError, Outcome};
use fst_engine::settle::Touch;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::FolderStatus;
use fst_proto::time::Clock as _;

use crate::barrier::Ticket;
use crate::board::{Board, Seat, View, is_network};
use crate::feed;
use crate::monotonic::Monotonic;
use crate::monotonic::Tick;
use crate::news::News;
use crate::pace::{Ending, Event, Jitter, Pace, RESCAN_MS};

/// Commands taken before a cycle that is due: a busy writer must not hold it off.
const COMMANDS_PER_CYCLE_MAX: usize = 256;

/// Rest after a look at the whole folder, per time it took: one part in a thousand is spent on it.
const FULL_REST_PER_MS: u64 = 1000;

/// Longest time between two looks at the whole folder.
const FULL_LOOK_MS_MAX: u64 = 60 * 60 * 1000;

/// What a worker can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// The watcher saw something.
    LocalChange,
    /// The server has news of this space.
    RemoteChange,
    /// Another device told something that waits at the seat.
    Noted,
    /// The server answers again.
    Reconnected,
    /// Sync what exists now, then answer.
    Barrier(Ticket),
    /// Stand still.
    Pause,
    /// Go on.
    Resume {
        /// The deletions that stopped the folder are meant.
        accept_deletions: bool,
    },
    /// Compare everything anew.
    Resync,
    /// End after the current cycle.
    Stop,
}

/// One folder's thread.
pub(crate) struct Worker {
    /// Where commands for it are sent and its state is shown.
    pub seat: Arc<Seat>,
    /// The client's directories.
    pub dirs: Dirs,
    /// The line to the server.
    pub line: Arc<Throttle>,
    /// Notes whether the server answers.
    pub board: Arc<Board>,
    /// Commands.
    pub inbox: Receiver<Command>,
    /// The other end of `inbox`, for the watcher.
    pub own: Sender<Command>,
    /// Randomness of pauses.
    pub jitter: Jitter,
}

struct Running {
    worker: Worker,
    clock: Monotonic,
    pace: Pace,
    /// Asked for, not yet covered by a cycle.
    asked: Vec<Ticket>,
    /// Covered by the cycles that run since.
    covered: Vec<Ticket>,
    open: Option<OpenFolder>,
    wish: Wish,
    news: Arc<News>,
    /// Cleared by a watcher that does not see everything any more.
    is_watched: Arc<AtomicBool>,
    /// When the whole folder is looked at again although nothing tells to.
    full_due: Tick,
    /// The folder as followers were told of it.
    told: FolderStatus,
    is_ending: bool,
}

struct OpenFolder {
    folder: Folder,
    /// Followers were told of the changes before it.
    position: u64,
    /// Ends the watcher when dropped; without one the whole folder is looked at every minute.
    _watch: Option<Box<dyn Any + Send>>,
}

/// What the next open folder is to be told before its cycle.
#[derive(Default)]
struct Wish {
    accept_deletions: bool,
    distrust_cache: bool,
}

/// Where a cycle looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// At the whole folder.
    Everything,
    /// Where the watcher saw something.
    Hints,
}

/// Why a cycle failed.
struct Fault {
    problem: Box<Problem>,
    is_retryable: bool,
}

impl Worker {
    /// Runs until [`Command::Stop`].
    pub(crate) fn run(self) {
        let clock = Monotonic::start();
        let running = Running {
            worker: self,
            clock,
            pace: Pace::new(clock.now()),
            asked: Vec::new(),
            covered: Vec::new(),
            open: None,
            wish: Wish::default(),
            news: Arc::default(),
            is_watched: Arc::new(AtomicBool::new(false)),
            full_due: clock.now(),
            told: FolderStatus::default(),
            is_ending: false,
        };
        running.run();
    }
}

impl Running {
    fn run(mut self) {
        while !self.is_ending {
            match self.next_command() {
                Some(command) => self.obey(command),
                None => self.run_due_cycle(),
            }
        }
    }

    /// The next command, or `None` when a cycle is due first.
    fn next_command(&self) -> Option<Command> {
        let inbox = &self.worker.inbox;
        if self.worker.seat.view().is_paused {
            return Some(inbox.recv().unwrap_or(Command::Stop));
        }
        let rest = self.pace.due().after(self.clock.now());
        if rest.is_zero() {
            return None;
        }
        match inbox.recv_timeout(rest) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Command::Stop),
        }
    }

    fn run_due_cycle(&mut self) {
        let queued: Vec<Command> = self
            .worker
            .inbox
            .try_iter()
            .take(COMMANDS_PER_CYCLE_MAX)
            .collect();
        for command in queued {
            match command {
                // What is due comes first: a note takes as long as a page takes.
                Command::Noted => self.worker.own.send(command).unwrap_or_default(),
                command => self.obey(command),
            }
        }
        let is_due = self.pace.due() <= self.clock.now();
        if is_due && !self.is_ending && !self.worker.seat.view().is_paused {
            self.run_cycle();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::LocalChange => {
                let touch = self.news.take();
                self.on(Event::LocalChange(touch));
            },
            Command::RemoteChange | Command::Reconnected => self.on(Event::Poke),
            Command::Noted => self.take_notes(),
            Command::Barrier(ticket) => self.queue(ticket),
            Command::Pause => self.pause(),
            Command::Resume { accept_deletions } => {
                self.wish.accept_deletions |= accept_deletions;
                self.worker.seat.view().is_paused = false;
                self.tell();
                self.on(Event::Poke);
            },
            Command::Resync => {
                self.wish.distrust_cache = true;
                self.worker.seat.view().is_settled = false;
                self.on(Event::Poke);
            },
            Command::Stop => self.is_ending = true,
        }
    }

    fn on(&mut self, event: Event) {
        self.pace.on(self.clock.now(), event);
    }

    fn queue(&mut self, ticket: Ticket) {
        if self.worker.seat.view().is_paused {
            return ticket.land();
        }
        self.asked.push(ticket);
        self.on(Event::Poke);
    }

    /// Notes that come while nothing is open, or while the folder is paused, are of no use later.
    fn take_notes(&mut self) {
        let told = self.worker.seat.take_notes();
        let is_paused = self.worker.seat.view().is_paused;
        if let Some(open) = self.open.as_mut().filter(|_| !is_paused) {
            // As in a cycle: a bug here must not take other folders down.
            let taken = catch_unwind(AssertUnwindSafe(|| open.folder.take_notes(&told)));
            if taken.is_err() {
                self.close();
            }
        }
    }

    fn pause(&mut self) {
        self.worker.seat.view().is_paused = true;
        self.asked
            .drain(..)
            .chain(self.covered.drain(..))
            .for_each(Ticket::land);
        self.tell();
    }

    fn run_cycle(&mut self) {
        self.pace.begin(self.clock.now());
        let scope = self.scope();
        self.covered.append(&mut self.asked);
        let begun = self.clock.now();
        let result = self.try_cycle(scope);
        if scope == Scope::Everything && result.is_ok() {
            self.full_due = next_full(begun, self.clock.now());
        }
        let ending = match result {
            Ok(Outcome::Quiet | Outcome::Waiting) => self.settled(),
            Ok(Outcome::Progress) => self.progressed(),
            // A file that is being written all the time is read at a slowing pace, not in a tight loop.
            Ok(Outcome::Unsettled) => {
                self.progressed();
                Ending::Retry {
                    jitter: self.worker.jitter.draw(),
                }
            },
            Err(fault) => self.failed(fault),
        };
        self.on(Event::Ended(ending));
        self.tell();
    }

    /// Tells followers which changes the log gained, and what became of the folder.
    fn tell(&mut self) {
        let changes = self.take_changes();
        let (status, _) = self.worker.seat.status();
        let changes = changes.into_iter();
        let changes = changes.map(|change| feed::of_change(&status.path, change));
        let events = changes.chain(feed::between(&self.told, &status));
        self.worker.board.feed().tell(events);
        self.told = status;
    }

    fn take_changes(&mut self) -> Vec<Change> {
        let Some(open) = &mut self.open else {
            return Vec::new();
        };
        let known = open.position;
        let read = open.folder.position().and_then(|position| {
            open.position = position;
            if position == known {
                return Ok(Vec::new());
            }
            open.folder.changes_from(known)
        });
        // A database that cannot be read fails the next cycle too, and that is told.
        read.unwrap_or_default()
    }

    /// A barrier does not trust the watcher, and nobody does when it is gone.
    fn scope(&self) -> Scope {
        let is_due = self.full_due <= self.clock.now();
        let is_blind = !self.is_watched.load(Ordering::Acquire);
        if is_due || is_blind || !self.asked.is_empty() {
            Scope::Everything
        } else {
            Scope::Hints
        }
    }

    fn settled(&mut self) -> Ending {
        self.worker.board.connected();
        self.show(|view| {
            view.trouble = None;
            view.is_settled = true;
        });
        self.covered.drain(..).for_each(Ticket::land);
        Ending::Settled
    }

    fn progressed(&mut self) -> Ending {
        self.worker.board.connected();
        self.show(|view| {
            view.trouble = None;
            view.is_settled = false;
        });
        Ending::Progress
    }

    fn failed(&mut self, fault: Fault) -> Ending {
        // A later cycle must cover these: this one proved nothing.
        self.asked.append(&mut self.covered);
        let code = fault.problem.error_code();
        tracing::warn!(
            code = fault.problem.code,
            retry = fault.is_retryable,
            "cycle failed"
        );
        tracing::debug!(detail = fault.problem.detail, "cycle failed");
        if code.is_some_and(is_network) {
            let detail = fault.problem.detail.clone();
            self.worker.board.disconnected(detail, SystemClock.now());
        }
        if code.is_some_and(needs_new_handles) {
            self.close();
        }
        self.show(|view| view.trouble = Some(*fault.problem));
        if fault.is_retryable {
            Ending::Retry {
                jitter: self.worker.jitter.draw(),
            }
        } else {
            Ending::Stopped
        }
    }

    fn show(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.worker.seat.view());
    }

    fn try_cycle(&mut self, scope: Scope) -> Result<Outcome, Fault> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_folder()?,
        };
        if std::mem::take(&mut self.wish.accept_deletions) {
            open.folder.accept_deletions();
        }
        if std::mem::take(&mut self.wish.distrust_cache) {
            open.folder
                .distrust_cache()
                .map_err(|error| Fault::from(&error))?;
        }
        // A bug in one cycle must not take the other folders down. The folder is dropped then, with
        // whatever state it was in, and opened anew from what is on disk.
        let result = catch_unwind(AssertUnwindSafe(|| match scope {
            Scope::Everything => open.folder.cycle(),
            Scope::Hints => open.folder.follow(),
        }));
        let result = result.map_err(|_| Fault::panicked())?;
        self.open = Some(open);
        result.map_err(|error| Fault::from(&error))
    }

    fn open_folder(&self) -> Result<OpenFolder, Fault> {
        let client = Client::open_on(&self.worker.dirs, &self.worker.line);
        let client = client.map_err(|error| Fault::from(&error))?;
        let folder = client.open_folder(&self.worker.seat.config);
        let folder = folder.map_err(|error| Fault::from(&error))?;
        let position = folder.position().map_err(|error| Fault::from(&error))?;
        self.worker.board.count_devices(folder.device_count());
        let notice = self.notice_change();
        self.is_watched.store(true, Ordering::Release);
        let is_watched = Arc::clone(&self.is_watched);
        let watch = folder.start_watch(move |watched| match watched {
            Watched::Change(touch) => notice(touch),
            Watched::Lost => {
                is_watched.store(false, Ordering::Release);
                notice(Touch::Other);
            },
        });
        if let Err(error) = &watch {
            self.is_watched.store(false, Ordering::Release);
            tracing::warn!(%error, "no watcher: the folder is looked at every minute");
        }
        self.show(|view| {
            view.handle = Some(folder.status_handle());
            view.urgent = Some(folder.urgent());
            view.space = Some(folder.space());
        });
        let watch = watch
            .ok()
            .map(|watch| Box::new(watch) as Box<dyn Any + Send>);
        Ok(OpenFolder {
            position,
            folder,
            _watch: watch,
        })
    }

    /// At most one notice is queued at a time, however busy the folder is.
    fn notice_change(&self) -> impl Fn(Touch) + Send + 'static {
        let (own, news) = (self.worker.own.clone(), Arc::clone(&self.news));
        move |touch| {
            if news.note(touch) {
                own.send(Command::LocalChange).unwrap_or_default();
            }
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.news.take();
    }
}

/// Looking at the whole folder takes a small share of the time, and is done often enough all the same.
fn next_full(begun: Tick, ended: Tick) -> Tick {
    let took_ms = ended.0.saturating_sub(begun.0);
    let rest = took_ms.saturating_mul(FULL_REST_PER_MS);
    ended.plus_ms(rest.clamp(RESCAN_MS, FULL_LOOK_MS_MAX))
}

/// Whether handles on the old root are of no use any more.
fn needs_new_handles(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::RootMissing | ErrorCode::RootReplaced | ErrorCode::ReadOnlyRoot
    )
}

impl Fault {
    fn panicked() -> Self {
        let problem = Problem::new(
            ErrorCode::Internal,
            "a cycle ended in a panic, see daemon.log",
        );
        Self {
            problem: Box::new(problem),
            is_retryable: true,
        }
    }
}

impl From<&ClientError> for Fault {
    fn from(error: &ClientError) -> Self {
        // Another command that syncs this folder now will be done soon.
        let is_retryable = error.is_retryable() || error.code() == ErrorCode::Locked;
        Self {
            problem: Box::new(error.problem()),
            is_retryable,
        }
    }
}

impl From<&FolderError> for Fault {
    fn from(error: &FolderError) -> Self {
        Self {
            problem: Box::new(error.problem()),
            is_retryable: error.is_retryable(),
        }
    }
}
