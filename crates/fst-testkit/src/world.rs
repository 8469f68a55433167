//! A world of one server and some devices, moved by one seed: user actions, syncs, losses, crashes, and
//! afterwards the question whether everything is equal and nothing is lost.
//!
//! Everything but the disk and the network is the real code. Invariant: equal seeds give equal worlds. Not here:
//! schedules of directed scenarios (they use [`Device`] by hand). Parts: `plan` (what a seed chooses), `user`,
//! `hazards`, `judge` (what must hold in the end).
//! Source: docs/design/sync-semantics.md §"What must hold", rows S1–S6, C1–C5 there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fst_fs::fake::{FakeEntry, FakeOptions, FakeVault, PowerCut, UserFile};
use fst_proto::error::ErrorCode;
use fst_proto::path::RelPath;
use fst_proto::time::{Clock, UnixMillis};

use crate::house::{Backup, House};
use crate::rng::Rng;

pub(crate) mod device;
mod guard;
mod hazards;
mod judge;
mod past;
mod plan;
mod rollback;
mod user;

pub use device::Device;
pub use plan::{Authors, Hazard, Plan};
use user::Meanwhile;

/// When every world begins.
const START_MS: u64 = 1_700_000_000_000;

/// Every so many seeds the end is checked once more from scratch.
const RESYNC_EVERY: u64 = 8;

/// Rounds in which a world must become quiet after the last fault.
const QUIET_ROUNDS_MAX: usize = 60;

/// Time that only moves when told.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Arc<AtomicU64>,
    /// By how much this one is wrong.
    skew: Arc<AtomicI64>,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self {
            now: Arc::new(AtomicU64::new(START_MS)),
            skew: Arc::default(),
        }
    }
}

impl VirtualClock {
    /// Moves on.
    pub fn advance(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }

    /// The same time, seen by somebody whose clock can be wrong by itself.
    #[must_use]
    pub fn with_own_skew(&self) -> Self {
        Self {
            now: Arc::clone(&self.now),
            skew: Arc::default(),
        }
    }

