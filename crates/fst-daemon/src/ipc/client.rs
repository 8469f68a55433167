//! The command line's end of the control socket.
//!
//! Invariant: every exchange has a time limit, so a daemon that hangs cannot hang a command.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use fst_client::dirs::Dirs;
use fst_proto::ipc::{Event, Reply, Request, Status};

use super::LINE_BYTES_MAX;
use crate::DaemonError;
use crate::record::DaemonRecord;

/// Longest time a healthy daemon takes for anything but a wait.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// The command line's end of the control socket.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<UnixStream>,
    record: DaemonRecord,
}

impl Connection {
    /// Connects to the daemon of these directories.
    ///
    /// # Errors
    /// [`DaemonError::NoDaemon`] when none is recorded or none answers there.
    pub fn open(dirs: &Dirs) -> Result<Self, DaemonError> {
        let nobody = || DaemonError::NoDaemon {
            state: dirs.state.clone(),
        };
        let record = DaemonRecord::read(dirs).ok_or_else(nobody)?;
        let stream = UnixStream::connect(&record.socket).map_err(|_| nobody())?;
        Ok(Self {
            stream: BufReader::new(stream),
            record,
        })
    }

    /// What the daemon wrote about itself.
    #[must_use]
    pub fn record(&self) -> &DaemonRecord {
        &self.record
    }

    /// Everything `fst status` shows.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub fn status(&mut self) -> Result<Status, DaemonError> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            Reply::Done | Reply::Event(_) | Reply::Alive | Reply::Failed { .. } => {
                Err(protocol("a reply that is not a status"))
            },
        }
    }

    /// Waits until everything, or the folder at `path`, is synced.
    ///
    /// # Errors
    /// [`DaemonError::Refused`] with `WaitTimedOut` and the reasons; else as [`Connection::ask`].
    pub fn wait(&mut self, path: Option<&Path>, timeout: Duration) -> Result<(), DaemonError> {
        let path = path.map(|path| path.to_string_lossy().into_owned());
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.ask_within(&Request::Wait { timeout_ms, path }, timeout + REPLY_LIMIT)
            .map(drop)
    }

    /// Sends one request and reads its reply.
    ///
    /// # Errors
    /// [`DaemonError::Refused`] when the daemon says no, [`DaemonError::Talk`] when it went away,
    /// [`DaemonError::Protocol`] when it is of another version.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, DaemonError> {
        self.ask_within(request, REPLY_LIMIT)
    }

    fn ask_within(&mut self, request: &Request, limit: Duration) -> Result<Reply, DaemonError> {
        let mut line = serde_json::to_vec(request).map_err(DaemonError::Protocol)?;
        line.push(b'\n');
        self.exchange(&line, limit)
            .map_err(DaemonError::Talk)
            .and_then(|reply| parsed(&reply))
    }

    /// Hands over what happened lately, or, to `follow`, what happens until the daemon ends; `None` says that nothing did
    /// for a while, at first that nothing is missed from now on. Ends early when `on_event` breaks.
    ///
    /// # Errors
    /// As [`Connection::ask`]; a daemon that ends is none.
    pub fn events(
        &mut self,
        follow: bool,
        on_event: &mut dyn FnMut(Option<&Event>) -> ControlFlow<()>,
    ) -> Result<(), DaemonError> {
        let mut reply = self.ask(&Request::Events { follow })?;
        loop {
            let flow = match &reply {
                Reply::Event(event) => on_event(Some(event)),
                Reply::Alive => on_event(None),
                Reply::Done => ControlFlow::Break(()),
                Reply::Status(_) | Reply::Failed { .. } => {
                    return Err(protocol("a reply that is not an event"));
                },
            };
            if flow.is_break() {
                return Ok(());
            }
            reply = match self.read_line() {
                Ok(line) => parsed(&line)?,
                Err(error) if is_end(&error) => return Ok(()),
                Err(error) => return Err(DaemonError::Talk(error)),
            };
        }
    }

    fn exchange(&mut self, line: &[u8], limit: Duration) -> std::io::Result<Vec<u8>> {
        self.stream.get_ref().set_read_timeout(Some(limit))?;
        self.stream.get_mut().write_all(line)?;
        self.read_line()
    }

    fn read_line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut reply = Vec::new();
        (&mut self.stream)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut reply)?;
        if reply.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(reply)
    }
}

/// Whether the other side is gone.
fn is_end(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

fn parsed(line: &[u8]) -> Result<Reply, DaemonError> {
    match serde_json::from_slice(line).map_err(DaemonError::Protocol)? {
        Reply::Failed { problem } => Err(DaemonError::Refused(Box::new(problem))),
        reply @ (Reply::Done | Reply::Status(_) | Reply::Event(_) | Reply::Alive) => Ok(reply),
    }
}

fn protocol(what: &str) -> DaemonError {
    DaemonError::Protocol(<serde_json::Error as serde::de::Error>::custom(what))
}
