//! Rows S-100 to S-129: the order of steps and operations.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::batch::{cuts, set_aside};
use fst_engine::order::steps;
use fst_engine::plan::{DiskStep, PushKind};
use fst_engine::progress::Progress;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};

use crate::cases;
use crate::lang::{Scenario, check, name, show_step, tree};

const EXACT: bool = false;
const FOLDS: bool = true;

#[track_caller]
fn moves(local: &str, goal: &str, expected: &str) {
    moves_on(EXACT, local, goal, expected);
}

/// As `moves`, on a disk that folds names.
#[track_caller]
fn moves_folded(local: &str, goal: &str, expected: &str) {
    moves_on(FOLDS, local, goal, expected);
}

#[track_caller]
fn moves_on(folds_names: bool, local: &str, goal: &str, expected: &str) {
    let (local, goal) = (tree(local, 0), tree(goal, 0));
    let steps = steps(&local, &goal, &BTreeMap::new(), folds_names);
    let text: Vec<String> = steps.iter().map(show_step).collect();
    assert_eq!(text.join("; "), expected);
    run(folds_names, &local, &goal, &steps);
}

/// Does the steps on paths alone, strictly, and compares the end with the goal.
fn run(folds_names: bool, local: &Tree, goal: &Tree, steps: &[DiskStep]) {
    let put = |there: &mut BTreeSet<RelPath>, path: &RelPath, entries: Vec<RelPath>| {
        assert!(
            !(folds_names && there.iter().any(|other| is_alike(other, path))),
            "{path} is occupied by its like"
        );
        put(there, path, entries);
    };
    let mut there: BTreeSet<RelPath> = paths(local).into_values().collect();
    let mut staged: BTreeMap<NodeId, Vec<RelPath>> = BTreeMap::new();
    let mut progress = Progress::new(local.clone());
    for step in steps {
        match step {
            DiskStep::MakeDir { path, .. }
            | DiskStep::Write {
                path, expect: None, ..
            } => {
                put(&mut there, path, vec![RelPath::root()]);
            },
            DiskStep::Move { from, to, .. } => {
                assert!(!to.starts_with(from));
                let taken = take(&mut there, from);
                put(&mut there, to, taken);
            },
            DiskStep::Stage { node, from } => {
                let taken = take(&mut there, from);
                assert!(staged.insert(*node, taken).is_none());
            },
            DiskStep::Unstage { node, to } => {
                put(&mut there, to, staged.remove(node).expect("staged before"));
            },
            DiskStep::Remove { path, .. } | DiskStep::RemoveDir { path, .. } => {
                assert_eq!(take(&mut there, path).len(), 1, "{path} holds something");
            },
            DiskStep::Write { path, .. } | DiskStep::SetAttributes { path, .. } => {
                assert!(there.contains(path), "{path} is not there");
            },
        }
        progress.follow(step);
        let known: BTreeSet<RelPath> = paths(progress.tree()).into_values().collect();
        assert_eq!(known, there, "after {step:?}");
    }
    assert!(staged.is_empty());
    assert_eq!(paths(progress.tree()), paths(goal));
}

fn is_alike(one: &RelPath, other: &RelPath) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

fn paths(tree: &Tree) -> BTreeMap<NodeId, RelPath> {
    tree.iter()
        .filter_map(|(id, _)| tree.path(id).map(|path| (id, path)))
        .collect()
}

fn take(there: &mut BTreeSet<RelPath>, path: &RelPath) -> Vec<RelPath> {
    let taken: Vec<RelPath> = there
        .iter()
        .filter(|p| p.starts_with(path))
        .cloned()
        .collect();
    assert!(!taken.is_empty(), "{path} is not there");
    there.retain(|p| !p.starts_with(path));
    let below = |p: &RelPath| join(&RelPath::root(), p, path.names().len());
    taken.iter().map(below).collect()
}

fn put(there: &mut BTreeSet<RelPath>, path: &RelPath, entries: Vec<RelPath>) {
    let parent = path.parent().expect("not the root");
    assert!(
        parent.is_root() || there.contains(&parent),
        "{path} has no directory"
    );
    for entry in entries {
        assert!(there.insert(join(path, &entry, 0)), "{path} is occupied");
    }
}

fn join(path: &RelPath, below: &RelPath, skip: usize) -> RelPath {
    let names = below.names().iter().skip(skip);
    names.fold(path.clone(), |path, name| {
        path.child(name.clone()).expect("a good name")
    })
}

