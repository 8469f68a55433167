//! A crash or a failure at every step: of the disk, with and without a power cut, and of the line.
//!
//! One scenario with every kind of change is replayed with the fault at the first, second, … changing call or
//! request of one device, until no fault happens any more. Afterwards everybody syncs in peace, and the end is
//! that of a run without faults. Source: STYLE.md rule 39; docs/design/sync-semantics.md §"What must hold".

use std::collections::{BTreeMap, BTreeSet};

use fst_fs::fake::{FakeEntry, FakeVault, PowerCut};
use fst_fs::vault::VaultError;
use fst_proto::path::RelPath;
use fst_testkit::scene::{Scene, brief, noise, path};
use fst_testkit::world::Device;

use crate::evil::capture;

const AUTHOR: usize = 0;
const OTHER: usize = 1;

/// Every run ends: no scenario makes so many calls.
const STEPS_MAX: u64 = 5_000;

/// Larger than one chunk, and small enough to be replayed some hundred times.
const BIG: usize = (1 << 20) + 50_000;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The process ends at a changing call of the disk.
    Crash,
    /// So does the machine.
    PowerCut(PowerCut),
    /// The answer to a request does not arrive, and the process ends.
    Dark,
    /// A changing call of the disk, a barrier among them, fails without effect; the process goes on.
    Fails,
    /// It fails for want of space.
    NoSpace,
    /// It does its work and says it failed.
    AnswerLost,
    /// A call that only looks fails.
    LookFails,
    /// A changing call fails, and then the machine loses power: what a failed barrier gave up is not there.
    FailsThenPowerCut,
}

impl Fault {
    /// Plans it for step `n` from now.
    fn plan(self, device: &Device, n: u64) {
        let vault = &device.vault;
        let at = vault.n_calls() + n;
        let io = || VaultError::Io {
            op: "change",
            source: std::io::Error::other("input/output error"),
        };
        match self {
            Self::Crash | Self::PowerCut(_) => vault.crash_at(at),
            Self::Dark => device.weather.dark_after(n),
            Self::Fails | Self::FailsThenPowerCut => vault.fail_at(at, io()),
            Self::NoSpace => {
                let source = std::io::ErrorKind::StorageFull.into();
                let op = "write";
                vault.fail_at(at, VaultError::NoSpace { op, source });
            },
            Self::AnswerLost => vault.lose_answer_at(at),
            Self::LookFails => vault.fail_look_at(vault.n_looks() + n),
        }
    }

    /// Whether step `n` from a look before has come.
    fn is_due(self, device: &Device, counts: Counts, n: u64) -> bool {
        match self {
            Self::Crash | Self::PowerCut(_) => device.vault.is_crashed(),
            Self::Dark => device.weather.n_requests() >= counts.requests + n,
            Self::LookFails => device.vault.n_looks() >= counts.looks + n,
            Self::Fails | Self::NoSpace | Self::AnswerLost | Self::FailsThenPowerCut => {
                device.vault.n_calls() >= counts.calls + n
            },
        }
    }

    /// What follows once it has come.
    fn follow(self, device: &mut Device) {
        match self {
            Self::PowerCut(cut) => device.vault.power_cut(cut),
            Self::FailsThenPowerCut => device.vault.power_cut(PowerCut::Everything),
            Self::Fails | Self::NoSpace | Self::AnswerLost | Self::LookFails => return,
            Self::Crash | Self::Dark => {},
        }
        device.weather.dark_after(0);
        device.close();
        device.vault.revive();
    }
}

/// How far a device had come.
#[derive(Debug, Clone, Copy)]
struct Counts {
    calls: u64,
    looks: u64,
    requests: u64,
}

impl Counts {
    fn of(device: &Device) -> Self {
        Self {
            calls: device.vault.n_calls(),
            looks: device.vault.n_looks(),
            requests: device.weather.n_requests(),
        }
    }
}

/// Two devices in sync, then changed on both without syncing.
fn changed() -> Scene {
    let mut scene = Scene::new(11, 2);
    for name in [
        "edit",
        "rename",
        "swap-1",
        "swap-2",
        "gone",
        "local-loses",
        "remote-loses",
    ] {
        scene.write(AUTHOR, name, format!("{name}, first").as_bytes());
    }
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("tree")));
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("tree/sub")));
    scene.write(AUTHOR, "tree/one", b"one");
    scene.write(AUTHOR, "tree/sub/two", b"two");
    scene.write(AUTHOR, "big", &noise(1, BIG));
    scene.user(AUTHOR, |vault| vault.user_symlink(&path("link"), b"edit"));
    scene.quiet();
    scene.write(
        OTHER,
        "local-loses",
        b"local-loses, written first by the other",
    );
    scene.write(
        AUTHOR,
        "remote-loses",
        b"remote-loses, written first by the author",
    );
    author_changes(&scene);
    scene.write(
        AUTHOR,
        "local-loses",
        b"local-loses, written last by the author",
    );
    scene.write(
        OTHER,
        "remote-loses",
        b"remote-loses, written last by the other",
    );
    scene.write(OTHER, "from-other", b"a new file of the other");
    scene
}

