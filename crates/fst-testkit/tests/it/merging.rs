//! Devices that merge: three of them, and one that dies at every step and request of a merge.
//!
//! Afterwards all have the merge and nothing else, and everything that went into it is in history.
//! Source: docs/design/sync-semantics.md, rows S-320 to S-322; STYLE.md rule 39.

use std::collections::BTreeSet;

use fst_client::config::ConflictRules;
use fst_client::fetch::{Fetcher, Flat};
use fst_engine::reconcile::{Backup, Strategy};
use fst_fs::fake::{FakeEntry, PowerCut};
use fst_testkit::scene::Scene;

const FIRST: usize = 0;
const SECOND: usize = 1;

/// Every run ends: no merge makes so many calls.
const STEPS_MAX: u64 = 500;

/// More than what travels inside a batch.
const N_LINES: usize = 400;

/// A long text with some lines changed.
fn text(changes: &[(usize, &str)]) -> Vec<u8> {
    let line = |n: usize| {
        let change = changes.iter().find(|(at, _)| *at == n);
        change.map_or(format!("this is line {n}\n"), |(_, new)| format!("{new}\n"))
    };
    (0..N_LINES).map(line).collect::<String>().into_bytes()
}

/// Devices that have the same text, merge, and have not met since they changed it.
fn apart(n_devices: usize) -> Scene {
    let mut scene = Scene::new(71, n_devices);
    for device in &mut scene.devices {
        device.conflicts = ConflictRules {
            strategy: Strategy::Merge,
            backup: Backup::HistoryOnly,
        };
    }
    scene.write(FIRST, "f", &text(&[]));
    scene.quiet();
    for at in 0..n_devices {
        scene.write(at, "f", &text(&[(at * 100, "changed")]));
    }
    scene
}

/// The only file of all folders.
fn only_file(scene: &Scene) -> Vec<u8> {
    let end = scene.assert_equal();
    let files: Vec<Vec<u8>> = end
        .into_values()
        .filter_map(|entry| match entry {
            FakeEntry::File { bytes, .. } => Some(bytes),
            _ => None,
        })
        .collect();
    assert_eq!(files.len(), 1, "a copy was left");
    files.concat()
}

/// Everything that is in history.
fn history(scene: &mut Scene) -> BTreeSet<Vec<u8>> {
    scene.devices[FIRST].beside(|db, space, remote| {
        let mut rows = Vec::new();
        db.read()
            .revisions_until(u64::from(u32::MAX) << 16, &mut |row| rows.push(row))
            .expect("a sound database");
        let mut fetcher = Fetcher::new(space, remote, db.read());
        let files = rows.into_iter().filter(|row| !row.is_deleted);
        let bytes = files.map(|row| {
            let mut bytes = Vec::new();
            let read = fetcher.write_revision(&row, &mut Flat(&mut bytes));
            read.expect("the server has it");
            bytes
        });
        bytes.collect()
    })
}

#[test]
fn three_devices_merge_to_one_text() {
    let mut scene = apart(3);
    scene.quiet();
    let merged = text(&[(0, "changed"), (100, "changed"), (200, "changed")]);
    assert_eq!(only_file(&scene), merged);
    let history = history(&mut scene);
    for at in 0..3 {
        assert!(history.contains(&text(&[(at * 100, "changed")])), "{at}");
    }
}

#[test]
fn a_crash_anywhere_in_a_merge_changes_nothing() {
    for (on_disk, cut) in [
        (false, None),
        (true, None),
        (true, Some(PowerCut::Everything)),
    ] {
        let mut n_kills = 0;
        for n in 1..STEPS_MAX {
            let mut scene = apart(2);
            scene.sync(FIRST);
            if !scene.devices[SECOND].kill_in_sync(n, on_disk, cut) {
                break;
            }
            n_kills += 1;
            scene.quiet();
            let merged = text(&[(0, "changed"), (100, "changed")]);
            assert_eq!(only_file(&scene), merged, "killed at {n}, disk {on_disk}");
            let history = history(&mut scene);
            for at in 0..2 {
                let input = text(&[(at * 100, "changed")]);
                assert!(history.contains(&input), "killed at {n}: input {at}");
            }
        }
        assert!(n_kills > 5, "{n_kills} kills, disk {on_disk}");
    }
}
