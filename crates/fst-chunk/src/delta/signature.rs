//! Block hashes of a content: a rolling one to find candidates, a keyed one to decide.
//!
//! [`super::Matcher`] looks new bytes up in it. Invariant: `blocks` has one entry for every `block` bytes begun.
//! Not here: where signatures are kept (`fst-client::db`).

/// Contents below this have no signature: sending them whole costs less than managing one.
const LEN_MIN: u64 = 64 << 10;

/// Bytes of a signature in memory and in the database: 2 GiB at 4 KiB, larger contents get larger blocks.
///
/// While one is stored there are three copies of it, which have to fit beside everything else in 150 MB.
const BYTES_MAX: u64 = 8 << 20;

/// Bytes per block of a signature.
const ENTRY_LEN: usize = 16;

/// Bytes before the entries of an encoded signature: key, block length, content length.
const HEAD_LEN: usize = 32 + 4 + 8;

/// Sums of the bytes of a block that can be rolled by one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weak {
    a: u32,
    b: u32,
}

impl Weak {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut weak = Self { a: 0, b: 0 };
        for &byte in bytes {
            weak.a = weak.a.wrapping_add(u32::from(byte));
            weak.b = weak.b.wrapping_add(weak.a);
        }
        weak
    }

    /// The sums after `leaving` went out in front and `entering` came in behind.
    #[inline(always)]
    pub(super) fn roll(self, block: u32, leaving: u8, entering: u8) -> Self {
        let leaving = u32::from(leaving);
        let a = self
            .a
            .wrapping_sub(leaving)
            .wrapping_add(u32::from(entering));
        let b = self
            .b
            .wrapping_sub(block.wrapping_mul(leaving))
            .wrapping_add(a);
        Self { a, b }
    }

    /// The 32 bits that are looked up.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        (self.b << 16) ^ (self.b >> 16) ^ self.a
    }
}

/// First 96 bits of a keyed hash.
pub(super) type Strong = [u8; 12];

/// Hashes of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHash {
    pub(super) weak: u32,
    pub(super) strong: Strong,
}

/// Block hashes of one content.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    key: [u8; 32],
    pub(super) block: usize,
    pub(super) len: u64,
    pub(super) blocks: Vec<BlockHash>,
}

/// Stored bytes that are no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stored signature is damaged")]
pub struct BadSignature;

impl Signature {
    /// True when `bytes` are what the block `index` of this content holds.
    #[must_use]
    pub fn is_block(&self, index: usize, bytes: &[u8]) -> bool {
        self.blocks
            .get(index)
            .is_some_and(|block| block.strong == self.strong(bytes))
    }

    /// Bytes per block.
    #[must_use]
    pub fn block(&self) -> usize {
        self.block
    }

    /// Bytes of the content.
    #[must_use]
    pub fn content_len(&self) -> u64 {
        self.len
    }

    pub(super) fn strong(&self, bytes: &[u8]) -> Strong {
        strong(&self.key, bytes)
    }

    /// Blocks of full length.
    pub(super) fn n_full(&self) -> usize {
        self.blocks.len() - usize::from(self.tail_len() > 0)
    }

    /// Length of a last, shorter block; 0 when there is none.
    pub(super) fn tail_len(&self) -> usize {
        usize::try_from(self.len % self.block as u64).unwrap_or(0)
    }

    /// Bytes for the database of this device.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_into(&mut out);
        out
    }

    /// Length of [`Self::encode`].
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        HEAD_LEN + self.blocks.len() * ENTRY_LEN
    }

    /// Appends what [`Self::encode`] returns.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&u32::try_from(self.block).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&self.len.to_be_bytes());
        for block in &self.blocks {
            out.extend_from_slice(&block.weak.to_be_bytes());
            out.extend_from_slice(&block.strong);
        }
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`BadSignature`] when lengths do not fit each other: make a new one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadSignature> {
        let (key, rest) = bytes.split_first_chunk().ok_or(BadSignature)?;
        let (block, rest) = rest.split_first_chunk().ok_or(BadSignature)?;
        let (len, rest) = rest.split_first_chunk().ok_or(BadSignature)?;
        let len = u64::from_be_bytes(*len);
        let block = u32::from_be_bytes(*block);
        let (entries, extra) = rest.as_chunks::<ENTRY_LEN>();
        let is_sound = extra.is_empty()
            && block_len(len) == Some(block)
            && len.div_ceil(u64::from(block)) == entries.len() as u64;
        if !is_sound {
            return Err(BadSignature);
        }
        let blocks = entries.iter().map(|[a, b, c, d, strong @ ..]| BlockHash {
            weak: u32::from_be_bytes([*a, *b, *c, *d]),
            strong: *strong,
        });
        Ok(Self {
            key: *key,
            block: usize::try_from(block).map_err(|_| BadSignature)?,
            len,
            blocks: blocks.collect(),
        })
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Signature({} bytes in blocks of {}, key …)",
            self.len, self.block
        )
    }
}

/// Makes a signature from bytes as they pass by.
pub struct SignatureBuilder {
    signature: Signature,
    /// Begin of a block that is not complete yet.
    pending: Vec<u8>,
}

impl SignatureBuilder {
    /// A builder for a content of `len` bytes; `key` is random and of this device. `None` for contents so small
    /// that no signature is kept.
    #[must_use]
    pub fn new(key: [u8; 32], len: u64) -> Option<Self> {
        let block = usize::try_from(block_len(len)?).ok()?;
        let signature = Signature {
            key,
            block,
            len: 0,
            blocks: Vec::with_capacity(usize::try_from(len.div_ceil(block as u64)).ok()?),
        };
        Some(Self {
            signature,
            pending: Vec::new(),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let block = self.signature.block;
        self.signature.len += bytes.len() as u64;
        let mut rest = bytes;
        if !self.pending.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(block - self.pending.len()));
            self.pending.extend_from_slice(head);
            rest = tail;
            if self.pending.len() < block {
                return;
            }
            let pending = std::mem::take(&mut self.pending);
            self.push(&pending);
        }
        let whole = rest.chunks_exact(block);
        self.pending.extend_from_slice(whole.remainder());
        for bytes in whole {
            self.push(bytes);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let hash = BlockHash {
            weak: Weak::of(bytes).bits(),
            strong: self.signature.strong(bytes),
        };
        self.signature.blocks.push(hash);
    }

    /// The signature of what came in.
    #[must_use]
    pub fn finish(mut self) -> Signature {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.push(&pending);
        }
        self.signature
    }
}

impl std::fmt::Debug for SignatureBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignatureBuilder({:?})", self.signature)
    }
}

fn strong(key: &[u8; 32], bytes: &[u8]) -> Strong {
    let hash = blake3::keyed_hash(key, bytes);
    let (head, _) = hash.as_bytes().split_at(12);
    head.try_into().unwrap_or([0; 12])
}

/// Bytes per block for a content of `len` bytes: small contents are edited in small places.
fn block_len(len: u64) -> Option<u32> {
    let entries_max = BYTES_MAX / ENTRY_LEN as u64;
    let block: u64 = match len {
        0..LEN_MIN => return None,
        LEN_MIN..0x10_0000 => 1 << 10,
        0x10_0000..0x100_0000 => 2 << 10,
        _ => 4 << 10,
    };
    let least = len.div_ceil(entries_max).next_power_of_two();
    u32::try_from(block.max(least)).ok()
}
