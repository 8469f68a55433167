//! Workers that prune beside one that commits: nothing that an acknowledged entry needs goes, and garbage does.
//!
//! A model of one device that edits nodes, whose contents are a few objects that come, go and come back. Two workers
//! prune at once, which the leader's lock would not allow: it saves work, and nothing depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use fst_proto::ids::SpaceId;
use fst_proto::wire::{Commit, Conflict, ObjectIds};
use fst_server::refusal::Refusal;
use fst_server::service::{Parts, Service};
use fst_store::blob::BlobStore as _;
use fst_store::blob::memory::MemoryBlobs;
use fst_store::cache::local::LocalCache;
use fst_store::conformance::servers::{Fsync, PrivatePostgres};
use fst_store::meta::memory::MemoryMeta;
use fst_store::meta::postgres::{PostgresMeta, PostgresUrl, create_database, migrate};
use fst_store::meta::{LEASE_MS, MetaStore};

use crate::support::{
    Device, TestClock, TestRandom, frame_of, new_account, object, object_bytes, put, put_with,
};

const SPACE: SpaceId = SpaceId([0x51; 16]);

/// Longer than any version is kept, and than an upload is leased.
const LONG: u64 = 400 * 24 * 60 * 60 * 1000;

/// Commits of a run.
const N_COMMITS: u32 = 60;

/// After so many commits the device rests until the pruners have been round, so that they fall behind no machine.
const REST_EVERY: u32 = 10;

/// Nodes and objects: few, so that objects are given up and come back.
const N_NODES: u32 = 3;
const N_OBJECTS: u32 = 5;

/// Workers on the same stores, with one clock.
struct Workers {
    clock: Arc<TestClock>,
    blobs: Arc<MemoryBlobs>,
    services: Vec<Arc<Service>>,
}

impl Workers {
    /// One worker for each store of metadata.
    async fn on(metas: Vec<Arc<dyn MetaStore>>) -> Self {
        const { assert!(LONG > LEASE_MS) };
        let clock = Arc::new(TestClock::new());
        let blobs = Arc::new(MemoryBlobs::new());
        let mut services = Vec::new();
        for (seed, meta) in (0..).zip(metas) {
            let parts = Parts {
                meta,
                blobs: Arc::clone(&blobs) as _,
                cache: Arc::new(LocalCache::new()),
                clock: Arc::clone(&clock) as _,
                random: Arc::new(TestRandom::new(seed)),
            };
            services.push(Arc::new(Service::open(parts).await.unwrap()));
        }
        Self {
            clock,
            blobs,
            services,
        }
    }

    /// An account of one device with one space.
    async fn device(&self) -> Device {
        let service = &self.services[0];
        let code = service.create_setup_code().await.unwrap();
        let (mut device, request) = new_account(1, &code);
        service.create_account(request).await.unwrap();
        let request = device.genesis(SPACE);
        let made = service.create_space(device.caller(), request.clone()).await;
        device.wrote(&request.commit, made.unwrap().head);
        device
    }
}

/// Pruners under way.
#[derive(Default)]
struct Prunes {
    is_over: AtomicBool,
    n_rounds: AtomicU64,
    n_objects: AtomicU64,
}

impl Prunes {
    async fn go_round(&self) {
        let until = self.n_rounds.load(Ordering::SeqCst) + 3;
        while self.n_rounds.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
    }
}

