//! What the user of a simulated device does: a small pool of names, so that things collide.

use std::sync::{Arc, PoisonError};

use fst_fs::fake::{FakeEntry, FakeVault};
use fst_proto::path::RelPath;

use super::plan::Hazard;
use super::{World, path};

/// Names to choose from; few, so that users meet.
const FILES: [&str; 6] = ["a", "b", "d/a", "d/c", "e/a", "d/f/g"];
/// The same for file systems on which `a` and `A` are one name.
const FOLDED_FILES: [&str; 6] = ["a", "A", "b", "d/a", "d/A", "e/a"];
const DIRS: [&str; 3] = ["d", "e", "d/f"];

/// Something that a user did in the middle of a sync.
#[derive(Debug)]
pub(super) struct Meanwhile {
    at: usize,
    text: String,
    /// What lay there before.
    gone: Option<Vec<u8>>,
    /// What the user wrote.
    come: Option<Vec<u8>>,
}

impl World {
    pub(super) fn user_acts(&mut self, at: usize) {
        let vault = self.devices[at].vault.clone();
        if vault.is_crashed() {
            return;
        }
        let what = match self.rng.below(15) {
            0..5 => self.write(at, &vault),
            5 => self.chmod(&vault),
            6 | 7 => self.rename(at, &vault),
            8 => self.remove(at, &vault),
            9 => self.remove_dir(at, &vault),
            10 => self.link(&vault),
            11 => self.make_dir(&vault),
            12 => self.copy(at, &vault),
            13 => self.hard_link(&vault),
            _ => self.touch(&vault),
        };
        self.settle_disk(at);
        self.note_interference();
        if let Some(what) = what {
            self.say(format!("{at}: user {what}"));
        }
    }

    /// The user's system writes back now, or later when the disk is a lazy one.
    fn settle_disk(&mut self, at: usize) {
        let is_later = self.has(Hazard::LazyDisk) && self.rng.chance(60);
        if !is_later && fst_fs::vault::Vault::sync_stage(&self.devices[at].vault).is_ok() {
            self.unsafe_yet[at].clear();
        }
    }

    /// A program opens a file, adds to it, or closes it.
    pub(super) fn use_program(&mut self, at: usize) {
        if let Some(program) = self.programs[at].pop() {
            if self.rng.chance(30) {
                return self.say(format!("{at}: program closes"));
            }
            let before = program.read();
            self.n_contents += 1;
            program.append(format!("+{}", self.n_contents).as_bytes());
            let after = program.read();
            self.programs[at].push(program);
            self.contents.insert(before, true);
            self.come(at, after);
            return self.say(format!("{at}: program adds {}", self.n_contents));
        }
        let vault = self.devices[at].vault.clone();
        let Some(file) = self.pick(&vault, |e| matches!(e, FakeEntry::File { .. })) else {
            return;
        };
        if let Ok(program) = vault.user_open(&file) {
            self.programs[at].push(program);
            self.say(format!("{at}: program opens {file}"));
        }
    }

    /// A new content is on the disk of `at`.
    pub(super) fn come(&mut self, at: usize, bytes: Vec<u8>) {
        self.unsafe_yet[at].insert(bytes.clone());
        self.contents.insert(bytes, false);
    }

    /// Plans an act of the user right before a changing call of the coming sync: the moment between look and
    /// replacement.
    pub(super) fn interfere(&mut self, at: usize) {
        let target = path(self.some_file());
        let other = path(self.some_file());
        let bytes = self.fresh();
        // Saving beside and renaming take the file away from a program that has it open: its user's own doing.
        let n_kinds = if self.programs[at].is_empty() {
            100
        } else {
            60
        };
        let kind = self.rng.below(n_kinds);
        let meanwhile = Arc::clone(&self.meanwhile);
        let vault = &self.devices[at].vault;
        let nth = vault.n_calls() + 1 + self.rng.next() % 12;
        vault.interfere_at(nth, move |vault| {
            let gone = vault.user_read(&target);
            let (is_done, come) = match kind {
                0..60 => (vault.user_write(&target, &bytes).is_ok(), Some(bytes)),
                60..75 => (vault.user_save(&target, &bytes).is_ok(), Some(bytes)),
                75..85 if gone.is_some() => (vault.user_remove(&target).is_ok(), None),
                _ if other != target => (vault.user_rename(&other, &target).is_ok(), None),
                _ => (false, None),
            };
            if is_done {
                let text = format!("{target} ({kind})");
                let mut log = meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
                log.push(Meanwhile {
                    at,
                    text,
                    gone,
                    come,
                });
            }
        });
    }

