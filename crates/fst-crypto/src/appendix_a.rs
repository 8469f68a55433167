//! The vectors of the format document's appendix A, made by an independent implementation.
//!
//! Invariant: these files are never changed; a difference is a bug here. They need private parts (a given
//! salt, single keys), so they are tested inside the crate; all other vectors are in `tests/it`.
//! Source: docs/design/crypto-format.md appendix A; `testdata/vectors/`.

use fst_proto::hash::sha256;
use fst_proto::ids::{NameTag, NodeId, ObjectId, SpaceId};
use fst_proto::log;
use fst_proto::path::Name;
use fst_proto::text::{from_hex, to_hex};
use serde_json::Value;

use crate::envelope::{self, Kind, Payload};
use crate::key::{EpochSecret, GenerationSecret, SpaceKeys};
use crate::sign::DeviceKey;
use crate::{ids, object, pad};

fn vectors(name: &str) -> Value {
    let path = format!(
        "{}/../../testdata/vectors/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    from_hex(text(value)).unwrap().try_into().unwrap()
}

fn keys(inputs: &Value) -> SpaceKeys {
    let number = |name: &str| u32::try_from(inputs[name].as_u64().unwrap()).unwrap();
    SpaceKeys::derive(
        SpaceId(bytes(&inputs["space_id"])),
        number("epoch"),
        &EpochSecret::from_bytes(bytes(&inputs["epoch_secret"])),
        number("generation"),
        &GenerationSecret::from_bytes(bytes(&inputs["gen_secret"])),
    )
}

#[test]
fn keys_of_a_space() {
    let vectors = vectors("keys");
    let keys = keys(&vectors["inputs"]);
    let expected = &vectors["keys"];
    for (label, key) in [
        ("epoch/chunk", keys.chunk.expose_secret()),
        ("epoch/meta", keys.meta.expose_secret()),
        ("epoch/gossip", keys.gossip().expose_secret()),
        ("gen/chunk-id", keys.chunk_id.expose_secret()),
        ("gen/cdc", keys.cdc().expose_secret()),
        ("gen/name-tag", keys.name.expose_secret()),
        ("gen/content-id", keys.content.expose_secret()),
    ] {
        assert_eq!(text(&expected[label]), to_hex(key), "{label}");
    }
}

#[test]
fn envelope_of_a_chunk() {
    let vectors = vectors("envelope");
    let inputs = &vectors["inputs"];
    let keys = keys(inputs);
    let raw = text(&inputs["raw"]).as_bytes();
    let id: ObjectId = ids::chunk_id(&keys, raw);
    assert_eq!(id.to_hex(), text(&vectors["chunk_id"]));

    let header = envelope::header(Kind::Data, keys.epoch());
    assert_eq!(to_hex(&header), text(&vectors["header"]));
    let ctx = [keys.space().as_bytes(), id.as_bytes()].concat();
    let frame = envelope::frame(Kind::Data, &Payload::raw(raw)).unwrap();
    let salt = bytes(&inputs["salt"]);
    let sealed = envelope::seal_frame(keys.chunk.expose_secret(), header, &ctx, &salt, &frame);
    assert_eq!(sealed.len() as u64, vectors["len"].as_u64().unwrap());
    assert_eq!(to_hex(&sealed[32..64]), text(&vectors["commit"]));
    assert_eq!(to_hex(&sealed[64..80]), text(&vectors["ct_first_16"]));
    assert_eq!(to_hex(&sealed[sealed.len() - 16..]), text(&vectors["tag"]));
    assert_eq!(sha256(&[&sealed]).to_hex(), text(&vectors["sha256"]));

    let opened = object::open_chunk(&keys, &id, &sealed, |_, _| None).unwrap();
    assert_eq!(opened, raw);
}

#[test]
fn name_tags() {
    let vectors = vectors("name_tag");
    let keys = keys(&vectors["inputs"]);
    for row in vectors["tags"].as_array().unwrap() {
        let name = Name::new(&from_hex(text(&row["name"])).unwrap()).unwrap();
        let tag = ids::name_tag(&keys, NodeId(bytes(&row["parent"])), &name);
        assert_eq!(tag, NameTag(bytes(&row["tag"])), "{}", row["form"]);
    }
}

#[test]
fn entry_signature() {
    let vectors = vectors("entry");
    let key = DeviceKey::from_seed(&bytes(&vectors["seed"]));
    assert_eq!(key.public().to_hex(), text(&vectors["public"]));
    let header = text(&vectors["header"]).as_bytes();
    let sig = key.sign_entry(header);
    assert_eq!(sig.to_hex(), text(&vectors["sig"]));
    assert_eq!(
        log::entry_hash(header, &sig).to_hex(),
        text(&vectors["entry_hash"])
    );
}

#[test]
fn padme_lengths() {
    for pair in vectors("padme")["pairs"].as_array().unwrap() {
        let len = |i: usize| usize::try_from(pair[i].as_u64().unwrap()).unwrap();
        assert_eq!(pad::padme(len(0)), len(1), "padme({})", len(0));
    }
}
