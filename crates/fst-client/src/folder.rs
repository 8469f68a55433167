//! One synced folder and the cycle that moves it forward.
//!
//! The daemon calls [`Folder::cycle`] until it is quiet. Invariant: the cycle is a list of phases, each of
//! which leaves a consistent state behind; whatever ends it early is planned again from what is really
//! there. A frozen or stopped folder touches no file. Not here: waking up, threads, retries.
//! Source: docs/design/sync-semantics.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fst_engine::agree;
use fst_engine::guard::{self, Accept, Peak, Root};
use fst_engine::identify::{FileKey, Seen};
use fst_engine::ignore::{RULE_FILE, Rules, hide_part};
use fst_engine::plan::{DiskStep, Plan, Why};
use fst_engine::reconcile::{self, Direction, Inputs, Merged};
use fst_engine::saves::only_saves;
use fst_engine::scope::{Local, Part, Sides};
use fst_engine::tree::Tree;
use fst_fs::vault::{FileAt, LockGuard, Vault, VaultError};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{NodeId, SpaceId};
use fst_proto::ipc::PathProblem;
use fst_proto::merkle::Head;
use fst_proto::path::{Name, RelPath};
use fst_proto::time::Clock;

use crate::config::{ConflictRules, Mode};
use crate::db::{Db, DbError, Loaded};
use crate::error::FolderError;
use crate::exec::{self, Applied, Applier};
use crate::fetch::Early;
use crate::ignore::Ignore;
use crate::marker::Found;
use crate::push::Pusher;
use crate::push::lanes::Lanes;
use crate::remote::Remote;
use crate::remote::throttle::Throttle;
use crate::scan::{self, Noted, Places, Reach, Scanned};

mod afar;
mod changes;
mod choose;
mod clear;
mod early;
mod explain;
mod look;
mod members;
mod merging;
mod naming;
mod pull;
mod space;
mod status;
mod watch;

pub use changes::Change;
pub(crate) use choose::obey;
use look::Look;
pub use members::Members;
pub use merging::Merges;
pub(crate) use merging::read_small;
pub(crate) use naming::copy_id;
pub use space::Space;
pub use status::StatusHandle;
pub use watch::Watched;

/// Plans in one cycle: each holds what failed under the one before. What fails even then waits for the next cycle.
const PLANS_MAX: usize = 4;

/// Coarsest times of files that any file system in use keeps: those of FAT.
const GRAIN_NS_MAX: u32 = 2_000_000_000;

/// Times a plan may ask for more nodes: each time it is about a name or copy it did not ask for before.
const ASKS_MAX: usize = 10_000;

/// The seams a folder stands on.
#[derive(Debug)]
pub struct Seams {
    /// The disk.
    pub vault: Box<dyn Vault>,
    /// The server.
    pub remote: Arc<dyn Remote>,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
}

/// How a folder is synced.
#[derive(Debug)]
pub struct Settings {
    /// Path shown in status.
    pub path: String,
    /// Remote path shown in status.
    pub remote_path: String,
    /// Which ways changes flow.
    pub mode: Mode,
    /// What is not synced.
    pub ignore: Ignore,
    /// What happens where two devices edited one file.
    pub conflicts: ConflictRules,
    /// Where evidence against the server is kept.
    pub evidence: Option<PathBuf>,
    /// Head that the log must contain, from the device that let this one in.
    pub pinned: Option<Head>,
    /// The line that uploads share. Without one they happen one after the other in the caller's thread.
    pub line: Option<Arc<Throttle>>,
}

/// What a cycle achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Local, remote and base are equal.
    Quiet,
    /// Something was done, or changed meanwhile: call again.
    Progress,
    /// Some paths have problems; everything else is done.
    Waiting,
    /// Files changed while they were read: call again after a moment.
    Unsettled,
}

/// What became of a plan.
enum Ran {
    /// Everything it says is done.
    All,
    /// These nodes could not be done now: the rest is planned without them.
    Except(BTreeSet<NodeId>),
    /// The disk or the server moved on: look again.
    Stale,
}

