//! Vectors of enrolment: join string, recovery words, and a chain that grows by an invitation.

use fst_crypto::account::AccountKeys;
use fst_crypto::bundle;
use fst_crypto::enrol::{self, Inviter};
use fst_crypto::slot::EnrolSecret;
use fst_proto::account::{self, AccountEntry, Chain};
use fst_proto::ids::{AccountId, SpaceId};
use fst_proto::merkle::Head;
use serde_json::{Value, json};

use crate::support::{RECEIPT_KEY, account as new_account, hex, read, second_device, seeded};

/// What a join string carries and derives.
pub(crate) fn join() -> Value {
    let account = AccountId([0xac; 16]);
    let secret = EnrolSecret::new_invite(&seeded(0x31), account);
    json!({
        "about": "fst-join:v1: base32(account 16, secret 32, crc32be of both). slot = KDF(secret, slot/id, account, \
                  16); verify_key is the Ed25519 key of seed KDF(secret, slot/sign, account, 32). The secret is the \
                  first 32 bytes of BLAKE3-XOF(32 bytes 31).",
        "account": account, "join": secret.to_text().expose_secret(), "slot": secret.slot(),
        "verify_key": secret.sign_key().public(),
    })
}

/// What the words derive.
pub(crate) fn recovery() -> Value {
    let secret = EnrolSecret::new_recovery(&seeded(0x32));
    json!({
        "about": "24 BIP-39 English words of R. slot = KDF(R, slot/id, \"recovery\", 16); verify_key is the Ed25519 \
                  key of seed KDF(R, slot/sign, \"recovery\", 32). R is the first 32 bytes of BLAKE3-XOF(32 bytes 32).",
        "words": secret.to_text().expose_secret(), "slot": secret.slot(),
        "verify_key": secret.sign_key().public(),
    })
}

/// Genesis, invitation, join.
pub(crate) fn sigchain() -> Value {
    let (new, keys) = new_account(&seeded(0x33));
    let mut chain = Chain::start(&new.genesis).unwrap();
    let heads = [(SpaceId([0xa7; 16]), Head::empty())];
    let inviter = Inviter {
        device: &new.device,
        seed: &new.seed,
        chain: &chain,
        heads: &heads,
        receipt_key: RECEIPT_KEY,
    };
    let random = seeded(0x34);
    let invite = enrol::make_invite(&random, &inviter, 1_709_562_600_000).unwrap();
    chain.append(&invite.entry).unwrap();
    let secret = EnrolSecret::parse_join(invite.join.expose_secret()).unwrap();
    let device = second_device(&random);
    let joined =
        enrol::make_join_entry(&random, &secret, &chain, &new.seed, (&device, "desktop")).unwrap();
    chain.append(&joined).unwrap();
    json!({
        "about": "An account chain. Everything random comes from BLAKE3-XOF(32 bytes 33) for the account and \
                  BLAKE3-XOF(32 bytes 34) for invitation and second device, read front to back.",
        "account": new.account, "account_seed": hex(new.seed.expose_secret()),
        "account_kem_key": keys.kem().public(),
        "space_tags": { "/Documents": keys.space_tag("/Documents") },
        "words": new.words.expose_secret(), "recovery_slot": new.recovery.slot,
        "recovery_bundle": hex(&new.recovery.sealed),
        "join": invite.join.expose_secret(), "invite_slot": invite.slot.slot,
        "invite_bundle": hex(&invite.slot.sealed),
        "device_secrets": [
            hex(new.device.to_bytes().expose_secret()), hex(device.to_bytes().expose_secret()),
        ],
        "device_names": ["laptop", "desktop"],
        "entries": [entry(&new.genesis), entry(&invite.entry), entry(&joined)],
    })
}

fn entry(entry: &AccountEntry) -> Value {
    json!({
        "header": hex(&entry.header), "sig": entry.sig, "hash": account::entry_hash(entry),
    })
}

#[test]
fn the_frozen_bundles_open() {
    let document = read("sigchain");
    let text = |name: &str| document[name].as_str().unwrap();
    let bytes = |name: &str| fst_proto::text::from_hex(text(name)).unwrap();
    let join = EnrolSecret::parse_join(text("join")).unwrap();
    let words = EnrolSecret::parse_words(text("words")).unwrap();
    for (secret, sealed) in [(join, "invite_bundle"), (words, "recovery_bundle")] {
        let bundle = bundle::open_bundle(&secret, &bytes(sealed)).unwrap();
        assert_eq!(
            bundle.seed.expose_secret().as_slice(),
            bytes("account_seed")
        );
        let account = AccountId::parse(text("account")).unwrap();
        let keys = AccountKeys::derive(account, &bundle.seed);
        assert_eq!(keys.kem().public().to_hex(), text("account_kem_key"));
    }
}
