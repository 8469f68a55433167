//! Rows S-150 to S-159: waiting.

use fst_engine::limits::{
    RETRY_DELAY_MS_FIRST, RETRY_DELAY_MS_MAX, SETTLE_CLOSED_MS, SETTLE_QUIET_MS, SETTLE_WAIT_MS_MAX,
};
use fst_engine::retry::delay;
use fst_engine::saves::only_saves;
use fst_engine::settle::{Settle, Touch};
use fst_proto::time::UnixMillis;

use crate::lang::Scenario;

#[test]
fn s150_delays_double_up_to_a_minute() {
    let longest = |attempt| delay(attempt, u16::MAX);
    assert_eq!(longest(0), RETRY_DELAY_MS_FIRST);
    assert_eq!(longest(1), 2 * RETRY_DELAY_MS_FIRST);
    assert_eq!(longest(7), 128 * RETRY_DELAY_MS_FIRST);
    assert_eq!(longest(8), RETRY_DELAY_MS_MAX);
    for attempt in [31, 63, 64, 65, u32::MAX] {
        assert_eq!(longest(attempt), RETRY_DELAY_MS_MAX);
    }
}

#[test]
fn s151_delays_are_spread_over_the_whole_range() {
    for attempt in 0..70 {
        assert_eq!(delay(attempt, 0), 0);
        let half = delay(attempt, u16::MAX / 2);
        assert!(
            half * 2 <= delay(attempt, u16::MAX) && half * 2 + 4 >= delay(attempt, u16::MAX) / 2
        );
    }
}

const START: UnixMillis = UnixMillis(1_000_000);

/// Due after the first event: events as milliseconds and touches, a scan as `s`.
const DUE: &[(&str, &str, Option<u64>)] = &[
    ("nothing pends", "", None),
    ("s152 it is quiet", "0o 10o", Some(10 + SETTLE_QUIET_MS)),
    (
        "s155 a file is closed",
        "0o 1o 2c",
        Some(2 + SETTLE_CLOSED_MS),
    ),
    ("s155 written on", "0c 2o", Some(2 + SETTLE_QUIET_MS)),
    (
        "s155 renamed into place",
        "0o 1c 2r",
        Some(2 + SETTLE_QUIET_MS),
    ),
    (
        "s155 moved away, written anew",
        "0r 1o 2c",
        Some(2 + SETTLE_QUIET_MS),
    ),
    (
        "s155 one after another",
        "0s 199o 200c",
        Some(200 + SETTLE_QUIET_MS),
    ),
    (
        "s155 after a rest",
        "0s 200o 201c",
        Some(201 + SETTLE_CLOSED_MS),
    ),
    ("a scan takes up what was", "0r 5s", None),
    (
        "s155 renames of an earlier scan",
        "0r 5s 300c",
        Some(300 + SETTLE_CLOSED_MS),
    ),
];

fn settle(events: &str) -> (Settle, UnixMillis) {
    let (mut settle, mut now) = (Settle::default(), START);
    for event in events.split_whitespace() {
        let (ms, what) = event.split_at(event.len() - 1);
        now = UnixMillis(START.0 + ms.parse::<u64>().expect("milliseconds"));
        match what {
            "c" => settle.on_event(now, Touch::Closed),
            "r" => settle.on_event(now, Touch::Renamed),
            "o" => settle.on_event(now, Touch::Other),
            "s" => settle.begin(now),
            other => unreachable!("{other:?} is no event"),
        }
    }
    (settle, now)
}

#[test]
fn s152_a_scan_is_due_when_it_is_quiet() {
    due_as_said(|case| !case.starts_with("s155"));
}

#[test]
fn s155_a_single_save_is_taken_up_at_once() {
    due_as_said(|case| case.starts_with("s155"));
}

fn due_as_said(is_asked: impl Fn(&str) -> bool) {
    for (case, events, due) in DUE.iter().filter(|row| is_asked(row.0)) {
        let (settle, now) = settle(events);
        let due = due.map(|ms| UnixMillis(START.0 + ms));
        assert_eq!(settle.due(now), due, "{case}");
    }
}

#[test]
fn s153_constant_events_do_not_put_a_scan_off() {
    for touch in [Touch::Closed, Touch::Renamed, Touch::Other] {
        let mut settle = Settle::default();
        let end = START.0 + SETTLE_WAIT_MS_MAX;
        for now in (START.0..end).step_by(3) {
            assert!(settle.due(UnixMillis(now)).is_none_or(|due| due.0 > now));
            settle.on_event(UnixMillis(now), touch);
        }
        assert_eq!(settle.due(UnixMillis(end)), Some(UnixMillis(end)));
    }
}

#[test]
fn s154_a_clock_set_back_does_not_delay_a_scan() {
    let mut settle = Settle::default();
    settle.on_event(START, Touch::Other);
    assert_eq!(settle.due(UnixMillis(10)), Some(UnixMillis(10)));
    settle.on_event(UnixMillis(10), Touch::Other);
    let due = UnixMillis(10 + SETTLE_QUIET_MS);
    assert_eq!(settle.due(UnixMillis(11)), Some(due));
}

/// What is pushed, and the paths that are waited for; `all` where one wait for everything is needed.
const SAVES: &[(&str, &str)] = &[
    ("base d/ a=1 | local d/ a=2", "a"),
    ("base d/ d/a=1 | local d/ d/a=2 d/b=3", "d/a d/b"),
    ("base a=1 | local a=1 l->t", "all"),
    ("base a=1 | local -", "all"),
    ("base a=1 b=2 | local a=3", "all"),
    ("base a=1 | local a=1 d/ d/b=2", "all"),
    ("base d/ a=1 | local d/ d/a@a=1", "all"),
    ("base d/ a=1 | local d/ b@a=2", "all"),
];

#[test]
fn s156_saves_are_told_from_everything_else() {
    for (scenario, expected) in SAVES {
        let scenario = Scenario::parse(scenario);
        let push = scenario.plan().push;
        assert!(!push.is_empty(), "{expected}: something is pushed");
        let saves = only_saves(&push, &scenario.base, &scenario.local);
        let text = saves.map(|paths| {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            paths.join(" ")
        });
        assert_eq!(text.as_deref().unwrap_or("all"), *expected);
    }
}
