//! Entries of a space's log: signed headers, operations, receipts. FROZEN v1.
//!
//! The author's device encodes and signs, the server orders and stores, every client verifies the bytes it
//! received. Invariant: [`decode_header`] accepts canonical bytes only, so one header has one encoding.
//! Not here: payload sealing (`fst-crypto::batch`), who may sign ([`crate::account`]), the checks of a whole
//! log (`fst-client::log`). Source: docs/design/crypto-format.md §3.

use minicbor::{Decode, Encode};

use crate::hash::sha256;
use crate::ids::{AccountId, DeviceId, Hash32, NameTag, NodeId, ObjectId, Signature, SpaceId};
use crate::limits;
use crate::merkle::Head;
use crate::wire;

/// Version of header and entry formats.
pub const VERSION: u8 = 1;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EntryKind {
    /// Changes of nodes.
    #[n(1)]
    Batch,
    /// Keys, members, policy; see [`crate::control`].
    #[n(2)]
    Control,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum OpCode {
    /// Creates or changes a node.
    #[n(1)]
    Put,
    /// Deletes a node.
    #[n(2)]
    Delete,
    /// Carries a control payload; `meta_hash` is its SHA-256.
    #[n(16)]
    Control,
}

/// Cleartext facts about an operation, declared by its author and checked by clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Flags(#[n(0)] pub u16);

impl Flags {
    /// The node is new or comes back to life.
    pub const CREATE: Self = Self(1);
    /// Its bytes change.
    pub const CONTENT: Self = Self(2);
    /// Name, place, mode or time change.
    pub const META: Self = Self(4);
    /// The node is deleted.
    pub const DELETE: Self = Self(8);
    /// Storage is rearranged, the content is equal: not a version.
    pub const COMPACT: Self = Self(16);
    /// Settles a conflict: with `CREATE` a conflict copy, without it a merge of both contents.
    pub const CONFLICT: Self = Self(32);
    /// Moves a node or deletes a directory: excludes unseen creations and structure changes.
    pub const STRUCTURAL: Self = Self(64);

    /// True when all bits of `other` are set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One operation of a batch. FROZEN v1: CBOR array in this order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Op {
    /// What it does.
    #[n(0)]
    pub code: OpCode,
    /// Node concerned; zero for control.
    #[n(1)]
    pub node: NodeId,
    /// Revision it replaces; the node has `base_rev + 1` afterwards.
    #[n(2)]
    pub base_rev: u64,
    /// Declared facts.
    #[n(3)]
    pub flags: Flags,
    /// Uniqueness of the name; absent for deletes and where the policy has no name tags.
    #[n(4)]
    pub name_tag: Option<NameTag>,
    /// SHA-256 of the sealed meta slot; absent for deletes.
    #[n(5)]
    pub meta_hash: Option<Hash32>,
    /// SHA-256 of the sealed body slot, when there is one.
    #[n(6)]
    pub body_hash: Option<Hash32>,
    /// Objects that this revision references and the previous one did not; sorted, distinct.
    #[n(7)]
    pub add_refs: Vec<ObjectId>,
    /// Objects that the previous revision referenced and this one does not; sorted, distinct.
    #[n(8)]
    pub drop_refs: Vec<ObjectId>,
}

impl Op {
    /// The one operation of a control entry whose payload has this hash.
    #[must_use]
    pub fn control(payload_hash: Hash32) -> Self {
        Self {
            code: OpCode::Control,
            node: NodeId::ZERO,
            base_rev: 0,
            flags: Flags::default(),
            name_tag: None,
            meta_hash: Some(payload_hash),
            body_hash: None,
            add_refs: Vec::new(),
            drop_refs: Vec::new(),
        }
    }
}

/// Cleartext, signed header of an entry. FROZEN v1: CBOR array in this order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Header {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// Space it belongs to.
    #[n(1)]
    pub space: SpaceId,
    /// Epoch whose keys seal it.
    #[n(2)]
    pub epoch: u32,
    /// Generation of ids.
    #[n(3)]
    pub generation: u32,
    /// Author's account.
    #[n(4)]
    pub account: AccountId,
    /// Author's device.
    #[n(5)]
    pub device: DeviceId,
    /// Length of the author's account chain as the author knew it.
    #[n(6)]
    pub account_len: u64,
    /// Hash of its last entry.
    #[n(7)]
    pub account_hash: Hash32,
    /// Number of this entry among the device's entries in this space, from 1.
    #[n(8)]
    pub dev_ctr: u64,
    /// Hash of the device's previous entry; zero for the first.
    #[n(9)]
    pub dev_prev: Hash32,
    /// Log head that the author had verified.
    #[n(10)]
    pub seen: Head,
    /// Batch or control.
    #[n(11)]
    pub kind: EntryKind,
    /// The operations, parents before children.
    #[n(12)]
    pub ops: Vec<Op>,
}

/// How an entry restricts its order against unseen entries of other devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderClass {
    /// Only changes contents and attributes of nodes in place.
    Content,
    /// Also creates nodes.
    Creates,
    /// Also moves nodes or deletes directories, or is a control entry.
    Structural,
}

