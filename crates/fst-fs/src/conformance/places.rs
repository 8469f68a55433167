//! Staging and moving to free places.
//!
//! Called by [`super::all`].

use std::io::Write as _;

use super::{
    MTIME_NS, PLAIN, World, cases, is_stage_empty, path, refused, stage, staged_bytes, stat, tag,
};
use crate::vault::{FileAt, FileAttrs, FileKind, Permissions};

cases![
    a_placed_file_is_whole_and_as_described,
    a_taken_place_is_refused_whatever_is_there,
    a_missing_parent_is_refused,
    a_tag_in_use_is_never_truncated,
    an_unfinished_file_goes_when_dropped,
    permissions_of_the_old_file_are_kept,
    directories_are_made_only_where_nothing_is,
    rename_never_replaces,
    a_directory_is_renamed_with_what_is_in_it,
    a_directory_cannot_go_into_itself,
    a_copy_keeps_contents_times_and_bits,
    the_root_is_no_target,
    deep_paths_work,
    barriers_can_be_repeated,
    files_are_waited_for_one_by_one,
    attributes_change_only_when_expected,
    the_stage_lists_what_is_in_it,
    a_tag_changes_only_to_a_free_one,
    discarding_twice_is_fine_and_a_full_directory_stays,
];

fn a_placed_file_is_whole_and_as_described(world: &dyn World) {
    let vault = world.vault();
    let mut file = vault.stage_file(&tag("t")).expect("stage");
    file.write_all(b"hello").expect("write");
    let attrs = FileAttrs {
        exec: true,
        ..PLAIN
    };
    let finished = file.finish(attrs).expect("finish");
    assert_eq!(
        (finished.size, finished.exec, finished.mtime_ns),
        (5, true, MTIME_NS)
    );
    assert_eq!(world.read(&path("a")), None);
    let placed = vault.place_new(&tag("t"), &path("a")).expect("place");
    assert!(placed.is_same_object(&finished));
    assert_eq!(
        placed,
        stat(world, "a"),
        "the answer is what a scan will see"
    );
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"hello".as_slice()));
    assert!(is_stage_empty(world));
}

fn a_taken_place_is_refused_whatever_is_there(world: &dyn World) {
    world.write(&path("file"), b"mine");
    world.mkdir(&path("dir"));
    world.symlink(&path("link"), b"nowhere");
    world.pipe(&path("pipe"));
    stage(world, "t", b"new");
    for at in ["file", "dir", "link", "pipe"] {
        let before = stat(world, at);
        refused!(world.vault().place_new(&tag("t"), &path(at)), Occupied);
        refused!(world.vault().unstage_move(&tag("t"), &path(at)), Occupied);
        assert_eq!(stat(world, at), before);
    }
    world.mkdir(&path("d"));
    world
        .vault()
        .stage_move(&path("d"), &tag("d"))
        .expect("take a directory");
    for at in ["file", "dir", "link", "pipe"] {
        refused!(world.vault().unstage_move(&tag("d"), &path(at)), Occupied);
    }
    assert_eq!(
        world.read(&path("file")).as_deref(),
        Some(b"mine".as_slice())
    );
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"new".as_slice()));
}

fn a_missing_parent_is_refused(world: &dyn World) {
    stage(world, "t", b"new");
    refused!(world.vault().place_new(&tag("t"), &path("no/a")), NotFound);
    refused!(world.vault().place_new(&tag("none"), &path("a")), NotFound);
    refused!(world.vault().make_dir(&path("no/a")), NotFound);
    world.write(&path("file"), b"x");
    refused!(
        world.vault().place_new(&tag("t"), &path("file/a")),
        NotADirectory
    );
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"new".as_slice()));
}

