//! A device of a world: real client code on a disk in memory and a line that may fail.

use std::sync::Arc;

use fst_client::account::{self, Spaces};
use fst_client::config::{Ignore, Mode};
use fst_client::db::Db;
use fst_client::folder::{Members, Seams, Settings, Space};
use fst_client::keystore::Enrolled;
use fst_client::remote::Remote;
use fst_client::{Enrol, Folder, Outcome};
use fst_fs::fake::{FakeVault, PowerCut};
use fst_proto::account::Chain;
use fst_proto::time::Clock as _;
use fst_server::service::{Caller, Service};
use futures::executor::block_on;

use super::VirtualClock;
use crate::net::{SimRemote, Weather};
use crate::rng::Rng;

/// Remote name of the one space of a world.
const SPACE: &str = "/World";

/// Cycles of one sync before it counts as never ending.
const CYCLES_MAX: usize = 40;

/// One device.
#[derive(Debug)]
pub struct Device {
    /// Its disk.
    pub vault: FakeVault,
    /// Its line.
    pub weather: Weather,
    remote: Arc<dyn Remote>,
    enrolled: Arc<Enrolled>,
    clock: VirtualClock,
    rng: Rng,
    folder: Option<Folder>,
    db: Option<Db>,
}

/// Enrols `n` devices of one account at `service`: the first by set-up code, the others by join strings.
pub(super) fn enrol(
    service: &Arc<Service>,
    n: usize,
    clock: &VirtualClock,
    rng: &Rng,
) -> Vec<Device> {
    let code = block_on(service.create_setup_code()).expect("memory does not fail");
    let mut devices: Vec<Device> = Vec::new();
    for at in 0..n {
        let weather = Weather::default();
        let remote = SimRemote::new(Arc::clone(service), weather.clone(), rng.clone());
        let name = format!("dev{at}");
        let join = devices.first().map(|first| first.invite());
        let how = match &join {
            None => Enrol::SetupCode(&code),
            Some(text) => Enrol::Join(text),
        };
        let info = service.server_info();
        let (enrolled, _) = account::enrol(&remote, &info, ("sim", &name), how, rng)
            .expect("enrolment works in fair weather");
        let chain = Chain::replay(&enrolled.chain).expect("our own chain");
        remote.sign_in(Caller { device: enrolled.device.device, account: chain.account });
        devices.push(Device {
            vault: FakeVault::new(),
            weather,
            remote: Arc::new(remote),
            enrolled: Arc::new(enrolled),
            clock: clock.clone(),
            rng: rng.clone(),
            folder: None,
            db: Some(Db::in_memory().expect("memory database")),
        });
    }
    devices
}

impl Device {
    fn invite(&self) -> String {
        account::invite(self.remote.as_ref(), &self.enrolled, &[], self.clock.now(), &self.rng)
            .expect("inviting works in fair weather")
    }

    /// Wraps the line, for adversaries.
    pub fn wrap_remote(&mut self, wrap: impl FnOnce(Arc<dyn Remote>) -> Arc<dyn Remote>) {
        self.close();
        self.remote = wrap(Arc::clone(&self.remote));
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
        if self.folder.is_none() {
            self.open()?;
        }
        let folder = self.folder.as_mut().ok_or("closed")?;
        folder.cycle().map_err(|error| fst_client::error::chain(&error))
    }

    /// Syncs with a crash planned after `n` changing calls of the disk, or `n` requests; then starts anew.
    pub fn crash_in_sync(&mut self, n: u64, on_disk: bool, is_power_cut: bool) -> String {
        if on_disk {
            self.vault.crash_at(n);
        } else {
            self.weather.dark_after(n);
        }
        let outcome = self.sync();
        self.weather.dark_after(0);
        if is_power_cut && self.vault.is_crashed() {
            self.vault.power_cut(PowerCut::Everything);
        }
        self.close();
        self.vault.revive();
        outcome
    }

    /// Ends the process: only disk and database remain.
    pub fn close(&mut self) {
        if let Some(folder) = self.folder.take() {
            self.db = Some(folder.into_db());
        }
    }

    /// Loses the database: the next opening is like a first run.
    pub fn lose_database(&mut self) {
        self.close();
        self.db = Some(Db::in_memory().expect("memory database"));
    }

    fn open(&mut self) -> Result<(), String> {
        let text = |error: &dyn std::error::Error| fst_client::error::chain(error);
        let mut db = self.db.take().ok_or("no database")?;
        let chain = Chain::replay(&self.enrolled.chain).expect("our own chain");
        let spaces =
            Spaces { remote: self.remote.as_ref(), enrolled: &self.enrolled, chain: &chain };
        let opened = match spaces.open(SPACE, &mut db, &self.rng) {
            Ok(opened) => opened,
            Err(error) => {
                self.db = Some(db);
                return Err(text(&error));
            },
        };
        let space = Space {
            id: opened.id,
            device: self.enrolled.device.device,
            keys: opened.keys,
            sign_key: self.enrolled.device.sign_key(),
            hedge: self.enrolled.device.hedge_key(),
            random: Arc::new(self.rng.clone()),
            members: Members::new(chain, Arc::clone(&self.enrolled)),
            receipt_key: self.enrolled.receipt_key,
            policy: opened.policy,
        };
        let seams = Seams {
            vault: Box::new(self.vault.clone()),
            remote: Arc::clone(&self.remote),
            clock: Arc::new(self.clock.clone()),
        };
        let settings = Settings {
            path: "/sim".to_owned(),
            remote_path: SPACE.to_owned(),
            mode: Mode::TwoWay,
            ignore: Ignore::new(&[]).expect("no patterns"),
            evidence: None,
            pinned: None,
        };
        match Folder::open(space, seams, settings, db) {
            Ok(folder) => {
                self.folder = Some(folder);
                Ok(())
            },
            Err((db, error)) => {
                self.db = Some(db);
                Err(text(&error))
            },
        }
    }
}
