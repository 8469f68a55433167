//! Rows S-030 to S-049: both sides changed one node.

use crate::lang::{Scenario, check, label};

#[test]
fn s030_the_newer_edit_wins_and_the_local_loser_is_copied_first() {
    check(
        "base a=1 | local a=2~1 | remote a=3~2",
        "write a!2=2 from local a; write a=3 over =2; put a!2=2 send; note edit-edit a copy a!2 remote",
    );
}

#[test]
fn s031_a_remote_loser_is_written_beside_and_needs_no_upload() {
    check(
        "base a=1 | local a=2~2 | remote a=3~1",
        "write a!3=3 from remote a; put a!3=3 from remote a; put a=2 send; note edit-edit a copy a!3 local",
    );
}

#[test]
fn s032_equal_times_are_decided_by_content() {
    check(
        "base a=1 | local a=3 | remote a=2",
        "write a!2=2 from remote a; put a!2=2 from remote a; put a=3 send; note edit-edit a copy a!2 local",
    );
}

#[test]
fn s033_oldest_is_the_reverse() {
    check(
        "base a=1 | local a=2~2 | remote a=3~1 | oldest",
        "write a!2=2 from local a; write a=3 over =2; put a!2=2 send; note edit-edit a copy a!2 remote",
    );
}

#[test]
fn s033_oldest_takes_the_local_one_too() {
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | oldest",
        "write a!3=3 from remote a; put a!3=3 from remote a; put a=2 send; note edit-edit a copy a!3 local",
    );
}

#[test]
fn s034_a_plan_made_again_finds_its_copy() {
    check(
        "base a=1 | local a=2~1 a!2@new=2 | remote a=3~2",
        "unite new=a!2; write a=3 over =2; put a!2=2 send; note edit-edit a copy a!2 remote",
    );
    check(
        "base a=1 | local a=2~2 a!3@new=3 | remote a=3~1",
        "unite new=a!3; put a!3=3 from remote a; put a=2 send; note edit-edit a copy a!3 local",
    );
}

#[test]
fn s035_a_content_kept_already_is_not_copied_again() {
    check(
        "base a=1 a!2=2 | local a=2~1 a!2=2 | remote a=3~2 a!2=2",
        "write a=3 over =2; note edit-edit a copy a!2 remote",
    );
    check(
        "base a=1 x=2 | local a=2~1 a!2@x=2 | remote a=3~2 a!2@x=2",
        "adopt x; write a=3 over =2; note edit-edit a copy x remote",
    );
}

#[test]
fn s035_a_content_that_leaves_the_name_does_not_count() {
    check(
        "base a=1 a!2@m=2 | local a=2~1 a!2@m=2 | remote a=3~2 x@m=2",
        "mv a!2 x; write a!2=2 at a!2+ from local a; write a=3 over =2; put a!2=2 at a!2+ send; \
         note edit-edit a copy a!2 remote",
    );
}

#[test]
fn s036_an_edited_copy_is_a_file_of_its_own() {
    check(
        "base a=1 a!2=7 | local a=2~1 a!2=7 | remote a=3~2 a!2=7",
        "write a!2!2=2 at a!2+ from local a; write a=3 over =2; put a!2!2=2 at a!2+ send; \
         note edit-edit a copy a!2!2 remote",
    );
}

#[test]
fn s037_in_history_only_a_remote_loser_is_there_already() {
    check(
        "base a=1 | local a=2~2 | remote a=3~1 | history",
        "put a=2 send; note edit-edit a local",
    );
}

#[test]
fn s038_in_history_only_a_local_loser_is_sent_before_it_is_overwritten() {
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | history",
        "put a!2=2 from local a; hold a archiving",
    );
    check(
        "base a=1 | local a=2~1 | remote b@a=3~2 | history",
        "put a!2=2 at b!2 from local a; hold a archiving",
    );
    check(
        "base a=1 a!2=2 | local a=2~1 | remote a=3~2 a!2=2 | history",
        "write a=3 over =2; del a!2; note edit-edit a remote",
    );
    check(
        "base a=1 | local a=2~1 | remote a=3~2 a!2=2 | history",
        "write a=3 over =2; del a!2; note edit-edit a remote",
    );
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | history | dead a!2:2",
        "write a=3 over =2; note edit-edit a remote",
    );
}

