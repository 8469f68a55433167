//! The server as an adversary: one test for each lie.
//!
//! Three devices sync in peace; then the server lies to the second one (the victim) while all of them change
//! files. Verdict: the victim stops with the code that fits, touches no file, commits nothing, and goes on
//! by itself as soon as the server is honest, unless the lie itself is beyond repair.
//! Not here: objects (`objects`), joining devices (`joins`), forks and broken promises (`forks`).
//! Source: docs/design/crypto-format.md §4.

use std::collections::BTreeMap;
use std::sync::Arc;

use fst_fs::fake::FakeEntry;
use fst_proto::error::ErrorCode;
use fst_proto::ids::SpaceId;
use fst_proto::path::RelPath;
use fst_proto::wire::Entry;
use fst_testkit::evil::{
    AccountAttack, Attack, EvilRemote, Insider, LogAttack, ReceiptAttack, Rewrite, whole_log,
};
use fst_testkit::scene::{Scene, noise, path};
use tempfile::TempDir;

mod forks;
mod joins;
mod objects;

/// Changes files honestly.
const AUTHOR: usize = 0;
/// Is lied to.
const VICTIM: usize = 1;
/// Changes files honestly too.
const OTHER: usize = 2;

/// Entries that [`Stage::others_change`] makes.
const N_FRESH: usize = 4;

/// Three devices in sync, the victim's line in the hands of the adversary.
struct Stage {
    scene: Scene,
    evil: Arc<EvilRemote>,
    space: SpaceId,
    evidence: TempDir,
}

impl Stage {
    fn new() -> Self {
        let mut scene = Scene::new(7, 3);
        scene.write(AUTHOR, "note.txt", b"first note");
        scene.user(AUTHOR, |vault| vault.user_mkdir(&path("docs")));
        scene.write(AUTHOR, "docs/plan.md", b"first plan");
        scene.write(AUTHOR, "shared.txt", b"shared by all");
        scene.write(AUTHOR, "big.bin", &noise(1, 1_500_000));
        scene.user(AUTHOR, |vault| {
            vault.user_symlink(&path("link"), b"note.txt")
        });
        scene.quiet();
        let evidence = TempDir::new().expect("a temporary folder");
        scene.devices[VICTIM].evidence = Some(evidence.path().to_path_buf());
        let evil = capture(&mut scene, VICTIM);
        scene.quiet();
        let (space, _) = scene.devices[VICTIM].verified_head();
        Self {
            scene,
            evil,
            space,
            evidence,
        }
    }

    /// Three entries of the author, one of another device that has seen them.
    fn others_change(&mut self) {
        self.scene.write(AUTHOR, "note.txt", b"second note");
        self.scene.sync(AUTHOR);
        self.scene.write(AUTHOR, "new.txt", b"a new file");
        self.scene.sync(AUTHOR);
        self.scene.write(AUTHOR, "big.bin", &noise(2, 1_600_000));
        self.scene.sync(AUTHOR);
        self.scene.write(OTHER, "docs/plan.md", b"second plan");
        self.scene.sync(OTHER);
    }

    fn victim_changes(&self) {
        self.scene.write(VICTIM, "mine.txt", b"only on the victim");
        self.scene
            .write(VICTIM, "shared.txt", b"edited by the victim");
    }

    fn settle(&mut self) -> Result<fst_client::Outcome, ErrorCode> {
        self.scene.clock.advance(1_000);
        self.scene.devices[VICTIM].settle()
    }

    fn log(&self) -> Vec<Entry> {
        let remote = self.scene.devices[AUTHOR].remote();
        whole_log(remote.as_ref(), self.space).expect("the author's line is honest")
    }

    /// The victim stops with `code`, again and again and after a restart, and nothing else happens.
    fn assert_frozen(&mut self, code: ErrorCode) {
        let before = self.scene.devices[VICTIM].vault.snapshot();
        let head = self.scene.head(self.space);
        let n_lies = self.evil.n_lies();
        for round in 0..3 {
            if round == 2 {
                self.scene.devices[VICTIM].close();
            }
            assert_eq!(self.settle(), Err(code), "round {round}");
            let vault = &self.scene.devices[VICTIM].vault;
            assert!(
                vault.snapshot() == before,
                "files were touched in round {round}"
            );
            assert!(
                vault.stage_is_empty(),
                "something was staged in round {round}"
            );
            assert_eq!(
                self.scene.head(self.space),
                head,
                "the victim committed in round {round}"
            );
        }
        assert!(self.evil.n_lies() > n_lies, "the attack was never shown");
        // What is not even a message of ours shows nothing about the server.
        if code != ErrorCode::Malformed {
            self.assert_evidence();
        }
    }

