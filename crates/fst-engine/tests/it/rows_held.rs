//! Rows S-080 to S-099: what must not be touched, and folders that sync one way.

use crate::lang::check;

#[test]
fn s080_what_cannot_be_seen_is_left_alone() {
    check("base a=1 | remote a=2 | frozen a", "hold a frozen");
    check("base a=1 | remote - | frozen a", "hold a frozen");
    check("base a=1 | remote b@a=1 | frozen a", "hold a frozen");
}

#[test]
fn s081_so_is_all_below_it() {
    check(
        "base d/ d/a=1 | remote d/ d/a=2 d/b=3 | frozen d d/a",
        "hold d/a frozen; hold d/b frozen",
    );
}

#[test]
fn s082_a_directory_with_something_unseen_in_it_is_not_removed() {
    check(
        "base d/ d/a=1 d/b=1 | remote - | frozen d/a",
        "rm d/b; hold d dependent; hold d/a frozen",
    );
}

#[test]
fn s083_an_occupied_name_is_not_written() {
    check(
        "base - | blocked a | remote a=1 b=1",
        "write b=1; hold a blocked",
    );
    check(
        "base - | blocked d | remote d/ d/a=1",
        "hold d blocked; hold d/a dependent",
    );
    check("base x=1 | blocked a | remote a@x=1", "hold x blocked");
}

#[test]
fn s084_a_directory_with_something_unknown_in_it_is_not_removed() {
    check(
        "base d/ d/b=1 | blocked d/x | remote -",
        "rm d/b; hold d dependent",
    );
}

#[test]
fn s085_nothing_moves_into_or_out_of_what_cannot_be_seen() {
    check(
        "base a=1 d/ | remote d/ d/a@a=1 | frozen d",
        "hold a frozen",
    );
    check(
        "base d/ d/a=1 | remote d/ a@d/a=1 | frozen d d/a",
        "hold d/a frozen",
    );
}

#[test]
fn s086_what_a_held_node_is_in_the_way_of_waits() {
    check(
        "base a=1 | remote b@a=1 a@new=2 | frozen a",
        "hold a frozen; hold new dependent",
    );
}

#[test]
fn s087_a_conflict_waits_when_its_copy_has_to() {
    check(
        "base d/ d/a=1 | local d/ d/a=2~1 | remote e@d/ e/a@d/a=3~2 | blocked e",
        "write d/a!2=2 from local d/a; write d/a=3 over =2; put d/a!2=2 send; \
         note edit-edit d/a copy d/a!2 remote; hold d blocked",
    );
    check(
        "base a=1 | local a=2~1 | remote d/ d/a@a=3~2 | blocked d",
        "hold a dependent; hold d blocked",
    );
    check(
        "base a=1 d/ | local a=2~1 d/ | remote d/ d/a@a=3~2 | blocked d/a",
        "hold a blocked",
    );
}

#[test]
fn s088_held_places_never_make_a_cycle() {
    check(
        "base q/ q/p/ | local p@q/p/ p/n/ p/n/q@q/ | remote q/ q/z@q/p/ | up",
        "hold p/n dependent; hold q dependent; hold q/p one-way",
    );
}

#[test]
fn s089_everything_else_goes_on() {
    check(
        "base a=1 b=1 c=1 | local a=1 b=2 c=1 | remote a=2 b=1 c=3 | frozen a",
        "write c=3 over =1; put b=2 send; hold a frozen",
    );
}

#[test]
fn s090_upload_only_sends_what_changed_here() {
    check(
        "base a=1 b=1 c=1 | local a=2 d@b=1 n=1 | up",
        "put a=2 send; put b=1 at d move; put n=1 send; del c",
    );
}

#[test]
fn s091_upload_only_leaves_remote_changes() {
    check(
        "base a=1 b=1 c=1 | remote a=2 d@b=1 n=1 | up",
        "hold a one-way; hold b one-way; hold c one-way; hold n one-way",
    );
}

#[test]
fn s092_upload_only_does_not_overwrite_remote_changes() {
    check(
        "base a=1 b=1 | local a=2 | remote a=3 b=2 | up",
        "hold a one-way; hold b one-way",
    );
    check(
        "base - | local a@l=1 | remote a@r=2 | up",
        "hold l dependent; hold r one-way",
    );
}

#[test]
fn s093_upload_only_keeps_remote_directories_that_hold_something_else() {
    check(
        "base d/ d/a=1 | local - | remote d/ d/a=1 d/b=2 | up",
        "del d/a; hold d dependent; hold d/b one-way",
    );
}

#[test]
fn s094_download_only_takes_what_changed_there() {
    check(
        "base a=1 b=1 c=1 | remote a=2 d@b=1 n=1 | down",
        "rm c; mv b d; write a=2 over =1; write n=1",
    );
}

#[test]
fn s095_download_only_leaves_local_changes() {
    check(
        "base a=1 b=1 c=1 | local a=2 d@b=1 n=1 | down",
        "hold a one-way; hold b one-way; hold c one-way; hold n one-way",
    );
    check("base a=1 | local a=2 | remote a=3 | down", "hold a one-way");
}

#[test]
fn s096_download_only_writes_over_nothing_new() {
    check(
        "base - | local a@l=1 | remote a@r=2 b=3 | down",
        "write b=3; hold l one-way; hold r dependent",
    );
    check(
        "base d/ d/a=1 | local d/ d/a=1 d/n=2 | remote - | down",
        "rm d/a; hold d dependent; hold d/n one-way",
    );
}

#[test]
fn s097_equal_changes_are_adopted_in_any_direction() {
    check(
        "base a=1 b=1 | local a=2 | remote a=2 | up",
        "adopt a; adopt b",
    );
    check(
        "base a=1 b=1 | local a=2 | remote a=2 | down",
        "adopt a; adopt b",
    );
}
