//! How fast bytes may flow, and at which hours: a token bucket and windows of the week.
//!
//! The transport of `fst-client` asks [`Bucket::take`] before every piece; the daemon asks [`in_force`] when a minute
//! begins. Time is an argument: milliseconds of a clock that never goes back for the bucket, the local wall clock for
//! windows, so that daylight saving is the caller's zone and nobody's arithmetic. Invariant: in any stretch of time no
//! more than rate times time plus one [`burst`] passes, and what is asked for passes in the end.
//! Not here: waiting, reading a clock or a zone. Source: docs/design/transfers.md §"Limits".

use std::num::NonZeroU64;

use fst_proto::limits::FRAME_BYTES_TARGET;
use fst_proto::time::UnixMillis;

use crate::limits::{
    FRAME_BYTES_MIN, FRAME_SECONDS_TARGET, GIVE_WAY_GAIN_MIN, GIVE_WAY_MS_MIN, RATE_BURST_MIN,
    RATE_BURSTS_PER_SECOND, STREAM_RATE_MIN,
};

const MINUTES_PER_DAY: u64 = 24 * 60;
const MS_PER_MINUTE: u64 = 60_000;
/// 1970-01-01 was a Thursday.
const FIRST_DAY: u64 = 3;

/// Bytes per second, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// So many bytes per second; `None`, which means no limit, for zero.
    #[must_use]
    pub fn per_second(bytes: u64) -> Option<Self> {
        NonZeroU64::new(bytes).map(Self)
    }

    /// So many bits per second, rounded down to bytes; `None`, which means no limit, for zero bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits > 0).then(|| Self(NonZeroU64::new(bits / 8).unwrap_or(NonZeroU64::MIN)))
    }

    /// Bytes per second.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0.get()
    }
}

/// What is allowed now; a rate that is `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// From here to the server.
    pub upload: Option<Rate>,
    /// From the server to here.
    pub download: Option<Rate>,
    /// Nothing is to be synced at all.
    pub is_paused: bool,
}

impl Limits {
    /// The stricter of both in each respect.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            upload: stricter(self.upload, other.upload),
            download: stricter(self.download, other.download),
            is_paused: self.is_paused || other.is_paused,
        }
    }
}

/// The lower of two limits, of which either may be none.
#[must_use]
pub fn stricter(one: Option<Rate>, other: Option<Rate>) -> Option<Rate> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (limit, None) | (None, limit) => limit,
    }
}

/// A set of days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);

    /// These and another one; Monday is 0, and 7 is Monday again.
    #[must_use]
    pub fn with(self, day: u8) -> Self {
        Self(self.0 | (1 << (day % 7)))
    }

    /// Whether a day belongs to it; Monday is 0.
    #[must_use]
    pub fn has(self, day: u8) -> bool {
        self.0 & (1 << (day % 7)) != 0
    }
}

/// A minute of the week by a clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Monday is 0.
    pub day: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

impl Civil {
    /// The minute at `now` where clocks are `offset_s` seconds ahead of UTC at that moment.
    #[must_use]
    pub fn at(now: UnixMillis, offset_s: i32) -> Self {
        let local = now.0.saturating_add_signed(i64::from(offset_s) * 1000);
        let minutes = local / MS_PER_MINUTE;
        let day = (minutes / MINUTES_PER_DAY + FIRST_DAY) % 7;
        Self {
            day: u8::try_from(day).unwrap_or_default(),
            minute: u16::try_from(minutes % MINUTES_PER_DAY).unwrap_or_default(),
        }
    }
}

/// Hours of some days at which stricter limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Days on which it begins.
    pub days: Days,
    /// First minute of the day.
    pub from: u16,
    /// Minute at which it is over; on the next day when it is not after `from`.
    pub to: u16,
    /// What holds inside it.
    pub limits: Limits,
}

