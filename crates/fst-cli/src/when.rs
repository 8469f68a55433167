//! Times as people type them: `2024-03-01 14:30`, `14:30`, `10 min ago`.
//!
//! Invariant: a function of the text, the time now and the zone; a time to come is refused. Local times that a change
//! of the clocks makes ambiguous mean the earlier one. Source: docs/design/commands.md §9.

use fst_proto::time::UnixMillis;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// What can be typed, for messages.
const FORMS: &str = "write it as '2024-03-01 14:30', '14:30' or '10 min ago'";

/// Reads a time that has passed.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn parse(text: &str, now: UnixMillis, zone: &TimeZone) -> Result<UnixMillis, String> {
    let text = text.trim();
    let now_ms = i64::try_from(now.0).unwrap_or(i64::MAX);
    let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::MAX);
    let here = now.to_zoned(zone.clone());
    let then = read(text, &here).ok_or_else(|| format!("{text:?} is no time: {FORMS}"))?;
    if then > now {
        return Err(format!("{text:?} has not come yet"));
    }
    u64::try_from(then.as_millisecond())
        .map(UnixMillis)
        .map_err(|_| format!("{text:?} is before 1970"))
}

fn read(text: &str, here: &Zoned) -> Option<Timestamp> {
    if text == "now" {
        return Some(here.timestamp());
    }
    if let Some(ms) = text.strip_prefix('@') {
        return Timestamp::from_millisecond(ms.parse().ok()?).ok();
    }
    if let Some(amount) = text.strip_suffix("ago") {
        return ago(amount.trim(), here);
    }
    if let Ok(exact) = text.parse::<Timestamp>() {
        return Some(exact);
    }
    // In this order: a time is also read from a text with a date, and the date would be lost.
    let local = match text.parse::<DateTime>() {
        Ok(local) => local,
        Err(_) => here.date().to_datetime(text.parse::<Time>().ok()?),
    };
    let zoned = local.to_zoned(here.time_zone().clone()).ok()?;
    Some(zoned.timestamp())
}

/// `10 min`, `2h`, `3 days`: days and more go by the calendar.
fn ago(amount: &str, here: &Zoned) -> Option<Timestamp> {
    let digits = amount.len()
        - amount
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .len();
    let (number, unit) = amount.split_at(digits);
    let number: i64 = number.parse().ok()?;
    let span = Span::new();
    let span = match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => span.try_seconds(number),
        "m" | "min" | "mins" | "minute" | "minutes" => span.try_minutes(number),
        "h" | "hour" | "hours" => span.try_hours(number),
        "d" | "day" | "days" => span.try_days(number),
        "w" | "week" | "weeks" => span.try_weeks(number),
        "month" | "months" => span.try_months(number),
        "y" | "year" | "years" => span.try_years(number),
        _ => return None,
    };
    let then = here.checked_sub(span.ok()?).ok()?;
    Some(then.timestamp())
}

/// A moment as people read it, exact to the second.
pub(crate) fn shown(at: UnixMillis, zone: &TimeZone) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Now: 2024-03-04 10:00:00 in a zone two hours east of Greenwich.
    const NOW: UnixMillis = UnixMillis(1_709_539_200_000);

    /// What is typed, and when that was.
    const ROWS: &[(&str, &str)] = &[
        ("now", "2024-03-04 10:00:00"),
        ("2024-03-01 14:30", "2024-03-01 14:30:00"),
        ("2024-03-01 14:30:05", "2024-03-01 14:30:05"),
        ("2024-03-01T14:30", "2024-03-01 14:30:00"),
        (" 2024-03-01 ", "2024-03-01 00:00:00"),
        ("2024-03-01T14:30:00Z", "2024-03-01 16:30:00"),
        ("2024-03-01T14:30:00+02:00", "2024-03-01 14:30:00"),
        ("09:15", "2024-03-04 09:15:00"),
        ("@1709539140000", "2024-03-04 09:59:00"),
        ("10 min ago", "2024-03-04 09:50:00"),
        ("10min ago", "2024-03-04 09:50:00"),
        ("90 seconds ago", "2024-03-04 09:58:30"),
        ("1 hour ago", "2024-03-04 09:00:00"),
        ("2 days ago", "2024-03-02 10:00:00"),
        ("1 week ago", "2024-02-26 10:00:00"),
        ("1 month ago", "2024-02-04 10:00:00"),
        ("1 year ago", "2023-03-04 10:00:00"),
        ("0 s ago", "2024-03-04 10:00:00"),
    ];

    const REFUSED: &[&str] = &[
        "",
        "soon",
        "ago",
        "ten min ago",
        "-1 h ago",
        "10 parsecs ago",
        "99999999999999999999 s ago",
        "9999999999 years ago",
        "2024-13-01",
        "2024-02-30 10:00",
        "11:00",
        "2024-03-05",
        "@x",
        "100 years ago",
    ];

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(2))
    }

    #[test]
    fn times_mean_what_they_say() {
        for (text, expected) in ROWS {
            let read = parse(text, NOW, &zone());
            let read = read.map(|at| shown(at, &zone()));
            assert_eq!(read.as_deref(), Ok(*expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_time_or_has_not_come_is_refused() {
        for text in REFUSED {
            assert!(parse(text, NOW, &zone()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_the_earlier_one() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let now = UnixMillis(1_800_000_000_000);
        let read = parse("2024-10-27 02:30", now, &berlin);
        assert_eq!(read, Ok(UnixMillis(1_729_989_000_000)));
    }
}