fn author_changes(scene: &Scene) {
    let rename = |from: &str, to: &str| {
        scene.user(AUTHOR, |vault| vault.user_rename(&path(from), &path(to)));
    };
    scene.write(AUTHOR, "create", b"a new file of the author");
    scene.write(AUTHOR, "edit", b"edit, second");
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("dir")));
    rename("rename", "dir/renamed");
    rename("swap-1", "swap-0");
    rename("swap-2", "swap-1");
    rename("swap-0", "swap-2");
    scene.user(AUTHOR, |vault| vault.user_remove(&path("gone")));
    scene.user(AUTHOR, |vault| vault.user_remove(&path("tree")));
    scene.write(AUTHOR, "big", &noise(2, BIG));
    scene.user(AUTHOR, |vault| vault.user_remove(&path("link")));
    scene.user(AUTHOR, |vault| vault.user_symlink(&path("link"), b"create"));
}

/// What everybody shows in the end: paths and contents, and apart from them the conflict copies.
#[derive(Debug, PartialEq, Eq)]
struct End {
    tree: BTreeMap<RelPath, FakeEntry>,
    copies: BTreeSet<Vec<u8>>,
}

fn end_of(scene: &mut Scene, context: &str) -> End {
    scene.quiet();
    let (copies, tree): (BTreeMap<_, _>, BTreeMap<_, _>) = scene
        .assert_equal()
        .into_iter()
        .partition(|(path, _)| path.to_string().contains("(conflict"));
    let n_copies = copies.len();
    let bytes = |entry: FakeEntry| match entry {
        FakeEntry::File { bytes, .. } => bytes,
        other => brief(&other).into_bytes(),
    };
    let names: Vec<String> = copies.keys().map(ToString::to_string).collect();
    let copies: BTreeSet<Vec<u8>> = copies.into_values().map(bytes).collect();
    assert_eq!(
        copies.len(),
        n_copies,
        "{context}: a conflict copy was made twice: {names:?}"
    );
    End { tree, copies }
}

/// Runs a scenario with the fault at step `n` of device `at`. Returns whether it happened.
fn replay(scenario: fn() -> Scene, at: usize, fault: Fault, n: u64, expected: &End) -> bool {
    let context = format!("device {at}, {fault:?} at step {n}");
    let mut scene = scenario();
    let counts = Counts::of(&scene.devices[at]);
    fault.plan(&scene.devices[at], n);
    let mut has_happened = false;
    for turn in [AUTHOR, OTHER, AUTHOR, OTHER] {
        scene.clock.advance(1_000);
        drop(scene.devices[turn].sync());
        let device = &mut scene.devices[at];
        if !has_happened && fault.is_due(device, counts, n) {
            has_happened = true;
            fault.follow(device);
        }
    }
    let device = &scene.devices[at];
    device.vault.revive();
    device.weather.dark_after(0);
    let end = end_of(&mut scene, &context);
    let lines = |end: &End| -> Vec<String> {
        let line = |(path, entry): (&RelPath, &FakeEntry)| format!("{path}: {}", brief(entry));
        let copies = end
            .copies
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        end.tree.iter().map(line).chain(copies).collect()
    };
    assert_eq!(lines(&end), lines(expected), "{context}");
    assert!(end == *expected, "{context}: other bytes");
    has_happened
}

fn check(at: usize, fault: Fault) {
    check_all(changed, 2, at, fault);
}

/// A fault at every step of `scenario`, which has `n_conflicts`.
fn check_all(scenario: fn() -> Scene, n_conflicts: usize, at: usize, fault: Fault) {
    let expected = end_of(&mut scenario(), "without faults");
    let n_copies = expected.copies.len();
    assert_eq!(n_copies, n_conflicts, "one copy for each conflict");
    let n_steps = (1..STEPS_MAX)
        .take_while(|&n| replay(scenario, at, fault, n, &expected))
        .count();
    assert!(n_steps >= 3, "the scenario has more steps than {n_steps}");
    assert!(
        n_steps + 1 < usize::try_from(STEPS_MAX).unwrap_or(0),
        "it never ends"
    );
}

#[test]
fn author_crashes_at_every_step() {
    check(AUTHOR, Fault::Crash);
}

