//! Sealed objects: data chunks, recipe parts, directory objects, each named by a keyed hash. FROZEN v1.
//!
//! `fst-client` seals before upload and opens after download. Invariant: bytes come out only when the
//! keyed hash of the raw bytes equals the id they were asked for by, so a chunk that another member poisoned
//! is noticed by every reader.
//! Not here: compression (`fst-chunk` encodes; opening takes it as a function), frames (`fst-proto::frame`).
//! Source: docs/design/crypto-format.md §2.2, §2.3.

use fst_proto::ids::ObjectId;

use crate::envelope::{self, Encoding, Kind, Payload, SaltSource, Scope};
use crate::error::{OpenError, SealError};
use crate::ids;
use crate::key::SpaceKeys;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A run of file bytes.
    Data,
    /// A segment or inner node of a recipe.
    Recipe,
    /// A directory object.
    Directory,
}

impl ObjectKind {
    fn kind(self) -> Kind {
        match self {
            Self::Data => Kind::Data,
            Self::Recipe => Kind::Recipe,
            Self::Directory => Kind::Directory,
        }
    }
}

/// Id of an object with these raw bytes.
#[must_use]
pub fn object_id(keys: &SpaceKeys, kind: ObjectKind, raw: &[u8]) -> ObjectId {
    match kind {
        ObjectKind::Data => ids::chunk_id(keys, raw),
        ObjectKind::Recipe => ids::recipe_id(keys, raw),
        ObjectKind::Directory => ids::dir_id(keys, raw),
    }
}

/// Seals an object under its id. `id` must be the id of the raw bytes behind `payload`.
///
/// # Errors
/// [`SealError`] when it is too large, or compressed and not data.
/// Source: docs/design/crypto-format.md §2.2.
pub fn seal_object(
    salts: &SaltSource<'_>,
    keys: &SpaceKeys,
    kind: ObjectKind,
    id: &ObjectId,
    payload: &Payload<'_>,
) -> Result<Vec<u8>, SealError> {
    let scope = Scope {
        kind: kind.kind(),
        epoch: keys.epoch(),
        ctx: &context(keys, id),
    };
    envelope::seal(salts, root(keys, kind), &scope, payload)
}

/// Opens a data chunk; `inflate(payload, raw_len)` decompresses and may give at most `raw_len` bytes.
///
/// Shape: the raw bytes of the chunk, checked against `id`.
/// # Errors
/// [`OpenError`]; [`OpenError::WrongId`] means that whoever uploaded it sealed something else.
/// Source: docs/design/crypto-format.md §2.2.
pub fn open_chunk(
    keys: &SpaceKeys,
    id: &ObjectId,
    envelope: &[u8],
    inflate: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, OpenError> {
    let opened = open_sealed(keys, ObjectKind::Data, id, envelope)?;
    let raw = match opened.encoding {
        Encoding::Raw => opened.payload,
        Encoding::Zstd => inflate(&opened.payload, opened.raw_len)
            .filter(|raw| raw.len() == opened.raw_len)
            .ok_or(OpenError::Malformed {
                what: "compressed chunk does not inflate",
            })?,
    };
    checked(keys, ObjectKind::Data, id, raw)
}

/// Opens a recipe part.
///
/// # Errors
/// [`OpenError`] as for [`open_chunk`].
pub fn open_recipe(keys: &SpaceKeys, id: &ObjectId, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let opened = open_sealed(keys, ObjectKind::Recipe, id, envelope)?;
    checked(keys, ObjectKind::Recipe, id, opened.payload)
}

/// Opens a directory object.
///
/// # Errors
/// [`OpenError`] as for [`open_chunk`].
pub fn open_directory(
    keys: &SpaceKeys,
    id: &ObjectId,
    envelope: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let opened = open_sealed(keys, ObjectKind::Directory, id, envelope)?;
    checked(keys, ObjectKind::Directory, id, opened.payload)
}

fn open_sealed(
    keys: &SpaceKeys,
    kind: ObjectKind,
    id: &ObjectId,
    envelope: &[u8],
) -> Result<envelope::Opened, OpenError> {
    envelope::open(root(keys, kind), kind.kind(), &context(keys, id), envelope)
}

fn checked(
    keys: &SpaceKeys,
    kind: ObjectKind,
    id: &ObjectId,
    raw: Vec<u8>,
) -> Result<Vec<u8>, OpenError> {
    if object_id(keys, kind, &raw) == *id {
        Ok(raw)
    } else {
        Err(OpenError::WrongId)
    }
}

fn root(keys: &SpaceKeys, kind: ObjectKind) -> &[u8; 32] {
    match kind {
        ObjectKind::Data => keys.chunk.expose_secret(),
        ObjectKind::Recipe | ObjectKind::Directory => keys.meta.expose_secret(),
    }
}

/// `space ‖ object id`.
fn context(keys: &SpaceKeys, id: &ObjectId) -> Vec<u8> {
    [keys.space().as_bytes(), id.as_bytes()].concat()
}
