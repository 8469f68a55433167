//! Listens to the server's event stream and wakes the folders it is about.
//!
//! One thread, started by [`crate::supervisor`] once there is an account. Invariant: a missed event costs
//! time, never correctness: folders are looked at every minute anyway. Not here: pulling changes.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use fst_client::clock::SystemClock;
use fst_client::dirs::Dirs;
use fst_client::remote::http::RemoteEvent;
use fst_client::remote::throttle::Throttle;
use fst_client::{Client, ClientError};
use fst_engine::retry;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{DeviceId, SpaceId};
use fst_proto::time::Clock as _;

use crate::board::Board;
use crate::pace::Jitter;
use crate::worker::Command;

/// Longest pause between tries to reach the stream: one small request, so more often than a cycle.
const RECONNECT_MS_MAX: u64 = 5_000;

/// The thread that listens.
pub(crate) struct Listener {
    /// The client's directories.
    pub dirs: Dirs,
    /// The line to the server.
    pub line: Arc<Throttle>,
    /// Folders and the server's state.
    pub board: Arc<Board>,
    /// Hung up when the daemon ends.
    pub end: Receiver<Infallible>,
    /// Randomness of pauses.
    pub jitter: Jitter,
}

impl Listener {
    /// Listens, and listens again, until the daemon ends.
    pub(crate) fn run(mut self) {
        let mut failures: u32 = 0;
        loop {
            let seen = self.listen_once();
            failures = if seen.has_connected {
                0
            } else {
                failures.saturating_add(1)
            };
            self.note(&seen);
            let pause = retry::delay(failures, self.jitter.draw()).min(RECONNECT_MS_MAX);
            match self.end.recv_timeout(Duration::from_millis(pause)) {
                Err(RecvTimeoutError::Timeout) => {},
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(never) => match never {},
            }
        }
    }

    fn listen_once(&self) -> Seen {
        let mut has_connected = false;
        let result = Client::open_on(&self.dirs, &self.line).and_then(|client| {
            client.watch_remote(&mut |event| {
                has_connected = true;
                self.take(&client, &event);
                ControlFlow::Continue(())
            })
        });
        Seen {
            has_connected,
            result,
        }
    }

    fn take(&self, client: &Client, event: &RemoteEvent) {
        match event {
            RemoteEvent::Connected => {
                self.board.connected();
                self.count_devices(client);
                self.board
                    .seats()
                    .iter()
                    .for_each(|seat| seat.tell(Command::Reconnected));
            },
            RemoteEvent::Changed(space) => self.wake(*space),
            RemoteEvent::Told { space, from, note } => self.pass_on(*space, (*from, note)),
            RemoteEvent::KeepAlive => self.count_devices(client),
        }
    }

    fn count_devices(&self, client: &Client) {
        // The number is for people; without it the status only shows the older one.
        if let Ok(devices) = client.device_count() {
            self.board.count_devices(devices);
        }
    }

    /// A folder that is not open yet may be the one, so it is woken too.
    fn wake(&self, changed: SpaceId) {
        for seat in self.board.seats() {
            let space = seat.view().space;
            if space.is_none_or(|space| space == changed) {
                seat.tell(Command::RemoteChange);
            }
        }
    }

    fn pass_on(&self, to: SpaceId, (from, note): (DeviceId, &[u8])) {
        let seats = self.board.seats();
        let of_space = seats.iter().filter(|seat| seat.view().space == Some(to));
        of_space.for_each(|seat| seat.tell_note((from, note.to_vec())));
    }

    fn note(&self, seen: &Seen) {
        match &seen.result {
            // A proxy that closes a quiet stream is not an outage: the next try decides.
            Ok(()) => {},
            Err(error) if error.code() == ErrorCode::NotInitialised => {},
            Err(error) => {
                tracing::info!(code = %error.code(), "the event stream broke");
                self.board
                    .disconnected(error.problem().detail, SystemClock.now());
            },
        }
    }
}

struct Seen {
    has_connected: bool,
    result: Result<(), ClientError>,
}
