//! The troubles of a world, and how all of them are lifted.

use fst_engine::ignore::Selection;
use fst_fs::fake::PowerCut;
use fst_fs::vault::VaultError;

use super::plan::Hazard;
use super::{World, path};

/// Ten years.
const DECADE_MS: i64 = 10 * 365 * 86_400_000;
/// Less than two devices and a server may differ without anybody refusing anybody.
const SMALL_SKEW_MS: u64 = 4 * 60_000;
/// Share of requests that are late while messages are late at all, percent.
const LATE_PERCENT: usize = 20;

impl World {
    /// One of the plan's hazards strikes device `at`.
    pub(super) fn trouble(&mut self, at: usize) {
        let mut events = self.plan.hazards.clone();
        events.retain(|hazard| !hazard.is_lasting());
        if events.is_empty() {
            return;
        }
        let hazard = events[self.rng.below(events.len())];
        self.say(format!("{at}: {hazard:?}"));
        self.count(&format!("{hazard:?}"));
        self.strike(hazard, at);
    }

    fn strike(&mut self, hazard: Hazard, at: usize) {
        let coin = self.rng.chance(60);
        let has_user = self.has_user(at);
        let device = &mut self.devices[at];
        match hazard {
            Hazard::LateMessages => device.weather.delay(if coin { LATE_PERCENT } else { 0 }),
            Hazard::HalfOpen => device.weather.half_open(coin),
            Hazard::ClockJumps => {
                let small = i64::try_from(self.rng.next() % SMALL_SKEW_MS).unwrap_or(0);
                let skew = [small, -small, DECADE_MS + small, -DECADE_MS - small, 0];
                device.clock().set_skew(skew[self.rng.below(skew.len())]);
            },
            Hazard::FullDisk => device.vault.set_full(coin),
            Hazard::FailingDisk => self.break_disk(at),
            Hazard::Programs if has_user => self.use_program(at),
            Hazard::OldDatabase if coin => device.back_up(),
            Hazard::OldDatabase => drop(device.restore()),
            Hazard::Choices => self.choose(at),
            Hazard::LostDatabase if self.rng.chance(30) => device.lose_database(),
            Hazard::ServerKills if coin => self.house.kill_after(1 + self.rng.next() % 8),
            Hazard::ServerKills => self.house.restart(),
            Hazard::LazyDisk => self.cut_power(at),
            Hazard::OldServer => self.age_server(),
            Hazard::Prunes => self.prune(at),
            Hazard::Restores if has_user => self.revive(at),
            Hazard::Rules if has_user => self.write_rules(at),
            Hazard::Programs
            | Hazard::LostDatabase
            | Hazard::FoldsCase
            | Hazard::Restores
            | Hazard::Rules
            | Hazard::Emptied => {},
        }
    }

    /// The user of a device chooses among the directories that users have.
    fn choose(&mut self, at: usize) {
        const CHOICES: [[&[&str]; 3]; 8] = [
            [&[], &[], &[]],
            [&["d"], &[], &[]],
            [&["d/f", "e"], &[], &[]],
            [&[], &["d"], &[]],
            [&[], &[], &["d"]],
            [&[], &["d/f"], &["e"]],
            [&["d"], &[], &["d/f", "e"]],
            [&["d/f"], &[], &["d"]],
        ];
        let [only, except, cleared] = CHOICES[self.rng.below(CHOICES.len())];
        let paths = |list: &[&str]| list.iter().map(|text| path(text)).collect::<Vec<_>>();
        let device = &mut self.devices[at];
        device.close();
        device.selection = Selection::new(paths(only), paths(except), paths(cleared));
        self.say(format!(
            "{at}: user chooses {only:?}, not {except:?} nor {cleared:?}"
        ));
    }

    /// In the middle of nothing.
    fn cut_power(&mut self, at: usize) {
        let device = &mut self.devices[at];
        device.vault.power_cut(PowerCut::Everything);
        device.close();
        device.vault.revive();
        self.note_power_cut(at);
    }

    fn break_disk(&self, at: usize) {
        let vault = &self.devices[at].vault;
        let n = 1 + self.rng.next() % 12;
        match self.rng.below(4) {
            0 => vault.lose_answer_at(vault.n_calls() + n),
            1 => vault.fail_look_at(vault.n_looks() + n * 5),
            2 => vault.fail_at(vault.n_calls() + n, full("write")),
            _ => {
                let source = std::io::Error::other("input/output error");
                let error = VaultError::Io {
                    op: "change",
                    source,
                };
                vault.fail_at(vault.n_calls() + n, error);
            },
        }
    }

    /// The weather that lasts all the time.
    pub(super) fn set_weather(&self) {
        for device in &self.devices {
            device.weather.lose(self.plan.loss_percent);
        }
    }

    /// Every fault is over.
    pub(super) fn lift(&mut self) {
        while self.house.deliver_one(&self.rng) {}
        self.house.spare();
        for device in &mut self.devices {
            device.close();
            device.vault.revive();
            device.vault.set_full(false);
            device.weather.partition(false);
            device.weather.half_open(false);
            device.weather.delay(0);
            device.weather.lose(0);
            device.clock().set_skew(0);
            device.selection = Selection::default();
        }
        for programs in &mut self.programs {
            programs.clear();
        }
    }
}

fn full(op: &'static str) -> VaultError {
    VaultError::NoSpace {
        op,
        source: std::io::ErrorKind::StorageFull.into(),
    }
}
