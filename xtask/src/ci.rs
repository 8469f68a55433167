//! The whole of CI, in order, in one command.
//!
//! `.ci/run` and people call it alike. Invariant: every step runs even when one before it failed, what is
//! skipped is said twice, and the last line is `N passed, N failed`. Not here: what the steps check.
//! Source: CONTRIBUTING.md.

mod counts;
mod needs;
mod newcomer;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::process::{self, Captured};
use crate::say::say;
use crate::{tidy, workspace};
use counts::Counts;

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// A check that passes or fails as a whole.
    Check(bool),
    /// Tests that were counted.
    Tests(Counts),
    /// Not run, and why.
    Skipped(String),
}

/// One step: its name and what it does in the workspace at a path.
struct Step {
    name: &'static str,
    run: fn(&Path) -> anyhow::Result<Outcome>,
}

const STEPS: &[Step] = &[
    Step {
        name: "tools",
        run: |_| needs::install().map(Outcome::Check),
    },
    Step {
        name: "format",
        run: format,
    },
    Step {
        name: "tidy",
        run: |_| tidy::run().map(Outcome::Check),
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "build",
        run: build,
    },
    Step {
        name: "tests",
        run: tests,
    },
    Step {
        name: "doc tests",
        run: doc_tests,
    },
    Step {
        name: "documentation",
        run: documentation,
    },
    Step {
        name: "newcomer",
        run: |root| newcomer::run(root).map(Outcome::Check),
    },
    Step {
        name: "dependencies",
        run: dependencies,
    },
];

/// Runs every step; `true` when nothing failed.
pub(crate) fn run() -> anyhow::Result<bool> {
    let root: PathBuf = workspace::root()?;
    let mut total = Counts::default();
    let mut summary = Vec::new();
    for step in STEPS {
        say(format!("\n== {}", step.name));
        let started = now();
        let outcome = (step.run)(&root).unwrap_or_else(|error| {
            say(format!("error: {error:#}"));
            Outcome::Check(false)
        });
        let seconds = started.elapsed().as_secs();
        summary.push(format!(
            "{:<14} {:>5} s  {}",
            step.name,
            seconds,
            describe(&outcome)
        ));
        total = total.plus(count(&outcome));
    }
    say("\n== summary");
    summary.iter().for_each(say);
    say(format!(
        "\n{} passed, {} failed",
        total.passed, total.failed
    ));
    Ok(total.failed == 0)
}

/// A check counts as one, so that a failed one shows in the last line.
fn count(outcome: &Outcome) -> Counts {
    match outcome {
        Outcome::Check(true) => Counts {
            passed: 1,
            failed: 0,
        },
        Outcome::Check(false) => Counts {
            passed: 0,
            failed: 1,
        },
        Outcome::Tests(counts) => *counts,
        Outcome::Skipped(_) => Counts::default(),
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Check(true) => "ok".to_owned(),
        Outcome::Check(false) => "FAILED".to_owned(),
        Outcome::Tests(counts) if counts.failed == 0 => format!("{} passed", counts.passed),
        Outcome::Tests(counts) => format!("{} passed, {} FAILED", counts.passed, counts.failed),
        Outcome::Skipped(why) => format!("SKIPPED: {why}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool that tells how long its steps took"
)]
fn now() -> Instant {
    Instant::now()
}

fn format(root: &Path) -> anyhow::Result<Outcome> {
    checked(process::cargo(root).args(["fmt", "--all", "--check"]))
}

fn clippy(root: &Path) -> anyhow::Result<Outcome> {
    let mut command = process::cargo(root);
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]);
    checked(&mut command)
}

fn build(root: &Path) -> anyhow::Result<Outcome> {
    checked(process::cargo(root).args(["build", "--workspace"]))
}

fn tests(root: &Path) -> anyhow::Result<Outcome> {
    let mut command = process::cargo(root);
    if process::is_installed("cargo-nextest") {
        command.args(["nextest", "run", "--workspace", "--profile", "ci"]);
        counted(&mut command, counts::of_nextest)
    } else {
        say("cargo-nextest is not installed: cargo test does the same, more slowly");
        let targets = ["--lib", "--bins", "--tests", "--examples"];
        command
            .args(["test", "--workspace", "--no-fail-fast"])
            .args(targets);
        counted(&mut command, counts::of_cargo_test)
    }
}

fn doc_tests(root: &Path) -> anyhow::Result<Outcome> {
    let mut command = process::cargo(root);
    command.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    counted(&mut command, counts::of_cargo_test)
}

fn documentation(root: &Path) -> anyhow::Result<Outcome> {
    let mut command = process::cargo(root);
    command.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ]);
    checked(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn dependencies(root: &Path) -> anyhow::Result<Outcome> {
    if !process::is_installed("cargo-deny") {
        let why = "cargo-deny is not installed, licences and advisories were not checked";
        say(format!("SKIPPED: {why}"));
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    checked(process::cargo(root).args(["deny", "check"]))
}

fn checked(command: &mut Command) -> anyhow::Result<Outcome> {
    process::run(command).map(Outcome::Check)
}

/// Runs tests and counts them; what fails before any test runs counts as one failure.
fn counted(command: &mut Command, read: fn(&str) -> Counts) -> anyhow::Result<Outcome> {
    let Captured { is_ok, text } = process::run_and_capture(command)?;
    let mut counts = read(&text);
    if !is_ok && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(Outcome::Tests(counts))
}
