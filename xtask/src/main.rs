//! House keeping: the checks that a compiler does not make, and the whole of CI in one command.
//!
//! Called as `cargo xtask COMMAND`; `.ci/run` calls `cargo xtask test`. Invariant: nothing here is linked by
//! a product crate, and no command changes a source file except `codegen`.
//! Not here: rules that clippy, rustfmt or the type system can hold.

mod bench;
mod ci;
mod codegen;
mod process;
mod say;
mod sim;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::bail;

use crate::say::say;

const HELP: &str = "\
cargo xtask test               run everything that CI runs
cargo xtask tidy               check the rules of the house
cargo xtask codegen [--check]  write the generated documents, or only compare them
cargo xtask sim [--seeds N] [--from S] [--seed S [--killing]] [--kills client=N,server=M]
                               run the world simulation, or one world with its trace, or
                               worlds until so many processes were killed in the middle
cargo xtask bench scale [--entries N] [--at DIR]
                               measure a folder of many files on two devices
cargo xtask bench delta [--size BYTES] [--rounds N] [--fst PATH]
                               bytes that edits of a large file cost, through server and daemons
cargo xtask bench peers [--groups G,…] [--tools T,…] [--rounds N] [--rate 1gbit] [--at DIR]
                               the same work by rsync, rsync over ssh and unison, side by side
cargo xtask bench server       measure one server under load, on SQLite and on PostgreSQL";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(format!("error: {error:#}"));
            ExitCode::from(2)
        },
    }
}

/// Runs one command; `false` when it worked and found something wrong.
fn run(args: &[String]) -> anyhow::Result<bool> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["codegen"] => codegen::write(),
        ["codegen", "--check"] => codegen::check(),
        ["sim", rest @ ..] => sim::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            say(HELP);
            Ok(true)
        },
        _ => bail!("unknown command `{}`\n{HELP}", words.join(" ")),
    }
}
