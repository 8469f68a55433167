//! Vectors of the log: headers, the control genesis, and a small golden log with its Merkle roots.

use fst_crypto::account::{AccountKeys, NewAccount};
use fst_crypto::batch::{self, BatchSealer};
use fst_crypto::envelope::SaltSource;
use fst_crypto::ids;
use fst_crypto::key::SpaceKeys;
use fst_crypto::random::SeededRandom;
use fst_crypto::space::{self, NewSpace, Owner};
use fst_proto::account::Chain;
use fst_proto::control::{Control, Policy};
use fst_proto::entry::NodeMeta;
use fst_proto::ids::{Hash32, NodeId, ObjectId, Signature};
use fst_proto::log::{self, EntryKind, Flags, Header, Op, OpCode};
use fst_proto::merkle::CompactRange;
use fst_proto::wire;
use serde_json::{Value, json};

use crate::support::{account, dir_meta, file_meta, hex, keys, read, seeded};

const FIRST_TIME_MS: u64 = 1_709_303_400_000;

fn new_space(random: &SeededRandom) -> (NewAccount, AccountKeys, NewSpace) {
    let (new, keys) = account(&seeded(0x41));
    let chain = Chain::start(&new.genesis).unwrap();
    let owner = Owner {
        keys: &keys,
        device: &new.device,
        chain_len: chain.len,
        chain_head: chain.head(),
    };
    let space = space::create_space(random, &owner, "/Documents", Policy::default()).unwrap();
    (new, keys, space)
}

/// The first entry of a space and what opens it.
pub(crate) fn control() -> Value {
    let (new, keys, made) = new_space(&seeded(0x42));
    let commit = &made.create.commit;
    json!({
        "about": "Control genesis of a space. The account is made of BLAKE3-XOF(32 bytes 41), the space of \
                  BLAKE3-XOF(32 bytes 42). The wrap is HPKE base mode, X25519 / HKDF-SHA256 / AES-256-GCM.",
        "account": new.account, "account_seed": hex(new.seed.expose_secret()),
        "space": made.space, "tag": made.create.tag, "remote_name": "/Documents",
        "header": hex(&commit.header), "sig": commit.sig, "verify_key": new.device.sign_key().public(),
        "payload": hex(&commit.payload), "account_kem_key": keys.kem().public(),
        "k_cdc": hex(made.keys.cdc().expose_secret()),
    })
}

/// Headers with every field at its edges.
pub(crate) fn headers() -> Value {
    let put = Op {
        code: OpCode::Put,
        node: NodeId([1; 16]),
        base_rev: 0,
        flags: Flags::CREATE.with(Flags::CONTENT).with(Flags::META),
        name_tag: Some(fst_proto::ids::NameTag([2; 16])),
        meta_hash: Some(Hash32([3; 32])),
        body_hash: None,
        add_refs: vec![ObjectId([4; 32]), ObjectId([5; 32])],
        drop_refs: Vec::new(),
    };
    let delete = Op {
        code: OpCode::Delete,
        node: NodeId([6; 16]),
        base_rev: u64::MAX - 1,
        flags: Flags::DELETE.with(Flags::STRUCTURAL),
        name_tag: None,
        meta_hash: None,
        body_hash: None,
        add_refs: Vec::new(),
        drop_refs: vec![ObjectId([7; 32])],
    };
    let control = Op {
        code: OpCode::Control,
        node: NodeId::ZERO,
        ..put.clone()
    };
    let control = Op {
        name_tag: None,
        add_refs: Vec::new(),
        flags: Flags::default(),
        ..control
    };
    let body = Op {
        body_hash: Some(Hash32([8; 32])),
        node: NodeId([9; 16]),
        ..put.clone()
    };
    let small = header(EntryKind::Batch, vec![put.clone()], 1);
    let large = Header {
        epoch: u32::MAX,
        generation: 0x1_0000,
        account_len: 24,
        ..header(EntryKind::Batch, vec![put, delete, body], u64::MAX)
    };
    let rows: Vec<Value> = [small, large, header(EntryKind::Control, vec![control], 23)]
        .iter()
        .map(|header| json!({ "cbor": hex(&log::encode_header(header)), "ops": header.ops.len() }))
        .collect();
    json!({
        "about": "Canonical CBOR of entry headers; arrays in the order of the format document.",
        "headers": rows,
    })
}

