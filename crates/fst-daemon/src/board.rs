//! What everybody may know about every folder: workers write, connections read.
//!
//! A [`Seat`] is one folder with the way to its worker; the [`Board`] is all of them and the server's state.
//! Invariant: locks are held for copies only, never while anything is waited for.
//! Not here: deciding ([`crate::pace`]), doing ([`crate::worker`]).

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fst_client::config::FolderConfig;
use fst_client::folder::StatusHandle;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ids::{DeviceId, SpaceId};
use fst_proto::ipc::{
    DeviceStatus, Event, FolderStatus, LineStatus, Pending, ServerStatus, Status,
};
use fst_proto::time::UnixMillis;

use crate::DaemonError;
use crate::feed::{self, Feed};
use crate::status::{self, State};
use crate::worker::Command;

/// Notes that wait for a busy worker, 8 KiB each: some seconds of an upload; later ones are of no use without them.
const NOTES_MAX: usize = 256;

/// Notes that a worker takes at once: while one page of what they tell of is written, the next one is fetched.
const NOTES_PER_TURN: usize = 4;

/// All folders, the server and this device.
#[derive(Debug, Default)]
pub(crate) struct Board {
    seats: Mutex<Vec<Arc<Seat>>>,
    server: Mutex<ServerStatus>,
    line: Mutex<LineStatus>,
    device: Mutex<DeviceStatus>,
    config: Mutex<Option<Problem>>,
    feed: Feed,
}

/// One folder and the way to its worker.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The folder as configured.
    pub config: FolderConfig,
    commands: Sender<Command>,
    /// What other devices told, until the worker takes it.
    told: Mutex<VecDeque<Told>>,
    view: Mutex<View>,
}

/// What another device told: who it is said to be, and the sealed note.
pub(crate) type Told = (DeviceId, Vec<u8>);

/// What the worker shows.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Reads the counts of the open folder.
    pub handle: Option<StatusHandle>,
    /// Set to let long uploads of the open folder give way.
    pub urgent: Option<Arc<AtomicBool>>,
    /// Space of the open folder.
    pub space: Option<SpaceId>,
    /// Paused by the user.
    pub is_paused: bool,
    /// Everything known is done.
    pub is_settled: bool,
    /// Why it stands still.
    pub trouble: Option<Problem>,
}

impl Seat {
    /// A seat whose worker listens at the other end of `commands`.
    pub(crate) fn new(config: FolderConfig, commands: Sender<Command>) -> Self {
        let view = View {
            is_paused: config.paused,
            ..View::default()
        };
        Self {
            config,
            commands,
            told: Mutex::default(),
            view: Mutex::new(view),
        }
    }

    /// Tells the worker, which should not finish a long upload first; a worker that has ended needs no telling.
    pub(crate) fn tell(&self, command: Command) {
        if let Some(urgent) = &self.view().urgent {
            urgent.store(true, Ordering::Release);
        }
        self.commands.send(command).unwrap_or_default();
    }

    /// Keeps a note for the worker, which need not stop for it; one too many is lost.
    pub(crate) fn tell_note(&self, told: Told) {
        let mut queue = locked(&self.told);
        if queue.len() < NOTES_MAX {
            queue.push_back(told);
            self.commands.send(Command::Noted).unwrap_or_default();
        }
    }

    /// The oldest notes, so many that other things do not wait for long.
    pub(crate) fn take_notes(&self) -> Vec<Told> {
        let mut queue = locked(&self.told);
        let n = queue.len().min(NOTES_PER_TURN);
        queue.drain(..n).collect()
    }

    /// What the worker shows now.
    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        locked(&self.view)
    }

    /// The folder as `fst status` shows it.
    pub(crate) fn status(&self) -> (FolderStatus, Pending) {
        let view = self.view();
        let from_config = status::of_config(&self.config);
        let (seen, pending) = view
            .handle
            .as_ref()
            .map(StatusHandle::read)
            .unwrap_or_default();
        let stopped = if view.is_paused {
            None
        } else {
            view.trouble.clone()
        };
        let folder = FolderStatus {
            path: from_config.path,
            remote_path: from_config.remote_path,
            mode: from_config.mode,
            choice: from_config.choice,
            stopped,
            ..seen
        };
        let state = state_of(&view, &folder);
        (
            FolderStatus {
                state: state.as_str().to_owned(),
                ..folder
            },
            pending,
        )
    }
}

