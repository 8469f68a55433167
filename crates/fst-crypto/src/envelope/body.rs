//! What an envelope encrypts: a payload, how it is encoded, and padding. FROZEN v1.
//!
//! `enc 1 ‖ raw_len u32be ‖ payload_len u32be ‖ payload ‖ 00*`. [`super`] and [`crate::batch`] write it before
//! they encrypt and read it after. Invariant: one payload has one body of each kind, and reading refuses
//! every other one, so nothing can be hidden in padding.
//! Not here: inflating a compressed payload ([`crate::object`] takes it as a function).
//! Source: docs/design/crypto-format.md §2.2.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use zeroize::Zeroizing;

use super::Kind;
use crate::error::{OpenError, SealError};
use crate::pad;

/// Bytes before the payload inside the ciphertext.
pub const FRAME_HEAD_LEN: usize = 9;

/// How a payload stands for its raw bytes. The number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// The raw bytes.
    Raw = 0,
    /// One zstd frame; data chunks only.
    Zstd = 1,
}

/// Bytes to seal, encoded by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    encoding: Encoding,
    raw_len: usize,
    bytes: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Bytes as they are.
    #[must_use]
    pub fn raw(bytes: &'a [u8]) -> Self {
        Self {
            encoding: Encoding::Raw,
            raw_len: bytes.len(),
            bytes,
        }
    }

    /// A zstd frame that inflates to `raw_len` bytes.
    #[must_use]
    pub fn zstd(bytes: &'a [u8], raw_len: usize) -> Self {
        Self {
            encoding: Encoding::Zstd,
            raw_len,
            bytes,
        }
    }
}

/// An opened envelope: still encoded, not yet checked against an id.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// How `payload` stands for the raw bytes.
    pub encoding: Encoding,
    /// Number of raw bytes; equals the payload's length for [`Encoding::Raw`].
    pub raw_len: usize,
    /// The payload without padding.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({:?}, {} bytes)", self.encoding, self.raw_len)
    }
}

/// The padded body: `enc ‖ u32be raw_len ‖ u32be payload_len ‖ payload ‖ 00*`.
pub(crate) fn frame(kind: Kind, payload: &Payload<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let max = kind.raw_max();
    let len = payload.raw_len.max(payload.bytes.len());
    if len > max {
        return Err(SealError::TooLarge { len, max });
    }
    if payload.encoding == Encoding::Zstd && kind != Kind::Data {
        return Err(SealError::WrongKind);
    }
    let too_large = |_| SealError::TooLarge { len, max };
    let raw_len = u32::try_from(payload.raw_len).map_err(too_large)?;
    let payload_len = u32::try_from(payload.bytes.len()).map_err(too_large)?;
    let frame_len = kind
        .padded_len(payload.bytes.len())
        .saturating_add(FRAME_HEAD_LEN);
    let mut frame = Zeroizing::new(Vec::with_capacity(frame_len));
    frame.push(payload.encoding as u8);
    frame.extend_from_slice(&raw_len.to_be_bytes());
    frame.extend_from_slice(&payload_len.to_be_bytes());
    frame.extend_from_slice(payload.bytes);
    frame.resize(frame_len, 0);
    Ok(frame)
}

/// Reads a decrypted body and refuses everything but the one way to write it.
pub(crate) fn read_frame(kind: Kind, mut frame: Vec<u8>) -> Result<Opened, OpenError> {
    let short = OpenError::Malformed {
        what: "body is cut short",
    };
    let (&enc, rest) = frame.split_first().ok_or(short)?;
    let (raw_len, rest) = take_u32(rest).ok_or(short)?;
    let (payload_len, rest) = take_u32(rest).ok_or(short)?;
    let max = kind.raw_max();
    if raw_len.max(payload_len) > max {
        return Err(OpenError::TooLarge {
            len: raw_len.max(payload_len),
            max,
        });
    }
    let (_, padding) = rest.split_at_checked(payload_len).ok_or(short)?;
    if rest.len() != kind.padded_len(payload_len) {
        return Err(OpenError::Malformed {
            what: "padding has the wrong length",
        });
    }
    if padding.iter().any(|&byte| byte != 0) {
        return Err(OpenError::Malformed {
            what: "padding is not zero",
        });
    }
    let encoding = match (enc, kind) {
        (0, _) if raw_len == payload_len => Encoding::Raw,
        (0, _) => {
            return Err(OpenError::Malformed {
                what: "raw length differs from payload",
            });
        },
        (1, Kind::Data) => Encoding::Zstd,
        (1, _) => {
            return Err(OpenError::Malformed {
                what: "only data may be compressed",
            });
        },
        (value, _) => {
            return Err(OpenError::Unsupported {
                what: "encoding",
                value,
            });
        },
    };
    frame.truncate(payload_len.saturating_add(FRAME_HEAD_LEN));
    frame.drain(..FRAME_HEAD_LEN);
    Ok(Opened {
        encoding,
        raw_len,
        payload: frame,
    })
}

/// Length of the frame around `payload_len` bytes of a batch slot, for size accounting.
pub(crate) fn frame_len(payload_len: usize) -> usize {
    pad::padded_len(payload_len).saturating_add(FRAME_HEAD_LEN)
}

/// Splits a big-endian length off the front.
pub(crate) fn take_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&head, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(head)).ok()?, rest))
}
