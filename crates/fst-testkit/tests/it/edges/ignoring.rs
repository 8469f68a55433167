//! Ignore rules between devices: rules that move, and what is ignored where others change things.

use std::collections::BTreeSet;

use super::{Scene, contents, names, path, text};

const ALL_BUT_B: &[u8] = b"*\n!.fstignore\n!b\n";

/// Two devices with these rules and a file `b`.
fn ruled(rules: &[u8]) -> Scene {
    let mut scene = Scene::new(31, 2);
    scene.write(0, ".fstignore", rules);
    scene.write(0, "b", b"one");
    scene.quiet();
    scene
}

#[test]
fn s235_a_rule_file_that_is_moved_to_an_ignored_name_rules_nowhere() {
    let mut scene = ruled(ALL_BUT_B);
    scene.write(0, "mine", b"not for others");
    scene.quiet();
    assert_eq!(names(&scene, 1), [".fstignore", "b"]);
    scene.user(1, |vault| {
        vault.user_rename(&path(".fstignore"), &path("d"))
    });
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 0), ["b", "d", "mine"]);
}

#[test]
fn s236_a_conflict_copy_with_an_ignored_name_is_not_made() {
    let mut scene = ruled(b"*conflict*\n");
    scene.write(0, "b", b"by the first");
    scene.write(1, "b", b"by the second");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 0), [".fstignore", "b"]);
    let kept = ["by the first", "by the second"];
    assert!(kept.contains(&text(&scene, 0, "b").as_str()));
    let n_versions = scene.devices[0].beside(|db, _, _| {
        let mut versions = BTreeSet::new();
        let known = db.read().revisions_until(u64::MAX >> 1, &mut |row| {
            versions.insert(row.state.content.id);
        });
        known.expect("a sound database");
        versions.len()
    });
    assert_eq!(n_versions, 4, "the rules, what was, and both edits");
    scene.write(1, ".fstignore", b"# nothing\n");
    scene.quiet();
    scene.assert_equal();
    assert!(contents(&scene, 0).len() >= 2);
}

#[test]
fn what_is_ignored_keeps_its_directory_however_often_it_was_seen() {
    let mut scene = ruled(b"e/a\n");
    scene.user(0, |vault| vault.user_mkdir(&path("e")));
    scene.write(0, "e/x", b"x");
    scene.quiet();
    scene.write(0, "e/a", b"mine");
    for _ in 0..3 {
        scene.quiet();
        scene.devices[0].resync().expect("it is in sync");
    }
    scene.user(1, |vault| vault.user_remove(&path("e/x")));
    scene.user(1, |vault| vault.user_remove(&path("e")));
    scene.quiet();
    assert_eq!(scene.devices[0].problems(), []);
    assert_eq!(names(&scene, 0), [".fstignore", "b", "e", "e/a"]);
    assert_eq!(text(&scene, 0, "e/a"), "mine");
}
