//! Which part holds up large files, and which one small files: figures in, parts out.
//!
//! Used by `fst bench`. Large files go through all parts at the same time, so the part with the fewest bytes a second is
//! the one that counts. Small files wait: for the disk that makes each one durable, and for the server's answer.
//! Invariant: only what was measured is named; how many bytes the line carries was not.

use super::{Figure, Part};

/// What holds up what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slowest {
    /// Of large files: the part and its bytes a second.
    pub large: Option<(Part, u64)>,
    /// Of small files: the part and its microseconds for one.
    pub small: Option<(Part, u64)>,
}

/// Names the part that limits large files and the one that small files wait for longest; of equals the first.
#[must_use]
pub fn slowest(figures: &[(Part, Figure)]) -> Slowest {
    let rates = figures.iter().filter_map(|(part, figure)| {
        let rate = match figure {
            Figure::Disk {
                write_bytes_per_s,
                read_bytes_per_s,
                ..
            } => *write_bytes_per_s.min(read_bytes_per_s),
            Figure::Core { bytes_per_s } => *bytes_per_s,
            Figure::Network { .. } => return None,
        };
        Some((*part, rate))
    });
    let waits = figures.iter().filter_map(|(part, figure)| match figure {
        Figure::Disk { save_p50_us, .. } => Some((*part, *save_p50_us)),
        Figure::Network {
            round_trip_p50_us, ..
        } => Some((*part, *round_trip_p50_us)),
        Figure::Core { .. } => None,
    });
    Slowest {
        large: rates.reduce(|slow, next| if next.1 < slow.1 { next } else { slow }),
        small: waits.reduce(|slow, next| if next.1 > slow.1 { next } else { slow }),
    }
}