/// Uploads what the server does not have and commits, again when something went in between.
async fn commit(service: &Service, device: &mut Device, commit: Commit, needs: &[u32]) {
    loop {
        let ids = needs.iter().map(|n| object(*n)).collect();
        let missing = service.missing(device.caller(), SPACE, ObjectIds { ids });
        if !missing.await.unwrap().ids.is_empty() {
            let frame: Vec<_> = needs.iter().map(|n| (*n, 100)).collect();
            let frame = Bytes::from(frame_of(&frame));
            let sent = service.upload_objects(device.caller(), SPACE, frame).await;
            sent.unwrap();
        }
        let done = service.commit(device.caller(), SPACE, commit.clone()).await;
        match done {
            Ok(receipt) => return device.wrote(&commit, receipt.head),
            Err(Refusal::Conflict(Conflict::MissingObjects { .. })) => {},
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Everything that the model says is current is there, byte for byte.
async fn check(service: &Service, device: &Device, model: &BTreeMap<u32, (u64, u32)>) {
    for (_, n) in model.values() {
        let part = service.get_object(device.caller(), SPACE, object(*n), None);
        assert_eq!(part.await.unwrap().bytes, object_bytes(*n, 100));
    }
}

async fn commits_beside_prunes(workers: Workers) {
    let mut device = workers.device().await;
    let prunes = Arc::new(Prunes::default());
    let pruners: Vec<_> = workers
        .services
        .iter()
        .map(|service| tokio::spawn(prune_on(Arc::clone(service), Arc::clone(&prunes))))
        .collect();
    let service = &workers.services[0];
    let mut model: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
    for n in 0..N_COMMITS {
        let (node, new) = (n % N_NODES, 100 + (n + n / 7) % N_OBJECTS);
        let (rev, old) = model.get(&node).map_or((0, None), |(r, o)| (*r, Some(*o)));
        let mut op = put_with(node, rev, vec![7; 281], None);
        if old != Some(new) {
            op.op.add_refs = vec![object(new)];
            op.op.drop_refs = old.iter().map(|old| object(*old)).collect();
        }
        let batch = device.batch(SPACE, vec![op]);
        commit(service, &mut device, batch, &[new]).await;
        model.insert(node, (rev + 1, new));
        check(service, &device, &model).await;
        workers.clock.advance(LONG);
        if n % REST_EVERY == 0 {
            prunes.go_round().await;
        }
    }
    prunes.is_over.store(true, Ordering::SeqCst);
    for pruner in pruners {
        pruner.await.unwrap();
    }
    assert!(prunes.n_objects.load(Ordering::SeqCst) > 0);
    // The device's base is now what is current.
    let touch = device.batch(SPACE, vec![put(999, 0)]);
    commit(service, &mut device, touch, &[]).await;
    service.prune().await.unwrap();
    check(service, &device, &model).await;
    only_what_is_current_is_left(&workers, &device, &model).await;
}

async fn only_what_is_current_is_left(
    workers: &Workers,
    device: &Device,
    model: &BTreeMap<u32, (u64, u32)>,
) {
    let live: BTreeSet<u32> = model.values().map(|(_, n)| *n).collect();
    let dead: Vec<_> = (100..100 + N_OBJECTS)
        .filter(|n| !live.contains(n))
        .map(object)
        .collect();
    assert!(!dead.is_empty(), "the model gives something up");
    let asked = ObjectIds { ids: dead.clone() };
    let missing = workers.services[0].missing(device.caller(), SPACE, asked);
    assert_eq!(missing.await.unwrap().ids, dead);
    // Each upload brought one object.
    let blobs = workers.blobs.list(None, 1000).await.unwrap();
    assert_eq!(blobs.len(), live.len(), "no blob is left behind");
}

/// Prunes until the load is over.
async fn prune_on(service: Arc<Service>, prunes: Arc<Prunes>) {
    while !prunes.is_over.load(Ordering::SeqCst) {
        let pruned = service.prune().await.unwrap();
        prunes.n_objects.fetch_add(pruned.objects, Ordering::SeqCst);
        prunes.n_rounds.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_on_postgresql() {
    let server = PrivatePostgres::start(Fsync::Off);
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    create_database(&url).await.unwrap();
    migrate(&url).await.unwrap();
    let mut metas: Vec<Arc<dyn MetaStore>> = Vec::new();
    for _ in 0..2 {
        metas.push(Arc::new(PostgresMeta::open(&url, &url, 4).await.unwrap()));
    }
    commits_beside_prunes(Workers::on(metas).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_in_memory() {
    let meta: Arc<dyn MetaStore> = Arc::new(MemoryMeta::new());
    commits_beside_prunes(Workers::on(vec![Arc::clone(&meta), meta]).await).await;
}

#[tokio::test]
async fn one_worker_prunes_at_a_time_and_another_one_when_it_is_gone() {
    let server = PrivatePostgres::start(Fsync::Off);
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    create_database(&url).await.unwrap();
    migrate(&url).await.unwrap();
    let mut metas: Vec<Arc<dyn MetaStore>> = Vec::new();
    for _ in 0..2 {
        metas.push(Arc::new(PostgresMeta::open(&url, &url, 2).await.unwrap()));
    }
    let workers = Workers::on(metas).await;
    let (one, two) = (&workers.services[0], &workers.services[1]);
    let first = one.lead("prune").await.unwrap().unwrap();
    assert!(two.lead("prune").await.unwrap().is_none());
    // Its connection breaks: nothing that it says of itself counts any more.
    server.crash();
    server.restart();
    while first.is_held() {
        fst_store::conformance::servers::look_again().await;
    }
    let second = two.lead("prune").await.unwrap().unwrap();
    assert!(one.lead("prune").await.unwrap().is_none());
    drop(second);
}
