//! Faults that a test plans: the n-th changing call fails, crashes, loses its answer, or comes second.
//!
//! Consulted by [`FakeVault::mutate`] before and after each change.
//! Invariant: calls are counted from 1 over the life of the vault; a planned fault happens once. A kill leaves
//! what a killed process leaves: the disk as it is, and nobody who could still act on an error.
//! Not here: what a change does ([`super::tree`]).
//! Source: docs/design/sync-semantics.md.

use std::collections::BTreeMap;
use std::io;

use super::FakeVault;
use super::tree::Node;
use crate::error::{Result, VaultError};

/// Something that a user does between two calls.
type Interference = Box<dyn FnOnce(&FakeVault) + Send>;

/// What a power cut takes with it, of everything since the last barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerCut {
    /// All of it: contents and names.
    Everything,
    /// Contents that the vault wrote; names stand. Such files are empty afterwards, as after delayed
    /// allocation.
    Contents,
}

/// Whether and how the folder is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootState {
    /// As usual.
    #[default]
    Present,
    /// Its path leads nowhere.
    Missing,
    /// Its path leads to another directory.
    Replaced,
    /// Nothing can be changed.
    ReadOnly,
}

/// What a kill throws: the process is gone in the middle of a call. Catch it with `catch_unwind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Killed;

impl Killed {
    /// Ends the process, as far as the code above is concerned: nothing of it runs but its destructors.
    pub fn strike() -> ! {
        std::panic::resume_unwind(Box::new(Self))
    }
}

/// How a barrier calls itself.
pub(super) const BARRIER: &str = "wait for the disk";

/// Operations that need room on the disk.
const GROWING: [&str; 6] = [
    "create staged file",
    "write staged file",
    "finish staged file",
    "make staged link",
    "copy to stage",
    "make directory",
];

#[derive(Default)]
pub(super) struct Faults {
    pub(super) n_calls: u64,
    pub(super) n_looks: u64,
    fail_look: BTreeMap<u64, ()>,
    is_kill: bool,
    is_full: bool,
    fail: BTreeMap<u64, VaultError>,
    lose_answer: BTreeMap<u64, ()>,
    crash_at: Option<u64>,
    is_crashed: bool,
    interfere: BTreeMap<u64, Vec<Interference>>,
    pub(super) root: RootState,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults")
            .field("n_calls", &self.n_calls)
            .field("is_crashed", &self.is_crashed)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Faults {
    /// Counts a call; what interferes with it is for the caller to run, without the lock.
    pub(super) fn begin_call(&mut self) -> (u64, Vec<Interference>) {
        self.n_calls += 1;
        (
            self.n_calls,
            self.interfere.remove(&self.n_calls).unwrap_or_default(),
        )
    }

    /// Says whether call `n` may do its work.
    pub(super) fn admit(&mut self, n: u64, op: &'static str) -> Result<()> {
        if self.crash_at.is_some_and(|at| n >= at) {
            self.is_crashed = true;
        }
        self.admit_look(op)?;
        if let Some(error) = self.fail.remove(&n) {
            return Err(error);
        }
        if self.is_full && GROWING.contains(&op) {
            let source = io::ErrorKind::StorageFull.into();
            return Err(VaultError::NoSpace { op, source });
        }
        // A barrier changes nothing: a disk that takes no change still answers it.
        if self.root == RootState::ReadOnly && op != BARRIER {
            Err(VaultError::ReadOnly { op })
        } else {
            Ok(())
        }
    }

    pub(super) fn admit_look(&self, op: &'static str) -> Result<()> {
        if self.is_crashed {
            Err(crashed(op))
        } else {
            Ok(())
        }
    }

    /// Counts a call that only looks, and says whether the disk answers.
    pub(super) fn count_look(&mut self, op: &'static str) -> Result<()> {
        self.admit_look(op)?;
        self.n_looks += 1;
        let broken = || VaultError::io(op, io::Error::other("input/output error"));
        self.fail_look
            .remove(&self.n_looks)
            .map_or(Ok(()), |()| Err(broken()))
    }

    /// True once: when the crash that has just come is a kill.
    pub(super) fn take_kill(&mut self) -> bool {
        self.is_crashed && std::mem::take(&mut self.is_kill)
    }

    /// Says whether the answer of call `n` arrives.
    pub(super) fn answer(&mut self, n: u64, op: &'static str) -> Result<()> {
        let lost = || VaultError::io(op, io::Error::other("answer lost"));
        self.lose_answer.remove(&n).map_or(Ok(()), |()| Err(lost()))
    }

    pub(super) fn is_crashed(&self) -> bool {
        self.is_crashed
    }
}

fn crashed(op: &'static str) -> VaultError {
    VaultError::io(op, io::Error::other("crashed"))
}

impl FakeVault {
    /// Number of changing calls so far; the next one is this plus 1.
    ///
    /// Each `write` and `skip` of a staged file is one, and so are its beginning and its end.
    #[must_use]
    pub fn n_calls(&self) -> u64 {
        self.lock_state().faults.n_calls
    }

