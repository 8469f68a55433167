//! Finds old blocks in new bytes: the block that comes next first, then any block by a rolling hash.
//!
//! `fst-client` pushes a file from front to back. Invariant: the lengths of all pieces add up to the bytes pushed, and
//! work is bounded by a constant per byte whatever the contents. Memory: one window and the pieces.
//! Not here: what to do with the pieces ([`super::plan()`]).

use super::signature::{Signature, Weak};

/// Bytes that may be hashed in vain per byte pushed before contents count as hostile to the rolling hash.
const FALSE_HITS_PER_BYTE: u64 = 4;

/// Bytes that may be hashed in vain at any rate.
const FALSE_HITS_FREE: u64 = 4 << 20;

/// Bits of the prefilter, as a power of two: 128 KiB, which stays in the cache of a core.
const FILTER_BITS: u32 = 20;

/// A stretch of the new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// `len` bytes that the old content has at `from`.
    Copy {
        /// First byte in the old content.
        from: u64,
        /// Number of bytes.
        len: u64,
    },
    /// `len` bytes that were not found.
    New {
        /// Number of bytes.
        len: u64,
    },
    /// `len` zero bytes.
    Zeros {
        /// Number of bytes.
        len: u64,
    },
}

impl Piece {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Copy { len, .. } | Self::New { len } | Self::Zeros { len } => *len,
        }
    }

    /// True for a piece of no bytes, which no result has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Compares one new content with the signature of an old one.
#[derive(Debug)]
pub struct Matcher<'a> {
    old: &'a Signature,
    /// Indices of full blocks, ordered by their hashes.
    index: Vec<u32>,
    filter: Vec<u64>,
    /// Bytes that no piece covers yet.
    window: Vec<u8>,
    /// Position of the window in the new content.
    at: u64,
    /// Old block that comes next if nothing changed.
    next: usize,
    /// The block that came next was not there: look everywhere.
    is_lost: bool,
    pushed: u64,
    false_hits: u64,
    pieces: Vec<Piece>,
}

