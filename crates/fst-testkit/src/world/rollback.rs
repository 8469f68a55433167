//! The whole server goes back to an earlier copy for a stretch, as an operator does who restores a backup.
//!
//! Invariant: a device that had verified more stops and touches no file for as long as it lasts. When somebody has
//! committed on the old copy there are two histories for good, and the world ends: whoever is on the one that the
//! server does not show any more stays stopped and keeps every byte. Not here: lies about single entries (`evil`).
//! Source: docs/design/sync-semantics.md §"What must hold", codes FST-7001 and FST-7002.

use std::collections::BTreeSet;

use fst_proto::error::ErrorCode;

use super::judge::{bytes_of, difference, shown};
use super::{Hazard, QUIET_ROUNDS_MAX, World};
use crate::house::Backup;

/// Share of stretches, in percent, in which everybody works on with the old server.
const FORK_PERCENT: usize = 50;
/// Share of steps, in percent, at which the first backup is made.
const BACKUP_PERCENT: usize = 15;
/// Share of steps of a stretch, in percent, in which a user does something.
const ACT_PERCENT: usize = 50;

impl World {
    /// The first backup, some time after the space was made.
    pub(super) fn begin_backups(&mut self) {
        if self.backup.is_none() && self.rng.chance(BACKUP_PERCENT) && self.log_size() > 0 {
            self.backup = self.house.back_up();
        }
    }

    /// An operator makes a backup of the server, or puts the last one in place of the server.
    pub(super) fn age_server(&mut self) {
        if self.log_size() == 0 {
            return;
        }
        match self.backup.take() {
            Some(old) if self.rng.chance(70) => self.go_back(old),
            Some(_) | None => self.backup = self.house.back_up(),
        }
    }

    /// Entries of the space's log that the server shows; 0 while there is no space.
    fn log_size(&mut self) -> u64 {
        let weather = self.devices[0].weather.clone();
        let has_line = weather.pause();
        let spaces = self.devices[0].remote().spaces();
        weather.resume(&has_line);
        spaces.map_or(0, |spaces| {
            spaces.spaces.first().map_or(0, |info| info.head.size)
        })
    }

    fn go_back(&mut self, old: Backup) {
        self.lift();
        let Some(newest) = self.house.back_up() else {
            return;
        };
        let newest_size = self.log_size();
        // What a crash left behind is put right before anybody looks.
        for device in &mut self.devices {
            device.open_quietly();
        }
        let n = self.devices.len();
        let known: Vec<u64> = (0..n).map(|at| self.devices[at].known_size()).collect();
        self.house.put_back(old);
        let old_size = self.log_size();
        self.say(format!(
            "server goes back from {newest_size} to {old_size}, known {known:?}"
        ));
        let ahead: BTreeSet<usize> = (0..n).filter(|at| known[*at] > old_size).collect();
        let is_shared = old_size < newest_size && self.rng.chance(FORK_PERCENT);
        self.live_with_old(&ahead, is_shared);
        if self.log_size() == old_size {
            self.count("server back, newest put back");
            self.house.put_back(newest);
            return self.set_weather();
        }
        let stopped = if self.rng.chance(50) {
            self.count("server back, fork, old one stays");
            ahead
        } else {
            self.count("server back, fork, newest put back");
            self.house.put_back(newest);
            let is_on_old =
                |at: &usize| !ahead.contains(at) && self.devices[*at].known_size() > old_size;
            (0..n)
                .collect::<Vec<_>>()
                .into_iter()
                .filter(is_on_old)
                .collect()
        };
        self.say(format!("two histories, stopped for good: {stopped:?}"));
        self.stopped = Some(stopped);
    }

    fn live_with_old(&mut self, ahead: &BTreeSet<usize>, is_shared: bool) {
        for _ in 0..4 + self.rng.below(6) {
            self.clock.advance(1 + self.rng.next() % self.plan.tempo_ms);
            let at = self.rng.below(self.devices.len());
            self.set_disk_clock(at);
            let is_ahead = ahead.contains(&at);
            if !is_ahead && !is_shared {
                continue;
            }
            if self.has_user(at) && self.rng.chance(ACT_PERCENT) {
                self.user_acts(at);
            }
            if is_ahead {
                self.must_stop(at);
            } else {
                self.sync_in_peace(at);
            }
        }
    }

    fn sync_in_peace(&mut self, at: usize) {
        let outcome = self.devices[at].sync();
        self.say(format!("{at}: sync {outcome}"));
        if outcome == "Quiet" {
            self.note_quiet(at);
        }
    }

    /// A sync with a server that shows less or other than before ends in that error and changes nothing. What follows
    /// on another history may break a rule before it can be told to be another one.
    fn must_stop(&mut self, at: usize) {
        let before = self.devices[at].vault.snapshot();
        let ended = self.devices[at].settle();
        self.say(format!("{at}: stops {ended:?}"));
        let is_stopped = matches!(
            ended,
            Err(ErrorCode::Rollback | ErrorCode::Fork | ErrorCode::InvalidLog)
        );
        if !is_stopped {
            let text = format!("device {at} goes on with an old server: {ended:?}");
            self.report.faults.push(text);
        }
        if self.devices[at].vault.snapshot() != before {
            let text = format!("device {at} is stopped and changes files");
            self.report.faults.push(text);
        }
        self.count("stops at an old server");
    }

    /// The end of a world with two histories.
    pub(super) fn judge_fork(&mut self, stopped: &BTreeSet<usize>) {
        self.lift();
        let free: Vec<usize> = (0..self.devices.len())
            .filter(|at| !stopped.contains(at))
            .collect();
        let mut n_quiet = 0;
        for _ in 0..QUIET_ROUNDS_MAX {
            self.clock.advance(2_500);
            let before = self.trees();
            let mut is_quiet = true;
            for at in 0..self.devices.len() {
                self.set_disk_clock(at);
                if stopped.contains(&at) {
                    self.must_stop(at);
                } else {
                    let outcome = self.devices[at].sync();
                    is_quiet &= outcome == "Quiet";
                    self.say(format!("{at}: fork {outcome}"));
                }
            }
            n_quiet = if is_quiet && self.trees() == before {
                n_quiet + 1
            } else {
                0
            };
            if n_quiet == 2 {
                break;
            }
        }
        if n_quiet < 2 {
            self.report
                .faults
                .push("a fork does not become quiet".to_owned());
        }
        let trees: Vec<_> = free
            .iter()
            .map(|at| shown(&self.devices[*at].vault))
            .collect();
        // What each device ignores may differ until the rules are dropped, which a world with two histories does not see.
        let is_comparable = !self.has(Hazard::Rules);
        let others = trees.iter().skip(1).filter(|_| is_comparable);
        for tree in others.filter(|tree| **tree != trees[0]) {
            let text = format!(
                "free devices of a fork differ: {:?}",
                difference(&trees[0], tree)
            );
            self.report.faults.push(text);
        }
        let present: BTreeSet<_> = self
            .trees()
            .into_iter()
            .flat_map(|tree| tree.into_values().filter_map(bytes_of))
            .collect();
        self.judge_present(&present);
    }
}