fn header(kind: EntryKind, ops: Vec<Op>, dev_ctr: u64) -> Header {
    Header {
        version: log::VERSION,
        space: crate::support::SPACE,
        epoch: 1,
        generation: 1,
        account: fst_proto::ids::AccountId([0xac; 16]),
        device: crate::support::DEVICE,
        account_len: 1,
        account_hash: Hash32([0xa4; 32]),
        dev_ctr,
        dev_prev: Hash32::ZERO,
        seen: fst_proto::merkle::Head::empty(),
        kind,
        ops,
    }
}

/// Grows one log entry by entry.
struct Golden {
    new: NewAccount,
    keys: SpaceKeys,
    range: CompactRange,
    last: Header,
    last_hash: Hash32,
    entries: Vec<Value>,
    random: SeededRandom,
}

/// What one golden operation does.
enum Step {
    Put(u8, u64, Box<NodeMeta>, Option<&'static [u8]>),
    Delete(u8, u64),
}

impl Golden {
    fn start() -> Self {
        let random = seeded(0x43);
        let (new, _, made) = new_space(&random);
        let commit = &made.create.commit;
        let last = log::decode_header(&commit.header).unwrap();
        let mut golden = Self {
            new,
            keys: made.keys,
            range: CompactRange::new(),
            last,
            last_hash: Hash32::ZERO,
            entries: Vec::new(),
            random,
        };
        golden.append(&commit.header, &commit.sig, &commit.payload);
        golden
    }

    fn commit(&mut self, steps: &[Step]) {
        let dev_ctr = self.last.dev_ctr + 1;
        let device = self.new.device.device;
        let mut sealer = BatchSealer::new(&self.keys, device, dev_ctr);
        for (index, step) in steps.iter().enumerate() {
            if let Step::Put(node, base_rev, meta, body) = step {
                sealer
                    .put(index, NodeId([*node; 16]), *base_rev, meta, *body)
                    .unwrap();
            }
        }
        let hedge = self.new.device.hedge_key();
        let sealed = sealer.finish(&SaltSource {
            hedge: &hedge,
            random: &self.random,
        });
        let mut hashes = sealed.hashes.iter();
        let ops = steps
            .iter()
            .map(|step| self.op(step, &mut hashes))
            .collect();
        let next = Header {
            dev_ctr,
            dev_prev: self.last_hash,
            seen: self.range.head(),
            kind: EntryKind::Batch,
            ops,
            ..self.last.clone()
        };
        let bytes = log::encode_header(&next);
        let sig = self.new.device.sign_key().sign_entry(&bytes);
        self.append(&bytes, &sig, &sealed.payload);
        self.last = next;
    }

    fn op<'a>(&self, step: &Step, hashes: &mut impl Iterator<Item = &'a batch::SlotHashes>) -> Op {
        let empty = Op {
            code: OpCode::Delete,
            node: NodeId::ZERO,
            base_rev: 0,
            flags: Flags::DELETE,
            name_tag: None,
            meta_hash: None,
            body_hash: None,
            add_refs: Vec::new(),
            drop_refs: Vec::new(),
        };
        match step {
            Step::Delete(node, base_rev) => Op {
                node: NodeId([*node; 16]),
                base_rev: *base_rev,
                ..empty
            },
            Step::Put(node, base_rev, meta, _) => {
                let slots = hashes.next().unwrap();
                let is_new = *base_rev == 0;
                Op {
                    code: OpCode::Put,
                    node: NodeId([*node; 16]),
                    base_rev: *base_rev,
                    flags: if is_new {
                        Flags::CREATE
                    } else {
                        Flags::CONTENT
                    }
                    .with(Flags::META),
                    name_tag: Some(ids::name_tag(&self.keys, meta.parent, &meta.name)),
                    meta_hash: Some(slots.meta),
                    body_hash: slots.body,
                    ..empty
                }
            },
        }
    }

