//! Three hosts on this machine: A and B, joined by way of S, each in a network namespace and a control group of its own.
//!
//! ```text
//! A 10.213.1.1 ── 10.213.1.2 S 10.213.2.2 ── 10.213.2.1 B
//! ```
//!
//! Programs that talk directly from A to B are forwarded by S. Invariant: everything that was started on a host ends with
//! [`Hosts`]. Needs root. Not here: what runs on them. Source: ip-netns(8), tc-tbf(8), cgroups(7).

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::process;

/// How often resident memory is read: a transfer takes tenths of seconds at the least.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

/// Rounds of ending what runs on a host: a process may start another while it is being ended.
const END_ROUNDS_MAX: u32 = 50;

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The device that changes something.
    A,
    /// The server.
    S,
    /// The device that follows.
    B,
}

impl Host {
    pub(crate) const ALL: [Self; 3] = [Self::A, Self::S, Self::B];

    fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::S => "s",
            Self::B => "b",
        }
    }

    /// The address that the others reach it by.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::A => "10.213.1.1",
            Self::S => "10.213.1.2",
            Self::B => "10.213.2.1",
        }
    }
}

/// What was spent so far, all hosts together unless a field says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// CPU time of all processes of A, S and B, nanoseconds.
    pub(crate) cpu_ns: [u64; 3],
    /// Bytes that left A, with TCP and IP.
    pub(crate) sent_by_a: u64,
    /// Bytes that came to B.
    pub(crate) received_by_b: u64,
}

/// The hosts.
pub(crate) struct Hosts {
    prefix: String,
    peaks: Arc<[AtomicU64; 3]>,
    sampler: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
    started: RefCell<Vec<Child>>,
}

impl Hosts {
    /// Makes them; with `rate`, as tc(8) writes it, no line is faster than that.
    pub(crate) fn make(rate: Option<&str>) -> anyhow::Result<Self> {
        let prefix = format!("fst-bench-{}", std::process::id());
        let mut hosts = Self {
            prefix,
            peaks: Arc::default(),
            sampler: None,
            started: RefCell::default(),
        };
        for host in Host::ALL {
            fs::create_dir_all(hosts.group(host)).context("make a control group (needs root)")?;
            ip(&["netns", "add", &hosts.space(host)])?;
            hosts.ip(host, &["link", "set", "lo", "up"])?;
        }
        hosts.join(Host::A, ("10.213.1.1/24", "a0"), ("10.213.1.2/24", "s0"))?;
        hosts.join(Host::B, ("10.213.2.1/24", "b0"), ("10.213.2.2/24", "s1"))?;
        hosts.ip(Host::A, &["route", "add", "default", "via", "10.213.1.2"])?;
        hosts.ip(Host::B, &["route", "add", "default", "via", "10.213.2.2"])?;
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        done(hosts.command(Host::S, "sh").args(["-c", forward]))?;
        if let Some(rate) = rate {
            let lines = [
                (Host::A, "a0"),
                (Host::S, "s0"),
                (Host::S, "s1"),
                (Host::B, "b0"),
            ];
            lines
                .into_iter()
                .try_for_each(|(host, link)| hosts.shape(host, link, rate))?;
        }
        hosts.sample();
        Ok(hosts)
    }

    /// `program` on a host.
    pub(crate) fn command(&self, host: Host, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("sh");
        // The shell puts itself into the group and becomes the program.
        command
            .args([
                "-c",
                r#"echo $$ > "$1" && shift && exec ip netns exec "$@""#,
                "sh",
            ])
            .arg(self.group(host).join("cgroup.procs"))
            .arg(self.space(host))
            .arg(program.as_ref());
        command
    }

    /// Starts a program that stays until the hosts end.
    pub(crate) fn start(&self, command: &mut Command, log: &Path) -> anyhow::Result<()> {
        let log = fs::File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        self.started.borrow_mut().push(child);
        Ok(())
    }

    /// What was spent so far.
    pub(crate) fn spent(&self) -> anyhow::Result<Spent> {
        let mut spent = Spent::default();
        for (cpu, host) in spent.cpu_ns.iter_mut().zip(Host::ALL) {
            *cpu = cpu_ns(&self.group(host))?;
        }
        spent.sent_by_a = self.counter(Host::A, "a0", "tx_bytes")?;
        spent.received_by_b = self.counter(Host::B, "b0", "rx_bytes")?;
        Ok(spent)
    }

