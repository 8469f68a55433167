//! Rows S-001 to S-029: one node, two sides, and rows S-050 to S-059: what must hang together.

use fst_engine::plan::{DiskStep, PushKind};
use fst_proto::entry::{Place, ROOT};
use fst_proto::path::PRIVATE_DIR;

use crate::lang::{Scenario, check, id, name};

#[test]
fn s001_nothing_changed() {
    check("base d/ d/a=1 l->t x=1x", "nothing");
}

#[test]
fn s002_new_here_is_sent() {
    check(
        "base - | local d/ d/a=1 l->t",
        "put d/; put d/a=1 send; put l->t send",
    );
}

#[test]
fn s003_new_there_is_written() {
    check(
        "base - | remote d/ d/a=1x l->t",
        "mkdir d; write d/a=1x; write l->t",
    );
}

#[test]
fn s004_edited_here_is_sent() {
    check("base a=1 | local a=2", "put a=2 send");
}

#[test]
fn s005_edited_there_is_written_over_what_base_says() {
    check("base a=1 | remote a=2", "write a=2 over =1");
}

#[test]
fn s006_moved_here_is_sent_without_bytes() {
    check("base a=1 d/ | local b@a=1 d/", "put a=1 at b move");
    check("base a=1 d/ | local d/ d/a@a=1", "put a=1 at d/a move");
    check("base d/ d/a=1 | local e@d/ e/a@d/a=1", "put d/ at e move");
}

#[test]
fn s007_moved_there_is_moved_here() {
    check("base a=1 d/ | remote d/ d/b@a=1", "mv a d/b");
    check("base d/ d/a=1 | remote e@d/ e/a@d/a=1", "mv d e");
}

#[test]
fn s008_deleted_here_is_deleted_there() {
    check("base d/ d/a=1 d/b=1 | local d/ d/b=1", "del d/a");
    check("base d/ d/a=1 | local -", "del d/a; del d");
}

#[test]
fn s009_deleted_there_is_removed_here() {
    check("base d/ d/a=1 | remote -", "rm d/a; rmdir d");
}

#[test]
fn s010_executable_bit_travels_without_bytes() {
    check("base a=1 | local a=1x", "put a=1x");
    check("base a=1 | remote a=1x", "set a=1x");
    check("base a=1x | remote a=1", "set a=1");
}

#[test]
fn s011_equal_changes_are_adopted() {
    check("base a=1 | local a=2 | remote a=2", "adopt a");
    check("base a=1 | local b@a=1 | remote b@a=1", "adopt a");
    check("base a=1 | local a=1x | remote a=1x", "adopt a");
}

#[test]
fn s012_deleted_on_both_sides_is_forgotten() {
    check("base d/ d/a=1 | local - | remote -", "adopt d; adopt d/a");
}

#[test]
fn s013_the_same_new_node_is_adopted() {
    check(
        "base - | local d/ d/a=1 | remote d/ d/a=1",
        "adopt d; adopt d/a",
    );
    check("base - | local a=1 | remote a=1x", "set a=1x");
}

#[test]
fn s014_edit_survives_a_delete() {
    check(
        "base a=1 | local a=2 | remote - | dead a:2",
        "put a=2 send move rev 2; note edit-delete a local",
    );
}

#[test]
fn s015_delete_does_not_beat_an_edit_there() {
    check(
        "base a=1 | local - | remote a=2",
        "write a=2; note edit-delete a remote",
    );
}

#[test]
fn s016_a_changed_executable_bit_is_an_edit() {
    check(
        "base a=1 | local a=1x | remote - | dead a:2",
        "put a=1x send move rev 2; note edit-delete a local",
    );
    check(
        "base a=1 | local - | remote a=1x",
        "write a=1x; note edit-delete a remote",
    );
}

#[test]
fn s017_a_time_alone_is_no_change() {
    check("base a=1 | local a=1~7", "nothing");
    check("base a=1 | remote a=1~7", "adopt a");
    check("base a=1 | local a=1~7 | remote -", "rm a");
    check("base a=1 | local - | remote a=1~7", "del a");
    check("base a=1 | local a=2 | remote a=1~7", "put a=2 send");
    check("base a=1 | local a=1~7 | remote a=2", "write a=2 over =1");
    check("base a=1 | local a=2~3 | remote a=2~7", "adopt a");
}

