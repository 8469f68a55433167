//! Lies to a device that joins: it refuses, and nothing of it is known to the account.

use std::sync::Arc;

use fst_client::account;
use fst_client::remote::Remote as _;
use fst_client::{ClientError, Enrol};
use fst_crypto::batch::open_batch;
use fst_crypto::slot::EnrolSecret;
use fst_proto::account::Chain;
use fst_proto::error::ErrorCode;
use fst_proto::ids::VerifyKey;
use fst_proto::log::decode_header;
use fst_proto::wire::SlotReply;
use fst_testkit::evil::{Attack, EvilRemote, JoinAttack, LogAttack, forge};
use fst_testkit::scene::{Scene, path};

use super::{AUTHOR, Stage, capture};

/// What an honest server answers to the holder of `join`.
fn reply_to(scene: &Scene, join: &str) -> SlotReply {
    let secret = EnrolSecret::parse_join(join).expect("a join string just made");
    scene.devices[0]
        .remote()
        .slot(secret.slot())
        .expect("honest")
}

/// Joins over a line in the hands of the adversary.
fn join_over(scene: &Scene, attack: Option<Attack>) -> Result<(), ClientError> {
    let join = scene.devices[0].invite(&[]);
    let evil = EvilRemote::new(scene.devices[0].remote(), scene.server_key());
    if let Some(attack) = attack {
        evil.arm(attack);
    }
    let info = evil.server_info()?;
    let how = Enrol::Join(&join);
    account::enrol(evil.as_ref(), &info, ("sim", "joiner"), how, &scene.rng).map(drop)
}

/// The join is refused with `code`, and the account does not know the device.
fn check(attack: impl FnOnce(&Scene) -> JoinAttack, code: ErrorCode) {
    let scene = Scene::new(7, 2);
    let attack = Attack::Join(attack(&scene));
    let n_devices = |scene: &Scene| {
        let entries = scene.devices[0]
            .remote()
            .account_entries(0)
            .expect("honest")
            .entries;
        Chain::replay(&entries).expect("honest").devices.len()
    };
    let before = n_devices(&scene);
    let refused = join_over(&scene, Some(attack)).expect_err("the device must not join");
    assert_eq!(
        refused.code(),
        code,
        "{}",
        fst_client::error::chain(&refused)
    );
    assert_eq!(n_devices(&scene), before);
    join_over(&scene, None).expect("an honest server lets it in");
    assert_eq!(n_devices(&scene), before + 1);
}

#[test]
fn slot_of_another_account() {
    let other = Scene::new(8, 1);
    let reply = reply_to(&other, &other.devices[0].invite(&[]));
    check(|_| JoinAttack::OtherAccount(reply), ErrorCode::InvalidLog);
}

#[test]
fn bundle_of_another_account() {
    let other = Scene::new(8, 1);
    let sealed = reply_to(&other, &other.devices[0].invite(&[])).sealed;
    check(|_| JoinAttack::OtherBundle(sealed), ErrorCode::InvalidLog);
}

#[test]
fn bundle_of_another_invitation() {
    let sealed = |scene: &Scene| reply_to(scene, &scene.devices[0].invite(&[])).sealed;
    check(
        |scene| JoinAttack::OtherBundle(sealed(scene)),
        ErrorCode::InvalidLog,
    );
}

#[test]
fn shortened_chain() {
    check(|_| JoinAttack::ShortenedChain(1), ErrorCode::InvalidLog);
    check(|_| JoinAttack::ShortenedChain(3), ErrorCode::InvalidLog);
}

#[test]
fn swapped_receipt_key() {
    check(
        |_| JoinAttack::SwappedReceiptKey(VerifyKey([66; 32])),
        ErrorCode::Fork,
    );
}

/// A device that joins with a pinned head; its line is in the hands of the adversary.
fn joiner(stage: &mut Stage) -> (usize, Arc<EvilRemote>) {
    stage.others_change();
    stage.victim_changes();
    stage.scene.quiet();
    let pinned = stage.scene.devices[AUTHOR].verified_head();
    let join = stage.scene.devices[AUTHOR].invite(&[pinned]);
    stage.scene.join("joiner", &join);
    let at = stage.scene.devices.len() - 1;
    (at, capture(&mut stage.scene, at))
}

