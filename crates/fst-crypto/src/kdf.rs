//! The one key derivation: HKDF-SHA-256 with a label and a context. FROZEN v1.
//!
//! Every key of the tree is derived from its parent here. Invariant: two derivations with different labels
//! or contexts are independent; the zero byte after the label keeps `("a", "bc")` and `("ab", "c")` apart.
//! Not here: the envelope's own derivation, which has a salt ([`crate::envelope`]).
//! Source: docs/design/crypto-format.md §1.1; RFC 5869.

use aws_lc_rs::hkdf;

/// Derives `N` bytes: `HKDF-SHA-256(IKM = key, salt = "", info = "fst/v1/" ‖ label ‖ 00 ‖ ctx, L = N)`.
///
/// # Panics
/// Never for the sizes used here: HKDF gives up to 8 160 bytes.
#[must_use]
pub fn kdf<const N: usize>(key: &[u8], label: &str, ctx: &[u8]) -> [u8; N] {
    hkdf_sha256(&[], key, &[b"fst/v1/", label.as_bytes(), &[0], ctx])
}

/// Plain HKDF-SHA-256, extract and expand.
pub(crate) fn hkdf_sha256<const N: usize>(salt: &[u8], key: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(info, Length(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("fewer than 8 160 bytes are asked for");
    out
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
