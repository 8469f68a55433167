//! Sub-folders that a device has chosen: what lies outside is left alone, here and there, whatever moves over the border.

use fst_engine::ignore::Selection;
use fst_fs::fake::PowerCut;

use super::{Scene, assert_nothing_to_do, copies, names, path, text};

/// Two devices that have `a/x` and `b/x`; the second one chooses from then on.
fn parted(only: &[&str]) -> Scene {
    let mut scene = Scene::new(42, 2);
    for dir in ["a", "b"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/x"), format!("{dir}, first").as_bytes());
    }
    scene.quiet();
    choose(&mut scene, Selection::new(paths(only), [], []));
    scene.quiet();
    scene
}

fn paths<'t>(texts: &'t [&str]) -> impl Iterator<Item = fst_proto::path::RelPath> + 't {
    texts.iter().map(|text| path(text))
}

/// The second device chooses.
fn choose(scene: &mut Scene, selection: Selection) {
    scene.devices[1].close();
    scene.devices[1].selection = selection;
}

fn everything(scene: &mut Scene) {
    choose(scene, Selection::default());
    scene.quiet();
}

fn rename(scene: &Scene, at: usize, from: &str, to: &str) {
    scene.user(at, |vault| vault.user_rename(&path(from), &path(to)));
}

fn remove(scene: &Scene, at: usize, file: &str) {
    scene.user(at, |vault| vault.user_remove(&path(file)));
}

#[test]
fn s180_what_is_not_chosen_is_neither_fetched_nor_sent_nor_deleted() {
    let mut scene = parted(&["a"]);
    scene.write(0, "b/y", b"new there");
    scene.write(0, "b/x", b"b, second");
    scene.write(0, "z", b"at the top");
    scene.write(1, "b/mine", b"never sent");
    scene.write(1, "a/x", b"a, second");
    scene.quiet();
    assert_eq!(names(&scene, 0), ["a", "a/x", "b", "b/x", "b/y", "z"]);
    assert_eq!(names(&scene, 1), ["a", "a/x", "b", "b/mine", "b/x"]);
    assert_eq!(text(&scene, 0, "a/x"), "a, second");
    assert_eq!(text(&scene, 1, "b/x"), "b, first");
    assert_nothing_to_do(&mut scene);
}

#[test]
fn s180_a_device_that_begins_with_a_choice_fetches_nothing_else() {
    let mut scene = Scene::new(43, 2);
    choose(&mut scene, Selection::new([path("a/deep")], [], []));
    for dir in ["a", "a/deep", "b"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/x"), dir.as_bytes());
    }
    scene.write(0, ".fstignore", b"*.tmp\n");
    scene.quiet();
    assert_eq!(names(&scene, 1), [".fstignore", "a", "a/deep", "a/deep/x"]);
    everything(&mut scene);
    scene.assert_equal();
}

#[test]
fn s182_copies_that_go_while_they_are_not_chosen_stay_at_the_server() {
    let mut scene = parted(&["a"]);
    remove(&scene, 1, "b/x");
    remove(&scene, 1, "b");
    scene.quiet();
    everything(&mut scene);
    assert_eq!(names(&scene, 1), ["a", "a/x", "b", "b/x"]);
    scene.assert_equal();
}

#[test]
fn s182_even_when_the_device_saw_nothing_of_the_removal() {
    let mut scene = parted(&["a"]);
    scene.devices[1].close();
    remove(&scene, 1, "b/x");
    everything(&mut scene);
    assert_eq!(names(&scene, 0), ["a", "a/x", "b", "b/x"]);
    scene.assert_equal();
}

#[test]
fn s183_what_is_moved_here_out_of_the_choice_stays_at_the_server() {
    let mut scene = parted(&["a"]);
    scene.user(1, |vault| vault.user_mkdir(&path("b/deep")));
    rename(&scene, 1, "a/x", "b/deep/x");
    scene.quiet();
    assert_eq!(names(&scene, 0), ["a", "a/x", "b", "b/x"]);
    assert_eq!(names(&scene, 1), ["a", "b", "b/deep", "b/deep/x", "b/x"]);
    assert_nothing_to_do(&mut scene);
    everything(&mut scene);
    assert_eq!(names(&scene, 0), ["a", "b", "b/deep", "b/deep/x", "b/x"]);
    scene.assert_equal();
}

