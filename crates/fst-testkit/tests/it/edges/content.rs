//! Contents: edits that meet, times, sizes, files that change while they are looked at.

use super::{
    FakeEntry, Scene, assert_nothing_to_do, capture, contents, copies, n_entries, names, noise,
    pair, path, read, text,
};

/// Every order of three devices.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

#[test]
fn the_order_of_syncing_decides_nothing() {
    let ends = ORDERS.map(|order| {
        let mut scene = Scene::new(22, 3);
        scene.write(0, "x", b"x, first");
        scene.write(0, "y", b"y, first");
        scene.quiet();
        for at in 0..3 {
            scene.write(at, "x", format!("x, by {at}").as_bytes());
        }
        scene.user(1, |vault| vault.user_remove(&path("y")));
        scene.write(2, "y", b"y, second");
        for at in order {
            scene.sync(at);
        }
        scene.quiet();
        let tree = scene.assert_equal();
        assert_eq!(text(&scene, 0, "x"), "x, by 2", "{order:?}");
        assert_eq!(text(&scene, 0, "y"), "y, second", "{order:?}");
        assert_eq!(copies(&scene, 0).len(), 2, "{order:?}");
        let contents: Vec<FakeEntry> = tree.into_values().collect();
        let mut shown: Vec<String> = contents.iter().map(|entry| format!("{entry:?}")).collect();
        shown.sort();
        shown
    });
    assert!(ends.iter().all(|end| *end == ends[0]));
}

#[test]
fn the_same_edit_on_both_is_no_conflict() {
    let mut scene = pair();
    scene.write(0, "x", b"x, second");
    scene.write(1, "x", b"x, second");
    scene.sync(0);
    scene.sync(1);
    scene.quiet();
    assert_eq!(names(&scene, 1), ["x"]);
    let times = [0, 1].map(|at| {
        let stat = scene.devices[at].vault.user_stat(&path("x"));
        stat.expect("it is there").mtime_ns
    });
    assert!(times[0] < times[1], "nobody's file is touched for a time");
    assert_nothing_to_do(&mut scene);
}

#[test]
fn a_conflict_about_a_conflict_copy_nests_no_names() {
    let mut scene = pair();
    scene.write(0, "x", b"x, by 0");
    scene.write(1, "x", b"x, by 1");
    scene.quiet();
    let copy = copies(&scene, 0).pop().expect("one copy");
    scene.write(0, &copy, b"copy, by 0");
    scene.write(1, &copy, b"copy, by 1");
    scene.quiet();
    scene.assert_equal();
    let wanted = [&b"x, by 1"[..], b"copy, by 0", b"copy, by 1"];
    assert_eq!(contents(&scene, 0), wanted.map(<[u8]>::to_vec).into());
    for name in copies(&scene, 0) {
        assert_eq!(name.matches("(conflict").count(), 1, "{name}");
    }
}

#[test]
fn a_conflict_resolved_on_both_is_over() {
    let mut scene = pair();
    scene.write(0, "x", b"x, by 0");
    scene.write(1, "x", b"x, by 1");
    scene.quiet();
    let copy = path(&copies(&scene, 0).pop().expect("one copy"));
    for at in [0, 1] {
        scene.user(at, |vault| vault.user_remove(&copy));
        scene.write(at, "x", b"x, by 0 and 1");
    }
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 0), ["x"]);
    assert_nothing_to_do(&mut scene);
}

#[test]
fn equal_size_and_time_do_not_hide_an_edit() {
    let mut scene = pair();
    let stat = scene.devices[0].vault.user_stat(&path("x"));
    let mtime_ns = stat.expect("it is there").mtime_ns;
    scene.write(0, "x", b"x, other");
    scene.user(0, |vault| vault.user_touch(&path("x"), mtime_ns));
    scene.quiet();
    assert_eq!(text(&scene, 1, "x"), "x, other");
}

#[test]
fn a_file_older_than_before_is_an_edit() {
    let mut scene = pair();
    scene.write(0, "x", b"x, from an archive");
    scene.user(0, |vault| vault.user_touch(&path("x"), 1_000_000_000));
    scene.quiet();
    assert_eq!(text(&scene, 1, "x"), "x, from an archive");
    scene.assert_equal();
    assert!(copies(&scene, 0).is_empty());
}

#[test]
fn all_times_shifted_send_nothing() {
    let mut scene = pair();
    for n in 0..20 {
        scene.write(0, &format!("f{n}"), format!("file {n}").as_bytes());
    }
    scene.quiet();
    for at in [0, 1] {
        for name in names(&scene, at) {
            let stat = scene.devices[at].vault.user_stat(&path(&name));
            let later = stat.expect("it is there").mtime_ns + 3_600_000_000_000;
            scene.user(at, |vault| vault.user_touch(&path(&name), later));
        }
    }
    assert_nothing_to_do(&mut scene);
}