#[test]
fn s100_removals_come_first_from_the_bottom_up() {
    moves(
        "d/ d/a=1 d/e/ d/e/b=1 x=1",
        "y@x=1",
        "rm d/e/b; rm d/a; rmdir d/e; rmdir d; mv x y",
    );
}

#[test]
fn s101_directories_come_before_what_is_in_them() {
    moves(
        "x=1",
        "d/ d/e/ d/e/x@x=1 d/e/y=2",
        "mkdir d; mkdir d/e; mv x d/e/x; write d/e/y=2",
    );
}

#[test]
fn s102_a_swap_goes_through_the_stage() {
    moves("a=1 b=2", "a@b=2 b@a=1", "stage b; mv a b; unstage b a");
}

#[test]
fn s112_where_names_are_folded_the_like_of_a_name_makes_room_too() {
    moves_folded("A=1 e/", "a@e/ a/a@A=1", "stage A; mv e a; unstage A a/a");
    moves_folded("A=1 e=2", "b@A=1 a@e=2", "mv A b; mv e a");
    moves_folded("A=1", "a/ a/A@A=1", "stage A; mkdir a; unstage A a/A");
    moves_folded("A/ A/x=1 e/", "a@e/ x@A/x=1", "mv A/x x; rmdir A; mv e a");
    moves_folded("A=1", "a@A=1", "mv A a");
    moves_folded("É=1 e=2", "b@É=1 e\u{301}@e=2", "mv É b; mv e e\u{301}");
}

#[test]
fn s103_so_does_a_cycle() {
    moves(
        "a=1 b=2 c=3",
        "a@c=3 b@a=1 c@b=2",
        "stage c; mv b c; mv a b; unstage c a",
    );
}

#[test]
fn s104_a_chain_starts_at_its_free_end() {
    moves("a=1 b=2 c=3", "b@a=1 c@b=2 d@c=3", "mv c d; mv b c; mv a b");
}

#[test]
fn s105_one_kind_in_place_of_another() {
    moves("a=1", "a@d/ a/b=2", "rm a; mkdir d at a; write a/b=2");
    moves("a/ a/b=1", "a@x=2", "rm a/b; rmdir a; write x=2 at a");
}

#[test]
fn s106_a_child_takes_the_place_of_its_directory() {
    moves("a/ a/x=1", "a@a/x=1", "stage a/x; rmdir a; unstage a/x a");
    moves(
        "a/ a/b/ a/b/x=1",
        "a@a/b/x=1",
        "stage a/b/x; rmdir a/b; rmdir a; unstage a/b/x a",
    );
}

#[test]
fn s107_directories_change_places_with_their_children() {
    moves(
        "a/ a/b/",
        "a@a/b/ a/b@a/",
        "stage a/b; stage a; unstage a/b a; unstage a a/b",
    );
    moves(
        "a/ a/b/ a/b/c/",
        "a@a/b/c/ a/b@a/ a/b/c@a/b/",
        "stage a/b/c; stage a; unstage a/b/c a; unstage a a/b; mv a/b/b a/b/c",
    );
}

#[test]
fn s108_local_bytes_are_copied_before_they_are_overwritten() {
    check(
        "base z=1 b=1 | local z=2~1 b=1 | remote z=3~2 b=4 a=5",
        "write z!2=2 from local z; write a=5; write b=4 over =1; write z=3 over =2; put z!2=2 send; \
         note edit-edit z copy z!2 remote",
    );
}

#[test]
fn s109_a_path_is_where_a_thing_is_when_its_step_runs() {
    moves(
        "d/ d/a=1 d/b=1",
        "e@d/ e/c@d/a=1 e/b@d/b=2",
        "mv d e; mv e/a e/c; write d/b=2 at e/b over =1",
    );
}

#[test]
fn s110_a_directory_whose_children_leave_goes_last() {
    moves("d/ d/a=1 d/b=2", "x@d/a=1", "rm d/b; mv d/a x; rmdir d");
}

#[test]
fn s111_moves_and_writes_of_one_node_come_in_this_order() {
    check(
        "base a=1 d/ | remote d/ d/b@a=2x",
        "mv a d/b; write a=2x at d/b over =1",
    );
}

#[test]
fn s120_operations_start_at_the_top_and_end_with_deletions() {
    check(
        "base x/ x/a=1 x/b=1 z=1 | local d/ d/e/ d/e/n=2 d/a@x/a=1",
        "put d/; put x/a=1 at d/a move; put d/e/; put d/e/n=2 send; del z; del x/b; del x",
    );
}

