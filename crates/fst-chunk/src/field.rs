//! The universal hash under the chunker: polynomials over secret tables in GF(2^64). FROZEN v1.
//!
//! [`crate::cdc`] rolls two of them over every byte. Invariant: [`Tables::roll`] keeps
//! `h = Σ_j x^(63-j)·T[b_j]` (j from 0, oldest byte first) over exactly the last 64 bytes.
//! Not here: the block cipher that hides the hash, the cut decision.
//! Source: docs/design/crypto-format.md §2.4; Chk-PHTE of eprint 2025/558.

use zeroize::Zeroize as _;

// Universality. Field: GF(2)[x] / P, P = x^64 + x^4 + x^3 + x + 1, irreducible (tested below), so every
// nonzero element is invertible. Let a ≠ b be two windows and `c_v = Σ_j x^(63-j)·([a_j = v] + [b_j = v])`
// over GF(2) for each byte value v. Then `h(a) + h(b) = Σ_v c_v·T[v]`. Where the windows differ, at position
// j, the value v = a_j has [a_j = v] = 1 and [b_j = v] = 0, so the coefficient of x^(63-j) in c_v is 1: c_v is
// a nonzero polynomial of degree at most 63, hence not divisible by P, hence invertible. T[v] is uniform and
// independent of the other entries, so c_v·T[v], and with it the sum, is uniform: Pr[h(a) = h(b)] = 2^-64.
// The same argument with one window shows that h(a) itself is uniform, also for 64 equal bytes, where
// `c_v = Σ_j x^(63-j)` is nonzero. Two independent tables give 2^-128 for the 128-bit digest, which is the
// width of one block: the cipher sees a repeated input only where the content repeats.

/// Bytes under the window.
pub(crate) const WINDOW: usize = 64;

/// Low bits of P: what x^64 is reduced to.
const P: u64 = 0x1b;

/// Two hash values, one per table.
pub(crate) type Digest = [u64; 2];

/// The two hash values of [`LANES`] windows side by side: lane by lane, as the cipher takes them.
pub(crate) type Lanes = [u64; 2 * LANES];

/// Stretches of content that are hashed side by side, so that the processor has independent work and one wide
/// register holds the hashes of all.
pub(crate) const LANES: usize = 4;

/// Secret tables for bytes that enter and bytes that leave the window.
pub(crate) struct Tables {
    enter: Box<[Digest; 256]>,
    leave: Box<[Digest; 256]>,
}

impl Tables {
    /// Reads T1 then T2, 256 big-endian u64 each, from `next`.
    pub(crate) fn new(mut next: impl FnMut() -> u64) -> Self {
        let mut enter = Box::new([[0; 2]; 256]);
        for which in 0..2 {
            for entry in enter.iter_mut() {
                entry[which] = next();
            }
        }
        let mut leave = enter.clone();
        for entry in leave.iter_mut() {
            *entry = entry.map(|h| times_x_to(h, 64));
        }
        Self { enter, leave }
    }

    /// Hash of the window after `entering` came in and `leaving`, 64 bytes older, went out.
    #[inline(always)]
    pub(crate) fn roll(&self, h: Digest, entering: u8, leaving: u8) -> Digest {
        let [e1, e2] = self.enter[usize::from(entering)];
        let [l1, l2] = self.leave[usize::from(leaving)];
        [times_x(h[0]) ^ (e1 ^ l1), times_x(h[1]) ^ (e2 ^ l2)]
    }

    /// [`Self::roll`] in every lane at once.
    #[inline(always)]
    pub(crate) fn roll_lanes(
        &self,
        h: Lanes,
        entering: [u8; LANES],
        leaving: [u8; LANES],
    ) -> Lanes {
        let mut change: Lanes = [0; 2 * LANES];
        for (lane, pair) in change.as_chunks_mut().0.iter_mut().enumerate() {
            let [e1, e2] = self.enter[usize::from(entering[lane])];
            let [l1, l2] = self.leave[usize::from(leaving[lane])];
            *pair = [e1 ^ l1, e2 ^ l2];
        }
        std::array::from_fn(|i| times_x(h[i]) ^ change[i])
    }

    /// Hash of 64 bytes from nothing.
    pub(crate) fn warm(&self, window: &[u8]) -> Digest {
        window.iter().fold([0; 2], |h, &byte| {
            let [e1, e2] = self.enter[usize::from(byte)];
            [times_x(h[0]) ^ e1, times_x(h[1]) ^ e2]
        })
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.enter.zeroize();
        self.leave.zeroize();
    }
}

/// `h·x` in the field: shift, and reduce when the top bit falls out. No branch, as h is secret.
#[inline(always)]
fn times_x(h: u64) -> u64 {
    (h << 1) ^ ((h >> 63).wrapping_neg() & P)
}

fn times_x_to(h: u64, power: u32) -> u64 {
    (0..power).fold(h, |h, _| times_x(h))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mul(a: u64, b: u64) -> u64 {
        (0..64).rev().fold(0, |acc, bit| {
            times_x(acc) ^ if b >> bit & 1 == 1 { a } else { 0 }
        })
    }

    fn power(base: u64, mut exponent: u64) -> u64 {
        let (mut result, mut square) = (1, base);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = mul(result, square);
            }
            square = mul(square, square);
            exponent >>= 1;
        }
        result
    }

    /// x has order 2^64 - 1, so P is primitive and therefore irreducible.
    #[test]
    fn the_polynomial_is_primitive() {
        let order = u64::MAX;
        assert_eq!(power(2, order), 1);
        let primes = [3, 5, 17, 257, 641, 65_537, 6_700_417];
        assert_eq!(primes.iter().product::<u64>(), order);
        for prime in primes {
            assert_ne!(power(2, order / prime), 1, "order divides (2^64-1)/{prime}");
        }
    }

    fn tables(seed: u64) -> Tables {
        let mut state = seed;
        Tables::new(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state ^ (state >> 29)
        })
    }

    #[test]
    fn rolling_equals_the_definition() {
        let tables = tables(5);
        let bytes: Vec<u8> = (0..400_u32).map(|i| (i * i / 7).to_le_bytes()[0]).collect();
        let mut h = tables.warm(&bytes[..WINDOW]);
        for end in WINDOW..=bytes.len() {
            let window = &bytes[end - WINDOW..end];
            for (which, &value) in h.iter().enumerate() {
                let sum = window
                    .iter()
                    .zip((0..64).rev())
                    .fold(0, |sum, (&byte, power)| {
                        sum ^ times_x_to(tables.enter[usize::from(byte)][which], power)
                    });
                assert_eq!(value, sum, "window ending at {end}");
            }
            if end < bytes.len() {
                h = tables.roll(h, bytes[end], bytes[end - WINDOW]);
            }
        }
    }
}
