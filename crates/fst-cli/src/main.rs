//! The `fst` command: reads arguments, runs one command, prints one answer.
//!
//! Everything that is decided or done lies in `fst-client` and `fst-daemon`; here are words and exit codes.
//! Invariant: results go to standard output, talk to standard error; exit codes and JSON fields are a
//! public contract. Not here: synchronising, sockets of the daemon, the server.
//! Source: docs/design/commands.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod afar;
mod args;
mod cmd;
mod complete;
mod context;
mod noted;
mod redact;
mod render;
mod report;
mod schema;
mod screen;
mod when;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if complete::answer(&words) {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(cmd::run_line(&words))
}
