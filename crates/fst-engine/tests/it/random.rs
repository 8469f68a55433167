//! Laws on random worlds.

use std::sync::Arc;

use fst_engine::ignore::{RuleFile, Rules};
use fst_engine::reconcile::{Backup, Direction, Policy, Strategy};
use fst_proto::path::RelPath;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};

use crate::cases;
use crate::sim::{Faults, World};

type Op = [u8; 4];

/// A rule or two over the names of the random worlds, or damage.
fn some_rules([kind, one, two, _]: Op) -> Rules {
    let name = |n: u8| ["a", "b", "c", "*", "/a", "a/*", "**/b/", "d*"][usize::from(n) % 8];
    let text = match kind % 8 {
        0 => String::new(),
        1 => "[".to_owned(),
        2..=4 => name(one).to_owned(),
        _ => format!("{}\n!{}", name(one), name(two)),
    };
    let files = [(RelPath::root(), Arc::new(RuleFile::parse(text.as_bytes())))];
    Rules {
        files: files.into(),
        ..Rules::default()
    }
}

/// A world whose clients agree on a random tree.
fn settled(n_clients: u8, n_contents: u32, reuses_keys: bool, ops: &[Op]) -> World {
    let mut world = World::new(n_clients, n_contents, reuses_keys);
    for &op in ops {
        world.user(0, op);
    }
    world.settle();
    world.assert_good();
    world
}

fn faults([kind, at, ..]: Op) -> Faults {
    let at = usize::from(at);
    match kind % 10 {
        0 | 1 => Faults {
            crash_at: Some(at % 12),
            ..Faults::default()
        },
        2 => Faults {
            is_stale: true,
            ..Faults::default()
        },
        3 => Faults {
            loses_reply: true,
            ..Faults::default()
        },
        4 => Faults {
            fails_at: Some(at % 6),
            ..Faults::default()
        },
        5 => Faults {
            is_stale: true,
            crash_at: Some(at % 6),
            ..Faults::default()
        },
        6 => Faults {
            pushes_until: Some(at),
            ..Faults::default()
        },
        _ => Faults::default(),
    }
}

