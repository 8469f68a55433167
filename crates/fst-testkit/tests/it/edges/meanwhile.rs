//! A user who writes while a file is on its way: in the middle of any request.
//!
//! Invariant: [`Busy`] changes nothing of a request; it only lets the user act before it.

use std::sync::{Arc, Mutex};
use std::thread::{ThreadId, current};

use fst_client::remote::{Remote, RemoteError};
use fst_fs::fake::FakeVault;
use fst_proto::ids::{ObjectId, SlotId, SpaceId};
use fst_proto::wire::{
    AccountEntries, AppendAccount, Changes, Commit, CreateAccount, CreateSpace, Join, Receipt,
    ServerInfo, SlotReply, Spaces,
};

use super::{Scene, copies, noise, pair, path, read};

/// What the user does, and before how many more requests.
type Plan = Option<(u64, Box<dyn FnOnce() + Send>)>;

/// A line at which a user acts before one of the requests.
struct Busy {
    inner: Arc<dyn Remote>,
    plan: Arc<Mutex<Plan>>,
    /// The thread of each request so far.
    threads: Arc<Mutex<Vec<ThreadId>>>,
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Busy").finish_non_exhaustive()
    }
}

impl Busy {
    fn next(&self) -> &dyn Remote {
        let threads = self.threads.lock();
        threads.expect("no test panics here").push(current().id());
        let mut plan = self.plan.lock().expect("no test panics here");
        match plan.take() {
            Some((1, act)) => act(),
            Some((n, act)) => *plan = Some((n - 1, act)),
            None => {},
        }
        self.inner.as_ref()
    }
}

impl Remote for Busy {
    fn server_info(&self) -> Result<ServerInfo, RemoteError> {
        self.next().server_info()
    }

    fn create_account(&self, request: &CreateAccount) -> Result<(), RemoteError> {
        self.next().create_account(request)
    }

    fn slot(&self, slot: SlotId) -> Result<SlotReply, RemoteError> {
        self.next().slot(slot)
    }

    fn join(&self, slot: SlotId, request: &Join) -> Result<(), RemoteError> {
        self.next().join(slot, request)
    }

    fn account_entries(&self, since: u64) -> Result<AccountEntries, RemoteError> {
        self.next().account_entries(since)
    }

    fn append_account(&self, request: &AppendAccount) -> Result<(), RemoteError> {
        self.next().append_account(request)
    }

    fn spaces(&self) -> Result<Spaces, RemoteError> {
        self.next().spaces()
    }

    fn create_space(&self, request: &CreateSpace) -> Result<Receipt, RemoteError> {
        self.next().create_space(request)
    }

    fn commit(&self, space: SpaceId, commit: &Commit) -> Result<Receipt, RemoteError> {
        self.next().commit(space, commit)
    }

    fn changes(&self, space: SpaceId, since: u64) -> Result<Changes, RemoteError> {
        self.next().changes(space, since)
    }

    fn upload(&self, space: SpaceId, frame: Vec<u8>) -> Result<(), RemoteError> {
        self.next().upload(space, frame)
    }

    fn missing(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        self.next().missing(space, ids)
    }

    fn objects(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<u8>, RemoteError> {
        self.next().objects(space, ids)
    }
}

/// Several chunks and several frames.
const BIG: usize = 9 << 20;

const TRIES_MAX: u64 = 100;

/// Runs one cycle of the first device, with `user` acting before request `n`; false when there was no such request.
fn cycle(scene: &mut Scene, n: u64, user: impl FnOnce(&FakeVault) + Send + 'static) -> bool {
    let vault = scene.devices[0].vault.clone();
    let plan: Arc<Mutex<Plan>> = Arc::new(Mutex::new(None));
    let shared = Arc::clone(&plan);
    scene.devices[0].wrap_remote(|inner| {
        Arc::new(Busy {
            inner,
            plan: shared,
            threads: Arc::default(),
        })
    });
    *plan.lock().expect("fresh") = Some((n, Box::new(move || user(&vault))));
    // It may find that the file changed: that is the point.
    scene.devices[0].cycle().map(drop).unwrap_or_default();
    let mut plan = plan.lock().expect("no test panics here");
    plan.take().is_none()
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_sent_anew() {
    let (first, second) = (noise(1, BIG), noise(2, BIG));
    for n in 1..TRIES_MAX {
        let mut scene = pair();
        scene.write(0, "x", &first);
        let bytes = second.clone();
        let has_happened = cycle(&mut scene, n, move |vault| {
            vault
                .user_write(&path("x"), &bytes)
                .expect("the user can write");
        });
        scene.sync(1);
        let there = read(&scene, 1, "x");
        let is_whole = [&b"x, first"[..], &first, &second].contains(&there.as_slice());
        assert!(is_whole, "a mixture of two versions, request {n}");
        scene.quiet();
        scene.assert_equal();
        assert!(copies(&scene, 0).is_empty());
        if !has_happened {
            assert!(n > 4, "only {n} requests");
            return;
        }
        assert!(read(&scene, 1, "x") == second, "request {n}");
    }
    unreachable!("a file has fewer requests");
}

#[test]
fn pages_of_a_long_file_are_asked_for_ahead() {
    let mut scene = pair();
    let long = noise(3, 20 << 20);
    scene.write(1, "long", &long);
    scene.sync(1);
    let threads: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
    let shared = Arc::clone(&threads);
    scene.devices[0].wrap_remote(|inner| {
        Arc::new(Busy {
            inner,
            plan: Arc::default(),
            threads: shared,
        })
    });
    scene.sync(0);
    assert!(read(&scene, 0, "long") == long);
    let threads = threads.lock().expect("no test panics here");
    let ahead = threads.iter().filter(|id| **id != current().id());
    assert_eq!(ahead.count(), 2, "three pages of 8 MiB, two of them ahead");
}
