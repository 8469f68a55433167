//! Versions of nodes as the verified log tells them, and their bytes as the server still has them.
//!
//! Source: docs/design/versions.md.

use fst_client::fetch::{Fetcher, Flat};
use fst_client::versions::{self, NodeHistory};
use fst_proto::recipe::Extent;
use fst_testkit::scene::{Scene, noise, path};

const AUTHOR: usize = 0;
const READER: usize = 1;
/// Larger than what travels inside a batch.
const LARGE: usize = 3 << 20;

/// What node and bytes a reader finds for a path, current node first.
fn histories(scene: &mut Scene, at: usize, file: &str) -> Vec<(NodeHistory, Vec<Vec<u8>>)> {
    scene.devices[at].beside(|db, space, remote| {
        let tree = db.trees().expect("a sound database").1;
        let nodes = versions::nodes_of_path(db.read(), &tree, &path(file)).expect("sound");
        let mut fetcher = Fetcher::new(space, remote, db.read());
        let all = nodes.into_iter().map(|node| {
            let found = versions::of_node(db.read(), node).expect("a sound database");
            let bytes = found.versions.iter().map(|version| {
                let mut bytes = Vec::new();
                fetcher
                    .write_revision(&version.revision, &mut Flat(&mut bytes))
                    .expect("the server has it");
                bytes
            });
            let bytes = bytes.collect();
            (found, bytes)
        });
        all.collect()
    })
}

#[test]
fn every_version_comes_back_byte_by_byte_with_author_and_time() {
    let mut scene = Scene::new(31, 2);
    let large = noise(1, LARGE);
    scene.write(AUTHOR, "f", b"first");
    scene.quiet();
    scene.write(READER, "f", &large);
    scene.quiet();
    scene.user(AUTHOR, |vault| vault.user_rename(&path("f"), &path("g")));
    scene.quiet();
    scene.write(AUTHOR, "g", b"third");
    scene.quiet();

    let found = histories(&mut scene, READER, "g");
    let [(history, bytes)] = found.as_slice() else {
        panic!("one node: {found:?}");
    };
    assert_eq!(*bytes, [b"first".to_vec(), large, b"third".to_vec()]);
    let listed: Vec<_> = history
        .versions
        .iter()
        .map(|v| (v.number, v.revision.state.size, v.is_current))
        .collect();
    assert_eq!(
        listed,
        [(1, 5, false), (2, LARGE as u64, false), (3, 5, true)]
    );
    let authors: Vec<_> = history.versions.iter().map(|v| v.revision.device).collect();
    assert_eq!(authors[0], authors[2]);
    assert_ne!(authors[0], authors[1]);
    let times: Vec<_> = history
        .versions
        .iter()
        .map(|v| v.revision.time_ms)
        .collect();
    assert!(times.is_sorted() && times[0] < times[2], "{times:?}");
}

#[test]
fn a_deleted_file_and_an_earlier_name_are_found_by_path() {
    let mut scene = Scene::new(32, 2);
    scene.write(AUTHOR, "f", b"the first f");
    scene.quiet();
    scene.user(AUTHOR, |vault| vault.user_remove(&path("f")));
    scene.quiet();
    scene.write(AUTHOR, "f", b"the second f");
    scene.quiet();
    scene.user(AUTHOR, |vault| vault.user_rename(&path("f"), &path("away")));
    scene.quiet();

    let found = histories(&mut scene, READER, "f");
    let shown: Vec<_> = found
        .iter()
        .map(|(history, bytes)| (history.deleted.is_some(), bytes.clone()))
        .collect();
    let second = (false, vec![b"the second f".to_vec()]);
    let first = (true, vec![b"the first f".to_vec()]);
    assert_eq!(shown, [second, first]);
}

#[test]
fn the_tree_at_a_time_is_the_tree_that_stood_then() {
    let mut scene = Scene::new(33, 1);
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("d")));
    scene.write(AUTHOR, "d/f", b"one");
    scene.quiet();
    let then = scene.devices[AUTHOR].beside(|db, _, _| {
        let loaded = db.load().expect("sound");
        (loaded.last_time_ms, db.trees().expect("a sound database").1)
    });
    scene.write(AUTHOR, "d/f", b"two");
    scene.user(AUTHOR, |vault| vault.user_rename(&path("d"), &path("e")));
    scene.quiet();
    scene.user(AUTHOR, |vault| vault.user_remove(&path("e/f")));
    scene.quiet();
    let past = scene.devices[AUTHOR]
        .beside(|db, _, _| versions::tree_at(db.read(), then.0).expect("sound"));
    assert_eq!(past, then.1);
}

#[test]
fn holes_are_zeros_in_a_flat_target() {
    let mut bytes = Vec::new();
    let hole = Extent::Hole { len: 3 };
    fst_client::fetch::Target::hole(&mut Flat(&mut bytes), hole.len()).expect("memory");
    assert_eq!(bytes, [0; 3]);
}
