//! The committing envelope, suite 1. FROZEN v1.
//!
//! `header 8 ‖ salt 24 ‖ commit 32 ‖ ciphertext ‖ tag 16`, where one HKDF call per salt gives a one-time
//! AES-256-GCM key and a key commitment. [`crate::object`], [`crate::bundle`] and [`crate::space`] seal with it;
//! [`crate::batch`] uses its parts. Invariant: no (key, nonce) pair repeats even when the random source
//! does, because the salt is hedged over everything that is sealed; nothing is decrypted before the
//! commitment has been compared in constant time.
//! Not here: compression (the caller encodes), checking ids ([`crate::object`]).
//! Source: docs/design/crypto-format.md §2.2.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use aws_lc_rs::constant_time;
use fst_proto::limits;
use zeroize::{Zeroize as _, Zeroizing};

use crate::device::HedgeKey;
use crate::error::{OpenError, SealError};
use crate::gcm::{Gcm, NONCE_LEN, TAG_LEN};
use crate::kdf::hkdf_sha256;
use crate::pad;
use crate::random::{self, SecureRandom};

mod body;

pub use body::{Encoding, FRAME_HEAD_LEN, Opened, Payload};
pub(crate) use body::{frame, frame_len, read_frame, take_u32};

/// Bytes of the cleartext header.
pub const HEADER_LEN: usize = 8;
/// Bytes of the salt.
pub const SALT_LEN: usize = 24;
/// Bytes of the key commitment.
pub const COMMIT_LEN: usize = 32;
/// Bytes an envelope adds around its frame.
pub const OVERHEAD: usize = HEADER_LEN + SALT_LEN + COMMIT_LEN + TAG_LEN;

const MAGIC: u8 = 0xf5;
const VERSION: u8 = 1;
const SUITE: u8 = 1;

/// What an envelope holds. The number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A data chunk.
    Data = 1,
    /// The payload of a batch, see [`crate::batch`].
    Batch = 2,
    /// A recipe segment or an inner node of a recipe.
    Recipe = 3,
    /// A directory object.
    Directory = 4,
    /// A bundle for an invitation or for the 24 words.
    KeySlot = 6,
    /// A private blob: a device's name, a space's name.
    Blob = 7,
}

impl Kind {
    fn parse(byte: u8) -> Option<Self> {
        let all = [
            Self::Data,
            Self::Batch,
            Self::Recipe,
            Self::Directory,
            Self::KeySlot,
            Self::Blob,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }

    fn padded_len(self, payload_len: usize) -> usize {
        match self {
            Self::KeySlot => pad::slot_padded_len(payload_len),
            Self::Data | Self::Batch | Self::Recipe | Self::Directory | Self::Blob => {
                pad::padded_len(payload_len)
            },
        }
    }

    fn raw_max(self) -> usize {
        match self {
            Self::KeySlot => limits::SLOT_BYTES_MAX,
            Self::Data | Self::Batch | Self::Recipe | Self::Directory | Self::Blob => {
                limits::CHUNK_MAX
            },
        }
    }
}

/// Where fresh salts come from: the random source and the device's hedge.
#[derive(Debug, Clone, Copy)]
pub struct SaltSource<'a> {
    /// Key of the hedge.
    pub hedge: &'a HedgeKey,
    /// Random source.
    pub random: &'a dyn SecureRandom,
}

impl SaltSource<'_> {
    /// `BLAKE3_keyed(K_hedge, random 32 ‖ parts…)[0..24]`.
    pub(crate) fn salt(&self, parts: &[&[u8]]) -> [u8; SALT_LEN] {
        let fresh: [u8; 32] = random::bytes(self.random);
        let mut hasher = blake3::Hasher::new_keyed(self.hedge.expose_secret());
        hasher.update(&fresh);
        for part in parts {
            hasher.update(part);
        }
        let mut salt = [0; SALT_LEN];
        let mut stream = hasher.finalize_xof();
        stream.fill(&mut salt);
        stream.zeroize();
        hasher.zeroize();
        salt
    }
}

/// What an envelope is bound to besides its key.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Epoch of the key.
    pub epoch: u32,
    /// Bytes that say which one it is.
    pub ctx: &'a [u8],
}

/// Seals `payload` under `key`, bound to `scope`.
///
/// Shape: a whole envelope, 89 bytes longer than the padded payload.
/// # Errors
/// [`SealError::TooLarge`] above the kind's limit; [`SealError::WrongKind`] for batches and for compressed
/// payloads of any kind but data.
/// Source: docs/design/crypto-format.md §2.2.
pub fn seal(
    salts: &SaltSource<'_>,
    key: &[u8; 32],
    scope: &Scope<'_>,
    payload: &Payload<'_>,
) -> Result<Vec<u8>, SealError> {
    if scope.kind == Kind::Batch {
        return Err(SealError::WrongKind);
    }
    let frame = frame(scope.kind, payload)?;
    let header = header(scope.kind, scope.epoch);
    let salt = salts.salt(&[&header, scope.ctx, &frame]);
    Ok(seal_frame(key, header, scope.ctx, &salt, &frame))
}

