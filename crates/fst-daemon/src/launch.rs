//! Puts a daemon into the background and takes it down again.
//!
//! `fst daemon start` starts its own program anew with `--foreground --detached`; that child opens a
//! session of its own, writes one `Announcement` to the pipe it got as standard output, and goes on.
//! Invariant: [`start`] returns when the daemon can be talked to, or with the reason why it never will.
//! Not here: running as a daemon ([`crate::Daemon`]).
//! Source: docs/design/commands.md §5.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use fst_client::dirs::Dirs;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::Request;
use serde::{Deserialize, Serialize};

use crate::ipc::Connection;
use crate::lock::{is_held, wait_until_free};
use crate::record::DaemonRecord;
use crate::{DaemonError, log};

/// Longest time a healthy daemon takes to start: an embedded server may have to recover its database.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest time a killed process takes to give its lock back: it may have to wait for a barrier of the disk.
const DYING_LIMIT: Duration = Duration::from_secs(20);

/// Longest time a healthy daemon takes to stop.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Where a daemon is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    Foreground,
    /// In a process of its own that outlives the terminal.
    Background,
}

/// What the child says once, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Announcement {
    Ready(DaemonRecord),
    Failed(Problem),
}

/// Decides where `fst daemon start` runs.
///
/// Under systemd `SYSTEMD_EXEC_PID` is the process it started; `INVOCATION_ID` would not do, because every
/// terminal of a desktop session inherits it. Process 1 is the main process of a container.
#[must_use]
pub fn decide_place(is_forced: bool, systemd_exec_pid: Option<OsString>, pid: u32) -> Place {
    let is_service = systemd_exec_pid
        .and_then(|text| text.into_string().ok())
        .is_some_and(|text| text == pid.to_string());
    if is_forced || is_service || pid == 1 {
        Place::Foreground
    } else {
        Place::Background
    }
}

/// Starts `program` as a daemon in the background and waits until it can be talked to.
///
/// # Errors
/// [`DaemonError::Locked`] when one runs already; what the daemon itself failed with;
/// [`DaemonError::TooSlow`] when it says nothing.
pub fn start(dirs: &Dirs, program: &Path) -> Result<DaemonRecord, DaemonError> {
    await_lock(dirs)?;
    let log = log::open(dirs)?;
    let failed = |source| DaemonError::File {
        what: "start",
        path: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(["daemon", "start", "--foreground", "--detached"])
        .envs(dirs.config_override.iter().map(|file| ("FST_CONFIG", file)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let announced = child.stdout.take().map_or(Ok(String::new()), read_line);
    match announced?.trim() {
        "" => Err(died(dirs)),
        line => match serde_json::from_str(line).map_err(DaemonError::Protocol)? {
            Announcement::Ready(record) => Ok(record),
            Announcement::Failed(problem) => Err(DaemonError::Refused(Box::new(problem))),
        },
    }
}

/// A daemon that was just killed still holds the lock for a moment; one that answers keeps it.
fn await_lock(dirs: &Dirs) -> Result<(), DaemonError> {
    // To connect proves nothing: the kernel takes connections for a process that is dying.
    let is_alive = || Connection::open(dirs).is_ok_and(|mut daemon| daemon.status().is_ok());
    let is_free = !is_held(dirs) || (!is_alive() && wait_until_free(dirs, DYING_LIMIT)?);
    if is_free {
        return Ok(());
    }
    Err(DaemonError::Locked {
        state: dirs.state.clone(),
    })
}

fn read_line(pipe: ChildStdout) -> Result<String, DaemonError> {
    let (line, lines) = mpsc::channel();
    // The read ends with the line or with the child, so the thread does not outlive this command for long.
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = BufReader::new(pipe).read_line(&mut text);
        line.send(read.map(|_| text)).unwrap_or_default();
    });
    match lines.recv_timeout(START_LIMIT) {
        Ok(read) => read.map_err(DaemonError::Talk),
        Err(_) => Err(DaemonError::TooSlow {
            what: "start",
            seconds: START_LIMIT.as_secs(),
        }),
    }
}

fn died(dirs: &Dirs) -> DaemonError {
    let log = crate::error::shown(&log::path_of(dirs));
    let detail = format!("the daemon ended while starting; see `{log}`");
    DaemonError::refused(ErrorCode::Internal, detail)
}

/// Leaves the terminal's session: closing the terminal then does not reach this process.
pub fn leave_session() {
    // It fails only for a group leader, which is already out of reach of the terminal's job control.
    rustix::process::setsid().map(drop).unwrap_or_default();
}

/// Tells the process that waits in [`start`] that this daemon is ready.
pub fn announce_ready(pipe: &mut dyn Write, record: &DaemonRecord) {
    announce(pipe, &Announcement::Ready(record.clone()));
}

/// Tells the process that waits in [`start`] why this daemon does not run.
pub fn announce_failure(pipe: &mut dyn Write, problem: &Problem) {
    announce(pipe, &Announcement::Failed(problem.clone()));
}

fn announce(pipe: &mut dyn Write, announcement: &Announcement) {
    let line = serde_json::to_string(announcement).unwrap_or_default();
    // The starter may have been interrupted; the daemon runs all the same.
    writeln!(pipe, "{line}")
        .and_then(|()| pipe.flush())
        .unwrap_or_default();
}

/// How a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It drained and went.
    Gracefully,
    /// It had to be killed.
    Killed,
    /// There was none.
    NotRunning,
}

