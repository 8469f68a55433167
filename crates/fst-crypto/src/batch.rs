//! The payload of a batch: one salt, one key, one slot per description and per small body. FROZEN v1.
//!
//! `header 8 ‖ salt 24 ‖ commit 32 ‖ (len u32be ‖ ciphertext ‖ tag 16)*`: for each put operation in order its
//! meta slot, then its body slot if it has one. `fst-client` seals with [`BatchSealer`] and puts the slot hashes
//! into the header it signs; every client opens with [`open_batch`]. Invariant: a slot opens only at the
//! operation, node and revision it was sealed for, and only when the signed header names its hash; the salt
//! is hedged over all slots, which is why nothing is sealed before [`BatchSealer::finish`].
//! Not here: the header and its signature (`fst-proto::log`), what the operations mean (`fst-client`).
//! Source: docs/design/crypto-format.md §3.2.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use fst_proto::entry::NodeMeta;
use fst_proto::hash::sha256;
use fst_proto::ids::{DeviceId, Hash32, NodeId};
use fst_proto::limits;
use fst_proto::log::{Header, Op, OpCode};
use fst_proto::wire;
use zeroize::Zeroizing;

use crate::envelope::{self, Derived, Kind, Parts, Payload, SaltSource};
use crate::error::{OpenError, SealError};
use crate::gcm::{Gcm, NONCE_LEN, TAG_LEN};
use crate::key::SpaceKeys;

mod meta;

/// Bytes before the slots.
const HEAD_LEN: usize = envelope::HEADER_LEN + envelope::SALT_LEN + envelope::COMMIT_LEN;

/// Which slot of an operation. The number is part of the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum SlotKind {
    Meta = 1,
    Body = 2,
}

/// Collects the put operations of one batch, then seals them together.
#[derive(Debug)]
pub struct BatchSealer<'a> {
    keys: &'a SpaceKeys,
    ctx: Vec<u8>,
    slots: Vec<PlainSlot>,
    sealed_len: usize,
}

/// Hashes that the header's operation must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotHashes {
    /// Index of the operation in the header.
    pub op_index: usize,
    /// For [`Op::meta_hash`].
    pub meta: Hash32,
    /// For [`Op::body_hash`].
    pub body: Option<Hash32>,
}

/// A sealed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBatch {
    /// The payload to commit.
    pub payload: Vec<u8>,
    /// One per put operation, in order.
    pub hashes: Vec<SlotHashes>,
}

/// What one put operation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedOp {
    /// The node's new description, checked for consistency.
    pub meta: NodeMeta,
    /// The bytes of a small file or link; present exactly when the description says so.
    pub body: Option<Vec<u8>>,
}

struct PlainSlot {
    op_index: usize,
    kind: SlotKind,
    nonce: [u8; NONCE_LEN],
    aad: Vec<u8>,
    frame: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for PlainSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlainSlot({:?} of {})", self.kind, self.op_index)
    }
}

impl<'a> BatchSealer<'a> {
    /// Begins the batch that will be entry `dev_ctr` of `device` in the keys' space.
    #[must_use]
    pub fn new(keys: &'a SpaceKeys, device: DeviceId, dev_ctr: u64) -> Self {
        let ctx = context(keys, device, dev_ctr);
        Self {
            keys,
            ctx,
            slots: Vec::new(),
            sealed_len: HEAD_LEN,
        }
    }

    /// Adds the put operation at `op_index` of the header; operations come in ascending order.
    ///
    /// # Errors
    /// [`SealError::BadMeta`] when no client would accept the description, [`SealError::Order`], or
    /// [`SealError::TooLarge`]: the batch is as before and can be finished.
    pub fn put(
        &mut self,
        op_index: usize,
        node: NodeId,
        base_rev: u64,
        meta: &NodeMeta,
        body: Option<&[u8]>,
    ) -> Result<(), SealError> {
        meta::check(meta, body).map_err(|what| SealError::BadMeta { op: op_index, what })?;
        if self
            .slots
            .last()
            .is_some_and(|last| last.op_index >= op_index)
        {
            return Err(SealError::Order { op: op_index });
        }
        let meta_bytes = Zeroizing::new(wire::to_cbor(meta));
        let added = op_sealed_len(meta_bytes.len(), body.map(<[u8]>::len));
        let sealed_len = self.sealed_len.saturating_add(added);
        if sealed_len > limits::BATCH_BYTES_MAX {
            return Err(SealError::TooLarge {
                len: sealed_len,
                max: limits::BATCH_BYTES_MAX,
            });
        }
        let op = Place {
            index: op_index,
            node,
            base_rev,
        };
        let slot = op.plain_slot(self.keys.epoch(), SlotKind::Meta, &meta_bytes)?;
        let body_slot = body
            .map(|body| op.plain_slot(self.keys.epoch(), SlotKind::Body, body))
            .transpose()?;
        self.slots.push(slot);
        self.slots.extend(body_slot);
        self.sealed_len = sealed_len;
        Ok(())
    }

