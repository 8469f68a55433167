//! Which versions are kept: rows, and the law that nothing reachable goes.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::retention::{Held, Ledger, Revision, ends, keep};
use fst_proto::control::Retention;
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::log::{Flags, Op, OpCode};
use fst_proto::time::UnixMillis;
use proptest::prelude::*;

const DAY: u64 = 24 * 60 * 60 * 1000;
const NODE: NodeId = NodeId([1; 16]);
const RULES: Retention = Retention {
    days: 30,
    versions: 3,
};

/// Days on which revisions came (`m` for one without a content), the day now, and what is kept.
const ROWS: &[(&str, u64, &str)] = &[
    ("0", 10_000, "k"),
    ("0 1", 30, "kk"),
    ("0 1", 31, "-k"),
    ("0 1 2", 2, "kkk"),
    ("0 1 2 3", 3, "-kkk"),
    ("0 1 2 3 4", 5, "--kkk"),
    ("0 1m", 40, "-k"),
    ("0 1m 2 3 4", 5, "--kkk"),
    // A day of grace, whatever the number.
    ("5 5 5 5 5 5", 5, "kkkkkk"),
    ("5 5 5 5 5 5", 6, "---kkk"),
];

fn revisions(text: &str) -> Vec<Revision> {
    let words = (1_u64..).zip(text.split_whitespace());
    words
        .map(|(n, word)| Revision {
            rev: n,
            idx: n * 10,
            time_ms: word.trim_end_matches('m').parse::<u64>().expect("a day") * DAY,
            is_version: !word.ends_with('m'),
        })
        .collect()
}

fn shown(kept: &[bool]) -> String {
    kept.iter()
        .map(|kept| if *kept { 'k' } else { '-' })
        .collect()
}

#[test]
fn versions_are_kept_by_age_and_number() {
    for (text, day, expected) in ROWS {
        let revisions = revisions(text);
        let now = UnixMillis(day * DAY);
        let kept = keep(NODE, &revisions, RULES, &Held::default(), now);
        assert_eq!(shown(&kept), *expected, "{text} on day {day}");
        let over = ends(&revisions, RULES);
        let by_end: Vec<bool> = over
            .iter()
            .map(|end| end.is_none_or(|end| now < end))
            .collect();
        assert_eq!(kept, by_end, "nothing else is held");
    }
}

#[test]
fn pins_and_bases_hold() {
    let revisions = revisions("0 1 2 3 4 5");
    let now = UnixMillis(1000 * DAY);
    let kept = |held: &Held| shown(&keep(NODE, &revisions, RULES, held, now));
    let pins = BTreeSet::from([(NODE, 2), (NodeId([9; 16]), 3)]);
    let pinned = Held {
        pins,
        ..Held::default()
    };
    assert_eq!(kept(&pinned), "-k---k");
    // Revision 2 came at position 20 and was replaced at 30: a log of 21 to 30 entries shows it.
    for (size, expected) in [
        (20, "k----k"),
        (21, "-k---k"),
        (30, "-k---k"),
        (31, "--k--k"),
    ] {
        let held = Held {
            positions: BTreeSet::from([size]),
            ..Held::default()
        };
        assert_eq!(kept(&held), expected, "{size}");
    }
}

/// One change in a random log: the node, objects after it, days since the one before.
#[derive(Debug, Clone)]
struct Change {
    node: u8,
    objects: BTreeSet<u8>,
    is_delete: bool,
    days: u64,
}

fn change() -> impl Strategy<Value = Change> {
    let objects = proptest::collection::btree_set(0_u8..6, 0..4);
    (0_u8..3, objects, any::<bool>(), 0_u64..20).prop_map(|(node, objects, is_delete, days)| {
        Change {
            node,
            objects,
            is_delete,
            days,
        }
    })
}

fn ids(objects: impl IntoIterator<Item = u8>) -> Vec<ObjectId> {
    objects.into_iter().map(|n| ObjectId([n; 32])).collect()
}

/// Every state of every node that a log went through.
struct State {
    node: u8,
    revision: Revision,
    objects: BTreeSet<u8>,
}

fn play(changes: &[Change]) -> (Ledger, Vec<State>, u64) {
    let (mut ledger, mut states, mut now) = (Ledger::default(), Vec::new(), 0);
    let mut current: BTreeMap<u8, (u64, BTreeSet<u8>)> = BTreeMap::new();
    for (idx, change) in (0_u64..).zip(changes) {
        now += change.days * DAY;
        let (rev, before) = current.get(&change.node).cloned().unwrap_or_default();
        let is_delete = change.is_delete && rev > 0;
        let after = if is_delete {
            BTreeSet::new()
        } else {
            change.objects.clone()
        };
        let (code, flags) = if is_delete {
            (OpCode::Delete, Flags::DELETE)
        } else {
            (OpCode::Put, Flags::CONTENT)
        };
        let op = Op {
            code,
            flags,
            node: NodeId([change.node; 16]),
            base_rev: rev,
            add_refs: ids(after.difference(&before).copied()),
            drop_refs: ids(before.difference(&after).copied()),
            ..Op::control(fst_proto::ids::Hash32::ZERO)
        };
        ledger.follow(idx, now, &op);
        states.push(State {
            node: change.node,
            revision: Revision {
                rev: rev + 1,
                idx,
                time_ms: now,
                is_version: !is_delete,
            },
            objects: after.clone(),
        });
        current.insert(change.node, (rev + 1, after));
    }
    (ledger, states, now)
}

proptest! {
    #[test]
    fn exactly_what_no_kept_revision_references_is_dead(
        changes in proptest::collection::vec(change(), 1..30),
        wait in 0_u64..60,
        position in 0_u64..30,
        pinned in (0_u8..3, 0_u64..6),
    ) {
        let (ledger, states, last) = play(&changes);
        let now = UnixMillis(last + wait * DAY);
        let held = Held {
            pins: BTreeSet::from([(NodeId([pinned.0; 16]), pinned.1)]),
            positions: BTreeSet::from([position]),
        };
        let mut live = BTreeSet::new();
        let mut ever = BTreeSet::new();
        for node in 0..3 {
            let own: Vec<&State> = states.iter().filter(|state| state.node == node).collect();
            let revisions: Vec<Revision> = own.iter().map(|state| state.revision).collect();
            let kept = keep(NodeId([node; 16]), &revisions, RULES, &held, now);
            for (state, kept) in own.iter().zip(kept) {
                ever.extend(ids(state.objects.iter().copied()));
                if kept {
                    live.extend(ids(state.objects.iter().copied()));
                }
            }
        }
        let expected: BTreeSet<ObjectId> = ever.difference(&live).copied().collect();
        prop_assert_eq!(ledger.dead(RULES, &held, now), expected);
    }

    #[test]
    fn what_is_kept_only_shrinks_with_time(
        changes in proptest::collection::vec(change(), 1..30),
        wait in 0_u64..60,
    ) {
        let (ledger, _, last) = play(&changes);
        let dead = |days: u64| ledger.dead(RULES, &Held::default(), UnixMillis(last + days * DAY));
        prop_assert!(dead(wait).is_subset(&dead(wait + 1)));
    }
}