#[test]
fn s121_a_name_is_freed_before_it_is_taken() {
    check(
        "base a=1 | local b@a=1 a@new=2",
        "put a=1 at b move; put new=2 at a send",
    );
    check("base a=1 | local a@new/", "del a; put new/ at a");
    check(
        "base a=1 | local a@new=2 z/ z/a@a=1",
        "put z/; put a=1 at z/a move; put new=2 at a send",
    );
    check(
        "base a/ a/x=1 | local a@new=2",
        "del a/x; del a; put new=2 at a send",
    );
}

#[test]
fn s122_a_losing_content_is_kept_before_it_is_superseded() {
    check(
        "base z=1 | local z=2~2 | remote z=3~1",
        "write z!3=3 from remote z; put z!3=3 from remote z; put z=2 send; note edit-edit z copy z!3 local",
    );
}

#[test]
fn s123_bytes_are_sent_only_if_the_server_lacks_them() {
    check("base a=1 | local b@a=1x", "put a=1x at b move");
    check("base a=1 | local a=1 | remote - | dead a:4", "rm a");
    check(
        "base a=1 | local a=1x | remote - | dead a:4",
        "put a=1x send move rev 4; note edit-delete a local",
    );
}

#[test]
fn s124_an_operation_is_conditional_on_what_was_seen() {
    // The language checks the revision of every operation on a live node.
    check("base a=1 | local a=2 | remote a=1~5", "put a=2 send");
    check("base - | local a=1 | dead a:7", "put a=1 send move rev 7");
}

/// Cuts of the operations that the scenario's plan has.
#[track_caller]
fn cut(scenario: &str, expected: &[usize]) {
    let scenario = Scenario::parse(scenario);
    assert_eq!(cuts(&scenario.remote, &scenario.plan().push), expected);
}

#[test]
fn s125_operations_may_be_cut_where_the_tree_is_well_formed() {
    cut("base x=1 | local d/ d/a=1 d/x@x=1 b=2", &[1, 2, 3, 4]);
    cut("base a=1 | local b@a=1 a@new=2", &[1, 2]);
    cut("base d/ d/a=1 | local -", &[1, 2]);
    cut("base a=1", &[]);
}

#[test]
fn s126_what_changes_places_stays_together() {
    cut("base a=1 b=2 c=3 | local b@a=1 a@b=2 c=4", &[2, 3]);
    cut("base a/ a/x=1 | local a@a/x=1", &[2]);
    cut("base a/ a/b/ | local a@a/b/ a/b@a/", &[2]);
}

#[test]
fn s128_what_is_renamed_over_something_goes_in_one_batch() {
    cut("base a=1 b=2 c=3 d=4 | local a=4 e=5", &[2, 3, 4, 5]);
    check("base a=1 b=2 c=3 | local a=3", "put a=3 send; del c; del b");
}

#[test]
fn what_is_long_waits_and_what_it_takes_over_waits_with_it() {
    let scenario = Scenario::parse("base a=1 b=2 c=3 | local a=3 d=4");
    let mut ops = scenario.plan().push;
    for op in &mut ops {
        let is_long = scenario
            .remote
            .get(op.node)
            .is_some_and(|node| node.place.name == name("a"));
        if let PushKind::Put { size, .. } = &mut op.kind {
            *size = if is_long { 100 } else { 99 };
        }
    }
    let aside = |long| {
        let nodes = set_aside(&scenario.remote, &ops, long);
        let names = nodes.iter().filter_map(|&node| scenario.remote.get(node));
        let names: BTreeSet<String> = names.map(|node| node.place.name.to_string()).collect();
        assert_eq!(names.len(), nodes.len(), "the new one is none of them");
        names.into_iter().collect::<String>()
    };
    assert_eq!(aside(99), "ac");
    assert_eq!(aside(100), "");
}

#[test]
fn s127_what_was_left_out_is_noticed() {
    let scenario = Scenario::parse("base a=1 d/ | local b@a=1 a@new=2");
    let ops = scenario.plan().push;
    assert_eq!(cuts(&scenario.remote, &ops[1..]), Vec::<usize>::new());
    let gone = Scenario::parse("base d/ d/a=1 | local -");
    assert_eq!(
        cuts(&gone.remote, &gone.plan().push[1..]),
        Vec::<usize>::new()
    );
    let new = Scenario::parse("base - | local d/ d/a=1");
    assert_eq!(
        cuts(&new.remote, &new.plan().push[1..]),
        Vec::<usize>::new()
    );
    let inside = Scenario::parse("base a/ | local a/ a/x=1");
    assert_eq!(
        cuts(&tree("a=1", 1), &inside.plan().push),
        Vec::<usize>::new()
    );
    let cycle = Scenario::parse("base a/ b/ | local a/ a/b@b/");
    let mut ops = cycle.plan().push;
    ops.extend(Scenario::parse("base a/ b/ | local b/ b/a@a/").plan().push);
    assert_eq!(cuts(&cycle.remote, &ops), [1]);
}