fn state_of(view: &View, folder: &FolderStatus) -> State {
    let is_away = |problem: &Problem| problem.error_code().is_some_and(is_network);
    match &folder.stopped {
        _ if view.is_paused => State::Paused,
        Some(problem) if is_away(problem) => State::Offline,
        Some(_) => State::Error,
        // Between cycles a hint may be nothing, such as our own write: only found work counts.
        None if !view.is_settled || folder.state == State::Syncing.as_str() => State::Syncing,
        None if folder.conflicts > 0 || !folder.problems.is_empty() => State::Attention,
        None => State::Idle,
    }
}

/// Whether this code means that the server cannot be reached, rather than that it refused.
pub(crate) fn is_network(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unreachable | ErrorCode::NotAServer | ErrorCode::Stopping
    )
}

impl Board {
    /// The folders now.
    pub(crate) fn seats(&self) -> Vec<Arc<Seat>> {
        locked(&self.seats).clone()
    }

    /// The folders that `path` names; all of them without a path.
    pub(crate) fn seats_at(&self, path: Option<&Path>) -> Result<Vec<Arc<Seat>>, DaemonError> {
        let mut seats = self.seats();
        let Some(path) = path else { return Ok(seats) };
        seats.retain(|seat| seat.config.path == path);
        if seats.is_empty() {
            return Err(DaemonError::refused(
                ErrorCode::UnknownFolder,
                crate::error::shown(path),
            ));
        }
        Ok(seats)
    }

    /// Replaces the list of folders.
    pub(crate) fn set_seats(&self, seats: Vec<Arc<Seat>>) {
        *locked(&self.seats) = seats;
    }

    /// What happens, for those who follow it.
    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The server answered.
    pub(crate) fn connected(&self) {
        let mut server = locked(&self.server);
        let was_connected = std::mem::replace(&mut server.connected, true);
        server.reason = None;
        server.lost_ms = 0;
        drop(server);
        if !was_connected {
            self.feed.tell([server_event("connected")]);
        }
    }

    /// The server did not answer.
    pub(crate) fn disconnected(&self, reason: String, now: UnixMillis) {
        let mut server = locked(&self.server);
        let is_new = server.lost_ms == 0;
        if is_new {
            server.lost_ms = now.0;
        }
        server.connected = false;
        server.reason = Some(reason);
        drop(server);
        if is_new {
            self.feed.tell([server_event("offline")]);
        }
    }

    /// Notes how fast bytes flow.
    pub(crate) fn note_line(&self, line: LineStatus) {
        *locked(&self.line) = line;
    }

    /// Notes which server and device this is.
    pub(crate) fn introduce(&self, url: &str, device: &str) {
        url.clone_into(&mut locked(&self.server).url);
        device.clone_into(&mut locked(&self.device).name);
    }

    /// Notes the number of devices in the account.
    pub(crate) fn count_devices(&self, devices: u64) {
        locked(&self.device).devices = devices;
    }

    /// Notes why the configuration file as it is now is not in force; `None` when it is.
    pub(crate) fn note_config(&self, trouble: Option<Problem>) {
        *locked(&self.config) = trouble;
    }

    /// Everything `fst status` shows.
    pub(crate) fn status(&self) -> Status {
        let (folders, amounts): (Vec<_>, Vec<_>) =
            self.seats().iter().map(|seat| seat.status()).unzip();
        let server = locked(&self.server).clone();
        Status {
            state: status::overall(&folders, &server).as_str().to_owned(),
            folders,
            pending: sum(&amounts),
            server,
            line: locked(&self.line).clone(),
            device: locked(&self.device).clone(),
            daemon_pid: std::process::id(),
            config: locked(&self.config).clone(),
        }
    }
}

fn server_event(state: &str) -> Event {
    Event {
        state: Some(state.to_owned()),
        ..feed::named("server")
    }
}

fn sum(amounts: &[Pending]) -> Pending {
    amounts
        .iter()
        .fold(Pending::default(), |total, one| Pending {
            uploads: total.uploads + one.uploads,
            downloads: total.downloads + one.downloads,
            bytes: total.bytes + one.bytes,
        })
}

/// A panic elsewhere leaves plain values behind a poisoned lock: they stay readable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
