//! Runs the daemon: lock, embedded server, client, socket, one worker per folder; then answers until told to stop.
//!
//! Called by `fst daemon start --foreground`. Phases of a start are the functions of [`Daemon::run`] in
//! their order; each may end it with an error before anything is announced.
//! Invariant: at most one daemon per state directory; a stop is over within [`DRAIN_LIMIT`] plus what the
//! embedded server needs. Not here: cycles ([`crate::worker`]), reading requests ([`crate::ipc`]).

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use fst_client::Client;
use fst_client::clock::SystemClock;
use fst_client::config::{Config, EmbeddedServer, FolderConfig};
use fst_client::dirs::Dirs;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::{Reply, Request};
use fst_proto::time::Clock as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::DaemonError;
use crate::board::Board;
use crate::ipc::{Call, serve};
use crate::lock::DaemonLock;
use crate::pace::Jitter;
use crate::record::DaemonRecord;
use crate::remote::Listener;
use crate::socket::ControlSocket;
use crate::speed::Speed;
use crate::supervisor::crew::{Crew, DRAIN_LIMIT, Shared};
use crate::supervisor::stamp::Stamp;
use crate::worker::Command;

mod crew;
mod stamp;

/// How often the configuration file is looked at: an edit is in force before its writer looks for it.
const CONFIG_LOOK: Duration = Duration::from_secs(1);

/// The daemon of one client.
#[derive(Debug, Clone, Copy)]
pub struct Daemon;

/// Why a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// `fst daemon stop`.
    Asked,
    /// SIGTERM or SIGINT.
    Signal,
}

/// A server that lives inside this process.
pub trait ServerHandle: Send {
    /// Stops it: requests in flight end, new ones are refused. Returns when its data is at rest.
    fn stop(self: Box<Self>);
}

/// Starts the server that the configuration asks for.
pub type StartServer =
    Box<dyn FnOnce(&EmbeddedServer) -> Result<Box<dyn ServerHandle>, Box<Problem>> + Send>;

/// Told once where the daemon listens.
pub type OnReady = Box<dyn FnOnce(&DaemonRecord) + Send>;

/// What the face that starts the daemon brings along.
#[derive(Default)]
pub struct Hooks {
    /// Starts the embedded server; `None` in a build without one.
    pub start_server: Option<StartServer>,
    /// Called once, when the daemon can be talked to.
    pub on_ready: Option<OnReady>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("start_server", &self.start_server.is_some())
            .field("on_ready", &self.on_ready.is_some())
            .finish()
    }
}

/// What reaches the supervisor.
enum Event {
    Call(Call),
    Signal,
    Hangup,
}

