//! Rows S-320 to S-329: what a plan makes of clean merges, and of strategies that leave the choice to a person.

use crate::lang::check;

#[test]
fn s320_a_merge_is_sent_once_the_local_bytes_are_in_history() {
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | merge a:23",
        "put a!2=2 from local a; hold a archiving",
    );
    check(
        "base a=1 | local a=2~1 | remote a=3~2 a!2=2 | merge a:23",
        "put a=23 from merge a; del a!2; note merged a remote",
    );
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | dead a!2:2 | merge a:23",
        "put a=23 from merge a; note merged a remote",
    );
}

#[test]
fn s321_the_folder_gets_a_merge_as_any_remote_version() {
    check(
        "base a=1 | local a=2~1 | remote a=23~2 | dead a!2:2 | merge a:23",
        "write a=23 over =2; note merged a remote",
    );
}

#[test]
fn s322_a_merge_that_adds_nothing_here_is_sent_as_an_edit() {
    check(
        "base a=1 | local a=23~1 | remote a=3~2 | merge a:23",
        "put a=23 send; note merged a local",
    );
}

#[test]
fn s323_a_file_that_moves_here_is_not_merged() {
    check(
        "base a=1 | local a=2~1 | remote b@a=3~2 | merge a:23",
        "mv a b; write a!2=2 at b!2 from local a; write a=3 at b over =2; put a!2=2 at b!2 send; \
         note edit-edit a copy a!2 remote",
    );
    check(
        "base a=1 | local b@a=2~1 | remote a=3~2 | dead a!2:2 | merge a:23",
        "put a=23 at b from merge a move; note merged a remote",
    );
}

#[test]
fn s324_bits_merge_apart() {
    check(
        "base a=1 | local a=2x~1 | remote a=3~2 | dead a!2:2 | merge a:23",
        "put a=23x from merge a; note merged a remote",
    );
}

#[test]
fn s325_what_a_person_is_to_decide_is_kept_in_sight() {
    let kept = "write a!2=2 from local a; write a=3 over =2; put a!2=2 send; note edit-edit a copy a!2 remote";
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | history | manual",
        kept,
    );
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | history | merge",
        kept,
    );
}