/// Places whose names the server has refused, and how long its log was then. As long as it does not grow, they
/// stay refused: a name it has under another spelling is no race that another look would settle.
#[derive(Debug, Default)]
struct RefusedNames {
    size: u64,
    paths: BTreeSet<RelPath>,
}

/// One synced folder.
#[derive(Debug)]
pub struct Folder {
    space: Space,
    seams: Seams,
    settings: Settings,
    db: Db,
    state: Loaded,
    accept: Accept,
    peak: Peak,
    is_recovered: bool,
    /// A directory may not be on the disk yet; then no file in it is, whatever was waited for.
    has_young_dirs: bool,
    /// Step of the file system's times, nanoseconds.
    grain_ns: u32,
    /// Two names may be one here: single paths cannot be looked at, only listings.
    folds_names: bool,
    problems: Vec<PathProblem>,
    refused: RefusedNames,
    /// The rules that the last look met.
    rules: Rules,
    merges: Merges,
    /// A file that another device is still sending, and when it was last heard of, Unix milliseconds.
    early: Option<Early>,
    early_ms: u64,
    /// Where the next cycle has to look, whatever the watcher says.
    places: Places,
    /// Where the watcher saw something.
    hints: Arc<Mutex<Places>>,
    /// Set when something comes up that should not wait for long uploads.
    urgent: Arc<AtomicBool>,
    lanes: Lanes,
    status: StatusHandle,
    _lock: Option<LockGuard>,
}

/// A plan with the states it was made from.
struct Planned {
    plan: Plan,
    part: Part,
}

