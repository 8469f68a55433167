//! All small worlds: two devices, three paths, at most two operations on each side.

use crate::sim::{Act, Faults, World};

const STARTS: [&[Act]; 4] = [
    &[],
    &[Act::Write("a")],
    &[Act::Write("a"), Act::Write("b")],
    &[Act::MakeDir("a"), Act::Write("a/b"), Act::Write("b")],
];

const ACTS: [Act; 11] = [
    Act::Write("a"),
    Act::Write("b"),
    Act::Write("a/b"),
    Act::MakeDir("a"),
    Act::MakeDir("b"),
    Act::Delete("a"),
    Act::Delete("b"),
    Act::Rename("a", "b"),
    Act::Rename("b", "a"),
    Act::Rename("b", "a/b"),
    Act::Chmod("b"),
];

/// Nothing, each act, and each pair of acts.
fn programs() -> Vec<Vec<Act>> {
    let mut programs = vec![vec![]];
    programs.extend(ACTS.iter().map(|&act| vec![act]));
    programs.extend(
        ACTS.iter()
            .flat_map(|&one| ACTS.iter().map(move |&two| vec![one, two])),
    );
    programs
}

/// Calls `check` with every world in which both sides have just done their programs.
fn every_world(check: impl Fn(&World)) {
    let programs = programs();
    for start in STARTS {
        let mut agreed = World::new(2, 0, false);
        start.iter().for_each(|&act| agreed.act(0, act));
        agreed.settle();
        for one in &programs {
            let mut begun = agreed.clone();
            if !one.iter().all(|&act| begun.act_if_possible(0, act)) {
                continue;
            }
            for other in &programs {
                let mut world = begun.clone();
                if other.iter().all(|&act| world.act_if_possible(1, act)) {
                    check(&world);
                }
            }
        }
    }
}

#[test]
fn every_small_world_settles_and_loses_nothing() {
    every_world(|world| {
        let mut world = world.clone();
        world.settle();
        world.assert_good();
        world.assert_no_double_copies();
    });
}

/// The second device dies before each of its steps, and before its push.
#[test]
fn every_crash_leads_to_the_same_end() {
    every_world(|world| {
        let mut world = world.clone();
        world.sync(0, Faults::default());
        let mut calm = world.clone();
        calm.settle();
        for at in 0.. {
            let mut crashed = world.clone();
            let has_crashed = crashed.sync_until(1, at);
            crashed.settle();
            crashed.assert_good();
            assert_eq!(
                crashed.server.shape(),
                calm.server.shape(),
                "crash before step {at}"
            );
            if !has_crashed {
                break;
            }
        }
    });
}
