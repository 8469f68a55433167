//! A world of one server and some devices, moved by one seed: user actions, syncs, losses, crashes, and
//! afterwards the question whether everything is equal and nothing is lost.
//!
//! Everything but the disk and the network is the real code. Invariant: equal seeds give equal worlds. Not here:
//! schedules of directed scenarios (they use [`Device`] by hand).
//! Source: docs/design/sync-semantics.md §"What must hold", rows S1–S6, C1–C5 there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fst_fs::fake::{FakeEntry, FakeVault};
use fst_proto::path::RelPath;
use fst_proto::time::{Clock, UnixMillis};
use fst_server::service::Service;

use crate::rng::Rng;

pub(crate) mod device;
mod user;

pub use device::Device;
use user::Durability;

/// When every world begins.
const START_MS: u64 = 1_700_000_000_000;

/// Rounds in which a world must become quiet after the last fault.
const QUIET_ROUNDS_MAX: usize = 60;

/// Time that only moves when told.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Arc<AtomicU64>,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self {
            now: Arc::new(AtomicU64::new(START_MS)),
        }
    }
}

impl VirtualClock {
    /// Moves on.
    pub fn advance(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.now.load(Ordering::Relaxed))
    }
}

/// Size and weather of a world.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Devices.
    pub n_devices: usize,
    /// Steps before it calms down.
    pub n_steps: usize,
    /// Share of messages lost, in percent.
    pub loss_percent: usize,
    /// Whether only the first device has a user.
    pub is_single_user: bool,
}

impl Plan {
    /// A plan drawn from the seed itself.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self {
            n_devices: 2 + usize::from(seed.is_multiple_of(3)),
            n_steps: 30 + usize::try_from(seed % 5).unwrap_or(0) * 10,
            loss_percent: if seed.is_multiple_of(2) { 0 } else { 10 },
            is_single_user: seed.is_multiple_of(7),
        }
    }
}

/// What a world came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Everything that happened, in words; equal seeds give equal traces.
    pub trace: Vec<String>,
    /// What is wrong; empty when all is well.
    pub faults: Vec<String>,
    /// Crashes survived.
    pub n_crashes: usize,
    /// Files in the end.
    pub n_files: usize,
}

/// A write in the middle of a sync: where, what was there, what is there now.
type Meanwhile = (RelPath, Option<Vec<u8>>, Vec<u8>);

/// A running world.
#[derive(Debug)]
pub struct World {
    rng: Rng,
    clock: VirtualClock,
    devices: Vec<Device>,
    plan: Plan,
    report: Report,
    n_contents: u64,
    /// What users did in the middle of a sync: path, content before, content after.
    meanwhile: Arc<Mutex<Vec<Meanwhile>>>,
    /// Every content a user wrote, and whether a user has knowingly replaced or removed it since.
    contents: BTreeMap<Vec<u8>, bool>,
}

/// Runs the world of `seed`.
#[must_use]
pub fn run(seed: u64, plan: Plan) -> Report {
    let mut world = World::new(seed, plan);
    for _ in 0..plan.n_steps {
        world.step();
    }
    world.calm();
    world.judge();
    world.report
}

impl World {
    fn new(seed: u64, plan: Plan) -> Self {
        let rng = Rng::new(seed);
        let clock = VirtualClock::default();
        let service = Arc::new(Service::in_memory(
            Arc::new(clock.clone()),
            Arc::new(rng.clone()),
        ));
        let devices = device::enrol(&service, plan.n_devices, &clock, &rng);
        for device in &devices {
            device.weather.lose(plan.loss_percent);
        }
        Self {
            rng,
            clock,
            devices,
            plan,
            report: Report::default(),
            n_contents: 0,
            meanwhile: Arc::default(),
            contents: BTreeMap::new(),
        }
    }

    fn say(&mut self, text: String) {
        self.report.trace.push(text);
    }

    fn step(&mut self) {
        self.clock.advance(1 + self.rng.next() % 5_000);
        let n = self.devices.len();
        let at = self.rng.below(n);
        let now_ns = i64::try_from(self.clock.now().0)
            .unwrap_or(0)
            .saturating_mul(1_000_000);
        self.devices[at].vault.set_clock(now_ns);
        match self.rng.below(100) {
            0..45 => self.user_acts(if self.plan.is_single_user { 0 } else { at }),
            45..85 => self.sync(at),
            85..92 => self.crash(at),
            92..96 => {
                self.say(format!("{at}: line cut"));
                self.devices[at].weather.partition(true);
            },
            _ => {
                self.say(format!("{at}: line healed"));
                self.devices[at].weather.partition(false);
            },
        }
    }