impl From<Call> for Event {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

impl Daemon {
    /// Runs until stopped; returns when every worker is at rest.
    ///
    /// # Errors
    /// [`DaemonError::Locked`] when another daemon serves these directories; [`DaemonError::Client`] when
    /// the device is not set up and no embedded server is configured, or its files are damaged;
    /// [`DaemonError::Refused`] when the embedded server does not start; [`DaemonError::File`] for sockets.
    pub fn run(dirs: &Dirs, hooks: Hooks) -> Result<ExitReason, DaemonError> {
        let lock = DaemonLock::take(dirs)?;
        // A daemon that was killed left its record; nobody may take that process id for ours.
        DaemonRecord::remove(dirs);
        let config = Config::load_or_last_good(dirs)?;
        let server = start_server(&config, hooks.start_server)?;
        let client = open_client(dirs, server.is_some())?;
        let (events, inbox) = mpsc::channel();
        catch_signals(&events)?;
        let socket = ControlSocket::bind(dirs, std::env::var_os("XDG_RUNTIME_DIR"))?;
        let record = announce(dirs, &socket)?;
        let mut supervisor = Supervisor::new(dirs.clone(), Jitter::new(seed()));
        let traces = (socket.path.clone(), socket.own_dir());
        if let Some(client) = &client {
            supervisor.adopt(client);
        }
        // Only now: a barrier that came before the folders would have nothing to wait for.
        spawn_server(socket, Arc::clone(&supervisor.board), events);
        if let Some(on_ready) = hooks.on_ready {
            on_ready(&record);
        }
        let reason = supervisor.run(&inbox);
        supervisor.drain();
        supervisor.board.feed().end();
        if let Some(server) = server {
            server.stop();
        }
        clean_up(dirs, &traces);
        drop(lock);
        tracing::info!(?reason, "stopped");
        Ok(reason)
    }
}

fn start_server(
    config: &Config,
    start: Option<StartServer>,
) -> Result<Option<Box<dyn ServerHandle>>, DaemonError> {
    match (&config.embedded_server, start) {
        (None, _) => Ok(None),
        (Some(wanted), Some(start)) => start(wanted).map(Some).map_err(DaemonError::Refused),
        (Some(_), None) => {
            let detail = "the configuration asks for an embedded server; this build has none";
            Err(DaemonError::refused(ErrorCode::BadConfig, detail))
        },
    }
}

/// A daemon with an embedded server may run before the device is set up: `fst up` needs it to.
fn open_client(dirs: &Dirs, has_server: bool) -> Result<Option<Client>, DaemonError> {
    match Client::open_or_last_good(dirs) {
        Ok(client) => Ok(Some(client)),
        Err(error) if has_server && error.code() == ErrorCode::NotInitialised => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn catch_signals(events: &Sender<Event>) -> Result<(), DaemonError> {
    let failed = |source| DaemonError::File {
        what: "catch signals for",
        path: "/".into(),
        source,
    };
    // The first signal drains; a second one ends the process at once.
    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        let armed = Arc::clone(&is_second);
        signal_hook::flag::register_conditional_shutdown(signal, 130, armed).map_err(failed)?;
        signal_hook::flag::register(signal, Arc::clone(&is_second)).map_err(failed)?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(failed)?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in &mut signals {
            let event = match signal {
                SIGHUP => Event::Hangup,
                _ => Event::Signal,
            };
            events.send(event).unwrap_or_default();
        }
    });
    Ok(())
}

fn announce(dirs: &Dirs, socket: &ControlSocket) -> Result<DaemonRecord, DaemonError> {
    let record = DaemonRecord {
        pid: std::process::id(),
        socket: socket.path.clone(),
        started_at: SystemClock.now().0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    record.write(dirs)?;
    tracing::info!(pid = record.pid, version = record.version, "started");
    Ok(record)
}

fn spawn_server(socket: ControlSocket, board: Arc<Board>, events: Sender<Event>) {
    std::thread::spawn(move || serve(&socket.listener, &board, &events));
}

fn clean_up(dirs: &Dirs, (socket, own_dir): &(PathBuf, Option<PathBuf>)) {
    DaemonRecord::remove(dirs);
    ControlSocket::remove(socket, own_dir.as_deref());
}

fn seed() -> u64 {
    SystemClock.now().0 ^ (u64::from(std::process::id()) << 32)
}

struct Supervisor {
    dirs: Dirs,
    /// The same as they were before a server was pinned to them.
    file: Option<Dirs>,
    board: Arc<Board>,
    crew: Crew,
    speed: Speed,
    jitter: Jitter,
    /// Hanging up ends the listener.
    listener: Option<Sender<Infallible>>,
    /// The configuration file as it was read.
    config_seen: Stamp,
}

impl Supervisor {
    fn new(dirs: Dirs, jitter: Jitter) -> Self {
        Self {
            config_seen: Stamp::of(&dirs),
            dirs,
            file: None,
            board: Arc::default(),
            crew: Crew::default(),
            speed: Speed::default(),
            jitter,
            listener: None,
        }
    }

    /// Takes up an account: its folders and its event stream.
    fn adopt(&mut self, client: &Client) {
        self.board
            .introduce(client.server_url(), client.device_name());
        let trouble = self.pin_server(client.server_url());
        self.speed.configure(&client.config().performance);
        self.seat(&client.config().folders);
        // Last: who sees that the file is in force sees what follows from it.
        let trouble = client.config().trouble.clone().or(trouble);
        self.board.note_config(trouble);
        if self.listener.is_none() {
            self.listener = Some(self.listen());
        }
    }

    /// A daemon talks to one server all its life: the one it began with counts before what the file says later.
    fn pin_server(&mut self, url: &str) -> Option<Problem> {
        let Some(file) = &self.file else {
            self.file = Some(self.dirs.clone());
            self.dirs.variables.set("FST_SERVER__URL", url);
            return None;
        };
        let wanted = Config::load_or_last_good(file).ok()?.server_url?;
        let detail = format!("server.url is {wanted}; the daemon talks to {url}");
        (wanted != url).then(|| Problem::new(ErrorCode::NeedsRestart, detail))
    }

    fn seat(&mut self, folders: &[FolderConfig]) -> bool {
        let seed = u64::from(self.jitter.draw()) << 16;
        let is_paused = self.speed.is_paused();
        let folders = folders.iter().cloned().map(|mut folder| {
            folder.paused |= is_paused;
            folder
        });
        let folders: Vec<FolderConfig> = folders.collect();
        let shared = Shared {
            dirs: &self.dirs,
            line: self.speed.line(),
            board: &self.board,
        };
        let have_left = self.crew.seat(&folders, &shared, seed);
        self.board.set_seats(self.crew.seats());
        have_left
    }

    fn listen(&mut self) -> Sender<Infallible> {
        let (hold, end) = mpsc::channel();
        let listener = Listener {
            dirs: self.dirs.clone(),
            line: Arc::clone(self.speed.line()),
            board: Arc::clone(&self.board),
            end,
            jitter: Jitter::new(seed()),
        };
        std::thread::spawn(move || listener.run());
        hold
    }

    fn run(&mut self, inbox: &Receiver<Event>) -> ExitReason {
        loop {
            let rest = self.speed.rest().min(CONFIG_LOOK);
            match inbox.recv_timeout(rest) {
                Ok(Event::Call(call)) => {
                    let is_stop = call.request == Request::Stop;
                    let reply = if is_stop {
                        Reply::Done
                    } else {
                        self.answer(&call.request)
                    };
                    // A command that gave up needs no answer.
                    call.reply.send(reply).unwrap_or_default();
                    if is_stop {
                        return ExitReason::Asked;
                    }
                },
                Ok(Event::Hangup) => self.reload_or_log(),
                Err(RecvTimeoutError::Timeout) => {
                    self.look_at_config();
                    self.minute();
                    self.board.note_line(self.speed.measure());
                },
                Ok(Event::Signal) | Err(RecvTimeoutError::Disconnected) => {
                    return ExitReason::Signal;
                },
            }
        }
    }

    /// Other limits may hold now. A pause begins and ends with its hours; what the user says in between stands.
    fn minute(&mut self) {
        let was_paused = self.speed.is_paused();
        self.speed.follow();
        if self.speed.is_paused() != was_paused {
            match Config::load_or_last_good(&self.dirs) {
                Ok(config) => drop(self.seat(&config.folders)),
                Err(error) => tracing::warn!(%error, "the configuration cannot be read"),
            }
        }
    }

    /// Somebody may have edited the file.
    fn look_at_config(&mut self) {
        if Stamp::of(&self.dirs) != self.config_seen {
            self.reload_or_log();
        }
    }

    fn reload_or_log(&mut self) {
        match self.reload() {
            Ok(()) => tracing::info!("the configuration was read again"),
            Err(error) => tracing::warn!(code = %error.code(), "the configuration cannot be read"),
        }
    }

    fn answer(&mut self, request: &Request) -> Reply {
        let result = match request {
            Request::Pause { path } => self.pause(path.as_deref()),
            Request::Resume {
                path,
                accept_deletions,
            } => self.resume(path.as_deref(), *accept_deletions),
            Request::Sync => self.tell(None, || Command::RemoteChange),
            Request::Resync => self.tell(None, || Command::Resync),
            Request::Remove { path } => self.remove(Path::new(path)),
            Request::Reload => self.reload(),
            // Answered before they come here.
            Request::Status | Request::Wait { .. } | Request::Events { .. } | Request::Stop => {
                Ok(())
            },
        };
        match result {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Failed {
                problem: error.problem(),
            },
        }
    }

    fn tell(&self, path: Option<&str>, command: impl Fn() -> Command) -> Result<(), DaemonError> {
        for seat in self.board.seats_at(path.map(Path::new))? {
            seat.tell(command());
        }
        Ok(())
    }

    fn pause(&self, path: Option<&str>) -> Result<(), DaemonError> {
        self.tell(path, || Command::Pause)?;
        self.write_paused(path, true)
    }

    fn resume(&self, path: Option<&str>, accept_deletions: bool) -> Result<(), DaemonError> {
        self.tell(path, || Command::Resume { accept_deletions })?;
        self.write_paused(path, false)
    }

    fn write_paused(&self, path: Option<&str>, paused: bool) -> Result<(), DaemonError> {
        let mut client = Client::open(&self.dirs)?;
        Ok(client.set_paused(path.map(Path::new), paused)?)
    }

    /// The worker goes first: it holds the folder's lock and database.
    fn remove(&mut self, path: &Path) -> Result<(), DaemonError> {
        self.board.seats_at(Some(path))?;
        let mut client = Client::open(&self.dirs)?;
        let mut kept = client.config().folders.clone();
        kept.retain(|folder| folder.path != path);
        let removed = if self.seat(&kept) {
            client
                .remove_folder(path)
                .map(drop)
                .map_err(DaemonError::from)
        } else {
            let detail = "the folder is in the middle of a long step; try again when it is over";
            Err(DaemonError::refused(ErrorCode::Locked, detail))
        };
        // When it could not be removed it is synced again.
        self.seat(&client.config().folders);
        removed
    }

    /// Folders that the configuration gained or lost, and a device that was just set up.
    fn reload(&mut self) -> Result<(), DaemonError> {
        self.config_seen = Stamp::of(&self.dirs);
        match Client::open_or_last_good(&self.dirs) {
            Ok(client) => {
                self.adopt(&client);
                Ok(())
            },
            Err(error) if error.code() == ErrorCode::NotInitialised => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the event stream and all workers, each after its current step.
    fn drain(&mut self) {
        self.listener = None;
        if !self.crew.dismiss(DRAIN_LIMIT) {
            // A kill is safe at any moment, so a long upload does not hold the stop up.
            tracing::info!("a folder was busy: stopped in the middle, the rest follows next time");
        }
    }
}