#[test]
fn s039_the_losing_target_of_a_link_is_kept_as_a_link() {
    check(
        "base l->t | local l->u~1 | remote l->v~2",
        "write l!u->u from local l; write l->v over ->u; put l!u->u send; note edit-edit l copy l!u remote",
    );
}

#[test]
fn s040_of_two_moves_the_one_at_the_server_wins() {
    check(
        "base a=1 | local b@a=1 | remote c@a=1",
        "mv b c; note move-move a remote",
    );
    check(
        "base a=1 | local b@a=2 | remote c@a=1",
        "mv b c; put a=2 at c send; note move-move a remote",
    );
}

#[test]
fn s041_the_copy_lies_beside_the_winner() {
    check(
        "base a=1 d/ | local a=2~1 d/ | remote d/ d/a@a=3~2",
        "mv a d/a; write a!2=2 at d/a!2 from local a; write a=3 at d/a over =2; put a!2=2 at d/a!2 send; \
         note edit-edit a copy a!2 remote",
    );
}

#[test]
fn s042_without_base_different_contents_are_a_conflict() {
    check(
        "base - | local a=2~1 | remote a=3~2",
        "write a!2=2 from local a; write a=3 over =2; put a!2=2 send; note edit-edit a copy a!2 remote",
    );
}

#[test]
fn s044_a_conflict_is_not_done_before_its_copy() {
    let waits = |scenario: &str| {
        let plan = Scenario::parse(scenario).plan();
        let pairs = plan
            .waits
            .iter()
            .map(|(a, b)| format!("{} {}", label(*a), label(*b)));
        for (waiting, other) in &plan.waits {
            assert!(plan.waits_for(*waiting).any(|id| id == *other));
            assert_eq!(plan.waits_for(*other).count(), 0);
        }
        pairs.collect::<Vec<String>>().join("; ")
    };
    assert_eq!(waits("base a=1 | local a=2~1 | remote a=3~2"), "a a!2");
    let two = "base a=1 b=1 | local a=2~1 b=2~1 | remote a=3~2 b=3~2";
    assert_eq!(waits(two), "a a!2; b b!2");
    assert_eq!(waits("base a=1 | local a=2~2 | remote b@a=3~1"), "a a!3");
    assert_eq!(waits("base a=1 | local a=2~2 | remote a=3~1 | history"), "");
    let carried = "base d/ d/a=1 d/b=1 | local - | remote e@d/ e/a@d/a=1 e/b@d/b=2";
    assert_eq!(waits(carried), "d d/a");
}

#[test]
fn s043_the_executable_bit_is_merged_apart_from_the_conflict() {
    check(
        "base a=1 | local a=2x~1 | remote a=3~2",
        "write a!2=2x from local a; write a=3x over =2x; put a!2=2x send; put a=3x; \
         note edit-edit a copy a!2 remote",
    );
}

#[test]
fn s045_a_conflict_that_both_resolved_alike_is_over() {
    check(
        "base a=1 a!2=2 | local a=3 | remote a=3",
        "adopt a; adopt a!2",
    );
}

#[test]
fn s046_a_conflict_that_both_resolved_differently_is_a_new_one() {
    check(
        "base a=1 a!2=2 | local a=3~1 | remote a=4~2",
        "adopt a!2; write a!3=3 from local a; write a=4 over =3; put a!3=3 send; \
         note edit-edit a copy a!3 remote",
    );
}

#[test]
fn s047_a_conflict_copy_that_both_edited_is_a_file_like_any_other() {
    check(
        "base a=1 a!2=2 | local a=1 a!2=3~1 | remote a=1 a!2=4~2",
        "write a!2!3=3 from local a!2; write a!2=4 over =3; put a!2!3=3 send; \
         note edit-edit a!2 copy a!2!3 remote",
    );
}

#[test]
fn s048_the_side_that_syncs_first_makes_no_difference() {
    check(
        "base a=1 | local a=2~1 | remote a=3~2",
        "write a!2=2 from local a; write a=3 over =2; put a!2=2 send; note edit-edit a copy a!2 remote",
    );
    check(
        "base a=1 | local a=3~2 | remote a=2~1",
        "write a!2=2 from remote a; put a!2=2 from remote a; put a=3 send; note edit-edit a copy a!2 local",
    );
}
