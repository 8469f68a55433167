//! Control payloads: how a space begins and what rules it follows. FROZEN v1.
//!
//! Carried in cleartext beside a control entry's header, which holds their hash. Names and keys inside are
//! sealed or wrapped. Source: docs/design/crypto-format.md §3.3.

use minicbor::{Decode, Encode};

use crate::ids::{AccountId, Hash32, SpaceId};

/// How contents are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Chunking {
    /// `fst-cdc-1`: keyed, content-defined.
    #[n(1)]
    Cdc,
    /// Fixed size: no boundary depends on content.
    #[n(2)]
    Fixed,
}

/// Rules of a space, signed by an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Policy {
    /// Kind of chunking.
    #[n(0)]
    pub chunking: Chunking,
    /// Smallest chunk in bytes.
    #[n(1)]
    pub chunk_min: u32,
    /// Average chunk in bytes.
    #[n(2)]
    pub chunk_avg: u32,
    /// Largest chunk in bytes.
    #[n(3)]
    pub chunk_max: u32,
    /// Whether operations carry name tags.
    #[n(4)]
    pub name_tags: bool,
    /// Days that superseded versions are kept.
    #[n(5)]
    pub retention_days: u32,
    /// Versions kept per node.
    #[n(6)]
    pub max_versions: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            chunking: Chunking::Cdc,
            chunk_min: 256 << 10,
            chunk_avg: 1 << 20,
            chunk_max: 4 << 20,
            name_tags: true,
            retention_days: 30,
            max_versions: 10,
        }
    }
}

/// Epoch and generation secrets, wrapped by HPKE for one account.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Wrap {
    /// Who can open it.
    #[n(0)]
    pub account: AccountId,
    /// HPKE KEM id; 0x0020 is X25519.
    #[n(1)]
    pub kem_id: u16,
    /// HPKE encapsulated key.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// Sealed `E_n ‖ G_m`.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// First entry of every space.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SpaceGenesis {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// Its owner.
    #[n(1)]
    pub owner: AccountId,
    /// Its rules.
    #[n(2)]
    pub policy: Policy,
    /// Commitment to the epoch secret.
    #[n(3)]
    pub commit_epoch: Hash32,
    /// Commitment to the generation secret.
    #[n(4)]
    pub commit_generation: Hash32,
    /// Keys for each member.
    #[n(5)]
    pub wraps: Vec<Wrap>,
    /// Remote name of the space (`/Documents`), sealed under the epoch's meta key.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub name_sealed: Vec<u8>,
}

/// A control payload.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Control {
    /// The space begins: epoch 1, generation 1.
    #[n(0)]
    Genesis(#[n(0)] SpaceGenesis),
}
