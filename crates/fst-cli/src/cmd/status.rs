//! `fst status`: what is going on, and what to do next.

use fst_client::config::Config;
use fst_daemon::DaemonError;
use fst_daemon::login;
use fst_daemon::status::{State, without_daemon};
use fst_proto::error::ErrorCode;
use fst_proto::ipc::{FolderStatus, Status};
use jiff::tz::TimeZone;

use super::schedule;
use crate::context::Context;
use crate::render::json as drawn;
use crate::render::status::{Moment, Pausing, draw};
use crate::report::{Answer, Failure, exit_of};

pub(super) fn run(context: &Context, check: bool) -> Result<Answer, Failure> {
    let status = read(context)?;
    let config = Config::load(&context.dirs).ok();
    let moment = Moment {
        is_started_at_login: login::is_installed(&context.dirs),
        pausing: config.as_ref().and_then(pausing),
        limiting: config.as_ref().and_then(schedule::limiting),
        now: Context::now(),
        zone: TimeZone::system(),
    };
    let text = draw(&status, &context.look, &moment);
    let mut answer = Answer::new("fst.status/1", drawn::value(&status), text);
    answer.next = next(&status, moment.pausing.as_ref());
    if let Some(config) = &config {
        answer.warnings.extend(without_effect(config));
    }
    if status.daemon_pid == 0 && context.global.json {
        answer.warnings.push(ErrorCode::NoDaemon.title().to_owned());
    }
    let exit = if check { check_code(&status) } else { 0 };
    Ok(answer.with_exit(exit))
}

/// The daemon's status, or what the configuration tells without one.
pub(super) fn read(context: &Context) -> Result<Status, Failure> {
    if let Some(mut daemon) = context.daemon_if_any()? {
        match daemon.status() {
            // It died while we talked, so there is none.
            Err(DaemonError::Talk(_)) => {},
            answered => return Ok(answered?),
        }
    }
    // A device that is not set up is told so, not that its daemon does not run.
    let config = Config::load(&context.dirs)?;
    context.client()?;
    Ok(without_daemon(&config))
}

fn next(status: &Status, pausing: Option<&Pausing>) -> Vec<String> {
    let conflicts = status.folders.iter().any(|folder| folder.conflicts > 0);
    let mut next = Vec::new();
    if status.daemon_pid == 0 {
        next.push("fst daemon start".to_owned());
    } else if status.folders.is_empty() {
        next.push("fst add PATH --two-way".to_owned());
    } else if status.state == State::Paused.as_str() {
        next.push(pausing.map_or_else(|| "fst resume".to_owned(), Pausing::next));
    }
    if conflicts {
        next.push("fst conflicts list".to_owned());
    }
    if let Some(problem) = &status.config {
        next.push(problem.next.clone());
    }
    next
}

/// The rule that pauses, unless somebody paused everything by hand: then its end changes nothing.
fn pausing(config: &Config) -> Option<Pausing> {
    let is_by_hand = config.folders.iter().all(|folder| folder.paused);
    schedule::pausing(config).filter(|_| !is_by_hand)
}

/// Settings that somebody made and that nothing follows: silence would be a lie.
fn without_effect(config: &Config) -> impl Iterator<Item = String> {
    let findings = config.report.findings.iter();
    let silent = findings.filter(|finding| finding.code == ErrorCode::NoEffectYet);
    silent.map(|finding| format!("{}: {}", config.report.file, finding.brief()))
}

/// Exit code of `--check`. A conflict counts before other problems: it is what people act on.
fn check_code(status: &Status) -> u8 {
    if status.daemon_pid == 0 {
        return exit_of(ErrorCode::NoDaemon);
    }
    let has_conflict = status.folders.iter().any(|folder| folder.conflicts > 0);
    match State::parse(&status.state) {
        State::Idle => 0,
        State::Syncing => 20,
        State::Attention if has_conflict => 21,
        State::Offline => 22,
        State::Attention | State::Error => 23,
        State::Paused => 24,
    }
}

/// One warning per path that cannot be synced.
pub(super) fn problem_warnings(folders: &[FolderStatus]) -> Vec<String> {
    let of = |folder: &FolderStatus| {
        let base = folder.path.clone();
        folder.problems.clone().into_iter().map(move |problem| {
            format!(
                "{base}/{}: {} ({})",
                problem.path, problem.reason, problem.code
            )
        })
    };
    folders.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, conflicts: u64) -> Status {
        let folder = FolderStatus {
            conflicts,
            ..FolderStatus::default()
        };
        Status {
            state: state.as_str().to_owned(),
            folders: vec![folder],
            daemon_pid: 1,
            ..Status::default()
        }
    }

    #[test]
    fn check_codes_are_the_public_contract() {
        assert_eq!(check_code(&status(State::Idle, 0)), 0);
        assert_eq!(check_code(&status(State::Syncing, 0)), 20);
        assert_eq!(check_code(&status(State::Attention, 1)), 21);
        assert_eq!(check_code(&status(State::Offline, 0)), 22);
        assert_eq!(check_code(&status(State::Attention, 0)), 23);
        assert_eq!(check_code(&status(State::Error, 1)), 23);
        assert_eq!(check_code(&status(State::Paused, 0)), 24);
        assert_eq!(
            check_code(&Status {
                daemon_pid: 0,
                ..status(State::Idle, 0)
            }),
            8
        );
    }
}
