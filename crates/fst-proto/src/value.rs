//! Values that people write: sizes, rates, durations, times of day, days of the week.
//!
//! One grammar for configuration files, flags and requests. Invariant: what is printed is read back as the same
//! value; what could be meant in two ways is refused with both readings. Not here: keys, files, limits of a key.
//! Source: docs/design/configuration.md §2.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text that is no value of the wanted kind. Says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    /// An error that says what would fit.
    pub fn new(expected: impl Into<String>) -> Self {
        Self(expected.into())
    }
}

fn wrong<T>(expected: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError(expected.into()))
}

/// Bytes. Units are powers of 1024: a file of 5 GiB is not refused by `5gb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Letters of a size and how many bytes they are, largest first.
const SIZE_UNITS: [(&str, u64); 5] = [
    ("tb", 1 << 40),
    ("gb", 1 << 30),
    ("mb", 1 << 20),
    ("kb", 1 << 10),
    ("b", 1),
];

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: &str = "a size such as 500kb, 4mb or 5gb";
        let Some((number, unit)) = split(text) else {
            return wrong(EXPECTED);
        };
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            _ => return wrong(EXPECTED),
        };
        match number.times(factor) {
            Some(bytes) => Ok(Self(bytes)),
            None => wrong(EXPECTED),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, &SIZE_UNITS)
    }
}

/// Bits in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u64);

/// Letters of a rate and how many bits a second they are, largest first.
const RATE_UNITS: [(&str, u64); 4] = [
    ("gbps", 1_000_000_000),
    ("mbps", 1_000_000),
    ("kbps", 1000),
    ("bps", 1),
];

impl FromStr for BitRate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: &str = "a rate such as 500kbps, 10mbps (bits) or 2MB/s (bytes)";
        let Some((number, unit)) = split(text) else {
            return wrong(EXPECTED);
        };
        if let Some(prefix) = unit.strip_suffix("Bps") {
            let digits = text.len() - unit.len();
            let (number, small) = (text[..digits].trim(), prefix.to_ascii_lowercase());
            return wrong(format!(
                "{number}{small}bps for bits or {number}{}B/s for bytes",
                prefix.to_ascii_uppercase()
            ));
        }
        let factor = match unit.to_ascii_lowercase().as_str() {
            "bps" => 1,
            "kbps" => 1000,
            "mbps" => 1_000_000,
            "gbps" => 1_000_000_000,
            "b/s" => 8,
            "kb/s" => 8000,
            "mb/s" => 8_000_000,
            "gb/s" => 8_000_000_000,
            "kib/s" => 8 << 10,
            "mib/s" => 8 << 20,
            "" => return wrong("a rate with its unit, such as 5mbps"),
            "%" => return wrong("a rate such as 5mbps: how fast the line is, nobody knows"),
            _ => return wrong(EXPECTED),
        };
        match number.times(factor) {
            Some(bits) => Ok(Self(bits)),
            None => wrong(EXPECTED),
        }
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, &RATE_UNITS)
    }
}

/// Reads a limit: `None` for `unlimited` and for 0 in any unit.
///
/// # Errors
/// [`ValueError`] of the kind of value.
pub fn parse_limit<T>(text: &str) -> Result<Option<T>, ValueError>
where
    T: FromStr<Err = ValueError>,
{
    let is_zero = split(text).is_some_and(|(number, unit)| {
        let is_plain = unit.is_empty();
        number.is_zero() && (is_plain || text.parse::<T>().is_ok())
    });
    if is_zero || text.eq_ignore_ascii_case("unlimited") {
        return Ok(None);
    }
    let expected = |error: ValueError| ValueError(format!("{error}, or unlimited"));
    text.parse().map(Some).map_err(expected)
}

/// Reads `1h30m`, `5s`, `500ms`, `2d`: one or several numbers, each with its unit.
///
/// # Errors
/// [`ValueError`] for a number without a unit, an unknown unit, or more than fits.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    const EXPECTED: &str = "a time span such as 30s, 5m, 1h30m or 2d";
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return wrong(EXPECTED);
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len()
            - tail
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, tail) = tail.split_at(letters);
        let ms_per_unit = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 24 * 3_600_000,
            "w" => 7 * 24 * 3_600_000,
            _ => return wrong(EXPECTED),
        };
        let ms = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(ms_per_unit));
        let Some(total) = ms.and_then(|ms| total_ms.checked_add(ms)) else {
            return wrong(EXPECTED);
        };
        total_ms = total;
        rest = tail.trim_start();
    }
    Ok(Duration::from_millis(total_ms))
}

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// From one time of the day up to another, local wall time. `22:00-06:00` passes midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindow {
    /// First minute of the day, `0..1440`.
    pub from: u16,
    /// Minute after the last, `1..=1440`; smaller than `from` when midnight is passed. Never equal to it.
    pub to: u16,
}

