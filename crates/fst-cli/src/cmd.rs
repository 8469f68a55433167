//! Runs one command line: parse, run, print, exit code.
//!
//! One file per command below; each takes the [`Context`] and its arguments and returns an [`Answer`] or a
//! [`Failure`]. Invariant: a command prints its result nowhere but here, and exactly once; a result without
//! an end, or without a form, goes line by line or byte by byte.

use std::ffi::OsString;

use clap::Parser as _;
use fst_proto::error::ErrorCode;

use crate::args::{Command, Global, Line};
use crate::context::Context;
use crate::render::json;
use crate::report::{Answer, Failure};
use crate::screen;

mod account;
mod add;
mod afar;
mod bench;
mod bundle;
mod completions;
mod config;
mod conflicts;
mod daemon;
mod demo;
mod devices;
mod diff;
mod doctor;
mod editor;
mod embedded;
mod events;
mod explain;
mod help;
mod history;
mod ignore;
mod init;
mod local;
mod log;
mod login;
mod man;
mod operations;
mod pause;
mod planned;
mod remove;
mod restore;
mod resync;
mod schedule;
mod schema;
mod select;
mod short;
mod status;
mod sync;
mod trash;
mod up;
mod verify;
mod version;
mod versions;
mod wait;
mod why;

/// Exit code for wrong usage.
const EXIT_USAGE: u8 = 2;

pub(crate) use help::topic_names;

/// Runs a command line and returns its exit code.
pub(crate) fn run_line(words: &[OsString]) -> u8 {
    let line = match Line::try_parse_from(words) {
        Ok(line) => line,
        Err(error) => return usage(&error, words),
    };
    let is_json = line.global.json;
    match run(line.command, line.global) {
        Ok(answer) => print_answer(&answer, is_json),
        Err(failure) => print_failure(&failure, is_json),
    }
}

fn run(command: Option<Command>, global: Global) -> Result<Answer, Failure> {
    let context = Context::new(global)?;
    let Some(command) = command else {
        return Ok(short::run(&context));
    };
    match command {
        Command::Up(args) => up::run(&context, &args),
        Command::Init(args) => init::run(&context, &args),
        Command::Add(args) => add::run(&context, &args),
        Command::Remove { path, dry_run } => remove::run(&context, &path, dry_run),
        Command::Daemon(command) => daemon::run(&context, &command),
        Command::Status { check } => status::run(&context, check),
        Command::Wait(args) => wait::run(&context, &args),
        Command::Sync { path, dry_run } => sync::run(&context, path.as_deref(), dry_run),
        Command::Pause { path } => pause::pause(&context, path.as_deref()),
        Command::Resume {
            path,
            accept_deletions,
        } => pause::resume(&context, path.as_deref(), accept_deletions),
        Command::Resync { full: _, dry_run } => resync::run(&context, dry_run),
        Command::Why { path } => why::run(&context, &path),
        Command::Ignore(command) => ignore::run(&context, &command),
        Command::Select(command) => select::run(&context, &command),
        Command::History { limit, path } => history::run(&context, limit, path.as_deref()),
        Command::Versions(args) => versions::run(&context, &args),
        Command::Restore(args) => restore::run(&context, &args),
        Command::Trash(command) => trash::run(&context, &command),
        Command::Diff { a, b } => diff::run(&context, &a, b.as_deref()),
        Command::Afar(command) => afar::run(&context, &command),
        Command::Undo { op } => operations::undo(&context, op.as_deref()),
        Command::Op(command) => operations::run(&context, &command),
        Command::Conflicts(command) => conflicts::run(&context, &command),
        Command::Devices(command) => devices::run(&context, &command),
        Command::Config(command) => config::run(&context, &command),
        Command::Schedule(command) => schedule::run(&context, &command),
        Command::Demo => demo::run(&context),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Log(args) => log::run(&context, &args),
        Command::Events { follow } => events::run(&context, follow),
        Command::Bench { parts, dir } => bench::run(&context, &parts, dir.as_deref()),
        Command::Verify(args) => verify::run(&context, &args),
        Command::Help { words } => help::run(&words),
        Command::Explain { topic } => explain::run(&topic),
        Command::Completions { shell } => Ok(completions::run(shell)),
        Command::Man { dir } => man::run(&context, dir.as_deref()),
        Command::Schema { name } => schema::run(name.as_deref()),
        Command::Version => version::run(&context),
    }
}

fn print_answer(answer: &Answer, is_json: bool) -> u8 {
    if answer.is_told {
        return answer.exit;
    }
    if is_json {
        screen::print(&json::document(&answer.envelope()));
    } else {
        screen::print(&answer.text);
        if let Some(undo) = &answer.undo {
            screen::print(&format!("  undo: {undo}\n"));
        }
        for warning in &answer.warnings {
            screen::say(&format!("warning: {warning}"));
        }
    }
    answer.exit
}

fn print_failure(failure: &Failure, is_json: bool) -> u8 {
    if is_json {
        screen::say(&failure.envelope().to_string());
    } else {
        screen::say(&failure.text());
    }
    failure.exit()
}

/// Clap's own text for people (help, version, did-you-mean); the envelope for programs.
fn usage(error: &clap::Error, words: &[OsString]) -> u8 {
    let text = error.render();
    if !error.use_stderr() {
        screen::print(&text.to_string());
        return 0;
    }
    if words.iter().any(|word| word == "--json") {
        let summary = text.to_string();
        let summary = summary
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let failure = Failure::new(ErrorCode::Usage, summary);
        return print_failure(&failure, true);
    }
    screen::say(text.to_string().trim_end());
    EXIT_USAGE
}
