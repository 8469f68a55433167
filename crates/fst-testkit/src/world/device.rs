//! A device of a world: real client code on a disk in memory and a line that may fail.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use fst_client::account::{self, Spaces};
use fst_client::config::{ConflictRules, Mode};
use fst_client::db::Db;
use fst_client::error::ClientError;
use fst_client::folder::{Members, Seams, Settings, Space};
use fst_client::ignore::Ignore;
use fst_client::keystore::Enrolled;
use fst_client::remote::Remote;
use fst_client::{Enrol, Folder, Outcome};
use fst_engine::ignore::Selection;
use fst_fs::fake::{FakeEntry, FakeVault, Killed, PowerCut};
use fst_fs::real::RealVault;
use fst_fs::vault::{Stat, Vault};
use fst_proto::account::Chain;
use fst_proto::control::Policy;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{DeviceId, SpaceId};
use fst_proto::ipc::PathProblem;
use fst_proto::merkle::Head;
use fst_proto::path::RelPath;
use fst_proto::time::Clock as _;
use fst_server::service::Caller;
use futures::executor::block_on;

use super::VirtualClock;
use crate::house::House;
use crate::net::{SimRemote, Weather};
use crate::rng::Rng;

/// Remote name of the one space of a world.
const SPACE: &str = "/World";

/// Cycles of one sync before it counts as never ending.
const CYCLES_MAX: usize = 40;

/// Every so many cycles look at the whole folder; the others follow a watcher.
const FULL_EVERY: u64 = 3;

/// One device.
#[derive(Debug)]
pub struct Device {
    /// Its disk.
    pub vault: FakeVault,
    /// Its line.
    pub weather: Weather,
    /// A real folder instead of the disk in memory.
    pub disk: Option<PathBuf>,
    /// Where it keeps evidence against the server.
    pub evidence: Option<PathBuf>,
    /// What it does about conflicts, from the next opening of its folder on.
    pub conflicts: ConflictRules,
    /// Which sub-folders it has chosen, from the next opening of its folder on.
    pub selection: Selection,
    remote: Arc<dyn Remote>,
    enrolled: Arc<Enrolled>,
    clock: VirtualClock,
    rng: Rng,
    folder: Option<Folder>,
    db: Option<Db>,
    /// An older state of the database.
    backup: Option<Vec<u8>>,
    /// What a watcher has seen of the disk.
    watched: BTreeMap<RelPath, (FakeEntry, Option<Stat>, bool)>,
    n_cycles: u64,
}

/// Enrols `n` devices of one account at `service`: the first by set-up code, the others by join strings.
pub(crate) fn enrol(house: &House, n: usize, clock: &VirtualClock, rng: &Rng) -> Vec<Device> {
    let code = block_on(house.service().create_setup_code()).expect("memory does not fail");
    let mut devices: Vec<Device> = Vec::new();
    for at in 0..n {
        let join = devices.first().map(|first| first.invite(&[]));
        let how = match &join {
            None => Enrol::SetupCode(&code),
            Some(text) => Enrol::Join(text),
        };
        devices.push(enrol_one(house, &format!("dev{at}"), how, clock, rng));
    }
    devices
}

/// Enrols one device.
pub(crate) fn enrol_one(
    house: &House,
    name: &str,
    how: Enrol<'_>,
    clock: &VirtualClock,
    rng: &Rng,
) -> Device {
    let weather = Weather::default();
    let remote = SimRemote::new(house.clone(), weather.clone(), rng.clone());
    let info = house.service().server_info();
    let (enrolled, _) = account::enrol(&remote, &info, ("sim", name), how, rng)
        .expect("enrolment works in fair weather");
    let chain = Chain::replay(&enrolled.chain).expect("our own chain");
    remote.sign_in(Caller {
        device: enrolled.device.device,
        account: chain.account,
    });
    Device {
        vault: FakeVault::new(),
        weather,
        disk: None,
        evidence: None,
        conflicts: ConflictRules::default(),
        selection: Selection::default(),
        remote: Arc::new(remote),
        enrolled: Arc::new(enrolled),
        clock: clock.with_own_skew(),
        rng: rng.clone(),
        folder: None,
        backup: None,
        watched: BTreeMap::new(),
        n_cycles: 0,
        db: Some(Db::in_memory().expect("memory database")),
    }
}

