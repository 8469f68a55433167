//! Limits of speed: rows for windows, laws for the bucket.

use fst_engine::limits::{FRAME_BYTES_MIN, STREAM_RATE_MIN};
use fst_engine::rate::{
    Bucket, Civil, Days, Limits, Rate, Take, Window, burst, frame_bytes, gives_way, in_force,
    streams,
};
use fst_proto::limits::FRAME_BYTES_TARGET;
use fst_proto::time::UnixMillis;
use proptest::prelude::*;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn day(word: &str) -> u8 {
    let at = DAYS.iter().position(|day| *day == word);
    u8::try_from(at.expect("a day")).expect("seven days")
}

fn minute(word: &str) -> u16 {
    let (hours, minutes) = word.split_once(':').expect("HH:MM");
    let number = |text: &str| text.parse::<u16>().expect("a number");
    number(hours) * 60 + number(minutes)
}

/// `up 5 down 7 pause`: bytes per second, either may be missing.
fn limits(text: &str) -> Limits {
    let mut words = text.split_whitespace();
    let mut limits = Limits::default();
    while let Some(word) = words.next() {
        let mut rate = || Rate::per_second(words.next()?.parse().expect("bytes per second"));
        match word {
            "up" => limits.upload = rate(),
            "down" => limits.download = rate(),
            other => {
                assert_eq!(other, "pause", "{text}");
                limits.is_paused = true;
            },
        }
    }
    limits
}

/// `mon,tue 09:00-17:00 up 5`
fn window(text: &str) -> Window {
    let mut words = text.splitn(3, ' ');
    let mut word = || words.next().expect("days, hours, limits");
    let days = match word() {
        "all" => Days::ALL,
        days => days
            .split(',')
            .fold(Days::default(), |all, one| all.with(day(one))),
    };
    let (from, to) = word().split_once('-').expect("HH:MM-HH:MM");
    Window {
        days,
        from: minute(from),
        to: minute(to),
        limits: limits(word()),
    }
}

/// `plain limits | window | window | mon 09:00`, and what then holds.
fn check(row: &str, expected: &str) {
    let parts: Vec<&str> = row.split('|').map(str::trim).collect();
    let (plain, rest) = parts.split_first().expect("plain limits");
    let (at, windows) = rest.split_last().expect("a moment");
    let (on, time) = at.split_once(' ').expect("a day and a time");
    let at = Civil {
        day: day(on),
        minute: minute(time),
    };
    let windows: Vec<Window> = windows.iter().map(|text| window(text)).collect();
    assert_eq!(
        in_force(limits(plain), &windows, at),
        limits(expected),
        "{row}"
    );
}

#[test]
fn hours_of_a_day_begin_with_their_first_minute_and_end_before_their_last() {
    check("up 9 | mon 09:00-17:00 up 5 | mon 08:59", "up 9");
    check("up 9 | mon 09:00-17:00 up 5 | mon 09:00", "up 5");
    check("up 9 | mon 09:00-17:00 up 5 | mon 16:59", "up 5");
    check("up 9 | mon 09:00-17:00 up 5 | mon 17:00", "up 9");
    check("up 9 | mon 09:00-17:00 up 5 | tue 12:00", "up 9");
    check("up 9 | mon,tue 09:00-17:00 up 5 | tue 12:00", "up 5");
    check("| all 00:00-00:01 up 5 | sun 00:00", "up 5");
}

#[test]
fn hours_past_midnight_belong_to_the_day_they_begin_on() {
    check("| fri 22:00-06:00 up 5 | fri 21:59", "");
    check("| fri 22:00-06:00 up 5 | fri 23:59", "up 5");
    check("| fri 22:00-06:00 up 5 | sat 05:59", "up 5");
    check("| fri 22:00-06:00 up 5 | sat 06:00", "");
    check("| fri 22:00-06:00 up 5 | fri 05:00", "");
    check("| sun 22:00-06:00 up 5 | mon 05:00", "up 5");
    check("| sat 12:00-12:00 up 5 | sun 11:59", "up 5");
    check("| sat 12:00-12:00 up 5 | sun 12:00", "");
}

#[test]
fn of_several_rules_the_strictest_holds_in_each_respect() {
    check("up 9 | all 00:00-00:00 up 20 | mon 12:00", "up 9");
    check(
        "| all 00:00-00:00 up 7 | mon 12:00-13:00 up 5 down 3 | mon 12:00",
        "up 5 down 3",
    );
    check(
        "down 2 | mon 12:00-13:00 up 5 down 3 | mon 12:00",
        "up 5 down 2",
    );
    check("down 2 | mon 12:00-13:00 pause | mon 12:00", "down 2 pause");
    check("down 2 | mon 12:00-13:00 pause | mon 13:00", "down 2");
}

#[test]
fn the_wall_clock_is_utc_and_an_offset() {
    let at = |ms, offset_s| {
        let civil = Civil::at(UnixMillis(ms), offset_s);
        let (hours, minutes) = (civil.minute / 60, civil.minute % 60);
        format!("{} {hours:02}:{minutes:02}", DAYS[usize::from(civil.day)])
    };
    assert_eq!(at(0, 0), "thu 00:00");
    assert_eq!(at(86_399_999, 0), "thu 23:59");
    assert_eq!(at(86_400_000, 0), "fri 00:00");
    assert_eq!(at(86_400_000, -1), "thu 23:59");
    // 2026-03-29 01:00 UTC: clocks in Berlin go from 02:00 to 03:00.
    assert_eq!(at(1_774_745_999_000, 3_600), "sun 01:59");
    assert_eq!(at(1_774_746_000_000, 7_200), "sun 03:00");
    // 2026-10-25 01:00 UTC: the hour from 02:00 comes again.
    assert_eq!(at(1_792_889_940_000, 7_200), "sun 02:59");
    assert_eq!(at(1_792_890_000_000, 3_600), "sun 02:00");
    // Kathmandu, and the far side of the date line.
    assert_eq!(at(0, 20_700), "thu 05:45");
    assert_eq!(at(86_400_000, -43_200), "thu 12:00");
}

