//! HPKE: secrets for the holder of a public key.
//!
//! [`crate::space`] wraps a space's secrets to each member's account key with it. Invariant: mode base of
//! RFC 9180 with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; who wrapped is proven by the
//! signature of the entry that carries the wrap, not here.
//! Not here: what is wrapped and bound ([`crate::space`]).
//! Source: docs/design/crypto-format.md §1.7; RFC 9180.

use std::convert::Infallible;

use fst_proto::ids::KemKey;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};

use crate::error::{OpenError, SealError};
use crate::random::SecureRandom;
use crate::secret::SecretBytes;

type Private = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type Encapped = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

/// An X25519 key pair; the library wipes its private half when it is dropped.
pub struct KemPair {
    private: Private,
    public: KemKey,
}

impl KemPair {
    /// The pair that `DeriveKeyPair` of RFC 9180 §7.1.3 makes of 32 secret bytes.
    #[must_use]
    pub fn derive(secret: &[u8; 32]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(secret);
        Self {
            private,
            public: KemKey(public.to_bytes().into()),
        }
    }

    /// Public half.
    #[must_use]
    pub fn public(&self) -> KemKey {
        self.public
    }

    /// Opens what [`seal_to`] sealed.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] when `enc` is no key; [`OpenError::Tampered`] when key, `info`, `aad` or
    /// ciphertext differ.
    pub fn open(
        &self,
        enc: &[u8],
        info: &[u8],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        let enc = Encapped::from_bytes(enc).map_err(|_| OpenError::Malformed {
            what: "encapsulated key",
        })?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &enc,
            info,
            sealed,
            aad,
        )
        .map(SecretBytes::new)
        .map_err(|_| OpenError::Tampered)
    }
}

impl std::fmt::Debug for KemPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KemPair({:?})", self.public)
    }
}

/// A sealed secret and the encapsulated key to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Encapsulated key.
    pub enc: Vec<u8>,
    /// Ciphertext and tag.
    pub sealed: Vec<u8>,
}

/// Seals `secret` to the holder of `recipient`.
///
/// # Errors
/// [`SealError::BadRecipient`] when the key is a point that no secret can be shared with.
pub fn seal_to(
    random: &dyn SecureRandom,
    recipient: &KemKey,
    info: &[u8],
    aad: &[u8],
    secret: &[u8],
) -> Result<Wrapped, SealError> {
    let recipient =
        Public::from_bytes(recipient.as_bytes()).map_err(|_| SealError::BadRecipient)?;
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient,
        info,
        secret,
        aad,
        &mut SeamRng(random),
    )
    .map_err(|_| SealError::BadRecipient)?;
    Ok(Wrapped {
        enc: enc.to_bytes().to_vec(),
        sealed,
    })
}

/// Our seam in the shape that the library asks for.
struct SeamRng<'a>(&'a dyn SecureRandom);

impl TryRng for SeamRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(crate::random::bytes(self.0)))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(crate::random::bytes(self.0)))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(dst);
        Ok(())
    }
}

impl TryCryptoRng for SeamRng<'_> {}