fn id(n: usize) -> NodeId {
    let mut bytes = [0; NodeId::LEN];
    bytes[..8].copy_from_slice(&(n + 1).to_be_bytes());
    NodeId(bytes)
}

fn node(parent: NodeId, text: &str, kind: Kind) -> Node {
    let place = Place {
        parent,
        name: name(text),
    };
    let content = Content {
        kind,
        id: ContentId::ZERO,
        exec: false,
    };
    Node {
        place,
        content,
        mtime_ns: 0,
        size: 0,
        rev: 0,
    }
}

/// Large trees take n log n: these would take hours otherwise.
#[test]
fn large_trees_are_ordered_quickly() {
    const N: usize = 20_000;
    let row = |shift: usize| {
        let mut tree = Tree::new();
        for n in 0..N {
            tree.insert(id(n), node(ROOT, &format!("{:06}", n + shift), Kind::File));
        }
        tree
    };
    let ring = |shift: usize| {
        let mut tree = Tree::new();
        for n in 0..N {
            tree.insert(
                id(n),
                node(ROOT, &format!("{:06}", (n + shift) % N), Kind::Dir),
            );
        }
        tree
    };
    let none = BTreeMap::new();
    assert_eq!(steps(&Tree::new(), &row(0), &none, EXACT).len(), N);
    assert_eq!(steps(&row(0), &Tree::new(), &none, EXACT).len(), N);
    assert_eq!(steps(&row(0), &row(1), &none, EXACT).len(), N);
    assert_eq!(steps(&row(1), &row(0), &none, EXACT).len(), N);
    assert_eq!(steps(&ring(0), &ring(1), &none, EXACT).len(), N + 1);
}

/// A tree of directories and files from pairs of (parent, name); later nodes may hang on earlier ones. No two names in a
/// directory are alike.
fn random_tree(names: [&str; 3], nodes: &[(usize, u8, u8)], order: usize) -> Tree {
    let mut tree = Tree::new();
    for step in 0..nodes.len() {
        // Another starting point gives another shape over the same nodes.
        let n = (step + order) % nodes.len();
        let (parent, name, keep) = nodes[n];
        let parents: Vec<NodeId> = (0..step)
            .map(|s| (s + order) % nodes.len())
            .filter(|p| p % 3 != 0)
            .map(id)
            .collect();
        let parents: Vec<NodeId> = parents.into_iter().filter(|p| tree.contains(*p)).collect();
        let at = parent.checked_rem(parents.len() + 1).unwrap_or(0);
        let parent = if at == 0 { ROOT } else { parents[at - 1] };
        let text = names[usize::from(name) % 3];
        let is_alike =
            |(name, _): (&Name, NodeId)| name.as_bytes().eq_ignore_ascii_case(text.as_bytes());
        let is_free = !tree.children(parent).any(is_alike);
        if keep % 5 != 0 && is_free {
            let kind = if n.is_multiple_of(3) {
                Kind::File
            } else {
                Kind::Dir
            };
            tree.insert(id(n), node(parent, text, kind));
        }
    }
    tree
}

proptest! {
    #![proptest_config(cases(24_000))]

    /// Any tree turns into any other tree over the same nodes, where names are folded too if neither holds two that are
    /// alike.
    #[test]
    fn any_tree_becomes_any_other(
        one in vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..14),
        other in vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..14),
        order in 0..14_usize, folds_names in any::<bool>(),
    ) {
        let names = if folds_names { ["a", "A", "b"] } else { ["a", "b", "c"] };
        let (local, goal) = (random_tree(names, &one, 0), random_tree(names, &other, order));
        let steps = steps(&local, &goal, &BTreeMap::new(), folds_names);
        run(folds_names, &local, &goal, &steps);
        let n_moved = local.iter().filter(|(id, node)| {
            goal.get(*id).is_some_and(|there| there.place != node.place)
        });
        let n_moves = steps.iter().filter(|step| {
            matches!(step, DiskStep::Move { .. } | DiskStep::Unstage { .. })
        });
        prop_assert_eq!(n_moves.count(), n_moved.count());
    }
}
