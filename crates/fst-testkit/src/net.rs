//! A network without sockets: the server's service behind the client's seam, with losses on both ways.
//!
//! Messages are lost, doubled, or so late that their sender has given up and later ones have overtaken them; a
//! line may be open one way only. Invariant: what the service did stays done when its answer is lost; a
//! partition loses everything. All chance comes from the world's seed. Not here: the server ([`crate::house`]).

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use fst_client::remote::{Remote, RemoteError};
use fst_fs::fake::{FakeVault, Killed};
use fst_proto::ids::{ObjectId, SlotId, SpaceId};
use fst_proto::wire;
use fst_server::refusal::Refusal;
use fst_server::service::{Caller, Service};
use futures::executor::block_on;

use crate::house::House;
use crate::rng::Rng;

/// What may happen to messages of one client. Shared by clones.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    inner: Arc<WeatherState>,
}

#[derive(Debug, Default)]
struct WeatherState {
    is_partitioned: AtomicBool,
    is_half_open: AtomicBool,
    loss_percent: AtomicUsize,
    late_percent: AtomicUsize,
    crash_at: AtomicU64,
    kill_at: AtomicU64,
    /// What a killed client works on: its destructors may not tidy it.
    disk: Mutex<Option<FakeVault>>,
    n_requests: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

/// Weather that is held for a moment.
#[derive(Debug)]
pub(crate) struct Paused {
    is_partitioned: bool,
    is_half_open: bool,
    loss_percent: usize,
    late_percent: usize,
}

impl Weather {
    /// Bytes of contents and changes sent and received so far: objects, batches and pages of the log.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        let sent = self.inner.sent_bytes.load(Ordering::Relaxed);
        (sent, self.inner.received_bytes.load(Ordering::Relaxed))
    }

    fn note(&self, sent: usize, received: usize) {
        let add = |sum: &AtomicU64, n: usize| sum.fetch_add(n as u64, Ordering::Relaxed);
        add(&self.inner.sent_bytes, sent);
        add(&self.inner.received_bytes, received);
    }

    /// Cuts or heals the line.
    pub fn partition(&self, is_partitioned: bool) {
        self.inner
            .is_partitioned
            .store(is_partitioned, Ordering::Relaxed);
    }

    /// Lets everything through for a question of the world itself; returns what [`Weather::resume`] takes.
    pub(crate) fn pause(&self) -> Paused {
        let state = &self.inner;
        Paused {
            is_partitioned: state.is_partitioned.swap(false, Ordering::Relaxed),
            is_half_open: state.is_half_open.swap(false, Ordering::Relaxed),
            loss_percent: state.loss_percent.swap(0, Ordering::Relaxed),
            late_percent: state.late_percent.swap(0, Ordering::Relaxed),
        }
    }

    /// The weather is as it was.
    pub(crate) fn resume(&self, paused: &Paused) {
        self.partition(paused.is_partitioned);
        self.half_open(paused.is_half_open);
        self.lose(paused.loss_percent);
        self.delay(paused.late_percent);
    }

    /// Lets requests through and no answer back, or heals that.
    pub fn half_open(&self, is_half_open: bool) {
        self.inner
            .is_half_open
            .store(is_half_open, Ordering::Relaxed);
    }

    /// Makes this share of requests so late that the sender gives up first.
    pub fn delay(&self, percent: usize) {
        self.inner.late_percent.store(percent, Ordering::Relaxed);
    }

    /// Kills the client at the `n`-th request from now, before it is sent (odd moments) or when the answer
    /// should arrive (even moments): `n` counts moments. 0 for never.
    pub fn kill_at(&self, n: u64, disk: &FakeVault) {
        let at = if n == 0 { 0 } else { self.n_requests() * 2 + n };
        self.inner.kill_at.store(at, Ordering::Relaxed);
        *self.disk() = Some(disk.clone());
    }

    fn moment(&self, n: u64) {
        let at = self.inner.kill_at.load(Ordering::Relaxed);
        if at != 0 && n >= at {
            self.inner.kill_at.store(0, Ordering::Relaxed);
            let disk = self.disk().take();
            if let Some(disk) = disk {
                disk.crash_now();
            }
            Killed::strike();
        }
    }

    fn disk(&self) -> MutexGuard<'_, Option<FakeVault>> {
        self.inner
            .disk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Loses this share of requests and, separately, of answers.
    pub fn lose(&self, percent: usize) {
        self.inner.loss_percent.store(percent, Ordering::Relaxed);
    }

    /// The answer to the `n`-th request from now, and all later ones, never arrive. 0 for never.
    pub fn dark_after(&self, n: u64) {
        let at = if n == 0 { 0 } else { self.n_requests() + n };
        self.inner.crash_at.store(at, Ordering::Relaxed);
    }

    /// Requests made so far.
    #[must_use]
    pub fn n_requests(&self) -> u64 {
        self.inner.n_requests.load(Ordering::Relaxed)
    }
}

/// The server as one client of a simulation sees it.
#[derive(Debug, Clone)]
pub struct SimRemote {
    house: House,
    caller: Arc<OnceLock<Caller>>,
    weather: Weather,
    rng: Rng,
}

impl SimRemote {
    /// A line to `house`; nobody is signed in yet.
    #[must_use]
    pub fn new(house: House, weather: Weather, rng: Rng) -> Self {
        Self {
            house,
            caller: Arc::new(OnceLock::new()),
            weather,
            rng,
        }
    }

