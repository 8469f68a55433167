//! Swapping and replacing what is expected.
//!
//! Called by [`super::all`].

use super::{World, cases, is_stage_empty, path, refused, stage, staged_bytes, stat, tag};
use crate::commit::{Outcome, replace_if, resume_replace};
use crate::name::StageName;
use crate::vault::{FileKind, Stat, VaultError};

cases![
    a_swap_gives_out_what_an_earlier_scan_saw,
    a_swap_needs_both_sides,
    a_full_directory_comes_out_whole_and_goes_back,
    the_expected_one_is_replaced,
    a_changed_one_is_put_back,
    a_vanished_one_is_not_replaced,
    a_link_is_replaced_itself,
    a_second_name_keeps_the_old_contents,
    an_error_while_judging_puts_back,
    a_third_writer_is_kept,
    a_writer_to_our_version_is_kept,
    a_removal_meanwhile_puts_back,
    a_program_that_holds_the_old_one_open_is_kept,
    a_file_with_a_writer_is_not_replaced,
    our_version_with_a_writer_is_kept,
    a_full_directory_is_not_replaced,
    an_empty_directory_is_replaced,
    a_cut_short_swap_is_finished,
    a_cut_short_swap_is_undone,
    a_swap_that_did_not_happen_stays_so,
    a_swap_by_steps_cut_after_the_first_is_undone,
    a_swap_by_steps_cut_after_the_second_is_judged,
];

type Answer = crate::vault::Result<bool>;

fn a_swap_gives_out_what_an_earlier_scan_saw(world: &dyn World) {
    world.write(&path("a"), b"old");
    let scanned = stat(world, "a");
    let ours = stage(world, "t", b"new");
    let out = world.vault().exchange(&tag("t"), &path("a")).expect("swap");
    assert_eq!(out, scanned, "also its ctime");
    assert!(stat(world, "a").is_same_object(&ours));
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"old".as_slice()));
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"new".as_slice()));
    let taken = world
        .vault()
        .stage_move(&path("a"), &tag("u"))
        .expect("take");
    assert!(taken.is_same_object(&ours));
}

fn a_swap_needs_both_sides(world: &dyn World) {
    world.write(&path("a"), b"old");
    refused!(world.vault().exchange(&tag("t"), &path("a")), NotFound);
    stage(world, "t", b"new");
    refused!(world.vault().exchange(&tag("t"), &path("b")), NotFound);
    refused!(world.vault().exchange(&tag("t"), &path("no/b")), NotFound);
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"old".as_slice()));
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"new".as_slice()));
}

fn a_full_directory_comes_out_whole_and_goes_back(world: &dyn World) {
    world.mkdir(&path("d"));
    world.write(&path("d/f"), b"x");
    stage(world, "t", b"new");
    let out = world.vault().exchange(&tag("t"), &path("d")).expect("swap");
    assert_eq!(out.kind, FileKind::Dir);
    assert_eq!(world.read(&path("d")).as_deref(), Some(b"new".as_slice()));
    world
        .vault()
        .exchange(&tag("t"), &path("d"))
        .expect("swap back");
    assert_eq!(world.read(&path("d/f")).as_deref(), Some(b"x".as_slice()));
}

fn the_expected_one_is_replaced(world: &dyn World) {
    world.write(&path("a"), b"old");
    let scanned = stat(world, "a");
    stage(world, "t", b"new");
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut |s| {
        Ok(*s == scanned)
    });
    let Ok(Outcome::Done(placed)) = done else {
        unreachable!("{done:?}")
    };
    assert_eq!(placed, stat(world, "a"));
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"new".as_slice()));
    assert!(is_stage_empty(world));
}

/// Replaces `a` by `new` and asserts that this was undone cleanly.
fn assert_undone(world: &dyn World, judge: &mut dyn FnMut(&Stat) -> Answer) {
    let done = replace_if(world.vault(), &tag("t"), &path("a"), judge);
    assert!(matches!(done, Ok(Outcome::Changed)), "{done:?}");
}

/// The user's file is where it was: seen as changed, or as held open where that can be told.
fn is_left_alone<T>(done: &Result<Outcome<T>, VaultError>) -> bool {
    matches!(done, Ok(Outcome::Changed) | Err(VaultError::InUse { .. }))
}

fn a_changed_one_is_put_back(world: &dyn World) {
    world.write(&path("a"), b"old");
    let scanned = stat(world, "a");
    stage(world, "t", b"new");
    world.save(&path("a"), b"edit");
    let edited = stat(world, "a");
    assert_undone(world, &mut |s| Ok(*s == scanned));
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"edit".as_slice()));
    assert!(stat(world, "a").is_same_object(&edited));
    assert_eq!(staged_bytes(world, "t").as_deref(), Some(b"new".as_slice()));
}