    fn sync(&mut self, at: usize) {
        if self.rng.chance(30) && (at == 0 || !self.plan.is_single_user) {
            self.interfere(at);
        }
        let outcome = self.devices[at].sync();
        self.say(format!("{at}: sync {outcome}"));
        self.note_interference(Durability::Kept);
    }

    /// A crash at a random changing call of the disk or a random request, in the middle of a sync.
    fn crash(&mut self, at: usize) {
        let n = 1 + self.rng.next() % 12;
        let is_power_cut = self.rng.chance(30);
        let outcome = self.devices[at].crash_in_sync(n, self.rng.chance(70), is_power_cut);
        self.report.n_crashes += 1;
        let durability = if is_power_cut {
            Durability::Lost
        } else {
            Durability::Kept
        };
        self.note_interference(durability);
        self.say(format!("{at}: crash after {n} ({outcome})"));
    }

    /// The weather clears; everybody syncs until nothing moves.
    fn calm(&mut self) {
        for device in &self.devices {
            device.weather.partition(false);
            device.weather.lose(0);
        }
        let mut quiet = 0;
        for _ in 0..QUIET_ROUNDS_MAX {
            self.clock.advance(1_000);
            let outcomes: Vec<String> = self.devices.iter_mut().map(Device::sync).collect();
            let is_disturbed = self.note_interference(Durability::Kept);
            self.say(format!("calm: {}", outcomes.join(", ")));
            let is_quiet = !is_disturbed && outcomes.iter().all(|o| o == "Quiet");
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == 2 {
                return;
            }
        }
        self.report.faults.push("does not become quiet".to_owned());
    }

    fn judge(&mut self) {
        let trees: Vec<_> = self.devices.iter().map(|d| shown(&d.vault)).collect();
        self.report.n_files = trees[0].len();
        for (at, tree) in trees.iter().enumerate().skip(1) {
            if *tree != trees[0] {
                let text = format!("device {at} differs: {:?}", difference(&trees[0], tree));
                self.report.faults.push(text);
            }
        }
        for (at, device) in self.devices.iter().enumerate() {
            if !device.vault.stage_is_empty() {
                self.report
                    .faults
                    .push(format!("device {at} has a stage that is not empty"));
            }
        }
        self.judge_contents();
        self.judge_single_user(&trees[0]);
    }

    fn judge_contents(&mut self) {
        let present: BTreeSet<Vec<u8>> = self.devices[0]
            .vault
            .snapshot()
            .into_values()
            .filter_map(bytes_of)
            .collect();
        for (content, is_destroyed) in &self.contents {
            if !is_destroyed && !present.contains(content) {
                let text = String::from_utf8_lossy(&content[..content.len().min(24)]).into_owned();
                self.report.faults.push(format!("lost content {text:?}"));
            }
        }
        for content in &present {
            if !self.contents.contains_key(content) {
                self.report.faults.push("invented content".to_owned());
            }
        }
    }

    /// With one user there is nobody to conflict with.
    fn judge_single_user(&mut self, tree: &BTreeMap<String, String>) {
        let copies = tree
            .keys()
            .filter(|path| path.contains("(conflict"))
            .count();
        if self.plan.is_single_user && copies > 0 {
            self.report
                .faults
                .push(format!("{copies} spurious conflict copies"));
        }
    }
}

fn bytes_of(entry: FakeEntry) -> Option<Vec<u8>> {
    match entry {
        FakeEntry::File { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// What a person sees of a folder: paths, contents, links, executable bits; no times.
fn shown(vault: &FakeVault) -> BTreeMap<String, String> {
    vault
        .snapshot()
        .into_iter()
        .map(|(path, entry)| (path.to_string(), describe(&entry)))
        .collect()
}

fn describe(entry: &FakeEntry) -> String {
    match entry {
        FakeEntry::File { bytes, exec, .. } => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
            format!("file {} {start} {exec}", bytes.len())
        },
        FakeEntry::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
        FakeEntry::Dir => "dir".to_owned(),
        FakeEntry::Special => "special".to_owned(),
    }
}

fn difference(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let only = |x: &BTreeMap<String, String>, y: &BTreeMap<String, String>, mark: &str| {
        x.iter()
            .filter(|(path, text)| y.get(*path) != Some(*text))
            .map(|(path, text)| format!("{mark}{path}={text}"))
            .collect::<Vec<_>>()
    };
    [only(a, b, "-"), only(b, a, "+")].concat()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("test paths are well formed")
}
