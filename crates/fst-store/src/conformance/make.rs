//! Entries for suites: unsigned, because a store does not check signatures.

use fst_proto::account::AccountEntry;
use fst_proto::ids::{
    AccountId, DeviceId, Hash32, NameTag, NodeId, ObjectId, Signature, SlotId, SpaceId,
};
use fst_proto::log::{self, EntryKind, Flags, Header, Op, OpCode};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;

use crate::blob::BlobKey;
use crate::meta::{
    Bounds, CommitTx, CreateAccountTx, CreateSpaceTx, PackItem, PackTx, Payload, Slot, SlotKind,
};

/// The account of the suites.
pub const ACCOUNT: AccountId = AccountId([0xaa; 16]);

/// The space of the suites.
pub const SPACE: SpaceId = SpaceId([0x5e; 16]);

/// A node by number.
#[must_use]
pub fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

/// A name tag by number.
#[must_use]
pub fn tag(n: u8) -> NameTag {
    NameTag([n; 16])
}

/// An object by number.
#[must_use]
pub fn object(n: u8) -> ObjectId {
    ObjectId([n; 32])
}

/// An account entry by number.
#[must_use]
pub fn account_entry(n: u8) -> AccountEntry {
    AccountEntry {
        header: vec![n; 40],
        sig: Signature([n; 64]),
    }
}

/// A request for an account by number.
#[must_use]
pub fn account(n: u8, setup_code: Hash32, now: UnixMillis) -> CreateAccountTx {
    CreateAccountTx {
        setup_code,
        now,
        account: AccountId([n; 16]),
        device: DeviceId([n; 16]),
        genesis: account_entry(n),
        recovery: Slot {
            slot: SlotId([n; 16]),
            kind: SlotKind::Recovery,
            sealed: vec![n; 10],
        },
    }
}

/// A put that creates a node or brings it back.
#[must_use]
pub fn create(n: u8, base_rev: u64, name: u8) -> Op {
    Op {
        flags: Flags::CREATE.with(Flags::CONTENT),
        ..edit(n, base_rev, Some(tag(name)))
    }
}

/// A put that changes contents.
#[must_use]
pub fn edit(n: u8, base_rev: u64, name_tag: Option<NameTag>) -> Op {
    Op {
        code: OpCode::Put,
        node: node(n),
        base_rev,
        flags: Flags::CONTENT,
        name_tag,
        meta_hash: Some(Hash32([n; 32])),
        body_hash: None,
        add_refs: Vec::new(),
        drop_refs: Vec::new(),
    }
}

/// A delete.
#[must_use]
pub fn delete(n: u8, base_rev: u64) -> Op {
    let flags = Flags::DELETE;
    Op {
        code: OpCode::Delete,
        flags,
        meta_hash: None,
        ..edit(n, base_rev, None)
    }
}

/// Marks an operation as structural.
#[must_use]
pub fn structural(mut op: Op) -> Op {
    op.flags = op.flags.with(Flags::STRUCTURAL);
    op
}

/// A device that writes entries in a space.
#[derive(Debug, Clone)]
pub struct Author {
    /// Its id.
    pub device: DeviceId,
    /// Number of its last entry.
    pub ctr: u64,
    /// Hash of its last entry.
    pub prev: Hash32,
    /// Head that it saw.
    pub seen: Head,
}

impl Author {
    /// A device that has written nothing.
    #[must_use]
    pub fn new(n: u8) -> Self {
        Self {
            device: DeviceId([n; 16]),
            ctr: 0,
            prev: Hash32::ZERO,
            seen: Head::empty(),
        }
    }

    /// Its next entry; the author stays as it is until [`Author::wrote`].
    #[must_use]
    pub fn entry(&self, kind: EntryKind, ops: Vec<Op>, now: UnixMillis) -> CommitTx {
        let header = Header {
            version: log::VERSION,
            space: SPACE,
            epoch: 1,
            generation: 1,
            account: ACCOUNT,
            device: self.device,
            account_len: 1,
            account_hash: Hash32::ZERO,
            dev_ctr: self.ctr + 1,
            dev_prev: self.prev,
            seen: self.seen,
            kind,
            ops,
        };
        let header_bytes = log::encode_header(&header);
        let sig = Signature([7; 64]);
        let payload = Payload::Inline(vec![1; 100]);
        CommitTx {
            header,
            header_bytes,
            sig,
            payload,
            pack: None,
            bounds: Bounds::default(),
            now,
        }
    }

    /// Its next batch.
    #[must_use]
    pub fn batch(&self, ops: Vec<Op>, now: UnixMillis) -> CommitTx {
        self.entry(EntryKind::Batch, ops, now)
    }

    /// The genesis of the space.
    #[must_use]
    pub fn genesis(&self, now: UnixMillis) -> CreateSpaceTx {
        let op = Op {
            code: OpCode::Control,
            node: NodeId::ZERO,
            flags: Flags::default(),
            ..edit(0, 0, None)
        };
        let commit = self.entry(EntryKind::Control, vec![op], now);
        CreateSpaceTx {
            account: ACCOUNT,
            tag: tag(0xee),
            commit,
        }
    }

    /// Remembers that an entry was committed and what the log is now.
    pub fn wrote(&mut self, tx: &CommitTx, head: Head) {
        self.ctr = tx.header.dev_ctr;
        self.prev = tx.entry_hash();
        self.seen = head;
    }
}

/// A pack of these objects, 10 bytes each.
#[must_use]
pub fn pack(key: u8, objects: &[u8]) -> PackTx {
    let items = (0_u64..).zip(objects);
    PackTx {
        space: SPACE,
        key: BlobKey([key; 16]),
        bytes: objects.len() as u64 * 46,
        uploader: DeviceId([1; 16]),
        now: UnixMillis(1000),
        items: items
            .map(|(i, n)| PackItem {
                id: object(*n),
                offset: 36 + i * 46,
                len: 10,
            })
            .collect(),
        bounds: Bounds::default(),
    }
}
