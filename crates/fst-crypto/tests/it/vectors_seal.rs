//! Vectors of sealed things: one envelope per kind, ids, a batch, a frame, and envelopes to refuse.

use fst_crypto::batch;
use fst_crypto::envelope::{self, Kind, Payload, SaltSource, Scope};
use fst_crypto::key::SpaceKeys;
use fst_crypto::object::{self, ObjectKind};
use fst_proto::entry::{Kind as NodeKind, NodeMeta};
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::log;
use fst_proto::recipe::{Body, Extent};
use fst_proto::{frame as object_frame, wire};
use serde_json::{Value, json};

use crate::support::{
    DEVICE, Put, SPACE, dir_meta, file_meta, header_for, hedge, hex, keys, read, seal_puts, seeded,
};

const KEY: [u8; 32] = [3; 32];

/// One envelope of each kind that holds a single body.
pub(crate) fn kinds() -> Value {
    let hedge = hedge();
    let random = seeded(0x21);
    let salts = SaltSource {
        hedge: &hedge,
        random: &random,
    };
    let rows = [
        (Kind::Data, 1, b"raw data".to_vec(), None),
        (Kind::Data, 2, zstd_of_zeros(), Some(4096)),
        (Kind::Recipe, 3, vec![0x80], None),
        (Kind::Directory, 4, (0..=255).chain(0..=255).collect(), None),
        (Kind::KeySlot, 5, vec![0x42; 1025], None),
        (Kind::Blob, 0x0102_0304, Vec::new(), None),
    ];
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(kind, epoch, bytes, raw_len)| {
            let payload = raw_len.map_or(Payload::raw(&bytes), |n| Payload::zstd(&bytes, n));
            let ctx = [b"ctx of kind ".as_slice(), &[kind as u8]].concat();
            let scope = Scope {
                kind,
                epoch,
                ctx: &ctx,
            };
            let sealed = envelope::seal(&salts, &KEY, &scope, &payload).unwrap();
            json!({
                "kind": kind as u8, "epoch": epoch, "ctx": hex(&ctx), "payload": hex(&bytes),
                "encoding": u8::from(raw_len.is_some()),
                "raw_len": raw_len.unwrap_or(bytes.len()), "envelope": hex(&sealed),
            })
        })
        .collect();
    json!({
        "about": "Envelopes under one root key. The salt in each was hedged: BLAKE3-keyed(hedge_key, \
                  random32 header ctx body)[0..24], random = BLAKE3-XOF(32 bytes 21) read front to back.",
        "key": hex(&KEY), "hedge_key": hex(hedge.expose_secret()), "envelopes": rows,
    })
}

/// A raw zstd frame: 4 096 zero bytes as one RLE block, so no encoder's version matters.
fn zstd_of_zeros() -> Vec<u8> {
    vec![
        0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0x0f, 0x03, 0x80, 0x00, 0x00,
    ]
}

/// Envelopes that are well sealed and must still be refused, and such that must fail at the gate.
pub(crate) fn refused() -> Value {
    let good = envelope_of(&body(0, 4, 4, b"body", 256));
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut dirty = body(0, 4, 4, b"body", 256);
    dirty[264] = 1;
    let rows = [
        ("magic", "malformed", flip(0)),
        ("version", "unsupported", flip(1)),
        ("suite", "unsupported", flip(2)),
        ("kind", "wrong-context", {
            let mut bytes = good.clone();
            bytes[3] = 3;
            bytes
        }),
        ("epoch", "wrong-context", flip(7)),
        ("salt", "wrong-context", flip(8)),
        ("commit", "wrong-context", flip(63)),
        ("ciphertext", "tampered", flip(64)),
        ("tag", "tampered", flip(good.len() - 1)),
        ("cut", "tampered", good[..good.len() - 1].to_vec()),
        ("header only", "malformed", good[..8].to_vec()),
        ("padding not zero", "malformed", envelope_of(&dirty)),
        (
            "padding too long",
            "malformed",
            envelope_of(&body(0, 4, 4, b"body", 272)),
        ),
        (
            "padding too short",
            "malformed",
            envelope_of(&body(0, 4, 4, b"body", 255)),
        ),
        ("no body", "malformed", envelope_of(&[])),
        (
            "payload beyond the body",
            "malformed",
            envelope_of(&body(0, 300, 300, b"body", 256)),
        ),
        (
            "raw length differs",
            "malformed",
            envelope_of(&body(0, 5, 4, b"body", 256)),
        ),
        (
            "unknown encoding",
            "unsupported",
            envelope_of(&body(2, 4, 4, b"body", 256)),
        ),
        ("raw length over 8 MiB", "too-large", {
            envelope_of(&body(1, (8 << 20) + 1, 4, b"body", 256))
        }),
    ];
    let rows: Vec<Value> = rows
        .iter()
        .map(|(case, error, bytes)| json!({ "case": case, "error": error, "envelope": hex(bytes) }))
        .collect();
    json!({
        "about": "Envelopes to be opened as kind 1 with this key and ctx; each must be refused with this \
                  class of error. 'good' opens to 'body'.",
        "key": hex(&KEY), "ctx": hex(b"ctx"), "good": hex(&good), "refused": rows,
    })
}