fn a_vanished_one_is_not_replaced(world: &dyn World) {
    stage(world, "t", b"new");
    assert_undone(world, &mut |_| unreachable!("nothing to judge"));
    assert_eq!(world.read(&path("a")), None);
    world.pipe(&path("a"));
    assert_undone(world, &mut |_| unreachable!("a pipe is not judged"));
    assert_eq!(stat(world, "a").kind, FileKind::Special);
}

fn a_link_is_replaced_itself(world: &dyn World) {
    world.write(&path("target"), b"target");
    world.symlink(&path("a"), b"target");
    stage(world, "t", b"new");
    let vault = world.vault();
    let mut judge = |s: &Stat| {
        assert_eq!(s.kind, FileKind::Symlink);
        Ok(vault.read_staged_link(&tag("t"))? == b"target")
    };
    let done = replace_if(vault, &tag("t"), &path("a"), &mut judge);
    assert!(matches!(done, Ok(Outcome::Done(_))), "{done:?}");
    assert_eq!(
        world.read(&path("target")).as_deref(),
        Some(b"target".as_slice())
    );
    assert_eq!(stat(world, "a").kind, FileKind::File);
}

fn a_second_name_keeps_the_old_contents(world: &dyn World) {
    world.write(&path("a"), b"old");
    world.link(&path("a"), &path("b"));
    assert_eq!(stat(world, "a").nlink, 2);
    stage(world, "t", b"new");
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut |_| Ok(true));
    assert!(matches!(done, Ok(Outcome::Done(_))), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"new".as_slice()));
    assert_eq!(world.read(&path("b")).as_deref(), Some(b"old".as_slice()));
}

fn an_error_while_judging_puts_back(world: &dyn World) {
    world.write(&path("a"), b"old");
    stage(world, "t", b"new");
    let mut judge = |_: &Stat| Err(VaultError::Locked);
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut judge);
    assert!(matches!(done, Err(VaultError::Locked)), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"old".as_slice()));
}

/// Replaces `a` while `meddle` runs, and asserts that `a` and the stage end with these contents.
fn assert_displaced(world: &dyn World, judge: &mut dyn FnMut() -> bool, at: &[u8], kept: &[u8]) {
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut |_| Ok(judge()));
    let Ok(Outcome::Displaced { tags, .. }) = done else {
        unreachable!("{done:?}")
    };
    let [tag] = tags.as_slice() else {
        unreachable!("{tags:?}")
    };
    assert_eq!(world.read(&path("a")).as_deref(), Some(at));
    assert_eq!(staged_bytes(world, tag.as_str()).as_deref(), Some(kept));
}

fn a_third_writer_is_kept(world: &dyn World) {
    world.write(&path("a"), b"edit");
    stage(world, "t", b"new");
    let mut judge = || {
        world.save(&path("a"), b"third");
        false
    };
    assert_displaced(world, &mut judge, b"edit", b"third");
}

fn a_writer_to_our_version_is_kept(world: &dyn World) {
    world.write(&path("a"), b"edit");
    stage(world, "t", b"new");
    let mut judge = || {
        world.write(&path("a"), b"new, and more of the user");
        false
    };
    assert_displaced(world, &mut judge, b"edit", b"new, and more of the user");
}

fn a_removal_meanwhile_puts_back(world: &dyn World) {
    world.write(&path("a"), b"edit");
    stage(world, "t", b"new");
    assert_undone(world, &mut |_| {
        world.remove(&path("a"));
        Ok(false)
    });
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"edit".as_slice()));
    assert!(is_stage_empty(world));
}

fn a_program_that_holds_the_old_one_open_is_kept(world: &dyn World) {
    world.write(&path("a"), b"old");
    let mut held = world.hold(&path("a"));
    stage(world, "t", b"new");
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut |_| {
        held(b" and late");
        Ok(true)
    });
    assert!(is_left_alone(&done), "{done:?}");
    assert_eq!(
        world.read(&path("a")).as_deref(),
        Some(b"old and late".as_slice())
    );
}

fn a_full_directory_is_not_replaced(world: &dyn World) {
    world.mkdir(&path("a"));
    world.write(&path("a/f"), b"x");
    stage(world, "t", b"new");
    assert_undone(world, &mut |_| Ok(true));
    assert_eq!(world.read(&path("a/f")).as_deref(), Some(b"x".as_slice()));
}

fn an_empty_directory_is_replaced(world: &dyn World) {
    world.mkdir(&path("a"));
    stage(world, "t", b"new");
    let mut judge = |s: &Stat| Ok(s.kind == FileKind::Dir);
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut judge);
    assert!(matches!(done, Ok(Outcome::Done(_))), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"new".as_slice()));
    assert!(is_stage_empty(world));
}

fn a_cut_short_swap_is_finished(world: &dyn World) {
    world.write(&path("a"), b"old");
    let ours = stage(world, "t", b"new");
    world.vault().exchange(&tag("t"), &path("a")).expect("swap");
    let done = resume_replace(world.vault(), &tag("t"), &path("a"), &ours, &mut |_, s| {
        Ok(s.size == 3)
    });
    assert!(matches!(done, Ok(Outcome::Done(_))), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"new".as_slice()));
    assert!(is_stage_empty(world));
}

