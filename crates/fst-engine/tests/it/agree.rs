//! Nodes that were made by half.

use fst_engine::agree::agreed;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::Name;

const X: NodeId = NodeId([1; 16]);
const Z: NodeId = NodeId([2; 16]);

fn file(name: &str, bytes: u8, exec: bool) -> Node {
    Node {
        place: Place {
            parent: ROOT,
            name: Name::new(name.as_bytes()).expect("a plain name"),
        },
        content: Content {
            kind: Kind::File,
            id: ContentId([bytes; 32]),
            exec,
        },
        mtime_ns: i64::from(bytes),
        size: u64::from(bytes),
        rev: u64::from(bytes),
    }
}

fn tree(nodes: &[(NodeId, Node)]) -> Tree {
    let mut tree = Tree::new();
    for (id, node) in nodes {
        tree.insert(*id, node.clone());
    }
    tree
}

#[test]
fn s049_base_takes_the_half_that_both_show() {
    let base = tree(&[(X, file("x", 1, false))]);
    let local = tree(&[(X, file("y", 1, false))]);
    let remote = tree(&[(X, file("y", 1, true))]);
    assert_eq!(
        agreed(&base, &local, &remote),
        [(X, file("y", 1, false))],
        "moved, not yet executable"
    );
}

#[test]
fn s049_bytes_and_bit_are_taken_apart() {
    let base = tree(&[(X, file("x", 1, false))]);
    let local = tree(&[(X, file("x", 2, false))]);
    let remote = tree(&[(X, file("y", 2, true))]);
    let new = Node {
        rev: 1,
        ..file("x", 2, false)
    };
    assert_eq!(agreed(&base, &local, &remote), [(X, new)]);
}

#[test]
fn s049_what_only_the_user_did_is_not_taken() {
    let base = tree(&[(X, file("x", 1, false))]);
    let local = tree(&[(X, file("z", 3, true))]);
    let remote = tree(&[(X, file("y", 2, false))]);
    assert_eq!(agreed(&base, &local, &remote), []);
}

#[test]
fn s049_a_place_that_base_gives_to_another_waits() {
    let base = tree(&[(X, file("x", 1, false)), (Z, file("y", 5, false))]);
    let local = tree(&[(X, file("y", 1, false))]);
    let remote = tree(&[(X, file("y", 1, true))]);
    assert_eq!(agreed(&base, &local, &remote), []);
}