impl<'a> Matcher<'a> {
    /// A matcher at the beginning of a new content.
    ///
    /// Cost: sorts the blocks of `old` once.
    #[must_use]
    pub fn new(old: &'a Signature) -> Self {
        let blocks = &old.blocks[..old.n_full()];
        let mut index: Vec<u32> = (0..u32::try_from(blocks.len()).unwrap_or(u32::MAX)).collect();
        let key = |i: &u32| {
            let block = &blocks[*i as usize];
            (block.weak, block.strong, *i)
        };
        index.sort_unstable_by_key(key);
        let mut filter = vec![0; 1 << (FILTER_BITS - 6)];
        for block in blocks {
            let (word, bit) = filter_slot(block.weak);
            filter[word] |= bit;
        }
        Self {
            old,
            index,
            filter,
            window: Vec::new(),
            at: 0,
            next: 0,
            is_lost: false,
            pushed: 0,
            false_hits: 0,
            pieces: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pushed += bytes.len() as u64;
        let mut window = std::mem::take(&mut self.window);
        window.extend_from_slice(bytes);
        let used = self.search(&window);
        window.drain(..used);
        self.window = window;
    }

    /// Takes `len` zero bytes that the disk does not even store.
    pub fn push_zeros(&mut self, len: u64) {
        self.flush();
        self.pushed += len;
        self.emit(Piece::Zeros { len });
        let block = self.old.block as u64;
        self.next = usize::try_from(self.at.div_ceil(block)).unwrap_or(usize::MAX);
        self.is_lost = !self.at.is_multiple_of(block);
    }

    /// Bytes hashed so far because of a rolling hash that was equal by chance or on purpose.
    #[must_use]
    pub fn wasted(&self) -> u64 {
        self.false_hits
    }

    /// All pieces, in order.
    #[must_use]
    pub fn finish(mut self) -> Vec<Piece> {
        self.flush();
        self.pieces
    }

    /// Ends a stretch: what is left is shorter than a block, and may be the old tail.
    fn flush(&mut self) {
        let window = std::mem::take(&mut self.window);
        let tail = self.old.tail_len();
        if tail > 0 && window.len() >= tail {
            let is_next = !self.is_lost && self.next == self.old.n_full();
            if is_next && self.old.is_block(self.next, &window[..tail]) {
                self.emit(self.tail_piece());
                self.emit(Piece::New {
                    len: (window.len() - tail) as u64,
                });
                return;
            }
            let (head, rest) = window.split_at(window.len() - tail);
            if self.old.is_block(self.old.n_full(), rest) {
                self.emit(Piece::New {
                    len: head.len() as u64,
                });
                self.emit(self.tail_piece());
                return;
            }
        }
        self.emit(Piece::New {
            len: window.len() as u64,
        });
    }

    fn tail_piece(&self) -> Piece {
        let len = self.old.tail_len() as u64;
        Piece::Copy {
            from: self.old.len - len,
            len,
        }
    }

    /// Covers as much of `window` as can be decided; says how much.
    fn search(&mut self, window: &[u8]) -> usize {
        let block = self.old.block;
        let mut used = 0;
        while window.len() - used >= block {
            let rest = &window[used..];
            used += match self.is_lost {
                false => self.follow(rest),
                true => self.seek(rest),
            };
        }
        used
    }

    /// Tries the block that comes next.
    fn follow(&mut self, rest: &[u8]) -> usize {
        let block = self.old.block;
        if self.next < self.old.n_full() && self.old.is_block(self.next, &rest[..block]) {
            return self.copy(self.next);
        }
        let tail = self.old.tail_len();
        if tail > 0 && self.next == self.old.n_full() && self.old.is_block(self.next, &rest[..tail])
        {
            self.emit(self.tail_piece());
            self.is_lost = true;
            return tail;
        }
        self.is_lost = true;
        0
    }

    fn copy(&mut self, index: usize) -> usize {
        let block = self.old.block;
        self.emit(Piece::Copy {
            from: index as u64 * block as u64,
            len: block as u64,
        });
        self.next = index + 1;
        self.is_lost = false;
        block
    }

    /// Rolls over `rest` until some old block is found or less than a block is left.
    fn seek(&mut self, rest: &[u8]) -> usize {
        let block = self.old.block;
        if self.is_exhausted() {
            return self.seek_aligned(rest);
        }
        let roll = u32::try_from(block).unwrap_or(u32::MAX);
        let mut weak = Weak::of(&rest[..block]);
        let last = rest.len() - block;
        let mut start = 0;
        loop {
            if self.is_candidate(weak.bits()) {
                let bytes = &rest[start..start + block];
                if let Some(index) = self.find(weak.bits(), bytes, self.at + start as u64) {
                    self.emit(Piece::New { len: start as u64 });
                    return start + self.copy(index);
                }
                if self.is_exhausted() {
                    break;
                }
            }
            if weak.bits() == 0 && rest[start..start + block].iter().all(|&byte| byte == 0) {
                self.emit(Piece::New { len: start as u64 });
                self.emit(Piece::Zeros { len: block as u64 });
                return start + block;
            }
            if start == last {
                break;
            }
            weak = weak.roll(roll, rest[start], rest[start + block]);
            start += 1;
        }
        // The window at `start` is decided too: none begins there.
        self.emit(Piece::New {
            len: start as u64 + 1,
        });
        start + 1
    }

    /// After too many false hits: only blocks at their own place count.
    fn seek_aligned(&mut self, rest: &[u8]) -> usize {
        let block = self.old.block as u64;
        let to_boundary = usize::try_from((block - self.at % block) % block).unwrap_or(0);
        if to_boundary > 0 {
            self.emit(Piece::New {
                len: to_boundary as u64,
            });
            return to_boundary;
        }
        let index = usize::try_from(self.at / block).unwrap_or(usize::MAX);
        if index < self.old.n_full() && self.old.is_block(index, &rest[..self.old.block]) {
            return self.copy(index);
        }
        self.emit(Piece::New { len: block });
        self.old.block
    }

    fn is_exhausted(&self) -> bool {
        self.false_hits > FALSE_HITS_FREE + self.pushed.saturating_mul(FALSE_HITS_PER_BYTE)
    }

    #[inline(always)]
    fn is_candidate(&self, weak: u32) -> bool {
        let (word, bit) = filter_slot(weak);
        self.filter[word] & bit != 0
    }

    /// The old block that `bytes`, at position `at`, equal; the one that comes next or lies there, if several do.
    fn find(&mut self, weak: u32, bytes: &[u8], at: u64) -> Option<usize> {
        let blocks = &self.old.blocks;
        let by_weak = |i: &u32| blocks[*i as usize].weak;
        let first = self.index.partition_point(|i| by_weak(i) < weak);
        if self.index.get(first).map(by_weak) != Some(weak) {
            return None;
        }
        let strong = self.old.strong(bytes);
        let block = bytes.len() as u64;
        let here = usize::try_from(at / block).unwrap_or(usize::MAX);
        for index in [self.next, here] {
            if index < self.old.n_full() && blocks[index].strong == strong {
                return Some(index);
            }
        }
        let key = |i: &u32| (blocks[*i as usize].weak, blocks[*i as usize].strong);
        let found = self.index.partition_point(|i| key(i) < (weak, strong));
        let found = self.index.get(found).filter(|i| key(i) == (weak, strong));
        if found.is_none() {
            self.false_hits += block;
        }
        found.map(|&index| index as usize)
    }

    /// Adds a piece, joined to the last one where they continue each other.
    fn emit(&mut self, piece: Piece) {
        if piece.is_empty() {
            return;
        }
        self.at += piece.len();
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::New { len }), Piece::New { len: more })
            | (Some(Piece::Zeros { len }), Piece::Zeros { len: more }) => *len += more,
            (
                Some(Piece::Copy { from, len }),
                Piece::Copy {
                    from: next,
                    len: more,
                },
            ) if *from + *len == next => {
                *len += more;
            },
            (_, piece) => self.pieces.push(piece),
        }
    }
}

/// Word and bit of the prefilter for a weak hash.
#[inline(always)]
fn filter_slot(weak: u32) -> (usize, u64) {
    let slot = weak.wrapping_mul(0x9e37_79b1) >> (32 - FILTER_BITS);
    ((slot >> 6) as usize, 1 << (slot & 63))
}