#[test]
fn s183_a_directory_too_with_all_that_is_in_it() {
    let mut scene = parted(&["a"]);
    scene.user(0, |vault| vault.user_mkdir(&path("a/d")));
    scene.write(0, "a/d/y", b"deep");
    scene.quiet();
    rename(&scene, 1, "a/d", "b/d");
    scene.quiet();
    assert_eq!(names(&scene, 0), ["a", "a/d", "a/d/y", "a/x", "b", "b/x"]);
    everything(&mut scene);
    assert_eq!(names(&scene, 0), ["a", "a/x", "b", "b/d", "b/d/y", "b/x"]);
    scene.assert_equal();
}

#[test]
fn s183_what_is_moved_here_into_the_choice_is_new_and_stays_where_it_was_too() {
    let mut scene = parted(&["a"]);
    rename(&scene, 1, "b/x", "a/y");
    scene.quiet();
    assert_eq!(names(&scene, 0), ["a", "a/x", "a/y", "b", "b/x"]);
    assert_eq!(text(&scene, 0, "a/y"), "b, first");
    everything(&mut scene);
    scene.assert_equal();
}

#[test]
fn s184_chosen_again_equal_copies_are_adopted_and_others_kept_beside() {
    let mut scene = parted(&["a"]);
    everything(&mut scene);
    assert_nothing_to_do(&mut scene);
    choose(&mut scene, Selection::new([path("a")], [], []));
    scene.quiet();
    scene.write(1, "b/x", b"b, here");
    scene.write(0, "b/x", b"b, there");
    scene.quiet();
    everything(&mut scene);
    scene.assert_equal();
    assert_eq!(copies(&scene, 0).len(), 1, "{:?}", names(&scene, 0));
    assert_eq!(text(&scene, 0, "b/x"), "b, there");
    assert_eq!(text(&scene, 0, &copies(&scene, 0)[0]), "b, here");
}

#[test]
fn s184_moved_there_into_the_choice_it_is_fetched() {
    let mut scene = parted(&["a"]);
    scene.user(0, |vault| vault.user_mkdir(&path("b/d")));
    scene.write(0, "b/d/y", b"deep");
    scene.quiet();
    rename(&scene, 0, "b/d", "a/d");
    scene.quiet();
    assert_eq!(names(&scene, 1), ["a", "a/d", "a/d/y", "a/x", "b", "b/x"]);
}

/// The second device has nothing of `b` any more and wants to have nothing of it.
fn clear_b(scene: &mut Scene) {
    choose(scene, Selection::new([path("a")], [], [path("b")]));
}

/// What the second device says about paths, one `FST-nnnn path` each.
fn problems(scene: &Scene) -> Vec<String> {
    let problems = scene.devices[1].problems().into_iter();
    problems
        .map(|problem| format!("{} {}", problem.code, problem.path))
        .collect()
}

#[test]
fn s185_synced_copies_go_and_nothing_else_anywhere() {
    let mut scene = parted(&[]);
    scene.user(0, |vault| vault.user_mkdir(&path("b/deep")));
    scene.write(0, "b/deep/y", b"deep");
    scene.quiet();
    clear_b(&mut scene);
    scene.quiet();
    assert_eq!(names(&scene, 1), ["a", "a/x"]);
    assert_eq!(
        names(&scene, 0),
        ["a", "a/x", "b", "b/deep", "b/deep/y", "b/x"]
    );
    assert!(problems(&scene).is_empty());
    assert_nothing_to_do(&mut scene);
    everything(&mut scene);
    scene.assert_equal();
    assert_eq!(text(&scene, 1, "b/deep/y"), "deep");
}