/// Stops the daemon and waits until it is gone.
///
/// # Errors
/// [`DaemonError::TooSlow`] when it does not go and `force` is [`Force::No`] or does not help.
pub fn stop(dirs: &Dirs, force: Force) -> Result<Stopped, DaemonError> {
    if !is_held(dirs) {
        return Ok(Stopped::NotRunning);
    }
    let asked = Connection::open(dirs).and_then(|mut daemon| daemon.ask(&Request::Stop));
    // One that does not answer may be on its way out already.
    let limit = if asked.is_ok() {
        STOP_LIMIT
    } else {
        DYING_LIMIT
    };
    if wait_until_free(dirs, limit)? {
        return Ok(Stopped::Gracefully);
    }
    match force {
        Force::No => Err(DaemonError::TooSlow {
            what: "stop",
            seconds: limit.as_secs(),
        }),
        Force::Kill => kill(dirs),
    }
}

/// Whether a daemon that does not answer may be killed. That is safe: it is built for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Only ask.
    No,
    /// Kill it when asking does not help.
    Kill,
}

fn kill(dirs: &Dirs) -> Result<Stopped, DaemonError> {
    // The lock is held, and its holder removed what a dead daemon had recorded: this is its process.
    let pid = DaemonRecord::read(dirs)
        .and_then(|record| i32::try_from(record.pid).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
            .map_err(|errno| DaemonError::Talk(errno.into()))?;
    }
    if wait_until_free(dirs, STOP_LIMIT)? {
        return Ok(Stopped::Killed);
    }
    Err(DaemonError::TooSlow {
        what: "die",
        seconds: STOP_LIMIT.as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_in_the_foreground_for_systemd_containers_and_on_request() {
        let own = |pid: &str| Some(OsString::from(pid));
        assert_eq!(decide_place(false, None, 77), Place::Background);
        assert_eq!(decide_place(true, None, 77), Place::Foreground);
        assert_eq!(decide_place(false, own("77"), 77), Place::Foreground);
        // A terminal that systemd started hands the variable down with another process's id.
        assert_eq!(decide_place(false, own("76"), 77), Place::Background);
        assert_eq!(decide_place(false, None, 1), Place::Foreground);
    }

    #[test]
    fn an_announcement_is_one_line() {
        let mut pipe = Vec::new();
        announce_failure(&mut pipe, &Problem::new(ErrorCode::Locked, "two\nlines"));
        let text = String::from_utf8(pipe).unwrap();
        assert_eq!(text.lines().count(), 1);
        let read: Announcement = serde_json::from_str(&text).unwrap();
        assert!(matches!(read, Announcement::Failed(problem) if problem.detail == "two\nlines"));
    }
}