    /// Signs a device in for good; later calls change nothing.
    pub fn sign_in(&self, caller: Caller) {
        let _: &Caller = self.caller.get_or_init(|| caller);
    }

    fn caller(&self) -> Result<Caller, RemoteError> {
        self.caller.get().copied().ok_or(RemoteError::Malformed {
            what: "request before sign-in",
        })
    }

    fn call<T>(
        &self,
        serve: impl Fn(&Service) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, RemoteError> {
        let weather = &self.weather.inner;
        let n = weather.n_requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.weather.moment(n * 2 - 1);
        let loss = weather.loss_percent.load(Ordering::Relaxed);
        let crash_at = weather.crash_at.load(Ordering::Relaxed);
        let is_late = crash_at != 0 && n > crash_at;
        if weather.is_partitioned.load(Ordering::Relaxed) || is_late || self.rng.chance(loss) {
            return Err(lost("request"));
        }
        if self
            .rng
            .chance(weather.late_percent.load(Ordering::Relaxed))
        {
            self.house.delay(move |service| drop(serve(service)));
            return Err(lost("request, for now,"));
        }
        let reply = self.house.serve(&serve).ok_or_else(|| lost("server"))?;
        if loss > 0 && self.rng.chance(loss) {
            // The network delivers it twice: the first answer is the one that is read.
            drop(self.house.serve(&serve));
        }
        self.weather.moment(n * 2);
        let is_half_open = weather.is_half_open.load(Ordering::Relaxed);
        if is_half_open || crash_at != 0 && n == crash_at || self.rng.chance(loss) {
            return Err(lost("answer"));
        }
        reply.map_err(|refusal| RemoteError::Refused(Box::new(refusal.problem())))
    }
}

fn lost(what: &'static str) -> RemoteError {
    RemoteError::Unreachable {
        url: "sim".to_owned(),
        source: format!("the {what} was lost").into(),
    }
}

impl Remote for SimRemote {
    fn server_info(&self) -> Result<wire::ServerInfo, RemoteError> {
        self.call(move |service| Ok(service.server_info()))
    }

    fn create_account(&self, request: &wire::CreateAccount) -> Result<(), RemoteError> {
        let request = request.clone();
        self.call(move |service| block_on(service.create_account(request.clone())).map(drop))
    }

    fn slot(&self, slot: SlotId) -> Result<wire::SlotReply, RemoteError> {
        self.call(move |service| block_on(service.get_slot(slot)))
    }

    fn join(&self, slot: SlotId, request: &wire::Join) -> Result<(), RemoteError> {
        let request = request.clone();
        self.call(move |service| block_on(service.join(slot, request.clone())).map(drop))
    }

    fn account_entries(&self, since: u64) -> Result<wire::AccountEntries, RemoteError> {
        let caller = self.caller()?;
        self.call(move |service| block_on(service.account_entries(caller, since)))
    }

    fn append_account(&self, request: &wire::AppendAccount) -> Result<(), RemoteError> {
        let request = request.clone();
        let caller = self.caller()?;
        self.call(move |service| {
            block_on(service.append_account(caller, request.clone())).map(drop)
        })
    }

    fn spaces(&self) -> Result<wire::Spaces, RemoteError> {
        let caller = self.caller()?;
        self.call(move |service| block_on(service.spaces(caller)))
    }

    fn create_space(&self, request: &wire::CreateSpace) -> Result<wire::Receipt, RemoteError> {
        let request = request.clone();
        let caller = self.caller()?;
        self.call(move |service| block_on(service.create_space(caller, request.clone())))
    }

    fn commit(&self, space: SpaceId, commit: &wire::Commit) -> Result<wire::Receipt, RemoteError> {
        let commit = commit.clone();
        let caller = self.caller()?;
        self.weather.note(wire::to_cbor(&commit).len(), 0);
        self.call(move |service| block_on(service.commit(caller, space, commit.clone())))
    }

    fn changes(&self, space: SpaceId, since: u64) -> Result<wire::Changes, RemoteError> {
        let caller = self.caller()?;
        let page = self
            .call(move |service| block_on(service.changes(caller, space, since, Duration::ZERO)))?;
        self.weather.note(0, wire::to_cbor(&page).len());
        Ok(page)
    }

    fn upload(&self, space: SpaceId, frame: Vec<u8>) -> Result<(), RemoteError> {
        let caller = self.caller()?;
        let frame = bytes::Bytes::from(frame);
        self.weather.note(frame.len(), 0);
        self.call(move |service| {
            block_on(service.upload_objects(caller, space, frame.clone())).map(drop)
        })
    }

    fn tell(&self, space: SpaceId, note: &[u8]) -> Result<(), RemoteError> {
        let caller = self.caller()?;
        let note = bytes::Bytes::copy_from_slice(note);
        self.call(move |service| block_on(service.tell(caller, space, note.clone())))
    }

    fn missing(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        let caller = self.caller()?;
        let asked = wire::ObjectIds { ids: ids.to_vec() };
        self.call(move |service| {
            block_on(service.missing(caller, space, asked.clone())).map(|r| r.ids)
        })
    }

    fn objects(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<u8>, RemoteError> {
        let caller = self.caller()?;
        let asked = wire::ObjectIds { ids: ids.to_vec() };
        let frame =
            self.call(move |service| block_on(service.get_objects(caller, space, asked.clone())))?;
        self.weather.note(0, frame.len());
        Ok(frame.to_vec())
    }
}