fn a_tag_in_use_is_never_truncated(world: &dyn World) {
    world.write(&path("a"), b"of the user");
    let vault = world.vault();
    vault.stage_move(&path("a"), &tag("t")).expect("take");
    refused!(vault.stage_file(&tag("t")), Occupied);
    refused!(vault.stage_link(&tag("t"), b"x"), Occupied);
    world.write(&path("b"), b"other");
    refused!(vault.copy_to_stage(&path("b"), &tag("t")), Occupied);
    refused!(vault.stage_move(&path("b"), &tag("t")), Occupied);
    assert_eq!(
        staged_bytes(world, "t").as_deref(),
        Some(b"of the user".as_slice())
    );
    assert_eq!(world.read(&path("b")).as_deref(), Some(b"other".as_slice()));
}

fn an_unfinished_file_goes_when_dropped(world: &dyn World) {
    let mut file = world.vault().stage_file(&tag("t")).expect("stage");
    file.write_all(b"half").expect("write");
    drop(file);
    assert!(is_stage_empty(world));
}

fn permissions_of_the_old_file_are_kept(world: &dyn World) {
    for (bits, exec, expected) in [
        (0o600, false, 0o600),
        (0o600, true, 0o700),
        (0o640, true, 0o750),
        (0o755, false, 0o644),
        (0o700, true, 0o700),
    ] {
        let like = Some(Permissions::from_mode(bits));
        let file = world.vault().stage_file(&tag("t")).expect("stage");
        let stat = file
            .finish(FileAttrs {
                exec,
                like,
                ..PLAIN
            })
            .expect("finish");
        assert_eq!(
            stat.permissions.bits(),
            expected,
            "{bits:o} with exec {exec}"
        );
        world.vault().discard(&tag("t")).expect("discard");
    }
}

fn directories_are_made_only_where_nothing_is(world: &dyn World) {
    let vault = world.vault();
    let made = vault.make_dir(&path("d")).expect("make");
    assert_eq!(made.kind, FileKind::Dir);
    refused!(vault.make_dir(&path("d")), Occupied);
    world.write(&path("f"), b"x");
    refused!(vault.make_dir(&path("f")), Occupied);
    world.symlink(&path("l"), b"d");
    refused!(vault.make_dir(&path("l")), Occupied);
}

fn rename_never_replaces(world: &dyn World) {
    world.write(&path("a"), b"a");
    world.write(&path("b"), b"b");
    let vault = world.vault();
    refused!(vault.rename_new(&path("a"), &path("b")), Occupied);
    refused!(vault.rename_new(&path("a"), &path("a")), Occupied);
    refused!(vault.rename_new(&path("none"), &path("c")), NotFound);
    let moved = vault.rename_new(&path("a"), &path("c")).expect("rename");
    assert_eq!(moved, stat(world, "c"));
    assert_eq!(world.read(&path("a")), None);
    assert_eq!(world.read(&path("b")).as_deref(), Some(b"b".as_slice()));
    assert_eq!(world.read(&path("c")).as_deref(), Some(b"a".as_slice()));
    // Two names of one object are two names.
    world.link(&path("b"), &path("b2"));
    refused!(vault.rename_new(&path("b"), &path("b2")), Occupied);
    assert!(world.read(&path("b")).is_some() && world.read(&path("b2")).is_some());
    assert!(is_stage_empty(world));
}

fn a_directory_is_renamed_with_what_is_in_it(world: &dyn World) {
    world.mkdir(&path("d"));
    world.write(&path("d/f"), b"x");
    let vault = world.vault();
    vault.rename_new(&path("d"), &path("e")).expect("rename");
    assert_eq!(world.read(&path("e/f")).as_deref(), Some(b"x".as_slice()));
    vault.stage_move(&path("e"), &tag("t")).expect("take");
    assert_eq!(vault.stat(&path("e/f")).expect("look"), None);
    refused!(vault.discard(&tag("t")), NotEmpty);
    vault.unstage_move(&tag("t"), &path("f")).expect("put back");
    assert_eq!(world.read(&path("f/f")).as_deref(), Some(b"x".as_slice()));
    assert!(is_stage_empty(world));
}

