//! Rows S-150 to S-159: waiting.

use fst_engine::limits::{
    RETRY_DELAY_MS_FIRST, RETRY_DELAY_MS_MAX, SETTLE_QUIET_MS, SETTLE_WAIT_MS_MAX,
};
use fst_engine::retry::delay;
use fst_engine::settle::Settle;
use fst_proto::time::UnixMillis;

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

#[test]
fn s152_a_scan_is_due_when_it_is_quiet() {
    let mut settle = Settle::default();
    assert_eq!(settle.due(UnixMillis(7)), None);
    assert!(!settle.take(UnixMillis(7)));
    settle.on_event(UnixMillis(1000));
    settle.on_event(UnixMillis(1010));
    let due = UnixMillis(1010 + SETTLE_QUIET_MS);
    assert_eq!(settle.due(UnixMillis(1011)), Some(due));
    assert!(!settle.take(UnixMillis(due.0 - 1)));
    assert!(settle.take(due));
    assert_eq!(settle, Settle::default());
}

#[test]
fn s153_constant_events_do_not_put_a_scan_off() {
    let mut settle = Settle::default();
    let end = 1000 + SETTLE_WAIT_MS_MAX;
    for now in (1000..end).step_by(5) {
        assert!(!settle.take(UnixMillis(now)), "taken at {now}");
        settle.on_event(UnixMillis(now));
    }
    assert!(settle.take(UnixMillis(end)));
}

#[test]
fn s154_a_clock_set_back_does_not_delay_a_scan() {
    let mut settle = Settle::default();
    settle.on_event(UnixMillis(1_000_000));
    assert!(settle.take(UnixMillis(10)));
    settle.on_event(UnixMillis(1_000_000));
    settle.on_event(UnixMillis(10));
    assert_eq!(
        settle.due(UnixMillis(11)),
        Some(UnixMillis(10 + SETTLE_QUIET_MS))
    );
}
