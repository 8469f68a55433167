//! A folder that is emptied bit by bit, and rules of what is ignored that come, change and go.
//!
//! Invariant: of many files no more go than the guard lets go; what was ignored is there when nothing is ignored any
//! more. Source: docs/design/sync-semantics.md, row S-138; ADR 0014.

use fst_proto::error::ErrorCode;

use super::{World, path};

/// Files of a folder that is to be emptied: more than the guard lets go.
const MANY: usize = 80;
/// Of these are removed.
const REMOVED: usize = 64;
/// Row S-138: so many may go without a question.
const MAY_GO: usize = 50;
/// What one step removes at most; all steps together take less than five minutes.
const BIT_MAX: usize = 8;
/// Time between two steps.
const STEP_MS: u64 = 4_000;
/// A file of rules.
const RULES: &str = ".fstignore";
/// Rules to choose from; none ignores itself, so that the end of all rules reaches every device.
const PATTERNS: [&str; 5] = ["b", "d/", "/a", "e/a", "*\n!.fstignore\n!b"];

impl World {
    /// A user writes rules of what is ignored.
    pub(super) fn write_rules(&mut self, at: usize) {
        let pattern = PATTERNS[self.rng.below(PATTERNS.len())];
        self.put_rules(at, pattern);
        self.count("rules change");
    }

    fn put_rules(&mut self, at: usize, pattern: &str) {
        let vault = self.devices[at].vault.clone();
        if vault.is_crashed() {
            return;
        }
        self.programs[at].clear();
        self.n_contents += 1;
        let bytes = format!("# {:03}\n{pattern}\n", self.n_contents).into_bytes();
        let before = vault.user_read(&path(RULES));
        if vault.user_write(&path(RULES), &bytes).is_err() {
            return;
        }
        if let Some(old) = before {
            self.contents.insert(old, true);
        }
        self.come(at, bytes);
        self.say(format!("{at}: user ignores {pattern:?}"));
    }

    /// Nothing is ignored any more, anywhere.
    pub(super) fn drop_rules(&mut self) {
        self.put_rules(0, "");
        self.calm();
        self.lift();
    }

    /// Removes most of many files on one device, little by little.
    pub(super) fn judge_guard(&mut self) {
        let at = self.rng.below(self.devices.len());
        let vault = self.devices[at].vault.clone();
        let made = vault.user_mkdir(&path("many"));
        for n in 0..MANY {
            let written =
                vault.user_write(&path(&format!("many/{n}")), format!("many {n}").as_bytes());
            written.expect("the weather is fair");
        }
        made.expect("the weather is fair");
        self.calm();
        self.lift();
        let (mut n_removed, mut ended) = (0, None);
        while n_removed < REMOVED {
            let until = (n_removed + 1 + self.rng.below(BIT_MAX)).min(REMOVED);
            for n in n_removed..until {
                vault
                    .user_remove(&path(&format!("many/{n}")))
                    .expect("it is there");
            }
            n_removed = until;
            self.clock.advance(STEP_MS);
            for one in 0..self.devices.len() {
                self.set_disk_clock(one);
                let outcome = self.devices[one].settle();
                if one == at {
                    ended = Some(outcome);
                }
            }
        }
        self.say(format!("{at}: removes {n_removed} of {MANY}: {ended:?}"));
        if !matches!(ended, Some(Err(ErrorCode::MassDelete))) {
            self.report
                .faults
                .push(format!("a folder is emptied bit by bit: {ended:?}"));
        }
        for (one, tree) in self.trees().iter().enumerate() {
            let n_left = tree.keys().filter(|p| p.starts_with(&path("many"))).count() - 1;
            if one != at && n_left < MANY - MAY_GO {
                self.report
                    .faults
                    .push(format!("device {one} has {n_left} of {MANY} files left"));
            }
        }
        self.count("emptied bit by bit");
    }
}
