//! The same work by `fst` and by other programs, side by side: `cargo xtask bench peers`.
//!
//! ```text
//! [--size BYTES] [--groups large,text,small,arrival] [--tools fst,rsync,rsync-z,rsync-ssh,unison]
//! [--rounds N] [--rate 1gbit] [--at DIR] [--fst PATH] [--out FILE]
//! ```
//!
//! Each program runs between two hosts in network namespaces, with a third one between them; `fst` has its server there.
//! CPU time is that of all processes of a host by its control group; bytes are those of the line, with TCP and IP. Invariant:
//! both trees are compared byte by byte after each piece of work; a row is printed only when they are equal. Needs root and
//! the other programs. Not here: verdicts; a loaded machine makes walls longer, CPU seconds hardly.

mod hosts;
mod tools;
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use self::hosts::{Host, Hosts, Spent};
use self::tools::{NAMES, Place, Tool, set_up};
use self::work::{ARRIVALS, Group, Sides, Work, arrival};
use crate::bench::build;
use crate::process;
use crate::say::say;

/// Size of the large file when nothing else is asked for.
const SIZE: u64 = 1 << 30;

/// Hosts are at rest when they used less CPU time than this in one look.
const REST_CPU_NS: u64 = 5_000_000;

/// One look, and the number of them: what is not at rest after five seconds never will be.
const REST_LOOK: Duration = Duration::from_millis(100);
const REST_LOOKS_MAX: u32 = 50;

/// Time between two edits: a program that holds times for equal that lie within two seconds, as those of FAT do, would not
/// see the second one.
const GRAIN: Duration = Duration::from_millis(2500);

/// Time between two looks whether a small file has arrived: who looks without pause takes a processor from those who work.
const ARRIVAL_LOOK: Duration = Duration::from_micros(250);

/// Time between two small files: both sides are idle, which `fst` holds for so after 200 ms.
const ARRIVAL_REST: Duration = Duration::from_millis(300);

/// Longest wait for one small file to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

const HEAD: &str = "\
| work | program | wall s | CPU s | of it A / S / B | MB from A | MB to B | peak MiB A / S / B |
|---|---|---|---|---|---|---|---|";

struct Options {
    size: u64,
    groups: Vec<Group>,
    tools: Vec<String>,
    rounds: u32,
    rate: Option<String>,
    at: PathBuf,
    fst: Option<PathBuf>,
    out: Option<PathBuf>,
}

fn options(args: &[&str]) -> anyhow::Result<Options> {
    let mut options = Options {
        size: SIZE,
        groups: Group::ALL.to_vec(),
        tools: NAMES.map(str::to_owned).to_vec(),
        rounds: 2,
        rate: None,
        at: std::env::temp_dir(),
        fst: None,
        out: None,
    };
    let (pairs, rest) = args.as_chunks();
    for [name, value] in pairs {
        match *name {
            "--size" => options.size = value.parse().context("--size")?,
            "--groups" => {
                options.groups = value
                    .split(',')
                    .map(Group::parse)
                    .collect::<Result<_, _>>()?;
            },
            "--tools" => options.tools = value.split(',').map(str::to_owned).collect(),
            "--rounds" => options.rounds = value.parse().context("--rounds")?,
            "--rate" => options.rate = Some((*value).to_owned()),
            "--at" => options.at = value.into(),
            "--fst" => options.fst = Some(value.into()),
            "--out" => options.out = Some(value.into()),
            other => bail!("unknown option `{other}`"),
        }
    }
    ensure!(rest.is_empty(), "options come in pairs");
    Ok(options)
}

/// Runs the comparison.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<bool> {
    let options = options(args)?;
    let fst = match &options.fst {
        Some(fst) => fs::canonicalize(fst)?,
        None => build(&["fst-cli", "fst-server"])?,
    };
    let mut report = Report::default();
    report.line(HEAD);
    for group in &options.groups {
        for tool in &options.tools {
            for _ in 0..options.rounds {
                run_group(&options, *group, tool, &fst, &mut report)
                    .with_context(|| format!("{group:?} by {tool}"))?;
            }
        }
    }
    if let Some(out) = &options.out {
        fs::write(out, report.0)?;
    }
    Ok(true)
}

/// What was printed.
#[derive(Default)]
struct Report(String);

impl Report {
    fn line(&mut self, line: &str) {
        say(line);
        self.0.push_str(line);
        self.0.push('\n');
    }
}

/// All work of a group by one program, from nothing.
fn run_group(
    options: &Options,
    group: Group,
    name: &str,
    fst: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir_in(&options.at)?;
    let place = Place(scratch.path().to_owned());
    let hosts = Hosts::make(options.rate.as_deref())?;
    let tool = set_up(name, &hosts, &place, fst)?;
    // So that the first row does not pay for what is done once in the life of a folder.
    tool.sync(&hosts)?;
    let run = Run {
        hosts: &hosts,
        tool: tool.as_ref(),
        place: &place,
        name,
    };
    if group == Group::Arrival {
        report.line(&run.arrivals()?);
        return Ok(());
    }
    for work in group.works(options.size) {
        if work.is_on_both_sides && !tool.is_two_way() {
            continue;
        }
        report.line(&run.measure(&work).with_context(|| work.name.clone())?);
    }
    Ok(())
}

