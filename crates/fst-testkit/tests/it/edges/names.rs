//! Names: case, composition, odd characters, and disks that take two names for one.

use super::{
    FakeOptions, FakeVault, Name, RelPath, Scene, assert_nothing_to_do, contents, copies, names,
    path, text,
};

const FOLDING: FakeOptions = FakeOptions {
    folds_case: true,
    mtime_grain_ns: 1,
    is_ctime_coarse: false,
};

/// Two devices; the second one's disk is told how to be.
fn with_disk(options: FakeOptions) -> Scene {
    let mut scene = Scene::new(25, 2);
    scene.devices[1].vault = FakeVault::with_options(options);
    scene
}

#[test]
fn a_change_of_case_travels_both_ways() {
    let mut scene = with_disk(FOLDING);
    scene.write(0, "File", b"file");
    scene.user(0, |vault| vault.user_mkdir(&path("Dir")));
    scene.write(0, "Dir/a", b"a");
    scene.quiet();
    let rename = |scene: &Scene, at: usize, from: &str, to: &str| {
        scene.user(at, |vault| vault.user_rename(&path(from), &path(to)));
    };
    rename(&scene, 0, "File", "file");
    rename(&scene, 0, "Dir", "dir");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 1), ["dir", "dir/a", "file"]);
    rename(&scene, 1, "file", "FILE");
    rename(&scene, 1, "dir", "DIR");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 0), ["DIR", "DIR/a", "FILE"]);
    assert_eq!(text(&scene, 0, "FILE"), "file");
}

#[test]
fn of_two_names_that_the_disk_takes_for_one_the_second_waits() {
    let mut scene = with_disk(FOLDING);
    scene.write(0, "File.txt", b"upper");
    scene.quiet();
    scene.write(0, "file.txt", b"lower");
    scene.write(0, "rest", b"rest");
    scene.sync(0);
    assert_eq!(scene.devices[1].sync(), "Waiting");
    assert_eq!(names(&scene, 1), ["File.txt", "rest"]);
    assert!(!scene.devices[1].problems().is_empty());
    scene.write(1, "File.txt", b"upper, edited on the folding disk");
    scene.devices[1].sync();
    scene.sync(0);
    assert_eq!(
        text(&scene, 0, "File.txt"),
        "upper, edited on the folding disk"
    );
    assert_eq!(text(&scene, 0, "file.txt"), "lower");
    // The user makes room.
    scene.user(0, |vault| {
        vault.user_rename(&path("file.txt"), &path("second.txt"))
    });
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 1, "second.txt"), "lower");
}

#[test]
fn of_two_spellings_of_one_name_the_second_waits() {
    let mut scene = with_disk(FakeOptions::default());
    scene.write(0, "caf\u{e9}", b"composed");
    scene.write(1, "cafe\u{301}", b"decomposed");
    scene.write(1, "rest", b"rest");
    scene.sync(0);
    assert_eq!(scene.devices[1].sync(), "Waiting");
    scene.sync(0);
    assert_eq!(names(&scene, 0), ["caf\u{e9}", "rest"]);
    assert_eq!(names(&scene, 1), ["cafe\u{301}", "caf\u{e9}", "rest"]);
    let problem = scene.devices[1].problems().pop().expect("one problem");
    assert_eq!(problem.code, "FST-3006");
    // Neither file was touched; another name lets it go.
    scene.user(1, |vault| {
        vault.user_rename(&path("cafe\u{301}"), &path("coffee"))
    });
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 0, "coffee"), "decomposed");
    assert_eq!(text(&scene, 1, "caf\u{e9}"), "composed");
    assert_nothing_to_do(&mut scene);
}

#[test]
fn a_known_file_renamed_to_another_spelling_is_not_deleted() {
    let mut scene = with_disk(FakeOptions::default());
    scene.write(0, "caf\u{e9}", b"composed");
    scene.write(0, "tea", b"tea");
    scene.quiet();
    scene.user(1, |vault| {
        vault.user_rename(&path("tea"), &path("cafe\u{301}"))
    });
    assert_eq!(scene.devices[1].sync(), "Waiting");
    scene.sync(0);
    assert_eq!(text(&scene, 0, "tea"), "tea");
    // The first one goes: there is room now.
    scene.user(0, |vault| vault.user_remove(&path("caf\u{e9}")));
    scene.sync(0);
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 0), ["cafe\u{301}"]);
    assert_eq!(text(&scene, 0, "cafe\u{301}"), "tea");
}

#[test]
fn names_that_other_systems_refuse_are_kept() {
    let odd: [&[u8]; 12] = [
        b"CON",
        b"aux.c",
        b"a:b",
        b"x?",
        b"dot.",
        b"space ",
        b" leading",
        b"-rf",
        b"new\nline",
        b"\xff\xfe",
        "right\u{202e}left".as_bytes(),
        b"back\\slash",
    ];
    let mut scene = with_disk(FakeOptions::default());
    for bytes in odd {
        let name = Name::new(bytes).expect("a name on this system");
        let place = RelPath::root().child(name).expect("a short path");
        scene.user(0, |vault| vault.user_write(&place, bytes));
    }
    scene.quiet();
    let tree = scene.assert_equal();
    assert_eq!(tree.len(), odd.len());
    for (place, _) in tree {
        let there = scene.devices[1].vault.user_read(&place);
        let name = place.name().map(|name| name.as_bytes().to_vec());
        assert_eq!(there, name);
    }
}

#[test]
fn coarse_times_make_no_difference() {
    let two_seconds = FakeOptions {
        folds_case: false,
        mtime_grain_ns: 2_000_000_000,
        is_ctime_coarse: true,
    };
    let mut scene = with_disk(two_seconds);
    scene.write(0, "a", b"a, by the fine one");
    scene.write(1, "b", b"b, by the coarse one");
    scene.user(0, |vault| vault.user_touch(&path("a"), -1_500_000_001));
    scene.quiet();
    scene.assert_equal();
    assert_nothing_to_do(&mut scene);
    scene.write(1, "a", b"a, by the coarse one");
    scene.write(0, "b", b"b, by the fine one");
    scene.quiet();
    scene.assert_equal();
    assert!(copies(&scene, 0).is_empty());
    assert_eq!(contents(&scene, 0).len(), 2);
    assert_nothing_to_do(&mut scene);
}
