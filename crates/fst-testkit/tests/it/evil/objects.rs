//! Lies about objects: nothing wrong reaches the disk, the path is a problem, everything else goes on.

use fst_client::Outcome;
use fst_proto::error::ErrorCode;
use fst_testkit::evil::{Attack, ObjectAttack};
use fst_testkit::scene::{Scene, noise, path};

use super::{AUTHOR, Stage, VICTIM};

/// A new and an edited large file are hit; a small object, an inline file and the victim's edit go on.
fn check(attack: ObjectAttack) {
    let mut stage = Stage::new();
    stage.evil.arm(Attack::Object(attack));
    author_changes(&mut stage);
    stage.victim_changes();
    let n_lies = stage.evil.n_lies();
    assert_eq!(stage.settle(), Ok(Outcome::Waiting));
    assert!(stage.evil.n_lies() > n_lies, "the attack was never shown");
    let device = &stage.scene.devices[VICTIM];
    let problems = device.problems();
    let mut paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["big.bin", "large.bin"], "{problems:?}");
    let cannot_open = ErrorCode::CannotOpen.to_string();
    assert!(
        problems.iter().all(|problem| problem.code == cannot_open),
        "{problems:?}"
    );
    let read = |name: &str| device.vault.user_read(&path(name));
    assert!(
        read("big.bin") == Some(noise(1, 1_500_000)),
        "the old content stands"
    );
    assert_eq!(read("large.bin"), None);
    assert!(
        read("small.bin") == Some(noise(4, 9_000)),
        "a small object goes on"
    );
    assert_eq!(read("note.txt"), Some(b"second note".to_vec()));
    assert!(device.vault.stage_is_empty());
    stage.scene.sync(AUTHOR);
    let mine = stage.scene.devices[AUTHOR]
        .vault
        .user_read(&path("mine.txt"));
    assert_eq!(
        mine,
        Some(b"only on the victim".to_vec()),
        "the victim's edit goes on"
    );
    assert_heals(&mut stage);
}

fn author_changes(stage: &mut Stage) {
    stage.scene.write(AUTHOR, "big.bin", &noise(2, 1_600_000));
    stage.scene.write(AUTHOR, "large.bin", &noise(3, 6_000_000));
    stage.scene.write(AUTHOR, "small.bin", &noise(4, 9_000));
    stage.scene.write(AUTHOR, "note.txt", b"second note");
    stage.scene.sync(AUTHOR);
}

fn assert_heals(stage: &mut Stage) {
    stage.evil.lift();
    stage.scene.quiet();
    let tree = stage.scene.assert_equal();
    assert_eq!(tree.len(), 9, "{:?}", tree.keys());
    let read = |name: &str| stage.scene.devices[VICTIM].vault.user_read(&path(name));
    assert!(read("big.bin") == Some(noise(2, 1_600_000)));
    assert!(read("large.bin") == Some(noise(3, 6_000_000)));
}

#[test]
fn swap_two_objects() {
    check(ObjectAttack::SwapTwoObjects);
}

#[test]
fn truncate_object() {
    check(ObjectAttack::TruncateObject);
}

#[test]
fn truncate_frame() {
    check(ObjectAttack::TruncateFrame);
}

#[test]
fn missing_object() {
    check(ObjectAttack::MissingObject);
}

#[test]
fn oversized_frame() {
    check(ObjectAttack::OversizedFrame);
}

#[test]
fn crowded_frame() {
    check(ObjectAttack::CrowdedFrame);
}

/// The same bytes sealed in the space of another account.
#[test]
fn object_from_other_space() {
    let mut other = Scene::new(9, 1);
    other.write(0, "large.bin", &noise(3, 1_000_000));
    other.sync(0);
    let (space, _) = other.devices[0].verified_head();
    let remote = other.devices[0].remote();
    let entry = remote.changes(space, 1).expect("honest").entries.remove(0);
    let header = fst_proto::log::decode_header(&entry.header).expect("a genuine header");
    let ids: Vec<_> = header
        .ops
        .iter()
        .flat_map(|op| op.add_refs.clone())
        .collect();
    let frame = remote.objects(space, &ids).expect("honest");
    let items = fst_proto::frame::parse(&frame).expect("a genuine frame");
    check(ObjectAttack::Replace(items[0].envelope.to_vec()));
}

/// A sealed payload of the log in place of a chunk: same keys, other kind.
#[test]
fn object_of_other_kind() {
    let stage = Stage::new();
    let payload = stage.log()[1].payload.clone().expect("a payload");
    check(ObjectAttack::Replace(payload));
}

/// Objects nobody asked for are no harm and no help.
#[test]
fn unknown_object_injected() {
    let mut stage = Stage::new();
    stage
        .evil
        .arm(Attack::Object(ObjectAttack::UnknownObjectInjected));
    author_changes(&mut stage);
    stage.victim_changes();
    let n_lies = stage.evil.n_lies();
    assert_eq!(stage.settle(), Ok(Outcome::Quiet));
    assert!(stage.evil.n_lies() > n_lies, "the attack was never shown");
    assert_heals(&mut stage);
}