#[test]
fn s185_what_the_server_has_not_as_it_is_here_stays_and_is_said() {
    let mut scene = parted(&[]);
    for file in ["b/gone", "b/renamed"] {
        scene.write(0, file, file.as_bytes());
    }
    scene.quiet();
    scene.write(1, "b/x", b"b, never sent");
    scene.write(1, "b/new", b"never sent");
    rename(&scene, 1, "b/renamed", "b/new name");
    scene.write(0, "b/gone", b"newer there");
    remove(&scene, 0, "b/gone");
    clear_b(&mut scene);
    scene.sync(0);
    for _ in 0..4 {
        assert_eq!(scene.devices[1].settle(), Ok(fst_client::Outcome::Waiting));
        scene.sync(0);
    }
    let left = ["a", "a/x", "b", "b/gone", "b/new", "b/new name", "b/x"];
    assert_eq!(names(&scene, 1), left);
    assert_eq!(names(&scene, 0), ["a", "a/x", "b", "b/renamed", "b/x"]);
    assert_eq!(text(&scene, 0, "b/x"), "b, first");
    assert_eq!(problems(&scene), ["FST-3021 b/gone"]);
    everything(&mut scene);
    scene.assert_equal();
    let kept = super::contents(&scene, 0);
    for bytes in [
        &b"b, never sent"[..],
        b"never sent",
        b"b/gone",
        b"b/renamed",
    ] {
        assert!(kept.contains(bytes), "{bytes:?} in {:?}", names(&scene, 0));
    }
}

#[test]
fn s185_what_is_chosen_in_what_is_cleared_stays() {
    let mut scene = parted(&[]);
    for dir in ["b/c", "b/k"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/y"), dir.as_bytes());
    }
    scene.quiet();
    let chosen = Selection::new([path("a"), path("b/c")], [path("b/k")], [path("b")]);
    choose(&mut scene, chosen);
    scene.quiet();
    assert_eq!(
        names(&scene, 1),
        ["a", "a/x", "b", "b/c", "b/c/y", "b/k", "b/k/y"]
    );
    scene.write(1, "b/c/y", b"still synced");
    scene.quiet();
    assert_eq!(text(&scene, 0, "b/c/y"), "still synced");
}

#[test]
fn s186_moved_there_out_of_the_choice_the_copy_goes_once_it_is_synced() {
    let mut scene = parted(&["a"]);
    scene.user(0, |vault| vault.user_mkdir(&path("a/d")));
    scene.write(0, "a/d/y", b"deep");
    scene.write(0, "a/z", b"stays");
    scene.quiet();
    rename(&scene, 0, "a/d", "b/d");
    rename(&scene, 0, "a/x", "b/moved");
    scene.sync(0);
    scene.quiet();
    assert_eq!(names(&scene, 1), ["a", "a/z", "b", "b/x"]);
    let there = ["a", "a/z", "b", "b/d", "b/d/y", "b/moved", "b/x"];
    assert_eq!(names(&scene, 0), there);
    assert_nothing_to_do(&mut scene);
    everything(&mut scene);
    scene.assert_equal();
}

#[test]
fn s186_a_copy_that_was_edited_stays_and_is_said() {
    let mut scene = parted(&["a"]);
    scene.user(0, |vault| vault.user_mkdir(&path("a/d")));
    for file in ["a/d/y", "a/d/z"] {
        scene.write(0, file, file.as_bytes());
    }
    scene.quiet();
    scene.write(1, "a/x", b"never sent");
    scene.write(1, "a/d/y", b"nor this");
    rename(&scene, 0, "a/x", "b/moved");
    rename(&scene, 0, "a/d", "b/d");
    scene.sync(0);
    assert_eq!(scene.devices[1].settle(), Ok(fst_client::Outcome::Waiting));
    assert_eq!(names(&scene, 1), ["a", "a/d", "a/d/y", "a/x", "b", "b/x"]);
    let mut said = problems(&scene);
    said.sort_unstable();
    assert_eq!(said, ["FST-3021 a/d/y", "FST-3021 a/x"]);
    everything(&mut scene);
    scene.assert_equal();
    assert_eq!(text(&scene, 0, "b/moved"), "never sent");
    assert_eq!(text(&scene, 0, "b/d/y"), "nor this");
    assert_eq!(text(&scene, 0, "b/d/z"), "a/d/z");
}

#[test]
fn s187_a_chosen_directory_that_is_moved_there_stays_until_it_is_followed() {
    let mut scene = parted(&["a"]);
    rename(&scene, 0, "a", "c");
    scene.write(0, "c/new", b"new there");
    scene.sync(0);
    assert_eq!(scene.devices[1].settle(), Ok(fst_client::Outcome::Waiting));
    assert_eq!(names(&scene, 1), ["a", "a/x", "b", "b/x"]);
    assert_eq!(problems(&scene), ["FST-3022 a"]);
    choose(&mut scene, Selection::new([path("a"), path("c")], [], []));
    scene.quiet();
    assert_eq!(names(&scene, 1), ["b", "b/x", "c", "c/new", "c/x"]);
    assert_eq!(names(&scene, 0), ["b", "b/x", "c", "c/new", "c/x"]);
}

