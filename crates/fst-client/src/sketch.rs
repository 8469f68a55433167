//! What is kept of a content that this device has had in hands, so that its next version travels as a delta.
//!
//! [`crate::push`] makes one of what it sends, [`crate::fetch`] of what it writes; the database keeps them. Derived state:
//! without a sketch a content travels whole, cut into chunks. Invariant: what the signature tells of never leaves the
//! device. Not here: comparing (`fst_chunk::delta`). Source: docs/adr/0018-deltas-by-a-kept-signature.md.

use std::collections::BTreeMap;

use fst_chunk::delta::Signature;
use fst_proto::hash::sha256;
use fst_proto::ids::{ContentId, Hash32, ObjectId};
use fst_proto::recipe::Extent;
use fst_proto::wire;
use minicbor::{Decode, Encode};

/// Most extents of a sketch: 50 MiB in memory. Contents with more travel whole.
pub const SKETCH_EXTENTS_MAX: usize = 1 << 20;

/// Block hashes of a content and where its bytes are at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    /// Hashes of its blocks, under a key of this device.
    pub signature: Signature,
    /// Its recipe, in file order.
    pub extents: Vec<Extent>,
    /// Plain length of every object in it.
    pub lens: BTreeMap<ObjectId, u32>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    extents: Vec<Extent>,
    #[n(1)]
    lens: Vec<(ObjectId, u32)>,
}

impl Sketch {
    /// Bytes for the database, with a hash that binds them to `content`.
    #[must_use]
    pub fn encode(&self, content: ContentId) -> Vec<u8> {
        let stored = wire::to_cbor(&Stored {
            extents: self.extents.clone(),
            lens: self.lens.iter().map(|(id, len)| (*id, *len)).collect(),
        });
        let rest_len = self.signature.encoded_len() + Hash32::LEN;
        let mut bytes = Vec::with_capacity(8 + stored.len() + rest_len);
        bytes.extend_from_slice(&(stored.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&stored);
        self.signature.encode_into(&mut bytes);
        let check = check_of(content, &bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] wrote for `content`; `None` when it is damaged or contradicts itself: a version
    /// described by damaged ranges would be one that nobody can read.
    #[must_use]
    pub fn decode(content: ContentId, bytes: &[u8]) -> Option<Self> {
        let (bytes, check) = bytes.split_last_chunk::<{ Hash32::LEN }>()?;
        if check_of(content, bytes) != Hash32(*check) {
            return None;
        }
        let (stored_len, rest) = bytes.split_first_chunk()?;
        let stored_len = usize::try_from(u64::from_be_bytes(*stored_len)).ok()?;
        let (stored, signature) = rest.split_at_checked(stored_len)?;
        let stored: Stored = wire::from_cbor(stored).ok()?;
        let signature = Signature::decode(signature).ok()?;
        let lens = stored.extents.iter().map(Extent::len);
        let len = lens.fold(0, u64::saturating_add);
        (len == signature.content_len()).then(|| Self {
            signature,
            extents: stored.extents,
            lens: stored.lens.into_iter().collect(),
        })
    }

    /// Roughly what it takes in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let blocks = self.signature.content_len() / self.signature.block() as u64;
        usize::try_from(blocks * 16).unwrap_or(usize::MAX) + self.extents.len() * 96
    }
}

fn check_of(content: ContentId, bytes: &[u8]) -> Hash32 {
    sha256(&[content.as_bytes(), bytes])
}