    /// Length of the payload if it were finished now, bytes.
    #[must_use]
    pub fn sealed_len(&self) -> usize {
        self.sealed_len
    }

    /// Seals everything that was added.
    #[must_use]
    pub fn finish(self, salts: &SaltSource<'_>) -> SealedBatch {
        let header = envelope::header(Kind::Batch, self.keys.epoch());
        let salt = self.salt(salts, &header);
        let derived = Derived::new(self.keys.meta.expose_secret(), header, &salt, &self.ctx);
        let gcm = Gcm::new(&derived.key);
        let mut payload = Vec::with_capacity(self.sealed_len);
        payload.extend_from_slice(&header);
        payload.extend_from_slice(&salt);
        payload.extend_from_slice(&derived.commit);
        let mut hashes: Vec<SlotHashes> = Vec::new();
        for mut slot in self.slots {
            let tag = gcm.seal(slot.nonce, &slot.aad, &mut slot.frame);
            let hash = sha256(&[&slot.frame, &tag]);
            let len = slot.frame.len().saturating_add(TAG_LEN);
            // `put` bounds the payload by BATCH_BYTES_MAX, far below 4 GiB.
            payload.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
            payload.extend_from_slice(&slot.frame);
            payload.extend_from_slice(&tag);
            match (slot.kind, hashes.last_mut()) {
                (SlotKind::Body, Some(op)) => op.body = Some(hash),
                (SlotKind::Meta | SlotKind::Body, _) => {
                    hashes.push(SlotHashes {
                        op_index: slot.op_index,
                        meta: hash,
                        body: None,
                    });
                },
            }
        }
        SealedBatch { payload, hashes }
    }

    /// One salt for all slots, hedged over each slot's place and plaintext.
    fn salt(&self, salts: &SaltSource<'_>, header: &[u8]) -> [u8; envelope::SALT_LEN] {
        let mut parts: Vec<&[u8]> = vec![header, &self.ctx];
        for slot in &self.slots {
            parts.extend([slot.nonce.as_slice(), &slot.aad, &slot.frame]);
        }
        salts.salt(&parts)
    }
}

/// Payload bytes that a put operation with a description of `meta_len` and a body of `body_len` bytes takes.
#[must_use]
pub fn op_sealed_len(meta_len: usize, body_len: Option<usize>) -> usize {
    let slot = |len| envelope::frame_len(len).saturating_add(4 + TAG_LEN);
    slot(meta_len).saturating_add(body_len.map_or(0, slot))
}

/// Opens the payload of the batch whose header was decoded from signed bytes.
///
/// Shape: one [`OpenedOp`] per put operation, in the header's order.
/// # Errors
/// [`OpenError`]; [`OpenError::SlotHash`] when payload and header do not belong together,
/// [`OpenError::BadMeta`] when the author broke a rule. Never retry with the same bytes.
/// Source: docs/design/crypto-format.md §3.2.
pub fn open_batch(
    keys: &SpaceKeys,
    header: &Header,
    payload: &[u8],
) -> Result<Vec<OpenedOp>, OpenError> {
    let parts = split(payload)?;
    if header.space != keys.space() || header.epoch != keys.epoch() {
        return Err(OpenError::WrongContext);
    }
    let mut sealed = Slots { rest: parts.sealed };
    let mut puts = Vec::new();
    for (index, op) in header
        .ops
        .iter()
        .enumerate()
        .filter(|(_, op)| op.code == OpCode::Put)
    {
        puts.push(SealedOp::take(index, op, &mut sealed)?);
    }
    if !sealed.rest.is_empty() {
        return Err(OpenError::Malformed {
            what: "batch has slots that no operation names",
        });
    }
    if parts.epoch() != keys.epoch() {
        return Err(OpenError::WrongContext);
    }
    let ctx = context(keys, header.device, header.dev_ctr);
    let gcm = parts.unlock(keys.meta.expose_secret(), &ctx)?;
    puts.iter()
        .map(|put| put.open(&gcm, keys.epoch()))
        .collect()
}

/// SHA-256 of every slot of a payload, in order: what can be checked without any key.
///
/// # Errors
/// [`OpenError`] when the payload is not a batch or does not tile into slots.
pub fn slot_hashes(payload: &[u8]) -> Result<Vec<Hash32>, OpenError> {
    let mut slots = Slots {
        rest: split(payload)?.sealed,
    };
    let mut hashes = Vec::new();
    while !slots.rest.is_empty() {
        hashes.push(sha256(&[slots.take()?]));
    }
    Ok(hashes)
}

