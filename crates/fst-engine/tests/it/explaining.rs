//! Reasons of plans: each names the row that decides, and every row that code names is in the document.

use std::collections::BTreeSet;

use fst_engine::row::Row;
use fst_proto::entry::{Place, ROOT};
use fst_proto::ids::NodeId;

use crate::lang::{Scenario, id};

/// Explains a scenario: `node way action row` for each node that the plan concerns.
#[track_caller]
fn check(scenario: &str, expected: &str) {
    assert_eq!(Scenario::parse(scenario).reasons(), expected);
}

#[test]
fn every_row_that_code_names_is_in_the_document() {
    let spec = include_str!("../../../../docs/design/sync-semantics.md");
    let rows: BTreeSet<String> = spec
        .lines()
        .filter_map(|line| line.strip_prefix("| S-"))
        .map(|rest| format!("S-{}", &rest[..3]))
        .collect();
    for row in Row::ALL {
        assert!(
            rows.contains(&row.to_string()),
            "{row} is no row of the document"
        );
    }
    let named: BTreeSet<u16> = Row::ALL.iter().map(|row| row.number()).collect();
    assert_eq!(named.len(), Row::ALL.len(), "each row is named once");
}

#[test]
fn changes_of_one_side_name_their_row() {
    check(
        "base - | local a=1 d/",
        "a Up Upload S-002; d Up Upload S-002",
    );
    check(
        "base - | remote a=1 d/",
        "a Down Download S-003; d Down Download S-003",
    );
    check("base a=1 | local a=2", "a Up Upload S-004");
    check("base a=1 | remote a=2", "a Down Download S-005");
    check("base a=1 | local b@a=1", "a Up Move S-006");
    check("base a=1 | remote b@a=1", "a Down Move S-007");
    check("base a=1 | local -", "a Up Delete S-008");
    check("base a=1 | remote -", "a Down Delete S-009");
    check("base a=1 | local a=1x", "a Up Attributes S-010");
    check("base a=1 | local a=2 | remote a=2", "a Neither Adopt S-011");
    check("base a=1 | local - | remote -", "a Neither Adopt S-012");
    check("base - | local a=1 | remote a=1", "a Neither Adopt S-013");
    check("base l->a | local l->b", "l Up Upload S-020");
    check("base a=1", "");
}

#[test]
fn what_merges_apart_names_its_row() {
    check("base a=1 | local a=2 | remote -", "a Up Upload S-014");
    check("base a=1 | local - | remote a=2", "a Down Download S-015");
    check("base a=1 | local a=1x | remote -", "a Up Upload S-016");
    check("base a=1 | local a=2 | remote a=1x", "a Both Upload S-018");
    check(
        "base a=1 | local b@a=1 | remote a=2",
        "a Both Download S-019",
    );
    check("base a=1 | local b@a=1 | remote -", "a Up Upload S-021");
    check("base a=1 | local b@a=1 | remote c@a=1", "a Down Move S-040");
}

#[test]
fn conflicts_and_their_copies_name_one_row() {
    check(
        "base a=1 | local a=2~1 | remote a=3~2",
        "a Down Download S-030; a!2 Both Upload S-030",
    );
    check(
        "base a=1 | local a=3~2 | remote a=2~1",
        "a Up Upload S-031; a!2 Both Upload S-031",
    );
    check(
        "base - | local a@l=1 | remote a@r=2",
        "l Both Upload S-060; r Down Download S-003",
    );
    check(
        "base a=1 | local a=2~1 | remote a=3~2 | history",
        "a Neither Hold S-038; a!2 Up Upload S-038",
    );
}

#[test]
fn what_is_left_alone_names_its_row() {
    check("base a=1 | remote a=2 | frozen a", "a Neither Hold S-080");
    check("base - | blocked a | remote a=1", "a Neither Hold S-083");
    check(
        "base d/ d/b=1 | blocked d/x | remote -",
        "d Neither Hold S-084; d/b Down Delete S-009",
    );
    check(
        "base a=1 | remote b@a=1 a@new=2 | frozen a",
        "a Neither Hold S-080; new Neither Hold S-086",
    );
    check("base a=1 | remote a=2 | up", "a Neither Hold S-091");
    check("base a=1 | local a=2 | up", "a Up Upload S-090");
    check(
        "base a=1 | local a=2 | remote a=3 | up",
        "a Neither Hold S-092",
    );
    check("base a=1 | local a=2 | down", "a Neither Hold S-095");
    check("base a=1 | remote a=2 | down", "a Down Download S-094");
    check("base - | remote a=1 | ignored a", "a Neither Hold S-227");
    check(
        "base d/ | local - | remote d/ d/a=1",
        "d Down Download S-050; d/a Down Download S-003",
    );
}

/// The same with remote nodes put at other places, which may be none.
#[track_caller]
fn check_misplaced(scenario: &str, places: &[(&str, NodeId, &str)], expected: &str) {
    let mut scenario = Scenario::parse(scenario);
    for (node, parent, name) in places {
        let place = Place {
            parent: *parent,
            name: crate::lang::name(name),
        };
        scenario.remote.relocate(id(node), place);
    }
    assert_eq!(scenario.reasons(), expected);
}

#[test]
fn what_the_server_cannot_mean_names_its_row() {
    let unknown = NodeId([0xee; 16]);
    check("base a=1 | remote a@a/", "a Neither Hold S-058");
    check_misplaced("base a=1", &[("a", unknown, "a")], "a Neither Hold S-056");
    check_misplaced("base a=1", &[("a", ROOT, ".fst")], "a Neither Hold S-059");
    check_misplaced(
        "base d/ | remote d/ d/b=1",
        &[("d/b", id("d"), ".fst")],
        "d/b Down Download S-003",
    );
    let circle = [("d", id("e"), "d"), ("e", id("d"), "e")];
    check_misplaced(
        "base d/ e/",
        &circle,
        "d Neither Hold S-057; e Neither Hold S-057",
    );
}

#[test]
fn what_is_out_of_view_or_only_touched_names_its_row() {
    check(
        "base a=1 | local - | remote a=2 | ignored a",
        "a Neither Hold S-230",
    );
    check(
        "base a=1 | remote b@a=1 | ignored a",
        "a Neither Hold S-225",
    );
    check("base a=1~1 | local a=1~3", "");
    check(
        "base a=1~1 | local a=1~3 | remote a=1~2",
        "a Neither Adopt S-017",
    );
    check("base a=1~1 | remote a=1~2", "a Neither Adopt S-017");
    check(
        "base a=1 | local a=2~5 | remote a=2~6",
        "a Neither Adopt S-011",
    );
}