proptest! {
    #![proptest_config(cases(25_000))]

    /// Both sides change the same tree; contents repeat.
    #[test]
    fn two_sides_meet(
        start in vec(any::<Op>(), 0..10), one in vec(any::<Op>(), 0..6), other in vec(any::<Op>(), 0..6),
        reuses in any::<bool>(),
    ) {
        let mut world = settled(2, 3, reuses, &start);
        one.iter().for_each(|&op| world.user(0, op));
        other.iter().for_each(|&op| world.user(1, op));
        world.settle();
        world.assert_good();
    }

    /// Both sides change the same tree; every content is written once.
    #[test]
    fn two_sides_lose_nothing(
        start in vec(any::<Op>(), 0..10), one in vec(any::<Op>(), 0..6), other in vec(any::<Op>(), 0..6),
        reuses in any::<bool>(),
    ) {
        let mut world = settled(2, 0, reuses, &start);
        one.iter().for_each(|&op| world.user(0, op));
        other.iter().for_each(|&op| world.user(1, op));
        world.settle();
        world.assert_good();
        world.assert_no_double_copies();
    }

    /// The second to sync dies anywhere, once or twice; nothing is lost and nothing is copied twice.
    #[test]
    fn a_crash_changes_nothing(
        start in vec(any::<Op>(), 0..8), one in vec(any::<Op>(), 0..5), other in vec(any::<Op>(), 0..5),
        crash_at in 0..10_usize, again_at in 0..6_usize,
    ) {
        let mut world = settled(2, 0, false, &start);
        one.iter().for_each(|&op| world.user(0, op));
        other.iter().for_each(|&op| world.user(1, op));
        world.sync(0, Faults::default());
        let mut calm = world.clone();
        calm.settle();
        world.sync(1, Faults { crash_at: Some(crash_at), ..Faults::default() });
        world.sync(1, Faults { crash_at: Some(again_at), ..Faults::default() });
        world.settle();
        world.assert_good();
        prop_assert_eq!(world.server.shape(), calm.server.shape());
    }

    /// Without backups, what loses is in history.
    #[test]
    fn history_has_what_is_not_kept_beside(events in vec((0..2_usize, 0..3_u8, any::<Op>()), 0..30)) {
        let mut world = World::new(2, 0, false);
        for client in &mut world.clients {
            client.policy.backup = Backup::HistoryOnly;
        }
        for (client, what, op) in events {
            match what {
                0 | 1 => world.user(client, op),
                _ => { world.sync(client, faults(op)); },
            }
        }
        world.settle();
        world.assert_good();
    }

    /// Clients that merge, with some that do not: everything that went into a merge is in history, and all agree.
    #[test]
    fn merges_converge(events in vec((0..3_usize, 0..3_u8, any::<Op>()), 0..40), n_merging in 1..4_usize) {
        let mut world = World::new(3, 0, false);
        for client in world.clients.iter_mut().take(n_merging) {
            client.policy.strategy = Strategy::Merge;
        }
        for (client, what, op) in events {
            match what {
                0 | 1 => world.user(client, op),
                _ => { world.sync(client, faults(op)); },
            }
        }
        world.settle();
        world.assert_good();
    }

    /// Three clients, any order of work and syncing, any fault.
    #[test]
    fn a_star_of_three_converges(events in vec((0..3_usize, 0..3_u8, any::<Op>()), 0..40), reuses in any::<bool>()) {
        let mut world = World::new(3, 0, reuses);
        for (client, what, op) in events {
            match what {
                0 | 1 => world.user(client, op),
                _ => { world.sync(client, faults(op)); },
            }
        }
        world.settle();
        world.assert_good();
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    /// Only one side changed: the other side becomes equal, without any conflict.
    #[test]
    fn changes_of_one_side_arrive(
        start in vec(any::<Op>(), 0..10), ops in vec(any::<Op>(), 0..8), client in 0..2_usize,
        crash_at in 0..12_usize,
    ) {
        let mut world = settled(2, 3, false, &start);
        ops.iter().for_each(|&op| world.user(client, op));
        let wanted = world.clients[client].disk.shape();
        world.sync(client, Faults::default());
        world.sync(1 - client, Faults { crash_at: Some(crash_at), ..Faults::default() });
        world.settle();
        world.assert_good();
        prop_assert_eq!(world.server.shape(), wanted);
    }

    /// Without a crash there is not even a note.
    #[test]
    fn changes_of_one_side_are_no_conflict(
        start in vec(any::<Op>(), 0..10), ops in vec(any::<Op>(), 0..8), client in 0..2_usize, reuses in any::<bool>(),
    ) {
        let mut world = settled(2, 0, reuses, &start);
        ops.iter().for_each(|&op| world.user(client, op));
        let wanted = world.clients[client].disk.shape();
        world.settle();
        world.assert_good();
        prop_assert_eq!(world.server.shape(), wanted);
        prop_assert_eq!(world.clients.iter().map(|c| c.n_notes).sum::<usize>(), 0);
    }

    /// What cannot be read is left exactly as it is.
    #[test]
    fn unreadable_entries_are_left_alone(
        start in vec(any::<Op>(), 0..10), one in vec(any::<Op>(), 0..6), other in vec(any::<Op>(), 0..6),
        nth in any::<usize>(),
    ) {
        let mut world = settled(2, 0, false, &start);
        one.iter().for_each(|&op| world.user(0, op));
        other.iter().for_each(|&op| world.user(1, op));
        world.sync(0, Faults::default());
        let faults = Faults { unreadable: Some(nth), ..Faults::default() };
        let mut hidden = world.clients[1].unreadable(faults);
        world.sync(1, faults);
        let there: Vec<_> = world.clients[1].disk.entries.values().copied().collect();
        hidden.retain(|entry| !there.contains(entry));
        prop_assert_eq!(hidden, vec![]);
        world.settle();
        world.assert_good();
    }

    /// What a rule ignores is left exactly as it is, however rules come and go; when they are gone, nothing is lost.
    #[test]
    fn ignored_entries_are_left_alone(
        events in vec((0..2_usize, 0..4_u8, any::<Op>()), 0..40), reuses in any::<bool>(),
    ) {
        let mut world = World::new(2, 0, reuses);
        for (client, what, op) in events {
            match what {
                0 | 1 => world.user(client, op),
                2 => world.clients[client].rules = some_rules(op),
                _ => {
                    let there = world.clients[client].ignored();
                    world.sync(client, faults(op));
                    let mut lost = there;
                    let now = &world.clients[client].disk.entries;
                    lost.retain(|entry| !now.values().any(|other| other == entry));
                    prop_assert_eq!(lost, vec![]);
                },
            }
        }
        for client in &mut world.clients {
            client.rules = Rules::default();
        }
        world.settle();
        world.assert_good();
    }

    /// A client that lost its database takes equal things over and loses nothing.
    #[test]
    fn a_lost_database_loses_nothing(
        start in vec(any::<Op>(), 0..10), one in vec(any::<Op>(), 0..6), other in vec(any::<Op>(), 0..6),
    ) {
        let mut world = settled(2, 0, false, &start);
        one.iter().for_each(|&op| world.user(0, op));
        other.iter().for_each(|&op| world.user(1, op));
        world.sync(0, Faults::default());
        world.sync(1, Faults { forgets: true, ..Faults::default() });
        world.settle();
        world.assert_good();
    }

    /// A one-way folder is never changed from the wrong side.
    #[test]
    fn one_way_is_one_way(events in vec((0..2_usize, 0..4_u8, any::<Op>()), 0..30), uploads in any::<bool>()) {
        let mut world = World::new(2, 0, false);
        let direction = if uploads { Direction::UploadOnly } else { Direction::DownloadOnly };
        world.clients[1].policy = Policy { direction, ..Policy::default() };
        for (client, what, op) in events {
            match (client, what) {
                (_, 0..=2) => world.user(client, op),
                (0, _) => { world.sync(0, Faults::default()); },
                (_, _) => {
                    let (server, disk) = (world.server.shape(), world.clients[1].disk.shape());
                    world.sync(1, Faults::default());
                    match direction {
                        Direction::UploadOnly => prop_assert_eq!(world.clients[1].disk.shape(), disk),
                        Direction::DownloadOnly | Direction::TwoWay => {
                            prop_assert_eq!(world.server.shape(), server);
                        },
                    }
                },
            }
        }
    }
}

/// What another device moved out of a directory that cannot be read here, and the user moved too.
#[test]
fn a_move_out_of_an_unreadable_directory_waits() {
    let start = [
        [4, 0, 20, 0],
        [228, 158, 75, 0],
        [144, 10, 0, 0],
        [96, 80, 0, 0],
    ];
    let mut world = settled(2, 0, false, &start);
    world.user(0, [168, 0, 0, 60]);
    world.user(0, [121, 30, 19, 91]);
    world.user(1, [217, 54, 55, 19]);
    world.sync(0, Faults::default());
    for nth in 0..8 {
        let faults = Faults {
            unreadable: Some(nth),
            ..Faults::default()
        };
        world.sync(1, faults);
    }
    world.settle();
    world.assert_good();
}
