//! Frozen histories that anyone can verify without a secret: signatures, chains, Merkle roots.

use fst_proto::account::{self, AccountEntry, BadChain, Chain};
use fst_proto::control::{Control, SpaceGenesis};
use fst_proto::hash::{is_signed_by, sha256};
use fst_proto::ids::{AccountId, Hash32, Signature, SpaceId, VerifyKey};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::{log, wire};
use serde_json::Value;

use crate::support::{bytes, id, read, rows};

fn account_entry(row: &Value) -> AccountEntry {
    AccountEntry {
        header: bytes(&row["header"]),
        sig: id(&row["sig"]),
    }
}

#[test]
fn the_signature_of_appendix_a_verifies() {
    let document = read("entry");
    let header = document["header"].as_str().unwrap().as_bytes();
    let key: VerifyKey = id(&document["public"]);
    let sig: Signature = id(&document["sig"]);
    assert!(is_signed_by(&key, &log::entry_message(header), &sig));
    assert!(!is_signed_by(&key, &log::entry_message(b"other"), &sig));
    assert_eq!(
        log::entry_hash(header, &sig),
        id::<Hash32>(&document["entry_hash"])
    );
}

#[test]
fn the_roots_of_appendix_a_come_out() {
    let document = read("merkle");
    let hash: Hash32 = id(&document["entry_hash"]);
    let number = |name: &str| document[name].as_u64().unwrap();
    let mut range = CompactRange::new();
    assert_eq!(range.head(), Head::empty());
    let mut time_ms = number("first_time_ms");
    for root in rows(&document["roots"]) {
        range.append(&log::leaf(&hash, time_ms));
        time_ms += number("step_ms");
        assert_eq!(range.root(), id::<Hash32>(root), "root of {}", range.size());
    }
}

#[test]
fn the_frozen_chain_replays() {
    let document = read("sigchain");
    let entries: Vec<AccountEntry> = rows(&document["entries"])
        .iter()
        .map(account_entry)
        .collect();
    let chain = Chain::replay(&entries).unwrap();
    assert_eq!(chain.account, id::<AccountId>(&document["account"]));
    assert_eq!((chain.devices.len(), chain.invites.len()), (2, 1));
    for (entry, row) in entries.iter().zip(rows(&document["entries"])) {
        assert_eq!(account::entry_hash(entry), id::<Hash32>(&row["hash"]));
    }
    let swapped = [entries[0].clone(), entries[2].clone(), entries[1].clone()];
    assert_eq!(Chain::replay(&swapped), Err(BadChain::Link { index: 1 }));
    let mut forged = entries;
    forged[1].sig = forged[2].sig;
    assert_eq!(
        Chain::replay(&forged),
        Err(BadChain::Signature { index: 1 })
    );
}

#[test]
fn the_frozen_genesis_is_named_by_its_signed_header() {
    let document = read("control");
    let header_bytes = bytes(&document["header"]);
    let header = log::decode_header(&header_bytes).unwrap();
    let payload = bytes(&document["payload"]);
    assert_eq!(header.ops[0].meta_hash, Some(sha256(&[&payload])));
    let key: VerifyKey = id(&document["verify_key"]);
    assert!(is_signed_by(
        &key,
        &log::entry_message(&header_bytes),
        &id(&document["sig"])
    ));
    let Control::Genesis(genesis) = wire::from_canonical(&payload).unwrap() else {
        panic!("a genesis");
    };
    let SpaceGenesis { space, owner, .. } = genesis;
    assert_eq!(space, id::<SpaceId>(&document["space"]));
    assert_eq!(owner, id::<AccountId>(&document["account"]));
    assert_eq!(header.space, space);
}

#[test]
fn the_frozen_log_verifies_entry_by_entry() {
    let document = read("log");
    let chain = Chain::start(&account_entry(&document["account_genesis"])).unwrap();
    let mut range = CompactRange::new();
    let mut last = Hash32::ZERO;
    for (row, ctr) in rows(&document["entries"]).iter().zip(1..) {
        let bytes_of_header = bytes(&row["header"]);
        let header = log::decode_header(&bytes_of_header).unwrap();
        assert_eq!((header.dev_ctr, header.dev_prev), (ctr, last));
        assert_eq!(header.seen, range.head());
        let key = chain
            .device_key_at(header.device, header.account_len)
            .unwrap();
        let sig: Signature = id(&row["sig"]);
        assert!(is_signed_by(
            &key,
            &log::entry_message(&bytes_of_header),
            &sig
        ));
        last = log::entry_hash(&bytes_of_header, &sig);
        assert_eq!(last, id::<Hash32>(&row["entry_hash"]));
        range.append(&log::leaf(&last, row["time_ms"].as_u64().unwrap()));
        assert_eq!(range.root(), id::<Hash32>(&row["root"]));
    }
    assert_eq!(range.size(), 9);
}
