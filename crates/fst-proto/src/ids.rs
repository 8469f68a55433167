//! Identifiers: one macro, so that no two kinds can be mixed up.
//!
//! Random ids are 16 bytes, hashes and keyed ids 32. `Display` and `Debug` print lower-case hex;
//! CBOR is a byte string. Not here: making random ids (callers own their randomness).

use crate::text;

/// Bytes that were meant to be an id of a fixed length but are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of {expected} bytes, got {got}")]
pub struct BadId {
    /// Length that the id type has.
    pub expected: usize,
    /// Length that was given.
    pub got: usize,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident [$len:literal];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// All zero: stands for "none yet" where a format says so.
            pub const ZERO: Self = Self([0; $len]);

            /// Reads an id from bytes of exactly the right length.
            ///
            /// # Errors
            /// [`BadId`] when the length differs.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, BadId> {
                bytes.try_into().map(Self).map_err(|_| BadId { expected: $len, got: bytes.len() })
            }

            /// Parses lower-case hex of exactly the right length.
            pub fn parse(hex: &str) -> Option<Self> {
                text::from_hex(hex).and_then(|b| Self::from_slice(&b).ok())
            }

            /// Lower-case hex.
            #[must_use]
            pub fn to_hex(&self) -> String {
                text::to_hex(&self.0)
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.to_hex()[..8])
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self, e: &mut minicbor::Encoder<W>, _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>, _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?).map_err(minicbor::decode::Error::custom)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.to_hex())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let hex = <String as serde::Deserialize>::deserialize(d)?;
                Self::parse(&hex).ok_or_else(|| serde::de::Error::custom("not an id"))
            }
        }
    )*};
}

ids! {
    /// A person or installation: hash of the genesis entry, so it certifies itself.
    AccountId[16];
    /// One enrolled device.
    DeviceId[16];
    /// Unit of keys, of the log and of sharing: a top-level remote folder.
    SpaceId[16];
    /// One file, directory or link through all its names and versions.
    NodeId[16];
    /// A one-time join invitation or a recovery slot.
    SlotId[16];
    /// HMAC of parent and name: lets the server keep names unique without knowing them.
    NameTag[16];
    /// Keyed hash of an object's plain bytes: names the sealed object on the server.
    ObjectId[32];
    /// Keyed hash of a whole file (or link target): equality of contents inside one space.
    ContentId[32];
    /// SHA-256 of public bytes.
    Hash32[32];
    /// Ed25519 public key.
    VerifyKey[32];
    /// KEM public key (X25519).
    KemKey[32];
    /// Ed25519 signature.
    Signature[64];
}
