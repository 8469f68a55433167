//! Sealed objects: frames in, frames and ranges out.
//!
//! Invariant: an upload is acknowledged when its pack is durable and its objects are findable; an object
//! that is there already stays as it was. Not here: envelopes are opaque; who references what
//! (`fst_store::rules`). Source: docs/design/crypto-format.md §6.

use bytes::Bytes;
use fst_proto::frame;
use fst_proto::ids::{ObjectId, SpaceId};
use fst_proto::limits;
use fst_proto::wire::ObjectIds;
use fst_store::blob::BlobKey;
use fst_store::error::StoreError;
use fst_store::meta::{Located, PackTx};

use super::{Caller, Served, Service};
use crate::refusal::Refusal;
use crate::seams;

/// Bytes between two wanted envelopes of a pack that are read rather than skipped.
const GAP_MAX: u64 = 64 << 10;

/// A range of bytes as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From an offset to the end, or up to and including another offset.
    From {
        /// First byte.
        first: u64,
        /// Last byte, included.
        last: Option<u64>,
    },
    /// This many bytes at the end.
    Suffix(u64),
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPart {
    /// The bytes.
    pub bytes: Bytes,
    /// Where they begin in the object.
    pub offset: u64,
    /// Length of the whole object.
    pub total: u64,
}

/// Neighbouring envelopes of one pack, read at once.
#[derive(Debug)]
struct Run {
    pack: BlobKey,
    start: u64,
    end: u64,
    items: Vec<Located>,
}

impl Service {
    /// Stores a frame of objects and returns the ids that were new. May be sent again.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's; [`Refusal::Malformed`];
    /// [`Refusal::TooLarge`]; [`Refusal::Quota`].
    pub async fn upload_objects(
        &self,
        caller: Caller,
        space: SpaceId,
        frame: Bytes,
    ) -> Served<ObjectIds> {
        self.check_member(caller, space).await?;
        let items = super::commit::pack_items(&frame)?;
        let ids = items.iter().map(|item| item.id).collect();
        if self
            .parts
            .meta
            .missing_objects(space, ids)
            .await?
            .is_empty()
        {
            return Ok(ObjectIds { ids: Vec::new() });
        }
        let key = BlobKey(seams::bytes(self.random()));
        let pack = PackTx {
            space,
            key,
            bytes: frame.len() as u64,
            uploader: caller.device,
            now: self.clock().now(),
            items,
            bounds: self.bounds,
        };
        self.parts.blobs.put(key, frame).await?;
        let new = self.parts.meta.register_pack(pack).await;
        let is_unused = match &new {
            Ok(new) => new.is_empty(),
            Err(error) => error.refused().is_some(),
        };
        if is_unused {
            self.discard(key).await;
        }
        Ok(ObjectIds { ids: new? })
    }

    /// Those of the asked objects that the server does not have.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's; [`Refusal::TooLarge`].
    pub async fn missing(
        &self,
        caller: Caller,
        space: SpaceId,
        asked: ObjectIds,
    ) -> Served<ObjectIds> {
        self.check_member(caller, space).await?;
        check_count(&asked)?;
        Ok(ObjectIds {
            ids: self.parts.meta.missing_objects(space, asked.ids).await?,
        })
    }

    /// A frame of the asked objects in the order asked, as many as fit one page, at least one.
    ///
    /// Objects that the server does not have are left out. A caller asks again for what did not come; when
    /// nothing of that comes, it is not there.
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's; [`Refusal::TooLarge`]; [`Refusal::Lost`].
    pub async fn get_objects(
        &self,
        caller: Caller,
        space: SpaceId,
        asked: ObjectIds,
    ) -> Served<Bytes> {
        self.check_member(caller, space).await?;
        check_count(&asked)?;
        let located = self.parts.meta.locate_objects(space, asked.ids).await?;
        let mut out = Vec::new();
        for run in plan_runs(&fit_page(located)) {
            let len = run.end - run.start;
            let bytes = match self.parts.blobs.get_range(run.pack, run.start, len).await {
                // Pruned between looking and reading: it is not there, and that is no loss.
                Err(StoreError::NoBlob) if !self.is_wanted(space, &run).await? => continue,
                read => read?,
            };
            for item in &run.items {
                frame::push(&mut out, item.id, cut(&bytes, item, run.start)?)?;
            }
        }
        Ok(Bytes::from(out))
    }

