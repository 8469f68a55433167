//! The `performance` section: how much of the line and of memory transfers may take.
//!
//! Invariant: what is not understood is refused with its key, and what was read is written back as it was.

use fst_engine::rate::{Limits, Rate, Window};
use fst_proto::error::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::error::ClientError;

/// Transfers at a time, where nothing is said.
const PARALLEL_DEFAULT: usize = 4;

/// More at a time would only wait for each other.
const PARALLEL_MAX: usize = 64;

/// Bytes of transfers in memory, where nothing is said: four frames and their neighbours.
const MEMORY_DEFAULT: u64 = 64 << 20;

/// Fewer bytes would not hold one frame with its answer.
const MEMORY_MIN: u64 = 16 << 20;

/// Letters of a size and how many bytes they are.
const SIZE_UNITS: [(&str, u64); 3] = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];

/// Letters of a rate and how many bits a second they are.
const RATE_UNITS: [(&str, u64); 8] = [
    ("kbps", 1000),
    ("mbps", 1_000_000),
    ("gbps", 1_000_000_000),
    ("bps", 1),
    ("kb/s", 8_000),
    ("mb/s", 8_000_000),
    ("gb/s", 8_000_000_000),
    ("b/s", 8),
];

/// How transfers may use line and memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performance {
    /// What always holds.
    pub limits: Limits,
    /// What holds at some hours besides.
    pub windows: Vec<Window>,
    /// Transfers at a time.
    pub parallel: usize,
    /// Bytes that they may hold in memory together.
    pub memory: u64,
    written: Written,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    #[serde(default, alias = "max_upload", skip_serializing_if = "Option::is_none")]
    max_upload_speed: Option<String>,
    #[serde(
        default,
        alias = "max_download",
        skip_serializing_if = "Option::is_none"
    )]
    max_download_speed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parallel_transfers: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_limit: Option<String>,
}

impl Default for Performance {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            windows: Vec::new(),
            parallel: PARALLEL_DEFAULT,
            memory: MEMORY_DEFAULT,
            written: Written::default(),
        }
    }
}

pub(super) fn read(written: Option<Written>) -> Result<Performance, ClientError> {
    let written = written.unwrap_or_default();
    let parallel = written.parallel_transfers.unwrap_or(PARALLEL_DEFAULT);
    if !(1..=PARALLEL_MAX).contains(&parallel) {
        let wanted = format!("a number from 1 to {PARALLEL_MAX}");
        return Err(wrong("parallel_transfers", &wanted));
    }
    let rate = |key, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_rate(text).ok_or_else(|| wrong(key, "a rate such as 5mbps or 2mb/s")),
    };
    let limits = Limits {
        upload: rate("max_upload_speed", &written.max_upload_speed)?,
        download: rate("max_download_speed", &written.max_download_speed)?,
        is_paused: false,
    };
    let memory = match &written.memory_limit {
        None => Some(MEMORY_DEFAULT),
        Some(text) => parse_size(text).filter(|bytes| *bytes >= MEMORY_MIN),
    };
    let memory = memory.ok_or_else(|| wrong("memory_limit", "a size of at least 16mb"))?;
    Ok(Performance {
        limits,
        windows: Vec::new(),
        parallel,
        memory,
        written,
    })
}

pub(super) fn write(performance: &Performance) -> Option<Written> {
    (performance.written != Written::default()).then(|| performance.written.clone())
}

fn wrong(key: &str, wanted: &str) -> ClientError {
    let detail = format!("performance.{key}: {wanted} is wanted");
    ClientError::new(ErrorCode::BadConfig, detail)
}

/// `5mbps`, `2mb/s`, `unlimited`, `0`; `None` when it is none of them.
fn parse_rate(text: &str) -> Option<Option<Rate>> {
    let text = text.trim().to_ascii_lowercase();
    if text == "unlimited" || text == "0" {
        return Some(None);
    }
    let (unit, bits) = RATE_UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    Some(Rate::from_bits(number.checked_mul(*bits)?))
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (unit, bytes) = SIZE_UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    number.checked_mul(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Performance, ClientError> {
        read(Some(serde_saphyr::from_str(text).unwrap()))
    }

    #[test]
    fn rates_and_numbers_are_read_and_written_back() {
        let text = "max_upload: 10mbps\nmax_download_speed: 2MB/s\nparallel_transfers: 2\nmemory_limit: 32mb\n";
        let read = read_text(text).unwrap();
        assert_eq!(read.limits.upload.map(Rate::bytes), Some(1_250_000));
        assert_eq!(read.limits.download.map(Rate::bytes), Some(2_000_000));
        assert_eq!((read.parallel, read.memory), (2, 32 << 20));
        let back = serde_saphyr::to_string(&write(&read).unwrap()).unwrap();
        assert_eq!(read_text(&back).unwrap(), read);
    }

    #[test]
    fn nothing_said_is_no_limit() {
        assert_eq!(read(None).unwrap(), Performance::default());
        assert!(write(&Performance::default()).is_none());
        let open = read_text("max_upload_speed: unlimited\nmax_download_speed: '0'\n").unwrap();
        assert_eq!(open.limits, Limits::default());
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "5",
            "fast",
            "mbps",
            "-5mbps",
            "5mbit",
            "99999999999999999gbps",
        ] {
            let config = format!("max_upload_speed: '{text}'\n");
            assert!(read_text(&config).is_err(), "{text}");
        }
        assert!(read_text("parallel_transfers: 0\n").is_err());
        assert!(read_text("parallel_transfers: 65\n").is_err());
        assert!(read_text("memory_limit: 15mb\n").is_err());
        assert!(read_text("memory_limit: much\n").is_err());
    }
}