fn a_directory_cannot_go_into_itself(world: &dyn World) {
    world.mkdir(&path("d"));
    world.mkdir(&path("d/e"));
    refused!(
        world.vault().rename_new(&path("d"), &path("d/e/d")),
        Unsupported
    );
    assert_eq!(stat(world, "d/e").kind, FileKind::Dir);
}

fn a_copy_keeps_contents_times_and_bits(world: &dyn World) {
    world.write(&path("a"), b"bytes");
    world.chmod(&path("a"), true);
    let source = stat(world, "a");
    let copy = world
        .vault()
        .copy_to_stage(&path("a"), &tag("t"))
        .expect("copy");
    assert_ne!(copy.ino, source.ino);
    let key = |s: &crate::vault::Stat| (s.size, s.mtime_ns, s.exec, s.permissions);
    assert_eq!(key(&copy), key(&source));
    assert_eq!(
        staged_bytes(world, "t").as_deref(),
        Some(b"bytes".as_slice())
    );
    assert_eq!(stat(world, "a"), source);
    refused!(
        world.vault().copy_to_stage(&path("none"), &tag("u")),
        NotFound
    );
    world.mkdir(&path("d"));
    refused!(world.vault().copy_to_stage(&path("d"), &tag("u")), Special);
}

fn the_root_is_no_target(world: &dyn World) {
    let (vault, root) = (world.vault(), path(""));
    stage(world, "t", b"new");
    refused!(vault.place_new(&tag("t"), &root), Reserved);
    refused!(vault.exchange(&tag("t"), &root), Reserved);
    refused!(vault.stage_move(&root, &tag("u")), Reserved);
    refused!(vault.remove_dir(&root), Reserved);
    refused!(vault.make_dir(&root), Reserved);
    refused!(vault.open_read(&root), Special);
    assert_eq!(
        vault.stat(&root).expect("look").expect("is there").kind,
        FileKind::Dir
    );
}

fn deep_paths_work(world: &dyn World) {
    // Far beyond what one call to the system takes.
    let part = "directory-with-a-rather-long-name-so-that-it-adds-up-0123456789";
    let mut at = String::new();
    for _ in 0..100 {
        at = if at.is_empty() {
            part.to_owned()
        } else {
            format!("{at}/{part}")
        };
        world
            .vault()
            .make_dir(&path(&at))
            .expect("make a directory");
    }
    stage(world, "t", b"deep");
    let file = path(&format!("{at}/file"));
    world.vault().place_new(&tag("t"), &file).expect("place");
    assert_eq!(world.vault().list(&path(&at)).expect("list").len(), 1);
    let seen = world.vault().stat(&file).expect("look").expect("is there");
    assert_eq!(seen.size, 4);
    world.vault().stage_move(&file, &tag("t")).expect("take");
    assert_eq!(
        staged_bytes(world, "t").as_deref(),
        Some(b"deep".as_slice())
    );
}

fn barriers_can_be_repeated(world: &dyn World) {
    stage(world, "t", b"x");
    world.vault().sync_stage().expect("first");
    world.vault().sync_stage().expect("second");
}

fn files_are_waited_for_one_by_one(world: &dyn World) {
    world.mkdir(&path("d"));
    world.write(&path("d/a"), b"mine");
    stage(world, "t", b"x");
    let vault = world.vault();
    let (file, dir, none) = (path("d/a"), path("d"), path("d/b"));
    let staged = tag("t");
    let both = [FileAt::Folder(&file), FileAt::Stage(&staged)];
    vault.sync_files(&both).expect("wait for both");
    refused!(vault.sync_files(&[FileAt::Folder(&dir)]), Special);
    refused!(vault.sync_files(&[FileAt::Folder(&none)]), NotFound);
    for files in [both.as_slice(), &[FileAt::Folder(&dir)], &[]] {
        vault.sync_some(files).expect("wait for some");
    }
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"x".as_slice()));
}

