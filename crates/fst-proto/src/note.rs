//! What a device tells the others of its space about a file that it is still sending.
//!
//! Sealed by `fst-crypto`, passed on by the server, never stored. Invariant: a note claims nothing: what it leads to is
//! checked like any other bytes when the file is committed. Not here: who listens.
//! Source: docs/design/wire.md §4.8.

use minicbor::{Decode, Encode};

use crate::ids::NodeId;
use crate::limits;
use crate::path::Name;
use crate::recipe::Extent;

/// The next extents of a file that is on its way; their objects are at the server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Note {
    /// Which sending: random, so that two tries are not mixed up.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub stream: [u8; 16],
    /// Number of the note in it, from 0.
    #[n(1)]
    pub number: u32,
    /// The file.
    #[n(2)]
    pub node: NodeId,
    /// Directory that it will be in.
    #[n(3)]
    pub parent: NodeId,
    /// Its name there.
    #[n(4)]
    pub name: Name,
    /// Bytes that it is going to have.
    #[n(5)]
    pub size: u64,
    /// What comes after the extents of the notes before.
    #[n(6)]
    pub extents: Vec<Extent>,
}

impl Note {
    /// True when its extents are within the limits of notes, objects and files.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        let is_good = |extent: &Extent| match extent {
            Extent::Data { offset, len, .. } => {
                *offset == 0 && (1..=limits::CHUNK_MAX).contains(&(*len as usize))
            },
            Extent::Hole { len } => (1..=limits::FILE_BYTES_MAX).contains(len),
        };
        self.extents.len() <= limits::NOTE_EXTENTS_MAX && self.extents.iter().all(is_good)
    }
}