impl Device {
    /// Makes a join string that pins `heads`.
    ///
    /// # Panics
    /// When the line fails.
    #[must_use]
    pub fn invite(&self, heads: &[(SpaceId, Head)]) -> String {
        account::invite(
            self.remote.as_ref(),
            &self.enrolled,
            heads,
            self.clock.now(),
            &self.rng,
        )
        .expect("inviting works in fair weather")
    }

    /// The line as it is now.
    #[must_use]
    pub fn remote(&self) -> Arc<dyn Remote> {
        Arc::clone(&self.remote)
    }

    /// Keys of this device.
    #[must_use]
    pub fn enrolled(&self) -> &Enrolled {
        &self.enrolled
    }

    /// The space and the head that this device has verified; closes the folder.
    ///
    /// # Panics
    /// When the folder was never opened.
    #[must_use]
    pub fn verified_head(&mut self) -> (SpaceId, Head) {
        self.close();
        let db = self
            .db
            .as_ref()
            .expect("closed folders give their database back");
        let genesis = db.read().meta("genesis").expect("memory database");
        let genesis = genesis.expect("the folder was opened");
        let space = account::space_of(&genesis).expect("a genesis that was opened");
        (space, db.load().expect("memory database").range.head())
    }

    /// Wraps the line, for adversaries.
    pub fn wrap_remote(&mut self, wrap: impl FnOnce(Arc<dyn Remote>) -> Arc<dyn Remote>) {
        self.close();
        self.remote = wrap(Arc::clone(&self.remote));
    }

    /// Syncs until nothing more happens, or says with which code it stopped.
    ///
    /// # Errors
    /// The stable code of the error; the folder stays open.
    pub fn settle(&mut self) -> Result<Outcome, ErrorCode> {
        for _ in 0..CYCLES_MAX {
            match self.try_cycle() {
                Ok(Outcome::Progress) => {},
                Ok(outcome) => return Ok(outcome),
                Err(error) => return Err(error.code()),
            }
        }
        Ok(Outcome::Progress)
    }

    /// Paths with problems, as status shows them.
    #[must_use]
    pub fn problems(&self) -> Vec<PathProblem> {
        self.folder
            .as_ref()
            .map_or_else(Vec::new, |f| f.status_handle().read().0.problems)
    }

    /// The user says that all deletions are meant.
    pub fn accept_deletions(&mut self) {
        if let Some(folder) = &mut self.folder {
            folder.accept_deletions();
        }
    }

    /// Syncs until nothing more happens; says how it ended.
    pub fn sync(&mut self) -> String {
        for _ in 0..CYCLES_MAX {
            match self.cycle() {
                Ok(Outcome::Progress) => {},
                Ok(outcome) => return format!("{outcome:?}"),
                Err(text) => return text,
            }
        }
        "endless".to_owned()
    }

    /// One cycle, opening the folder when it is closed.
    ///
    /// # Errors
    /// The error as text; the folder stays open.
    pub fn cycle(&mut self) -> Result<Outcome, String> {
        self.try_cycle()
            .map_err(|error| fst_client::error::chain(&error))
    }

    fn try_cycle(&mut self) -> Result<Outcome, ClientError> {
        if self.folder.is_none() {
            self.open()?;
        }
        let closed = || ClientError::new(ErrorCode::Internal, "closed");
        self.n_cycles += 1;
        let is_full = self.n_cycles.is_multiple_of(FULL_EVERY);
        let changed = self.watch();
        let folder = self.folder.as_mut().ok_or_else(closed)?;
        if is_full {
            return Ok(folder.cycle()?);
        }
        changed.into_iter().for_each(|path| folder.hint(path));
        Ok(folder.follow()?)
    }

    /// What a watcher that sees everything would have told since it was last asked.
    fn watch(&mut self) -> Vec<RelPath> {
        let look = |(path, entry): (RelPath, FakeEntry)| {
            let stat = self.vault.user_stat(&path);
            let can_read = self.vault.user_can_read(&path);
            (path, (entry, stat, can_read))
        };
        let now: BTreeMap<_, _> = self.vault.snapshot().into_iter().map(look).collect();
        let was = std::mem::replace(&mut self.watched, now);
        let now = &self.watched;
        let gone = was.keys().filter(|path| !now.contains_key(*path));
        let fresh = now.iter().filter(|(path, is)| was.get(*path) != Some(is));
        gone.chain(fresh.map(|(path, _)| path)).cloned().collect()
    }

