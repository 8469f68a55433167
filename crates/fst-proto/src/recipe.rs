//! A file as ordered extents of objects, cut into segments.
//!
//! `fst-client` builds and reads recipes; segments and roots become sealed objects (kind 3). Invariant: the
//! lengths of a recipe's extents add up to the file's size; no extent is empty; encoding is relative, so an
//! insertion does not shift what follows. Bounds come from [`crate::limits`].
//! Not here: sealing, fetching, delta. Source: docs/design/crypto-format.md §5.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use crate::ids::ObjectId;
use crate::limits;

/// A run of a file's bytes. FROZEN v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Extent {
    /// `len` bytes of object `object`, starting `offset` bytes into its plain form.
    #[n(0)]
    Data {
        /// The object.
        #[n(0)]
        object: ObjectId,
        /// First byte inside the object.
        #[n(1)]
        offset: u32,
        /// Number of bytes.
        #[n(2)]
        len: u32,
    },
    /// `len` zero bytes that no object holds.
    #[n(1)]
    Hole {
        /// Number of bytes.
        #[n(0)]
        len: u64,
    },
}

impl Extent {
    /// Number of file bytes this extent stands for.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Data { len, .. } => u64::from(*len),
            Self::Hole { len } => *len,
        }
    }

    /// The object that holds its bytes.
    #[must_use]
    pub fn object(&self) -> Option<ObjectId> {
        match self {
            Self::Data { object, .. } => Some(*object),
            Self::Hole { .. } => None,
        }
    }

    /// True for an extent of no bytes, which no valid recipe has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reference to a sealed part of a recipe and the file bytes it covers. FROZEN v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PartRef {
    /// Object that holds the part.
    #[n(0)]
    pub object: ObjectId,
    /// File bytes covered.
    #[n(1)]
    pub len: u64,
}

/// Where the bytes of a node are. FROZEN v1.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Body {
    /// No bytes: a directory or an empty file.
    #[n(0)]
    None,
    /// In the body slot of the same batch: files up to 4 KiB, link texts.
    #[n(1)]
    Slot,
    /// A recipe small enough to stand in the meta slot.
    #[n(2)]
    Inline(#[n(0)] Vec<Extent>),
    /// A recipe in objects: `level` 0 parts hold extents, higher ones hold parts.
    #[n(3)]
    Parts {
        /// Height of the tree above the segments.
        #[n(0)]
        level: u8,
        /// The parts in file order.
        #[n(1)]
        parts: Vec<PartRef>,
    },
}

/// A recipe that breaks its own rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecipe {
    /// Bytes are not canonical CBOR of a recipe part.
    #[error("recipe bytes are malformed")]
    Malformed,
    /// An extent of no bytes.
    #[error("recipe has an empty extent")]
    EmptyExtent,
    /// More extents, objects, parts or levels than allowed, or more bytes than a file can have.
    #[error("recipe is larger than allowed")]
    TooLarge,
    /// Extents do not add up to what the parent says.
    #[error("recipe covers {got} bytes, expected {expected}")]
    Length {
        /// Length promised.
        expected: u64,
        /// Length found.
        got: u64,
    },
}

/// Cuts `extents` into segments of at most 1 024 extents and 64 distinct objects.
///
/// Where a segment ends depends on the extents around it alone, so that an edit leaves the segments elsewhere as they
/// were and their objects need not be sent again. A reader accepts any cut within the limits.
#[must_use]
pub fn segments(extents: &[Extent]) -> Vec<&[Extent]> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut objects = BTreeSet::new();
    for (i, extent) in extents.iter().enumerate() {
        let is_new = match extent {
            Extent::Data { object, .. } => !objects.contains(object),
            Extent::Hole { .. } => false,
        };
        let is_full = i - start == limits::SEGMENT_EXTENTS_MAX
            || (is_new && objects.len() == limits::SEGMENT_OBJECTS_MAX)
            || (i - start >= SEGMENT_EXTENTS_MIN && begins_segment(extent));
        if is_full {
            out.push(&extents[start..i]);
            start = i;
            objects.clear();
        }
        if let Extent::Data { object, .. } = extent {
            objects.insert(*object);
        }
    }
    if start < extents.len() {
        out.push(&extents[start..]);
    }
    out
}

/// Fewest extents of a segment that ends by [`begins_segment`].
const SEGMENT_EXTENTS_MIN: usize = 16;

