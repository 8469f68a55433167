//! The frame that is being filled: chunks as they were read, sealed by whoever sends it.
//!
//! [`super::upload`] fills it, [`super::lanes`] seals it in the thread that sends it, so that compressing and sealing go on
//! beside reading and cutting. Invariant: sealed it is no longer than was counted; a chunk is given up as soon as it is
//! sealed, so a frame takes its place in memory once.

use fst_crypto::envelope::{self, FRAME_HEAD_LEN};
use fst_crypto::pad;
use fst_proto::frame::{self, ITEM_HEAD_LEN};
use fst_proto::ids::ObjectId;
use fst_proto::limits;

use crate::error::FolderError;
use crate::sealed::Sealer;

/// Objects that travel together.
#[derive(Debug, Default)]
pub(super) struct Packing {
    items: Vec<(ObjectId, Item)>,
    /// Bytes that it has at most once it is sealed.
    len: usize,
}

/// An object that waits to be sent.
#[derive(Debug)]
pub(super) enum Item {
    /// A data chunk as it was read.
    Chunk(Vec<u8>),
    /// An envelope.
    Sealed(Vec<u8>),
}

impl Item {
    /// Bytes that it takes in a frame, at most.
    fn len_max(&self) -> usize {
        let sealed = match self {
            Self::Chunk(raw) => pad::padded_len(raw.len()) + FRAME_HEAD_LEN + envelope::OVERHEAD,
            Self::Sealed(envelope) => envelope.len(),
        };
        ITEM_HEAD_LEN + sealed
    }
}

/// A frame as it is sent.
#[derive(Debug)]
pub(super) struct Packed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What compression took off its objects.
    pub saved: u64,
}

impl Packing {
    /// Puts an object in.
    pub(super) fn push(&mut self, id: ObjectId, item: Item) {
        self.len += item.len_max();
        self.items.push((id, item));
    }

    /// True when `item` belongs into a frame of at most `frame_bytes`; a single one always does.
    pub(super) fn has_room(&self, item: &Item, frame_bytes: usize) -> bool {
        let fits = self.len + item.len_max() <= frame_bytes;
        self.items.is_empty() || (fits && self.items.len() < limits::FRAME_OBJECTS_MAX)
    }

    /// Bytes that it has at most once it is sealed.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The objects in it.
    pub(super) fn ids(&self) -> Vec<ObjectId> {
        self.items.iter().map(|(id, _)| *id).collect()
    }

    /// Compresses where it pays, and seals.
    ///
    /// # Errors
    /// [`FolderError::Sealed`] when an object is too large.
    pub(super) fn pack(self, sealer: &Sealer) -> Result<Packed, FolderError> {
        let (mut bytes, mut saved) = (Vec::with_capacity(self.len), 0);
        for (id, item) in self.items {
            let envelope = match item {
                Item::Sealed(envelope) => envelope,
                Item::Chunk(raw) => {
                    let (envelope, less) = sealer.chunk(id, &raw)?;
                    saved += less;
                    envelope
                },
            };
            frame::push(&mut bytes, id, &envelope)
                .map_err(|e| FolderError::Sealed(e.to_string()))?;
        }
        Ok(Packed { bytes, saved })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fst_crypto::device::DeviceSecrets;
    use fst_crypto::key::{SpaceKeys, new_space_secrets};
    use fst_crypto::object::{ObjectKind, object_id};
    use fst_crypto::random::{OsRandom, bytes};
    use fst_proto::ids::SpaceId;

    use super::*;

    #[test]
    fn a_frame_is_no_longer_than_was_counted_and_says_what_compression_saved() {
        let (epoch, generation) = new_space_secrets(&OsRandom);
        let keys = Arc::new(SpaceKeys::derive(
            SpaceId([7; 16]),
            1,
            &epoch,
            1,
            &generation,
        ));
        let hedge = Arc::new(DeviceSecrets::generate(&OsRandom).hedge_key());
        let sealer = Sealer::of(Arc::clone(&keys), hedge, Arc::new(OsRandom));
        let noise = |n: usize| {
            let block: [u8; 32] = bytes(&OsRandom);
            block.repeat(n / 32 + 1)[..n].to_vec()
        };
        // Around the steps of padding, random bytes in small chunks and repeated ones in long ones.
        for len in [1, 31, 32, 255, 256, 1000, 4096, 4097, 65_537, 1 << 20] {
            let raw = noise(len);
            let id = object_id(&keys, ObjectKind::Data, &raw);
            let mut frame = Packing::default();
            frame.push(id, Item::Chunk(raw.clone()));
            frame.push(id, Item::Chunk(vec![0; len]));
            let counted = frame.len();
            let packed = frame.pack(&sealer).expect("small");
            assert!(packed.bytes.len() <= counted, "{len} bytes");
            let items = frame::parse(&packed.bytes).expect("whole items");
            assert_eq!(items.len(), 2);
            // Below the shortest padding nothing gets smaller: exactly what was counted.
            if len <= 32 {
                assert_eq!(packed.bytes.len(), counted);
            }
            assert_eq!(packed.saved > 0, len > 1, "{len} bytes");
        }
    }

    #[test]
    fn a_frame_takes_one_object_of_any_length_and_then_only_what_fits() {
        let (id, item) = (ObjectId([1; 32]), |n| Item::Sealed(vec![0; n]));
        let mut frame = Packing::default();
        assert!(frame.has_room(&item(5000), 100));
        frame.push(id, item(60 - ITEM_HEAD_LEN));
        assert!(frame.has_room(&item(40 - ITEM_HEAD_LEN), 100));
        assert!(!frame.has_room(&item(41 - ITEM_HEAD_LEN), 100));
        for _ in 1..limits::FRAME_OBJECTS_MAX {
            frame.push(id, item(0));
        }
        assert!(!frame.has_room(&item(0), usize::MAX));
    }
}