fn split(payload: &[u8]) -> Result<Parts<'_>, OpenError> {
    if payload.len() > limits::BATCH_BYTES_MAX {
        return Err(OpenError::TooLarge {
            len: payload.len(),
            max: limits::BATCH_BYTES_MAX,
        });
    }
    let parts = Parts::split(payload)?;
    if parts.kind()? == Kind::Batch {
        Ok(parts)
    } else {
        Err(OpenError::WrongContext)
    }
}

/// The slots that are still to be read.
struct Slots<'a> {
    rest: &'a [u8],
}

impl<'a> Slots<'a> {
    fn take(&mut self) -> Result<&'a [u8], OpenError> {
        let short = OpenError::Malformed {
            what: "batch is cut short",
        };
        let (len, rest) = envelope::take_u32(self.rest).ok_or(short)?;
        let (slot, rest) = rest.split_at_checked(len).ok_or(short)?;
        self.rest = rest;
        Ok(slot)
    }

    /// Takes the next slot, which must be the one that was signed.
    fn take_signed(&mut self, op: usize, expected: Hash32) -> Result<&'a [u8], OpenError> {
        let slot = self.take()?;
        if sha256(&[slot]) == expected {
            Ok(slot)
        } else {
            Err(OpenError::SlotHash { op })
        }
    }
}

/// A put operation and its slots, whose hashes are right.
struct SealedOp<'a> {
    place: Place,
    meta: &'a [u8],
    body: Option<&'a [u8]>,
}

impl<'a> SealedOp<'a> {
    fn take(index: usize, op: &Op, slots: &mut Slots<'a>) -> Result<Self, OpenError> {
        let place = Place {
            index,
            node: op.node,
            base_rev: op.base_rev,
        };
        let meta_hash = op.meta_hash.ok_or(OpenError::SlotHash { op: index })?;
        let meta = slots.take_signed(index, meta_hash)?;
        let body = op
            .body_hash
            .map(|hash| slots.take_signed(index, hash))
            .transpose()?;
        Ok(Self { place, meta, body })
    }

    fn open(&self, gcm: &Gcm, epoch: u32) -> Result<OpenedOp, OpenError> {
        let op = self.place.index;
        let open = |kind: SlotKind, slot: &[u8]| {
            let plain = gcm.open(self.place.nonce(kind), &self.place.aad(epoch), slot)?;
            Ok(envelope::read_frame(Kind::Batch, plain)?.payload)
        };
        let bytes = open(SlotKind::Meta, self.meta)?;
        let meta: NodeMeta = wire::from_canonical(&bytes).map_err(|_| OpenError::BadMeta {
            op,
            what: "not canonical",
        })?;
        let body = self
            .body
            .map(|slot| open(SlotKind::Body, slot))
            .transpose()?;
        meta::check(&meta, body.as_deref()).map_err(|what| OpenError::BadMeta { op, what })?;
        Ok(OpenedOp { meta, body })
    }
}

/// Where a slot belongs: bound into nonce and associated data.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    node: NodeId,
    base_rev: u64,
}

impl Place {
    /// `u32be slot kind ‖ u64be operation index`.
    fn nonce(self, kind: SlotKind) -> [u8; NONCE_LEN] {
        let [a, b, c, d] = (kind as u32).to_be_bytes();
        let [e, f, g, h, i, j, k, l] = (self.index as u64).to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// `header 8 ‖ node ‖ u64be (base_rev + 1)`.
    fn aad(self, epoch: u32) -> Vec<u8> {
        let header = envelope::header(Kind::Batch, epoch);
        let rev = self.base_rev.wrapping_add(1);
        [header.as_slice(), self.node.as_bytes(), &rev.to_be_bytes()].concat()
    }

    fn plain_slot(self, epoch: u32, kind: SlotKind, plain: &[u8]) -> Result<PlainSlot, SealError> {
        Ok(PlainSlot {
            op_index: self.index,
            kind,
            nonce: self.nonce(kind),
            aad: self.aad(epoch),
            frame: envelope::frame(Kind::Batch, &Payload::raw(plain))?,
        })
    }
}

/// `space ‖ device ‖ u64be dev_ctr`.
fn context(keys: &SpaceKeys, device: DeviceId, dev_ctr: u64) -> Vec<u8> {
    [
        keys.space().as_bytes(),
        device.as_bytes(),
        &dev_ctr.to_be_bytes(),
    ]
    .concat()
}
