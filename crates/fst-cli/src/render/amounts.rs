//! Sizes, counts and times as people read them.
//!
//! Invariant: sizes are powers of 1024; times are in the zone given. Source: docs/design/commands.md §1.

use fst_proto::time::UnixMillis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `18.2 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of a unit in whole numbers: no rounding up to a size that is not there.
    let mut scale = 0;
    while scale + 1 < UNITS.len() && bytes >> (10 * (scale + 2)) > 0 {
        scale += 1;
    }
    let tenths = (u128::from(bytes) * 10) >> (10 * (scale + 1));
    let (whole, rest) = (tenths / 10, tenths % 10);
    if whole >= 100 {
        return format!("{whole} {}", UNITS[scale]);
    }
    format!("{whole}.{rest} {}", UNITS[scale])
}

/// `41.2 Mbit/s`: powers of 1000, as lines are sold and limits are written.
pub(crate) fn rate(bits: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("Gbit/s", 1_000_000_000),
        ("Mbit/s", 1_000_000),
        ("kbit/s", 1000),
        ("bit/s", 1),
    ];
    let (name, unit) = UNITS
        .into_iter()
        .find(|(_, unit)| bits >= *unit)
        .unwrap_or(UNITS[3]);
    let (whole, tenth) = (bits / unit, bits % unit * 10 / unit);
    match tenth {
        0 => format!("{whole} {name}"),
        _ if whole >= 100 => format!("{whole} {name}"),
        tenth => format!("{whole}.{tenth} {name}"),
    }
}

/// `14:02` and how long ago that is, or the date where it was another day.
pub(crate) fn since(now: UnixMillis, then: UnixMillis, zone: &TimeZone) -> String {
    let minutes = now.0.saturating_sub(then.0) / 60_000;
    let ago = match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min"),
        60..1440 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => plural(minutes / 1440, "day"),
    };
    let at = date(now, then, zone);
    format!("{} ({ago})", at.trim_start_matches("today "))
}

/// `12 408`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `2 files`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// `2 min ago` below an hour, `today 09:14`, else the date.
pub(crate) fn when(now: UnixMillis, then: UnixMillis, zone: &TimeZone) -> String {
    let seconds = now.0.saturating_sub(then.0) / 1000;
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        _ => date(now, then, zone),
    }
}

fn date(now: UnixMillis, then: UnixMillis, zone: &TimeZone) -> String {
    let local = |ms: UnixMillis| {
        let ms = i64::try_from(ms.0).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(ms)
            .unwrap_or(Timestamp::MAX)
            .to_zoned(zone.clone())
    };
    let (now, then) = (local(now), local(then));
    if now.date() == then.date() {
        return then.strftime("today %H:%M").to_string();
    }
    then.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let shown: Vec<String> = [0, 1023, 1024, 1536, 230 << 20, 19_600_000_000, u64::MAX]
            .map(size)
            .into();
        assert_eq!(
            shown,
            [
                "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "230 MiB", "18.2 GiB", "15.9 EiB"
            ]
        );
    }

    #[test]
    fn rates_are_powers_of_1000() {
        let shown = [0, 999, 10_000_000, 41_230_000, 980_500_000, 2_500_000_000].map(rate);
        assert_eq!(
            shown,
            [
                "0 bit/s",
                "999 bit/s",
                "10 Mbit/s",
                "41.2 Mbit/s",
                "980 Mbit/s",
                "2.5 Gbit/s"
            ]
        );
    }

    #[test]
    fn a_stretch_of_time_says_when_it_began() {
        let now = UnixMillis(1_709_546_400_000); // 2024-03-04 10:00 UTC
        let of = |minutes: u64| since(now, UnixMillis(now.0 - minutes * 60_000), &TimeZone::UTC);
        assert_eq!(
            [0, 12, 150, 3000].map(of),
            [
                "10:00 (just now)",
                "09:48 (12 min)",
                "07:30 (2 h 30 min)",
                "2024-03-02 08:00 (2 days)"
            ]
        );
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [7, 999, 1000, 12_408, 1_000_000].map(count),
            ["7", "999", "1 000", "12 408", "1 000 000"]
        );
        assert_eq!(
            (plural(1, "file"), plural(2, "file")),
            ("1 file".into(), "2 files".into())
        );
    }

    #[test]
    fn times_get_coarser_with_age() {
        let zone = TimeZone::UTC;
        let now = UnixMillis(1_709_546_400_000); // 2024-03-04 10:00 UTC
        let ago = |seconds: u64| when(now, UnixMillis(now.0 - seconds * 1000), &zone);
        assert_eq!(ago(5), "just now");
        assert_eq!(ago(120), "2 min ago");
        assert_eq!(ago(3 * 3600), "today 07:00");
        assert_eq!(ago(20 * 3600), "2024-03-03 14:00");
    }
}
