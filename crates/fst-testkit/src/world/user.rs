//! What the user of a simulated device does: a small pool of names, so that things collide.

use std::sync::{Arc, PoisonError};

use fst_fs::fake::{FakeEntry, FakeVault};
use fst_proto::path::RelPath;

use super::{World, path};

/// Names to choose from; few, so that users meet.
const FILES: [&str; 6] = ["a", "b", "d/a", "d/c", "e/a", "d/f/g"];
const DIRS: [&str; 3] = ["d", "e", "d/f"];

/// What a power cut means for a write of a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It stands.
    Kept,
    /// The disk had not got it yet: nobody's fault.
    Lost,
}

impl World {
    pub(super) fn user_acts(&mut self, at: usize) {
        let vault = self.devices[at].vault.clone();
        if vault.is_crashed() {
            return;
        }
        let what = match self.rng.below(12) {
            0..5 => self.write(&vault),
            5 => self.chmod(&vault),
            6 | 7 => self.rename(&vault),
            8 => self.remove(&vault),
            9 => self.remove_dir(&vault),
            10 => self.link(&vault),
            _ => self.make_dir(&vault),
        };
        // A power cut may take what no barrier has seen; that would be the disk's loss, not ours.
        drop(fst_fs::vault::Vault::sync_stage(&vault));
        self.note_interference(Durability::Kept);
        if let Some(what) = what {
            self.say(format!("{at}: user {what}"));
        }
    }

    /// Plans a write of the user right before a changing call of the coming sync: the moment between look and
    /// replacement.
    pub(super) fn interfere(&mut self, at: usize) {
        let target = path(FILES[self.rng.below(FILES.len())]);
        let bytes = self.fresh();
        let meanwhile = Arc::clone(&self.meanwhile);
        let vault = &self.devices[at].vault;
        let nth = vault.n_calls() + 1 + self.rng.next() % 12;
        vault.interfere_at(nth, move |vault| {
            let before = vault.user_read(&target);
            if vault.user_write(&target, &bytes).is_ok() {
                let mut log = meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
                log.push((target, before, bytes));
            }
        });
    }

    /// Books what users did in the middle of syncs; says whether they did anything.
    pub(super) fn note_interference(&mut self, durability: Durability) -> bool {
        let mut log = self
            .meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let done = std::mem::take(&mut *log);
        drop(log);
        let has_happened = !done.is_empty();
        for (path, before, after) in done {
            if let Some(before) = before {
                self.contents.insert(before, true);
            }
            self.say(format!("user wrote {path} meanwhile"));
            self.contents.insert(after, durability == Durability::Lost);
        }
        has_happened
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
        let mut bytes = format!("content {} ", self.n_contents).into_bytes();
        match self.rng.below(8) {
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

    fn write(&mut self, vault: &FakeVault) -> Option<String> {
        let at = path(FILES[self.rng.below(FILES.len())]);
        let bytes = self.fresh();
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
        self.contents.insert(bytes, false);
        Some(format!("writes {at} content {}", self.n_contents))
    }

    fn chmod(&self, vault: &FakeVault) -> Option<String> {
        let at = self.pick(vault, |e| matches!(e, FakeEntry::File { .. }))?;
        vault.user_chmod(&at, self.rng.chance(50)).ok()?;
        Some(format!("changes mode of {at}"))
    }

    fn rename(&mut self, vault: &FakeVault) -> Option<String> {
        let from = self.pick(vault, |_| true)?;
        let pool = if self.rng.chance(50) {
            &FILES[..]
        } else {
            &DIRS[..]
        };
        let to = path(pool[self.rng.below(pool.len())]);
        let old = vault.user_read(&to);
        if from == to || to.starts_with(&from) || vault.user_rename(&from, &to).is_err() {
            return None;
        }
        if let Some(old) = old {
            self.contents.insert(old, true);
        }
        Some(format!("renames {from} to {to}"))
    }

    fn remove(&mut self, vault: &FakeVault) -> Option<String> {
        let at = self.pick(vault, |e| !matches!(e, FakeEntry::Dir))?;
        self.destroy(vault, &at);
        vault.user_remove(&at).ok()?;
        Some(format!("removes {at}"))
    }

    fn remove_dir(&mut self, vault: &FakeVault) -> Option<String> {
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
        let at = path(FILES[self.rng.below(FILES.len())]);
        let target = format!("target {}", self.rng.below(3));
        vault.user_symlink(&at, target.as_bytes()).ok()?;
        Some(format!("links {at}"))
    }

    fn make_dir(&mut self, vault: &FakeVault) -> Option<String> {
        let at = path(DIRS[self.rng.below(DIRS.len())]);
        vault.user_mkdir(&at).ok()?;
        Some(format!("makes {at}"))
    }
}
