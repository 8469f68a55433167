//! Hand-made devices, accounts, spaces and batches; a clock and randomness under control.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use fst_proto::account::{
    self, AccountEntry, AccountHeader, Body, DeviceRecord, KEM_X25519, Signer,
};
use fst_proto::control::{Control, Policy, SpaceGenesis};
use fst_proto::hash::sha256;
use fst_proto::ids::{
    AccountId, DeviceId, Hash32, KemKey, NameTag, NodeId, ObjectId, Signature, SlotId, SpaceId,
    VerifyKey,
};
use fst_proto::log::{self, EntryKind, Flags, Header, Op, OpCode};
use fst_proto::merkle::Head;
use fst_proto::time::{Clock, UnixMillis};
use fst_proto::wire::{
    self, AppendAccount, Commit, Conflict, CreateAccount, CreateSpace, Join, SealedSlot,
};
use fst_proto::{frame, limits};
use fst_server::refusal::Refusal;
use fst_server::seams::Random;
use fst_server::service::{Caller, Served, Service};

pub(crate) const START: u64 = 1_800_000_000_000;

#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(START))
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug)]
pub(crate) struct TestRandom(AtomicU64);

impl TestRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Random for TestRandom {
    fn fill(&self, out: &mut [u8]) {
        for part in out.chunks_mut(32) {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            part.copy_from_slice(&sha256(&[b"test", &n.to_be_bytes()]).as_bytes()[..part.len()]);
        }
    }
}

/// A service in memory with its clock.
pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<TestClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::seeded(0)
    }

    /// A world whose secrets are its own.
    pub(crate) fn seeded(seed: u64) -> Self {
        let clock = Arc::new(TestClock::new());
        let service = Service::in_memory(Arc::clone(&clock) as _, Arc::new(TestRandom::new(seed)));
        Self {
            service: Arc::new(service),
            clock,
        }
    }

    /// A world with an account of one device and one space.
    pub(crate) async fn with_space() -> (Self, Device, SpaceId) {
        let world = Self::new();
        let mut device = world.account(1).await;
        let space = SpaceId([0x51; 16]);
        world.create_space(&mut device, space).await.unwrap();
        (world, device, space)
    }

    pub(crate) async fn account(&self, n: u8) -> Device {
        let code = self.service.create_setup_code().await.unwrap();
        let (device, request) = new_account(n, &code);
        self.service.create_account(request).await.unwrap();
        device
    }

    pub(crate) async fn append(
        &self,
        device: &mut Device,
        entry: AccountEntry,
        slot: Option<SealedSlot>,
    ) {
        device.appended(&entry);
        let request = AppendAccount { entry, slot };
        let appended = self.service.append_account(device.caller(), request);
        appended.await.unwrap();
    }

    pub(crate) async fn create_space(&self, device: &mut Device, space: SpaceId) -> Served<()> {
        let request = device.genesis(space);
        let receipt = self
            .service
            .create_space(device.caller(), request.clone())
            .await?;
        device.wrote(&request.commit, receipt.head);
        Ok(())
    }

    pub(crate) async fn commit(
        &self,
        device: &mut Device,
        space: SpaceId,
        commit: Commit,
    ) -> Served<Head> {
        let receipt = self
            .service
            .commit(device.caller(), space, commit.clone())
            .await?;
        device.wrote(&commit, receipt.head);
        Ok(receipt.head)
    }

    pub(crate) async fn write(
        &self,
        device: &mut Device,
        space: SpaceId,
        ops: Vec<TestOp>,
    ) -> Served<Head> {
        let commit = device.batch(space, ops);
        self.commit(device, space, commit).await
    }
}

/// A device with its keys and what it remembers.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) pair: Ed25519KeyPair,
    pub(crate) account: AccountId,
    pub(crate) account_len: u64,
    pub(crate) account_hash: Hash32,
    pub(crate) ctr: u64,
    pub(crate) prev: Hash32,
    pub(crate) seen: Head,
}

pub(crate) fn pair(n: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap()
}

pub(crate) fn public(pair: &Ed25519KeyPair) -> VerifyKey {
    VerifyKey::from_slice(pair.public_key().as_ref()).unwrap()
}

