//! Padmé: lengths that say little. FROZEN v1.
//!
//! Every sealed payload is padded here before it is encrypted. Invariant: [`padme`] is monotone, never
//! shrinks, adds at most 12 %, and leaves powers of two alone.
//! Not here: where padding bytes go ([`crate::envelope`]).
//! Source: docs/design/crypto-format.md §2.2; Nikitin et al., PETS 2019.

/// Smallest padded payload: names and tiny files all look alike.
pub const FLOOR: usize = 256;

/// Grain of key slots, whose size depends on the number of spaces only.
pub const SLOT_GRAIN: usize = 1024;

/// The Padmé length of `len`: the mantissa keeps as many bits as the exponent needs.
#[must_use]
pub fn padme(len: usize) -> usize {
    let Some(exponent) = len.checked_ilog2().filter(|&e| e > 0) else {
        return len;
    };
    let cleared_bits = exponent - (exponent.ilog2() + 1);
    let mask = (1_usize << cleared_bits) - 1;
    len.saturating_add(mask) & !mask
}

/// Padded length of a payload with the 256-byte floor: all kinds but key slots.
#[must_use]
pub fn padded_len(payload_len: usize) -> usize {
    padme(payload_len).max(FLOOR)
}

/// Padded length of a key slot: the next multiple of 1 024.
#[must_use]
pub fn slot_padded_len(payload_len: usize) -> usize {
    payload_len
        .max(1)
        .div_ceil(SLOT_GRAIN)
        .saturating_mul(SLOT_GRAIN)
}