    /// Syncs with a crash planned after `n` changing calls of the disk, or `n` requests; then starts anew.
    pub fn crash_in_sync(&mut self, n: u64, on_disk: bool, cut: Option<PowerCut>) -> String {
        // What was planned for a moment that never came is off.
        self.close();
        self.vault.revive();
        if on_disk {
            self.vault.crash_at(self.vault.n_calls() + n);
        } else {
            self.weather.dark_after(n);
        }
        let outcome = self.sync();
        self.weather.dark_after(0);
        if let Some(cut) = cut.filter(|_| self.vault.is_crashed()) {
            self.vault.power_cut(cut);
        }
        self.close();
        self.vault.revive();
        outcome
    }

    /// Syncs, and is killed at the `n`-th changing call of the disk or the `n`-th moment of a request: nothing of
    /// the process runs after that but its destructors, which find disk and line dead. Says whether it was.
    pub fn kill_in_sync(&mut self, n: u64, on_disk: bool, cut: Option<PowerCut>) -> bool {
        self.close();
        self.vault.revive();
        // The opening itself takes the database out of our hands: crashes in it are planned as errors.
        if self.open().is_err() {
            return false;
        }
        if on_disk {
            self.vault.kill_at(self.vault.n_calls() + n);
        } else {
            self.weather.kill_at(n, &self.vault);
        }
        let ended = catch_unwind(AssertUnwindSafe(|| self.sync()));
        self.weather.kill_at(0, &self.vault);
        let is_killed = match ended {
            Ok(_) => false,
            Err(thrown) if thrown.is::<Killed>() => true,
            Err(thrown) => std::panic::resume_unwind(thrown),
        };
        if let Some(cut) = cut.filter(|_| is_killed) {
            self.vault.power_cut(cut);
        }
        self.close();
        self.vault.revive();
        is_killed
    }

