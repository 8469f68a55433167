//! Secrets of one device: made on it, kept on it.
//!
//! [`crate::account`] makes them for the first device, a joining device makes its own; `fst-client` keeps
//! their bytes in the keystore. Invariant: the stored form is checked by length, magic and checksum before
//! anything is used. Not here: the keystore file.
//! Source: docs/design/crypto-format.md §1.2.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use fst_proto::account::{DeviceRecord, KEM_X25519};
use fst_proto::ids::DeviceId;

use crate::kdf::kdf;
use crate::random::{self, SecureRandom};
use crate::secret::{SecretBytes, secrets};
use crate::sign::DeviceKey;
use crate::wrap::KemPair;

secrets! {
    /// Seed of a device's signing key.
    SignSeed;
    /// Seed of a device's KEM key.
    KemSeed;
    /// Seed of a device's hedge key.
    HedgeSeed;
    /// Hedges the salts of what the device seals; receivers never need it.
    HedgeKey;
}

/// FROZEN v1: `"fstdev" ‖ u16be 1 ‖ device id 16 ‖ sign 32 ‖ kem 32 ‖ hedge 32 ‖ crc32be of all before`.
const MAGIC: [u8; 8] = *b"fstdev\x00\x01";

/// Everything secret that a device has of its own.
#[derive(Debug)]
pub struct DeviceSecrets {
    /// The device.
    pub device: DeviceId,
    sign: SignSeed,
    kem: KemSeed,
    hedge: HedgeSeed,
}

/// Stored device secrets that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("device keys are damaged or of another version")]
pub struct BadKeystore;

impl DeviceSecrets {
    /// Draws a new device.
    #[must_use]
    pub fn generate(random: &dyn SecureRandom) -> Self {
        Self {
            device: DeviceId(random::bytes(random)),
            sign: SignSeed::from_bytes(random::bytes(random)),
            kem: KemSeed::from_bytes(random::bytes(random)),
            hedge: HedgeSeed::from_bytes(random::bytes(random)),
        }
    }

    /// Signing key.
    #[must_use]
    pub fn sign_key(&self) -> DeviceKey {
        DeviceKey::from_seed(self.sign.expose_secret())
    }

    /// KEM key pair.
    #[must_use]
    pub fn kem_pair(&self) -> KemPair {
        KemPair::derive(self.kem.expose_secret())
    }

    /// Key that hedges this device's salts.
    #[must_use]
    pub fn hedge_key(&self) -> HedgeKey {
        HedgeKey::from_bytes(kdf(self.hedge.expose_secret(), "hedge", &[]))
    }

    /// Public record of the device.
    #[must_use]
    pub fn record(&self, name_sealed: Vec<u8>) -> DeviceRecord {
        DeviceRecord {
            device: self.device,
            sign_key: self.sign_key().public(),
            kem_id: KEM_X25519,
            kem_key: self.kem_pair().public(),
            name_sealed,
        }
    }

    /// Bytes for the keystore.
    #[must_use]
    pub fn to_bytes(&self) -> SecretBytes {
        let mut bytes = Vec::with_capacity(124);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(self.device.as_bytes());
        bytes.extend_from_slice(self.sign.expose_secret());
        bytes.extend_from_slice(self.kem.expose_secret());
        bytes.extend_from_slice(self.hedge.expose_secret());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        SecretBytes::new(bytes)
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BadKeystore`] when any byte is not as written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadKeystore> {
        let (body, &crc) = bytes.split_last_chunk().ok_or(BadKeystore)?;
        if crc32fast::hash(body) != u32::from_be_bytes(crc) {
            return Err(BadKeystore);
        }
        let (magic, rest) = body.split_first_chunk().ok_or(BadKeystore)?;
        let (&device, rest) = rest.split_first_chunk().ok_or(BadKeystore)?;
        let (&sign, rest) = rest.split_first_chunk().ok_or(BadKeystore)?;
        let (&kem, rest) = rest.split_first_chunk().ok_or(BadKeystore)?;
        let hedge: [u8; 32] = rest.try_into().map_err(|_| BadKeystore)?;
        if *magic != MAGIC {
            return Err(BadKeystore);
        }
        Ok(Self {
            device: DeviceId(device),
            sign: SignSeed::from_bytes(sign),
            kem: KemSeed::from_bytes(kem),
            hedge: HedgeSeed::from_bytes(hedge),
        })
    }
}
