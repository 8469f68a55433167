//! Control payloads: how a space begins and what rules it follows. FROZEN v1.
//!
//! Carried in cleartext beside a control entry's header, which holds their hash. Names and keys inside are
//! sealed or wrapped. Source: docs/design/crypto-format.md §3.3.

use minicbor::{Decode, Encode};

use crate::ids::{AccountId, Hash32, NodeId, SpaceId};
use crate::limits;

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

impl Policy {
    /// How long versions are kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            days: self.retention_days,
            versions: self.max_versions,
        }
    }
}

/// How long superseded versions are kept, signed by a device of the owner. FROZEN v1: CBOR array in this order.
///
/// Of a space's policy nothing else can be changed after its genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Retention {
    /// Days after which a superseded version may go.
    #[n(0)]
    pub days: u32,
    /// Newest versions of a node that are kept that long.
    #[n(1)]
    pub versions: u32,
}

impl Retention {
    /// True when both numbers are within what a server and a client accept.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        (1..=limits::RETENTION_DAYS_MAX).contains(&self.days)
            && (1..=limits::RETENTION_VERSIONS_MAX).contains(&self.versions)
    }
}

/// Keeps one revision for as long as it is pinned. FROZEN v1: CBOR array in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Pin {
    /// The node.
    #[n(0)]
    pub node: NodeId,
    /// Its revision.
    #[n(1)]
    pub rev: u64,
    /// Pinned from here on, or no more.
    #[n(2)]
    pub is_pinned: bool,
}

/// What no device of the space syncs: rules in gitignore syntax, sealed for its members. Replaces those before it.
/// FROZEN v1: CBOR array in this order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct IgnorePolicy {
    /// Blob under the epoch's meta key; its plaintext is the text of a rule file.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

impl IgnorePolicy {
    /// True when its size is within what a server and a client accept.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        self.sealed.len() <= limits::IGNORE_POLICY_BYTES_MAX
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
    /// Versions are kept by other rules from here on.
    #[n(1)]
    Retention(#[n(0)] Retention),
    /// A revision is pinned or no more.
    #[n(2)]
    Pin(#[n(0)] Pin),
    /// Other rules say from here on what nobody syncs.
    #[n(3)]
    Ignore(#[n(0)] IgnorePolicy),
}

impl Control {
    /// The genesis, when it is one.
    #[must_use]
    pub fn genesis(self) -> Option<SpaceGenesis> {
        match self {
            Self::Genesis(genesis) => Some(genesis),
            Self::Retention(_) | Self::Pin(_) | Self::Ignore(_) => None,
        }
    }
}