    /// What the server showed is kept.
    fn assert_evidence(&self) {
        let kept = std::fs::read_dir(self.evidence.path()).expect("a folder");
        assert!(kept.count() > 0, "no evidence was kept");
    }

    /// With an honest server everybody converges, and everything is there.
    fn assert_heals(&mut self) {
        self.evil.lift();
        self.scene.quiet();
        let tree = self.scene.assert_equal();
        let file = |name: &str| match tree.get(&path(name)) {
            Some(FakeEntry::File { bytes, .. }) => bytes.clone(),
            other => format!("{name} is {other:?}").into_bytes(),
        };
        assert_eq!(file("note.txt"), b"second note");
        assert_eq!(file("new.txt"), b"a new file");
        assert_eq!(file("docs/plan.md"), b"second plan");
        assert_eq!(file("mine.txt"), b"only on the victim");
        assert_eq!(file("shared.txt"), b"edited by the victim");
        assert!(file("big.bin") == noise(2, 1_600_000), "big.bin");
        assert_eq!(tree.len(), 8, "{:?}", tree.keys());
    }
}

/// Every one of these contents is in some file.
fn assert_has(tree: &BTreeMap<RelPath, FakeEntry>, contents: &[&[u8]]) {
    for wanted in contents {
        let is_there = tree.values().any(|entry| match entry {
            FakeEntry::File { bytes, .. } => bytes == wanted,
            FakeEntry::Dir | FakeEntry::Symlink(_) | FakeEntry::Special => false,
        });
        assert!(
            is_there,
            "lost {}",
            String::from_utf8_lossy(&wanted[..wanted.len().min(40)])
        );
    }
}

/// Puts an adversary, honest at first, into the line of device `at`.
pub(crate) fn capture(scene: &mut Scene, at: usize) -> Arc<EvilRemote> {
    let key = scene.server_key();
    let mut held = None;
    scene.devices[at].wrap_remote(|inner| {
        let evil = EvilRemote::new(inner, key);
        held = Some(Arc::clone(&evil));
        evil
    });
    held.expect("the line was wrapped")
}

/// The whole story of a lie about the log that ends well.
fn check(attack: Attack, code: ErrorCode) {
    let mut stage = Stage::new();
    stage.evil.arm(attack);
    stage.others_change();
    stage.victim_changes();
    stage.assert_frozen(code);
    stage.assert_heals();
}

fn check_log(attack: LogAttack, code: ErrorCode) {
    check(Attack::Log(attack), code);
}

/// A member in league: the author of the last fresh entry.
fn check_insider(rewrite: Rewrite) {
    let mut stage = Stage::new();
    let key = stage.scene.devices[OTHER].enrolled().device.sign_key();
    let attack = LogAttack::Rewrite(rewrite, Insider(Arc::new(key)));
    stage.evil.arm(Attack::Log(attack));
    stage.others_change();
    stage.victim_changes();
    stage.assert_frozen(ErrorCode::InvalidLog);
    stage.assert_heals();
}

#[test]
fn flip_entry_byte() {
    check_log(LogAttack::FlipEntryByte, ErrorCode::InvalidLog);
}

#[test]
fn forge_signature() {
    check_log(LogAttack::ForgeSignature, ErrorCode::InvalidLog);
}

#[test]
fn drop_middle_entry() {
    check_log(LogAttack::DropMiddleEntry, ErrorCode::InvalidLog);
}

#[test]
fn reorder_two_entries_of_one_device() {
    check_log(LogAttack::ReorderTwoEntries(0, 1), ErrorCode::InvalidLog);
}

#[test]
fn reorder_two_entries_of_two_devices() {
    check_log(LogAttack::ReorderTwoEntries(2, 3), ErrorCode::InvalidLog);
}

#[test]
fn replay_old_entry_as_new() {
    check_log(LogAttack::ReplayOldEntryAsNew, ErrorCode::InvalidLog);
}

#[test]
fn swap_payloads() {
    check_log(LogAttack::SwapPayloads, ErrorCode::CannotOpen);
}

#[test]
fn withhold_payload() {
    check_log(LogAttack::WithholdPayload, ErrorCode::CannotOpen);
}

#[test]
fn flip_payload_byte() {
    check_log(LogAttack::FlipPayloadByte, ErrorCode::CannotOpen);
}

#[test]
fn garbage_header() {
    check_log(LogAttack::GarbageHeader, ErrorCode::InvalidLog);
}

#[test]
fn garbage_payload() {
    check_log(LogAttack::GarbagePayload, ErrorCode::CannotOpen);
}

#[test]
fn backwards_server_time() {
    check_log(LogAttack::BackwardsServerTime, ErrorCode::InvalidLog);
}