    /// Books what users did in the middle of syncs; says whether they did anything.
    pub(super) fn note_interference(&mut self) -> bool {
        let mut log = self
            .meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let done = std::mem::take(&mut *log);
        drop(log);
        let has_happened = !done.is_empty();
        for act in done {
            if let Some(gone) = act.gone {
                self.contents.insert(gone, true);
            }
            self.say(format!("{}: user meanwhile at {}", act.at, act.text));
            if let Some(come) = act.come {
                self.come(act.at, come);
            }
        }
        has_happened
    }

    /// Users like to go on with what they wrote last.
    fn some_file(&mut self) -> &'static str {
        if self.rng.chance(35) {
            return self.last_file;
        }
        // Two devices that make `a` and `A` at a time have a tree that neither can show: not for these worlds.
        let pool = if self.has(Hazard::FoldsCase) && self.plan.is_free_of_conflicts() {
            &FOLDED_FILES
        } else {
            &FILES
        };
        self.last_file = pool[self.rng.below(pool.len())];
        self.last_file
    }

    /// Whoever moves files away closes them first: what is written to a file after its user removed it is
    /// nobody's loss but theirs.
    fn close_programs(&mut self, at: usize) {
        self.programs[at].clear();
    }

    fn pick(&self, vault: &FakeVault, want: impl Fn(&FakeEntry) -> bool) -> Option<RelPath> {
        let all: Vec<RelPath> = vault
            .snapshot()
            .into_iter()
            .filter(|(_, e)| want(e))
            .map(|(p, _)| p)
            .collect();
        (!all.is_empty()).then(|| all[self.rng.below(all.len())].clone())
    }

    /// A content nobody wrote before; now and then large enough to be cut into objects.
    fn fresh(&mut self) -> Vec<u8> {
        self.n_contents += 1;
        let mut bytes = format!("content {:03} ", self.n_contents).into_bytes();
        match self.rng.below(10) {
            0 => bytes.resize(9_000, b'x'),
            1 => bytes.resize(70_000, b'y'),
            _ => {},
        }
        bytes
    }

    fn destroy(&mut self, vault: &FakeVault, at: &RelPath) {
        if let Some(old) = vault.user_read(at) {
            self.contents.insert(old, true);
        }
    }

    fn write(&mut self, at_device: usize, vault: &FakeVault) -> Option<String> {
        let at = path(self.some_file());
        let bytes = self.fresh();
        self.close_programs(at_device);
        let before = vault.user_read(&at);
        let written = if self.rng.chance(50) {
            vault.user_write(&at, &bytes)
        } else {
            vault.user_save(&at, &bytes)
        };
        written.ok()?;
        if let Some(old) = before {
            self.contents.insert(old, true);
        }
        self.come(at_device, bytes);
        Some(format!("writes {at} content {}", self.n_contents))
    }

    fn chmod(&self, vault: &FakeVault) -> Option<String> {
        let at = self.pick(vault, |e| matches!(e, FakeEntry::File { .. }))?;
        vault.user_chmod(&at, self.rng.chance(50)).ok()?;
        Some(format!("changes mode of {at}"))
    }

    fn rename(&mut self, at: usize, vault: &FakeVault) -> Option<String> {
        let from = self.pick(vault, |_| true)?;
        self.close_programs(at);
        let to = path(if self.rng.chance(50) {
            self.some_file()
        } else {
            DIRS[self.rng.below(DIRS.len())]
        });
        let old = vault
            .user_read(&to)
            .filter(|_| !is_same_name(vault, &from, &to));
        if from == to || to.starts_with(&from) || vault.user_rename(&from, &to).is_err() {
            return None;
        }
        if let Some(old) = old {
            self.contents.insert(old, true);
        }
        Some(format!("renames {from} to {to}"))
    }

    fn remove(&mut self, at_device: usize, vault: &FakeVault) -> Option<String> {
        self.close_programs(at_device);
        let at = self.pick(vault, |e| !matches!(e, FakeEntry::Dir))?;
        self.destroy(vault, &at);
        vault.user_remove(&at).ok()?;
        Some(format!("removes {at}"))
    }

    fn remove_dir(&mut self, at_device: usize, vault: &FakeVault) -> Option<String> {
        self.close_programs(at_device);
        let at = self.pick(vault, |e| matches!(e, FakeEntry::Dir))?;
        let inside: Vec<RelPath> = vault
            .snapshot()
            .into_keys()
            .filter(|p| p.starts_with(&at))
            .collect();
        for path in &inside {
            self.destroy(vault, path);
        }
        vault.user_remove(&at).ok()?;
        Some(format!("removes directory {at}"))
    }

    fn link(&mut self, vault: &FakeVault) -> Option<String> {
        let at = path(self.some_file());
        let target = format!("target {}", self.rng.below(3));
        vault.user_symlink(&at, target.as_bytes()).ok()?;
        Some(format!("links {at}"))
    }

    /// The same bytes under another name. A content that was given up somewhere stays given up: a copy that puts back
    /// what base has is no change, and loses against the edit that gave it up.
    fn copy(&mut self, at: usize, vault: &FakeVault) -> Option<String> {
        let from = self.pick(vault, |e| matches!(e, FakeEntry::File { .. }))?;
        let to = path(self.some_file());
        self.close_programs(at);
        let bytes = vault.user_read(&from)?;
        if is_same_name(vault, &from, &to) {
            return None;
        }
        let before = vault.user_read(&to);
        vault.user_write(&to, &bytes).ok()?;
        if let Some(old) = before {
            self.contents.insert(old, true);
        }
        self.unsafe_yet[at].insert(bytes);
        Some(format!("copies {from} to {to}"))
    }

    /// A second name of one file: what is written under one shows under both.
    fn hard_link(&mut self, vault: &FakeVault) -> Option<String> {
        let from = self.pick(vault, |e| matches!(e, FakeEntry::File { .. }))?;
        let to = path(self.some_file());
        vault.user_link(&from, &to).ok()?;
        Some(format!("links {from} hard to {to}"))
    }

    /// Times of any age, as archives and careless programs set them.
    fn touch(&self, vault: &FakeVault) -> Option<String> {
        const TIMES_NS: [i64; 4] = [0, -1_000_000_007, 4_000_000_000_000_000_000, 1];
        let at = self.pick(vault, |e| matches!(e, FakeEntry::File { .. }))?;
        let time = TIMES_NS[self.rng.below(TIMES_NS.len())];
        vault.user_touch(&at, time).ok()?;
        Some(format!("touches {at}"))
    }

    fn make_dir(&mut self, vault: &FakeVault) -> Option<String> {
        let at = path(DIRS[self.rng.below(DIRS.len())]);
        vault.user_mkdir(&at).ok()?;
        Some(format!("makes {at}"))
    }
}

/// Whether both lead to one object, as two spellings of a name do where names fold.
fn is_same_name(vault: &FakeVault, a: &RelPath, b: &RelPath) -> bool {
    match (vault.user_stat(a), vault.user_stat(b)) {
        (Some(a), Some(b)) => a.ino == b.ino,
        _ => false,
    }
}
