//! A stage for directed scenarios: one server whose signing key the test knows, and devices moved by hand.
//!
//! The tests of the adversary and of crashes stand on it. Invariant: the code is the real code, only disk, line
//! and clock are simulated; the same calls give the same bytes. Not here: random worlds ([`crate::world`]).
//! Source: docs/design/sync-semantics.md §"What must hold".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fst_client::Enrol;
use fst_fs::fake::{FakeEntry, FakeVault};
use fst_fs::vault::Vault as _;
use fst_proto::ids::SpaceId;
use fst_proto::merkle::Head;
use fst_proto::path::RelPath;
use fst_server::service::{Parts, Service};
use fst_store::blob::memory::MemoryBlobs;
use fst_store::cache::local::LocalCache;
use fst_store::meta::MetaStore as _;
use fst_store::meta::memory::MemoryMeta;
use futures::executor::block_on;

use crate::evil::ServerKey;
use crate::house::House;
use crate::rng::Rng;
use crate::world::{Device, VirtualClock, device};

/// Rounds in which a scene must become quiet.
const ROUNDS_MAX: usize = 40;

/// One server and its devices.
#[derive(Debug)]
pub struct Scene {
    /// The server.
    pub service: Arc<Service>,
    /// Time of everybody.
    pub clock: VirtualClock,
    /// Chance of everybody.
    pub rng: Rng,
    /// Devices of one account.
    pub devices: Vec<Device>,
    house: House,
    seed: [u8; 32],
}

impl Scene {
    /// A server with `n` enrolled devices whose folders are empty.
    ///
    /// # Panics
    /// Never: memory does not fail.
    #[must_use]
    pub fn new(seed: u64, n: usize) -> Self {
        let rng = Rng::new(seed);
        let clock = VirtualClock::default();
        let mut secret = [0; 32];
        rng.fill(&mut secret);
        let meta = MemoryMeta::new();
        block_on(meta.get_or_create_secret("receipt-key-1", secret)).expect("memory store");
        let parts = Parts {
            meta: Arc::new(meta),
            blobs: Arc::new(MemoryBlobs::new()),
            cache: Arc::new(LocalCache::new()),
            clock: Arc::new(clock.clone()),
            random: Arc::new(rng.clone()),
        };
        let service = Arc::new(block_on(Service::open(parts)).expect("memory store"));
        let house = House::standing(Arc::clone(&service));
        let devices = device::enrol(&house, n, &clock, &rng);
        Self {
            house,
            service,
            clock,
            rng,
            devices,
            seed: secret,
        }
    }

    /// The key with which this server signs.
    #[must_use]
    pub fn server_key(&self) -> ServerKey {
        ServerKey::from_seed(&self.seed)
    }

    /// Adds one more device.
    pub fn join(&mut self, name: &str, join: &str) {
        let how = Enrol::Join(join);
        let device = device::enrol_one(&self.house, name, how, &self.clock, &self.rng);
        self.devices.push(device);
    }

    /// What a user does on device `at`: on its disk for good, a moment after what was before.
    ///
    /// # Panics
    /// When the user cannot do it.
    pub fn user(&self, at: usize, act: impl FnOnce(&FakeVault) -> fst_fs::vault::Result<()>) {
        use fst_proto::time::Clock as _;
        self.clock.advance(1_000);
        let now = i64::try_from(self.clock.now().0)
            .unwrap_or(0)
            .saturating_mul(1_000_000);
        let vault = &self.devices[at].vault;
        vault.set_clock(now);
        act(vault).expect("the user can do it");
        vault
            .sync_stage()
            .expect("no fault is planned while the user acts");
    }

    /// Writes a file on device `at`.
    pub fn write(&self, at: usize, file: &str, bytes: &[u8]) {
        self.user(at, |vault| vault.user_write(&path(file), bytes));
    }

    /// Syncs device `at` until nothing more happens there.
    ///
    /// # Panics
    /// When it does not become quiet.
    pub fn sync(&mut self, at: usize) {
        self.clock.advance(1_000);
        let outcome = self.devices[at].sync();
        assert_eq!(outcome, "Quiet", "device {at}");
    }

    /// Syncs everybody until nothing moves anywhere.
    ///
    /// # Panics
    /// When that takes too long, or somebody is stopped.
    pub fn quiet(&mut self) {
        let mut trace = Vec::new();
        let mut n_quiet = 0;
        for _ in 0..ROUNDS_MAX {
            self.clock.advance(1_000);
            let before = self.trees();
            let outcomes: Vec<String> = self.devices.iter_mut().map(Device::sync).collect();
            let is_quiet = outcomes.iter().all(|outcome| outcome == "Quiet");
            n_quiet = if is_quiet && self.trees() == before {
                n_quiet + 1
            } else {
                0
            };
            trace.push(outcomes.join(" | "));
            if n_quiet == 2 {
                return;
            }
        }
        assert_eq!(n_quiet, 2, "does not become quiet:\n{}", trace.join("\n"));
    }

    /// Checks that all devices show the same and hide nothing in their stages; returns what they show.
    ///
    /// # Panics
    /// When they do not.
    pub fn assert_equal(&self) -> BTreeMap<RelPath, FakeEntry> {
        let trees = self.trees();
        for (at, tree) in trees.iter().enumerate() {
            let names = |tree: &BTreeMap<RelPath, FakeEntry>| -> BTreeSet<String> {
                tree.iter()
                    .map(|(path, entry)| format!("{path}: {}", brief(entry)))
                    .collect()
            };
            assert_eq!(
                names(tree),
                names(&trees[0]),
                "device {at} differs from the first"
            );
            assert!(
                *tree == trees[0],
                "device {at} has other bytes than the first"
            );
            assert!(
                self.devices[at].vault.stage_is_empty(),
                "device {at} has something staged"
            );
        }
        trees.into_iter().next().unwrap_or_default()
    }

    /// Head that the server has.
    ///
    /// # Panics
    /// When the space is not there or the line is cut.
    #[must_use]
    pub fn head(&self, space: SpaceId) -> Head {
        let spaces = self.devices[0]
            .remote()
            .spaces()
            .expect("the first device's line is honest");
        let found = spaces.spaces.iter().find(|info| info.space == space);
        found.expect("the space is there").head
    }

    fn trees(&self) -> Vec<BTreeMap<RelPath, FakeEntry>> {
        self.devices
            .iter()
            .map(|device| device.vault.snapshot())
            .collect()
    }
}

/// A path of a test.
///
/// # Panics
/// When it is not well formed.
#[must_use]
pub fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("test paths are well formed")
}

/// One line about an entry, for messages.
#[must_use]
pub fn brief(entry: &FakeEntry) -> String {
    match entry {
        FakeEntry::File { bytes, exec } => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
            format!("file {} {start:?} exec={exec}", bytes.len())
        },
        FakeEntry::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
        FakeEntry::Dir => "dir".to_owned(),
        FakeEntry::Special => "special".to_owned(),
    }
}

/// Bytes without pattern that compress to nothing smaller, the same for the same `salt`.
#[must_use]
pub fn noise(salt: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Rng::new(salt).fill(&mut bytes);
    bytes
}