    /// Keeps a copy of the database as it is now.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn back_up(&mut self) {
        self.close();
        let image = self.db.as_ref().map(Db::image);
        self.backup = image.map(|image| image.expect("memory database"));
    }

    /// Damages the database's bytes. A database that does not open any more is lost; says whether it was.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn damage(&mut self, damage: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.close();
        let image = self.db.as_ref().map(Db::image);
        let mut image = image.map_or_else(Vec::new, |image| image.expect("memory database"));
        damage(&mut image);
        let opened = Db::from_image(&image).and_then(|db| db.load().map(|_| db));
        let is_lost = opened.is_err();
        self.db = Some(opened.unwrap_or_else(|_| Db::in_memory().expect("memory database")));
        is_lost
    }

    /// Puts an older copy of the database back, if there is one.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn restore(&mut self) -> bool {
        let Some(image) = self.backup.clone() else {
            return false;
        };
        self.close();
        self.db = Some(Db::from_image(&image).expect("our own copy"));
        true
    }

    /// Starts anew and reads every file again.
    ///
    /// # Errors
    /// The error as text.
    pub fn resync(&mut self) -> Result<(), String> {
        self.close();
        self.cycle()?;
        let folder = self.folder.as_mut().ok_or("closed")?;
        folder
            .distrust_cache()
            .map_err(|error| fst_client::error::chain(&error))
    }

    /// Its own clock.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// Ends the process: only disk and database remain.
    pub fn close(&mut self) {
        if let Some(folder) = self.folder.take() {
            self.db = Some(folder.into_db());
        }
    }

    /// Loses the database: the next opening is like a first run.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn lose_database(&mut self) {
        self.close();
        self.db = Some(Db::in_memory().expect("memory database"));
    }

    /// The account's devices as the server knows them now, or as last seen.
    fn members(&self, chain: Chain) -> Members {
        let mut members = Members::new(chain, Arc::clone(&self.enrolled));
        if let Ok(reply) = self.remote.account_entries(members.chain.len) {
            // What does not continue the chain is left out, as if it had not come.
            members.extend(&reply.entries).unwrap_or_default();
        }
        members
    }

    /// Hands notes of other devices to the open folder, as the daemon does between cycles.
    pub fn take_notes(&mut self, told: &[(DeviceId, Vec<u8>)]) {
        if let Some(folder) = &mut self.folder {
            folder.take_notes(told);
        }
    }

    /// Closes the folder and gives database and keys to `look`, as a view beside the daemon has them.
    ///
    /// # Panics
    /// When the folder was never opened.
    pub fn beside<T>(&mut self, look: impl FnOnce(&Db, &Space, &dyn Remote) -> T) -> T {
        self.close();
        let mut db = self.db.take().expect("the folder was opened before");
        let (space, _) = self.space(&mut db).expect("the space was opened before");
        let seen = look(&db, &space, self.remote.as_ref());
        self.db = Some(db);
        seen
    }

    /// The same where the folder may not have been opened yet and the line may fail: `None` then.
    pub fn try_beside<T>(&mut self, look: impl FnOnce(&Db, &Space, &dyn Remote) -> T) -> Option<T> {
        self.close();
        let mut db = self.db.take()?;
        let space = self.space(&mut db);
        let seen = space
            .ok()
            .map(|(space, _)| look(&db, &space, self.remote.as_ref()));
        self.db = Some(db);
        seen
    }

    /// Entries of the log that this device has verified; closes the folder.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn known_size(&mut self) -> u64 {
        self.close();
        let db = self.db.as_ref();
        db.map_or(0, |db| {
            db.load().expect("memory database").range.head().size
        })
    }

    /// Opens the folder, which puts right what a crash left behind; a failure shows in the next cycle.
    pub(crate) fn open_quietly(&mut self) {
        self.close();
        self.open().unwrap_or_default();
    }

    fn space(&self, db: &mut Db) -> Result<(Space, Option<Head>), ClientError> {
        let chain = Chain::replay(&self.enrolled.chain).expect("our own chain");
        let spaces = Spaces {
            remote: self.remote.as_ref(),
            enrolled: &self.enrolled,
            chain: &chain,
            new_spaces: Policy::default(),
        };
        let opened = spaces.open(SPACE, db, &self.rng)?;
        let pinned = self
            .enrolled
            .heads
            .iter()
            .find(|(space, _)| *space == opened.id);
        let space = Space {
            id: opened.id,
            device: self.enrolled.device.device,
            keys: opened.keys,
            sign_key: self.enrolled.device.sign_key(),
            hedge: Arc::new(self.enrolled.device.hedge_key()),
            random: Arc::new(self.rng.clone()),
            members: self.members(chain),
            receipt_key: self.enrolled.receipt_key,
            policy: opened.policy,
        };
        Ok((space, pinned.map(|(_, head)| *head)))
    }

    fn open(&mut self) -> Result<(), ClientError> {
        let missing = || ClientError::new(ErrorCode::Internal, "no database");
        let mut db = self.db.take().ok_or_else(missing)?;
        let (space, pinned) = match self.space(&mut db) {
            Ok(opened) => opened,
            Err(error) => {
                self.db = Some(db);
                return Err(error);
            },
        };
        let vault: Box<dyn Vault> = match &self.disk {
            Some(root) => Box::new(RealVault::open(root)?),
            None => Box::new(self.vault.clone()),
        };
        let seams = Seams {
            vault,
            remote: Arc::clone(&self.remote),
            clock: Arc::new(self.clock.clone()),
        };
        let settings = Settings {
            conflicts: self.conflicts,
            path: "/sim".to_owned(),
            remote_path: SPACE.to_owned(),
            mode: Mode::TwoWay,
            ignore: Ignore::new(&[])
                .expect("no patterns")
                .choosing(self.selection.clone()),
            evidence: self.evidence.clone(),
            pinned,
            line: None,
        };
        match Folder::open(space, seams, settings, db) {
            Ok(folder) => {
                self.folder = Some(folder);
                Ok(())
            },
            Err(failed) => {
                let (db, error) = *failed;
                self.db = Some(db);
                Err(error.into())
            },
        }
    }
}