#[test]
fn saving_beside_and_renaming_over_is_one_edit() {
    let mut scene = pair();
    let before = n_entries(&mut scene);
    scene.user(0, |vault| vault.user_save(&path("x"), b"x, saved"));
    scene.quiet();
    assert_eq!(text(&scene, 1, "x"), "x, saved");
    assert_eq!(n_entries(&mut scene), before + 1);
    // Removed and written anew between two looks: the same.
    scene.user(0, |vault| vault.user_remove(&path("x")));
    scene.write(0, "x", b"x, made anew");
    scene.write(1, "x", b"x, by the other before");
    scene.sync(0);
    scene.quiet();
    let wanted = [&b"x, made anew"[..], b"x, by the other before"];
    assert_eq!(contents(&scene, 0), wanted.map(<[u8]>::to_vec).into());
    assert_eq!(names(&scene, 0).len(), 2);
}

#[test]
fn deleted_and_made_anew_while_the_other_was_away() {
    let mut scene = pair();
    scene.user(0, |vault| vault.user_remove(&path("x")));
    scene.sync(0);
    scene.write(0, "x", b"x, another file");
    scene.sync(0);
    scene.quiet();
    assert_eq!(text(&scene, 1, "x"), "x, another file");
    assert_eq!(names(&scene, 1), ["x"]);
}

#[test]
fn every_size_makes_the_round_trip() {
    const CHUNK: usize = 1 << 20;
    let mut scene = Scene::new(23, 2);
    let sizes = [
        0,
        1,
        4095,
        4096,
        4097,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        5 * CHUNK,
    ];
    for (salt, size) in sizes.into_iter().enumerate() {
        let bytes = noise(salt as u64, size);
        scene.write(0, &format!("f{size}"), &bytes);
        scene.write(0, &format!("z{size}"), &vec![0; size]);
    }
    scene.quiet();
    scene.assert_equal();
    for (salt, size) in sizes.into_iter().enumerate() {
        let bytes = noise(salt as u64, size);
        assert_eq!(read(&scene, 1, &format!("f{size}")), bytes, "{size}");
    }
}

#[test]
fn a_log_that_never_rests_arrives_in_the_end() {
    let mut scene = pair();
    let log = scene.devices[0].vault.user_open(&path("x"));
    let log = log.expect("it can be written");
    for n in 0..10 {
        log.append(format!("line {n}\n").as_bytes());
        scene.clock.advance(100);
        scene.devices[0].sync();
        scene.devices[1].sync();
    }
    drop(log);
    scene.quiet();
    scene.assert_equal();
    assert!(text(&scene, 1, "x").ends_with("line 8\nline 9\n"));
    assert!(copies(&scene, 0).is_empty());
}

#[test]
fn deletes_and_edits_of_a_device_that_was_away_for_long() {
    const MONTH_MS: u64 = 30 * 24 * 3_600_000;
    let mut scene = pair();
    for name in ["gone", "gone-but-edited", "kept"] {
        scene.write(0, name, format!("{name}, first").as_bytes());
    }
    scene.quiet();
    for name in ["gone", "gone-but-edited"] {
        scene.user(0, |vault| vault.user_remove(&path(name)));
    }
    scene.sync(0);
    scene.write(1, "gone-but-edited", b"an edit while away");
    scene.clock.advance(14 * MONTH_MS);
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 0), ["gone-but-edited", "kept", "x"]);
    assert_eq!(text(&scene, 0, "gone-but-edited"), "an edit while away");
}

#[test]
fn two_populated_folders_unite() {
    let mut scene = Scene::new(24, 2);
    for at in [0, 1] {
        scene.user(at, |vault| vault.user_mkdir(&path("d")));
        scene.write(at, "d/same", &noise(7, 300_000));
        scene.write(at, "only", format!("only, of {at}").as_bytes());
        scene.write(at, &format!("d/own-{at}"), b"own");
    }
    scene.sync(0);
    let line = capture(&mut scene, 1);
    scene.sync(1);
    assert!(
        line.n_object_bytes() < 10_000,
        "equal contents stay at home"
    );
    scene.quiet();
    scene.assert_equal();
    for wanted in ["only, of 0", "only, of 1"] {
        assert!(contents(&scene, 0).contains(wanted.as_bytes()), "{wanted}");
    }
    let names = names(&scene, 0);
    assert_eq!(names.len(), 6, "{names:?}");
}
