//! zstd per chunk, before sealing: worth it or left alone.
//!
//! `fst-client` calls [`compress`] on data chunks and never on names, recipes or anything that mixes sources.
//! Invariant: one chunk is one frame without dictionary or history, so its size says nothing of other chunks;
//! [`decompress`] never produces more than it was told to expect.
//! Not here: which files are excluded (policy of the folder), the encoding flag (`fst-crypto::envelope`).
//! Source: docs/design/crypto-format.md §2.6.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

/// zstd level.
const LEVEL: i32 = 3;

/// Level of the probe: the question is only whether there is any redundancy.
const PROBE_LEVEL: i32 = 1;

/// Chunks from this size on are probed first.
const PROBE_FROM: usize = 128 << 10;

/// Samples of a probe, evenly spread.
const PROBE_SAMPLES: usize = 4;

/// Bytes per sample.
const PROBE_SAMPLE_LEN: usize = 8 << 10;

thread_local! {
    // A context is 1–2 MiB that is costly to set up; each thread keeps one of each.
    static CODEC: RefCell<Option<Codec>> = const { RefCell::new(None) };
}

struct Codec {
    compress: Compressor<'static>,
    probe: Compressor<'static>,
    decompress: Decompressor<'static>,
}

/// A chunk as it should be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded<'a> {
    /// Compression would not save enough.
    Raw(&'a [u8]),
    /// One zstd frame.
    Zstd(Vec<u8>),
}

impl Encoded<'_> {
    /// The bytes to seal.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Raw(bytes) => bytes,
            Self::Zstd(bytes) => bytes,
        }
    }

    /// True when the bytes are a zstd frame.
    #[must_use]
    pub fn is_zstd(&self) -> bool {
        matches!(self, Self::Zstd(_))
    }
}

/// Compresses a chunk when that saves at least 5 %.
///
/// Chunks from 128 KiB on whose samples do not shrink are left alone without a full try.
/// Source: docs/design/crypto-format.md §2.6.
#[must_use]
pub fn compress(raw: &[u8]) -> Encoded<'_> {
    let frame = with_codec(|codec| {
        if raw.len() >= PROBE_FROM && !is_promising(&mut codec.probe, raw) {
            return None;
        }
        // Room for what is worth keeping only: zstd gives up as soon as it is full.
        let mut frame = Vec::with_capacity(worthwhile_len(raw.len()));
        codec.compress.compress_to_buffer(raw, &mut frame).ok()?;
        Some(frame)
    });
    match frame {
        Some(frame) if frame.len() <= worthwhile_len(raw.len()) => Encoded::Zstd(frame),
        Some(_) | None => Encoded::Raw(raw),
    }
}

/// Decompresses one frame that must give exactly `raw_len` bytes.
///
/// `raw_len` must already be within the limits of a chunk: this much memory is set aside.
/// Shape: `None` when the frame is damaged, longer or shorter.
#[must_use]
pub fn decompress(frame: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    with_codec(|codec| {
        let mut raw = Vec::with_capacity(raw_len);
        codec
            .decompress
            .decompress_to_buffer(frame, &mut raw)
            .ok()?;
        (raw.len() == raw_len).then_some(raw)
    })
}

/// Longest frame that is worth keeping: 95 % of the raw length.
fn worthwhile_len(raw_len: usize) -> usize {
    raw_len - raw_len.div_ceil(20)
}

/// Compresses a few samples together quickly; a chunk without any redundancy in them is not tried.
fn is_promising(probe: &mut Compressor<'static>, raw: &[u8]) -> bool {
    let stride = (raw.len() - PROBE_SAMPLE_LEN) / (PROBE_SAMPLES - 1);
    (0..PROBE_SAMPLES).any(|i| {
        let start = i * stride;
        let sample = &raw[start..start + PROBE_SAMPLE_LEN];
        let mut out = Vec::with_capacity(PROBE_SAMPLE_LEN - PROBE_SAMPLE_LEN / 64);
        probe.compress_to_buffer(sample, &mut out).is_ok()
    })
}

fn with_codec<T>(f: impl FnOnce(&mut Codec) -> Option<T>) -> Option<T> {
    CODEC.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Codec::new();
        }
        f(slot.as_mut()?)
    })
}

impl Codec {
    fn new() -> Option<Self> {
        Some(Self {
            compress: Compressor::new(LEVEL).ok()?,
            probe: Compressor::new(PROBE_LEVEL).ok()?,
            decompress: Decompressor::new().ok()?,
        })
    }
}