impl OrderClass {
    /// True when an entry of this class may follow an unseen entry of class `unseen`.
    #[must_use]
    pub fn may_follow(self, unseen: Self) -> bool {
        match self {
            Self::Content => true,
            Self::Creates => unseen != Self::Structural,
            Self::Structural => unseen == Self::Content,
        }
    }

    /// Stable number for databases.
    #[must_use]
    pub fn as_u8(self) -> u8 {
        match self {
            Self::Content => 0,
            Self::Creates => 1,
            Self::Structural => 2,
        }
    }

    /// Reads the stable number; anything unknown is the strictest.
    #[must_use]
    pub fn from_u8(n: u8) -> Self {
        match n {
            0 => Self::Content,
            1 => Self::Creates,
            _ => Self::Structural,
        }
    }
}

impl Header {
    /// The order class that the operations' flags declare.
    #[must_use]
    pub fn order_class(&self) -> OrderClass {
        if self.kind == EntryKind::Control
            || self.ops.iter().any(|op| op.flags.has(Flags::STRUCTURAL))
        {
            OrderClass::Structural
        } else if self.ops.iter().any(|op| op.flags.has(Flags::CREATE)) {
            OrderClass::Creates
        } else {
            OrderClass::Content
        }
    }
}

/// A header that is not acceptable, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Not canonical CBOR of a header.
    #[error("header bytes are not canonical")]
    Malformed,
    /// A version this program does not know.
    #[error("header version {0} is not supported")]
    Version(u8),
    /// Too many operations or references.
    #[error("header has too many operations or references")]
    TooLarge,
    /// An operation whose fields contradict its code.
    #[error("operation {index} is inconsistent")]
    Op {
        /// Index of the operation.
        index: usize,
    },
    /// Two operations on one node.
    #[error("two operations on one node")]
    Duplicate,
}

/// Canonical bytes of a header: what is signed and stored.
#[must_use]
pub fn encode_header(header: &Header) -> Vec<u8> {
    wire::to_cbor(header)
}

/// Reads a header and checks everything that needs no other knowledge.
///
/// # Errors
/// [`BadHeader`]: never retry, never store.
pub fn decode_header(bytes: &[u8]) -> Result<Header, BadHeader> {
    let header: Header = wire::from_canonical(bytes).map_err(|_| BadHeader::Malformed)?;
    if header.version != VERSION {
        return Err(BadHeader::Version(header.version));
    }
    let refs: usize = header
        .ops
        .iter()
        .map(|op| op.add_refs.len() + op.drop_refs.len())
        .sum();
    if header.ops.is_empty() || header.ops.len() > limits::BATCH_OPS_MAX {
        return Err(BadHeader::TooLarge);
    }
    if refs > limits::OP_REFS_MAX {
        return Err(BadHeader::TooLarge);
    }
    if let Some(index) = header
        .ops
        .iter()
        .position(|op| !is_consistent(header.kind, op))
    {
        return Err(BadHeader::Op { index });
    }
    let mut nodes: Vec<NodeId> = header.ops.iter().map(|op| op.node).collect();
    nodes.sort_unstable();
    if nodes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(BadHeader::Duplicate);
    }
    Ok(header)
}

fn is_consistent(kind: EntryKind, op: &Op) -> bool {
    let sorted = |refs: &[ObjectId]| refs.windows(2).all(|pair| pair[0] < pair[1]);
    let is_delete_flagged = op.flags.has(Flags::DELETE);
    let shape = match (kind, op.code) {
        (EntryKind::Batch, OpCode::Put) => {
            op.meta_hash.is_some() && !is_delete_flagged && op.node != NodeId::ZERO
        },
        (EntryKind::Batch, OpCode::Delete) => {
            op.meta_hash.is_none()
                && op.body_hash.is_none()
                && op.name_tag.is_none()
                && op.add_refs.is_empty()
                && is_delete_flagged
                && op.node != NodeId::ZERO
        },
        (EntryKind::Control, OpCode::Control) => op.meta_hash.is_some(),
        (EntryKind::Batch, OpCode::Control)
        | (EntryKind::Control, OpCode::Put | OpCode::Delete) => false,
    };
    shape && sorted(&op.add_refs) && sorted(&op.drop_refs)
}

/// What a device signs for an entry.
#[must_use]
pub fn entry_message(header: &[u8]) -> Vec<u8> {
    [b"fst/v1/entry\0".as_slice(), sha256(&[header]).as_bytes()].concat()
}

/// Hash that links a device's entries and feeds the Merkle leaf.
#[must_use]
pub fn entry_hash(header: &[u8], sig: &Signature) -> Hash32 {
    sha256(&[b"fst/v1/entry-hash\0", header, sig.as_bytes()])
}

/// Merkle leaf data of an entry.
#[must_use]
pub fn leaf(entry_hash: &Hash32, server_time_ms: u64) -> Vec<u8> {
    [entry_hash.as_bytes(), &server_time_ms.to_be_bytes()].concat()
}

/// What the server signs for a head it has promised.
#[must_use]
pub fn receipt_message(space: SpaceId, head: &Head, time_ms: u64) -> Vec<u8> {
    [
        b"fst/v1/receipt\0".as_slice(),
        space.as_bytes(),
        &head.size.to_be_bytes(),
        head.root.as_bytes(),
        &time_ms.to_be_bytes(),
    ]
    .concat()
}