impl Folder {
    /// Opens a folder on its seams and its database, and claims it.
    ///
    /// # Errors
    /// [`FolderError::Vault`] with `Locked` when another process works on it; [`FolderError::Db`]. The database
    /// comes back, for another try.
    pub fn open(
        space: Space,
        seams: Seams,
        settings: Settings,
        db: Db,
    ) -> Result<Self, Box<(Db, FolderError)>> {
        let opened = seams.vault.lock().map_err(FolderError::from);
        let loaded = opened.and_then(|lock| Ok((lock, db.load()?, db.read().totals()?)));
        let (lock, state, totals) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return Err(Box::new((db, error))),
        };
        let status = StatusHandle::new(&settings, (totals, state.last_time_ms));
        // A folder that cannot be tried out, such as a read-only one, may be the coarsest.
        let abilities = seams.vault.abilities();
        let folds_names = abilities.as_ref().map_or(true, |abilities| {
            abilities.folds_case || abilities.folds_unicode
        });
        let lanes = Lanes::new(Arc::clone(&seams.remote), settings.line.clone());
        let grain_ns = abilities.map_or(GRAIN_NS_MAX, |abilities| abilities.mtime_grain_ns);
        let folder = Self {
            space,
            seams,
            settings,
            db,
            state,
            accept: Accept::Nothing,
            peak: Peak::default(),
            is_recovered: false,
            has_young_dirs: true,
            grain_ns,
            folds_names,
            problems: Vec::new(),
            refused: RefusedNames::default(),
            rules: Rules::default(),
            places: Places::everything(),
            hints: Arc::default(),
            urgent: Arc::default(),
            lanes,
            merges: Merges::default(),
            early: None,
            early_ms: 0,
            status,
            _lock: Some(lock),
        };
        match folder.check_marker() {
            Ok(()) => Ok(folder),
            Err(error) => Err(Box::new((folder.into_db(), error))),
        }
    }

    /// Opens a folder for [`Folder::explain`] and [`Folder::why`] only: it is not claimed, so a daemon may go on. `db`
    /// is a private copy.
    ///
    /// # Errors
    /// [`FolderError::Db`]; another directory is in its place.
    pub fn open_to_look(
        space: Space,
        seams: Seams,
        settings: Settings,
        db: Db,
    ) -> Result<Self, FolderError> {
        let (state, totals) = (db.load()?, db.read().totals()?);
        let status = StatusHandle::new(&settings, (totals, state.last_time_ms));
        let settings = Settings {
            ignore: settings.ignore.believing_at_once(),
            ..settings
        };
        let lanes = Lanes::new(Arc::clone(&seams.remote), None);
        let folder = Self {
            space,
            seams,
            settings,
            db,
            state,
            accept: Accept::Nothing,
            peak: Peak::default(),
            is_recovered: false,
            has_young_dirs: true,
            // Looking writes nothing, so the file system is not tried out.
            grain_ns: GRAIN_NS_MAX,
            folds_names: true,
            problems: Vec::new(),
            refused: RefusedNames::default(),
            rules: Rules::default(),
            places: Places::everything(),
            hints: Arc::default(),
            urgent: Arc::default(),
            lanes,
            merges: Merges::default(),
            early: None,
            early_ms: 0,
            status,
            _lock: None,
        };
        folder.check_marker()?;
        Ok(folder)
    }

    /// The space that this folder shows.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.space.id
    }

    /// Devices of the account that are not revoked, as far as the log of this folder names them.
    #[must_use]
    pub fn device_count(&self) -> u64 {
        self.space.members.n_live()
    }

    /// State for other threads.
    #[must_use]
    pub fn status_handle(&self) -> StatusHandle {
        self.status.clone()
    }

    /// To be set when something comes up that should not wait for a long upload; a cycle forgets it when it begins.
    #[must_use]
    pub fn urgent(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.urgent)
    }

    /// Lets the deletions pass that a guard has stopped, once.
    pub fn accept_deletions(&mut self) {
        self.accept = Accept::Deletions;
    }

    /// Forgets the stat cache: the next cycle reads every file again.
    ///
    /// # Errors
    /// [`FolderError::Db`].
    pub fn distrust_cache(&mut self) -> Result<(), FolderError> {
        self.places.add_everything();
        Ok(self.db.transaction(|tx| tx.clear_stats())?)
    }

    /// Gives back the database, as a crash would: whatever was only in memory is gone.
    #[must_use]
    pub fn into_db(self) -> Db {
        self.db
    }

    /// Looks at the whole folder and runs all phases once.
    ///
    /// # Errors
    /// [`FolderError`]: offline, frozen, stopped, or the disk or database failed. Call again later.
    pub fn cycle(&mut self) -> Result<Outcome, FolderError> {
        self.places.add_everything();
        self.follow()
    }

    /// Runs all phases once, looking only where the watcher saw something or something was left.
    ///
    /// The first one after opening looks at the whole folder.
    /// # Errors
    /// As [`Folder::cycle`].
    pub fn follow(&mut self) -> Result<Outcome, FolderError> {
        self.urgent.store(false, Ordering::Release);
        let hints = std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner));
        self.places.extend(hints);
        let places = std::mem::take(&mut self.places);
        let result = self.phases(&places);
        if result.is_err() {
            self.places.extend(places);
        }
        if matches!(result, Ok(Outcome::Quiet)) && self.accept == Accept::Deletions {
            self.accept = Accept::Nothing;
            self.peak.forget();
        }
        let totals = self.db.read().totals()?;
        self.status
            .note_saved(self.db.read().saved_by_compression()?);
        let newest = self.state.last_time_ms;
        self.status
            .note_end(&result, (totals, newest), &self.problems);
        result
    }

    fn phases(&mut self, places: &Places) -> Result<Outcome, FolderError> {
        self.status.note_phase("checking the folder");
        self.seams.vault.root_identity()?;
        self.obey_choice()?;
        self.recover()?;
        self.drop_silent();
        self.status.note_phase("asking the server");
        self.pull()?;
        self.obey_choice()?;
        let uncleared = self.clear()?;
        self.status.note_phase("looking for changes");
        let mut look = self.look(places, Noted::Differences)?;
        self.has_young_dirs |= look.has_new_dirs();
        self.problems.clone_from(&look.scanned.problems);
        self.problems.extend(uncleared);
        let mut held_by_run: BTreeSet<NodeId> = BTreeSet::new();
        self.hold_refused(&mut look);
        for _ in 0..PLANS_MAX {
            let mut planned = self.plan(&mut look)?;
            let held = match self.run(&mut planned, &look)? {
                Ran::Stale => return Ok(self.leave(&look, &planned, Outcome::Progress)),
                Ran::All => BTreeSet::new(),
                Ran::Except(nodes) => nodes,
            };
            if held.is_empty() {
                let is_waiting = !self.problems.is_empty() || !held_by_run.is_empty();
                let outcome = match (look.scanned.is_unsettled, is_waiting) {
                    (true, _) => Outcome::Unsettled,
                    (false, true) => Outcome::Waiting,
                    (false, false) => Outcome::Quiet,
                };
                return Ok(self.leave(&look, &planned, outcome));
            }
            look.held.extend(&held);
            held_by_run.extend(held);
        }
        self.places.extend(look.found());
        Ok(Outcome::Waiting)
    }

    /// Notes where the next cycle has to look although nothing may happen there.
    fn leave(&mut self, look: &Look, planned: &Planned, outcome: Outcome) -> Outcome {
        if outcome != Outcome::Quiet {
            self.places.extend(look.found());
        }
        for path in &look.scanned.again {
            self.places.add(path.clone(), Reach::Below);
        }
        for path in look.hidden() {
            self.places.add(path, Reach::Itself);
        }
        for held in &planned.plan.held {
            let path = planned.part.local.path(held.node);
            // What is against the direction stays so until it changes.
            if let Some(path) = path.filter(|_| held.why != Why::OneWay) {
                self.places.add(path, Reach::Itself);
            }
        }
        outcome
    }

    /// Leaves alone what the server has no name for; the rest goes on.
    fn hold_refused(&mut self, look: &mut Look) {
        if self.refused.size != self.state.range.size() {
            self.refused = RefusedNames::default();
        }
        for path in &self.refused.paths {
            self.places.add(path.clone(), Reach::Itself);
            if let Some(node) = look.seen.local.lookup(path) {
                let reason = "the directory has it already, with other code points";
                self.problems
                    .push(scan::problem(path, ErrorCode::BadName, reason));
                look.held.insert(node);
            }
        }
    }

    fn plan(&mut self, look: &mut Look) -> Result<Planned, FolderError> {
        let mut planned = self.decide(look)?;
        self.status.note_plan(&planned.plan);
        let totals = self.db.read().totals()?;
        let files = usize::try_from(totals.leaves).unwrap_or(usize::MAX);
        let whole = guard::Whole {
            base: &planned.part.base,
            files,
            peak: self.peak.note(self.seams.clock.now(), files),
            is_empty: look.seen.local.is_empty()
                && look.scanned.looked.len() as u64 == totals.nodes,
        };
        guard::check(&planned.plan, &whole, Root::Present, self.accept)?;
        for &(fresh, node) in &planned.plan.united {
            planned.part.local.rename(fresh, node);
            look.seen.local.rename(fresh, node);
        }
        Ok(planned)
    }

    /// Does what a plan says: disk steps, base, operations.
    fn run(&mut self, planned: &mut Planned, look: &Look) -> Result<Ran, FolderError> {
        let plan = &planned.plan;
        if !plan.steps.is_empty() {
            self.status.note_phase("writing files");
            self.store_keys(look)?;
            let applied = self.apply(planned, look)?;
            if applied.n_done == 0 {
                return Ok(Ran::Except(applied.failed));
            }
            // Paths have moved: what is to be sent is planned from a new look. Rules may be others now.
            let is_stale = plan.steps.iter().any(|step| self.may_change_rules(step));
            if is_stale {
                self.places.add_everything();
            }
            if is_stale || !(applied.failed.is_empty() && plan.push.is_empty()) {
                return Ok(Ran::Stale);
            }
        }
        self.adopt(planned, look)?;
        self.status.note_phase("sending changes");
        let ran = self.push(planned, look)?;
        // What was sent first is to be written next.
        Ok(match ran {
            Ran::All if merging::has_sequel(&planned.plan) => Ran::Stale,
            ran => ran,
        })
    }

    /// Whether another rule file may be in force after a step: then a new look has to say what is ignored.
    fn may_change_rules(&self, step: &DiskStep) -> bool {
        let is_rules = |path: &RelPath| {
            let name = path.name().map(Name::as_bytes);
            name == Some(RULE_FILE.as_bytes())
        };
        match step {
            DiskStep::Write { path, .. } | DiskStep::Remove { path, .. } => is_rules(path),
            DiskStep::Move { from, to, .. } => {
                is_rules(from) || is_rules(to) || !self.rules.files.is_empty()
            },
            DiskStep::Stage { .. } | DiskStep::Unstage { .. } => true,
            DiskStep::MakeDir { .. }
            | DiskStep::SetAttributes { .. }
            | DiskStep::RemoveDir { .. } => false,
        }
    }

    /// Once per opening: settles what a crash left in the stage.
    fn recover(&mut self) -> Result<(), FolderError> {
        if !self.is_recovered {
            self.early = None;
            let now = self.seams.clock.now();
            let vault = self.seams.vault.as_ref();
            exec::recover(vault, &self.space, self.db.read(), now)?;
            self.write_marker()?;
            self.settle_known()?;
            self.is_recovered = true;
        }
        Ok(())
    }

    /// What a crash left placed but not recorded equals the remote version known then: base follows before a
    /// newer version makes it look like an edit of the user.
    fn settle_known(&mut self) -> Result<(), FolderError> {
        let mut look = self.look(&Places::everything(), Noted::Differences)?;
        self.has_young_dirs |= look.has_new_dirs();
        let mut planned = self.plan_with(&mut look, &BTreeMap::new())?;
        self.adopt(&planned, &look)?;
        for &id in &planned.plan.adopt {
            match planned.part.remote.get(id).cloned() {
                Some(node) => drop(planned.part.base.insert(id, node)),
                None => drop(planned.part.base.remove(id)),
            }
        }
        self.settle_halves(&planned.part)
    }

    /// The same for nodes of which one step was done and another was not.
    fn settle_halves(&mut self, part: &Part) -> Result<(), FolderError> {
        let agreed = agree::agreed(&part.base, &part.local, &part.remote);
        if agreed.is_empty() {
            return Ok(());
        }
        self.harden(&[])?;
        Ok(self.db.transaction(|tx| {
            let mut nodes = agreed.iter();
            nodes.try_for_each(|(id, node)| {
                tx.put_base(*id, node, None)?;
                tx.put_ahead(*id)
            })
        })?)
    }

    /// A folder that was synced here carries this device's marker; one without it is not that folder.
    fn check_marker(&self) -> Result<(), FolderError> {
        match self.marker()? {
            Found::Own => Ok(()),
            // With nothing in base nothing can be taken for deleted.
            Found::Nothing | Found::Unknown if self.db.read().totals()?.nodes == 0 => Ok(()),
            Found::Nothing | Found::Unknown | Found::Other => Err(guard::Stop::RootReplaced.into()),
        }
    }

    fn write_marker(&self) -> Result<(), FolderError> {
        if self.marker()? != Found::Own {
            let marker = self.space.marker();
            self.seams.vault.marker_write(&marker)?;
        }
        Ok(())
    }

    fn marker(&self) -> Result<Found, FolderError> {
        let marker = self.seams.vault.marker_read()?;
        Ok(self.space.read_marker(marker.as_deref()))
    }

    /// Plans from the nodes that may differ and what the plan depends on besides.
    fn plan_with(
        &self,
        look: &mut Look,
        merged: &BTreeMap<NodeId, Merged>,
    ) -> Result<Planned, FolderError> {
        let db = self.db.read();
        let (base, remote) = (db.base(), db.remote());
        // What must not be touched keeps the directories above it, whether it differs or not.
        let frozen = look.seen.frozen.union(&look.held).copied();
        let dirty: Vec<NodeId> = look.differing().chain(db.ahead()?).chain(frozen).collect();
        let seen_local = look.seen.local.clone();
        let local = Local {
            base: &base,
            seen: &seen_local,
            looked: &look.scanned.looked,
        };
        let sides = Sides {
            base: &base,
            local: &local,
            remote: &remote,
        };
        let mut part = Part::read(&sides, dirty)?;
        hide_part(&self.rules, &mut part, &mut look.seen);
        for _ in 0..ASKS_MAX {
            let (plan, asked) = self.with_inputs(&part, look, merged, reconcile::plan_part);
            if !part.add(&sides, asked)? {
                return Ok(Planned { plan, part });
            }
        }
        Err(DbError::Damaged { what: "tree" }.into())
    }

    /// Gives everything that a plan depends on to `make`.
    fn with_inputs<T>(
        &self,
        part: &Part,
        Look { seen, held, .. }: &Look,
        merged: &BTreeMap<NodeId, Merged>,
        make: impl FnOnce(&Inputs<'_>) -> T,
    ) -> T {
        let namer = naming::Namer {
            space: &self.space,
            db: self.db.read(),
            local: &part.local,
            remote: &part.remote,
            rules: &self.rules,
        };
        make(&Inputs {
            base: &part.base,
            local: &part.local,
            remote: &part.remote,
            tombstones: &part.tombstones,
            frozen: &seen.frozen.union(held).copied().collect(),
            ignored: &seen.ignored,
            blocked: &part.blocked(&seen.blocked),
            folds_names: self.folds_names,
            naming: &namer,
            merged,
            policy: reconcile::Policy {
                direction: match self.settings.mode {
                    Mode::TwoWay => Direction::TwoWay,
                    Mode::UploadOnly => Direction::UploadOnly,
                    Mode::DownloadOnly => Direction::DownloadOnly,
                },
                strategy: self.settings.conflicts.strategy,
                backup: self.settings.conflicts.backup,
            },
        })
    }

    fn apply(&mut self, planned: &Planned, look: &Look) -> Result<Applied, FolderError> {
        let mut applier = Applier {
            vault: self.seams.vault.as_ref(),
            remote: self.seams.remote.as_ref(),
            space: &self.space,
            db: &mut self.db,
            local: &planned.part.local,
            remote_tree: &planned.part.remote,
            scanned: &look.scanned,
            has_young_dirs: self.has_young_dirs,
            early: &mut self.early,
        };
        applier.note_copies(&planned.plan)?;
        let applied = applier.run(&planned.plan);
        // A run that was cut short leaves something in the stage, like a crash.
        self.is_recovered &= applied.as_ref().is_ok_and(|done| !done.needs_recovery);
        let applied = applied?;
        self.problems.extend(applied.problems.iter().cloned());
        Ok(applied)
    }

    /// File identities follow the disk before a step moves anything: a crash may leave a node under another name.
    fn store_keys(&mut self, look: &Look) -> Result<(), FolderError> {
        let changed = look.changed_keys();
        if changed.is_empty() {
            return Ok(());
        }
        let mut changed = changed.into_iter();
        Ok(self
            .db
            .transaction(|tx| changed.try_for_each(|(id, key)| tx.set_key(id, key)))?)
    }

    /// What the scan saw, or of it these files, is on the disk for good before base says that this device has it. A power cut that took
    /// a file of a moment ago would otherwise look like its removal, and reach every device.
    fn harden(&mut self, files: &[FileAt<'_>]) -> Result<(), FolderError> {
        let is_enough = !files.is_empty() && !self.has_young_dirs;
        let files = if is_enough { files } else { &[] };
        match self.seams.vault.sync_some(files) {
            // Nothing of a read-only folder is on its way to the disk.
            Ok(()) | Err(VaultError::ReadOnly { .. }) => {},
            Err(error) => return Err(error.into()),
        }
        self.has_young_dirs &= is_enough;
        Ok(())
    }

    /// Base follows where local and remote already agree, and file identities follow the disk.
    fn adopt(&mut self, planned: &Planned, look: &Look) -> Result<(), FolderError> {
        let Planned { plan, part } = planned;
        // After disk steps the scan is not what lies there; those steps have recorded their own.
        let keys = match plan.steps.is_empty() {
            true => keys_of(&look.scanned, &part.local),
            false => Vec::new(),
        };
        let is_new = |(id, key): &(NodeId, FileKey)| look.key(*id) != Some(*key);
        let keys: Vec<(NodeId, FileKey)> = keys.into_iter().filter(is_new).collect();
        let equal: Vec<NodeId> = self.equal_ahead(part)?;
        let forget = &look.seen.forget;
        let has_more = !(keys.is_empty() && equal.is_empty() && forget.is_empty());
        if plan.adopt.is_empty() && !has_more {
            return Ok(());
        }
        if !plan.adopt.is_empty() {
            self.harden(&[])?;
        }
        self.db.transaction(|tx| {
            for &id in &plan.adopt {
                match part.remote.get(id) {
                    Some(node) => {
                        tx.put_base(id, node, None)?;
                        tx.remove_body(id)?;
                    },
                    None => tx.remove_base(id)?,
                }
            }
            equal.iter().try_for_each(|&id| tx.remove_ahead(id))?;
            for &id in forget {
                tx.remove_base(id)?;
                // The server may have it still; a plan without the rule has to see that.
                tx.put_ahead(id)?;
            }
            // Nodes that base does not have yet take theirs with the commit.
            keys.iter()
                .try_for_each(|&(id, key)| tx.set_key(id, Some(key)))
        })?;
        Ok(())
    }

    /// Nodes that were ahead of base and are not any more: made and deleted in between, for example.
    fn equal_ahead(&self, part: &Part) -> Result<Vec<NodeId>, DbError> {
        let mut ahead = self.db.read().ahead()?;
        ahead.retain(|id| part.base.get(*id) == part.remote.get(*id));
        Ok(ahead)
    }

    fn push(
        &mut self,
        Planned { plan, part }: &mut Planned,
        look: &Look,
    ) -> Result<Ran, FolderError> {
        if plan.push.is_empty() {
            return Ok(Ran::All);
        }
        self.doubt_choice(&plan.push)?;
        let saved = only_saves(&plan.push, &part.base, &part.local).unwrap_or_default();
        let saved: Vec<FileAt<'_>> = saved.iter().map(FileAt::Folder).collect();
        self.harden(&saved)?;
        let mut pusher = Pusher {
            vault: self.seams.vault.as_ref(),
            remote: self.seams.remote.as_ref(),
            space: &self.space,
            db: &mut self.db,
            state: &mut self.state,
            local: &part.local,
            remote_tree: &mut part.remote,
            scanned: &look.scanned,
            merges: &self.merges,
            now: self.seams.clock.now(),
            evidence: self.settings.evidence.as_deref(),
            urgent: &self.urgent,
        };
        let pushed = pusher.run(&plan.push, &mut self.lanes)?;
        if !pushed.taken.is_empty() {
            let nodes = pushed.taken.iter();
            self.refused = RefusedNames {
                size: self.state.range.size(),
                paths: nodes.filter_map(|&node| part.local.path(node)).collect(),
            };
        }
        self.problems.extend(pushed.problems);
        Ok(match pushed.unreadable {
            _ if pushed.is_stale => Ran::Stale,
            nodes if nodes.is_empty() => Ran::All,
            nodes => Ran::Except(nodes),
        })
    }
}

/// File identities of the nodes that the scan found.
fn keys_of(scanned: &Scanned, local: &Tree) -> Vec<(NodeId, FileKey)> {
    let known = scanned.scan.iter().filter_map(|(path, seen)| match seen {
        Seen::Known { key, .. } => Some((local.lookup(path)?, *key)),
        Seen::Problem | Seen::Ignored { .. } => None,
    });
    known.collect()
}
