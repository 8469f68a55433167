//! Looking, listing, reading; the marker, the lock, the root.
//!
//! Called by [`super::all`].

use std::io::{Read as _, Write as _};

use fst_proto::path::{Name, RelPath};

use super::{PLAIN, World, cases, path, refused, stage, stat, tag};
use crate::vault::{FileKind, ReadFile, Vault, VaultError};

cases![
    lists_are_sorted_and_hide_only_our_directory,
    lists_refuse_what_is_no_directory,
    nothing_is_there_in_three_ways,
    any_name_makes_the_round_trip,
    pipes_are_seen_and_never_opened,
    unreadable_things_are_denied,
    an_open_file_shows_that_it_changed,
    an_open_file_outlives_its_name,
    holes_are_kept,
    a_file_without_holes_is_one_stretch,
    the_marker_is_kept,
    the_lock_has_one_holder,
    the_root_is_known_again,
    a_missing_root_is_told_apart,
    a_replaced_root_is_told_apart,
    abilities_are_the_same_twice_and_leave_nothing,
];

fn names(vault: &dyn Vault, dir: &RelPath) -> Vec<Vec<u8>> {
    let listed = vault.list(dir).expect("list");
    listed
        .into_iter()
        .map(|e| e.name.expect("a name").as_bytes().to_vec())
        .collect()
}

fn lists_are_sorted_and_hide_only_our_directory(world: &dyn World) {
    assert!(names(world.vault(), &path("")).is_empty());
    for name in ["b", "a", "B", "a b", "é", ".hidden", "z"] {
        world.write(&path(name), name.as_bytes());
    }
    world.mkdir(&path("d"));
    world.mkdir(&path("d/.fst"));
    stage(world, "t", b"x");
    world.vault().marker_write(b"m").expect("write the marker");
    let listed = names(world.vault(), &path(""));
    let expected = [".hidden", "B", "a", "a b", "b", "d", "z", "é"];
    assert_eq!(listed, expected.map(|name| name.as_bytes().to_vec()));
    assert_eq!(names(world.vault(), &path("d")), [b".fst".to_vec()]);
    for entry in world.vault().list(&path("")).expect("list") {
        let at = RelPath::root()
            .child(entry.name.expect("a name"))
            .expect("a path");
        assert_eq!(
            world.vault().stat(&at).expect("look"),
            Some(entry.stat.expect("a look"))
        );
    }
}

fn lists_refuse_what_is_no_directory(world: &dyn World) {
    world.write(&path("f"), b"x");
    world.pipe(&path("p"));
    refused!(world.vault().list(&path("none")), NotFound);
    refused!(world.vault().list(&path("f")), NotADirectory);
    refused!(world.vault().list(&path("f/x")), NotADirectory);
    refused!(world.vault().list(&path("p")), NotADirectory);
}

fn nothing_is_there_in_three_ways(world: &dyn World) {
    world.write(&path("f"), b"x");
    for at in ["none", "none/deeper", "f/deeper"] {
        assert_eq!(world.vault().stat(&path(at)).expect("look"), None, "{at}");
    }
}

fn any_name_makes_the_round_trip(world: &dyn World) {
    let long = vec![b'n'; 255];
    let given: [&[u8]; 10] = [
        b"\xff\xfe raw",
        b"new\nline",
        b"tab\tand\x1b[31mescape",
        b" leading and trailing ",
        b"-rf",
        b"\\back\\slash:colon*star?",
        "caf\u{e9}".as_bytes(),
        "cafe\u{301}".as_bytes(),
        "\u{1f600}".as_bytes(),
        &long,
    ];
    for name in given {
        let at = RelPath::root()
            .child(Name::new(name).expect("a name"))
            .expect("a path");
        stage(world, "t", name);
        world.vault().place_new(&tag("t"), &at).expect("place");
        assert_eq!(world.read(&at).as_deref(), Some(name));
    }
    let mut expected: Vec<Vec<u8>> = given.iter().map(|name| name.to_vec()).collect();
    expected.sort();
    assert_eq!(names(world.vault(), &path("")), expected);
}

fn pipes_are_seen_and_never_opened(world: &dyn World) {
    world.pipe(&path("p"));
    assert_eq!(stat(world, "p").kind, FileKind::Special);
    // With an ordinary `open` this test would not return.
    refused!(world.vault().open_read(&path("p")), Special);
    refused!(world.vault().copy_to_stage(&path("p"), &tag("t")), Special);
}

fn unreadable_things_are_denied(world: &dyn World) {
    world.write(&path("f"), b"x");
    world.mkdir(&path("d"));
    if !world.try_make_unreadable(&path("f")) || !world.try_make_unreadable(&path("d")) {
        return;
    }
    refused!(world.vault().open_read(&path("f")), Denied);
    refused!(world.vault().copy_to_stage(&path("f"), &tag("t")), Denied);
    refused!(world.vault().list(&path("d")), Denied);
    assert_eq!(stat(world, "f").kind, FileKind::File);
    assert_eq!(stat(world, "d").kind, FileKind::Dir);
}

