//! A disk that refuses every change, a file that a program has open: what needs neither goes on, and the rest
//! waits without harm.
//!
//! Source: docs/design/sync-semantics.md §"What the one who carries a plan out must do", 2.

use fst_fs::fake::RootState;
use fst_proto::path::RelPath;
use fst_testkit::scene::{Scene, path};

const AUTHOR: usize = 0;
/// Its disk becomes read-only.
const STIFF: usize = 1;

fn text(scene: &Scene, at: usize, file: &str) -> String {
    let read = |path: &RelPath| scene.devices[at].vault.user_read(path);
    let bytes = read(&path(file)).unwrap_or_default();
    String::from_utf8(bytes).expect("tests write text")
}

/// Two devices in sync with files `x` and `y`, and what the stiff one changed itself before it got stiff.
fn stiff(change: impl FnOnce(&Scene)) -> Scene {
    let mut scene = Scene::new(5, 2);
    scene.write(AUTHOR, "x", b"x, first");
    scene.write(AUTHOR, "y", b"y, first");
    scene.quiet();
    change(&scene);
    scene.devices[STIFF].vault.set_root(RootState::ReadOnly);
    scene
}

#[test]
fn what_needs_no_step_is_sent() {
    let mut scene = stiff(|scene| scene.write(STIFF, "own", b"written while it could"));
    scene.write(AUTHOR, "x", b"x, second");
    scene.sync(AUTHOR);
    assert_eq!(scene.devices[STIFF].sync(), "Waiting");
    scene.sync(AUTHOR);
    assert_eq!(text(&scene, AUTHOR, "own"), "written while it could");
    assert_eq!(text(&scene, STIFF, "x"), "x, first");

    scene.devices[STIFF].vault.set_root(RootState::Present);
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, STIFF, "x"), "x, second");
}

#[test]
fn a_node_with_a_failed_step_is_not_sent_by_half() {
    let mut scene = stiff(|scene| {
        scene.user(STIFF, |vault| vault.user_mkdir(&path("d")));
        scene.user(STIFF, |vault| vault.user_rename(&path("x"), &path("d/x")));
    });
    scene.write(AUTHOR, "x", b"x, second");
    scene.sync(AUTHOR);
    assert_eq!(scene.devices[STIFF].sync(), "Waiting");
    scene.sync(AUTHOR);
    assert_eq!(text(&scene, AUTHOR, "x"), "x, second", "moved by half");

    scene.devices[STIFF].vault.set_root(RootState::Present);
    scene.quiet();
    scene.assert_equal();
    assert_eq!(text(&scene, AUTHOR, "d/x"), "x, second");
}

#[test]
fn a_file_open_for_writing_waits_and_blocks_nothing_else() {
    let mut scene = stiff(|_| ());
    scene.devices[STIFF].vault.set_root(RootState::Present);
    let program = scene.devices[STIFF]
        .vault
        .user_open(&path("x"))
        .expect("it is there");
    scene.write(AUTHOR, "x", b"x, second");
    scene.write(AUTHOR, "y", b"y, second");
    scene.sync(AUTHOR);
    assert_eq!(scene.devices[STIFF].sync(), "Waiting");
    assert_eq!(text(&scene, STIFF, "y"), "y, second");
    let problems = scene.devices[STIFF].problems();
    let shown: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(shown, ["x"]);
    assert_eq!(problems[0].code, "FST-3010");

    program.append(b", and what the program adds");
    drop(program);
    scene.quiet();
    let end = scene.assert_equal();
    let contents: Vec<Vec<u8>> = end
        .into_values()
        .filter_map(|entry| match entry {
            fst_fs::fake::FakeEntry::File { bytes, .. } => Some(bytes),
            _ => None,
        })
        .collect();
    for wanted in [
        &b"x, second"[..],
        b"x, first, and what the program adds",
        b"y, second",
    ] {
        assert!(contents.iter().any(|bytes| bytes == wanted));
    }
}