struct Run<'a> {
    hosts: &'a Hosts,
    tool: &'a dyn Tool,
    place: &'a Place,
    name: &'a str,
}

impl Run<'_> {
    fn measure(&self, work: &Work) -> anyhow::Result<String> {
        let (a, b) = (self.place.tree(Host::A), self.place.tree(Host::B));
        std::thread::park_timeout(GRAIN);
        self.rest()?;
        self.hosts.take_peaks();
        let before = self.hosts.spent()?;
        let aside = self.place.0.join("aside");
        fs::create_dir_all(&aside)?;
        let sides = Sides { a, b, aside };
        (work.edit)(&sides)?;
        let begun = now();
        self.tool.sync(self.hosts)?;
        let wall = begun.elapsed();
        self.rest()?;
        let after = self.hosts.spent()?;
        let peaks = self.hosts.take_peaks();
        compare(&sides.a, &sides.b)?;
        Ok(row(
            &work.name,
            self.name,
            wall.as_secs_f64(),
            &before,
            &after,
            peaks,
        ))
    }

    /// Small files, one after the other: from the end of the write to the whole file at B.
    fn arrivals(&self) -> anyhow::Result<String> {
        let (a, b) = (self.place.tree(Host::A), self.place.tree(Host::B));
        let mut walls_ms = Vec::new();
        self.rest()?;
        let before = self.hosts.spent()?;
        for n in 0..ARRIVALS {
            let (name, bytes) = arrival(n);
            fs::write(a.join(&name), &bytes)?;
            let begun = now();
            if !self.tool.is_watching() {
                self.tool.sync(self.hosts)?;
            }
            while fs::read(b.join(&name)).ok().as_deref() != Some(&bytes[..]) {
                ensure!(begun.elapsed() < ARRIVAL_MAX, "{name} does not arrive");
                std::thread::park_timeout(ARRIVAL_LOOK);
            }
            walls_ms.push(begun.elapsed().as_secs_f64() * 1000.0);
            std::thread::park_timeout(ARRIVAL_REST);
            self.rest()?;
        }
        let after = self.hosts.spent()?;
        walls_ms.sort_by(f64::total_cmp);
        let at = |percent: usize| walls_ms[(walls_ms.len() - 1) * percent / 100];
        let work = format!(
            "a new file of 1 KiB: p50 {:.1} ms, p95 {:.1} ms",
            at(50),
            at(95)
        );
        let wall_s = walls_ms.iter().sum::<f64>() / 1000.0;
        Ok(row(
            &work,
            self.name,
            wall_s,
            &before,
            &after,
            self.hosts.take_peaks(),
        ))
    }

    fn rest(&self) -> anyhow::Result<()> {
        let mut last: u64 = self.hosts.spent()?.cpu_ns.iter().sum();
        for _ in 0..REST_LOOKS_MAX {
            std::thread::park_timeout(REST_LOOK);
            let next: u64 = self.hosts.spent()?.cpu_ns.iter().sum();
            if next - last < REST_CPU_NS {
                return Ok(());
            }
            last = next;
        }
        Ok(())
    }
}

fn row(
    work: &str,
    name: &str,
    wall_s: f64,
    before: &Spent,
    after: &Spent,
    peaks: [u64; 3],
) -> String {
    let cpu_s: [f64; 3] = std::array::from_fn(|at| {
        Duration::from_nanos(after.cpu_ns[at] - before.cpu_ns[at]).as_secs_f64()
    });
    let [a, s, b] = cpu_s;
    let sent = megabytes(after.sent_by_a - before.sent_by_a);
    let received = megabytes(after.received_by_b - before.received_by_b);
    let cpu = format!("{:.2} | {a:.2} / {s:.2} / {b:.2}", a + s + b);
    let [a, s, b] = peaks.map(|bytes| bytes >> 20);
    format!("| {work} | {name} | {wall_s:.3} | {cpu} | {sent} | {received} | {a} / {s} / {b} |")
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{:06}", bytes / 1_000_000, bytes % 1_000_000)
}

/// Both trees are equal; what a program keeps for itself does not count.
fn compare(a: &Path, b: &Path) -> anyhow::Result<()> {
    let mut diff = std::process::Command::new("diff");
    let diff = diff
        .args(["-rq", "--no-dereference", "-x", ".fst"])
        .arg(a)
        .arg(b);
    let compared = process::run_quietly(diff)?;
    ensure!(compared.is_ok, "the trees differ: {}", compared.text);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}
