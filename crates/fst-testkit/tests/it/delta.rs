//! New versions of large files travel as deltas, both ways, and arrive byte by byte.
//!
//! Source: docs/adr/0018-deltas-by-a-kept-signature.md.

use fst_fs::fake::FakeEntry;
use fst_testkit::scene::{Scene, noise, path};

const AUTHOR: usize = 0;
const READER: usize = 1;

/// Two devices with the same file of `len` bytes without pattern.
fn settled(seed: u64, len: usize) -> (Scene, Vec<u8>) {
    let mut scene = Scene::new(seed, 2);
    let bytes = noise(seed, len);
    scene.write(AUTHOR, "big.bin", &bytes);
    scene.quiet();
    (scene, bytes)
}

/// Writes a version at `at`, syncs, checks that all have it, and returns what crossed each device's line.
fn edit(scene: &mut Scene, at: usize, bytes: &[u8]) -> (u64, u64) {
    let traffic = |scene: &Scene| {
        let (sent, _) = scene.devices[at].weather.traffic();
        let (_, received) = scene.devices[1 - at].weather.traffic();
        (sent, received)
    };
    let before = traffic(scene);
    scene.write(at, "big.bin", bytes);
    scene.quiet();
    let tree = scene.assert_equal();
    let is_there =
        matches!(&tree[&path("big.bin")], FakeEntry::File { bytes: found, .. } if found == bytes);
    assert!(is_there, "other bytes arrived");
    let after = traffic(scene);
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn small_edits_cost_little_both_ways() {
    let (mut scene, mut bytes) = settled(41, 6 << 20);
    bytes[3_000_000] ^= 1;
    let one_byte = edit(&mut scene, AUTHOR, &bytes);
    bytes.splice(0..0, noise(7, 1024));
    let inserted = edit(&mut scene, READER, &bytes);
    bytes.extend_from_slice(&noise(8, 1 << 20));
    let appended = edit(&mut scene, AUTHOR, &bytes);
    for (what, (up, down), most) in [
        ("1 byte", one_byte, 16_000),
        ("1 KiB in front", inserted, 16_000),
        ("1 MiB behind", appended, 1_060_000),
    ] {
        assert!(up <= most, "{what}: {up} bytes up");
        assert!(down <= most, "{what}: {down} bytes down");
    }
}

#[test]
fn a_copy_of_a_known_content_sends_none_of_it() {
    let (mut scene, bytes) = settled(42, 6 << 20);
    let before = scene.devices[AUTHOR].weather.traffic();
    scene.write(AUTHOR, "copy.bin", &bytes);
    scene.quiet();
    let sent = scene.devices[AUTHOR].weather.traffic().0 - before.0;
    assert!(sent <= 4096, "{sent} bytes sent");
    scene.assert_equal();
}

#[test]
fn an_old_file_that_changed_meanwhile_costs_bandwidth_and_no_byte() {
    let (mut scene, mut bytes) = settled(43, 2 << 20);
    bytes[1_000_000] ^= 1;
    scene.write(AUTHOR, "big.bin", &bytes);
    scene.sync(AUTHOR);
    // The reader's user edits as well: both contents survive.
    let mut other = bytes.clone();
    other[5] ^= 1;
    scene.write(READER, "big.bin", &other);
    scene.quiet();
    let tree = scene.assert_equal();
    let has = |wanted: &[u8]| {
        tree.values()
            .any(|entry| matches!(entry, FakeEntry::File { bytes, .. } if bytes == wanted))
    };
    assert!(has(&bytes) && has(&other), "an edit was lost");
}

#[test]
fn many_rounds_of_page_writes_arrive_and_stay_lean() {
    let (mut scene, mut bytes) = settled(44, 4 << 20);
    for round in 0..6 {
        for i in 0..102_u64 {
            let page = noise(round * 1000 + i, 4096);
            let at = usize::from(u16::from_le_bytes([page[0], page[1]])) % 1024 * 4096;
            bytes[at..at + 4096].copy_from_slice(&page);
        }
        let at = usize::try_from(round % 2).unwrap();
        let (up, down) = edit(&mut scene, at, &bytes);
        assert!(up <= 2 << 20 && down <= 2 << 20, "{up} up, {down} down");
    }
}

/// An editor that keeps the old file under another name, or replaces it by a new one: the path tells the base.
#[test]
fn a_new_file_in_the_place_of_an_old_one_travels_as_a_delta() {
    for keeps_backup in [false, true] {
        let (mut scene, mut bytes) = settled(45, 3 << 20);
        bytes[2_000_000] ^= 1;
        let before = [AUTHOR, READER].map(|at| scene.devices[at].weather.traffic());
        scene.user(AUTHOR, |vault| {
            if keeps_backup {
                vault.user_rename(&path("big.bin"), &path("big.bin~"))?;
            }
            vault.user_save(&path("big.bin"), &bytes)
        });
        scene.quiet();
        scene.assert_equal();
        let after = [AUTHOR, READER].map(|at| scene.devices[at].weather.traffic());
        let (up, down) = (after[0].0 - before[0].0, after[1].1 - before[1].1);
        assert!(up <= 16_000, "{up} bytes up, backup {keeps_backup}");
        assert!(down <= 16_000, "{down} bytes down, backup {keeps_backup}");
    }
}
