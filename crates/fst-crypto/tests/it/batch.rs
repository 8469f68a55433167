//! Laws of batch payloads: every slot at its place, nothing besides.

use fst_crypto::batch::{self, BatchSealer, SealedBatch};
use fst_crypto::envelope::SaltSource;
use fst_crypto::error::{OpenError, SealError};
use fst_crypto::key::SpaceKeys;
use fst_crypto::random::{ConstantRandom, OsRandom};
use fst_proto::ids::NodeId;
use fst_proto::limits;
use fst_proto::log::{Flags, Header, Op, OpCode};
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use crate::support::{
    DEVICE, Put, SPACE, dir_meta, file_meta, flipped, header_for, hedge, keys, keys_of, seal_puts,
    seeded,
};

const HEAD_LEN: usize = 64;

fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn puts<'a>(keys: &SpaceKeys) -> Vec<Put<'a>> {
    vec![
        Put {
            node: node(1),
            base_rev: 0,
            meta: dir_meta("photos"),
            body: None,
        },
        Put {
            node: node(2),
            base_rev: 4,
            meta: file_meta(keys, "a.txt", b"hello"),
            body: Some(b"hello"),
        },
        Put {
            node: node(3),
            base_rev: 0,
            meta: file_meta(keys, "empty", b""),
            body: None,
        },
    ]
}

fn sample() -> (SpaceKeys, Header, SealedBatch) {
    let keys = keys();
    let puts = puts(&keys);
    let sealed = seal_puts(&keys, 5, &puts, &seeded(1));
    let header = header_for(&keys, 5, &puts, &sealed);
    (keys, header, sealed)
}

/// Slots of a payload with their length prefix.
fn slots(payload: &[u8]) -> Vec<&[u8]> {
    let mut rest = &payload[HEAD_LEN..];
    let mut slots = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_be_bytes(*rest.first_chunk().unwrap()) as usize + 4;
        slots.push(&rest[..len]);
        rest = &rest[len..];
    }
    slots
}

fn joined(payload: &[u8], slots: &[&[u8]]) -> Vec<u8> {
    [&payload[..HEAD_LEN], &slots.concat()].concat()
}

#[test]
fn opening_gives_what_was_put() {
    let (keys, header, sealed) = sample();
    let opened = batch::open_batch(&keys, &header, &sealed.payload).unwrap();
    let puts = puts(&keys);
    assert_eq!(opened.len(), puts.len());
    for (opened, put) in opened.iter().zip(&puts) {
        assert_eq!(opened.meta, put.meta);
        assert_eq!(opened.body.as_deref(), put.body);
    }
}

#[test]
fn deletes_between_puts_have_no_slots() {
    let (keys, mut header, _) = sample();
    let puts = puts(&keys);
    let mut sealer = BatchSealer::new(&keys, DEVICE, 5);
    sealer.put(1, puts[0].node, 0, &puts[0].meta, None).unwrap();
    let hedge = hedge();
    let sealed = sealer.finish(&SaltSource {
        hedge: &hedge,
        random: &OsRandom,
    });
    assert_eq!(sealed.hashes[0].op_index, 1);
    let delete = Op {
        code: OpCode::Delete,
        node: node(9),
        base_rev: 3,
        flags: Flags::DELETE,
        name_tag: None,
        meta_hash: None,
        body_hash: None,
        add_refs: Vec::new(),
        drop_refs: Vec::new(),
    };
    let put = Op {
        meta_hash: Some(sealed.hashes[0].meta),
        ..header.ops[0].clone()
    };
    header.ops = vec![delete.clone(), put.clone()];
    assert_eq!(
        batch::open_batch(&keys, &header, &sealed.payload).unwrap()[0].meta,
        puts[0].meta
    );
    // The same slot at another index of the header does not open.
    header.ops = vec![put, delete];
    assert_eq!(
        batch::open_batch(&keys, &header, &sealed.payload),
        Err(OpenError::Tampered)
    );
}

#[test]
fn slot_hashes_need_no_key() {
    let (_, header, sealed) = sample();
    let named: Vec<_> = header
        .ops
        .iter()
        .flat_map(|op| [op.meta_hash, op.body_hash])
        .flatten()
        .collect();
    assert_eq!(batch::slot_hashes(&sealed.payload).unwrap(), named);
}

#[test]
fn swapped_slots_are_noticed_even_when_the_header_agrees() {
    let (keys, mut header, sealed) = sample();
    let mut order = slots(&sealed.payload);
    order.swap(0, 1);
    let swapped = joined(&sealed.payload, &order);
    assert_eq!(
        batch::open_batch(&keys, &header, &swapped),
        Err(OpenError::SlotHash { op: 0 })
    );
    let (first, second) = (header.ops[0].meta_hash, header.ops[1].meta_hash);
    (header.ops[0].meta_hash, header.ops[1].meta_hash) = (second, first);
    assert_eq!(
        batch::open_batch(&keys, &header, &swapped),
        Err(OpenError::Tampered)
    );
}