/// One object in 32 begins a segment; its id is as good as random.
fn begins_segment(extent: &Extent) -> bool {
    match extent {
        Extent::Data {
            object, offset: 0, ..
        } => object.0[ObjectId::LEN - 1].is_multiple_of(32),
        Extent::Data { .. } | Extent::Hole { .. } => false,
    }
}

/// Canonical bytes of one segment.
#[must_use]
pub fn encode_segment(extents: &[Extent]) -> Vec<u8> {
    crate::wire::to_cbor(&extents)
}

/// Reads a segment and checks that it covers `expected_len` bytes.
///
/// # Errors
/// [`BadRecipe`]: corrupt or hostile, do not retry.
pub fn decode_segment(bytes: &[u8], expected_len: u64) -> Result<Vec<Extent>, BadRecipe> {
    let extents: Vec<Extent> =
        crate::wire::from_canonical(bytes).map_err(|_| BadRecipe::Malformed)?;
    check_extents(&extents, expected_len)?;
    Ok(extents)
}

/// Counts the extents of one file while it is read.
#[derive(Debug)]
pub struct ExtentBudget {
    left: u64,
}

impl ExtentBudget {
    /// What a file of `size` bytes may have.
    #[must_use]
    pub fn of_size(size: u64) -> Self {
        Self {
            left: limits::FILE_EXTENTS_FREE + size / limits::FILE_BYTES_PER_EXTENT_MIN,
        }
    }

    /// Takes `n` extents off.
    ///
    /// # Errors
    /// [`BadRecipe::TooLarge`] when there are more than allowed.
    pub fn take(&mut self, n: usize) -> Result<(), BadRecipe> {
        let left = self.left.checked_sub(n as u64);
        self.left = left.ok_or(BadRecipe::TooLarge)?;
        Ok(())
    }
}

/// Checks that `extents` are non-empty, few enough, of few enough objects and cover `expected_len` bytes.
///
/// # Errors
/// [`BadRecipe`] with the rule that is broken.
pub fn check_extents(extents: &[Extent], expected_len: u64) -> Result<(), BadRecipe> {
    if extents.len() > limits::SEGMENT_EXTENTS_MAX {
        return Err(BadRecipe::TooLarge);
    }
    if extents.iter().any(Extent::is_empty) {
        return Err(BadRecipe::EmptyExtent);
    }
    let objects: BTreeSet<ObjectId> = extents.iter().filter_map(Extent::object).collect();
    if objects.len() > limits::SEGMENT_OBJECTS_MAX {
        return Err(BadRecipe::TooLarge);
    }
    check_sum(extents.iter().map(Extent::len), expected_len)
}

/// Canonical bytes of an inner node of the recipe tree.
#[must_use]
pub fn encode_parts(parts: &[PartRef]) -> Vec<u8> {
    crate::wire::to_cbor(&parts)
}

/// Reads an inner node and checks that it covers `expected_len` bytes.
///
/// # Errors
/// [`BadRecipe`]: corrupt or hostile, do not retry.
pub fn decode_parts(bytes: &[u8], expected_len: u64) -> Result<Vec<PartRef>, BadRecipe> {
    let parts: Vec<PartRef> =
        crate::wire::from_canonical(bytes).map_err(|_| BadRecipe::Malformed)?;
    check_parts(&parts, expected_len)?;
    Ok(parts)
}

/// Checks number and lengths of `parts`.
///
/// # Errors
/// [`BadRecipe`] with the rule that is broken.
pub fn check_parts(parts: &[PartRef], expected_len: u64) -> Result<(), BadRecipe> {
    if parts.len() > limits::PARTS_MAX {
        return Err(BadRecipe::TooLarge);
    }
    if parts.iter().any(|p| p.len == 0) {
        return Err(BadRecipe::EmptyExtent);
    }
    check_sum(parts.iter().map(|p| p.len), expected_len)
}

fn check_sum(lens: impl Iterator<Item = u64>, expected: u64) -> Result<(), BadRecipe> {
    let got = lens.fold(0_u64, u64::saturating_add);
    if got > limits::FILE_BYTES_MAX {
        Err(BadRecipe::TooLarge)
    } else if got == expected {
        Ok(())
    } else {
        Err(BadRecipe::Length { expected, got })
    }
}