fn check_pinned(attack: impl FnOnce(&Stage) -> LogAttack, code: ErrorCode) {
    let mut stage = Stage::new();
    let (at, evil) = joiner(&mut stage);
    evil.arm(Attack::Log(attack(&stage)));
    stage.scene.write(at, "joined.txt", b"only on the joiner");
    let head = stage.scene.head(stage.space);
    for _ in 0..3 {
        assert_eq!(stage.scene.devices[at].settle(), Err(code));
        assert_eq!(
            stage.scene.devices[at].vault.snapshot().len(),
            1,
            "files were touched"
        );
        assert_eq!(stage.scene.head(stage.space), head, "the joiner committed");
    }
    evil.lift();
    stage.scene.quiet();
    assert_eq!(stage.scene.assert_equal().len(), 9);
}

#[test]
fn pinned_head_rolled_back() {
    check_pinned(|_| LogAttack::DropLastEntries(2), ErrorCode::Rollback);
}

#[test]
fn pinned_head_rolled_back_to_the_genesis() {
    check_pinned(
        |stage| LogAttack::DropLastEntries(stage.log().len() - 1),
        ErrorCode::Rollback,
    );
}

/// As long as what was pinned, but another history.
#[test]
fn pinned_head_forked() {
    check_pinned(|_| LogAttack::LaterServerTime, ErrorCode::Fork);
}

/// The space was opened, the line broke, and then the log is said to be empty.
#[test]
fn pinned_head_rolled_back_to_nothing() {
    let mut stage = Stage::new();
    let (at, evil) = joiner(&mut stage);
    stage.scene.write(at, "joined.txt", b"only on the joiner");
    let head = stage.scene.head(stage.space);
    // Members, spaces and the genesis come through; the first page of the log does not.
    stage.scene.devices[at].weather.dark_after(4);
    assert_eq!(
        stage.scene.devices[at].settle(),
        Err(ErrorCode::Unreachable)
    );
    stage.scene.devices[at].weather.dark_after(0);
    evil.arm(Attack::Log(LogAttack::DropLastEntries(usize::MAX)));
    for _ in 0..3 {
        assert_eq!(stage.scene.devices[at].settle(), Err(ErrorCode::Rollback));
        assert_eq!(stage.scene.head(stage.space), head, "the joiner committed");
    }
    evil.lift();
    stage.scene.quiet();
    assert_eq!(stage.scene.assert_equal().len(), 9);
}

/// The server gives a genesis with keys of its own choice, wrapped to the account's public key, and then
/// goes on with the real log. Whoever believes it seals everything for the server to read.
#[test]
fn genesis_with_keys_of_the_server() {
    let mut scene = Scene::new(7, 2);
    scene.sync(0);
    let (space, _) = scene.devices[0].verified_head();
    let genuine = scene.devices[0]
        .remote()
        .changes(space, 0)
        .expect("honest")
        .entries
        .remove(0);
    let entries = scene.devices[0]
        .remote()
        .account_entries(0)
        .expect("honest")
        .entries;
    let chain = Chain::replay(&entries).expect("honest");
    let (forged, server_keys) = forge::genesis(&genuine, &chain, "/World", &scene.rng);
    let evil = capture(&mut scene, 1);
    evil.arm(Attack::ForgedGenesis(Box::new(forged)));
    scene.write(1, "secret.txt", b"nobody else reads it");
    let refused = scene.devices[1].settle();
    assert!(evil.n_lies() > 0, "the attack was never shown");
    for entry in scene.devices[0]
        .remote()
        .changes(space, 1)
        .expect("honest")
        .entries
    {
        let header = decode_header(&entry.header).expect("a genuine header");
        let opened = open_batch(&server_keys, &header, &entry.payload.unwrap_or_default());
        assert!(opened.is_err(), "the server can read what the victim wrote");
    }
    assert_eq!(refused, Err(ErrorCode::InvalidLog));
    evil.lift();
    scene.quiet();
    assert!(scene.assert_equal().contains_key(&path("secret.txt")));
}
