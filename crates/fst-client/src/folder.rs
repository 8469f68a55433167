//! One synced folder and the cycle that moves it forward.
//!
//! The daemon calls [`Folder::cycle`] until it is quiet. Invariant: the cycle is a list of phases, each of
//! which leaves a consistent state behind; whatever ends it early is planned again from what is really
//! there. A frozen or stopped folder touches no file. Not here: waking up, threads, retries.
//! Source: docs/design/sync-semantics.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fst_crypto::device::HedgeKey;
use fst_crypto::envelope::SaltSource;
use fst_crypto::key::SpaceKeys;
use fst_crypto::random::SecureRandom;
use fst_crypto::sign::DeviceKey;
use fst_engine::agree;
use fst_engine::guard::{self, Accept, Root};
use fst_engine::identify::{self, FileKey, Identified, Seen};
use fst_engine::ignore::{RULE_FILE, Rules, hide};
use fst_engine::plan::{DiskStep, Plan};
use fst_engine::reconcile::{self, Backup, Direction, Inputs, Strategy};
use fst_engine::tree::Tree;
use fst_fs::vault::{LockGuard, Vault, VaultError};
use fst_fs::watch::{LostReason, NotifyWatch, OnEvent, Watch as _, WatchEvent, Watching};
use fst_proto::control::Policy;
use fst_proto::entry::Place;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{DeviceId, NameTag, NodeId, SpaceId, VerifyKey};
use fst_proto::ipc::PathProblem;
use fst_proto::merkle::Head;
use fst_proto::path::{Name, RelPath};
use fst_proto::time::{Clock, UnixMillis};

use crate::config::Mode;
use crate::db::{Db, DbError, Loaded};
use crate::error::FolderError;
use crate::exec::{self, Applied, Applier};
use crate::ignore::Ignore;
use crate::log::Verifier;
use crate::push::Pusher;
use crate::remote::Remote;
use crate::scan::{self, Scanned, Scanner};

mod explain;
mod members;
mod naming;
mod pull;
mod status;

pub use members::Members;
pub use status::StatusHandle;

/// Plans in one cycle: each holds what failed under the one before. What fails even then waits for the next cycle.
const PLANS_MAX: usize = 4;

/// Coarsest times of files that any file system in use keeps: those of FAT.
const GRAIN_NS_MAX: u32 = 2_000_000_000;

/// Keys and ids of one space on this device.
pub struct Space {
    /// The space.
    pub id: SpaceId,
    /// This device.
    pub device: DeviceId,
    /// Epoch and generation keys.
    pub keys: SpaceKeys,
    /// Signing key of this device.
    pub sign_key: DeviceKey,
    /// Hedges this device's salts.
    pub hedge: HedgeKey,
    /// Randomness for sealing.
    pub random: Arc<dyn SecureRandom>,
    /// The account's devices.
    pub members: Members,
    /// Key that verifies the server's receipts.
    pub receipt_key: VerifyKey,
    /// Rules of the space.
    pub policy: Policy,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space")
            .field("id", &self.id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Space {
    /// The checks of this space's log.
    #[must_use]
    pub fn verifier(&self, now: UnixMillis) -> Verifier<'_> {
        Verifier {
            space: self.id,
            device: self.device,
            chain: &self.members.chain,
            keys: &self.keys,
            receipt_key: self.receipt_key,
            now,
        }
    }

    /// Where salts for sealing come from.
    #[must_use]
    pub fn salts(&self) -> SaltSource<'_> {
        SaltSource {
            hedge: &self.hedge,
            random: self.random.as_ref(),
        }
    }

