//! The disk: kinds that change, directories that move, what cannot be seen, written or found.

use fst_fs::vault::Vault as _;

use super::{
    FakeEntry, RootState, Scene, VaultError, assert_nothing_to_do, contents, copies, names, pair,
    path, text,
};

#[test]
fn kinds_change_on_one_side_and_contents_on_the_other() {
    let mut scene = pair();
    for name in ["to-dir", "to-link", "from-link"] {
        scene.write(0, name, format!("{name}, first").as_bytes());
    }
    scene.user(0, |vault| vault.user_mkdir(&path("to-file")));
    scene.write(0, "to-file/a", b"a, first");
    scene.quiet();
    for name in ["to-dir", "to-link", "to-file"] {
        scene.user(0, |vault| vault.user_remove(&path(name)));
    }
    scene.user(0, |vault| vault.user_mkdir(&path("to-dir")));
    scene.write(0, "to-dir/b", b"b, first");
    scene.user(0, |vault| vault.user_symlink(&path("to-link"), b"x"));
    scene.write(0, "to-file", b"a file now");
    scene.write(1, "to-dir", b"to-dir, second");
    scene.write(1, "to-link", b"to-link, second");
    scene.write(1, "to-file/c", b"c, first");
    scene.sync(0);
    scene.quiet();
    let tree = scene.assert_equal();
    assert_eq!(tree.get(&path("to-dir")), Some(&FakeEntry::Dir));
    assert_eq!(tree.get(&path("to-file")), Some(&FakeEntry::Dir));
    let wanted = [
        &b"b, first"[..],
        b"to-dir, second",
        b"to-link, second",
        b"a file now",
        b"c, first",
    ];
    let there = contents(&scene, 1);
    for bytes in wanted {
        let shown = String::from_utf8_lossy(bytes);
        assert!(there.contains(bytes), "{shown} in {:?}", names(&scene, 1));
    }
    let link = FakeEntry::Symlink(b"x".to_vec());
    assert!(tree.values().any(|entry| *entry == link));
}

#[test]
fn directories_moved_into_each_other() {
    let mut scene = pair();
    for dir in ["p", "q"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/file"), dir.as_bytes());
    }
    scene.quiet();
    let rename = |scene: &Scene, at: usize, from: &str, to: &str| {
        scene.user(at, |vault| vault.user_rename(&path(from), &path(to)));
    };
    rename(&scene, 0, "p", "q/p");
    rename(&scene, 1, "q", "p/q");
    scene.sync(0);
    scene.quiet();
    scene.assert_equal();
    assert_eq!(names(&scene, 1), ["q", "q/file", "q/p", "q/p/file", "x"]);
}

#[test]
fn directories_that_swap_names() {
    let mut scene = pair();
    for dir in ["p", "q"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/{dir}-file"), dir.as_bytes());
    }
    scene.quiet();
    for (from, to) in [("p", "t"), ("q", "p"), ("t", "q")] {
        scene.user(0, |vault| vault.user_rename(&path(from), &path(to)));
    }
    scene.write(1, "p/added", b"by the other");
    scene.sync(0);
    scene.quiet();
    scene.assert_equal();
    assert!(copies(&scene, 0).is_empty(), "{:?}", names(&scene, 0));
    assert_eq!(contents(&scene, 0).len(), 4);
}

#[test]
fn what_cannot_be_listed_is_not_deleted() {
    let mut scene = pair();
    scene.user(0, |vault| vault.user_mkdir(&path("d")));
    scene.write(0, "d/a", b"a, first");
    scene.write(0, "d/b", b"b, first");
    scene.quiet();
    scene.user(1, |vault| vault.user_set_readable(&path("d"), false));
    scene.write(0, "d/a", b"a, second");
    scene.user(0, |vault| vault.user_remove(&path("d/b")));
    scene.write(0, "x", b"x, second");
    scene.sync(0);
    assert_eq!(scene.devices[1].sync(), "Waiting");
    assert_eq!(text(&scene, 1, "x"), "x, second", "the rest goes on");
    assert!(!scene.devices[1].problems().is_empty());
    scene.sync(0);
    assert_eq!(names(&scene, 0), ["d", "d/a", "x"], "nothing else went");
    scene.user(1, |vault| vault.user_set_readable(&path("d"), true));
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 1, "d/a"), "a, second");
}

#[test]
fn a_pipe_stays_where_its_directory_goes() {
    let mut scene = pair();
    for dir in ["moved", "deleted"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/a"), b"a");
    }
    scene.quiet();
    for dir in ["moved", "deleted"] {
        let pipe = path(&format!("{dir}/pipe"));
        scene.user(1, |vault| vault.user_special(&pipe));
    }
    scene.user(0, |vault| vault.user_rename(&path("moved"), &path("there")));
    scene.user(0, |vault| vault.user_remove(&path("deleted")));
    scene.sync(0);
    assert_eq!(scene.devices[1].sync(), "Waiting");
    assert_eq!(
        names(&scene, 1),
        [
            "deleted",
            "deleted/pipe",
            "there",
            "there/a",
            "there/pipe",
            "x"
        ]
    );
}

