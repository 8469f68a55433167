//! What a folder of many files costs: `cargo xtask bench scale --entries N [--at DIR]`.
//!
//! Two devices on this machine with homes of their own; the first one's daemon is also the server. Printed are CPU
//! seconds, resident memory and requests of each daemon for the first sync, an unchanged folder, and single edits.
//! Not here: comparisons with other programs; verdicts. A loaded machine makes walls longer, CPU seconds hardly.
//! Source: proc(5).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::bench::build;
use crate::say::say;

/// Files in one directory.
const FILES_PER_DIR: usize = 100;

/// Single edits that are averaged.
const N_EDITS: u32 = 20;

/// Longest wait for one edit to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

/// How long the daemons are watched doing nothing.
const IDLE: Duration = Duration::from_secs(60);

/// Ticks of a second in `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// One device: its home, its folder, its daemon.
struct Device {
    fst: PathBuf,
    home: PathBuf,
    folder: PathBuf,
    pid: u64,
}

/// CPU seconds and requests so far.
#[derive(Clone, Copy)]
struct Spent {
    cpu_s: [f64; 2],
    requests: u64,
    at: Instant,
}

/// Runs the measurement; the folders are made below `--at`, by default the system's directory for such things.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<bool> {
    let value = |name: &str| {
        let at = args.iter().position(|arg| *arg == name)?;
        args.get(at + 1).copied()
    };
    let entries: usize = value("--entries").unwrap_or("27000").parse()?;
    let fst = match value("--fst") {
        Some(path) => PathBuf::from(path),
        None => build(&["fst-cli"])?,
    };
    let at = value("--at").map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::tempdir_in(at)?;
    let n_dirs = entries.div_ceil(FILES_PER_DIR + 1);
    let folder = scratch.path().join("one/folder");
    fill(&folder, entries - n_dirs)?;
    let measured = measure(&fst, scratch.path(), entries);
    for home in ["one", "two"] {
        let stopped = fst_command(&fst, &scratch.path().join(home))
            .args(["daemon", "stop"])
            .output();
        drop(stopped);
    }
    measured.map(|()| true)
}

fn fill(folder: &Path, n_files: usize) -> anyhow::Result<()> {
    for n in 0..n_files {
        let dir = folder.join(format!("d{:05}", n / FILES_PER_DIR));
        if n % FILES_PER_DIR == 0 {
            fs::create_dir_all(&dir)?;
        }
        fs::write(dir.join(format!("f{n:07}")), format!("file {n}\n"))?;
    }
    Ok(())
}

fn measure(fst: &Path, scratch: &Path, entries: usize) -> anyhow::Result<()> {
    let (one, up) = Device::up(fst, &scratch.join("one"), &[])?;
    say(format!("{entries} entries"));
    say(format!(
        "first sync, sending: CPU {:.2} s, {}",
        one.cpu_s()?,
        one.memory()?
    ));
    let server = text(&up, "/data/server")?;
    let join = text(&up, "/data/join")?;
    let (two, _) = Device::up(
        fst,
        &scratch.join("two"),
        &["--server", &server, "--join", &join],
    )?;
    say(format!(
        "first sync, receiving: CPU {:.2} s, {}; sender and server {}",
        two.cpu_s()?,
        two.memory()?,
        one.memory()?
    ));
    let bench = Bench { one, two, server };
    for round in ["first", "second", "third"] {
        bench.phase(&format!("unchanged, {round} wait"), |bench| {
            bench.one.run(&["wait", "--synced", "--timeout", "10m"])?;
            bench.two.run(&["wait", "--synced", "--timeout", "10m"])
        })?;
    }
    bench.phase(&format!("{N_EDITS} edits, one after the other"), |bench| {
        (0..N_EDITS).try_for_each(|n| bench.edit(n))
    })?;
    bench.phase("idle for a minute", |_| {
        rest(IDLE);
        Ok(())
    })?;
    say(format!(
        "memory: {}; {}",
        bench.one.memory()?,
        bench.two.memory()?
    ));
    Ok(())
}

