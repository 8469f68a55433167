//! Rows S-160 to S-179: which node a scanned entry is.

use std::collections::BTreeMap;

use fst_engine::identify::{FileKey, Identified, Scan, Seen, identify};
use fst_engine::tree::Tree;
use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::lang::{id, label, tree};

/// Scan of a tree: the inode of an entry is given as its time, `a=1~7`; `?` as content is a problem.
fn scan(text: &str) -> Scan {
    let mut scan = Scan::new();
    let seen = tree(&text.replace('?', "=?"), 0);
    for (id, node) in seen.iter() {
        let key = FileKey {
            dev: 1,
            ino: u64::try_from(node.mtime_ns).expect("an inode"),
        };
        let is_problem = node.content.kind == Kind::File && node.content.id.0[0] == b'?';
        let size = if node.content.id.0[0] == b'0' {
            0
        } else {
            node.size
        };
        let known = Seen::Known {
            content: node.content,
            mtime_ns: 0,
            size,
            key,
        };
        let entry = if is_problem { Seen::Problem } else { known };
        scan.insert(seen.path(id).expect("a path"), entry);
    }
    scan
}

fn look(base: &str, scanned: &str, remote: &str) -> Identified {
    let (base, remote) = (tree(base, 1), tree(remote, 2));
    let keys = |(id, node): (NodeId, &fst_engine::tree::Node)| {
        (
            id,
            FileKey {
                dev: 1,
                ino: u64::try_from(node.mtime_ns).expect("an inode"),
            },
        )
    };
    let keys: BTreeMap<NodeId, FileKey> = base.iter().map(keys).collect();
    let mut n_new = 0;
    let mut new_id = || {
        n_new += 1;
        id(&format!("new{n_new}"))
    };
    identify(&scan(scanned), &base, &keys, &remote, &mut new_id)
}

/// Says which node every path is, as `path:node`; then frozen nodes and blocked names.
#[track_caller]
fn check(base: &str, scanned: &str, remote: &str, expected: &str) {
    let seen = look(base, scanned, remote);
    let path = |id| seen.local.path(id).expect("a path");
    let nodes: BTreeMap<RelPath, NodeId> =
        seen.local.iter().map(|(id, _)| (path(id), id)).collect();
    let mut parts: Vec<String> = nodes
        .iter()
        .map(|(path, id)| format!("{path}:{}", label(*id)))
        .collect();
    parts.extend(
        seen.frozen
            .iter()
            .map(|id| format!("frozen {}", label(*id))),
    );
    let blocked = seen
        .blocked
        .iter()
        .map(|(dir, name)| format!("blocked {}/{name}", label(*dir)));
    parts.extend(blocked);
    assert_eq!(parts.join(" "), expected);
}

#[test]
fn s160_same_directory_name_and_kind_is_the_same_node() {
    check(
        "a@A=1~1 d@D/~2 d/b@B=1~3",
        "a=2~9 d/~8 d/b=1~3",
        "-",
        "a:A d:D d/b:B",
    );
}

#[test]
fn s177_what_remote_moved_here_is_known_by_its_inode() {
    let base = "a@A=1~1 b@B=2~2 d@D/~3";
    check(base, "a=2~2 d/~3", "a@B=2 d@D/", "a:B d:D");
    check(base, "a=2~2 c=1~1 d/~3", "c@A=1 a@B=2 d@D/", "a:B c:A d:D");
    check(base, "a=2~2 b=1~1 d/~3", "b@A=1 a@B=2 d@D/", "a:B b:A d:D");
    check(base, "a=2~2 d/~3", "a@B=5 d@D/", "a:B d:D");
    // Without its bytes the inode may be another file's by now.
    check(base, "a=7~2 d/~3", "a@B=2 d@D/", "a:A d:D");
    // Another place, or another inode: as ever.
    check(base, "a=2~2 d/~3", "a@A=1 d@D/ d/a@B=2", "a:A d:D");
    check(base, "a=2~9 d/~3", "a@B=2 d@D/", "a:A d:D");
    check(
        "a@A/~1 b@B/~2 b/x@X=1~3",
        "a/~2 a/x=1~3",
        "a@B/ a/x@X=1",
        "a:B a/x:X",
    );
}

#[test]
fn s161_a_swap_of_two_files_is_two_edits() {
    check("a@A=1~1 b@B=2~2", "a=2~2 b=1~1", "-", "a:A b:B");
}

#[test]
fn s162_a_vanished_node_is_found_by_its_key() {
    check("a@A=1~1 d@D/~2", "d/~2 d/x=7~1", "-", "d:D d/x:A");
    check("a@A=1~1 b@B=2~2", "b=1~1", "-", "b:B");
}

#[test]
fn s163_a_moved_directory_carries_what_is_in_it() {
    check(
        "d@D/~1 d/e@E/~2 d/e/x@X=1~3",
        "z/~1 z/e/~9 z/e/x=5~8",
        "-",
        "z:D z/e:E z/e/x:X",
    );
    check(
        "d@D/~1 d/e@E/~2 d/e/x@X=1~3",
        "c/~2 c/x=1~3 z/~1",
        "-",
        "c:E c/x:X z:D",
    );
    check(
        "d@D/~1 d/x@X=1~3",
        "c=1~3 z/~1 z/x=2~9",
        "-",
        "c:new1 z:D z/x:X",
    );
}

#[test]
fn s164_a_vanished_file_is_found_by_content() {
    check("a@A=1~1", "b=1~9", "-", "b:A");
}

