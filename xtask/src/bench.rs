//! Measurements of the programs as users run them: `cargo xtask bench scale|delta|server|peers`.
//!
//! Invariant: what is measured is a release build, and each figure printed was measured in this run.
//! Not here: micro-benchmarks (`cargo bench`).

mod delta;
mod edits;
mod peers;
mod scale;
mod stack;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::{process, workspace};

/// Runs a benchmark; `false` when a figure is beyond its bound.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<bool> {
    match args {
        ["scale", rest @ ..] => scale::run(rest),
        ["delta", rest @ ..] => delta::run(rest),
        ["peers", rest @ ..] => peers::run(rest),
        ["server"] => server(),
        _ => bail!(
            "the benchmarks are `scale`, `delta`, `peers` and `server`; see `cargo xtask help`"
        ),
    }
}

/// Runs the load of `fst-server` on each of its stores; it prints what it finds.
fn server() -> anyhow::Result<bool> {
    let mut command = process::cargo(&workspace::root()?);
    command.args([
        "bench",
        "--quiet",
        "--package",
        "fst-server",
        "--bench",
        "load",
    ]);
    process::run(&mut command)
}

/// Builds packages for measuring; `fst` and what belongs to it lie side by side.
fn build(packages: &[&str]) -> anyhow::Result<PathBuf> {
    let root = workspace::root()?;
    let mut command = process::cargo(&root);
    command.args(["build", "--release"]);
    for package in packages {
        command.args(["--package", package]);
    }
    ensure!(process::run(&mut command)?, "{packages:?} do not build");
    let target = workspace::metadata(&root)?;
    let target = target["target_directory"]
        .as_str()
        .context("cargo names its target directory")?;
    Ok(Path::new(target).join("release/fst"))
}