struct Bench {
    one: Device,
    two: Device,
    server: String,
}

impl Bench {
    fn spent(&self) -> anyhow::Result<Spent> {
        Ok(Spent {
            cpu_s: [self.one.cpu_s()?, self.two.cpu_s()?],
            requests: requests(&self.server)?,
            at: now(),
        })
    }

    fn phase(
        &self,
        what: &str,
        act: impl FnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let before = self.spent()?;
        act(self)?;
        let after = self.spent()?;
        say(format!(
            "{what}: CPU {:.2} s sender with server, {:.2} s receiver; {} requests; {:.1} s",
            after.cpu_s[0] - before.cpu_s[0],
            after.cpu_s[1] - before.cpu_s[1],
            after.requests - before.requests,
            after.at.duration_since(before.at).as_secs_f64(),
        ));
        Ok(())
    }

    /// Changes one file on the first device and waits until the second has it.
    fn edit(&self, n: u32) -> anyhow::Result<()> {
        let file = "d00000/f0000007";
        let bytes = format!("edit {n}\n");
        fs::write(self.one.folder.join(file), &bytes)?;
        let begun = now();
        while fs::read(self.two.folder.join(file))? != bytes.as_bytes() {
            if begun.elapsed() > ARRIVAL_MAX {
                bail!("edit {n} does not arrive");
            }
            rest(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Device {
    fn up(fst: &Path, home: &Path, args: &[&str]) -> anyhow::Result<(Self, Value)> {
        let folder = home.join("folder");
        fs::create_dir_all(home)?;
        let mut device = Self {
            fst: fst.to_path_buf(),
            home: home.to_path_buf(),
            folder: folder.clone(),
            pid: 0,
        };
        let folder = folder.to_string_lossy().into_owned();
        let mut all = vec!["up", &folder, "--json", "--no-input", "--timeout", "2h"];
        all.extend(args);
        let up = device.json(&all)?;
        let status = device.json(&["daemon", "status", "--json"])?;
        let pid = status.pointer("/data/pid").and_then(Value::as_u64);
        device.pid = pid.with_context(|| format!("no pid in {status}"))?;
        Ok((device, up))
    }

    fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = fst_command(&self.fst, &self.home).args(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "fst {args:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_str(&text)?)
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<()> {
        let output = fst_command(&self.fst, &self.home).args(args).output()?;
        ensure!(
            output.status.success(),
            "fst {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn cpu_s(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let after_name = stat.rsplit(')').next().context("a stat line")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        Ok(ticks(11)
            .zip(ticks(12))
            .map_or(0.0, |(user, system)| user + system)
            / TICKS_PER_SECOND)
    }

    fn memory(&self) -> anyhow::Result<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = |name: &str| {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_default();
            line.split_whitespace()
                .nth(1)
                .and_then(|kib| kib.parse::<u64>().ok())
                .unwrap_or(0)
                / 1024
        };
        Ok(format!(
            "RSS {} MiB, at most {} MiB",
            line("VmRSS:"),
            line("VmHWM:")
        ))
    }
}

fn fst_command(fst: &Path, home: &Path) -> Command {
    let mut command = Command::new(fst);
    command.env("HOME", home);
    for (name, below) in [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
    ] {
        command.env(name, home.join(below));
    }
    command
}

/// Requests that the server has answered.
fn requests(server: &str) -> anyhow::Result<u64> {
    let address = server.trim_start_matches("http://").trim_end_matches('/');
    let mut line = TcpStream::connect(address)?;
    write!(
        line,
        "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    line.read_to_string(&mut text)?;
    let counters = text
        .lines()
        .filter(|line| line.starts_with("fst_http_requests_total"));
    let counts = counters.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

fn text(value: &Value, at: &str) -> anyhow::Result<String> {
    let text = value.pointer(at).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("no {at} in {value}"))?
        .to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement of a program that works on its own"
)]
fn rest(time: Duration) {
    // tidy: real-time wait, because what is measured happens in other processes
    std::thread::sleep(time);
}
