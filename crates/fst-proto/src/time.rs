//! Time as plain values. A [`Clock`] is a seam: the real one lives in the faces, a virtual one in tests.

/// Milliseconds since 1970-01-01 UTC.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct UnixMillis(pub u64);

/// Tells the time. The only real implementations are marked as such.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall-clock time now.
    fn now(&self) -> UnixMillis;
}

/// A calendar moment in UTC, for names that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year, 1970 or later.
    pub year: u64,
    /// Month 1–12.
    pub month: u64,
    /// Day 1–31.
    pub day: u64,
    /// Hour 0–23.
    pub hour: u64,
    /// Minute 0–59.
    pub minute: u64,
    /// Second 0–59.
    pub second: u64,
}

impl UnixMillis {
    /// The UTC calendar moment, by the days-from-civil inverse of Howard Hinnant's public algorithm.
    #[must_use]
    pub fn to_civil(self) -> Civil {
        let seconds = self.0 / 1000;
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let month = if month_index < 10 {
            month_index + 3
        } else {
            month_index - 9
        };
        Civil {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_index + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest % 3600 / 60,
            second: rest % 60,
        }
    }
}