    /// Makes this one wrong by `ms`.
    pub fn set_skew(&self, ms: i64) {
        self.skew.store(ms, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        let now = self.now.load(Ordering::Relaxed);
        UnixMillis(now.saturating_add_signed(self.skew.load(Ordering::Relaxed)))
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
    /// Those of them in which a client's process ended in the middle of a call.
    pub n_kills: u64,
    /// Kills of the server's process.
    pub n_server_kills: u64,
    /// Files in the end.
    pub n_files: usize,
    /// How often each hazard struck, and what came of it.
    pub counts: BTreeMap<String, u64>,
}

/// A running world.
#[derive(Debug)]
pub struct World {
    rng: Rng,
    clock: VirtualClock,
    house: House,
    devices: Vec<Device>,
    plan: Plan,
    report: Report,
    n_contents: u64,
    /// Whose turn it is, where authors take turns.
    author: usize,
    /// What a user wrote to last.
    last_file: &'static str,
    /// What users did in the middle of a sync.
    meanwhile: Arc<Mutex<Vec<Meanwhile>>>,
    /// Every content a user wrote, and whether a user has knowingly replaced or removed it since.
    contents: BTreeMap<Vec<u8>, bool>,
    /// Contents of each device that neither its disk nor the server has for good: a power cut may take them.
    unsafe_yet: Vec<BTreeSet<Vec<u8>>>,
    /// Files that programs of each device hold open.
    programs: Vec<Vec<UserFile>>,
    /// An older state of the server.
    backup: Option<Backup>,
    /// Devices that a fork has stopped for good; the world ends with it.
    stopped: Option<BTreeSet<usize>>,
}

/// Runs the world of `seed`.
#[must_use]
pub fn run(seed: u64, plan: &Plan) -> Report {
    let mut world = World::new(seed, plan.clone());
    for _ in 0..plan.n_steps {
        world.step();
        if world.stopped.is_some() {
            break;
        }
    }
    match world.stopped.take() {
        Some(stopped) => world.judge_fork(&stopped),
        None => world.end(seed),
    }
    world.report.n_server_kills = world.house.n_kills();
    world.report
}

impl World {
    /// Peace, and the questions that a world has to answer.
    fn end(&mut self, seed: u64) {
        self.calm();
        self.lift();
        if self.has(Hazard::Rules) {
            self.drop_rules();
        }
        self.judge();
        if seed.is_multiple_of(RESYNC_EVERY) {
            self.judge_resync();
        }
        if self.has(Hazard::Prunes) {
            self.judge_kept();
        }
        if self.has(Hazard::Emptied) {
            self.judge_guard();
        }
    }

    fn new(seed: u64, plan: Plan) -> Self {
        let rng = Rng::new(seed);
        let clock = VirtualClock::default();
        let house = House::mortal(&clock, &rng);
        let mut devices = device::enrol(&house, plan.n_devices, &clock, &rng);
        let options = plan.disk_options();
        for device in &mut devices {
            device.vault = FakeVault::with_options(options);
            device.weather.lose(plan.loss_percent);
        }
        Self {
            unsafe_yet: vec![BTreeSet::new(); devices.len()],
            programs: devices.iter().map(|_| Vec::new()).collect(),
            rng,
            clock,
            house,
            devices,
            plan,
            report: Report::default(),
            n_contents: 0,
            author: 0,
            last_file: "a",
            meanwhile: Arc::default(),
            contents: BTreeMap::new(),
            backup: None,
            stopped: None,
        }
    }

    fn disk_options(&self) -> FakeOptions {
        self.plan.disk_options()
    }

    fn count(&mut self, what: &str) {
        *self.report.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn has(&self, hazard: Hazard) -> bool {
        self.plan.hazards.contains(&hazard)
    }

    fn say(&mut self, text: String) {
        self.report.trace.push(text);
    }

    fn step(&mut self) {
        self.clock.advance(1 + self.rng.next() % self.plan.tempo_ms);
        while self.rng.chance(30) && self.house.deliver_one(&self.rng) {
            self.say("a late request arrives".to_owned());
        }
        if self.has(Hazard::OldServer) {
            self.begin_backups();
        }
        let at = self.rng.below(self.devices.len());
        self.set_disk_clock(at);
        let crash_end = 80 + self.plan.crash_percent.min(50);
        match self.rng.below(crash_end + 12) {
            0..42 => self.let_user_act(at),
            42..80 => self.sync(at),
            n if n < crash_end => self.crash(at),
            n if n < crash_end + 3 => {
                self.say(format!("{at}: line cut"));
                self.devices[at].weather.partition(true);
            },
            n if n < crash_end + 6 => {
                self.say(format!("{at}: line healed"));
                self.devices[at].weather.partition(false);
            },
            _ => self.trouble(at),
        }
    }

    fn set_disk_clock(&self, at: usize) {
        let device = &self.devices[at];
        let now_ms = i64::try_from(device.clock().now().0).unwrap_or(0);
        device.vault.set_clock(now_ms.saturating_mul(1_000_000));
    }

    fn let_user_act(&mut self, at: usize) {
        let at = match self.plan.authors {
            Authors::Free => at,
            Authors::Single => 0,
            Authors::Turns => {
                if at != self.author && self.rng.chance(30) {
                    self.say(format!("{at}: is to be the author"));
                    self.calm();
                    self.author = at;
                }
                self.author
            },
        };
        self.set_disk_clock(at);
        self.user_acts(at);
    }

    /// Whether device `at` has a user now.
    fn has_user(&self, at: usize) -> bool {
        match self.plan.authors {
            Authors::Free => true,
            Authors::Single => at == 0,
            Authors::Turns => at == self.author,
        }
    }

    fn sync(&mut self, at: usize) {
        if self.rng.chance(30) && self.has_user(at) {
            self.interfere(at);
        }
        let outcome = self.devices[at].sync();
        self.devices[at].vault.forget_interference();
        self.say(format!("{at}: sync {outcome}"));
        let is_quiet = outcome == "Quiet";
        if is_quiet {
            self.note_quiet(at);
        }
        // What came in the middle of the sync may have come too late for it.
        if self.note_interference() && is_quiet {
            self.note_sent(at);
        }
    }

    /// What lies in a folder at rest is at the server, or left out of the sync: then it is as safe as the user's own disk.
    fn note_quiet(&mut self, at: usize) {
        if self.has(Hazard::Rules) || self.has(Hazard::Choices) {
            self.note_sent(at);
        } else {
            self.unsafe_yet[at].clear();
        }
    }

    fn note_sent(&mut self, at: usize) {
        if !self.unsafe_yet[at].is_empty() {
            let sent = self.in_history();
            self.unsafe_yet[at].retain(|content| !sent.contains(content));
        }
    }

    /// A crash at a random changing call of the disk or a random request, in the middle of a sync.
    fn crash(&mut self, at: usize) {
        // A sync makes two requests or two hundred calls: most kills come early, some late.
        let n = 1 + self.rng.next() % [2, 4, 8, 16][self.rng.below(4)];
        let on_disk = self.rng.chance(60);
        let cut = match self.rng.below(10) {
            0..2 => Some(PowerCut::Everything),
            2 => Some(PowerCut::Contents),
            _ => None,
        };
        let is_cut = if self.rng.chance(70) {
            let is_killed = self.devices[at].kill_in_sync(n, on_disk, cut);
            self.report.n_kills += u64::from(is_killed);
            self.say(format!("{at}: kill at {n}, disk {on_disk}: {is_killed}"));
            is_killed && cut.is_some()
        } else {
            let outcome = self.devices[at].crash_in_sync(n, on_disk, cut);
            self.say(format!("{at}: crash at {n}, disk {on_disk} ({outcome})"));
            cut.is_some()
        };
        self.report.n_crashes += 1;
        self.note_interference();
        if is_cut {
            self.say(format!("{at}: power cut {cut:?}"));
            self.note_power_cut(at);
        }
    }

    /// What was neither on the disk nor at the server is gone, and that is nobody's fault.
    fn note_power_cut(&mut self, at: usize) {
        self.programs[at].clear();
        for lost in std::mem::take(&mut self.unsafe_yet[at]) {
            self.contents.insert(lost, true);
        }
    }

    fn trees(&self) -> Vec<BTreeMap<RelPath, FakeEntry>> {
        let vaults = self.devices.iter().map(|device| &device.vault);
        vaults.map(FakeVault::snapshot).collect()
    }

    /// The weather clears; everybody syncs until nothing moves.
    fn calm(&mut self) {
        self.lift();
        let mut quiet = 0;
        for _ in 0..QUIET_ROUNDS_MAX {
            self.clock.advance(2_500);
            for at in 0..self.devices.len() {
                self.set_disk_clock(at);
            }
            let before = self.trees();
            let outcomes: Vec<String> = self.devices.iter_mut().map(Device::sync).collect();
            let is_disturbed = self.note_interference() || self.trees() != before;
            self.say(format!("calm: {}", outcomes.join(", ")));
            let is_quiet = !is_disturbed && outcomes.iter().all(|o| o == "Quiet");
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == 2 {
                self.write_back();
                return self.set_weather();
            }
            // A user who removed everything that was there is asked, and says so.
            let stopped = self.devices.iter_mut().zip(&outcomes);
            let asked = stopped.filter(|(_, outcome)| outcome.contains("folder is empty"));
            asked.for_each(|(device, _)| device.accept_deletions());
        }
        if !self.is_held_by_rules() {
            self.report.faults.push("does not become quiet".to_owned());
        }
    }

    /// In a calm every system has the time to bring to its disk what users did.
    fn write_back(&mut self) {
        for (device, unsafe_yet) in self.devices.iter().zip(&mut self.unsafe_yet) {
            if fst_fs::vault::Vault::sync_stage(&device.vault).is_ok() {
                unsafe_yet.clear();
            }
        }
    }

    /// Whether something unreadable lies where rules are expected: until that is repaired nothing is synced, and said so.
    fn is_held_by_rules(&self) -> bool {
        let mut problems = self.devices.iter().flat_map(Device::problems);
        problems.any(|problem| problem.code == ErrorCode::BadIgnoreFile.to_string())
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("test paths are well formed")
}
