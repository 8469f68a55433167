//! Checks the cleartext structure of payloads: the hashes of their slots are in the signed header.
//!
//! Called before a commit is stored, so that no client ever gets a payload that its header does not cover.
//! Invariant: every byte after the envelope head belongs to exactly one slot. Not here: opening a slot.
//! Source: docs/design/crypto-format.md §3.2.

use fst_proto::hash::sha256;
use fst_proto::ids::Hash32;
use fst_proto::limits;
use fst_proto::log::{EntryKind, Header};

use super::Served;
use crate::refusal::Refusal;

/// Header, salt and commitment of the batch envelope, before its slots. FROZEN v1.
pub(super) const ENVELOPE_HEAD: usize = 8 + 24 + 32;

/// Checks that `payload` is what `header` promises.
pub(crate) fn check(header: &Header, payload: &[u8]) -> Served<()> {
    match header.kind {
        EntryKind::Batch => check_batch(header, payload),
        EntryKind::Control => check_control(header, payload),
    }
}

fn check_control(header: &Header, payload: &[u8]) -> Served<()> {
    let limit = limits::CONTROL_BYTES_MAX;
    if payload.len() > limit {
        return Err(Refusal::TooLarge {
            what: "control payload",
            limit,
        });
    }
    match header.ops.as_slice() {
        [op] if op.meta_hash == Some(sha256(&[payload])) => Ok(()),
        _ => Err(Refusal::malformed(
            "a control entry names the hash of its one payload",
        )),
    }
}

fn check_batch(header: &Header, payload: &[u8]) -> Served<()> {
    let limit = limits::BATCH_BYTES_MAX;
    if payload.len() > limit {
        return Err(Refusal::TooLarge {
            what: "batch payload",
            limit,
        });
    }
    let slots: Vec<Hash32> = header
        .ops
        .iter()
        .flat_map(|op| [op.meta_hash, op.body_hash])
        .flatten()
        .collect();
    let mut rest = payload.get(ENVELOPE_HEAD..).ok_or_else(cut_short)?;
    for hash in &slots {
        let (len, after) = rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
        let len = u32::from_be_bytes(*len) as usize;
        let (slot, after) = after.split_at_checked(len).ok_or_else(cut_short)?;
        if sha256(&[slot]) != *hash {
            return Err(Refusal::malformed(
                "a slot of the payload has another hash than its header says",
            ));
        }
        rest = after;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Refusal::malformed("the payload is too long"))
    }
}

fn cut_short() -> Refusal {
    Refusal::malformed("the payload is cut short")
}