/// Opens an envelope that must be of `kind` and was sealed under `key` and `ctx`.
///
/// The epoch is read from the envelope; the commitment proves that it is the one it was sealed for.
/// # Errors
/// [`OpenError`]: never retry with the same bytes.
/// Source: docs/design/crypto-format.md §2.2.
pub fn open(key: &[u8; 32], kind: Kind, ctx: &[u8], envelope: &[u8]) -> Result<Opened, OpenError> {
    if envelope.len() > limits::OBJECT_BYTES_MAX {
        return Err(OpenError::TooLarge {
            len: envelope.len(),
            max: limits::OBJECT_BYTES_MAX,
        });
    }
    let parts = Parts::split(envelope)?;
    if parts.kind()? != kind {
        return Err(OpenError::WrongContext);
    }
    let gcm = parts.unlock(key, ctx)?;
    let frame = gcm.open([0; NONCE_LEN], &parts.header, parts.sealed)?;
    read_frame(kind, frame)
}

/// Epoch that an envelope names, to choose the key; proven only by opening it.
///
/// # Errors
/// [`OpenError`] when it is not an envelope of suite 1.
pub fn epoch(envelope: &[u8]) -> Result<u32, OpenError> {
    let parts = Parts::split(envelope)?;
    parts.kind()?;
    Ok(parts.epoch())
}

/// `F5 ‖ version ‖ suite ‖ kind ‖ u32be epoch`.
pub(crate) fn header(kind: Kind, epoch: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = epoch.to_be_bytes();
    [MAGIC, VERSION, SUITE, kind as u8, a, b, c, d]
}

/// Encrypts a frame under a salt that must be fresh for it.
pub(crate) fn seal_frame(
    key: &[u8; 32],
    header: [u8; HEADER_LEN],
    ctx: &[u8],
    salt: &[u8; SALT_LEN],
    frame: &[u8],
) -> Vec<u8> {
    let derived = Derived::new(key, header, salt, ctx);
    let mut out = Vec::with_capacity(frame.len().saturating_add(OVERHEAD));
    out.extend_from_slice(&header);
    out.extend_from_slice(salt);
    out.extend_from_slice(&derived.commit);
    let start = out.len();
    out.extend_from_slice(frame);
    let body = out.get_mut(start..).unwrap_or_default();
    let tag = Gcm::new(&derived.key).seal([0; NONCE_LEN], &header, body);
    out.extend_from_slice(&tag);
    out
}

/// One-time key and its commitment.
pub(crate) struct Derived {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) commit: [u8; COMMIT_LEN],
}

impl Derived {
    /// `HKDF-SHA-256(IKM = key, salt, info = "fst/v1/env\0" ‖ header ‖ ctx, L = 64)` in two halves.
    pub(crate) fn new(
        key: &[u8; 32],
        header: [u8; HEADER_LEN],
        salt: &[u8; SALT_LEN],
        ctx: &[u8],
    ) -> Self {
        let okm: Zeroizing<[u8; 64]> =
            Zeroizing::new(hkdf_sha256(salt, key, &[b"fst/v1/env\0", &header, ctx]));
        let (first, second) = okm.split_at(32);
        let mut derived = Self {
            key: Zeroizing::new([0; 32]),
            commit: [0; COMMIT_LEN],
        };
        derived.key.copy_from_slice(first);
        derived.commit.copy_from_slice(second);
        derived
    }
}

/// The cleartext parts of an envelope or batch payload.
pub(crate) struct Parts<'a> {
    pub(crate) header: [u8; HEADER_LEN],
    salt: [u8; SALT_LEN],
    commit: [u8; COMMIT_LEN],
    /// Ciphertext and tag, or the slots of a batch.
    pub(crate) sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn split(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let short = OpenError::Malformed {
            what: "envelope is cut short",
        };
        let (&header, rest) = bytes.split_first_chunk().ok_or(short)?;
        let (&salt, rest) = rest.split_first_chunk().ok_or(short)?;
        let (&commit, sealed) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self {
            header,
            salt,
            commit,
            sealed,
        })
    }

    pub(crate) fn kind(&self) -> Result<Kind, OpenError> {
        let [magic, version, suite, kind, ..] = self.header;
        match (magic, version, suite) {
            (MAGIC, VERSION, SUITE) => {},
            (MAGIC, VERSION, value) => {
                return Err(OpenError::Unsupported {
                    what: "suite",
                    value,
                });
            },
            (MAGIC, value, _) => {
                return Err(OpenError::Unsupported {
                    what: "version",
                    value,
                });
            },
            _ => {
                return Err(OpenError::Malformed {
                    what: "not an envelope",
                });
            },
        }
        Kind::parse(kind).ok_or(OpenError::Unsupported {
            what: "kind",
            value: kind,
        })
    }

    pub(crate) fn epoch(&self) -> u32 {
        let [_, _, _, _, epoch @ ..] = self.header;
        u32::from_be_bytes(epoch)
    }

    /// Derives the key and checks the commitment: the gate before any decryption.
    pub(crate) fn unlock(&self, key: &[u8; 32], ctx: &[u8]) -> Result<Gcm, OpenError> {
        let derived = Derived::new(key, self.header, &self.salt, ctx);
        constant_time::verify_slices_are_equal(&derived.commit, &self.commit)
            .map_err(|_| OpenError::WrongContext)?;
        Ok(Gcm::new(&derived.key))
    }
}