#[test]
fn bits_are_eighths_of_bytes_and_zero_is_no_limit() {
    assert_eq!(Rate::from_bits(5_000_000).map(Rate::bytes), Some(625_000));
    assert_eq!(Rate::from_bits(3).map(Rate::bytes), Some(1));
    assert_eq!(Rate::from_bits(0), None);
    assert_eq!(Rate::per_second(0), None);
}

#[test]
fn a_slow_line_has_fewer_streams_and_smaller_frames() {
    let rate = |bytes| Rate::per_second(bytes);
    assert_eq!(streams(4, None), 4);
    assert_eq!(streams(0, None), 1);
    assert_eq!(streams(4, rate(1)), 1);
    assert_eq!(streams(4, rate(2 * STREAM_RATE_MIN)), 2);
    assert_eq!(streams(4, rate(u64::MAX)), 4);
    assert_eq!(frame_bytes(None), FRAME_BYTES_TARGET);
    assert_eq!(frame_bytes(rate(u64::MAX)), FRAME_BYTES_TARGET);
    assert_eq!(frame_bytes(rate(1)) as u64, FRAME_BYTES_MIN);
    assert_eq!(frame_bytes(rate(125_000)), 1_000_000);
}

#[test]
fn a_long_upload_gives_way_when_it_has_gained_something() {
    // milliseconds of reading again, of sending since; whether it stops
    let rows = [
        (0, 249, false),
        (0, 250, true),
        (1000, 3999, false),
        (1000, 4000, true),
    ];
    for (again_ms, gained_ms, expected) in rows {
        assert_eq!(
            gives_way(again_ms, gained_ms),
            expected,
            "{again_ms} {gained_ms}"
        );
    }
}

#[test]
fn a_bucket_passes_a_burst_and_then_waits_as_long_as_it_says() {
    let rate = Rate::per_second(100_000).expect("a rate");
    let mut bucket = Bucket::default();
    assert_eq!(bucket.take(rate, 1_000, 50_000), Take::Pass(10_000));
    assert_eq!(bucket.take(rate, 1_000, 50_000), Take::Wait(50));
    assert_eq!(bucket.take(rate, 1_049, 50_000), Take::Wait(1));
    assert_eq!(bucket.take(rate, 1_050, 50_000), Take::Pass(5_000));
    // A little one does not wait for half a burst.
    assert_eq!(bucket.take(rate, 1_051, 100), Take::Pass(100));
    assert_eq!(bucket.take(rate, 1_051, 0), Take::Pass(0));
    // A clock that was set back gives nothing, and takes nothing away.
    assert_eq!(bucket.take(rate, 7, 100), Take::Wait(1));
    assert_eq!(bucket.take(rate, 1_052, 100), Take::Pass(100));
}

proptest! {
    #![proptest_config(super::cases(256))]

    /// In no stretch of time more than rate times time plus a burst passes.
    #[test]
    fn no_interval_gets_more_than_its_share(
        bytes in 1_u64..5_000_000,
        asks in prop::collection::vec((0_u64..400, 0_u64..2_000_000), 1..60),
    ) {
        let rate = Rate::per_second(bytes).expect("a rate");
        let mut bucket = Bucket::default();
        let mut now = 0;
        let mut passed: Vec<(u64, u64)> = Vec::new();
        for (rest, want) in asks {
            now += rest;
            if let Take::Pass(n) = bucket.take(rate, now, want) {
                prop_assert!(n <= want);
                prop_assert!(n > 0 || want == 0);
                passed.push((now, n));
            }
        }
        for first in 0..passed.len() {
            let mut sum = 0;
            for &(at, n) in &passed[first..] {
                sum += n;
                let share = bytes * (at - passed[first].0) / 1000 + burst(rate);
                prop_assert!(sum <= share, "{sum} bytes, {share} are its share");
            }
        }
    }

    /// Whoever waits as long as told gets through, in about the time that the rate says.
    #[test]
    fn what_is_asked_for_passes_in_the_end(
        bytes in 1_u64..50_000_000,
        want in 1_u64..20_000_000,
        start in 0_u64..1 << 40,
    ) {
        let rate = Rate::per_second(bytes).expect("a rate");
        let mut bucket = Bucket::default();
        let (mut now, mut left) = (start, want);
        let mut n_asks = 0;
        while left > 0 {
            match bucket.take(rate, now, left) {
                Take::Pass(n) => left -= n,
                Take::Wait(ms) => now += ms,
            }
            n_asks += 1;
            prop_assert!(n_asks <= 4 + 4 * want / (burst(rate) / 2).max(1), "asked too often");
        }
        let ideal = want * 1000 / bytes;
        prop_assert!(now - start <= ideal + 2 + want / (burst(rate) / 2).max(1) * 2);
    }

    /// A rate that changes in between is obeyed from then on.
    #[test]
    fn a_new_rate_holds_at_once(old in 1_u64..1 << 40, new in 1_u64..1 << 20, rest in 0_u64..100_000) {
        let (old, new) = (Rate::per_second(old).expect("one"), Rate::per_second(new).expect("one"));
        let mut bucket = Bucket::default();
        prop_assert!(matches!(bucket.take(old, 1 << 30, 1), Take::Pass(1)));
        if let Take::Pass(n) = bucket.take(new, (1 << 30) + rest, u64::MAX) {
            prop_assert!(n <= burst(new));
        }
    }
}