#[test]
fn missing_and_extra_slots_are_noticed() {
    let (keys, header, sealed) = sample();
    let all = slots(&sealed.payload);
    let fewer = joined(&sealed.payload, &all[..all.len() - 1]);
    let short = OpenError::Malformed {
        what: "batch is cut short",
    };
    assert_eq!(batch::open_batch(&keys, &header, &fewer), Err(short));
    let more = joined(&sealed.payload, &[all.as_slice(), &all[..1]].concat());
    let extra = OpenError::Malformed {
        what: "batch has slots that no operation names",
    };
    assert_eq!(batch::open_batch(&keys, &header, &more), Err(extra));
    assert_eq!(
        batch::open_batch(&keys, &header, &sealed.payload[..70]),
        Err(short)
    );
    assert_eq!(batch::slot_hashes(&sealed.payload[..70]), Err(short));
}

#[test]
fn another_place_in_the_log_is_another_context() {
    let (keys, header, sealed) = sample();
    let wrong = Err(OpenError::WrongContext);
    let ctr = Header {
        dev_ctr: 6,
        ..header.clone()
    };
    assert_eq!(batch::open_batch(&keys, &ctr, &sealed.payload), wrong);
    let device = Header {
        device: fst_proto::ids::DeviceId([0; 16]),
        ..header.clone()
    };
    assert_eq!(batch::open_batch(&keys, &device, &sealed.payload), wrong);
    let epoch = Header {
        epoch: 2,
        ..header.clone()
    };
    assert_eq!(batch::open_batch(&keys, &epoch, &sealed.payload), wrong);
    let other = keys_of(SPACE, 1, 0x77);
    assert_eq!(batch::open_batch(&other, &header, &sealed.payload), wrong);
    let mut revision = header.clone();
    revision.ops[1].base_rev += 1;
    assert_eq!(
        batch::open_batch(&keys, &revision, &sealed.payload),
        Err(OpenError::Tampered)
    );
    let mut renamed = header;
    renamed.ops[1].node = node(7);
    assert_eq!(
        batch::open_batch(&keys, &renamed, &sealed.payload),
        Err(OpenError::Tampered)
    );
}

#[test]
fn operations_come_in_order_and_within_the_limit() {
    let keys = keys();
    let mut sealer = BatchSealer::new(&keys, DEVICE, 1);
    sealer.put(3, node(1), 0, &dir_meta("a"), None).unwrap();
    let again = sealer.put(3, node(2), 0, &dir_meta("b"), None);
    assert_eq!(again, Err(SealError::Order { op: 3 }));
    let body = vec![7; limits::INLINE_BODY_MAX];
    let meta = file_meta(&keys, "f", &body);
    let full = (4..)
        .map(|i| sealer.put(i, node(1), 0, &meta, Some(&body)))
        .find(Result::is_err);
    assert!(matches!(full, Some(Err(SealError::TooLarge { .. }))));
    assert!(sealer.sealed_len() <= limits::BATCH_BYTES_MAX);
}

#[test]
fn a_broken_generator_repeats_no_salt_for_different_batches() {
    let keys = keys();
    let hedge = hedge();
    let salts = SaltSource {
        hedge: &hedge,
        random: &ConstantRandom(0),
    };
    let salt = |text: &str, target: u8, base_rev: u64| {
        let mut sealer = BatchSealer::new(&keys, DEVICE, 1);
        sealer
            .put(0, node(target), base_rev, &dir_meta(text), None)
            .unwrap();
        sealer.finish(&salts).payload[8..32].to_vec()
    };
    let first = salt("a", 1, 0);
    assert_eq!(first, salt("a", 1, 0));
    assert_ne!(first, salt("b", 1, 0));
    assert_ne!(first, salt("a", 2, 0));
    assert_ne!(first, salt("a", 1, 1));
}

proptest! {
    #[test]
    fn any_changed_bit_is_noticed(at: proptest::sample::Index) {
        let (keys, header, sealed) = sample();
        let changed = flipped(&sealed.payload, at.index(sealed.payload.len() * 8));
        prop_assert!(batch::open_batch(&keys, &header, &changed).is_err());
    }

    #[test]
    fn hostile_payloads_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let (keys, header, sealed) = sample();
        prop_assert!(batch::open_batch(&keys, &header, &bytes).is_err());
        let framed = [&sealed.payload[..HEAD_LEN], &bytes].concat();
        prop_assert!(batch::open_batch(&keys, &header, &framed).is_err());
        if let Ok(hashes) = batch::slot_hashes(&framed) {
            prop_assert!(hashes.len() <= bytes.len() / 4);
        }
    }

    #[test]
    fn bodies_of_any_size_come_back(sizes in vec(0_usize..=4096, 1..12)) {
        let keys = keys();
        let bodies: Vec<Vec<u8>> = sizes.iter().map(|&n| vec![0x5a; n]).collect();
        let puts: Vec<Put<'_>> = bodies.iter().zip(1..).map(|(body, n)| Put {
            node: node(n),
            base_rev: u64::from(n),
            meta: file_meta(&keys, "f", body),
            body: (!body.is_empty()).then_some(body.as_slice()),
        }).collect();
        let sealed = seal_puts(&keys, 1, &puts, &seeded(3));
        let header = header_for(&keys, 1, &puts, &sealed);
        let opened = batch::open_batch(&keys, &header, &sealed.payload).unwrap();
        for (opened, body) in opened.iter().zip(&bodies) {
            prop_assert_eq!(opened.body.as_deref().unwrap_or_default(), body.as_slice());
        }
    }
}