    /// Most resident memory of each host's processes together since the last call, bytes.
    pub(crate) fn take_peaks(&self) -> [u64; 3] {
        std::array::from_fn(|at| self.peaks[at].swap(0, Ordering::Relaxed))
    }

    fn join(&self, host: Host, near: (&str, &str), far: (&str, &str)) -> anyhow::Result<()> {
        let (here, there) = (self.space(host), self.space(Host::S));
        let pair = [
            "link", "add", near.1, "netns", &here, "type", "veth", "peer", "name", far.1,
        ];
        ip(&[&pair[..], &["netns", &there]].concat())?;
        for (host, (address, link)) in [(host, near), (Host::S, far)] {
            self.ip(host, &["addr", "add", address, "dev", link])?;
            self.ip(host, &["link", "set", link, "up"])?;
        }
        Ok(())
    }

    fn shape(&self, host: Host, link: &str, rate: &str) -> anyhow::Result<()> {
        let bucket = ["tbf", "rate", rate, "burst", "1mb", "latency", "50ms"];
        let mut command = Command::new("tc");
        command.args(["-n", &self.space(host), "qdisc", "add", "dev", link, "root"]);
        done(command.args(bucket))
    }

    fn ip(&self, host: Host, args: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-n", &self.space(host)], args].concat())
    }

    fn counter(&self, host: Host, link: &str, name: &str) -> anyhow::Result<u64> {
        let path = format!("/sys/class/net/{link}/statistics/{name}");
        // Not in the host's group: reading is no work of the program that is measured.
        let mut command = Command::new("ip");
        let read = command.args(["netns", "exec", &self.space(host), "cat", &path]);
        let read = process::run_quietly(read)?;
        read.text.trim().parse().with_context(|| read.text.clone())
    }

    fn space(&self, host: Host) -> String {
        format!("{}-{}", self.prefix, host.letter())
    }

    fn group(&self, host: Host) -> PathBuf {
        group_root().join(self.space(host))
    }

    fn sample(&mut self) {
        let (stop, stopped) = mpsc::channel::<()>();
        let (peaks, groups) = (
            Arc::clone(&self.peaks),
            Host::ALL.map(|host| self.group(host)),
        );
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(SAMPLE_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                for (peak, group) in peaks.iter().zip(&groups) {
                    let resident = processes(group).iter().map(|pid| resident(pid)).sum();
                    peak.fetch_max(resident, Ordering::Relaxed);
                }
            }
        });
        self.sampler = Some((stop, thread));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.sampler.take() {
            drop(stop);
            drop(thread.join());
        }
        for host in Host::ALL {
            let group = self.group(host);
            for _ in 0..END_ROUNDS_MAX {
                let pids = processes(&group);
                if pids.is_empty() {
                    break;
                }
                drop(process::run_quietly(
                    Command::new("kill").arg("-9").args(&pids),
                ));
                std::thread::park_timeout(SAMPLE_EVERY);
                let mut started = self.started.borrow_mut();
                started.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
            }
            drop(fs::remove_dir(&group));
            drop(ip(&["netns", "del", &self.space(host)]));
        }
    }
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    done(Command::new("ip").args(args))
}

/// Runs a command that has to succeed.
pub(crate) fn done(command: &mut Command) -> anyhow::Result<()> {
    let ran = process::run_quietly(command)?;
    ensure!(ran.is_ok, "{command:?}: {}", ran.text);
    Ok(())
}

/// Control groups of the first version account CPU time in a tree of its own.
fn group_root() -> PathBuf {
    let first = Path::new("/sys/fs/cgroup/cpuacct");
    if first.is_dir() {
        first.into()
    } else {
        "/sys/fs/cgroup".into()
    }
}

fn cpu_ns(group: &Path) -> anyhow::Result<u64> {
    if let Ok(text) = fs::read_to_string(group.join("cpuacct.usage")) {
        return Ok(text.trim().parse()?);
    }
    let text = fs::read_to_string(group.join("cpu.stat"))?;
    let usage = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    match usage {
        Some(usage) => Ok(usage.trim().parse::<u64>()? * 1000),
        None => bail!("{}: no usage_usec", group.display()),
    }
}

fn processes(group: &Path) -> Vec<String> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Resident memory of a process that may be gone.
fn resident(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
