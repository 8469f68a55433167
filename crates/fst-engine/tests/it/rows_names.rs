//! Rows S-060 to S-079: two nodes want one name.

use crate::lang::check;

#[test]
fn s060_of_two_new_files_the_one_at_the_server_keeps_the_name() {
    check(
        "base - | local a@l=1 | remote a@r=2",
        "mv a a!1; write r=2 at a; put l=1 at a!1 send; note same-name r copy l remote",
    );
}

#[test]
fn s061_a_directory_keeps_the_name_before_a_file() {
    check(
        "base - | local a@l/ a/x@lx=1 | remote a@r=2",
        "write r=2 at a!2; put r=2 at a!2 move; put l/ at a; put lx=1 at l/x send; note same-name l copy r local",
    );
}

#[test]
fn s062_what_is_at_the_server_under_the_name_keeps_it() {
    check(
        "base x=1 y=2 | local a@x=1 y=2 | remote x=1 a@y=2",
        "mv a a!1; mv y a; put x=1 at a!1 move; note same-name y copy x remote",
    );
}

#[test]
fn s063_otherwise_the_smaller_id_keeps_it() {
    check(
        "base d/ e/ d/a@x=1 e/a@y=2 | local d/ e/ d/a@x=1 e/a@y=2 | remote d/ e/ e/a@y=2 e/b@x=1",
        "mv d/a e/b",
    );
    check(
        "base - | remote a@r=1 a@s=2",
        "write r=1 at a; write s=2 at a!2; put s=2 at a!2 move; note same-name r copy s remote",
    );
}

#[test]
fn s064_an_equal_file_becomes_the_known_one() {
    check(
        "base d/ d/a@x=1 | local d/ d/b@new=2 | remote d/ d/b@x=2",
        "unite new=x; adopt x; note edit-delete x remote",
    );
}

#[test]
fn s065_an_equal_file_makes_room_for_one_that_comes_from_elsewhere() {
    check(
        "base a=1 | local a=1 b@new=2 | remote b@a=2",
        "rm b; mv a b; write a=2 at b over =1",
    );
    check(
        "base a=1 | local a=1 b@new=2 | remote b@a=2 | frozen a",
        "hold a frozen; hold new dependent",
    );
}

#[test]
fn s066_a_new_directory_becomes_the_one_that_was_moved_there() {
    check(
        "base d/ d/a=1 | local e@new/ e/b@nb=2 | remote e@d/ e/a@d/a=1 e/c@c=3",
        "unite new=d; write d/a=1 at e/a; write c=3 at e/c; put nb=2 at d/b send; note move-delete d remote",
    );
}

#[test]
fn s067_united_directories_settle_the_names_in_them() {
    check(
        "base d/ d/a=1 | local e@new/ e/a@na=2 | remote e@d/ e/a@d/a=1",
        "unite new=d; mv e/a e/a!2; write d/a=1 at e/a; put na=2 at d/a!2 send; \
         note move-delete d remote; note same-name d/a copy na remote",
    );
}

#[test]
fn s068_a_directory_that_is_here_under_another_name_is_not_united() {
    check(
        "base d/ | local d/ e@new/ | remote e@d/",
        "mv e e!d; mv d e; put new/ at e!d; note same-name d copy new remote",
    );
}

#[test]
fn s069_a_directory_in_place_of_a_file_that_was_edited() {
    check(
        "base a=1 | local a@new/ a/c@c=3 | remote a=2",
        "write a=2 at a!2; put a=2 at a!2 move; put new/ at a; put c=3 at new/c send; \
         note edit-delete a remote; note same-name new copy a local",
    );
}

#[test]
fn s070_a_file_in_place_of_a_directory_that_got_a_child() {
    check(
        "base d/ d/a=1 | local d@new=2 | remote d/ d/a=1 d/b=3",
        "mv d d!2; mkdir d; write d/b=3; put new=2 at d!2 send; del d/a; note same-name d copy new remote",
    );
}