fn a_cut_short_swap_is_undone(world: &dyn World) {
    world.write(&path("a"), b"edit");
    let ours = stage(world, "t", b"new");
    world.vault().exchange(&tag("t"), &path("a")).expect("swap");
    let done = resume_replace(world.vault(), &tag("t"), &path("a"), &ours, &mut |_, _| {
        Ok(false)
    });
    assert!(matches!(done, Ok(Outcome::Changed)), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"edit".as_slice()));
}

fn a_swap_that_did_not_happen_stays_so(world: &dyn World) {
    world.write(&path("a"), b"old");
    let ours = stage(world, "t", b"new");
    let mut judge = |_: &_, _: &Stat| unreachable!("nothing was displaced");
    let done = resume_replace(world.vault(), &tag("t"), &path("a"), &ours, &mut judge);
    assert!(matches!(done, Ok(Outcome::Changed)), "{done:?}");
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"old".as_slice()));
}

fn a_swap_by_steps_cut_after_the_first_is_undone(world: &dyn World) {
    let vault = world.vault();
    for is_taken in [false, true] {
        world.write(&path("a"), b"old");
        let ours = stage(world, "t", b"new");
        vault
            .stage_move(&path("a"), &tag("t~aside"))
            .expect("first step");
        if is_taken {
            world.write(&path("a"), b"third");
        }
        let mut judge = |_: &_, _: &Stat| unreachable!("nothing was replaced");
        let done = resume_replace(vault, &tag("t"), &path("a"), &ours, &mut judge);
        let expected: &[u8] = if is_taken { b"third" } else { b"old" };
        assert_eq!(
            world.read(&path("a")).as_deref(),
            Some(expected),
            "{done:?}"
        );
        let rests = vault.stat_staged(&tag("t~aside")).expect("look").is_some();
        let is_named =
            matches!(&done, Ok(Outcome::Displaced { tags, .. }) if *tags == [tag("t~aside")]);
        assert_eq!((rests, is_named), (is_taken, is_taken), "{done:?}");
        vault.discard(&tag("t")).expect("discard");
    }
}

fn a_swap_by_steps_cut_after_the_second_is_judged(world: &dyn World) {
    let vault = world.vault();
    for is_expected in [false, true] {
        world.save(&path("a"), b"old");
        let ours = stage(world, "t", b"new");
        vault
            .stage_move(&path("a"), &tag("t~aside"))
            .expect("first step");
        vault.place_new(&tag("t"), &path("a")).expect("second step");
        let mut judge = |at: &StageName, _: &Stat| {
            assert_eq!(*at, tag("t~aside"));
            Ok(is_expected)
        };
        let done = resume_replace(vault, &tag("t"), &path("a"), &ours, &mut judge);
        assert_eq!(
            matches!(done, Ok(Outcome::Done(_))),
            is_expected,
            "{done:?}"
        );
        let expected: &[u8] = if is_expected { b"new" } else { b"old" };
        assert_eq!(
            world.read(&path("a")).as_deref(),
            Some(expected),
            "{done:?}"
        );
        vault.discard(&tag("t~aside")).expect("ours, if anything");
        assert!(is_stage_empty(world));
    }
}

fn a_file_with_a_writer_is_not_replaced(world: &dyn World) {
    world.write(&path("a"), b"old");
    let mut held = world.hold(&path("a"));
    stage(world, "t", b"new");
    match world.vault().has_writer(&tag("t")).expect("look") {
        Some(has_writer) => assert!(!has_writer, "nobody writes to it"),
        // This system cannot tell.
        None => return,
    }
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut |_| Ok(true));
    assert!(matches!(done, Err(VaultError::InUse { .. })), "{done:?}");
    held(b" and late");
    assert_eq!(
        world.read(&path("a")).as_deref(),
        Some(b"old and late".as_slice())
    );
    drop(held);
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut |_| Ok(true));
    assert!(matches!(done, Ok(Outcome::Done(_))), "{done:?}");
}

fn our_version_with_a_writer_is_kept(world: &dyn World) {
    world.write(&path("a"), b"edit");
    stage(world, "t", b"new");
    if world.vault().has_writer(&tag("t")).expect("look").is_none() {
        return;
    }
    let mut held = None;
    let mut judge = |_: &Stat| {
        held = Some(world.hold(&path("a")));
        Ok(false)
    };
    let done = replace_if(world.vault(), &tag("t"), &path("a"), &mut judge);
    assert!(
        matches!(&done, Ok(Outcome::Displaced { tags, .. }) if *tags == [tag("t")]),
        "{done:?}"
    );
    held.expect("was opened")(b" and late");
    assert_eq!(
        staged_bytes(world, "t").as_deref(),
        Some(b"new and late".as_slice())
    );
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"edit".as_slice()));
}