    /// Uniqueness tag of a place, when the policy asks for one.
    #[must_use]
    pub fn name_tag(&self, place: &Place) -> Option<NameTag> {
        let is_on = self.policy.name_tags;
        is_on.then(|| fst_crypto::ids::name_tag(&self.keys, place.parent, &place.name))
    }
}

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
    /// Where evidence against the server is kept.
    pub evidence: Option<PathBuf>,
    /// Head that the log must contain, from the device that let this one in.
    pub pinned: Option<Head>,
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
    is_recovered: bool,
    /// Step of the file system's times, nanoseconds.
    grain_ns: u32,
    problems: Vec<PathProblem>,
    refused: RefusedNames,
    /// The rules that the last look met.
    rules: Rules,
    status: StatusHandle,
    _lock: Option<LockGuard>,
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
        let loaded = opened.and_then(|lock| Ok((lock, db.load()?)));
        let (lock, state) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return Err(Box::new((db, error))),
        };
        let status = StatusHandle::new(&settings, &state);
        // A folder that cannot be tried out, such as a read-only one, may be the coarsest.
        let abilities = seams.vault.abilities();
        let grain_ns = abilities.map_or(GRAIN_NS_MAX, |abilities| abilities.mtime_grain_ns);
        let folder = Self {
            space,
            seams,
            settings,
            db,
            state,
            accept: Accept::Nothing,
            is_recovered: false,
            grain_ns,
            problems: Vec::new(),
            refused: RefusedNames::default(),
            rules: Rules::default(),
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
        let state = db.load()?;
        let status = StatusHandle::new(&settings, &state);
        let settings = Settings {
            ignore: settings.ignore.believing_at_once(),
            ..settings
        };
        let folder = Self {
            space,
            seams,
            settings,
            db,
            state,
            accept: Accept::Nothing,
            is_recovered: false,
            // Looking writes nothing, so the file system is not tried out.
            grain_ns: GRAIN_NS_MAX,
            problems: Vec::new(),
            refused: RefusedNames::default(),
            rules: Rules::default(),
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

    /// State for other threads.
    #[must_use]
    pub fn status_handle(&self) -> StatusHandle {
        self.status.clone()
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
        self.db.transaction(|tx| tx.clear_stats())?;
        self.state.stats.clear();
        Ok(())
    }

    /// Gives back the database, as a crash would: whatever was only in memory is gone.
    #[must_use]
    pub fn into_db(self) -> Db {
        self.db
    }

    /// Runs all phases once.
    ///
    /// # Errors
    /// [`FolderError`]: offline, frozen, stopped, or the disk or database failed. Call again later.
    pub fn cycle(&mut self) -> Result<Outcome, FolderError> {
        let result = self.phases();
        if matches!(result, Ok(Outcome::Quiet)) {
            self.accept = Accept::Nothing;
        }
        self.status.note_end(&result, &self.state, &self.problems);
        result
    }

    fn phases(&mut self) -> Result<Outcome, FolderError> {
        self.status.note_phase("checking the folder");
        self.seams.vault.root_identity()?;
        self.recover()?;
        self.status.note_phase("asking the server");
        self.pull()?;
        self.status.note_phase("looking for changes");
        let scanned = self.look()?;
        let mut seen = self.identify(&scanned);
        self.problems.clone_from(&scanned.problems);
        let n_frozen = seen.frozen.len();
        self.hold_refused(&mut seen);
        for _ in 0..PLANS_MAX {
            let plan = self.plan(&mut seen)?;
            let held = match self.run(&plan, &seen, &scanned)? {
                Ran::Stale => return Ok(Outcome::Progress),
                Ran::All => BTreeSet::new(),
                Ran::Except(nodes) => nodes,
            };
            if held.is_empty() {
                let is_waiting = !self.problems.is_empty() || seen.frozen.len() > n_frozen;
                return Ok(match (scanned.is_unsettled, is_waiting) {
                    (true, _) => Outcome::Unsettled,
                    (false, true) => Outcome::Waiting,
                    (false, false) => Outcome::Quiet,
                });
            }
            seen.frozen.extend(held);
        }
        Ok(Outcome::Waiting)
    }

    /// Leaves alone what the server has no name for; the rest goes on.
    fn hold_refused(&mut self, seen: &mut Identified) {
        if self.refused.size != self.state.range.size() {
            self.refused = RefusedNames::default();
        }
        for path in &self.refused.paths {
            if let Some(node) = seen.local.lookup(path) {
                let reason = "the directory has it already, with other code points";
                self.problems
                    .push(scan::problem(path, ErrorCode::BadName, reason));
                seen.frozen.insert(node);
            }
        }
    }

    fn plan(&mut self, seen: &mut Identified) -> Result<Plan, FolderError> {
        let plan = self.decide(seen);
        self.status.note_plan(&plan);
        let (base, accept) = (&self.state.base, self.accept);
        guard::check(&plan, base, &seen.local, Root::Present, accept)?;
        for &(fresh, node) in &plan.united {
            seen.local.rename(fresh, node);
        }
        Ok(plan)
    }

    /// Does what a plan says: disk steps, base, operations.
    fn run(
        &mut self,
        plan: &Plan,
        seen: &Identified,
        scanned: &Scanned,
    ) -> Result<Ran, FolderError> {
        if !plan.steps.is_empty() {
            self.status.note_phase("writing files");
            self.store_keys(seen)?;
            let applied = self.apply(plan, seen, scanned)?;
            if applied.n_done == 0 {
                return Ok(Ran::Except(applied.failed));
            }
            // Paths have moved: what is to be sent is planned from a new look. Rules may be others now.
            let is_stale = plan.steps.iter().any(|step| self.may_change_rules(step));
            if is_stale || !(applied.failed.is_empty() && plan.push.is_empty()) {
                return Ok(Ran::Stale);
            }
        }
        self.adopt(plan, seen, scanned)?;
        self.status.note_phase("sending changes");
        self.push(plan, seen, scanned)
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
            let now = self.seams.clock.now();
            let vault = self.seams.vault.as_ref();
            exec::recover(vault, &self.space.keys, &self.state, now)?;
            self.write_marker()?;
            self.is_recovered = true;
            self.settle_known()?;
        }
        Ok(())
    }

    /// What a crash left placed but not recorded equals the remote version known then: base follows before a
    /// newer version makes it look like an edit of the user.
    fn settle_known(&mut self) -> Result<(), FolderError> {
        let scanned = self.look()?;
        let seen = self.identify(&scanned);
        let plan = self.decide(&seen);
        self.adopt(&plan, &seen, &scanned)?;
        self.settle_halves(&seen.local)
    }

    /// The same for nodes of which one step was done and another was not.
    fn settle_halves(&mut self, local: &Tree) -> Result<(), FolderError> {
        let agreed = agree::agreed(&self.state.base, local, &self.state.remote);
        if agreed.is_empty() {
            return Ok(());
        }
        self.harden()?;
        let keys = &self.state.base_keys;
        self.db.transaction(|tx| {
            let mut nodes = agreed.iter();
            nodes.try_for_each(|(id, node)| tx.put_base(*id, node, keys.get(id).copied()))
        })?;
        for (id, node) in agreed {
            self.state.base.insert(id, node);
        }
        Ok(())
    }

    /// The folder carries the id of its space; one without it is not the folder that was synced.
    fn check_marker(&self) -> Result<(), FolderError> {
        match self.seams.vault.marker_read()? {
            Some(marker) if marker == self.space.id.as_bytes() => Ok(()),
            None if self.state.base.is_empty() => Ok(()),
            Some(_) | None => Err(guard::Stop::RootReplaced.into()),
        }
    }

    fn write_marker(&self) -> Result<(), FolderError> {
        if self.seams.vault.marker_read()?.is_none() {
            self.seams.vault.marker_write(self.space.id.as_bytes())?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<Scanned, FolderError> {
        let scanner = Scanner {
            vault: self.seams.vault.as_ref(),
            keys: &self.space.keys,
            cache: &self.state.stats,
            ignore: &self.settings.ignore,
            now: self.seams.clock.now(),
            grain_ns: self.grain_ns,
        };
        let mut scanned = scanner.run()?;
        self.rules = self
            .settings
            .ignore
            .remember(std::mem::take(&mut scanned.loaded));
        let seen: BTreeSet<FileKey> = scanned
            .stats
            .values()
            .map(|stat| FileKey {
                dev: stat.dev,
                ino: stat.ino,
            })
            .collect();
        let gone: Vec<FileKey> = self
            .state
            .stats
            .keys()
            .filter(|key| !seen.contains(key))
            .copied()
            .collect();
        if !scanned.fresh.is_empty() || !gone.is_empty() {
            self.db.transaction(|tx| {
                scanned.fresh.iter().try_for_each(|row| tx.put_stat(row))?;
                gone.iter().try_for_each(|&key| tx.remove_stat(key))
            })?;
        }
        self.state
            .stats
            .extend(scanned.fresh.iter().map(|row| (row.key, *row)));
        for key in gone {
            self.state.stats.remove(&key);
        }
        Ok(scanned)
    }

    fn identify(&self, scanned: &Scanned) -> Identified {
        let random = self.space.random.as_ref();
        let mut new_id = || {
            let mut id = [0; NodeId::LEN];
            random.fill(&mut id);
            NodeId(id)
        };
        let state = &self.state;
        let (base, remote) = (&state.base, &state.remote);
        let mut seen =
            identify::identify(&scanned.scan, base, &state.base_keys, remote, &mut new_id);
        hide(&self.rules, base, remote, &mut seen);
        seen
    }

    fn decide(&self, seen: &Identified) -> Plan {
        self.with_inputs(seen, reconcile::plan)
    }

    /// Gives everything that a plan depends on to `make`.
    fn with_inputs<T>(&self, seen: &Identified, make: impl FnOnce(&Inputs<'_>) -> T) -> T {
        let namer = naming::Namer {
            space: &self.space,
            db: self.db.read(),
            local: &seen.local,
            remote: &self.state.remote,
        };
        make(&Inputs {
            base: &self.state.base,
            local: &seen.local,
            remote: &self.state.remote,
            tombstones: &self.state.tombstones,
            frozen: &seen.frozen,
            ignored: &seen.ignored,
            blocked: &seen.blocked,
            naming: &namer,
            policy: reconcile::Policy {
                direction: match self.settings.mode {
                    Mode::TwoWay => Direction::TwoWay,
                    Mode::UploadOnly => Direction::UploadOnly,
                    Mode::DownloadOnly => Direction::DownloadOnly,
                },
                strategy: Strategy::Newest,
                backup: Backup::Keep,
            },
        })
    }

    fn apply(
        &mut self,
        plan: &Plan,
        seen: &Identified,
        scanned: &Scanned,
    ) -> Result<Applied, FolderError> {
        let mut applier = Applier {
            vault: self.seams.vault.as_ref(),
            remote: self.seams.remote.as_ref(),
            space: &self.space,
            db: &mut self.db,
            state: &mut self.state,
            local: &seen.local,
            scanned,
        };
        let applied = applier.run(plan);
        // A run that was cut short leaves something in the stage, like a crash.
        self.is_recovered &= applied.as_ref().is_ok_and(|done| !done.needs_recovery);
        let applied = applied?;
        self.problems.extend(applied.problems.iter().cloned());
        Ok(applied)
    }

    /// File identities follow the disk before a step moves anything: a crash may leave a node under another name.
    fn store_keys(&mut self, seen: &Identified) -> Result<(), FolderError> {
        let state = &mut self.state;
        let old = std::mem::replace(&mut state.base_keys, seen.keys.clone());
        let ids: BTreeSet<NodeId> = old.keys().chain(seen.keys.keys()).copied().collect();
        let is_other = |id: &NodeId| old.get(id) != seen.keys.get(id);
        let changed: Vec<NodeId> = ids.into_iter().filter(is_other).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let written = self.db.transaction(|tx| {
            let mut nodes = changed.iter().map(|id| (*id, state.base.get(*id)));
            nodes.try_for_each(|(id, node)| match node {
                Some(node) => tx.put_base(id, node, state.base_keys.get(&id).copied()),
                None => Ok(()),
            })
        });
        self.or_reload(written)
    }

    /// After a failed write the trees in memory are what the database says.
    fn or_reload(&mut self, written: Result<(), DbError>) -> Result<(), FolderError> {
        if written.is_err() {
            self.state = self.db.load()?;
        }
        Ok(written?)
    }

    /// What the scan saw is on the disk for good before base says that this device has it. A power cut that took
    /// a file of a moment ago would otherwise look like its removal, and reach every device.
    fn harden(&self) -> Result<(), FolderError> {
        match self.seams.vault.sync_stage() {
            // Nothing of a read-only folder is on its way to the disk.
            Ok(()) | Err(VaultError::ReadOnly { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Base follows where local and remote already agree, and file identities follow the disk.
    fn adopt(
        &mut self,
        plan: &Plan,
        seen: &Identified,
        scanned: &Scanned,
    ) -> Result<(), FolderError> {
        // After disk steps the scan is not what lies there; those steps have recorded their own.
        let keys = match plan.steps.is_empty() {
            true => keys_of(scanned, &seen.local),
            false => Vec::new(),
        };
        let state = &mut self.state;
        let mut touched: BTreeSet<NodeId> = plan.adopt.iter().copied().collect();
        for &node in &plan.adopt {
            match state.remote.get(node) {
                Some(remote) => drop(state.base.insert(node, remote.clone())),
                None => drop(state.base.remove(node)),
            }
        }
        for &node in &seen.forget {
            state.base.remove(node);
            state.base_keys.remove(&node);
            touched.insert(node);
        }
        for (node, key) in keys {
            if state.base.contains(node) && state.base_keys.get(&node) != Some(&key) {
                state.base_keys.insert(node, key);
                touched.insert(node);
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        if !plan.adopt.is_empty() {
            self.harden()?;
        }
        let state = &self.state;
        let written = self.db.transaction(|tx| {
            touched.iter().try_for_each(|&id| match state.base.get(id) {
                Some(node) => {
                    tx.put_base(id, node, state.base_keys.get(&id).copied())?;
                    tx.remove_body(id)
                },
                None => tx.remove_base(id),
            })
        });
        self.or_reload(written)
    }

    fn push(
        &mut self,
        plan: &Plan,
        seen: &Identified,
        scanned: &Scanned,
    ) -> Result<Ran, FolderError> {
        if plan.push.is_empty() {
            return Ok(Ran::All);
        }
        self.harden()?;
        let mut pusher = Pusher {
            vault: self.seams.vault.as_ref(),
            remote: self.seams.remote.as_ref(),
            space: &self.space,
            db: &mut self.db,
            state: &mut self.state,
            local: &seen.local,
            scanned,
            now: self.seams.clock.now(),
            evidence: self.settings.evidence.as_deref(),
        };
        let pushed = pusher.run(&plan.push)?;
        if !pushed.taken.is_empty() {
            let nodes = pushed.taken.iter();
            self.refused = RefusedNames {
                size: self.state.range.size(),
                paths: nodes.filter_map(|&node| seen.local.path(node)).collect(),
            };
        }
        self.problems.extend(pushed.problems);
        Ok(match pushed.unreadable {
            _ if pushed.is_stale => Ran::Stale,
            nodes if nodes.is_empty() => Ran::All,
            nodes => Ran::Except(nodes),
        })
    }

    /// Watches the folder; `on_event` gets hints, on the watcher's thread, until the result is dropped.
    ///
    /// # Errors
    /// [`LostReason`] when the system cannot watch: scans still find everything.
    pub fn start_watch(&self, on_event: OnEvent) -> Result<Box<dyn Watching>, LostReason> {
        self.status.note_watch(None);
        let status = self.status.clone();
        let noting: OnEvent = Box::new(move |event| {
            if let WatchEvent::Lost(reason) = &event {
                status.note_watch(Some(reason));
            }
            on_event(event);
        });
        let started = NotifyWatch.start(Path::new(&self.settings.path), noting);
        started.inspect_err(|reason| self.status.note_watch(Some(reason)))
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