#[test]
fn a_crash_at_any_moment_of_clearing_loses_and_deletes_nothing() {
    let ends = [
        (true, None),
        (true, Some(PowerCut::Everything)),
        (true, Some(PowerCut::Contents)),
        (false, None),
    ];
    for (on_disk, cut) in ends {
        for n in 1..60 {
            let mut scene = parted(&[]);
            scene.user(0, |vault| vault.user_mkdir(&path("b/deep")));
            scene.write(0, "b/deep/y", b"deep");
            scene.quiet();
            clear_b(&mut scene);
            let is_killed = scene.devices[1].kill_in_sync(n, on_disk, cut);
            // Chosen again right after the crash: what went is fetched, not deleted.
            everything(&mut scene);
            let all = ["a", "a/x", "b", "b/deep", "b/deep/y", "b/x"];
            assert_eq!(names(&scene, 0), all, "killed at {n}");
            scene.assert_equal();
            if !is_killed {
                break;
            }
            assert!(n < 59, "more moments than are tried");
        }
    }
}

#[test]
fn very_many_copies_that_others_moved_out_of_the_choice_need_a_word() {
    let mut scene = parted(&["a"]);
    scene.user(0, |vault| vault.user_mkdir(&path("a/d")));
    for n in 0..300 {
        scene.write(0, &format!("a/d/{n}"), b"one of many");
    }
    scene.quiet();
    rename(&scene, 0, "a/d", "b/d");
    scene.sync(0);
    let stopped = scene.devices[1].settle();
    assert_eq!(stopped, Err(fst_proto::error::ErrorCode::MassDelete));
    assert_eq!(names(&scene, 1).len(), 305);
    scene.devices[1].accept_deletions();
    scene.quiet();
    assert_eq!(names(&scene, 1), ["a", "a/x", "b", "b/x"]);
    // What the person cleared by name is nobody's accident.
    choose(&mut scene, Selection::new([], [], [path("b")]));
    scene.quiet();
    assert_eq!(names(&scene, 1), ["a", "a/x"]);
}

#[test]
fn a_choice_beside_an_answer_that_is_still_out_is_obeyed_once_it_came() {
    for n in 1..12 {
        let mut scene = parted(&[]);
        scene.write(1, "b/y", b"sent, and perhaps received");
        scene.devices[1].crash_in_sync(n, false, None);
        clear_b(&mut scene);
        // The line is cut again before an answer can come.
        scene.devices[1].crash_in_sync(n % 3, false, None);
        everything(&mut scene);
        scene.assert_equal();
        let all = ["a", "a/x", "b", "b/x", "b/y"];
        assert_eq!(names(&scene, 0), all, "cut after {n} requests");
    }
}

#[test]
fn s184_what_lies_beside_a_chosen_directory_comes_with_it_into_the_choice() {
    let mut scene = Scene::new(44, 2);
    for dir in ["a", "a/d", "a/e", "s"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/x"), dir.as_bytes());
    }
    choose(&mut scene, Selection::new(paths(&["a/d", "s"]), [], []));
    scene.quiet();
    assert_eq!(names(&scene, 1), ["a", "a/d", "a/d/x", "s", "s/x"]);
    rename(&scene, 0, "a", "s/a");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 1, "s/a/e/x"), "a/e");
}

#[test]
fn s184_also_when_this_device_moves_it_there() {
    let mut scene = Scene::new(45, 2);
    for dir in ["a", "a/d", "a/e", "s"] {
        scene.user(0, |vault| vault.user_mkdir(&path(dir)));
        scene.write(0, &format!("{dir}/x"), dir.as_bytes());
    }
    choose(&mut scene, Selection::new(paths(&["a/d", "s"]), [], []));
    scene.quiet();
    rename(&scene, 1, "a", "s/a");
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, 1, "s/a/e/x"), "a/e");
}
