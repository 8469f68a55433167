//! RFC 9162 Merkle tree over log entries, as a compact range that grows by appending.
//!
//! Server and clients each keep one per space. Invariant: `root()` equals the RFC 9162 tree hash of
//! all leaves appended so far. Not here: storing leaves. Source: RFC 9162 §2.1.

use crate::hash::sha256;
use crate::ids::Hash32;

/// Size and root hash of a log: one signed or remembered state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Head {
    /// Number of entries.
    #[n(0)]
    pub size: u64,
    /// Root over them; hash of the empty string when there is none.
    #[n(1)]
    pub root: Hash32,
}

impl Head {
    /// Head of a log without entries.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            size: 0,
            root: sha256(&[]),
        }
    }
}

/// Roots of the perfect subtrees that make up a tree, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct CompactRange {
    #[n(0)]
    size: u64,
    #[n(1)]
    peaks: Vec<Hash32>,
}

/// A stored range whose number of peaks does not fit its size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("merkle range of size {size} cannot have {peaks} peaks")]
pub struct BadRange {
    /// Number of leaves claimed.
    pub size: u64,
    /// Number of peaks given.
    pub peaks: usize,
}

impl CompactRange {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Rebuilds a range that was stored.
    ///
    /// # Errors
    /// [`BadRange`] when size and peaks do not fit.
    pub fn from_parts(size: u64, peaks: Vec<Hash32>) -> Result<Self, BadRange> {
        if size.count_ones() as usize == peaks.len() {
            Ok(Self { size, peaks })
        } else {
            Err(BadRange {
                size,
                peaks: peaks.len(),
            })
        }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, largest subtree first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash32] {
        &self.peaks
    }

    /// Adds one leaf.
    pub fn append(&mut self, leaf_data: &[u8]) {
        let mut node = sha256(&[&[0], leaf_data]);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = join(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        let mut peaks = self.peaks.iter().rev();
        let Some(&last) = peaks.next() else {
            return Head::empty().root;
        };
        peaks.fold(last, |right, left| join(left, &right))
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            size: self.size,
            root: self.root(),
        }
    }
}

fn join(left: &Hash32, right: &Hash32) -> Hash32 {
    sha256(&[&[1], left.as_bytes(), right.as_bytes()])
}
