//! Commits: checks who wrote an entry, makes its bytes durable, then its metadata, then answers.
//!
//! Invariant: nothing is stored that is not signed by a device that its account's chain allows; a receipt
//! is given only for what survives a crash; the same entry again gets the same receipt.
//! Not here: order, revisions and names (`fst_store::rules`). Source: docs/design/crypto-format.md §3.2–4.1.

use bytes::Bytes;
use fst_proto::control::Control;
use fst_proto::frame;
use fst_proto::hash::is_signed_by;
use fst_proto::ids::{Hash32, SpaceId};
use fst_proto::limits;
use fst_proto::log::{self, EntryKind, Header};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;
use fst_proto::wire::{self, Commit, CreateSpace, Receipt};
use fst_store::blob::BlobKey;
use fst_store::cache::{Hint, Topic};
use fst_store::error::{StoreError, StoreResult};
use fst_store::meta::{
    CommitTx, Committed, CreateSpaceTx, Outcome, PAYLOAD_INLINE_MAX, PackItem, PackTx, Payload,
};

use super::{Caller, Served, Service, payload};
use crate::refusal::Refusal;
use crate::seams;

/// A committed entry and whether this call did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) receipt: Receipt,
    pub(super) outcome: Outcome,
}

/// A commit whose blob is durable.
struct Staged {
    tx: CommitTx,
    blob: Option<BlobKey>,
}

impl Service {
    /// Creates a space owned by the caller's account, with its genesis entry.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]; `Conflict::Exists` when the space or its tag is taken.
    pub async fn create_space(&self, caller: Caller, request: CreateSpace) -> Served<Receipt> {
        Ok(self.create_space_with_outcome(caller, request).await?.0)
    }

    /// Like [`Service::create_space`]; also tells whether this call did it.
    ///
    /// # Errors
    /// As [`Service::create_space`].
    pub async fn create_space_with_outcome(
        &self,
        caller: Caller,
        request: CreateSpace,
    ) -> Served<(Receipt, Outcome)> {
        let header = log::decode_header(&request.commit.header)?;
        let space = header.space;
        check_genesis(caller, &header, &request.commit)?;
        self.check_author(caller, space, &header, &request.commit)
            .await?;
        let staged = self.stage(caller, header, request.commit).await?;
        let tx = CreateSpaceTx {
            account: caller.account,
            tag: request.tag,
            commit: staged.tx,
        };
        let made = self.parts.meta.create_space(tx).await;
        let answer = self.finish(space, staged.blob, made).await?;
        if answer.outcome == Outcome::New {
            let hint = Hint {
                topic: Topic::Account(caller.account),
                size: 0,
            };
            self.publish(hint).await;
        }
        Ok((answer.receipt, answer.outcome))
    }

    /// Commits one entry. The same entry again gets the same receipt.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's; [`Refusal::Malformed`] when header,
    /// signature or payload are wrong; [`Refusal::Conflict`] when the state of the log forbids it.
    pub async fn commit(&self, caller: Caller, space: SpaceId, commit: Commit) -> Served<Receipt> {
        Ok(self.commit_with_outcome(caller, space, commit).await?.0)
    }

    /// Like [`Service::commit`]; also tells whether this call did it.
    ///
    /// # Errors
    /// As [`Service::commit`].
    pub async fn commit_with_outcome(
        &self,
        caller: Caller,
        space: SpaceId,
        commit: Commit,
    ) -> Served<(Receipt, Outcome)> {
        self.check_member(caller, space).await?;
        let header = log::decode_header(&commit.header)?;
        if header.kind == EntryKind::Control {
            check_control(&commit)?;
        }
        self.check_author(caller, space, &header, &commit).await?;
        let staged = self.stage(caller, header, commit).await?;
        let made = self.parts.meta.commit(staged.tx).await;
        let answer = self.finish(space, staged.blob, made).await?;
        Ok((answer.receipt, answer.outcome))
    }

    /// Signs a promise for a head.
    pub(super) fn receipt(&self, space: SpaceId, head: Head, time: UnixMillis) -> Receipt {
        let sig = self.keys.sign(&log::receipt_message(space, &head, time.0));
        Receipt {
            head,
            time_ms: time.0,
            sig,
        }
    }

    async fn check_author(
        &self,
        caller: Caller,
        space: SpaceId,
        header: &Header,
        commit: &Commit,
    ) -> Served<()> {
        let is_own = header.device == caller.device && header.account == caller.account;
        if header.space != space || !is_own {
            return Err(Refusal::malformed(
                "the header names another space, account or device",
            ));
        }
        let chain = self.chain(caller.account).await?;
        // The header may name a shorter chain than today's, but its device must still be trusted today.
        if chain.device_key_at(caller.device, chain.len).is_none() {
            return Err(Refusal::Unauthorized(
                "the device is not part of the account",
            ));
        }
        let last = header
            .account_len
            .checked_sub(1)
            .and_then(|last| usize::try_from(last).ok());
        let known: Option<&Hash32> = last.and_then(|last| chain.hashes.get(last));
        if known != Some(&header.account_hash) {
            return Err(Refusal::malformed(
                "the header names an unknown account chain",
            ));
        }
        let key = chain.device_key_at(caller.device, header.account_len);
        let key =
            key.ok_or_else(|| Refusal::malformed("the device was not valid at that chain"))?;
        if !is_signed_by(&key, &log::entry_message(&commit.header), &commit.sig) {
            return Err(Refusal::malformed("the signature of the header is wrong"));
        }
        payload::check(header, &commit.payload)
    }

