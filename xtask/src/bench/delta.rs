//! What travels when a large file changes a little, through the real path: two homes and a server on loopback.
//!
//! `cargo xtask bench delta [--size BYTES] [--rounds N] [--fst PATH]`. Bytes are counted by the server
//! (`fst_bandwidth_usage_bytes`), so they include everything but TCP. Invariant: each edit is compared byte by byte at
//! the other end before its figures are printed. Not here: speed against other programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::bench::build;
use crate::bench::edits::{PAGE, Random, insert, overwrite};
use crate::bench::stack::Stack;
use crate::process;
use crate::say::say;

/// Size of the file when nothing else is asked for.
const SIZE: u64 = 1 << 30;

struct Options {
    size: u64,
    rounds: u64,
    fst: Option<PathBuf>,
}

fn options(args: &[&str]) -> anyhow::Result<Options> {
    let mut options = Options {
        size: SIZE,
        rounds: 30,
        fst: None,
    };
    let (pairs, rest) = args.as_chunks();
    for [name, value] in pairs {
        match *name {
            "--size" => options.size = value.parse().context("--size")?,
            "--rounds" => options.rounds = value.parse().context("--rounds")?,
            "--fst" => options.fst = Some(PathBuf::from(value)),
            other => bail!("unknown option `{other}`"),
        }
    }
    if !rest.is_empty() || options.size < 64 * PAGE {
        bail!("options come in pairs, and a file has at least 64 pages");
    }
    Ok(options)
}

/// Runs the measurement; `false` when an edit cost more than its bound.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<bool> {
    let options = options(args)?;
    let fst = match &options.fst {
        Some(fst) => fst.clone(),
        None => build(&["fst-cli", "fst-server"])?,
    };
    let stack = Stack::start(&fst)?;
    let (a, b) = (stack.path("a"), stack.path("b"));
    let mut random = Random(1);
    random.append(&a, options.size)?;
    stack.sync()?;
    assert_same(&a, &b)?;
    say(format!(
        "| work on {} bytes | up | down | bound |",
        options.size
    ));
    say("|---|---|---|---|");
    let mut row = Row {
        stack: &stack,
        is_good: true,
    };
    row.measure("nothing", None, |_| Ok(()))?;
    row.measure("1 byte changed", Some(16_000), |file| {
        overwrite(file, options.size / 2, &random.bytes(1))
    })?;
    row.measure("1 KiB inserted at the front", Some(16_000), |file| {
        insert(file, &random.bytes(1024))
    })?;
    row.measure("1 MiB appended", Some(1_060_000), |file| {
        random.append(file, 1 << 20)
    })?;
    row.measure("1 000 random pages overwritten", Some(5_000_000), |file| {
        random.pages(file, 1000)
    })?;
    let stored = stack.metric("fst_storage_usage_bytes").ok();
    for round in 1..=options.rounds {
        let n = options.size / PAGE / 10;
        row.measure(&format!("10 % random pages, round {round}"), None, |file| {
            random.pages(file, n)
        })?;
    }
    if let (Some(before), Ok(after)) = (stored, stack.metric("fst_storage_usage_bytes")) {
        say(format!(
            "stored at the server: {before} bytes, after the rounds {after}"
        ));
    }
    let fresh = stack.fresh_download()?;
    let amplification = ratio(fresh, fs::metadata(&a)?.len());
    say(format!(
        "a fresh device receives {fresh} bytes: read amplification {amplification}"
    ));
    Ok(row.is_good)
}

/// `a / b` with two decimals.
fn ratio(a: u64, b: u64) -> String {
    let hundredths = u128::from(a) * 100 / u128::from(b.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

struct Row<'a> {
    stack: &'a Stack,
    is_good: bool,
}

impl Row<'_> {
    fn measure(
        &mut self,
        what: &str,
        bound: Option<u64>,
        edit: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (a, b) = (self.stack.path("a"), self.stack.path("b"));
        let before = self.stack.traffic()?;
        edit(&a).with_context(|| what.to_owned())?;
        self.stack.sync()?;
        let after = self.stack.traffic()?;
        assert_same(&a, &b).with_context(|| what.to_owned())?;
        let (up, down) = (after.0 - before.0, after.1 - before.1);
        let is_within = bound.is_none_or(|bound| up <= bound && down <= bound);
        self.is_good &= is_within;
        let shown = bound.map_or("—".to_owned(), |bound| bound.to_string());
        let mark = if is_within { "" } else { " **missed**" };
        say(format!("| {what} | {up} | {down} | {shown}{mark} |"));
        Ok(())
    }
}

fn assert_same(a: &Path, b: &Path) -> anyhow::Result<()> {
    let is_same = process::run_quietly(std::process::Command::new("cmp").arg(a).arg(b))?;
    if is_same.is_ok {
        Ok(())
    } else {
        bail!("the files differ: {}", is_same.text)
    }
}
