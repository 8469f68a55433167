//! Encodings that are frozen: descriptions, recipes, frames, headers.

use fst_proto::control::{Control, IgnorePolicy, Pin, Retention};
use fst_proto::entry::{Kind, NodeMeta};
use fst_proto::ids::{ContentId, NodeId, ObjectId};
use fst_proto::path::Name;
use fst_proto::recipe::{self, BadRecipe, Body, Extent, PartRef};
use fst_proto::text::to_hex;
use fst_proto::{frame, limits, log, wire};
use serde_json::{Value, json};

use crate::support::{bytes, id, path, read, rows};

fn extents() -> Vec<Extent> {
    vec![
        Extent::Data {
            object: ObjectId([0x0b; 32]),
            offset: 0,
            len: 1,
        },
        Extent::Data {
            object: ObjectId([0x0b; 32]),
            offset: 0x0100_0000,
            len: 65_536,
        },
        Extent::Hole { len: 1 << 40 },
        Extent::Data {
            object: ObjectId([0xff; 32]),
            offset: 23,
            len: 24,
        },
    ]
}

fn parts() -> Vec<PartRef> {
    vec![
        PartRef {
            object: ObjectId([1; 32]),
            len: 1,
        },
        PartRef {
            object: ObjectId([2; 32]),
            len: 1 << 33,
        },
    ]
}

fn metas() -> Vec<NodeMeta> {
    let meta = |name: &[u8], kind, size, body| NodeMeta {
        parent: NodeId([0x0a; 16]),
        name: Name::new(name).unwrap(),
        kind,
        exec: false,
        mtime_ns: 1_709_303_400_123_456_789,
        size,
        content: ContentId([0x0c; 32]),
        body,
        copy_of: None,
    };
    let dir = NodeMeta {
        content: ContentId::ZERO,
        mtime_ns: -1,
        parent: NodeId::ZERO,
        ..meta(b"dir", Kind::Dir, 0, Body::None)
    };
    let script = NodeMeta {
        exec: true,
        ..meta(b"run.sh", Kind::File, 5, Body::Slot)
    };
    let total = recipe_len();
    vec![
        dir,
        script,
        meta(b"empty", Kind::File, 0, Body::None),
        meta(b"\xff\xfe not text", Kind::Symlink, 9, Body::Slot),
        meta(
            "résumé".as_bytes(),
            Kind::File,
            total,
            Body::Inline(extents()),
        ),
        meta(
            &[b'n'; 255],
            Kind::File,
            (1 << 33) + 1,
            Body::Parts {
                level: 1,
                parts: parts(),
            },
        ),
    ]
}

fn recipe_len() -> u64 {
    extents().iter().map(Extent::len).sum()
}

fn recipes() -> Value {
    json!({
        "about": "Canonical CBOR of a recipe segment, of an inner node, and of node descriptions (meta slots).",
        "segment": to_hex(&recipe::encode_segment(&extents())), "segment_len": recipe_len(),
        "parts": to_hex(&recipe::encode_parts(&parts())), "parts_len": (1_u64 << 33) + 1,
        "metas": metas().iter().map(|meta| to_hex(&wire::to_cbor(meta))).collect::<Vec<_>>(),
    })
}

#[test]
fn recipes_are_frozen() {
    let document = read("recipe");
    assert!(
        document == recipes(),
        "recipe.json is not what the code makes"
    );
    let segment = bytes(&document["segment"]);
    assert_eq!(
        recipe::decode_segment(&segment, recipe_len()).unwrap(),
        extents()
    );
    let short = BadRecipe::Length {
        expected: 1,
        got: recipe_len(),
    };
    assert_eq!(recipe::decode_segment(&segment, 1), Err(short));
    let inner = bytes(&document["parts"]);
    assert_eq!(
        recipe::decode_parts(&inner, (1 << 33) + 1).unwrap(),
        parts()
    );
    for (row, meta) in rows(&document["metas"]).iter().zip(metas()) {
        assert_eq!(wire::from_canonical::<NodeMeta>(&bytes(row)).unwrap(), meta);
    }
}

/// Writes the file if it does not exist yet; once there it is frozen and never touched.
#[test]
#[ignore = "writes into testdata"]
fn write_missing_vectors() {
    if !std::path::Path::new(&path("recipe")).exists() {
        let text = serde_json::to_string_pretty(&recipes()).unwrap();
        std::fs::write(path("recipe"), text + "\n").unwrap();
    }
}

#[test]
fn the_frozen_frame_tiles() {
    let document = read("frame");
    let bytes_of_frame = bytes(&document["frame"]);
    let items = frame::parse(&bytes_of_frame).unwrap();
    assert_eq!(items.len(), rows(&document["objects"]).len());
    for (item, row) in items.iter().zip(rows(&document["objects"])) {
        assert_eq!(item.id, id::<ObjectId>(&row["id"]));
        assert_eq!(row["offset"], item.offset);
        assert_eq!(row["len"], item.envelope.len());
    }
    for len in 1..bytes_of_frame.len() {
        let is_whole = len == items[1].offset - frame::ITEM_HEAD_LEN;
        assert_eq!(
            frame::parse(&bytes_of_frame[..len]).is_ok(),
            is_whole,
            "{len} bytes"
        );
    }
}