#[test]
fn s071_a_new_name_avoids_all_that_is_there() {
    check(
        "base a!1=9 | local a@l=1 a!1=9 | remote a@r=2 a!1=9 a!1+@q=5",
        "mv a a!1++; write r=2 at a; write q=5 at a!1+; put l=1 at a!1++ send; note same-name r copy l remote",
    );
    check(
        "base - | local a@l=1 | remote a@r=2 | blocked a!1",
        "mv a a!1+; write r=2 at a; put l=1 at a!1+ send; note same-name r copy l remote",
    );
}

#[test]
fn s071_so_does_the_name_of_what_is_not_here_yet() {
    check(
        "base - | local a@l/ a!2@z=9 | remote a@r=2",
        "write r=2 at a!2+; put r=2 at a!2+ move; put l/ at a; put z=9 at a!2 send; note same-name l copy r local",
    );
}

#[test]
fn s072_a_renamed_node_is_found_again_after_a_crash() {
    check(
        "base - | local a@l/ a!2@new=2 | remote a@r=2",
        "unite new=r; put r=2 at a!2 move; put l/ at a; note same-name l copy r local",
    );
}

#[test]
fn s073_what_blocks_a_name_does_so_in_the_united_directory() {
    check(
        "base d/ d/a=1 | local e@new/ | blocked e/a | remote e@d/ e/a@d/a=1 e/c@c=3",
        "unite new=d; write c=3 at e/c; note move-delete d remote; hold d/a blocked",
    );
}

#[test]
fn s074_deleted_and_made_anew_there() {
    check("base a=1 | remote a@new=2", "rm a; write new=2 at a");
    check(
        "base a=1 | local a=3 | remote a@new=2 | dead a:2",
        "mv a a!3; write new=2 at a; put a=3 at a!3 send move rev 2; note edit-delete a local; \
         note same-name new copy a remote",
    );
}

#[test]
fn s075_a_link_in_place_of_a_file_that_was_edited() {
    check(
        "base a=1 | local a@new->t | remote a=2",
        "mv a a!t; write a=2; put new->t at a!t send; note edit-delete a remote; note same-name a copy new remote",
    );
    check(
        "base a=1 | local a=2 | remote a@new->t | dead a:2",
        "mv a a!2; write new->t at a; put a=2 at a!2 send move rev 2; note edit-delete a local; \
         note same-name new copy a remote",
    );
}

#[test]
fn s076_two_other_kinds_in_place_of_one() {
    check(
        "base a=1 | local a@l/ a/x@lx=1 | remote a@r->t | dead a:2",
        "adopt a; write r->t at a!t; put r->t at a!t move; put l/ at a; put lx=1 at l/x send; note same-name l copy r local",
    );
}

#[test]
fn s077_names_are_bytes() {
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    check(
        &format!("base - | local a@l=1 {composed}@p=1 | remote A@r=2 {decomposed}@q=2"),
        &format!(
            "write r=2 at A; write q=2 at {decomposed}; put l=1 at a send; put p=1 at {composed} send"
        ),
    );
    check("base Foo@a=1 | local foo@a=1", "put a=1 at foo move");
    check("base Foo@a=1 | remote foo@a=1", "mv Foo foo");
}

#[test]
fn s078_a_directory_that_lives_for_what_is_in_it_becomes_the_one_in_its_place() {
    check(
        "base d/ | local d/ d/b=2 | remote d@new/ d/c@c=3 | dead d:2",
        "unite d=new; adopt d; adopt new; write c=3 at d/c; put d/b=2 at new/b send",
    );
    check(
        "base d/ d/a=1 d/e=5 | local d/ d/a=1 d/e=6 | remote d@new/ d/a@c=3 | dead d:2 d/a:2 d/e:2",
        "unite d=new; adopt d; adopt new; rm d/a; write c=3 at d/a; put d/e=6 at new/e send move rev 2; \
         note edit-delete d/e local",
    );
    // What a crash left between taking the old one away and taking down that it is gone.
    check(
        "base d/ | local d/ d/f@f/ | remote d@new/ d/f@g/ | dead d:2",
        "unite d=new; unite f=g; adopt d; adopt g; adopt new",
    );
}