    /// Makes the `n`-th changing call fail with `error` before it changes anything.
    pub fn fail_at(&self, n: u64, error: VaultError) {
        self.lock_state().faults.fail.insert(n, error);
    }

    /// Makes the `n`-th changing call do its work, if it can, and then say [`VaultError::Io`].
    pub fn lose_answer_at(&self, n: u64) {
        self.lock_state().faults.lose_answer.insert(n, ());
    }

    /// Makes the `n`-th changing call, and everything after it, fail without effect until [`Self::revive`].
    pub fn crash_at(&self, n: u64) {
        self.lock_state().faults.crash_at = Some(n);
    }

    /// As [`Self::crash_at`], but the call never returns: it throws [`Killed`].
    pub fn kill_at(&self, n: u64) {
        let faults = &mut self.lock_state().faults;
        faults.crash_at = Some(n);
        faults.is_kill = true;
    }

    /// The process ends here and now: nothing more happens to the folder until [`Self::revive`].
    pub fn crash_now(&self) {
        self.lock_state().faults.is_crashed = true;
    }

    /// Number of calls so far that only look.
    #[must_use]
    pub fn n_looks(&self) -> u64 {
        self.lock_state().faults.n_looks
    }

    /// Makes the `n`-th call that only looks fail with [`VaultError::Io`].
    pub fn fail_look_at(&self, n: u64) {
        self.lock_state().faults.fail_look.insert(n, ());
    }

    /// Fills the disk, or frees it: while full, nothing new can be written.
    pub fn set_full(&self, is_full: bool) {
        self.lock_state().faults.is_full = is_full;
    }

    /// Runs `user` right before the `n`-th changing call does its work.
    pub fn interfere_at(&self, n: u64, user: impl FnOnce(&Self) + Send + 'static) {
        let mut state = self.lock_state();
        state
            .faults
            .interfere
            .entry(n)
            .or_default()
            .push(Box::new(user));
    }

    /// Whatever was to interfere, and has not yet, will not.
    pub fn forget_interference(&self) {
        self.lock_state().faults.interfere.clear();
    }

    /// True after a planned crash or a power cut.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.lock_state().faults.is_crashed
    }

    /// Crashes now and loses what was not on the disk.
    pub fn power_cut(&self, cut: PowerCut) {
        let mut state = self.lock_state();
        state.faults.is_crashed = true;
        let state = &mut *state;
        match cut {
            PowerCut::Everything => state.tree.revert_to(&state.synced),
            PowerCut::Contents => {
                for inode in state.tree.inodes_mut().filter(|inode| inode.is_unsynced) {
                    if let Node::File(data) = &mut inode.node {
                        *data = super::tree::Data::default();
                    }
                }
            },
        }
    }

    /// A new process begins: crashes and planned faults are over, the lock is free.
    pub fn revive(&self) {
        let mut state = self.lock_state();
        let old = &state.faults;
        state.faults = Faults {
            n_calls: old.n_calls,
            n_looks: old.n_looks,
            is_full: old.is_full,
            root: old.root,
            ..Faults::default()
        };
        state.lock_holder = None;
    }

    /// Takes the folder away, swaps it, makes it read-only, or puts it back.
    pub fn set_root(&self, root: RootState) {
        self.lock_state().faults.root = root;
    }

    /// Sets the clock that stamps changes, nanoseconds since 1970.
    pub fn set_clock(&self, now_ns: i64) {
        self.lock_state().tree.now_ns = now_ns;
    }

    /// Sets by how much the clock moves with each change; 0 makes changes that times cannot tell apart.
    pub fn set_tick(&self, tick_ns: i64) {
        self.lock_state().tree.tick_ns = tick_ns;
    }
}