#[test]
fn s018_bytes_and_executable_bit_merge() {
    check(
        "base a=1 | local a=2 | remote a=1x",
        "set a=2x; put a=2x send",
    );
    check(
        "base a=1 | local a=1x | remote a=2",
        "write a=2x over =1x; put a=2x",
    );
}

#[test]
fn s019_moved_here_edited_there() {
    check(
        "base a=1 | local b@a=1 | remote a=2",
        "write a=2 at b over =1; put a=2 at b move",
    );
    check(
        "base a=1 | local a=2 | remote b@a=1",
        "mv a b; put a=2 at b send",
    );
}

#[test]
fn s020_a_link_is_merged_like_a_file() {
    check("base l->t | local l->u", "put l->u send");
    check("base l->t | remote l->u", "write l->u over ->t");
    check(
        "base l->t | local - | remote l->u",
        "write l->u; note edit-delete l remote",
    );
}

#[test]
fn s021_a_move_survives_a_delete() {
    check(
        "base a=1 | local b@a=1 | remote - | dead a:2",
        "put a=1 at b send move rev 2; note move-delete a local",
    );
    check(
        "base a=1 | local - | remote b@a=1",
        "write a=1 at b; note move-delete a remote",
    );
}

#[test]
fn s022_a_moved_directory_survives_with_all_in_it() {
    check(
        "base d/ d/a=1 | local - | remote e@d/ e/a@d/a=1",
        "mkdir d at e; write d/a=1 at e/a; note move-delete d remote",
    );
    check(
        "base d/ d/a=1 | local e@d/ e/a@d/a=1 | remote - | dead d:2 d/a:2",
        "put d/ at e move rev 2; put d/a=1 send move rev 2; note move-delete d local",
    );
}

#[test]
fn s023_what_was_deleted_inside_a_moved_directory_stays_deleted() {
    check(
        "base d/ d/a=1 | local d/ | remote e@d/ e/a@d/a=1",
        "mv d e; del d/a",
    );
    check(
        "base d/ d/a=1 d/b=1 | local e@d/ e/b@d/b=1 | remote d/ d/a=1",
        "rm e/b; put d/ at e move; del d/a",
    );
}

/// Times of the first step and of the first operation.
fn times(scenario: &str) -> (Option<i64>, Option<i64>) {
    let plan = Scenario::parse(scenario).plan();
    let step = plan.steps.first().and_then(|step| match step {
        DiskStep::Write { mtime_ns, .. } | DiskStep::SetAttributes { mtime_ns, .. } => {
            Some(*mtime_ns)
        },
        DiskStep::MakeDir { .. }
        | DiskStep::Move { .. }
        | DiskStep::Stage { .. }
        | DiskStep::Unstage { .. }
        | DiskStep::Remove { .. }
        | DiskStep::RemoveDir { .. } => None,
    });
    let op = plan.push.first().and_then(|op| match op.kind {
        PushKind::Put { mtime_ns, .. } => Some(mtime_ns),
        PushKind::Delete { .. } => None,
    });
    (step, op)
}

#[test]
fn s024_the_time_goes_with_the_bytes() {
    assert_eq!(times("base a=1~1 | local a=2~7"), (None, Some(7)));
    assert_eq!(times("base a=1~1 | remote a=2~7"), (Some(7), None));
    assert_eq!(times("base a=1~1 | local a=1x~7"), (None, Some(7)));
    assert_eq!(times("base a=1~1 | remote a=1x~7"), (Some(7), None));
    assert_eq!(times("base a=1~1 | local b@a=1~7"), (None, Some(1)));
    assert_eq!(
        times("base a=1~1 | local a=2~7 | remote a=1x~9"),
        (Some(7), Some(7))
    );
}

#[test]
fn s025_moved_and_edited_on_one_side_is_one_change() {
    check("base a=1 | local b@a=2", "put a=2 at b send move");
    check("base a=1 | remote b@a=2", "mv a b; write a=2 at b over =1");
}

#[test]
fn s026_a_time_that_goes_back_is_an_edit_as_any_other() {
    check("base a=1~9 | local a=2~1", "put a=2 send");
    check("base a=1~9 | remote a=2~1", "write a=2 over =1");
}