#[test]
fn s165_content_does_not_tell_when_there_are_several_or_none() {
    check("a@A=1~1 b@B=1~2", "c=1~9", "-", "c:new1");
    check("a@A=1~1", "b=1~8 c=1~9", "-", "b:new1 c:new2");
    check("a@A=0~1", "b=0~9", "-", "b:new1");
    check("l@L->1~1", "b=1~9", "-", "b:new1");
}

#[test]
fn s166_a_conflict_copy_is_no_moved_file() {
    let scanned: Scan = scan("x=1~9")
        .into_values()
        .map(|seen| {
            let path = RelPath::parse("a (conflict pc 2023-11-14 221320-9f2c)");
            (path.expect("a path"), seen)
        })
        .collect();
    let (base, empty) = (tree("b@B=1~1", 1), Tree::new());
    let mut new_id = || id("new");
    let seen = identify(&scanned, &base, &BTreeMap::new(), &empty, &mut new_id);
    assert!(seen.local.contains(id("new")) && !seen.local.contains(id("B")));
}

#[test]
fn s167_what_another_device_made_alike_is_adopted() {
    check("-", "d/~1 d/a=1~2", "d@R/ d/a@RA=1x", "d:R d/a:RA");
    check("d@D/~1", "d/~1 d/a=1~2", "d@D/ d/a@RA=1", "d:D d/a:RA");
    check(
        "-",
        "a=1~1 b->t~2 c=1~3",
        "a@RA=2 b@RB->t c@RC/",
        "a:new1 b:RB c:new2",
    );
}

#[test]
fn s168_adoption_goes_before_keys() {
    check(
        "a@A=1~1 d@D/~2",
        "b=2~1 e/~2",
        "a@A=1 b@RB=2 d@D/ e@RE/",
        "b:RB e:RE",
    );
}

#[test]
fn s169_anything_else_is_new() {
    check("a@A=1~1", "a/~1 a/b=2~2", "-", "a:new1 a/b:new2");
    check("a@A=1~1", "b=2~2", "-", "b:new1");
}

#[test]
fn s170_what_is_not_there_was_deleted() {
    check("a@A=1~1 d@D/~2 d/b@B=1~3", "d/~2", "-", "d:D");
}

#[test]
fn s171_what_cannot_be_seen_keeps_its_base_state() {
    check("a@A=1~1 b@B=1~2", "a? b=2~2", "-", "a:A b:B frozen A");
    check(
        "d@D/~1 d/x@X=1~2",
        "d? c=1~2",
        "-",
        "c:new1 d:D d/x:X frozen D frozen X",
    );
    check("d@D/~1 d/x@X=1~2", "e/~1 e/x?", "-", "e:D e/x:X frozen X");
}

#[test]
fn s171_base_state_here_has_no_revision() {
    let seen = look("a@A=1~1", "a?", "-");
    assert_eq!(seen.local.get(id("A")).map(|node| node.rev), Some(0));
}

#[test]
fn s172_an_unknown_thing_blocks_its_name() {
    check(
        "d@D/~1",
        "a? d/~1 d/b?",
        "a@R=1",
        "d:D blocked /a blocked D/b",
    );
    check("-", "d/~1 d/b?", "-", "d:new1 blocked new1/b");
}

#[test]
fn s173_an_unfinished_base_is_no_problem() {
    // Between two steps base may have two nodes at one place, or nodes whose directory is gone.
    let mut base = tree("a@A=1 b@B=2 d@D/ d/x@X=3", 1);
    let place = base.get(id("A")).expect("there").place.clone();
    base.relocate(id("B"), place);
    base.remove(id("D"));
    let key = |ino| FileKey { dev: 1, ino };
    let keys = BTreeMap::from([(id("A"), key(1)), (id("B"), key(2)), (id("X"), key(3))]);
    let mut new_id = || id("new");
    let seen = identify(
        &scan("a=2~2 b=1~1 c=9~3"),
        &base,
        &keys,
        &Tree::new(),
        &mut new_id,
    );
    let at = |text: &str| {
        seen.local
            .lookup(&RelPath::parse(text).expect("a path"))
            .map(label)
    };
    assert_eq!(
        [at("a"), at("b"), at("c")],
        [Some("B".into()), Some("A".into()), Some("X".into())]
    );
}

#[test]
fn s174_keys_follow_what_was_seen() {
    let keys = |base, scanned| {
        let keys = look(base, scanned, "-").keys;
        let parts = keys
            .iter()
            .map(|(id, key)| format!("{}:{}", label(*id), key.ino));
        parts.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(keys("a@A=1~1", "a=2~9"), "A:9");
    assert_eq!(keys("a@A=1~1 b@B=1~2", "a=1~1 c=3~3"), "A:1 B:2");
    assert_eq!(keys("a@A=1~1 b@B=1~2", "a=1~2"), "A:2");
    assert_eq!(keys("a@A=1~1", "a?"), "A:1");
}

#[test]
fn s175_another_spelling_of_a_name_is_a_move() {
    check(
        "Foo@A=1~1 Dir@D/~2 Dir/x@X=1~3",
        "dir/~2 dir/x=1~3 foo=1~1",
        "-",
        "dir:D dir/x:X foo:A",
    );
}

#[test]
fn s176_two_names_of_one_object_are_two_nodes() {
    check("a@A=1~1", "a=1~1 b=1~1", "-", "a:A b:new1");
    check("a@A=1~1 b@B=1~1", "a=2~1 b=2~1", "-", "a:A b:B");
    check("a@A=1~1 b@B=1~1", "a=1~1 c=1~1", "-", "a:A c:B");
    check("a@A=1~1 b@B=1~1", "c=1~1 d=1~1", "-", "c:A d:B");
}