impl Window {
    /// Whether `at` lies in it. A window that passes midnight belongs to the day on which it begins.
    ///
    /// By the clock on the wall: an hour that daylight saving skips is never inside, one that comes twice is twice.
    #[must_use]
    pub fn covers(&self, at: Civil) -> bool {
        let has_begun = at.minute >= self.from;
        let is_before_end = at.minute < self.to;
        if self.from < self.to {
            return self.days.has(at.day) && has_begun && is_before_end;
        }
        let yesterday = at.day + 6;
        (self.days.has(at.day) && has_begun) || (self.days.has(yesterday) && is_before_end)
    }
}

/// What holds at a minute: the strictest of the plain limits and of every window around it.
#[must_use]
pub fn in_force(plain: Limits, windows: &[Window], at: Civil) -> Limits {
    let around = windows.iter().filter(|window| window.covers(at));
    around.fold(plain, |limits, window| limits.and(window.limits))
}

/// Bytes that may pass at once after a rest.
#[must_use]
pub fn burst(rate: Rate) -> u64 {
    (rate.bytes() / RATE_BURSTS_PER_SECOND).max(RATE_BURST_MIN)
}

/// Streams that share a line of this rate, at most `wanted` and at least one.
#[must_use]
pub fn streams(wanted: usize, rate: Option<Rate>) -> usize {
    let room = rate.map_or(u64::MAX, |rate| rate.bytes() / STREAM_RATE_MIN);
    wanted
        .min(usize::try_from(room).unwrap_or(usize::MAX))
        .max(1)
}

/// Bytes at which a frame is closed on a line of this rate.
#[must_use]
pub fn frame_bytes(rate: Option<Rate>) -> usize {
    let most = FRAME_BYTES_TARGET as u64;
    let aim = rate.map_or(most, |rate| {
        rate.bytes().saturating_mul(FRAME_SECONDS_TARGET)
    });
    usize::try_from(aim.clamp(FRAME_BYTES_MIN, most)).unwrap_or(FRAME_BYTES_TARGET)
}

/// Whether a long upload should stop for something that came up meanwhile, to be taken up where it stopped.
///
/// Taking it up costs reading again what was sent, which took `again_ms`; so much must have been gained since then, in
/// `gained_ms` of sending, that a file is sent in the end however often something comes up.
#[must_use]
pub fn gives_way(again_ms: u64, gained_ms: u64) -> bool {
    gained_ms >= GIVE_WAY_MS_MIN && gained_ms / GIVE_WAY_GAIN_MIN >= again_ms
}

/// The answer to a wish to pass bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// So many may pass now; at least one, unless none was asked for.
    Pass(u64),
    /// Ask again after so many milliseconds; at least one.
    Wait(u64),
}

/// A token bucket: fills with time, up to one [`burst`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Thousandths of a byte; at most a burst.
    level: u64,
    at_ms: u64,
}

impl Bucket {
    /// Takes up to `want` bytes. The rate may be another one at every call: what has gathered is cut to its burst.
    ///
    /// Units: `now_ms` of any clock that does not go back; if it does, nothing gathers until it is where it was.
    #[must_use]
    pub fn take(&mut self, rate: Rate, now_ms: u64, want: u64) -> Take {
        let gathered = rate
            .bytes()
            .saturating_mul(now_ms.saturating_sub(self.at_ms));
        let most = burst(rate).saturating_mul(1000);
        self.level = self.level.saturating_add(gathered).min(most);
        self.at_ms = self.at_ms.max(now_ms);
        // Waiting for less than this would make many small pieces of a large one.
        let least = want.min(burst(rate) / 2);
        let there = self.level / 1000;
        if there >= least {
            let passed = want.min(there);
            self.level -= passed * 1000;
            return Take::Pass(passed);
        }
        let lacking = least.saturating_mul(1000) - self.level;
        Take::Wait(lacking.div_ceil(rate.bytes()).max(1))
    }
}