fn attributes_change_only_when_expected(world: &dyn World) {
    use crate::vault::AttrChange;
    world.write(&path("a"), b"bytes");
    let vault = world.vault();
    let before = stat(world, "a");
    let change = AttrChange {
        exec: Some(true),
        mtime_ns: Some(MTIME_NS),
    };
    refused!(
        vault.set_attributes(&path("a"), change, &mut |_| Ok(false)),
        Changed
    );
    assert_eq!(stat(world, "a"), before);
    let after = vault
        .set_attributes(&path("a"), change, &mut |s| Ok(*s == before))
        .expect("set");
    assert_eq!(
        (after.exec, after.mtime_ns, after.ino),
        (true, MTIME_NS, before.ino)
    );
    assert_eq!(after, stat(world, "a"));
    let change = AttrChange {
        exec: Some(false),
        mtime_ns: None,
    };
    let back = vault
        .set_attributes(&path("a"), change, &mut |_| Ok(true))
        .expect("set");
    assert_eq!(
        (back.permissions, back.mtime_ns),
        (before.permissions, MTIME_NS)
    );
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"bytes".as_slice()));
    let mut write_meanwhile = |_: &crate::vault::Stat| {
        world.write(&path("a"), b"longer bytes");
        Ok(true)
    };
    refused!(
        vault.set_attributes(&path("a"), change, &mut write_meanwhile),
        Changed
    );
    world.mkdir(&path("d"));
    refused!(
        vault.set_attributes(&path("d"), change, &mut |_| Ok(true)),
        Special
    );
    refused!(
        vault.set_attributes(&path("none"), change, &mut |_| Ok(true)),
        NotFound
    );
}

fn the_stage_lists_what_is_in_it(world: &dyn World) {
    let vault = world.vault();
    stage(world, "b", b"xx");
    vault
        .stage_link(&tag("a"), b"target")
        .expect("stage a link");
    world.mkdir(&path("d"));
    vault.stage_move(&path("d"), &tag("c")).expect("take");
    let staged = vault.stage_list().expect("list");
    let seen: Vec<_> = staged
        .iter()
        .map(|e| (e.tag.as_str(), e.stat.kind))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", FileKind::Symlink),
            ("b", FileKind::File),
            ("c", FileKind::Dir)
        ]
    );
    for entry in &staged {
        assert_eq!(
            vault.stat_staged(&entry.tag).expect("look"),
            Some(entry.stat)
        );
    }
    assert_eq!(vault.read_staged_link(&tag("a")).expect("read"), b"target");
    refused!(vault.read_staged_link(&tag("b")), Special);
    refused!(vault.read_staged(&tag("a")), Special);
    assert!(vault.stat_staged(&tag("none")).expect("look").is_none());
}

fn a_tag_changes_only_to_a_free_one(world: &dyn World) {
    let vault = world.vault();
    let made = stage(world, "a", b"one");
    stage(world, "b", b"two");
    refused!(vault.retag(&tag("a"), &tag("b")), Occupied);
    refused!(vault.retag(&tag("none"), &tag("c")), NotFound);
    vault
        .retag(&tag("a"), &tag("c"))
        .expect("rename in the stage");
    let there = vault
        .stat_staged(&tag("c"))
        .expect("look")
        .expect("is there");
    assert!(there.is_same_object(&made));
    assert_eq!(staged_bytes(world, "a"), None);
    assert_eq!(staged_bytes(world, "b").as_deref(), Some(b"two".as_slice()));
}

fn discarding_twice_is_fine_and_a_full_directory_stays(world: &dyn World) {
    let vault = world.vault();
    world.mkdir(&path("d"));
    world.write(&path("d/f"), b"x");
    vault.stage_move(&path("d"), &tag("d")).expect("take");
    refused!(vault.discard(&tag("d")), NotEmpty);
    vault.unstage_move(&tag("d"), &path("d")).expect("put back");
    assert_eq!(world.read(&path("d/f")).as_deref(), Some(b"x".as_slice()));
    world.remove(&path("d/f"));
    vault.stage_move(&path("d"), &tag("d")).expect("take");
    vault.discard(&tag("d")).expect("an empty one");
    vault.discard(&tag("d")).expect("twice");
    assert!(is_stage_empty(world));
}