fn body(enc: u8, raw_len: u32, payload_len: u32, payload: &[u8], padded: usize) -> Vec<u8> {
    let mut body = vec![enc];
    body.extend(raw_len.to_be_bytes());
    body.extend(payload_len.to_be_bytes());
    body.extend(payload);
    body.resize(9 + padded, 0);
    body
}

/// Seals any body, also a bad one, straight with the library: what a hostile member could do.
fn envelope_of(body: &[u8]) -> Vec<u8> {
    use aws_lc_rs::{aead, hkdf};
    struct Len;
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            64
        }
    }
    let header = [0xf5, 1, 1, 1, 0, 0, 0, 1];
    let salt = [0x5a; 24];
    let mut okm = [0; 64];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &salt)
        .extract(&KEY)
        .expand(&[b"fst/v1/env\0", &header, b"ctx"], Len)
        .unwrap()
        .fill(&mut okm)
        .unwrap();
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, &okm[..32]).unwrap();
    let mut sealed = body.to_vec();
    aead::LessSafeKey::new(key)
        .seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key([0; 12]),
            aead::Aad::from(header),
            &mut sealed,
        )
        .unwrap();
    [header.as_slice(), &salt, &okm[32..], &sealed].concat()
}

/// Ids of every keyed kind.
pub(crate) fn ids() -> Value {
    let keys = keys();
    let raws: [&[u8]; 4] = [
        b"",
        b"a",
        b"The quick brown fox jumps over the lazy dog",
        &[0; 4097],
    ];
    let rows: Vec<Value> = raws
        .iter()
        .map(|raw| {
            json!({
                "raw": hex(raw),
                "chunk_id": object::object_id(&keys, ObjectKind::Data, raw),
                "recipe_id": object::object_id(&keys, ObjectKind::Recipe, raw),
                "dir_id": object::object_id(&keys, ObjectKind::Directory, raw),
                "content_id": fst_crypto::ids::content_id(&keys, raw),
            })
        })
        .collect();
    json!({
        "about": "BLAKE3-keyed ids. gen_secret is 32 bytes 12, generation 1; the keys are KDF(gen_secret, label, \
                  space_id u32be(1)) with labels gen/chunk-id, gen/recipe-id, gen/dir-id, gen/content-id.",
        "space_id": SPACE, "gen_secret": hex(&[0x12; 32]), "generation": 1, "ids": rows,
    })
}

/// A directory, a small file, a link and a file with an inline recipe.
fn batch_puts(keys: &SpaceKeys) -> [Put<'static>; 4] {
    let link = NodeMeta {
        kind: NodeKind::Symlink,
        content: fst_crypto::ids::content_id(keys, b"../target"),
        size: 9,
        body: Body::Slot,
        ..dir_meta("link")
    };
    let recipe = vec![
        Extent::Data {
            object: ObjectId([0x0b; 32]),
            offset: 7,
            len: 70_000,
        },
        Extent::Hole { len: 1 << 33 },
    ];
    let large = NodeMeta {
        parent: NodeId([1; 16]),
        exec: true,
        size: 70_000 + (1 << 33),
        body: Body::Inline(recipe),
        mtime_ns: -1,
        ..file_meta(keys, "résumé.bin", b"x")
    };
    [
        Put {
            node: NodeId([1; 16]),
            base_rev: 0,
            meta: dir_meta("photos"),
            body: None,
        },
        Put {
            node: NodeId([2; 16]),
            base_rev: 41,
            meta: file_meta(keys, "hello.txt", b"hello, world\n"),
            body: Some(b"hello, world\n"),
        },
        Put {
            node: NodeId([3; 16]),
            base_rev: 0,
            meta: link,
            body: Some(b"../target"),
        },
        Put {
            node: NodeId([4; 16]),
            base_rev: 0,
            meta: large,
            body: None,
        },
    ]
}