    fn append(&mut self, header: &[u8], sig: &Signature, payload: &[u8]) {
        let time_ms = FIRST_TIME_MS + 1000 * self.entries.len() as u64;
        self.last_hash = log::entry_hash(header, sig);
        self.range.append(&log::leaf(&self.last_hash, time_ms));
        self.entries.push(json!({
            "header": hex(header), "sig": sig, "time_ms": time_ms, "payload": hex(payload),
            "entry_hash": self.last_hash, "root": self.range.root(),
        }));
    }
}

/// A log of nine entries: roots 1 to 9.
pub(crate) fn log() -> Value {
    let mut golden = Golden::start();
    let file =
        |golden: &Golden, name: &str, bytes: &[u8]| Box::new(file_meta(&golden.keys, name, bytes));
    golden.commit(&[
        Step::Put(1, 0, Box::new(dir_meta("photos")), None),
        Step::Put(2, 0, file(&golden, "a.txt", b"one"), Some(b"one")),
    ]);
    for (rev, text) in (1..).zip([b"two".as_slice(), b"three", b"four", b"five"]) {
        golden.commit(&[Step::Put(2, rev, file(&golden, "a.txt", text), Some(text))]);
    }
    golden.commit(&[Step::Put(3, 0, file(&golden, "empty", b""), None)]);
    golden.commit(&[
        Step::Delete(2, 5),
        Step::Put(3, 1, file(&golden, "filled", b"six"), Some(b"six")),
    ]);
    golden.commit(&[Step::Delete(1, 1)]);
    json!({
        "about": "A whole small log of one device. The account is made of BLAKE3-XOF(32 bytes 41), space and batches \
                  of BLAKE3-XOF(32 bytes 43). root is the Merkle root including the entry.",
        "account_genesis": {
            "header": hex(&golden.new.genesis.header), "sig": golden.new.genesis.sig,
        },
        "account_seed": hex(golden.new.seed.expose_secret()),
        "entries": golden.entries,
    })
}

#[test]
fn the_frozen_log_opens_with_the_account_seed_alone() {
    let document = read("log");
    let bytes = |value: &Value| fst_proto::text::from_hex(value.as_str().unwrap()).unwrap();
    let genesis = fst_proto::account::AccountEntry {
        header: bytes(&document["account_genesis"]["header"]),
        sig: Signature::from_slice(&bytes(&document["account_genesis"]["sig"])).unwrap(),
    };
    let chain = Chain::start(&genesis).unwrap();
    let seed: [u8; 32] = bytes(&document["account_seed"]).try_into().unwrap();
    let seed = fst_crypto::account::AccountSeed::from_bytes(seed);
    let account = AccountKeys::derive(chain.account, &seed);
    let (first, rest) = document["entries"]
        .as_array()
        .unwrap()
        .split_first()
        .unwrap();
    let payload = bytes(&first["payload"]);
    let Control::Genesis(control) = wire::from_canonical(&payload).unwrap() else {
        panic!("a genesis");
    };
    let keys = space::open_space(&account, &control).unwrap();
    assert_eq!(
        space::open_space_name(&keys, &control).unwrap(),
        "/Documents"
    );
    let mut bodies = Vec::new();
    for entry in rest {
        let header = log::decode_header(&bytes(&entry["header"])).unwrap();
        let opened = batch::open_batch(&keys, &header, &bytes(&entry["payload"])).unwrap();
        bodies.extend(opened.into_iter().filter_map(|op| op.body));
    }
    assert_eq!(
        bodies,
        [
            b"one".as_slice(),
            b"two",
            b"three",
            b"four",
            b"five",
            b"six"
        ]
    );
}

#[test]
fn sample_keys_are_not_the_golden_ones() {
    assert_ne!(keys().space(), Golden::start().keys.space());
}
