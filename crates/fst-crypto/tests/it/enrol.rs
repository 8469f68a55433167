//! Accounts, invitations, joining, recovery: the whole path, and what a hostile server cannot change.

use fst_crypto::account::{self, AccountKeys};
use fst_crypto::bundle::{self, WrongChain};
use fst_crypto::device::DeviceSecrets;
use fst_crypto::enrol::{self, Inviter, NewInvite};
use fst_crypto::error::OpenError;
use fst_crypto::random::OsRandom;
use fst_crypto::slot::{BadJoinString, BadWords, EnrolSecret, Holder, JOIN_PREFIX};
use fst_proto::account::{BadChain, Chain};
use fst_proto::hash::is_signed_by;
use fst_proto::ids::{AccountId, Hash32, SpaceId};
use fst_proto::merkle::Head;
use fst_proto::wire;
use proptest::prelude::proptest;
use proptest::{prop_assert, prop_assert_eq};

use crate::support::{RECEIPT_KEY, account, flipped, second_device, seeded};

fn invite(chain: &Chain, new: &account::NewAccount) -> NewInvite {
    let heads = [
        (SpaceId([2; 16]), Head::empty()),
        (SpaceId([1; 16]), Head::empty()),
    ];
    let inviter = Inviter {
        device: &new.device,
        seed: &new.seed,
        chain,
        heads: &heads,
        receipt_key: RECEIPT_KEY,
    };
    enrol::make_invite(&OsRandom, &inviter, 1_709_303_400_000).unwrap()
}

#[test]
fn a_second_device_joins_by_the_string_alone() {
    let (new, _) = account(&seeded(1));
    let mut chain = Chain::start(&new.genesis).unwrap();
    assert_eq!(chain.account, new.account);
    let invite = invite(&chain, &new);
    chain.append(&invite.entry).unwrap();

    let secret = EnrolSecret::parse_join(invite.join.expose_secret()).unwrap();
    assert_eq!(secret.holder(), Holder::Invite(new.account));
    assert_eq!(secret.slot(), invite.slot.slot);
    let bundle = bundle::open_bundle(&secret, &invite.slot.sealed).unwrap();
    bundle.check_chain(&chain).unwrap();
    assert_eq!(bundle.receipt_key, RECEIPT_KEY);
    let pinned: Vec<SpaceId> = bundle.heads.iter().map(|pin| pin.0).collect();
    assert_eq!(pinned, [SpaceId([1; 16]), SpaceId([2; 16])]);

    let device = second_device(&seeded(2));
    let who = (&device, "desktop");
    let entry = enrol::make_join_entry(&OsRandom, &secret, &chain, &bundle.seed, who).unwrap();
    chain.append(&entry).unwrap();
    let keys = AccountKeys::derive(chain.account, &bundle.seed);
    let name = |id| keys.open_device_name(&chain.devices[&id]).unwrap();
    assert_eq!(name(new.device.device), "laptop");
    assert_eq!(name(device.device), "desktop");

    let second = DeviceSecrets::generate(&OsRandom);
    let again =
        enrol::make_join_entry(&OsRandom, &secret, &chain, &bundle.seed, (&second, "x")).unwrap();
    assert_eq!(
        chain.append(&again),
        Err(BadChain::Signer { index: 3 }),
        "an invitation works once"
    );
}

#[test]
fn the_words_alone_recover_the_account() {
    let (new, _) = account(&seeded(3));
    let mut chain = Chain::start(&new.genesis).unwrap();
    let secret = EnrolSecret::parse_words(new.words.expose_secret()).unwrap();
    assert_eq!(secret.slot(), new.recovery.slot);
    let bundle = bundle::open_bundle(&secret, &new.recovery.sealed).unwrap();
    bundle.check_chain(&chain).unwrap();
    let device = second_device(&seeded(4));
    let entry =
        enrol::make_join_entry(&OsRandom, &secret, &chain, &bundle.seed, (&device, "new")).unwrap();
    chain.append(&entry).unwrap();
    let revoke = account::make_revoke_entry(&chain, &device, new.device.device);
    chain.append(&revoke).unwrap();
    assert!(chain.devices[&new.device.device].revoked_at.is_some());
}

#[test]
fn a_bundle_opens_for_its_slot_only() {
    let (new, _) = account(&seeded(1));
    let chain = Chain::start(&new.genesis).unwrap();
    let invite = invite(&chain, &new);
    let secret = EnrolSecret::parse_join(invite.join.expose_secret()).unwrap();
    let recovery = EnrolSecret::parse_words(new.words.expose_secret()).unwrap();
    let wrong = OpenError::WrongContext;
    assert_eq!(
        bundle::open_bundle(&secret, &new.recovery.sealed).unwrap_err(),
        wrong
    );
    assert_eq!(
        bundle::open_bundle(&recovery, &invite.slot.sealed).unwrap_err(),
        wrong
    );
    let last = invite.slot.sealed.len() * 8 - 1;
    let changed = flipped(&invite.slot.sealed, last);
    assert_eq!(
        bundle::open_bundle(&secret, &changed).unwrap_err(),
        OpenError::Tampered
    );
    assert_eq!(invite.slot.sealed.len(), 89 + 1024);
}