fn an_open_file_shows_that_it_changed(world: &dyn World) {
    world.write(&path("a"), b"0123456789");
    let mut file = world.vault().open_read(&path("a")).expect("open");
    let before = file.stat().expect("look");
    assert_eq!(before, stat(world, "a"));
    let mut half = [0; 5];
    file.read_exact(&mut half).expect("read");
    assert_eq!(
        file.stat().expect("look"),
        before,
        "reading changes nothing"
    );
    world.write(&path("a"), b"abcdefghijk");
    assert_ne!(file.stat().expect("look"), before);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).expect("read on");
    assert_eq!(
        (half.as_slice(), rest.as_slice()),
        (b"01234".as_slice(), b"fghijk".as_slice())
    );
    let mut middle = [0; 3];
    assert_eq!(file.read_at(2, &mut middle).expect("read at"), 3);
    assert_eq!(&middle, b"cde");
    assert_eq!(
        file.read_at(100, &mut middle).expect("read past the end"),
        0
    );
}

fn an_open_file_outlives_its_name(world: &dyn World) {
    world.write(&path("a"), b"bytes");
    let mut file = world.vault().open_read(&path("a")).expect("open");
    world.remove(&path("a"));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("read");
    assert_eq!(bytes, b"bytes");
    assert_eq!(file.stat().expect("look").nlink, 0);
}

/// Large enough for every file system to leave a hole of it.
const HOLE_LEN: u64 = 1 << 20;

fn stretches(file: &dyn ReadFile) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = file.next_data(at).expect("look for data") {
        found.push((start, end));
        at = end;
    }
    found
}

fn holes_are_kept(world: &dyn World) {
    let vault = world.vault();
    let data = vec![7_u8; 1 << 16];
    let mut file = vault.stage_file(&tag("t")).expect("stage");
    for _ in 0..2 {
        file.skip(HOLE_LEN).expect("skip");
        file.write_all(&data).expect("write");
    }
    file.skip(HOLE_LEN).expect("skip at the end");
    let finished = file.finish(PLAIN).expect("finish");
    let first = (HOLE_LEN, HOLE_LEN + (1 << 16));
    let second = (first.1 + HOLE_LEN, first.1 + HOLE_LEN + (1 << 16));
    assert_eq!(finished.size, second.1 + HOLE_LEN);
    vault.sync_stage().expect("barrier");
    vault.place_new(&tag("t"), &path("a")).expect("place");
    vault.copy_to_stage(&path("a"), &tag("copy")).expect("copy");
    let original = vault.open_read(&path("a")).expect("open");
    assert_eq!(stretches(original.as_ref()), [first, second]);
    let mut copy = vault.read_staged(&tag("copy")).expect("open");
    assert_eq!(stretches(copy.as_ref()), [first, second]);
    let mut bytes = Vec::new();
    copy.read_to_end(&mut bytes).expect("read");
    assert_eq!(Some(bytes), world.read(&path("a")));
    assert_eq!(original.next_data(second.1).expect("look"), None);
    let inside = second.0 + 10;
    assert_eq!(
        original.next_data(inside).expect("look"),
        Some((inside, second.1))
    );
}

fn a_file_without_holes_is_one_stretch(world: &dyn World) {
    world.write(&path("a"), b"bytes");
    world.write(&path("empty"), b"");
    let file = world.vault().open_read(&path("a")).expect("open");
    assert_eq!(stretches(file.as_ref()), [(0, 5)]);
    let empty = world.vault().open_read(&path("empty")).expect("open");
    assert_eq!(stretches(empty.as_ref()), []);
}

fn the_marker_is_kept(world: &dyn World) {
    let vault = world.vault();
    assert_eq!(vault.marker_read().expect("read"), None);
    vault.marker_write(b"a longer marker").expect("write");
    vault.marker_write(b"short").expect("write again");
    assert_eq!(
        vault.marker_read().expect("read").as_deref(),
        Some(b"short".as_slice())
    );
}

fn the_lock_has_one_holder(world: &dyn World) {
    let held = world.vault().lock().expect("lock");
    let second = world.vault().lock();
    assert!(matches!(second, Err(VaultError::Locked)), "{second:?}");
    drop(held);
    drop(world.vault().lock().expect("free again"));
}

fn the_root_is_known_again(world: &dyn World) {
    let identity = world.vault().root_identity().expect("is there");
    let seen = stat(world, "");
    assert_eq!((identity.dev, identity.ino), (seen.dev, seen.ino));
    world.write(&path("a"), b"x");
    assert_eq!(world.vault().root_identity().expect("is there"), identity);
}

fn a_missing_root_is_told_apart(world: &dyn World) {
    world.lose_root();
    let there = world.vault().root_identity();
    assert!(matches!(there, Err(VaultError::RootMissing)), "{there:?}");
}

fn a_replaced_root_is_told_apart(world: &dyn World) {
    world.replace_root();
    let there = world.vault().root_identity();
    assert!(matches!(there, Err(VaultError::RootReplaced)), "{there:?}");
}

fn abilities_are_the_same_twice_and_leave_nothing(world: &dyn World) {
    let first = world.vault().abilities().expect("probe");
    assert_eq!(world.vault().abilities().expect("probe again"), first);
    assert!(first.mtime_grain_ns >= 1);
    assert!(names(world.vault(), &path("")).is_empty());
}
