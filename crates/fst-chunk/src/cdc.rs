//! `fst-cdc-1`: keyed content-defined cutting that does not betray its key. FROZEN v1.
//!
//! `fst-client` cuts new content with a [`Chunker`]. A 128-bit universal hash of the last 64 bytes
//! (module `field`) goes through AES-128 under a secret key; a chunk may end where the low bits of the result
//! are zero. So cut points look random to whoever lacks the key, whatever contents he chooses. Invariant:
//! whether a chunk may end at a byte depends on the 64 bytes before it and on the length of the chunk so far;
//! every chunk but the last is between the minimum and the maximum, and no cut depends on how the content
//! was split into buffers.
//! Not here: sizes ([`crate::params`]), reading files.
//! Source: docs/design/crypto-format.md §2.4; normalised chunking after `FastCDC` (ATC 2016).
//!
//! Exactly: `stream = BLAKE3_keyed_XOF(K_cdc, "fst-cdc-1")`; T1 = 256 × u64be, T2 = 256 × u64be, AES key = 16
//! bytes, in this order. A length L with min ≤ L < max ends the chunk when the low `b` bits of
//! `u64be(AES(h1 u64be ‖ h2 u64be)[0..8])` are zero, where the window is the 64 bytes before L and
//! `b = log2(avg) + 2` for L < avg, `log2(avg) - 2` from there on (log2 rounded down). L = max ends it anyway.
//! Lengths below the minimum are not tested; the minimum exceeds the window, so the window never reaches
//! into the chunk before.

use std::ops::Range;

use aes::Aes128;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _, BlockSizeUser,
    KeyInit as _, consts::U16,
};
use fst_proto::control::Chunking;
use zeroize::Zeroize as _;

use crate::field::{Digest, LANES, Lanes, Tables, WINDOW};
use crate::params::ChunkParams;

/// Bytes per lane and round.
const STEP: usize = 32;

/// Bytes of one lane: the warm-up of 64 bytes costs 3 % of it.
const LANE_LEN: usize = 2048;

/// Cuts one content after the other.
pub struct Chunker {
    params: ChunkParams,
    secret: Option<Secret>,
    /// Lengths below this are known not to end the current chunk.
    tested: usize,
}

struct Secret {
    tables: Tables,
    cipher: Aes128,
}

impl Chunker {
    /// A chunker at the beginning of a content; `key` is the space's `K_cdc`.
    #[must_use]
    pub fn new(params: ChunkParams, key: &[u8; 32]) -> Self {
        let secret = match params.chunking {
            Chunking::Cdc => Some(Secret::new(key)),
            Chunking::Fixed => None,
        };
        Self {
            params,
            secret,
            tested: params.min,
        }
    }

    /// Returns the length of the first chunk of `rest`, once it is known.
    ///
    /// `rest` begins where the last chunk ended and must not change between calls, only grow; `is_last` says
    /// that the content ends with it. `None` means more bytes are needed, or, with `is_last`, that none are left.
    /// A caller that buffers [`ChunkParams::max`] bytes always gets an answer.
    /// Shape: `Some(len)` with `1 ≤ len ≤ rest.len()`; the next call begins `len` bytes later.
    /// Cost: every byte beyond the minimum is hashed once.
    pub fn next_cut(&mut self, rest: &[u8], is_last: bool) -> Option<usize> {
        let found = match &self.secret {
            None => (rest.len() >= self.params.avg).then_some(self.params.avg),
            Some(secret) => secret.find(&self.params, self.tested, rest),
        };
        let found = found.or_else(|| (is_last && !rest.is_empty()).then_some(rest.len()));
        self.tested = match found {
            Some(_) => self.params.min,
            None => self.tested.max(rest.len().saturating_add(1)),
        };
        found
    }

    /// Lengths of all chunks of a content in memory; leaves the chunker at the beginning of another content.
    pub fn cut_all(&mut self, content: &[u8]) -> Vec<usize> {
        let mut lens = Vec::new();
        let mut rest = content;
        self.tested = self.params.min;
        while let Some(len) = self.next_cut(rest, true) {
            lens.push(len);
            rest = rest.get(len..).unwrap_or_default();
        }
        lens
    }
}

impl std::fmt::Debug for Chunker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunker({:?}, key …)", self.params)
    }
}

impl Secret {
    fn new(key: &[u8; 32]) -> Self {
        let mut stream = blake3::Hasher::new_keyed(key)
            .update(b"fst-cdc-1")
            .finalize_xof();
        let tables = Tables::new(|| {
            let mut word = [0; 8];
            stream.fill(&mut word);
            u64::from_be_bytes(word)
        });
        let mut aes_key = [0; 16];
        stream.fill(&mut aes_key);
        let cipher = Aes128::new(&Array::from(aes_key));
        aes_key.zeroize();
        stream.zeroize();
        Self { tables, cipher }
    }

    /// First length from `from` on that ends the chunk, as far as `rest` can tell.
    fn find(&self, params: &ChunkParams, from: usize, rest: &[u8]) -> Option<usize> {
        let bits = params.avg.ilog2();
        // Lengths that can be tested: the bytes before them are here and they are below the maximum.
        let end = params.max.min(rest.len() + 1);
        let strict_end = params.avg.min(end);
        self.find_in(rest, from, strict_end, low_bits(bits + 2))
            .or_else(|| self.find_in(rest, from.max(params.avg), end, low_bits(bits - 2)))
            .or_else(|| (rest.len() >= params.max).then_some(params.max))
    }

    /// First length in `from..end` whose hash has no bit of `mask`; `from` is at least the minimum.
    fn find_in(&self, rest: &[u8], from: usize, end: usize, mask: [u8; 8]) -> Option<usize> {
        let mut found = None;
        self.cipher.encrypt_with_backend(Search {
            tables: &self.tables,
            rest,
            range: from..end,
            mask,
            found: &mut found,
        });
        found
    }
}

