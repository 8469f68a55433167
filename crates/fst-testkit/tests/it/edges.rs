//! Edge cases that only the whole client shows: one scene each, by its name.
//!
//! Source: docs/design/sync-semantics.md §"Edge cases"; what is a decision has its row and test in `fst-engine`.

use std::collections::BTreeSet;
use std::sync::Arc;

use fst_fs::fake::{FakeEntry, FakeOptions, FakeVault, RootState};
use fst_fs::vault::VaultError;
use fst_proto::path::{Name, RelPath};
use fst_testkit::evil::EvilRemote;
use fst_testkit::scene::{Scene, noise, path};

use crate::evil::capture;

mod choosing;
mod content;
mod disk;
mod ignoring;
mod meanwhile;
mod names;

/// Bytes of a file on device `at`; empty when there is none.
fn read(scene: &Scene, at: usize, file: &str) -> Vec<u8> {
    scene.devices[at]
        .vault
        .user_read(&path(file))
        .unwrap_or_default()
}

fn text(scene: &Scene, at: usize, file: &str) -> String {
    String::from_utf8(read(scene, at, file)).expect("tests write text")
}

/// All paths of device `at`.
fn names(scene: &Scene, at: usize) -> Vec<String> {
    let tree = scene.devices[at].vault.snapshot();
    tree.keys().map(ToString::to_string).collect()
}

/// Contents of all files of device `at`.
fn contents(scene: &Scene, at: usize) -> BTreeSet<Vec<u8>> {
    let tree = scene.devices[at].vault.snapshot();
    let bytes = |entry| match entry {
        FakeEntry::File { bytes, .. } => Some(bytes),
        FakeEntry::Symlink(_) | FakeEntry::Dir | FakeEntry::Special => None,
    };
    tree.into_values().filter_map(bytes).collect()
}

fn copies(scene: &Scene, at: usize) -> Vec<String> {
    let mut names = names(scene, at);
    names.retain(|name| name.contains("(conflict"));
    names
}

/// Two devices in sync with the file `x`.
fn pair() -> Scene {
    let mut scene = Scene::new(21, 2);
    scene.write(0, "x", b"x, first");
    scene.quiet();
    scene
}

/// Size of the log, once everybody has it; closes the first device's folder.
fn n_entries(scene: &mut Scene) -> u64 {
    let (space, head) = scene.devices[0].verified_head();
    assert_eq!(scene.head(space).size, head.size);
    head.size
}

/// Asserts that another round of syncing commits nothing and moves no content.
fn assert_nothing_to_do(scene: &mut Scene) {
    let before = n_entries(scene);
    let lines: Vec<Arc<EvilRemote>> = (0..scene.devices.len())
        .map(|at| capture(scene, at))
        .collect();
    scene.quiet();
    assert_eq!(n_entries(scene), before, "something was committed");
    let n_bytes: u64 = lines.iter().map(|line| line.n_object_bytes()).sum();
    assert_eq!(n_bytes, 0, "a content travelled");
}