/// The payload of a batch with all kinds of slots.
pub(crate) fn batch() -> Value {
    let keys = keys();
    let puts = batch_puts(&keys);
    let sealed = seal_puts(&keys, 7, &puts, &seeded(0x22));
    let header = header_for(&keys, 7, &puts, &sealed);
    let rows: Vec<Value> = puts
        .iter()
        .zip(&sealed.hashes)
        .map(|(put, hashes)| {
            json!({
                "node": put.node, "base_rev": put.base_rev, "meta_cbor": hex(&wire::to_cbor(&put.meta)),
                "body": put.body.map(hex), "meta_hash": hashes.meta, "body_hash": hashes.body,
            })
        })
        .collect();
    json!({
        "about": "Payload of a batch: header8 salt24 commit32 (len u32be ct tag)*. Slot nonce is u32be(1 meta, 2 \
                  body) u64be(op index), AAD header8 node u64be(base_rev+1), HKDF ctx space device u64be(dev_ctr), \
                  root key K_meta of epoch_secret 32 bytes 11, epoch 1.",
        "space_id": SPACE, "epoch_secret": hex(&[0x11; 32]), "epoch": 1,
        "gen_secret": hex(&[0x12; 32]), "generation": 1,
        "device": DEVICE, "dev_ctr": 7, "header": hex(&log::encode_header(&header)),
        "payload": hex(&sealed.payload), "ops": rows,
    })
}

/// A frame of two sealed objects.
pub(crate) fn frame() -> Value {
    let keys = keys();
    let hedge = hedge();
    let random = seeded(0x23);
    let salts = SaltSource {
        hedge: &hedge,
        random: &random,
    };
    let mut frame = Vec::new();
    let mut rows = Vec::new();
    for (kind, raw) in [
        (ObjectKind::Data, b"chunk".as_slice()),
        (ObjectKind::Recipe, &[0x80]),
    ] {
        let id = object::object_id(&keys, kind, raw);
        let payload = Payload::raw(raw);
        let sealed = object::seal_object(&salts, &keys, kind, &id, &payload).unwrap();
        let offset = frame.len() + object_frame::ITEM_HEAD_LEN;
        object_frame::push(&mut frame, id, &sealed).unwrap();
        rows.push(json!({ "id": id, "offset": offset, "len": sealed.len(), "raw": hex(raw) }));
    }
    json!({
        "about": "Upload frame: (object_id 32, length u32be, envelope)*. First object is data (kind 1, K_chunk), \
                  second a recipe (kind 3, K_meta); secrets as in batch.json.",
        "frame": hex(&frame), "objects": rows,
    })
}

fn bytes_at(value: &Value) -> Vec<u8> {
    fst_proto::text::from_hex(value.as_str().unwrap()).unwrap()
}

#[test]
fn frozen_envelopes_open() {
    let document = read("sealed_kinds");
    for row in document["envelopes"].as_array().unwrap() {
        let kinds = [
            Kind::Data,
            Kind::Recipe,
            Kind::Directory,
            Kind::KeySlot,
            Kind::Blob,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| row["kind"] == *kind as u8)
            .unwrap();
        let sealed = bytes_at(&row["envelope"]);
        let opened = envelope::open(&KEY, kind, &bytes_at(&row["ctx"]), &sealed).unwrap();
        assert_eq!(opened.payload, bytes_at(&row["payload"]));
        assert_eq!(row["raw_len"], opened.raw_len);
        assert_eq!(row["encoding"], opened.encoding as u8);
    }
}

#[test]
fn frozen_refusals_are_refused() {
    use fst_crypto::error::OpenError;
    let document = read("sealed_refused");
    let ctx = bytes_at(&document["ctx"]);
    let good = envelope::open(&KEY, Kind::Data, &ctx, &bytes_at(&document["good"])).unwrap();
    assert_eq!(good.payload, b"body");
    for row in document["refused"].as_array().unwrap() {
        let error = envelope::open(&KEY, Kind::Data, &ctx, &bytes_at(&row["envelope"]));
        let class = match error.unwrap_err() {
            OpenError::Malformed { .. } => "malformed",
            OpenError::Unsupported { .. } => "unsupported",
            OpenError::WrongContext => "wrong-context",
            OpenError::Tampered => "tampered",
            OpenError::TooLarge { .. } => "too-large",
            other => panic!("{other}"),
        };
        assert_eq!(row["error"], class, "{}", row["case"]);
    }
}

#[test]
fn the_frozen_batch_opens() {
    let document = read("batch");
    let header = log::decode_header(&bytes_at(&document["header"])).unwrap();
    let opened = batch::open_batch(&keys(), &header, &bytes_at(&document["payload"])).unwrap();
    for (opened, row) in opened.iter().zip(document["ops"].as_array().unwrap()) {
        assert_eq!(wire::to_cbor(&opened.meta), bytes_at(&row["meta_cbor"]));
        let body = row["body"].as_str().map(|_| bytes_at(&row["body"]));
        assert_eq!(opened.body, body);
    }
}
