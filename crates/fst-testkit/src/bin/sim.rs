//! Runs worlds: `sim [--seeds N] [--seed S]`. Prints each failing seed with its trace, then the totals.

use std::process::ExitCode;

use fst_testkit::world::{self, Plan};

/// Every so many seeds one is run twice and must give the same trace.
const REPLAY_EVERY: u64 = 100;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<u64>().ok()
    };
    let (first, n) = match value("--seed") {
        Some(seed) => (seed, 1),
        None => (
            value("--from").unwrap_or(0),
            value("--seeds").unwrap_or(200),
        ),
    };
    let is_verbose = value("--seed").is_some();
    let mut n_failed = 0;
    let mut n_crashes = 0;
    for seed in first..first + n {
        let report = world::run(seed, Plan::of_seed(seed));
        n_crashes += report.n_crashes;
        let is_repeatable =
            seed % REPLAY_EVERY != 0 || world::run(seed, Plan::of_seed(seed)) == report;
        if is_verbose {
            say(&report.trace.join("\n"));
        }
        if !report.faults.is_empty() || !is_repeatable {
            n_failed += 1;
            say(&format!(
                "seed {seed}: {:?} repeatable={is_repeatable}",
                report.faults
            ));
        }
    }
    say(&format!(
        "{n} seeds, {n_crashes} crashes, {n_failed} failed"
    ));
    if n_failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "the report of a tool")]
fn say(text: &str) {
    println!("{text}");
}
