//! When to try again after a failure.
//!
//! Called by the loops of `fst-client`; randomness is an argument. Invariant: never over
//! [`RETRY_DELAY_MS_MAX`]. Not here: what may be retried at all (the error types say so).
//! Source: docs/design/sync-semantics.md, rows S-150 and S-151.

use crate::limits::{RETRY_DELAY_MS_FIRST, RETRY_DELAY_MS_MAX};

/// Returns how long to wait before attempt `attempt + 1`, in milliseconds.
///
/// Exponential up to a cap, with full jitter, so that a thousand clients do not come back in one
/// moment. `attempt` counts failures so far, from 0; `jitter01` is random, the full range of `u16`.
#[must_use]
pub fn delay(attempt: u32, jitter01: u16) -> u64 {
    let doubled =
        RETRY_DELAY_MS_FIRST.saturating_mul(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
    doubled.min(RETRY_DELAY_MS_MAX) * u64::from(jitter01) / u64::from(u16::MAX)
}