#[test]
fn frozen_headers_have_one_encoding() {
    for row in rows(&read("header")["headers"]) {
        let cbor = bytes(&row["cbor"]);
        let header = log::decode_header(&cbor).unwrap();
        assert_eq!(row["ops"], header.ops.len());
        assert_eq!(log::encode_header(&header), cbor);
        let longer = [cbor.as_slice(), &[0]].concat();
        assert_eq!(log::decode_header(&longer), Err(log::BadHeader::Malformed));
        // The version as a two-byte integer: the same value, another encoding.
        let padded = [&cbor[..1], &[0x18], &cbor[1..]].concat();
        assert_eq!(log::decode_header(&padded), Err(log::BadHeader::Malformed));
    }
}

/// Control payloads after the genesis, as bytes that never change.
#[test]
fn rulings_are_frozen() {
    let node = NodeId([0xab; 16]);
    let hex_node = "ab".repeat(16);
    let rows = [
        (
            Control::Retention(Retention {
                days: 30,
                versions: 10,
            }),
            "82018182181e0a".to_owned(),
        ),
        (
            Control::Pin(Pin {
                node,
                rev: 7,
                is_pinned: true,
            }),
            format!("8202818350{hex_node}07f5"),
        ),
        (
            Control::Ignore(IgnorePolicy {
                sealed: b"sealed".to_vec(),
            }),
            "82038181467365616c6564".to_owned(),
        ),
    ];
    for (control, hex) in rows {
        let bytes = wire::to_cbor(&control);
        assert_eq!(to_hex(&bytes), hex);
        assert_eq!(wire::from_canonical::<Control>(&bytes), Ok(control));
    }
    assert!(wire::from_canonical::<Control>(&[0x82, 4, 0x80]).is_err());
}

/// Extents of whole objects whose ids come from their number.
fn extents_of(objects: impl Iterator<Item = u64>) -> Vec<Extent> {
    let extent = |n: u64| Extent::Data {
        object: ObjectId(fst_proto::hash::sha256(&[&n.to_be_bytes()]).0),
        offset: 0,
        len: 1 << 20,
    };
    objects.map(extent).collect()
}

#[test]
fn an_edit_changes_few_segments() {
    let old = extents_of(0..4096);
    let known: std::collections::BTreeSet<Vec<u8>> = recipe::segments(&old)
        .into_iter()
        .map(recipe::encode_segment)
        .collect();
    for at in [0, 1, 1000, 4095] {
        let mut new = old.clone();
        new.splice(at..at + 1, extents_of(9000..9003));
        let segments = recipe::segments(&new);
        let fresh = segments
            .iter()
            .filter(|s| !known.contains(&recipe::encode_segment(s)));
        let n = fresh.count();
        assert!(n <= 4, "{n} of {} segments changed at {at}", segments.len());
        let joined: Vec<Extent> = segments.concat();
        assert_eq!(joined, new);
    }
}

#[test]
fn a_million_extents_of_one_byte_are_too_many() {
    let mut budget = recipe::ExtentBudget::of_size(1 << 20);
    let taken = (0..1024).take_while(|_| budget.take(1024).is_ok()).count();
    assert!(taken <= 17, "{taken} segments of a 1 MiB file were read");
    let mut honest = recipe::ExtentBudget::of_size(1 << 30);
    for _ in 0..1024 {
        honest.take(1024).expect("pages of 1 KiB are allowed");
    }
}

#[test]
fn a_segment_of_more_objects_than_allowed_is_refused() {
    let max = limits::SEGMENT_OBJECTS_MAX as u64;
    for (n, expected) in [(max, Ok(())), (max + 1, Err(BadRecipe::TooLarge))] {
        let extents = extents_of(0..n);
        let segment = recipe::encode_segment(&extents);
        let read = recipe::decode_segment(&segment, n << 20);
        assert_eq!(read.map(drop), expected, "{n} objects");
    }
    // However often each is used.
    let often = [extents_of(0..max), extents_of(0..max)].concat();
    assert_eq!(recipe::check_extents(&often, max << 21), Ok(()));
}

#[test]
fn holes_and_parts_beyond_any_file_are_refused_whatever_they_say_to_add_up_to() {
    let max = limits::FILE_BYTES_MAX;
    let hole = |len| Extent::Hole { len };
    let rows: [(Vec<Extent>, u64, Result<(), BadRecipe>); 6] = [
        (vec![hole(max)], max, Ok(())),
        (vec![hole(max + 1)], max + 1, Err(BadRecipe::TooLarge)),
        (vec![hole(max), hole(1)], max + 1, Err(BadRecipe::TooLarge)),
        (vec![hole(u64::MAX)], u64::MAX, Err(BadRecipe::TooLarge)),
        (vec![hole(u64::MAX); 2], u64::MAX, Err(BadRecipe::TooLarge)),
        (vec![hole(u64::MAX), hole(2)], 1, Err(BadRecipe::TooLarge)),
    ];
    for (extents, len, expected) in rows {
        assert_eq!(
            recipe::check_extents(&extents, len),
            expected,
            "{extents:?}"
        );
        let parts: Vec<PartRef> = extents
            .iter()
            .map(|extent| PartRef {
                object: ObjectId([7; 32]),
                len: extent.len(),
            })
            .collect();
        assert_eq!(recipe::check_parts(&parts, len), expected, "{parts:?}");
    }
}
