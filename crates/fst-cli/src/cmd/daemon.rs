//! `fst daemon start | stop | restart | status | install | uninstall | logs`.
//!
//! Invariant: `start` returns when the daemon can be talked to, or says why it cannot. Under systemd, as
//! process 1 and with `--foreground` it does not return until the daemon ends.

use fst_client::dirs::Dirs;
use fst_daemon::launch::{self, Force, Place, Stopped};
use fst_daemon::log::{self, Echo};
use fst_daemon::record::DaemonRecord;
use fst_daemon::{Daemon, DaemonError, Hooks};
use fst_proto::error::ErrorCode;
use serde_json::json;

use super::{embedded, login};
use crate::args::DaemonCommand;
use crate::context::{Context, shown, var};
use crate::render::{Symbol, json as drawn};
use crate::report::{Answer, Failure, exit_of};

pub(super) fn run(context: &Context, command: &DaemonCommand) -> Result<Answer, Failure> {
    match command {
        DaemonCommand::Start {
            foreground: _,
            detached: true,
        } => run_detached(&context.dirs),
        DaemonCommand::Start {
            foreground,
            detached: false,
        } => start(context, *foreground),
        DaemonCommand::Stop { force } => stop(context, force_of(*force)),
        DaemonCommand::Restart { force } => restart(context, force_of(*force)),
        DaemonCommand::Status => status(context),
        DaemonCommand::Install { force } => login::install(context, *force),
        DaemonCommand::Uninstall => login::uninstall(context),
        DaemonCommand::Logs(args) => super::log::run(context, args),
    }
}

/// Starts a daemon in the background.
pub(super) fn start_background(context: &Context) -> Result<DaemonRecord, Failure> {
    Ok(launch::start(&context.dirs, &Context::program()?)?)
}

fn start(context: &Context, is_forced: bool) -> Result<Answer, Failure> {
    match launch::decide_place(is_forced, var("SYSTEMD_EXEC_PID"), std::process::id()) {
        Place::Foreground => run_here(&context.dirs),
        Place::Background => Ok(running(context, &start_background(context)?)),
    }
}

fn running(context: &Context, record: &DaemonRecord) -> Answer {
    let look = &context.look;
    let text = format!(
        "{} The sync daemon runs (pid {})\n",
        look.symbol(Symbol::Good),
        record.pid
    );
    Answer::new("fst.daemon/1", daemon_data(record), text).then("fst status")
}

fn daemon_data(record: &DaemonRecord) -> serde_json::Value {
    let mut data = drawn::value(record);
    data["running"] = json!(true);
    data
}

/// Stays in this process; the log goes to standard error as well, where systemd collects it.
fn run_here(dirs: &Dirs) -> Result<Answer, Failure> {
    log::start(dirs, log_filter().as_deref(), Echo::Screen)?;
    let hooks = Hooks {
        start_server: embedded::start_hook(),
        on_ready: None,
    };
    Daemon::run(dirs, hooks)?;
    Ok(Answer::new("fst.daemon/1", json!({ "running": false }), ""))
}

/// The background process: tells its starter when it is ready or why it is not, then only logs.
fn run_detached(dirs: &Dirs) -> Result<Answer, Failure> {
    launch::leave_session();
    let on_ready = |record: &DaemonRecord| {
        launch::announce_ready(&mut std::io::stdout(), record);
    };
    let hooks = Hooks {
        start_server: embedded::start_hook(),
        on_ready: Some(Box::new(on_ready)),
    };
    let result = log::start(dirs, log_filter().as_deref(), Echo::FileOnly)
        .and_then(|()| Daemon::run(dirs, hooks));
    match result {
        Ok(_) => Ok(Answer::new("fst.daemon/1", json!({ "running": false }), "")),
        Err(error) => {
            launch::announce_failure(&mut std::io::stdout(), &error.problem());
            Err(error.into())
        },
    }
}

fn log_filter() -> Option<String> {
    var("FST_LOG").and_then(|filter| filter.into_string().ok())
}

fn force_of(force: bool) -> Force {
    if force { Force::Kill } else { Force::No }
}

fn stop(context: &Context, force: Force) -> Result<Answer, Failure> {
    let stopped = stop_running(context, force)?;
    let words = match stopped {
        Stopped::Gracefully => "The sync daemon has stopped",
        Stopped::Killed => "The sync daemon was killed; nothing is lost by that",
        Stopped::NotRunning => "The sync daemon was not running",
    };
    let text = format!("{} {words}\n", context.look.symbol(Symbol::Good));
    Ok(Answer::new("fst.daemon/1", json!({ "running": false }), text).then("fst daemon start"))
}

fn stop_running(context: &Context, force: Force) -> Result<Stopped, Failure> {
    launch::stop(&context.dirs, force).map_err(|error| match error {
        error @ DaemonError::TooSlow { .. } => Failure::from(error)
            .hint("fst daemon restart --force (it is killed; nothing is lost by that)"),
        other => other.into(),
    })
}

fn restart(context: &Context, force: Force) -> Result<Answer, Failure> {
    stop_running(context, force)?;
    Ok(running(context, &start_background(context)?))
}

fn status(context: &Context) -> Result<Answer, Failure> {
    let look = &context.look;
    if let Some(daemon) = context.daemon_if_any()? {
        let record = daemon.record();
        let mut answer = running(context, record);
        let log = log::path_of(&context.dirs);
        let places = format!(
            "  Socket   {}\n  Log      {}\n",
            shown(&record.socket),
            shown(&log)
        );
        answer.text.push_str(&places);
        return Ok(answer);
    }
    let text = format!(
        "{} The sync daemon is not running\n{}",
        look.symbol(Symbol::Bad),
        look.next("fst daemon start")
    );
    let answer = Answer::new("fst.daemon/1", json!({ "running": false }), text);
    Ok(answer
        .then("fst daemon start")
        .with_exit(exit_of(ErrorCode::NoDaemon)))
}
