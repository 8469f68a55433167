//! Rows S-130 to S-139: when a plan is not carried out.

use fst_engine::guard::{Accept, Peak, Root, Stop, Whole, check};
use fst_engine::plan::{DiskStep, Plan, PushKind, PushOp};
use fst_engine::reconcile::Side;
use fst_engine::tree::Tree;
use fst_proto::path::RelPath;
use fst_proto::time::UnixMillis;

use crate::lang::{Scenario, id, leaf, tree};

fn files(n: usize) -> Tree {
    let text: Vec<String> = (0..n).map(|n| format!("f{n}=1")).collect();
    tree(&text.join(" "), 1)
}

fn deletes(n: usize) -> Plan {
    let op = |n| PushOp {
        node: id(&format!("f{n}")),
        base_rev: 1,
        kind: PushKind::Delete { is_dir: false },
    };
    Plan {
        push: (0..n).map(op).collect(),
        ..Plan::default()
    }
}

fn removals(n: usize) -> Plan {
    let step = |n| {
        let label = format!("f{n}");
        let path = RelPath::parse(&label).expect("a path");
        let expect = leaf(fst_proto::entry::Kind::File, "1", false);
        DiskStep::Remove {
            node: id(&label),
            path,
            expect,
        }
    };
    Plan {
        steps: (0..n).map(step).collect(),
        ..Plan::default()
    }
}

fn ask(plan: &Plan, base: &Tree, local: &Tree) -> Result<(), Stop> {
    check(
        plan,
        &Whole::of(base, local),
        Root::Present,
        Accept::Nothing,
    )
}

#[test]
fn s130_a_missing_root_stops() {
    let (plan, base) = (Plan::default(), files(3));
    for accept in [Accept::Nothing, Accept::Deletions] {
        assert_eq!(
            check(&plan, &Whole::of(&base, &base), Root::Missing, accept),
            Err(Stop::RootMissing)
        );
    }
}

#[test]
fn s131_a_replaced_root_stops() {
    let (plan, base) = (Plan::default(), files(3));
    for accept in [Accept::Nothing, Accept::Deletions] {
        assert_eq!(
            check(&plan, &Whole::of(&base, &base), Root::Replaced, accept),
            Err(Stop::RootReplaced)
        );
    }
}

#[test]
fn s132_an_emptied_root_stops() {
    let empty = Tree::new();
    assert_eq!(
        ask(&deletes(5), &files(5), &empty),
        Err(Stop::RootEmptied { files: 5 })
    );
    assert_eq!(ask(&deletes(4), &files(4), &empty), Ok(()));
    assert_eq!(ask(&deletes(5), &files(5), &tree("d/", 0)), Ok(()));
}

#[test]
fn s133_deleting_many_files_there_stops() {
    let stop = |gone, of| {
        Err(Stop::MassDelete {
            side: Side::Remote,
            gone,
            of,
        })
    };
    assert_eq!(ask(&deletes(51), &files(203), &files(152)), stop(51, 203));
    assert_eq!(ask(&deletes(51), &files(204), &files(153)), Ok(()));
    assert_eq!(ask(&deletes(50), &files(60), &files(10)), Ok(()));
}

#[test]
fn s134_removing_many_files_here_stops() {
    let stop = |gone, of| {
        Err(Stop::MassDelete {
            side: Side::Local,
            gone,
            of,
        })
    };
    assert_eq!(ask(&removals(51), &files(203), &files(203)), stop(51, 203));
    assert_eq!(ask(&removals(51), &files(204), &files(204)), Ok(()));
    assert_eq!(ask(&removals(50), &files(60), &files(60)), Ok(()));
}

#[test]
fn s135_moves_are_no_deletions() {
    let many = |dir: &str| {
        let entries: Vec<String> = (0..80).map(|n| format!("{dir}/f{n}@f{n}=1")).collect();
        format!("{dir}@dir/ {}", entries.join(" "))
    };
    for side in ["local", "remote"] {
        let scenario = Scenario::parse(&format!("base {} | {side} {}", many("a"), many("b")));
        let plan = scenario.plan();
        assert!(!plan.is_empty());
        assert_eq!(ask(&plan, &scenario.base, &scenario.local), Ok(()));
    }
}

#[test]
fn s136_what_base_never_had_does_not_count() {
    assert_eq!(ask(&deletes(80), &files(20), &files(1)), Ok(()));
    assert_eq!(ask(&removals(80), &files(20), &files(80)), Ok(()));
}

#[test]
fn s137_a_person_can_agree_to_deletions() {
    let agreed = |plan: &Plan, local: &Tree| {
        check(
            plan,
            &Whole::of(&files(60), local),
            Root::Present,
            Accept::Deletions,
        )
    };
    assert_eq!(agreed(&deletes(60), &Tree::new()), Ok(()));
    assert_eq!(agreed(&removals(60), &files(60)), Ok(()));
}

#[test]
fn s138_deletions_that_trickle_in_count_together() {
    let after = |peak, next| {
        let base = files(160);
        let whole = Whole {
            peak,
            ..Whole::of(&base, &base)
        };
        check(&deletes(next), &whole, Root::Present, Accept::Nothing)
    };
    let stop = |gone, of| {
        Err(Stop::MassDelete {
            side: Side::Remote,
            gone,
            of,
        })
    };
    assert_eq!(after(160, 41), Ok(()));
    assert_eq!(after(200, 11), stop(51, 200));
    assert_eq!(after(200, 10), Ok(()));
    assert_eq!(after(400, 0), Ok(()), "nothing more is deleted");
}

/// `seconds files most`: what is noted when, and the answer.
#[test]
fn s138_the_most_files_of_five_minutes_are_known() {
    let rows = "
        0 100 100
        10 90 100
        299 80 100
        300 70 100
        301 69 100
        302 68 100
        310 68 90
        598 68 90
        599 68 80
        600 68 80
        602 68 68
        621 75 75
        622 10 75
        900 200 200
        100 10 200";
    let mut peak = Peak::default();
    for row in rows.trim().lines() {
        let numbers: Vec<u64> = row.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let files = usize::try_from(numbers[1]).unwrap();
        let most = peak.note(UnixMillis(numbers[0] * 1000), files);
        assert_eq!(most as u64, numbers[2], "{row}");
    }
    peak.forget();
    assert_eq!(peak.note(UnixMillis(1_000_000), 5), 5);
}
