//! AES-256-GCM under one-time keys.
//!
//! [`crate::envelope`] and [`crate::batch`] derive a fresh key per salt and choose nonces; this module only
//! calls the library. Invariant: a failed open leaves no plaintext with the caller.
//! Not here: where keys and nonces come from.
//! Source: docs/design/crypto-format.md §2.2; NIST SP 800-38D.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::error::OpenError;

/// Bytes of a tag.
pub(crate) const TAG_LEN: usize = 16;

/// Bytes of a nonce.
pub(crate) const NONCE_LEN: usize = 12;

/// A key that seals under distinct nonces.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256-GCM takes 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts `data` where it lies and returns the tag.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
    ) -> [u8; TAG_LEN] {
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), data)
            .expect("no payload comes near the 64 GiB limit of GCM");
        let mut out = [0; TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Decrypts `sealed` (ciphertext and tag).
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        let mut data = sealed.to_vec();
        let len = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut data,
            )
            .map_err(|_| OpenError::Tampered)?
            .len();
        data.truncate(len);
        Ok(data)
    }
}