impl TimeWindow {
    /// Every minute of the day.
    pub const ALL_DAY: Self = Self {
        from: 0,
        to: DAY_MINUTES,
    };

    /// Whether it goes on after midnight, into the next day.
    #[must_use]
    pub fn passes_midnight(self) -> bool {
        self.to < self.from
    }
}

impl FromStr for TimeWindow {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: &str = "two times of the day such as 09:00-17:00";
        let parts = text.split_once('-');
        let ends = parts.map(|(from, to)| (minute(from.trim()), minute(to.trim())));
        match ends {
            Some((Some(from), Some(to))) if from == to => {
                wrong("two different times of the day: leave the time out for all day")
            },
            Some((Some(from), Some(0))) => Ok(Self {
                from,
                to: DAY_MINUTES,
            }),
            Some((Some(from), Some(to))) if from < DAY_MINUTES => Ok(Self { from, to }),
            _ => wrong(EXPECTED),
        }
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

/// Minute of the day of `HH:MM`; `24:00` is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

/// Days of the week; Monday is bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekdays(u8);

const DAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// Whether the day is among them. `day`: 0 is Monday, 6 is Sunday.
    #[must_use]
    pub fn contains(self, day: u8) -> bool {
        day < 7 && self.0 & (1 << day) != 0
    }
}

impl FromStr for Weekdays {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut days = 0;
        for part in text.split(',') {
            days |= match part.trim().to_ascii_lowercase().as_str() {
                "all" => Self::ALL.0,
                "weekdays" => 0b001_1111,
                "weekend" => 0b110_0000,
                part => match part.split_once('-') {
                    Some((first, last)) => range(day(first)?, day(last)?),
                    None => 1 << day(part)?,
                },
            };
        }
        Ok(Self(days))
    }
}

/// Bits of the days from one to another; `sat-mon` goes over the end of the week.
fn range(first: u8, last: u8) -> u8 {
    let n = (last + 7 - first) % 7;
    (0..=n).fold(0, |days, step| days | 1 << ((first + step) % 7))
}

fn day(text: &str) -> Result<u8, ValueError> {
    let text = text.trim();
    let named = (0_u8..).zip(DAYS);
    let mut named = named.filter(|(_, (short, long))| *short == text || *long == text);
    match named.next() {
        Some((day, _)) => Ok(day),
        None => wrong("days such as mon-fri, sat,sun, weekdays, weekend or all"),
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let mut parts: Vec<String> = Vec::new();
        let mut day = 0;
        while day < 7 {
            let run = (day..7).take_while(|&day| self.contains(day)).count();
            let run = u8::try_from(run).unwrap_or(7);
            let name = |day: u8| DAYS[usize::from(day)].0;
            match run {
                0 => {},
                1 => parts.push(name(day).to_owned()),
                2 => parts.push(format!("{},{}", name(day), name(day + 1))),
                _ => parts.push(format!("{}-{}", name(day), name(day + run - 1))),
            }
            day += run + 1;
        }
        f.write_str(&parts.join(","))
    }
}

/// A decimal number: `value` over ten to the power of `decimals`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    value: u64,
    decimals: u32,
}

impl Decimal {
    fn is_zero(self) -> bool {
        self.value == 0
    }

    /// Rounded down; `None` when it does not fit.
    fn times(self, factor: u64) -> Option<u64> {
        let scale = 10_u128.checked_pow(self.decimals)?;
        u64::try_from(u128::from(self.value) * u128::from(factor) / scale).ok()
    }
}

/// Digits after the point that anybody needs.
const DECIMALS_MAX: usize = 6;

/// A number, with a point or without, and what follows it.
fn split(text: &str) -> Option<(Decimal, &str)> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (number, unit) = text.split_at(text.len() - text.trim_start_matches(is_number).len());
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let has_bare_point = number.contains('.') && part.is_empty();
    if whole.is_empty() || has_bare_point || part.len() > DECIMALS_MAX || part.contains('.') {
        return None;
    }
    let value = format!("{whole}{part}").parse().ok()?;
    let decimals = u32::try_from(part.len()).ok()?;
    Some((Decimal { value, decimals }, unit.trim_start()))
}

fn write_in_units(f: &mut fmt::Formatter<'_>, n: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fitting = units
        .iter()
        .find(|(_, factor)| n >= *factor && n.is_multiple_of(*factor));
    match fitting.or(units.last()) {
        Some((unit, factor)) => write!(f, "{}{unit}", n / factor),
        None => write!(f, "{n}"),
    }
}

#[cfg(test)]
mod tests;