pub(crate) fn sign(pair: &Ed25519KeyPair, message: &[u8]) -> Signature {
    Signature::from_slice(pair.sign(message).as_ref()).unwrap()
}

pub(crate) fn record(n: u8) -> DeviceRecord {
    DeviceRecord {
        device: DeviceId([n; 16]),
        sign_key: public(&pair(n)),
        kem_id: KEM_X25519,
        kem_key: KemKey([n; 32]),
        name_sealed: vec![n; 20],
    }
}

pub(crate) fn account_entry(header: &AccountHeader, signer: &Ed25519KeyPair) -> AccountEntry {
    let header = wire::to_cbor(header);
    let sig = sign(signer, &account::message(&header));
    AccountEntry { header, sig }
}

/// Key of the 24 words of account `n`.
pub(crate) fn recovery_pair(n: u8) -> Ed25519KeyPair {
    pair(n ^ 0x80)
}

pub(crate) fn new_account(n: u8, setup_code: &str) -> (Device, CreateAccount) {
    let header = AccountHeader {
        version: 1,
        account: AccountId::ZERO,
        index: 0,
        prev: Hash32::ZERO,
        signer: Signer::Device(DeviceId([n; 16])),
        body: Body::Genesis {
            device: record(n),
            recovery_key: public(&recovery_pair(n)),
            kem_id: KEM_X25519,
            kem_key: KemKey([n; 32]),
        },
    };
    let genesis = account_entry(&header, &pair(n));
    let account = account::account_id(&genesis.header);
    let device = Device::new(n, account, 1, account::entry_hash(&genesis));
    let recovery = SealedSlot {
        slot: SlotId([n; 16]),
        sealed: vec![n; 100],
    };
    (
        device,
        CreateAccount {
            setup_code: setup_code.to_owned(),
            genesis,
            recovery,
        },
    )
}

