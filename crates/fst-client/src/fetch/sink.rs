//! Where fetched bytes go, and what they add up to.
//!
//! Used by [`super::Fetcher`] along the extents of one file. Invariant: what the sums tell of is what the target was given,
//! in order. Not here: where the bytes come from.

use std::collections::BTreeMap;

use fst_chunk::delta::SignatureBuilder;
use fst_proto::ids::{ContentId, ObjectId};
use fst_proto::recipe::{Extent, ExtentBudget};

use super::{Target, malformed};
use crate::digest::Digest;
use crate::error::FolderError;
use crate::folder::Space;
use crate::sketch::{SKETCH_EXTENTS_MAX, Sketch};

/// What was written of a file, and what it hashes to.
#[derive(Debug)]
pub(super) struct Sums {
    /// Bytes so far.
    at: u64,
    digest: Digest,
    budget: ExtentBudget,
    /// Whether a sketch is kept.
    is_kept: bool,
    extents: Vec<Extent>,
    lens: BTreeMap<ObjectId, u32>,
}

impl Sums {
    /// Of a file of `size` bytes.
    pub(super) fn new(space: &Space, size: u64) -> Self {
        Self::with(space, size, None)
    }

    /// The same, with a sketch of the file for deltas to come.
    pub(super) fn keeping(space: &Space, size: u64) -> Self {
        let key = fst_crypto::random::bytes(space.random.as_ref());
        Self::with(space, size, SignatureBuilder::new(key, size))
    }

    fn with(space: &Space, size: u64, signature: Option<SignatureBuilder>) -> Self {
        Self {
            at: 0,
            is_kept: signature.is_some(),
            digest: Digest::new(&space.keys, signature, size),
            budget: ExtentBudget::of_size(size),
            extents: Vec::new(),
            lens: BTreeMap::new(),
        }
    }
}

/// A target with its sums.
pub(super) struct Sink<'a> {
    target: &'a mut dyn Target,
    sums: Sums,
    /// Extents that were written before; the recipe must begin with them.
    before: &'a [Extent],
}

impl<'a> Sink<'a> {
    pub(super) fn new(target: &'a mut dyn Target, sums: Sums) -> Self {
        Self::after(target, sums, &[])
    }

    /// A sink that goes on behind what was written before.
    pub(super) fn after(target: &'a mut dyn Target, sums: Sums, before: &'a [Extent]) -> Self {
        Self {
            target,
            sums,
            before,
        }
    }

    /// Bytes so far.
    pub(super) fn at(&self) -> u64 {
        self.sums.at
    }

    /// Those of the next extents that are to be written.
    pub(super) fn take<'e>(&mut self, extents: &'e [Extent]) -> Result<&'e [Extent], FolderError> {
        let n = self.before.len().min(extents.len());
        let (before, later) = self.before.split_at(n);
        let (again, new) = extents.split_at(n);
        if before != again {
            return Err(differs());
        }
        self.before = later;
        self.sums.budget.take(new.len()).map_err(malformed)?;
        Ok(new)
    }

    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.sums.digest.update(bytes);
        self.sums.at += bytes.len() as u64;
        Ok(self.target.data(bytes)?)
    }

    /// The disk is asked first: it refuses lengths that no file has before they are hashed.
    pub(super) fn hole(&mut self, len: u64) -> Result<(), FolderError> {
        self.target.hole(len)?;
        self.sums.at += len;
        self.sums.digest.update_zeros(len);
        Ok(())
    }

    /// Keeps an extent for the sketch, unless there are too many for one.
    pub(super) fn note(&mut self, extent: Extent) {
        let sums = &mut self.sums;
        if sums.is_kept && sums.extents.len() < SKETCH_EXTENTS_MAX {
            sums.extents.push(extent);
        } else {
            sums.is_kept = false;
            sums.extents = Vec::new();
            sums.lens = BTreeMap::new();
        }
    }

    pub(super) fn note_object(&mut self, object: ObjectId, len: u32) {
        if self.sums.is_kept {
            self.sums.lens.insert(object, len);
        }
    }

    /// Goes on another time.
    pub(super) fn into_sums(self) -> Sums {
        self.sums
    }

    /// Id of all that was written, and its sketch.
    ///
    /// # Errors
    /// [`FolderError::Sealed`] when more had been written before than the recipe has.
    pub(super) fn finish(self) -> Result<(ContentId, Option<Sketch>), FolderError> {
        if !self.before.is_empty() {
            return Err(differs());
        }
        let Sums {
            digest,
            is_kept,
            extents,
            lens,
            ..
        } = self.sums;
        let (content, signature) = digest.finish();
        let sketch = signature.filter(|_| is_kept).map(|signature| Sketch {
            signature: signature.finish(),
            extents,
            lens,
        });
        Ok((content, sketch))
    }
}

fn differs() -> FolderError {
    FolderError::Sealed("file differs from what was announced of it".to_owned())
}
