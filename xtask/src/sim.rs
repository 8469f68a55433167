//! Hands its arguments to the world simulation of `fst-testkit`.

use crate::{process, workspace};

/// Runs the simulation; `false` when it found a violation.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<bool> {
    let mut command = process::cargo(&workspace::root()?);
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "fst-testkit",
        "--bin",
        "sim",
        "--",
    ]);
    process::run(command.args(args))
}