#[test]
fn a_folder_that_is_not_there_deletes_nothing() {
    for root in [RootState::Missing, RootState::Replaced] {
        let mut scene = pair();
        scene.devices[1].vault.set_root(root);
        assert_ne!(scene.devices[1].sync(), "Quiet");
        scene.devices[1].close();
        assert_ne!(scene.devices[1].sync(), "Quiet");
        scene.sync(0);
        assert_eq!(names(&scene, 0), ["x"]);
        scene.devices[1].vault.set_root(RootState::Present);
        scene.write(0, "x", b"x, second");
        scene.quiet();
        scene.assert_equal();
    }
}

#[test]
fn an_emptied_folder_deletes_nothing() {
    let mut scene = pair();
    for n in 0..6 {
        scene.write(0, &format!("f{n}"), b"file");
    }
    scene.quiet();
    for name in names(&scene, 1) {
        scene.user(1, |vault| vault.user_remove(&path(&name)));
    }
    assert_ne!(scene.devices[1].sync(), "Quiet");
    scene.sync(0);
    assert_eq!(names(&scene, 0).len(), 7);
}

#[test]
fn another_folder_in_its_place_is_refused() {
    let mut scene = pair();
    scene.devices[1].close();
    scene.devices[1].vault = fst_fs::fake::FakeVault::new();
    assert_ne!(scene.devices[1].sync(), "Quiet", "it has no marker");
    scene.sync(0);
    assert_eq!(names(&scene, 0), ["x"]);
}

#[test]
fn a_marker_of_another_device_or_a_damaged_one_stops_the_folder() {
    let of_the_other = |scene: &Scene| scene.devices[0].vault.marker_read();
    let damaged = |scene: &Scene| {
        let marker = scene.devices[1].vault.marker_read();
        marker.map(|bytes| bytes.map(|bytes| bytes[..bytes.len() - 1].to_vec()))
    };
    let other_bit = |scene: &Scene| {
        let marker = scene.devices[1].vault.marker_read();
        marker.map(|bytes| {
            bytes.map(|bytes| [&bytes[..bytes.len() - 1], &[!bytes[bytes.len() - 1]]].concat())
        })
    };
    let kinds: [&dyn Fn(&Scene) -> _; 3] = [&of_the_other, &damaged, &other_bit];
    for marker in kinds {
        let mut scene = pair();
        let bytes = marker(&scene).expect("readable").expect("there is one");
        scene.devices[1].close();
        scene.user(1, |vault| vault.user_remove(&path("x")));
        scene.devices[1]
            .vault
            .marker_write(&bytes)
            .expect("written");
        assert_ne!(scene.devices[1].sync(), "Quiet");
        scene.sync(0);
        assert_eq!(names(&scene, 0), ["x"], "the deletion was not believed");
    }
}

#[test]
fn a_full_disk_stops_and_goes_on_by_itself() {
    // The fault is planned for every changing call of the other device, one after the other.
    for n in 1..60 {
        let mut scene = pair();
        scene.write(0, "x", b"x, second");
        scene.write(0, "y", b"y, first");
        scene.sync(0);
        let vault = scene.devices[1].vault.clone();
        let full = VaultError::NoSpace {
            op: "write",
            source: std::io::ErrorKind::StorageFull.into(),
        };
        vault.fail_at(vault.n_calls() + n, full);
        let before = vault.n_calls() + n;
        scene.devices[1].sync();
        let has_happened = vault.n_calls() >= before;
        for file in ["x", "y"] {
            let bytes = vault.user_read(&path(file));
            assert_ne!(bytes, Some(Vec::new()), "no empty file, call {n}");
        }
        scene.quiet();
        scene.assert_equal();
        assert_eq!(text(&scene, 1, "y"), "y, first");
        if !has_happened {
            assert!(n > 5, "only {n} calls");
            return;
        }
    }
    unreachable!("the sync has more calls than that");
}

#[test]
fn a_mode_that_comes_for_one_of_two_names_is_not_the_others() {
    let mut scene = pair();
    scene.user(0, |vault| vault.user_link(&path("x"), &path("y")));
    scene.quiet();
    scene.user(1, |vault| vault.user_chmod(&path("y"), true));
    scene.quiet();
    let tree = scene.assert_equal();
    let is_exec = |name: &str| match &tree[&path(name)] {
        FakeEntry::File { exec, .. } => *exec,
        other => panic!("{other:?}"),
    };
    assert!(is_exec("y") && !is_exec("x"), "{tree:?}");
    assert_eq!(text(&scene, 0, "x"), "x, first");
    assert_eq!(text(&scene, 0, "y"), "x, first");
    assert_nothing_to_do(&mut scene);
}

#[test]
fn two_names_of_one_file_are_two_files() {
    let mut scene = pair();
    scene.user(0, |vault| vault.user_link(&path("x"), &path("y")));
    scene.quiet();
    assert_eq!(text(&scene, 1, "y"), "x, first");
    scene.write(0, "x", b"x and y, second");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 1, "y"), "x and y, second");
    scene.write(1, "y", b"y alone, third");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 0, "x"), "x and y, second");
    assert_eq!(text(&scene, 0, "y"), "y alone, third");
    assert!(copies(&scene, 0).is_empty());
    assert_nothing_to_do(&mut scene);
}