#[test]
fn future_server_time() {
    check_log(LogAttack::FutureServerTime, ErrorCode::InvalidLog);
}

#[test]
fn entry_of_unknown_device() {
    check_log(LogAttack::EntryOfUnknownDevice, ErrorCode::InvalidLog);
}

#[test]
fn epoch_downgrade() {
    check_insider(Rewrite::EpochDowngrade);
}

#[test]
fn control_entry_injected() {
    check_insider(Rewrite::ControlEntryInjected);
}

#[test]
fn entry_of_other_space() {
    check_insider(Rewrite::OtherSpace);
}

#[test]
fn entry_that_saw_the_future() {
    check_insider(Rewrite::SawTheFuture);
}

#[test]
fn wrong_receipt_signature() {
    check(
        Attack::Receipt(ReceiptAttack::WrongSignature),
        ErrorCode::InvalidLog,
    );
}

#[test]
fn receipt_for_other_space() {
    check(
        Attack::Receipt(ReceiptAttack::OtherSpace),
        ErrorCode::InvalidLog,
    );
}

#[test]
fn empty_page_although_the_head_grew() {
    check(
        Attack::Receipt(ReceiptAttack::EmptyPage),
        ErrorCode::InvalidLog,
    );
}

#[test]
fn endless_pages_are_bounded() {
    let mut stage = Stage::new();
    stage.evil.arm(Attack::Receipt(ReceiptAttack::EndlessPages));
    stage.others_change();
    stage.victim_changes();
    let before = stage.evil.n_requests();
    stage.assert_frozen(ErrorCode::InvalidLog);
    let n = stage.evil.n_requests() - before;
    assert!(n <= 10, "{n} requests for nothing");
    stage.assert_heals();
}

/// Roll-back of entries that were seen, and some that were not.
#[test]
fn drop_last_entries_that_were_seen() {
    check_log(LogAttack::DropLastEntries(N_FRESH + 1), ErrorCode::Rollback);
}

/// Roll-back of the whole space to an older, consistent state under the very receipt of that time.
#[test]
fn roll_back_to_an_old_receipt() {
    let mut stage = Stage::new();
    let old = stage.scene.devices[AUTHOR]
        .remote()
        .changes(stage.space, 0)
        .expect("honest")
        .receipt;
    stage.others_change();
    stage.victim_changes();
    stage.scene.quiet();
    let n_now = stage.log().len();
    let n_old = usize::try_from(old.head.size).expect("a short log");
    stage
        .evil
        .arm(Attack::Log(LogAttack::DropLastEntries(n_now - n_old)));
    let remote = stage.scene.devices[VICTIM].remote();
    let shown = remote
        .changes(stage.space, old.head.size)
        .expect("it answers")
        .receipt;
    assert_eq!(shown, old, "the receipt is the one of that time");
    stage.scene.write(VICTIM, "mine.txt", b"only on the victim");
    stage.assert_frozen(ErrorCode::Rollback);
    stage.assert_heals();
}

#[test]
fn drop_last_entry_after_acknowledgement() {
    let mut stage = Stage::new();
    stage.others_change();
    stage.victim_changes();
    stage.scene.sync(VICTIM);
    stage.evil.arm(Attack::Log(LogAttack::DropLastEntries(1)));
    stage.assert_frozen(ErrorCode::Rollback);
    stage.assert_heals();
}

#[test]
fn account_chain_withheld() {
    let mut stage = Stage::new();
    stage.evil.arm(Attack::Account(AccountAttack::Withheld));
    // The invitation makes the chain longer; the author names it from now on.
    drop(stage.scene.devices[AUTHOR].invite(&[]));
    stage.scene.devices[AUTHOR].close();
    stage.others_change();
    stage.victim_changes();
    stage.assert_frozen(ErrorCode::InvalidLog);
    stage.assert_heals();
}

#[test]
fn account_chain_of_somebody_else() {
    let mut stage = Stage::new();
    let other = Scene::new(8, 2);
    let remote = other.devices[0].remote();
    let entries = remote.account_entries(0).expect("honest").entries;
    stage
        .evil
        .arm(Attack::Account(AccountAttack::Instead(entries)));
    drop(stage.scene.devices[AUTHOR].invite(&[]));
    stage.scene.devices[AUTHOR].close();
    stage.others_change();
    stage.victim_changes();
    stage.assert_frozen(ErrorCode::InvalidLog);
    stage.assert_heals();
}

/// Not a lie about the log but no answer at all: nothing happens until there is one.
#[test]
fn garbage_cbor() {
    check(Attack::GarbageCbor, ErrorCode::Malformed);
}
