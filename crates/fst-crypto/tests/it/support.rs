//! Sample keys, nodes and vector files for the tests beside.

use fst_crypto::account::{self, AccountKeys, NewAccount};
use fst_crypto::batch::{BatchSealer, SealedBatch};
use fst_crypto::device::{DeviceSecrets, HedgeKey};
use fst_crypto::envelope::SaltSource;
use fst_crypto::key::{EpochSecret, GenerationSecret, SpaceKeys};
use fst_crypto::random::SeededRandom;
use fst_proto::entry::{Kind, NodeMeta};
use fst_proto::ids::{AccountId, ContentId, DeviceId, Hash32, NodeId, SpaceId, VerifyKey};
use fst_proto::log::{self, EntryKind, Flags, Header, Op, OpCode};
use fst_proto::merkle::Head;
use fst_proto::path::Name;
use fst_proto::recipe::Body;
use fst_proto::text::to_hex;
use serde_json::Value;

pub(crate) const SPACE: SpaceId = SpaceId([0xa7; 16]);
pub(crate) const DEVICE: DeviceId = DeviceId([0xd1; 16]);
pub(crate) const RECEIPT_KEY: VerifyKey = VerifyKey([0x5e; 32]);

/// The stream `BLAKE3-XOF(32 × seed)`.
pub(crate) fn seeded(seed: u8) -> SeededRandom {
    SeededRandom::new([seed; 32])
}

pub(crate) fn hedge() -> HedgeKey {
    HedgeKey::from_bytes([0x4e; 32])
}

pub(crate) fn keys_of(space: SpaceId, epoch: u32, secrets: u8) -> SpaceKeys {
    SpaceKeys::derive(
        space,
        epoch,
        &EpochSecret::from_bytes([secrets; 32]),
        1,
        &GenerationSecret::from_bytes([secrets.wrapping_add(1); 32]),
    )
}

pub(crate) fn keys() -> SpaceKeys {
    keys_of(SPACE, 1, 0x11)
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

pub(crate) fn dir_meta(text: &str) -> NodeMeta {
    NodeMeta {
        parent: NodeId::ZERO,
        name: name(text),
        kind: Kind::Dir,
        exec: false,
        mtime_ns: 1_709_303_400_123_456_789,
        size: 0,
        content: ContentId::ZERO,
        body: Body::None,
        copy_of: None,
    }
}

pub(crate) fn file_meta(keys: &SpaceKeys, text: &str, bytes: &[u8]) -> NodeMeta {
    NodeMeta {
        kind: Kind::File,
        size: bytes.len() as u64,
        content: fst_crypto::ids::content_id(keys, bytes),
        body: if bytes.is_empty() {
            Body::None
        } else {
            Body::Slot
        },
        ..dir_meta(text)
    }
}

/// A put operation of the samples: node number, base revision, description, body.
pub(crate) struct Put<'a> {
    pub(crate) node: NodeId,
    pub(crate) base_rev: u64,
    pub(crate) meta: NodeMeta,
    pub(crate) body: Option<&'a [u8]>,
}

/// Seals puts as operations 0, 1, …
pub(crate) fn seal_puts(
    keys: &SpaceKeys,
    dev_ctr: u64,
    puts: &[Put<'_>],
    random: &SeededRandom,
) -> SealedBatch {
    let mut sealer = BatchSealer::new(keys, DEVICE, dev_ctr);
    for (index, put) in puts.iter().enumerate() {
        sealer
            .put(index, put.node, put.base_rev, &put.meta, put.body)
            .unwrap();
    }
    let expected_len = sealer.sealed_len();
    let sealed = sealer.finish(&SaltSource {
        hedge: &hedge(),
        random,
    });
    assert_eq!(sealed.payload.len(), expected_len);
    sealed
}

/// A header whose put operations name the slots of `sealed`.
pub(crate) fn header_for(
    keys: &SpaceKeys,
    dev_ctr: u64,
    puts: &[Put<'_>],
    sealed: &SealedBatch,
) -> Header {
    let ops = puts.iter().zip(&sealed.hashes).map(|(put, hashes)| Op {
        code: OpCode::Put,
        node: put.node,
        base_rev: put.base_rev,
        flags: if put.base_rev == 0 {
            Flags::CREATE
        } else {
            Flags::CONTENT
        },
        name_tag: Some(fst_crypto::ids::name_tag(
            keys,
            put.meta.parent,
            &put.meta.name,
        )),
        meta_hash: Some(hashes.meta),
        body_hash: hashes.body,
        add_refs: Vec::new(),
        drop_refs: Vec::new(),
    });
    Header {
        version: log::VERSION,
        space: keys.space(),
        epoch: keys.epoch(),
        generation: keys.generation(),
        account: AccountId([0xac; 16]),
        device: DEVICE,
        account_len: 1,
        account_hash: Hash32([0xa4; 32]),
        dev_ctr,
        dev_prev: Hash32::ZERO,
        seen: Head::empty(),
        kind: EntryKind::Batch,
        ops: ops.collect(),
    }
}

pub(crate) fn account(random: &SeededRandom) -> (NewAccount, AccountKeys) {
    let new = account::create_account(random, "laptop", RECEIPT_KEY).unwrap();
    let keys = AccountKeys::derive(new.account, &new.seed);
    (new, keys)
}

pub(crate) fn second_device(random: &SeededRandom) -> DeviceSecrets {
    DeviceSecrets::generate(random)
}

/// Flips one bit of a copy.
pub(crate) fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[bit / 8] ^= 1 << (bit % 8);
    out
}

pub(crate) fn hex(bytes: &[u8]) -> Value {
    Value::String(to_hex(bytes))
}

pub(crate) fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

pub(crate) fn write_missing(name: &str, document: &Value) {
    let path = path(name);
    if !std::path::Path::new(&path).exists() {
        let text = serde_json::to_string_pretty(document).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
}

fn path(name: &str) -> String {
    format!(
        "{}/../../testdata/vectors/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    )
}