#[test]
fn s050_a_new_child_brings_its_directory_back() {
    check(
        "base d/ | local - | remote d/ d/a=1",
        "mkdir d; write d/a=1",
    );
    check(
        "base d/ | local d/ d/a=1 | remote - | dead d:2",
        "put d/ move rev 2; put d/a=1 send",
    );
}

#[test]
fn s051_all_directories_above_come_back() {
    check(
        "base d/ d/e/ d/e/a=1 d/e/b=1 | local - | remote d/ d/e/ d/e/a=2 d/e/b=1",
        "mkdir d; mkdir d/e; write d/e/a=2; del d/e/b; note edit-delete d/e/a remote",
    );
}

#[test]
fn s052_a_deleted_directory_takes_only_what_its_author_saw() {
    check(
        "base d/ d/a=1 | local d/ d/a=1 d/b=1 | remote - | dead d:2 d/a:2",
        "rm d/a; put d/ move rev 2; put d/b=1 send",
    );
}

#[test]
fn s053_children_follow_a_moved_directory() {
    check(
        "base d/ d/a=1 | local e@d/ e/a@d/a=1 | remote d/ d/a=2 d/b=1",
        "write d/a=2 at e/a over =1; write d/b=1 at e/b; put d/ at e move",
    );
    check(
        "base d/ x=1 | local e@d/ x=1 | remote d/ d/x@x=1",
        "mv x e/x; put d/ at e move",
    );
}

#[test]
fn s054_of_two_moves_into_each_other_the_local_one_is_undone() {
    check(
        "base x/ y/ | local y/ y/x@x/ | remote x/ x/y@y/",
        "mv y/x x; mv y x/y; note move-cycle x remote",
    );
    check(
        "base a/ a/b/ d/ | local a/ a/b/ a/b/d@d/ | remote d/ d/a@a/",
        "mv a/b/d d; mv a d/a; rmdir d/a/b; note move-cycle d remote",
    );
}

#[test]
fn s055_longer_cycles_are_undone_once() {
    check(
        "base x/ x/a=1 y/ z/ | local x/ x/a=1 z/ z/y@y/ | remote x/ x/a=1 x/z@z/ y/ | dead q:9",
        "mv z x/z; put y/ at z/y move",
    );
    check(
        "base x/ y/ z/ | local y/ z/ z/x@x/ | remote x/ x/y@y/ x/y/z@z/",
        "mv z/x x; mv y x/y; mv z x/y/z; note move-cycle x remote",
    );
    check(
        "base x/ y/ | local y/ y/n@a/ y/n/x@x/ | remote x/ x/y@y/",
        "mv y/n/x x; mv y x/y; put a/ at y/n; note move-cycle x remote",
    );
}

#[test]
fn s056_what_hangs_nowhere_in_the_remote_tree_waits() {
    let mut scenario = Scenario::parse("base - | remote d/ d/e/ d/e/a=1 b=1");
    scenario.remote.remove(id("d"));
    scenario.expect("write b=1; hold d/e malformed; hold d/e/a dependent");
    let mut scenario = Scenario::parse("base d/ d/a=1");
    scenario.remote.remove(id("d"));
    scenario.expect("put d/");
}

#[test]
fn s057_so_does_a_cycle_in_the_remote_tree() {
    let mut scenario = Scenario::parse("base - | remote d/ d/e/ d/e/a=1 b=1");
    let place = Place {
        parent: id("d/e"),
        name: name("d"),
    };
    scenario.remote.relocate(id("d"), place);
    scenario.expect("write b=1; hold d malformed; hold d/e malformed; hold d/e/a dependent");
}

#[test]
fn s058_a_node_never_changes_its_kind() {
    check("base a=1 | remote a/", "hold a malformed");
    check("base - | local a=1 | remote a/", "hold a malformed");
    check("base d/ d/b=1 | remote d=1", "rm d/b; hold d malformed");
    check(
        "base - | local a=1 | remote a/ a/x=2",
        "hold a malformed; hold a/x malformed",
    );
}

#[test]
fn s059_our_own_name_is_never_written() {
    let mut scenario = Scenario::parse("base - | remote d/ d/a=1");
    scenario.remote.relocate(
        id("d"),
        Place {
            parent: ROOT,
            name: name(PRIVATE_DIR),
        },
    );
    scenario.expect("hold d malformed; hold d/a dependent");
}
