//! Spaces: who can open one, and which wraps are refused.

use fst_crypto::error::OpenError;
use fst_crypto::random::{OsRandom, SeededRandom};
use fst_crypto::space::{self, NewSpace, Owner};
use fst_proto::account::Chain;
use fst_proto::control::{Control, Policy, SpaceGenesis};
use fst_proto::hash::is_signed_by;
use fst_proto::ids::{Hash32, SpaceId};
use fst_proto::{log, wire};

use crate::support::{account, flipped, seeded};

fn genesis_of(new: &NewSpace) -> SpaceGenesis {
    match wire::from_canonical(&new.create.commit.payload).unwrap() {
        Control::Genesis(genesis) => genesis,
        other => unreachable!("a space begins with its genesis, not with {other:?}"),
    }
}

fn create(random: &SeededRandom, name: &str) -> NewSpace {
    let (new, keys) = account(&seeded(1));
    let chain = Chain::start(&new.genesis).unwrap();
    let owner = Owner {
        keys: &keys,
        device: &new.device,
        chain_len: chain.len,
        chain_head: chain.head(),
    };
    space::create_space(random, &owner, name, Policy::default()).unwrap()
}

#[test]
fn every_device_of_the_account_opens_the_space() {
    let (new, account_keys) = account(&seeded(1));
    let made = create(&seeded(2), "/Documents");
    let genesis = genesis_of(&made);
    let keys = space::open_space(&account_keys, &genesis).unwrap();
    assert_eq!(keys.space(), made.space);
    assert_eq!(keys.cdc().expose_secret(), made.keys.cdc().expose_secret());
    assert_eq!(
        space::open_space_name(&keys, &genesis).unwrap(),
        "/Documents"
    );

    let commit = &made.create.commit;
    let header = log::decode_header(&commit.header).unwrap();
    assert_eq!(header.space, made.space);
    assert_eq!((header.dev_ctr, header.epoch, header.generation), (1, 1, 1));
    let key = new.device.sign_key().public();
    assert!(is_signed_by(
        &key,
        &log::entry_message(&commit.header),
        &commit.sig
    ));
    assert_eq!(made.create.tag, account_keys.space_tag("/Documents"));
    assert_ne!(made.create.tag, account_keys.space_tag("/documents"));
    assert_eq!(
        account_keys.space_tag("/e\u{301}"),
        account_keys.space_tag("/é")
    );
}

#[test]
fn nobody_else_opens_it() {
    let (_, stranger) = account(&seeded(9));
    let genesis = genesis_of(&create(&seeded(2), "/a"));
    assert_eq!(
        space::open_space(&stranger, &genesis).unwrap_err(),
        OpenError::NotForUs
    );
    let mut addressed = genesis;
    addressed.wraps[0].account = stranger.account();
    assert_eq!(
        space::open_space(&stranger, &addressed).unwrap_err(),
        OpenError::Tampered
    );
}

#[test]
fn swapped_or_changed_wraps_are_refused() {
    let (_, keys) = account(&seeded(1));
    let first = genesis_of(&create(&seeded(2), "/a"));
    let second = genesis_of(&create(&seeded(3), "/b"));
    let refused = |change: &dyn Fn(&mut SpaceGenesis)| {
        let mut genesis = first.clone();
        change(&mut genesis);
        space::open_space(&keys, &genesis).unwrap_err()
    };
    assert_eq!(
        refused(&|g| g.wraps = second.wraps.clone()),
        OpenError::Tampered
    );
    assert_eq!(
        refused(&|g| g.space = SpaceId([1; 16])),
        OpenError::Tampered
    );
    assert_eq!(
        refused(&|g| g.commit_epoch = Hash32::ZERO),
        OpenError::Tampered
    );
    assert_eq!(
        refused(&|g| g.commit_generation = Hash32::ZERO),
        OpenError::Tampered
    );
    assert_eq!(
        refused(&|g| g.wraps[0].sealed = flipped(&g.wraps[0].sealed, 5)),
        OpenError::Tampered
    );
    assert_eq!(
        refused(&|g| g.wraps[0].enc = flipped(&g.wraps[0].enc, 5)),
        OpenError::Tampered
    );
    let malformed = |error| matches!(error, OpenError::Malformed { .. });
    assert!(malformed(refused(&|g| g.wraps[0].enc.truncate(31))));
    assert!(malformed(refused(&|g| g.wraps[0].kem_id = 0x647a)));
    let own = space::open_space(&keys, &first).unwrap();
    assert_eq!(
        space::open_space_name(&own, &second).unwrap_err(),
        OpenError::WrongContext
    );
}

#[test]
fn a_wrap_with_other_secrets_than_signed_is_refused() {
    // An owner who commits to one pair of secrets and wraps another, with the aad to match.
    let (_, keys) = account(&seeded(1));
    let mut genesis = genesis_of(&create(&seeded(2), "/a"));
    let public = keys.kem().public();
    let info = [
        b"fst/v1/space-key".as_slice(),
        genesis.space.as_bytes(),
        &1_u32.to_be_bytes(),
        &1_u32.to_be_bytes(),
        keys.account().as_bytes(),
        fst_proto::hash::sha256(&[public.as_bytes()]).as_bytes(),
    ]
    .concat();
    let aad = [
        genesis.commit_epoch.as_bytes(),
        genesis.commit_generation.as_bytes(),
    ]
    .concat();
    let mut wrap = |secret: &[u8]| {
        let wrapped = fst_crypto::wrap::seal_to(&OsRandom, &public, &info, &aad, secret).unwrap();
        (genesis.wraps[0].enc, genesis.wraps[0].sealed) = (wrapped.enc, wrapped.sealed);
        space::open_space(&keys, &genesis).unwrap_err()
    };
    assert_eq!(wrap(&[5; 64]), OpenError::WrongCommitment);
    assert!(matches!(wrap(&[5; 63]), OpenError::Malformed { .. }));
}

#[test]
fn two_spaces_share_nothing() {
    let first = create(&seeded(2), "/a");
    let second = create(&seeded(3), "/a");
    assert_ne!(first.space, second.space);
    let id = |keys| fst_crypto::ids::chunk_id(keys, b"same");
    assert_ne!(id(&first.keys), id(&second.keys));
    assert_eq!(
        first.create.tag, second.create.tag,
        "the server can refuse a second /a"
    );
}