#[test]
fn another_or_older_chain_is_refused() {
    let (new, _) = account(&seeded(1));
    let mut chain = Chain::start(&new.genesis).unwrap();
    let invite = invite(&chain, &new);
    let secret = EnrolSecret::parse_join(invite.join.expose_secret()).unwrap();
    let mut bundle = bundle::open_bundle(&secret, &invite.slot.sealed).unwrap();
    assert_eq!(
        bundle.check_chain(&chain),
        Err(WrongChain::Shorter {
            got: 1,
            expected: 2
        })
    );
    chain.append(&invite.entry).unwrap();
    bundle.chain_head = Hash32::ZERO;
    assert_eq!(bundle.check_chain(&chain), Err(WrongChain::Differs));
    bundle.chain_len = 0;
    assert_eq!(bundle.check_chain(&chain), Err(WrongChain::Differs));
    let (other, _) = account(&seeded(9));
    let mut foreign = bundle::open_bundle(&secret, &invite.slot.sealed).unwrap();
    foreign.seed = other.seed;
    assert_eq!(foreign.check_chain(&chain), Err(WrongChain::Key));
}

#[test]
fn typing_errors_are_explained() {
    let secret = EnrolSecret::new_invite(&seeded(5), AccountId([7; 16]));
    let join = secret.to_text().expose_secret().to_owned();
    let body = join.strip_prefix(JOIN_PREFIX).unwrap();
    assert_eq!(body.len(), 84);
    let error = |text: &str| EnrolSecret::parse_join(text).unwrap_err();
    assert_eq!(error(body), BadJoinString::Prefix);
    assert_eq!(error(&join[..join.len() - 1]), BadJoinString::Encoding);
    assert_eq!(
        error(&join.replace(&body[10..11], "1")),
        BadJoinString::Encoding
    );
    let other = if &body[3..4] == "a" { "b" } else { "a" };
    let typo = format!("{JOIN_PREFIX}{}{other}{}", &body[..3], &body[4..]);
    assert_eq!(error(&typo), BadJoinString::Checksum);
    let loud = format!("  {}\n", join.to_uppercase());
    assert_eq!(
        EnrolSecret::parse_join(&loud).unwrap().slot(),
        secret.slot()
    );

    let recovery = EnrolSecret::new_recovery(&seeded(6));
    let words = recovery.to_text().expose_secret().to_owned();
    let error = |text: &str| EnrolSecret::parse_words(text).unwrap_err();
    let mut list: Vec<&str> = words.split(' ').collect();
    assert_eq!(list.len(), 24);
    assert_eq!(error(&list[1..].join(" ")), BadWords::Count { got: 23 });
    list.swap(0, 1);
    assert_eq!(error(&list.join(" ")), BadWords::Checksum);
    list.swap(0, 1);
    list[6] = "filesync";
    assert_eq!(error(&list.join(" ")), BadWords::Unknown { number: 7 });
    let loud = format!(" {} ", words.to_uppercase().replace(' ', "\n"));
    assert_eq!(
        EnrolSecret::parse_words(&loud).unwrap().slot(),
        recovery.slot()
    );
}

#[test]
fn device_secrets_survive_the_keystore() {
    let device = second_device(&seeded(8));
    let bytes = device.to_bytes();
    let back = DeviceSecrets::from_bytes(bytes.expose_secret()).unwrap();
    assert_eq!(back.record(Vec::new()), device.record(Vec::new()));
    assert_eq!(
        back.hedge_key().expose_secret(),
        device.hedge_key().expose_secret()
    );
    for bit in 0..bytes.expose_secret().len() * 8 {
        assert!(DeviceSecrets::from_bytes(&flipped(bytes.expose_secret(), bit)).is_err());
    }
    assert!(DeviceSecrets::from_bytes(b"").is_err());
}

#[test]
fn a_login_signature_names_device_server_and_nonce() {
    let device = second_device(&seeded(8));
    let key = device.sign_key();
    let sig = key.sign_login(device.device, &RECEIPT_KEY, b"nonce");
    let message = wire::login_message(device.device, &RECEIPT_KEY, b"nonce");
    assert!(is_signed_by(&key.public(), &message, &sig));
    let relayed = wire::login_message(device.device, &key.public(), b"nonce");
    assert!(!is_signed_by(&key.public(), &relayed, &sig));
}

proptest! {
    #[test]
    fn any_secret_survives_its_text(secret: [u8; 32], account: [u8; 16]) {
        let invite = EnrolSecret::new_invite(&fst_crypto::random::SeededRandom::new(secret), AccountId(account));
        let back = EnrolSecret::parse_join(invite.to_text().expose_secret()).unwrap();
        prop_assert_eq!(back.slot(), invite.slot());
        prop_assert_eq!(back.sign_key().public(), invite.sign_key().public());
        let words = EnrolSecret::new_recovery(&fst_crypto::random::SeededRandom::new(secret));
        let back = EnrolSecret::parse_words(words.to_text().expose_secret()).unwrap();
        prop_assert_eq!(back.slot(), words.slot());
    }

    #[test]
    fn hostile_texts_never_panic(text in ".{0,120}") {
        prop_assert!(EnrolSecret::parse_join(&text).is_err());
        let prefixed = [JOIN_PREFIX, &text].concat();
        prop_assert!(EnrolSecret::parse_join(&prefixed).is_err());
        prop_assert!(EnrolSecret::parse_words(&text).is_err());
    }

    #[test]
    fn hostile_bundles_never_panic(bytes: Vec<u8>) {
        let secret = EnrolSecret::new_recovery(&seeded(6));
        prop_assert!(bundle::open_bundle(&secret, &bytes).is_err());
        prop_assert!(DeviceSecrets::from_bytes(&bytes).is_err());
    }
}
