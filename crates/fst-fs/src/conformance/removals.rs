//! Removing what is expected.
//!
//! Called by [`super::all`].

use super::{World, cases, is_stage_empty, path, refused, stage, staged_bytes, stat, tag};
use crate::commit::{Outcome, remove_if, resume_remove};
use crate::vault::{FileKind, Stat, VaultError};

cases![
    the_expected_one_is_removed,
    a_link_is_removed_itself,
    a_changed_one_is_put_back_unharmed,
    an_error_while_judging_puts_it_back,
    a_taken_place_keeps_both,
    a_late_write_is_kept,
    a_file_with_a_writer_is_not_removed,
    directories_and_pipes_are_not_taken,
    a_cut_short_removal_is_finished_or_undone,
    only_empty_directories_are_removed,
];

fn the_expected_one_is_removed(world: &dyn World) {
    world.write(&path("a"), b"old");
    let scanned = stat(world, "a");
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut |s| {
        Ok(*s == scanned)
    });
    assert!(matches!(done, Ok(Outcome::Done(()))), "{done:?}");
    assert_eq!(world.vault().stat(&path("a")).expect("look"), None);
    assert!(is_stage_empty(world));
    let again = remove_if(world.vault(), &path("a"), &tag("t"), &mut |_| Ok(true));
    assert!(matches!(again, Ok(Outcome::Changed)), "{again:?}");
}

fn a_link_is_removed_itself(world: &dyn World) {
    world.link_outside(&path("a"));
    let mut judge = |s: &Stat| Ok(s.kind == FileKind::Symlink);
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut judge);
    assert!(matches!(done, Ok(Outcome::Done(()))), "{done:?}");
    assert!(world.is_outside_untouched());
}

fn a_changed_one_is_put_back_unharmed(world: &dyn World) {
    world.write(&path("a"), b"old");
    let scanned = stat(world, "a");
    world.save(&path("a"), b"edit");
    let edited = stat(world, "a");
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut |s| {
        Ok(*s == scanned)
    });
    assert!(matches!(done, Ok(Outcome::Changed)), "{done:?}");
    assert!(stat(world, "a").is_same_object(&edited));
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"edit".as_slice()));
    assert!(is_stage_empty(world));
}

fn an_error_while_judging_puts_it_back(world: &dyn World) {
    world.write(&path("a"), b"old");
    let mut judge = |_: &Stat| Err(VaultError::Locked);
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut judge);
    assert!(matches!(done, Err(VaultError::Locked)), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"old".as_slice()));
}

fn a_taken_place_keeps_both(world: &dyn World) {
    world.write(&path("a"), b"edit");
    let mut judge = |_: &Stat| {
        world.write(&path("a"), b"third");
        Ok(false)
    };
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut judge);
    let Ok(Outcome::Displaced { tags, cause: None }) = done else {
        unreachable!("{done:?}")
    };
    let [kept] = tags.as_slice() else {
        unreachable!("{tags:?}")
    };
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"third".as_slice()));
    assert_eq!(
        staged_bytes(world, kept.as_str()).as_deref(),
        Some(b"edit".as_slice())
    );
    world
        .vault()
        .unstage_move(kept, &path("a (conflict)"))
        .expect("rescue");
    assert_eq!(
        world.read(&path("a (conflict)")).as_deref(),
        Some(b"edit".as_slice())
    );
}

fn a_late_write_is_kept(world: &dyn World) {
    world.write(&path("a"), b"old");
    let mut held = world.hold(&path("a"));
    let mut judge = |_: &Stat| {
        held(b" and late");
        Ok(true)
    };
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut judge);
    let is_kept = matches!(done, Ok(Outcome::Changed) | Err(VaultError::InUse { .. }));
    assert!(is_kept, "{done:?}");
    assert_eq!(
        world.read(&path("a")).as_deref(),
        Some(b"old and late".as_slice())
    );
}

fn directories_and_pipes_are_not_taken(world: &dyn World) {
    world.mkdir(&path("d"));
    world.pipe(&path("p"));
    for at in ["d", "p"] {
        let mut judge = |_: &Stat| unreachable!("not judged");
        let done = remove_if(world.vault(), &path(at), &tag("t"), &mut judge);
        assert!(matches!(done, Ok(Outcome::Changed)), "{done:?}");
        assert!(world.vault().stat(&path(at)).expect("look").is_some());
    }
}

fn a_cut_short_removal_is_finished_or_undone(world: &dyn World) {
    let vault = world.vault();
    for is_expected in [false, true] {
        world.write(&path("a"), b"old");
        vault.stage_move(&path("a"), &tag("t")).expect("take");
        let done = resume_remove(vault, &path("a"), &tag("t"), &mut |_| Ok(is_expected));
        assert_eq!(
            matches!(done, Ok(Outcome::Done(()))),
            is_expected,
            "{done:?}"
        );
        assert_eq!(world.read(&path("a")).is_none(), is_expected);
        assert!(is_stage_empty(world));
    }
    let nothing = resume_remove(vault, &path("a"), &tag("t"), &mut |_| Ok(true));
    assert!(matches!(nothing, Ok(Outcome::Changed)), "{nothing:?}");
}

fn only_empty_directories_are_removed(world: &dyn World) {
    let vault = world.vault();
    world.mkdir(&path("d"));
    world.write(&path("d/f"), b"x");
    world.symlink(&path("l"), b"d");
    refused!(vault.remove_dir(&path("d")), NotEmpty);
    refused!(vault.remove_dir(&path("d/f")), NotADirectory);
    refused!(vault.remove_dir(&path("l")), NotADirectory);
    refused!(vault.remove_dir(&path("none")), NotFound);
    assert_eq!(world.read(&path("d/f")).as_deref(), Some(b"x".as_slice()));
    world.remove(&path("d/f"));
    vault.remove_dir(&path("d")).expect("empty now");
    assert_eq!(vault.stat(&path("d")).expect("look"), None);
}

fn a_file_with_a_writer_is_not_removed(world: &dyn World) {
    world.write(&path("a"), b"old");
    let mut held = world.hold(&path("a"));
    stage(world, "probe", b"x");
    let can_tell = world
        .vault()
        .has_writer(&tag("probe"))
        .expect("look")
        .is_some();
    world.vault().discard(&tag("probe")).expect("discard");
    if !can_tell {
        return;
    }
    let done = remove_if(world.vault(), &path("a"), &tag("t"), &mut |_| Ok(true));
    assert!(matches!(done, Err(VaultError::InUse { .. })), "{done:?}");
    held(b" and late");
    assert_eq!(
        world.read(&path("a")).as_deref(),
        Some(b"old and late".as_slice())
    );
}