    /// Whether the metadata still names the pack of a run.
    async fn is_wanted(&self, space: SpaceId, run: &Run) -> Served<bool> {
        let ids = run.items.iter().map(|item| item.id).collect();
        let located = self.parts.meta.locate_objects(space, ids).await?;
        Ok(located.iter().any(|item| item.pack == run.pack))
    }

    /// One object or a range of it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when space or object are not there; [`Refusal::Range`].
    pub async fn get_object(
        &self,
        caller: Caller,
        space: SpaceId,
        id: ObjectId,
        range: Option<ByteRange>,
    ) -> Served<ObjectPart> {
        let located = self.locate(caller, space, id).await?;
        let (offset, len) = resolve(range, located.len)?;
        let at = located.offset + offset;
        let bytes = self.parts.blobs.get_range(located.pack, at, len).await?;
        Ok(ObjectPart {
            bytes,
            offset,
            total: located.len,
        })
    }

    /// Length of one object.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when space or object are not there.
    pub async fn object_len(&self, caller: Caller, space: SpaceId, id: ObjectId) -> Served<u64> {
        Ok(self.locate(caller, space, id).await?.len)
    }

    async fn locate(&self, caller: Caller, space: SpaceId, id: ObjectId) -> Served<Located> {
        self.check_member(caller, space).await?;
        let located = self.parts.meta.locate_objects(space, vec![id]).await?;
        located
            .first()
            .copied()
            .ok_or(Refusal::NotFound("no such object"))
    }
}

fn check_count(asked: &ObjectIds) -> Served<()> {
    let limit = limits::IDS_PER_REQUEST_MAX;
    if asked.ids.len() > limit {
        return Err(Refusal::TooLarge {
            what: "number of ids",
            limit,
        });
    }
    Ok(())
}

fn fit_page(mut located: Vec<Located>) -> Vec<Located> {
    let mut left = limits::PAGE_BYTES_TARGET as u64;
    let fitting = located.iter().take_while(|item| {
        let size = item.len + frame::ITEM_HEAD_LEN as u64;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    });
    let n = fitting.count().max(1);
    located.truncate(n);
    located
}

fn plan_runs(located: &[Located]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for item in located {
        let end = item.offset + item.len;
        match runs.last_mut() {
            Some(run)
                if run.pack == item.pack
                    && item.offset >= run.end
                    && item.offset - run.end <= GAP_MAX =>
            {
                run.end = end;
                run.items.push(*item);
            },
            Some(_) | None => {
                let items = vec![*item];
                runs.push(Run {
                    pack: item.pack,
                    start: item.offset,
                    end,
                    items,
                });
            },
        }
    }
    runs
}

fn cut<'a>(run: &'a Bytes, item: &Located, run_start: u64) -> Served<&'a [u8]> {
    let start = usize::try_from(item.offset - run_start).unwrap_or(usize::MAX);
    let len = usize::try_from(item.len).unwrap_or(usize::MAX);
    let part = start.checked_add(len).and_then(|end| run.get(start..end));
    part.ok_or(Refusal::Lost(StoreError::Range))
}

fn resolve(range: Option<ByteRange>, total: u64) -> Served<(u64, u64)> {
    let refused = Refusal::Range { len: total };
    match range {
        None => Ok((0, total)),
        Some(ByteRange::Suffix(0)) => Err(refused),
        Some(ByteRange::Suffix(len)) => Ok((total.saturating_sub(len), len.min(total))),
        Some(ByteRange::From { first, last }) => {
            let last = last.unwrap_or(u64::MAX).min(total.saturating_sub(1));
            if first >= total || last < first {
                return Err(refused);
            }
            Ok((first, last - first + 1))
        },
    }
}