#[test]
fn other_crashes_at_every_step() {
    check(OTHER, Fault::Crash);
}

#[test]
fn author_loses_power_at_every_step() {
    check(AUTHOR, Fault::PowerCut(PowerCut::Everything));
}

#[test]
fn other_loses_power_at_every_step() {
    check(OTHER, Fault::PowerCut(PowerCut::Everything));
}

#[test]
fn author_loses_contents_at_every_step() {
    check(AUTHOR, Fault::PowerCut(PowerCut::Contents));
}

#[test]
fn other_loses_contents_at_every_step() {
    check(OTHER, Fault::PowerCut(PowerCut::Contents));
}

#[test]
fn author_goes_dark_at_every_request() {
    check(AUTHOR, Fault::Dark);
}

#[test]
fn other_goes_dark_at_every_request() {
    check(OTHER, Fault::Dark);
}

/// One file edited on both, and moved by the author: for the other its own bytes win and the author's place does.
fn moved_and_edited() -> Scene {
    let mut scene = Scene::new(12, 2);
    scene.write(AUTHOR, "x", b"x, first");
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("dir")));
    scene.quiet();
    scene.user(AUTHOR, |vault| {
        vault.user_rename(&path("x"), &path("dir/x"))
    });
    scene.write(AUTHOR, "dir/x", b"x, second, by the author");
    scene.write(OTHER, "x", b"x, third, by the other");
    scene
}

/// The move is a step before the copy: base may not pass the author's bytes until they lie beside it.
#[test]
fn base_waits_for_the_copy_at_every_step() {
    let end = end_of(&mut moved_and_edited(), "without faults");
    let kept: Vec<&[u8]> = end.copies.iter().map(Vec::as_slice).collect();
    assert_eq!(kept, [b"x, second, by the author"]);
    check_all(moved_and_edited, 1, OTHER, Fault::Crash);
    let cut = Fault::PowerCut(PowerCut::Everything);
    check_all(moved_and_edited, 1, OTHER, cut);
    check_all(moved_and_edited, 1, OTHER, Fault::Dark);
}

/// The other device makes a move and sets a mode, or one of the two, and what settles that fails at step `again`; then the
/// author removes the file.
fn half_made(fault: Fault, n: u64, again: Option<u64>) -> bool {
    let mut scene = Scene::new(13, 2);
    scene.write(AUTHOR, "x", b"x");
    scene.quiet();
    scene.user(AUTHOR, |vault| vault.user_rename(&path("x"), &path("y")));
    scene.user(AUTHOR, |vault| vault.user_chmod(&path("y"), true));
    scene.sync(AUTHOR);
    let counts = Counts::of(&scene.devices[OTHER]);
    fault.plan(&scene.devices[OTHER], n);
    drop(scene.devices[OTHER].cycle());
    let device = &mut scene.devices[OTHER];
    let has_happened = fault.is_due(device, counts, n);
    if has_happened {
        fault.follow(device);
    }
    device.vault.revive();
    if let Some(again) = again {
        Fault::NoSpace.plan(device, again);
        drop(device.cycle());
        device.vault.revive();
    }
    scene.user(AUTHOR, |vault| vault.user_remove(&path("y")));
    scene.sync(AUTHOR);
    scene.quiet();
    let left = scene.assert_equal();
    assert!(
        left.is_empty(),
        "{fault:?} at step {n}, {again:?}: {left:?}"
    );
    has_happened
}

#[test]
fn what_was_made_by_half_is_no_edit() {
    for fault in [
        Fault::Crash,
        Fault::Fails,
        Fault::NoSpace,
        Fault::AnswerLost,
    ] {
        for again in [None, Some(1), Some(2), Some(3), Some(4)] {
            let is_half = |&n: &u64| half_made(fault, n, again);
            let n_steps = (1..STEPS_MAX).take_while(is_half).count();
            assert!(n_steps >= 2, "{fault:?} has more steps than {n_steps}");
        }
    }
}

#[test]
fn author_fails_at_every_change() {
    check(AUTHOR, Fault::Fails);
}

#[test]
fn other_fails_at_every_change() {
    check(OTHER, Fault::Fails);
}

#[test]
fn other_has_no_space_at_every_change() {
    check(OTHER, Fault::NoSpace);
}

#[test]
fn author_misses_the_answer_of_every_change() {
    check(AUTHOR, Fault::AnswerLost);
}

#[test]
fn other_misses_the_answer_of_every_change() {
    check(OTHER, Fault::AnswerLost);
}

#[test]
fn author_fails_at_every_look() {
    check(AUTHOR, Fault::LookFails);
}

