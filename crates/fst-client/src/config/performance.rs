//! How much of the line and of memory transfers may take, always and at some hours.
//!
//! Made by [`super::build`]; the daemon hands limits and windows to what slows transfers down. Invariant: a schedule
//! and its window say the same. Not here: which window holds now (`fst_engine::rate`).

use fst_engine::rate::{Civil, Days, Limits, Rate, Window};
use fst_proto::value::{BitRate, TimeWindow, Weekdays};

/// Transfers at a time, where nothing is said.
const PARALLEL_DEFAULT: usize = 4;

/// Bytes of transfers in memory, where nothing is said: four frames and their neighbours.
const MEMORY_DEFAULT: u64 = 64 << 20;

/// How transfers may use line and memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performance {
    /// What always holds.
    pub limits: Limits,
    /// What holds at some hours besides: of each schedule, in their order.
    pub windows: Vec<Window>,
    /// Transfers at a time, from 1 to 64.
    pub parallel: usize,
    /// Bytes of contents in flight that they may hold in memory together.
    pub memory: u64,
    /// The hours as they are written.
    pub schedules: Vec<Schedule>,
}

impl Default for Performance {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            windows: Vec::new(),
            parallel: PARALLEL_DEFAULT,
            memory: MEMORY_DEFAULT,
            schedules: Vec::new(),
        }
    }
}

/// A rule for hours of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name; no two have the same.
    pub name: String,
    /// When it holds, local wall time.
    pub window: TimeWindow,
    /// Days on which the window begins.
    pub days: Weekdays,
    /// Most that is sent meanwhile.
    pub max_upload: Option<BitRate>,
    /// Most that is received meanwhile.
    pub max_download: Option<BitRate>,
    /// Nothing is sent or received meanwhile.
    pub pause: bool,
}

impl Schedule {
    /// The same as a window of limits.
    #[must_use]
    pub fn window(&self) -> Window {
        let days = (0..7).filter(|day| self.days.contains(*day));
        Window {
            days: days.fold(Days::default(), Days::with),
            from: self.window.from,
            to: self.window.to,
            limits: Limits {
                upload: rate(self.max_upload),
                download: rate(self.max_download),
                is_paused: self.pause,
            },
        }
    }

    /// Whether it holds at a minute of a day, local wall time. `day`: 0 is Monday.
    #[must_use]
    pub fn covers(&self, day: u8, minute: u16) -> bool {
        self.window().covers(Civil { day, minute })
    }
}

/// A rate of bits as one of bytes.
pub(super) fn rate(bits: Option<BitRate>) -> Option<Rate> {
    Rate::from_bits(bits?.0)
}
