//! Objects of a space: raw bytes ⇄ sealed envelopes, with compression where it pays.

use std::sync::Arc;

use fst_chunk::compress::{self, Encoded};
use fst_crypto::device::HedgeKey;
use fst_crypto::envelope::{Payload, SaltSource};
use fst_crypto::key::SpaceKeys;
use fst_crypto::object::{self, ObjectKind};
use fst_crypto::random::SecureRandom;
use fst_proto::ids::ObjectId;

use crate::error::FolderError;
use crate::folder::Space;

/// Opens a data chunk.
///
/// # Errors
/// [`FolderError::Sealed`] when it does not open in its context.
pub fn open_chunk(space: &Space, id: ObjectId, envelope: &[u8]) -> Result<Vec<u8>, FolderError> {
    let inflate = |payload: &[u8], raw_len: usize| compress::decompress(payload, raw_len);
    object::open_chunk(&space.keys, &id, envelope, inflate).map_err(|e| failed(id, &e))
}

/// Opens a part of a recipe.
///
/// # Errors
/// [`FolderError::Sealed`] when it does not open in its context.
pub fn open_recipe(space: &Space, id: ObjectId, envelope: &[u8]) -> Result<Vec<u8>, FolderError> {
    object::open_recipe(&space.keys, &id, envelope).map_err(|e| failed(id, &e))
}

/// Id of a data chunk.
#[must_use]
pub fn chunk_id(space: &Space, raw: &[u8]) -> ObjectId {
    object::object_id(&space.keys, ObjectKind::Data, raw)
}

/// What sealing a data chunk takes, to be carried into another thread.
#[derive(Debug, Clone)]
pub struct Sealer {
    keys: Arc<SpaceKeys>,
    hedge: Arc<HedgeKey>,
    random: Arc<dyn SecureRandom>,
}

impl Sealer {
    /// The sealer of a space.
    #[must_use]
    pub fn new(space: &Space) -> Self {
        let (keys, hedge) = (Arc::clone(&space.keys), Arc::clone(&space.hedge));
        Self::of(keys, hedge, Arc::clone(&space.random))
    }

    pub(crate) fn of(
        keys: Arc<SpaceKeys>,
        hedge: Arc<HedgeKey>,
        random: Arc<dyn SecureRandom>,
    ) -> Self {
        Self {
            keys,
            hedge,
            random,
        }
    }

    /// Seals a data chunk under its id; returns its envelope, and how many bytes compression took off it.
    ///
    /// # Errors
    /// [`FolderError::Sealed`] when it is too large.
    pub fn chunk(&self, id: ObjectId, raw: &[u8]) -> Result<(Vec<u8>, u64), FolderError> {
        let packed = compress::compress(raw);
        let saved = (raw.len() - packed.as_bytes().len().min(raw.len())) as u64;
        let payload = match &packed {
            Encoded::Zstd(bytes) => Payload::zstd(bytes, raw.len()),
            Encoded::Raw(bytes) => Payload::raw(bytes),
        };
        let salts = SaltSource {
            hedge: &self.hedge,
            random: self.random.as_ref(),
        };
        let sealed = object::seal_object(&salts, &self.keys, ObjectKind::Data, &id, &payload);
        Ok((sealed.map_err(|e| failed(id, &e))?, saved))
    }
}

/// Id of a part of a recipe.
#[must_use]
pub fn recipe_id(space: &Space, raw: &[u8]) -> ObjectId {
    object::object_id(&space.keys, ObjectKind::Recipe, raw)
}

/// Seals a part of a recipe; returns its id and envelope.
///
/// # Errors
/// [`FolderError::Sealed`] when it is too large.
pub fn seal_recipe(space: &Space, raw: &[u8]) -> Result<(ObjectId, Vec<u8>), FolderError> {
    let id = recipe_id(space, raw);
    let payload = Payload::raw(raw);
    let sealed = object::seal_object(
        &space.salts(),
        &space.keys,
        ObjectKind::Recipe,
        &id,
        &payload,
    )
    .map_err(|e| failed(id, &e))?;
    Ok((id, sealed))
}

fn failed(id: ObjectId, error: &dyn std::error::Error) -> FolderError {
    FolderError::Sealed(format!("object {id}: {error}"))
}