impl Device {
    pub(crate) fn new(n: u8, account: AccountId, account_len: u64, account_hash: Hash32) -> Self {
        Self {
            id: DeviceId([n; 16]),
            pair: pair(n),
            account,
            account_len,
            account_hash,
            ctr: 0,
            prev: Hash32::ZERO,
            seen: Head::empty(),
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller {
            device: self.id,
            account: self.account,
        }
    }

    /// The next entry of the account's chain, signed by this device.
    pub(crate) fn next_account_entry(&self, body: Body) -> AccountEntry {
        let header = self.account_header(Signer::Device(self.id), body);
        account_entry(&header, &self.pair)
    }

    pub(crate) fn account_header(&self, signer: Signer, body: Body) -> AccountHeader {
        AccountHeader {
            version: 1,
            account: self.account,
            index: self.account_len,
            prev: self.account_hash,
            signer,
            body,
        }
    }

    pub(crate) fn appended(&mut self, entry: &AccountEntry) {
        self.account_len += 1;
        self.account_hash = account::entry_hash(entry);
    }

    pub(crate) fn header(&self, space: SpaceId, kind: EntryKind, ops: Vec<Op>) -> Header {
        Header {
            version: log::VERSION,
            space,
            epoch: 1,
            generation: 1,
            account: self.account,
            device: self.id,
            account_len: self.account_len,
            account_hash: self.account_hash,
            dev_ctr: self.ctr + 1,
            dev_prev: self.prev,
            seen: self.seen,
            kind,
            ops,
        }
    }

    pub(crate) fn signed(&self, header: &Header, payload: Vec<u8>) -> Commit {
        let header = log::encode_header(header);
        let sig = sign(&self.pair, &log::entry_message(&header));
        Commit {
            header,
            sig,
            payload,
            objects: Vec::new(),
        }
    }

    pub(crate) fn genesis(&self, space: SpaceId) -> CreateSpace {
        let payload = wire::to_cbor(&Control::Genesis(SpaceGenesis {
            space,
            owner: self.account,
            policy: Policy::default(),
            commit_epoch: Hash32([1; 32]),
            commit_generation: Hash32([2; 32]),
            wraps: Vec::new(),
            name_sealed: vec![3; 64],
        }));
        let op = Op {
            code: OpCode::Control,
            node: NodeId::ZERO,
            base_rev: 0,
            flags: Flags::default(),
            name_tag: None,
            meta_hash: Some(sha256(&[&payload])),
            body_hash: None,
            add_refs: Vec::new(),
            drop_refs: Vec::new(),
        };
        let commit = self.signed(&self.header(space, EntryKind::Control, vec![op]), payload);
        CreateSpace {
            tag: NameTag(space.0),
            commit,
        }
    }

    pub(crate) fn batch(&self, space: SpaceId, ops: Vec<TestOp>) -> Commit {
        let mut payload = vec![0xe1; 64];
        for op in &ops {
            for slot in op.meta.iter().chain(&op.body) {
                payload.extend_from_slice(&u32::try_from(slot.len()).unwrap().to_be_bytes());
                payload.extend_from_slice(slot);
            }
        }
        let ops = ops.into_iter().map(|op| op.op).collect();
        self.signed(&self.header(space, EntryKind::Batch, ops), payload)
    }

    pub(crate) fn wrote(&mut self, commit: &Commit, head: Head) {
        self.ctr += 1;
        self.prev = log::entry_hash(&commit.header, &commit.sig);
        self.seen = head;
    }
}

/// An operation with its sealed slots.
#[derive(Clone)]
pub(crate) struct TestOp {
    pub(crate) op: Op,
    pub(crate) meta: Option<Vec<u8>>,
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) fn put(n: u32, base_rev: u64) -> TestOp {
    put_with(n, base_rev, vec![n.to_be_bytes()[3]; 281], None)
}

pub(crate) fn put_with(n: u32, base_rev: u64, meta: Vec<u8>, body: Option<Vec<u8>>) -> TestOp {
    let id = sha256(&[&n.to_be_bytes()]);
    let flags = if base_rev == 0 {
        Flags::CREATE.with(Flags::CONTENT)
    } else {
        Flags::CONTENT
    };
    let op = Op {
        code: OpCode::Put,
        node: NodeId::from_slice(&id.as_bytes()[..16]).unwrap(),
        base_rev,
        flags,
        name_tag: Some(NameTag::from_slice(&id.as_bytes()[16..]).unwrap()),
        meta_hash: Some(sha256(&[&meta])),
        body_hash: body.as_ref().map(|body| sha256(&[body])),
        add_refs: Vec::new(),
        drop_refs: Vec::new(),
    };
    TestOp {
        op,
        meta: Some(meta),
        body,
    }
}

/// An object of these bytes; its id is made from a number.
pub(crate) fn object(n: u32) -> ObjectId {
    ObjectId(sha256(&[b"object", &n.to_be_bytes()]).0)
}

pub(crate) fn object_bytes(n: u32, len: usize) -> Vec<u8> {
    let seed = sha256(&[b"bytes", &n.to_be_bytes()]);
    seed.as_bytes().iter().copied().cycle().take(len).collect()
}

pub(crate) fn frame_of(objects: &[(u32, usize)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, len) in objects {
        frame::push(&mut out, object(*n), &object_bytes(*n, *len)).unwrap();
    }
    out
}

/// An invitation made by `device` that ends at `expires_ms`, and its key.
pub(crate) fn invite(device: &Device, n: u8, expires_ms: u64) -> (AppendAccount, Ed25519KeyPair) {
    let key = pair(n ^ 0x40);
    let slot = SlotId([n; 16]);
    let body = Body::InviteAdd {
        slot,
        key: public(&key),
        expires_ms,
    };
    let entry = device.next_account_entry(body);
    let slot = Some(SealedSlot {
        slot,
        sealed: vec![n; 200],
    });
    (AppendAccount { entry, slot }, key)
}

/// The join of device `n` by an invitation.
pub(crate) fn join(device: &Device, slot: SlotId, key: &Ed25519KeyPair, n: u8) -> Join {
    let header = device.account_header(Signer::Invite(slot), Body::DeviceAdd(record(n)));
    Join {
        entry: account_entry(&header, key),
    }
}

pub(crate) fn expires() -> u64 {
    START + limits::INVITE_MS
}

pub(crate) fn conflict<T: std::fmt::Debug>(served: Served<T>) -> Conflict {
    match served {
        Err(Refusal::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// Checks a refusal against a pattern.
macro_rules! assert_refused {
    ($served:expr, $pattern:pat) => {
        let served = $served;
        assert!(matches!(served, Err($pattern)), "got {served:?}");
    };
}
pub(crate) use assert_refused;