    /// Makes the large parts durable: objects and a large payload share one blob.
    async fn stage(&self, caller: Caller, header: Header, commit: Commit) -> Served<Staged> {
        let now = self.clock().now();
        let (items, mut blob) = self.new_objects(header.space, commit.objects).await?;
        let is_inline = commit.payload.len() <= PAYLOAD_INLINE_MAX;
        let key = BlobKey(seams::bytes(self.random()));
        let objects_len = blob.len() as u64;
        let payload_len = commit.payload.len() as u64;
        let payload = if is_inline {
            Payload::Inline(commit.payload)
        } else {
            blob.extend_from_slice(&commit.payload);
            Payload::Pack {
                key,
                offset: objects_len,
                len: payload_len,
            }
        };
        let bytes = blob.len() as u64;
        let pack = (!items.is_empty()).then_some(PackTx {
            space: header.space,
            key,
            bytes,
            uploader: caller.device,
            now,
            items,
            bounds: self.bounds,
        });
        if bytes > 0 {
            self.parts.blobs.put(key, Bytes::from(blob)).await?;
        }
        let (header_bytes, sig) = (commit.header, commit.sig);
        let tx = CommitTx {
            header,
            header_bytes,
            sig,
            payload,
            pack,
            bounds: self.bounds,
            now,
        };
        Ok(Staged {
            tx,
            blob: (bytes > 0).then_some(key),
        })
    }

    /// Items and frame of objects that came with an entry; nothing when all are there already.
    async fn new_objects(
        &self,
        space: SpaceId,
        objects: Vec<u8>,
    ) -> Served<(Vec<PackItem>, Vec<u8>)> {
        let items = pack_items(&objects)?;
        let ids = items.iter().map(|item| item.id).collect();
        let missing = self.parts.meta.missing_objects(space, ids).await?;
        Ok(if missing.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            (items, objects)
        })
    }

    async fn finish(
        &self,
        space: SpaceId,
        blob: Option<BlobKey>,
        made: StoreResult<Committed>,
    ) -> Served<Answer> {
        let is_unused = match &made {
            Ok(committed) => committed.outcome == Outcome::Repeated,
            // Only a refusal says for sure that nothing refers to the blob.
            Err(error) => error.refused().is_some(),
        };
        if let Some(key) = blob.filter(|_| is_unused) {
            self.discard(key).await;
        }
        let committed = made?;
        let size = committed.head.size;
        if committed.outcome == Outcome::New {
            self.publish(Hint {
                topic: Topic::Space(space),
                size,
            })
            .await;
        }
        let receipt = self.receipt(space, committed.head, committed.time);
        Ok(Answer {
            receipt,
            outcome: committed.outcome,
        })
    }

    /// Removes a blob that nothing refers to; what stays is unused space, not damage.
    pub(super) async fn discard(&self, key: BlobKey) {
        let removed: Result<(), StoreError> = self.parts.blobs.delete(key).await;
        if let Err(error) = removed {
            tracing::warn!(%error, "an unused blob stays");
        }
    }
}

/// Reads an upload frame into pack items; the first of equal ids counts.
pub(super) fn pack_items(objects: &[u8]) -> Served<Vec<PackItem>> {
    let parsed = frame::parse(objects)?;
    let limit = limits::FRAME_OBJECTS_MAX;
    if parsed.len() > limit {
        return Err(Refusal::TooLarge {
            what: "object frame",
            limit,
        });
    }
    let item = |item: &frame::Item<'_>| PackItem {
        id: item.id,
        offset: item.offset as u64,
        len: item.envelope.len() as u64,
    };
    Ok(parsed.iter().map(item).collect())
}

/// A control entry after the first changes how long versions are kept or what nobody syncs, within bounds, and nothing else.
fn check_control(commit: &Commit) -> Served<()> {
    let is_acceptable = match wire::from_canonical(&commit.payload)? {
        Control::Genesis(_) => false,
        Control::Retention(retention) => retention.is_acceptable(),
        Control::Pin(_) => true,
        Control::Ignore(policy) => policy.is_acceptable(),
    };
    if is_acceptable && commit.objects.is_empty() {
        Ok(())
    } else {
        Err(Refusal::malformed("this control entry is not acceptable"))
    }
}

fn check_genesis(caller: Caller, header: &Header, commit: &Commit) -> Served<()> {
    let is_first = header.kind == EntryKind::Control
        && header.dev_ctr == 1
        && header.dev_prev == Hash32::ZERO
        && header.seen == Head::empty()
        && (header.epoch, header.generation) == (1, 1);
    let Control::Genesis(genesis) = wire::from_canonical(&commit.payload)? else {
        return Err(Refusal::malformed("a space begins with its genesis"));
    };
    let is_own = genesis.owner == caller.account && genesis.space == header.space;
    if is_first && is_own && commit.objects.is_empty() {
        Ok(())
    } else {
        Err(Refusal::malformed(
            "this entry does not begin a space of the caller",
        ))
    }
}