#[test]
fn other_fails_at_every_look() {
    check(OTHER, Fault::LookFails);
}

#[test]
fn other_fails_at_every_change_and_loses_power() {
    check(OTHER, Fault::FailsThenPowerCut);
}

/// Both devices in sync, the second one without its database.
fn forgetful() -> Scene {
    let mut scene = changed();
    scene.quiet();
    scene.devices[OTHER].lose_database();
    scene
}

#[test]
fn lose_database_with_equal_contents() {
    let mut scene = forgetful();
    let before = scene.assert_equal();
    let (space, head) = scene.devices[AUTHOR].verified_head();
    let line = capture(&mut scene, OTHER);
    scene.quiet();
    assert!(scene.assert_equal() == before, "nothing changes");
    assert_eq!(scene.head(space), head, "nothing is committed");
    assert_eq!(line.n_object_bytes(), 0, "no content travels");
}

#[test]
fn lose_database_with_local_edits() {
    let mut scene = forgetful();
    let before = scene.assert_equal();
    scene.write(OTHER, "edit", b"edit, third, by the other");
    scene.write(OTHER, "fresh", b"new while the database was lost");
    scene.write(AUTHOR, "create", b"create, second, by the author");
    let end = end_of(&mut scene, "without faults");
    let is_in_end = |wanted: &[u8]| {
        let in_tree = end.tree.values().any(
            |entry| matches!(entry, FakeEntry::File { bytes, .. } if bytes.as_slice() == wanted),
        );
        in_tree || end.copies.contains(wanted)
    };
    for wanted in [
        &b"edit, third, by the other"[..],
        b"new while the database was lost",
        b"create, second, by the author",
    ] {
        assert!(
            is_in_end(wanted),
            "lost {}",
            String::from_utf8_lossy(wanted)
        );
    }
    for (path, entry) in &before {
        let is_replaced = ["edit", "create"].contains(&path.to_string().as_str());
        if let FakeEntry::File { bytes, .. } = entry {
            assert!(is_replaced || is_in_end(bytes), "lost {path}");
        }
    }
    assert!(
        end.copies.len() <= 4,
        "{} conflict copies",
        end.copies.len()
    );
}

/// What the author's user does to `d/a`, not on the disk when the sync begins, survives a power cut after it.
#[track_caller]
fn survives_once_sent(act: impl Fn(&FakeVault) -> fst_fs::vault::Result<()>) {
    let mut scene = Scene::new(12, 2);
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("d")));
    for bytes in [b"first", b"again"] {
        scene.write(AUTHOR, "d/a", bytes);
        scene.quiet();
    }
    act(&scene.devices[AUTHOR].vault).expect("the user can do it");
    scene.sync(AUTHOR);
    let author = &mut scene.devices[AUTHOR];
    author.close();
    author.vault.power_cut(PowerCut::Everything);
    author.vault.revive();
    scene.quiet();
    let read = |at: usize| scene.devices[at].vault.user_read(&path("d/a"));
    let expected = Some(b"third".to_vec());
    assert_eq!((read(AUTHOR), read(OTHER)), (expected.clone(), expected));
}

#[test]
fn a_saved_file_is_on_the_disk_before_it_is_sent() {
    survives_once_sent(|vault| vault.user_write(&path("d/a"), b"third"));
    survives_once_sent(|vault| vault.user_save(&path("d/a"), b"third"));
}

#[test]
fn so_is_a_file_in_a_directory_that_was_made_anew() {
    survives_once_sent(|vault| {
        vault.user_remove(&path("d"))?;
        vault.user_mkdir(&path("d"))?;
        vault.user_write(&path("d/a"), b"third")
    });
}

#[test]
fn so_is_what_arrives_in_a_directory_that_was_made_anew() {
    let mut scene = Scene::new(13, 2);
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("d")));
    for bytes in [b"first", b"again"] {
        scene.write(AUTHOR, "d/a", bytes);
        scene.quiet();
    }
    let vault = scene.devices[OTHER].vault.clone();
    vault.user_remove(&path("d")).expect("it is there");
    vault.user_mkdir(&path("d")).expect("the place is free");
    vault.user_write(&path("d/a"), b"again").expect("write");
    scene.write(AUTHOR, "d/b", b"new");
    scene.sync(AUTHOR);
    scene.sync(OTHER);
    scene.devices[OTHER].close();
    vault.power_cut(PowerCut::Everything);
    vault.revive();
    scene.quiet();
    for at in [AUTHOR, OTHER] {
        let read = scene.devices[at].vault.user_read(&path("d/b"));
        assert_eq!(read.as_deref(), Some(b"new".as_slice()), "device {at}");
    }
}
