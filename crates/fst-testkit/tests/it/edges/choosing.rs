//! Sub-folders that a device has chosen: what lies outside is left alone, here and there, whatever moves over the border.

use fst_engine::ignore::Selection;

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
