//! Keys of a space, derived from its epoch and generation secrets. FROZEN v1.
//!
//! [`crate::space`] makes or unwraps the secrets; everything that seals, opens or names inside a space takes
//! [`SpaceKeys`]. Invariant: a key has one use; epoch keys give confidentiality and may rotate freely,
//! generation keys give ids and rotate at revocation only.
//! Not here: account and device keys ([`crate::account`], [`crate::device`]).
//! Source: docs/design/crypto-format.md §1.2, §2.3 and appendix A.

use fst_proto::ids::{Hash32, SpaceId};

use crate::kdf::kdf;
use crate::random::{self, SecureRandom};
use crate::secret::secrets;

secrets! {
    /// Root of an epoch: who has it reads what was written in it.
    EpochSecret;
    /// Root of a generation: who has it can recompute ids.
    GenerationSecret;
    /// Seals data chunks (kind 1).
    ChunkKey;
    /// Seals batches, recipes, directory objects and the space's name (kinds 2, 3, 4, 7).
    MetaKey;
    /// Tags a space in LAN gossip.
    GossipKey;
    /// Names data chunks.
    ChunkIdKey;
    /// Names recipe objects.
    RecipeIdKey;
    /// Names directory objects.
    DirIdKey;
    /// Decides where contents are cut.
    CdcKey;
    /// Makes name tags.
    NameKey;
    /// Makes content ids.
    ContentKey;
}

/// Draws the secrets of a new space.
#[must_use]
pub fn new_space_secrets(random: &dyn SecureRandom) -> (EpochSecret, GenerationSecret) {
    let epoch = EpochSecret::from_bytes(random::bytes(random));
    let generation = GenerationSecret::from_bytes(random::bytes(random));
    (epoch, generation)
}

impl EpochSecret {
    /// Public commitment to this secret: signed in the log, so that every member gets the same one.
    #[must_use]
    pub fn commitment(&self, space: SpaceId, epoch: u32) -> Hash32 {
        Hash32(kdf(
            self.expose_secret(),
            "epoch/commit",
            &numbered(space, epoch),
        ))
    }
}

impl GenerationSecret {
    /// Public commitment to this secret.
    #[must_use]
    pub fn commitment(&self, space: SpaceId, generation: u32) -> Hash32 {
        Hash32(kdf(
            self.expose_secret(),
            "gen/commit",
            &numbered(space, generation),
        ))
    }
}

/// All keys of one space in one epoch and generation.
#[derive(Debug)]
pub struct SpaceKeys {
    space: SpaceId,
    epoch: u32,
    generation: u32,
    pub(crate) chunk: ChunkKey,
    pub(crate) meta: MetaKey,
    gossip: GossipKey,
    pub(crate) chunk_id: ChunkIdKey,
    pub(crate) recipe_id: RecipeIdKey,
    pub(crate) dir_id: DirIdKey,
    cdc: CdcKey,
    pub(crate) name: NameKey,
    pub(crate) content: ContentKey,
}

impl SpaceKeys {
    /// Derives the keys. Context is `space ‖ u32be epoch` or `space ‖ u32be generation`.
    #[must_use]
    pub fn derive(
        space: SpaceId,
        epoch: u32,
        epoch_secret: &EpochSecret,
        generation: u32,
        generation_secret: &GenerationSecret,
    ) -> Self {
        let of_epoch =
            |label| kdf::<32>(epoch_secret.expose_secret(), label, &numbered(space, epoch));
        let of_generation = |label| {
            kdf::<32>(
                generation_secret.expose_secret(),
                label,
                &numbered(space, generation),
            )
        };
        Self {
            space,
            epoch,
            generation,
            chunk: ChunkKey::from_bytes(of_epoch("epoch/chunk")),
            meta: MetaKey::from_bytes(of_epoch("epoch/meta")),
            gossip: GossipKey::from_bytes(of_epoch("epoch/gossip")),
            chunk_id: ChunkIdKey::from_bytes(of_generation("gen/chunk-id")),
            recipe_id: RecipeIdKey::from_bytes(of_generation("gen/recipe-id")),
            dir_id: DirIdKey::from_bytes(of_generation("gen/dir-id")),
            cdc: CdcKey::from_bytes(of_generation("gen/cdc")),
            name: NameKey::from_bytes(of_generation("gen/name-tag")),
            content: ContentKey::from_bytes(of_generation("gen/content-id")),
        }
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.space
    }

    /// Number of the epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Number of the generation.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Key of the chunker.
    #[must_use]
    pub fn cdc(&self) -> &CdcKey {
        &self.cdc
    }

    /// Key of LAN gossip.
    #[must_use]
    pub fn gossip(&self) -> &GossipKey {
        &self.gossip
    }
}

/// `space ‖ u32be number`.
fn numbered(space: SpaceId, number: u32) -> Vec<u8> {
    [space.as_bytes(), &number.to_be_bytes()].concat()
}
