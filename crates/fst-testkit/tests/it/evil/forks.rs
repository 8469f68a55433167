//! Forks, broken promises, and entries that were signed by somebody with real keys on another branch.

use fst_client::Outcome;
use fst_crypto::account::make_revoke_entry;
use fst_fs::fake::FakeVault;
use fst_proto::account::Chain;
use fst_proto::error::ErrorCode;
use fst_proto::wire::{AppendAccount, Entry};
use fst_testkit::evil::{Attack, LogAttack, ReceiptAttack};
use fst_testkit::scene::{noise, path};

use super::{AUTHOR, OTHER, Stage, VICTIM, assert_has, capture};

/// A fourth device that works for the adversary.
const ACCOMPLICE: usize = 3;

/// Has a fourth device write on a branch of its own, and returns what it signed there.
fn signed_elsewhere(
    stage: &mut Stage,
    act: impl FnOnce(&FakeVault) -> fst_fs::vault::Result<()>,
) -> Vec<Entry> {
    let join = stage.scene.devices[AUTHOR].invite(&[]);
    stage.scene.join("accomplice", &join);
    stage.scene.quiet();
    let evil = capture(&mut stage.scene, ACCOMPLICE);
    stage.scene.quiet();
    let n = stage.log().len();
    evil.arm(Attack::ForkTwoClients);
    stage.scene.user(ACCOMPLICE, act);
    stage.scene.sync(ACCOMPLICE);
    let signed = evil.branch().split_off(n);
    assert!(!signed.is_empty(), "the accomplice signed something");
    signed
}

/// The accomplice has done its part and does not take part in peace.
fn assert_refused(stage: &mut Stage, signed: Vec<Entry>) {
    drop(stage.scene.devices.remove(ACCOMPLICE));
    stage.evil.arm(Attack::Log(LogAttack::Append(signed)));
    stage.others_change();
    stage.victim_changes();
    stage.assert_frozen(ErrorCode::InvalidLog);
    stage.assert_heals();
}

/// The server lets a write through that is based on a revision which is no longer the newest.
#[test]
fn stale_revision() {
    let mut stage = Stage::new();
    let signed = signed_elsewhere(&mut stage, |vault| {
        vault.user_write(&path("note.txt"), b"based on the first note")
    });
    assert_refused(&mut stage, signed);
}

/// The server orders a move after a creation that its author has not seen.
#[test]
fn order_that_may_not_be() {
    let mut stage = Stage::new();
    let signed = signed_elsewhere(&mut stage, |vault| {
        vault.user_rename(&path("shared.txt"), &path("docs/shared.txt"))
    });
    assert_refused(&mut stage, signed);
}

/// The server takes an entry of a device after another device has made its revocation known in the log.
#[test]
fn entry_of_revoked_device() {
    let mut stage = Stage::new();
    let signed = signed_elsewhere(&mut stage, |vault| {
        vault.user_write(&path("shared.txt"), b"written by a thief")
    });
    let author = &stage.scene.devices[AUTHOR];
    let mut chain = Chain::replay(&author.enrolled().chain).expect("our own chain");
    for entry in author
        .remote()
        .account_entries(chain.len)
        .expect("honest")
        .entries
    {
        chain.append(&entry).expect("honest");
    }
    let thief = stage.scene.devices[ACCOMPLICE].enrolled().device.device;
    let entry = make_revoke_entry(&chain, &author.enrolled().device, thief);
    author
        .remote()
        .append_account(&AppendAccount { entry, slot: None })
        .expect("honest");
    for at in [AUTHOR, OTHER] {
        stage.scene.devices[at].close();
    }
    assert_refused(&mut stage, signed);
}

/// Author and victim see different tails; each is fine by itself, and they can never be joined again.
#[test]
fn fork_two_clients() {
    let mut stage = Stage::new();
    stage.evil.arm(Attack::ForkTwoClients);
    stage.scene.write(OTHER, "docs/plan.md", b"second plan");
    stage.scene.sync(OTHER);
    stage.victim_changes();
    assert_eq!(
        stage.settle(),
        Ok(Outcome::Quiet),
        "the victim's branch is consistent"
    );
    assert_eq!(
        stage.evil.branch().len(),
        stage.log().len(),
        "both branches grew by one"
    );
    // Joined: the heads have one size and two roots.
    stage.evil.lift();
    let before = stage.scene.devices[VICTIM].vault.snapshot();
    let head = stage.scene.head(stage.space);
    for _ in 0..3 {
        assert_eq!(stage.settle(), Err(ErrorCode::Fork));
    }
    // Joined later: the honest branch has grown beyond the victim's.
    stage.scene.write(AUTHOR, "note.txt", b"second note");
    stage.scene.write(AUTHOR, "new.txt", b"a new file");
    stage.scene.write(AUTHOR, "big.bin", &noise(2, 1_600_000));
    stage.scene.sync(AUTHOR);
    for _ in 0..3 {
        let code = stage.settle().expect_err("the branches cannot be joined");
        assert!(
            matches!(code, ErrorCode::Fork | ErrorCode::InvalidLog),
            "{code}"
        );
    }
    assert!(
        stage.scene.devices[VICTIM].vault.snapshot() == before,
        "files were touched"
    );
    assert_eq!(
        stage.scene.head(stage.space).size,
        head.size + 1,
        "the victim committed nothing"
    );
    // Back on its own branch the victim thaws.
    stage.evil.arm(Attack::ForkTwoClients);
    assert_eq!(stage.settle(), Ok(Outcome::Quiet));
    // A person decides for the honest branch: a fresh start loses nothing.
    stage.evil.lift();
    stage.scene.devices[VICTIM].lose_database();
    stage.scene.quiet();
    let tree = stage.scene.assert_equal();
    let edits = [
        &b"only on the victim"[..],
        b"edited by the victim",
        b"second plan",
        b"second note",
    ];
    assert_has(&tree, &edits);
}

/// An acknowledged commit whose root is not the log's: the entry went elsewhere.
#[test]
fn forged_acknowledgement() {
    let mut stage = Stage::new();
    stage.others_change();
    stage.scene.sync(VICTIM);
    stage
        .evil
        .arm(Attack::Receipt(ReceiptAttack::ForgedAcknowledgement));
    stage.victim_changes();
    let before = stage.scene.devices[VICTIM].vault.snapshot();
    assert_eq!(stage.settle(), Err(ErrorCode::Fork));
    assert!(
        stage.scene.devices[VICTIM].vault.snapshot() == before,
        "files were touched"
    );
    stage.assert_evidence();
    stage.assert_heals();
}

/// The server promises that a commit stands behind one of somebody else, and drops it.
#[test]
fn forgotten_acknowledgement() {
    let mut stage = Stage::new();
    stage.others_change();
    stage.scene.sync(VICTIM);
    stage
        .evil
        .arm(Attack::Receipt(ReceiptAttack::ForgottenAcknowledgement));
    stage.victim_changes();
    assert_eq!(
        stage.settle(),
        Err(ErrorCode::Rollback),
        "the promise is remembered"
    );
    stage.assert_frozen(ErrorCode::Rollback);
    // The promise was signed and broken: the victim does not go on by itself even now.
    stage.evil.lift();
    assert_eq!(stage.settle(), Err(ErrorCode::Rollback));
    stage.scene.devices[VICTIM].lose_database();
    stage.scene.quiet();
    let tree = stage.scene.assert_equal();
    assert_has(
        &tree,
        &[
            b"only on the victim",
            b"edited by the victim",
            b"second note",
        ],
    );
}
