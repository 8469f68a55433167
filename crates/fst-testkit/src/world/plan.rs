//! Size, authors and weather of a world, drawn from its seed.

use fst_fs::fake::FakeOptions;

use crate::rng::Rng;

/// Keeps the draw of the plan apart from the draws of the run.
const PLAN_SALT: u64 = 0x5eed_0f91_a4e5;

/// Share of worlds, in percent, that each hazard troubles.
const HAZARD_PERCENT: usize = 22;
/// The same for a folder of many files, which takes as long as several worlds.
const EMPTIED_PERCENT: usize = 3;

/// Steps of a world of choices beyond those of its seed: each choice needs some time in which it holds.
const MORE_STEPS: usize = 40;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authors {
    /// Only the first device has a user: there is nobody to conflict with.
    Single,
    /// One at a time: the next begins when everybody has everything. Nothing is concurrent.
    Turns,
    /// Everybody at any time.
    Free,
}

/// What may go wrong apart from crashes, losses and cut lines, which may go wrong in every world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hazard {
    /// Requests arrive after their senders gave up, out of order.
    LateMessages,
    /// Requests arrive and answers do not.
    HalfOpen,
    /// Clocks of devices jump, back and forth.
    ClockJumps,
    /// The disk is full for a while.
    FullDisk,
    /// Calls of the disk fail, or do their work and say they failed; barriers too.
    FailingDisk,
    /// Programs hold files open and add to them.
    Programs,
    /// A device gets an older copy of its database back.
    OldDatabase,
    /// A device loses its database.
    LostDatabase,
    /// `a` and `A` are one name, on every device.
    FoldsCase,
    /// The server is killed.
    ServerKills,
    /// What users write is on the disk only some time later, and power cuts take it.
    LazyDisk,
    /// The whole server goes back to an earlier copy for a while.
    OldServer,
    /// The server gives up what its rules do not keep any more.
    Prunes,
    /// Users bring back what was.
    Restores,
    /// Rules of what is ignored come and change.
    Rules,
    /// Devices choose sub-folders, choose others, and have copies of what they do not choose removed.
    Choices,
    /// In the end a folder of many files is emptied bit by bit.
    Emptied,
}

impl Hazard {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::LateMessages,
        Self::HalfOpen,
        Self::ClockJumps,
        Self::FullDisk,
        Self::FailingDisk,
        Self::Programs,
        Self::OldDatabase,
        Self::LostDatabase,
        Self::FoldsCase,
        Self::ServerKills,
        Self::LazyDisk,
        Self::OldServer,
        Self::Prunes,
        Self::Restores,
        Self::Rules,
        Self::Choices,
        Self::Emptied,
    ];

    /// Share of worlds that it troubles, in percent.
    fn percent(self) -> usize {
        if self == Self::Emptied {
            EMPTIED_PERCENT
        } else {
            HAZARD_PERCENT
        }
    }

    /// Whether it is a state of the world from its beginning, not an event.
    pub(super) fn is_lasting(self) -> bool {
        matches!(self, Self::FoldsCase | Self::Emptied)
    }
}

/// Size and weather of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Devices.
    pub n_devices: usize,
    /// Steps before it calms down.
    pub n_steps: usize,
    /// Share of messages lost, in percent.
    pub loss_percent: usize,
    /// Share of steps that crash a device, in percent.
    pub crash_percent: usize,
    /// Who writes.
    pub authors: Authors,
    /// Longest time between two steps, milliseconds.
    pub tempo_ms: u64,
    /// Step of the times of files, nanoseconds: exact, a tick of the kernel, or that of FAT.
    pub grain_ns: u32,
    /// What else may go wrong.
    pub hazards: Vec<Hazard>,
}

impl Plan {
    /// The plan of `seed`.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let rng = Rng::new(seed ^ PLAN_SALT);
        let n_devices = [2, 2, 3, 4][rng.below(4)];
        let authors = match rng.below(6) {
            0 => Authors::Single,
            1 => Authors::Turns,
            _ => Authors::Free,
        };
        let hazards = Hazard::ALL
            .into_iter()
            .filter(|hazard| rng.chance(hazard.percent()));
        Self {
            n_devices,
            n_steps: 30 + rng.below(5) * 10,
            loss_percent: [0, 0, 10, 25][rng.below(4)],
            crash_percent: 8,
            tempo_ms: [20, 400, 5_000][rng.below(3)],
            grain_ns: [1, 1, 4_000_000, 2_000_000_000][rng.below(4)],
            authors,
            hazards: hazards.collect(),
        }
    }

    /// The plan of `seed` with kills all the time, of clients and of the server.
    #[must_use]
    pub fn of_kills(seed: u64) -> Self {
        let mut plan = Self::of_seed(seed);
        plan.crash_percent = 35;
        plan.hazards.retain(|hazard| *hazard != Hazard::ServerKills);
        plan.hazards.extend([Hazard::ServerKills; 4]);
        plan
    }

    /// The plan of `seed` with devices that choose other sub-folders all the time.
    #[must_use]
    pub fn of_choices(seed: u64) -> Self {
        let mut plan = Self::of_seed(seed);
        plan.n_steps += MORE_STEPS;
        plan.hazards.extend([Hazard::Choices; 6]);
        plan
    }

    /// Disks of all devices.
    pub(super) fn disk_options(&self) -> FakeOptions {
        FakeOptions {
            folds_case: self.hazards.contains(&Hazard::FoldsCase),
            mtime_grain_ns: self.grain_ns,
            is_ctime_coarse: self.grain_ns > 1,
        }
    }

    /// Whether conflicts can only be spurious: nothing is concurrent, nobody has lost their memory, and nothing
    /// was ignored, or not chosen, for a while.
    #[must_use]
    pub fn is_free_of_conflicts(&self) -> bool {
        let blind = [Hazard::Rules, Hazard::Choices];
        let is_blind = self.hazards.iter().any(|hazard| blind.contains(hazard));
        self.authors != Authors::Free && !self.is_forgetful() && !is_blind
    }

    /// Whether devices lose what they knew: what lay in a stage then is kept under a name of ours.
    #[must_use]
    pub fn is_forgetful(&self) -> bool {
        let is_loss = |h: &Hazard| matches!(h, Hazard::OldDatabase | Hazard::LostDatabase);
        self.hazards.iter().any(is_loss)
    }
}