/// A search that runs inside the cipher, so that hashing is compiled for the same processor features as it.
struct Search<'a> {
    tables: &'a Tables,
    rest: &'a [u8],
    /// Lengths to test.
    range: Range<usize>,
    mask: [u8; 8],
    found: &'a mut Option<usize>,
}

impl BlockSizeUser for Search<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Search<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, cipher: &B) {
        let (mut at, end) = (self.range.start, self.range.end);
        while at < end && self.found.is_none() {
            let left = end - at;
            let (n, found) = if left >= LANES * LANE_LEN {
                (LANES * LANE_LEN, self.in_lanes(cipher, at))
            } else {
                (left, self.singly(cipher, at))
            };
            *self.found = found;
            at += n;
        }
    }
}

impl Search<'_> {
    /// Tests [`LANES`] adjacent lanes of [`LANE_LEN`] lengths each.
    #[inline(always)]
    fn in_lanes<B: BlockCipherEncBackend<BlockSize = U16>>(
        &self,
        cipher: &B,
        from: usize,
    ) -> Option<usize> {
        let starts: [usize; LANES] = std::array::from_fn(|lane| from + lane * LANE_LEN);
        // The hash before the first step covers the window that ends one byte earlier.
        let before = starts.map(|start| &self.rest[start - 1 - WINDOW..start - 1]);
        let mut hashes: Lanes = [0; 2 * LANES];
        for (pair, window) in hashes.as_chunks_mut().0.iter_mut().zip(before) {
            *pair = self.tables.warm(window);
        }
        let mut rows: [Lanes; STEP] = [[0; 2 * LANES]; STEP];
        let mut blocks = [[aes::Block::default(); LANES]; STEP];
        let mut first: Option<usize> = None;
        for offset in (0..LANE_LEN).step_by(STEP) {
            let entering: [&[u8; STEP]; LANES] =
                starts.map(|start| step_at(self.rest, start - 1 + offset));
            let leaving: [&[u8; STEP]; LANES] =
                starts.map(|start| step_at(self.rest, start - 1 - WINDOW + offset));
            for (i, row) in rows.iter_mut().enumerate() {
                hashes = self.tables.roll_lanes(
                    hashes,
                    entering.map(|bytes| bytes[i]),
                    leaving.map(|bytes| bytes[i]),
                );
                *row = hashes.map(u64::to_be);
            }
            let digests = rows.as_flattened().as_chunks().0;
            for (block, [h1, h2]) in blocks.as_flattened_mut().iter_mut().zip(digests) {
                let (head, tail) = block.0.split_at_mut(8);
                head.copy_from_slice(&h1.to_ne_bytes());
                tail.copy_from_slice(&h2.to_ne_bytes());
            }
            encrypt(cipher, blocks.as_flattened_mut());
            if !has_cut(&blocks, self.mask) {
                continue;
            }
            for (lane, start) in starts.iter().enumerate() {
                let at = blocks.iter().position(|row| is_cut(&row[lane], self.mask));
                if let Some(i) = at {
                    let len = start + offset + i;
                    first = Some(first.map_or(len, |first| first.min(len)));
                }
            }
        }
        first
    }

    /// Tests the lengths from `from` to the end of the range, one at a time.
    #[inline(always)]
    fn singly<B: BlockCipherEncBackend<BlockSize = U16>>(
        &self,
        cipher: &B,
        from: usize,
    ) -> Option<usize> {
        let mut hash = self.tables.warm(&self.rest[from - WINDOW..from]);
        for len in from..self.range.end {
            let mut tested = block(hash);
            cipher.encrypt_block_inplace(&mut tested);
            if is_cut(&tested, self.mask) {
                return Some(len);
            }
            if let Some(&entering) = self.rest.get(len) {
                hash = self.tables.roll(hash, entering, self.rest[len - WINDOW]);
            }
        }
        None
    }
}

/// Encrypts every block, as many at once as the cipher can.
#[inline(always)]
fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(cipher: &B, blocks: &mut [aes::Block]) {
    let (groups, tail) = Array::<aes::Block, B::ParBlocksSize>::slice_as_chunks_mut(blocks);
    for group in groups {
        cipher.encrypt_par_blocks_inplace(group);
    }
    cipher.encrypt_tail_blocks_inplace(tail);
}

/// True when some block passes; without a branch per block, since nearly none does.
#[inline(always)]
fn has_cut(blocks: &[[aes::Block; LANES]; STEP], mask: [u8; 8]) -> bool {
    let blocks = blocks.as_flattened().iter();
    blocks.fold(false, |found, block| found | is_cut(block, mask))
}

fn step_at(rest: &[u8], at: usize) -> &[u8; STEP] {
    rest[at..]
        .first_chunk()
        .expect("find_in tests only lengths whose bytes are here")
}

/// `h1 u64be ‖ h2 u64be`.
#[inline(always)]
fn block(h: Digest) -> aes::Block {
    let wide = u128::from(h[0]) << 64 | u128::from(h[1]);
    Array::from(wide.to_be_bytes())
}

/// The low `bits` bits of a big-endian u64, as its bytes.
fn low_bits(bits: u32) -> [u8; 8] {
    ((1_u64 << bits) - 1).to_be_bytes()
}

/// True when none of the masked bits of the first eight bytes is set.
#[inline(always)]
fn is_cut(block: &aes::Block, mask: [u8; 8]) -> bool {
    let (head, _) = block.split_at(8);
    let head: [u8; 8] = head.try_into().unwrap_or([0xff; 8]);
    u64::from_ne_bytes(head) & u64::from_ne_bytes(mask) == 0
}
