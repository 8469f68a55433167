//! Prunes what the rules of a space no longer keep: plans from the log in the clear, forgets objects, deletes blobs.
//!
//! Run from time to time by [`mod@crate::run`]. Invariant: an object goes only when no revision references it that the
//! signed rules, a pin or a device's base keeps, and only if the log did not grow since that was found out; metadata
//! first, blobs after. A crash in between leaves unused blobs, not damage. Not here: the rules
//! (`fst_engine::retention`); entries and their payloads, which stay. Source: docs/design/versions.md §4.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::retention::{Held, Ledger};
use fst_proto::control::{Control, Policy, Retention};
use fst_proto::ids::{DeviceId, SpaceId};
use fst_proto::limits;
use fst_proto::log::{self, EntryKind};
use fst_proto::wire;
use fst_store::meta::{ForgetTx, PageLimit, Payload, StoredEntry};

use super::{Served, Service};
use crate::refusal::Refusal;

/// What pruning freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Objects that nothing kept references any more.
    pub objects: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
    /// Blobs deleted.
    pub blobs: u64,
}

/// Whether pruning deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pruning {
    /// It does.
    Delete,
    /// It only tells what nothing keeps.
    Tell,
}

/// What a log says about keeping.
struct Read {
    size: u64,
    ledger: Ledger,
    rules: Retention,
    held: Held,
    seen: BTreeMap<DeviceId, [u64; 2]>,
}

impl Service {
    /// Prunes all spaces, one after the other; a space that fails does not keep others from it.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the spaces cannot be listed.
    pub async fn prune(&self) -> Served<Pruned> {
        let pruned = self.each_space(Pruning::Delete).await?;
        self.tell_pruned(&pruned).await;
        Ok(pruned)
    }

    /// What [`Service::prune`] would free if no upload were leased; deletes nothing.
    ///
    /// # Errors
    /// As [`Service::prune`].
    pub async fn prunable(&self) -> Served<Pruned> {
        self.each_space(Pruning::Tell).await
    }

    async fn each_space(&self, pruning: Pruning) -> Served<Pruned> {
        let mut total = Pruned::default();
        for space in self.parts.meta.all_spaces().await? {
            match self.prune_space(space, pruning).await {
                Ok(pruned) => {
                    total.objects += pruned.objects;
                    total.bytes += pruned.bytes;
                    total.blobs += pruned.blobs;
                },
                Err(error) => tracing::warn!(%space, %error, "a space was not pruned"),
            }
        }
        Ok(total)
    }

    /// Prunes one space; what was forgotten before a failure stays forgotten.
    async fn prune_space(&self, space: SpaceId, pruning: Pruning) -> Served<Pruned> {
        let now = self.clock().now();
        let read = self.read_log(space).await?;
        let held = self.held(space, &read).await?;
        let dead: Vec<_> = read
            .ledger
            .dead(read.rules, &held, now)
            .into_iter()
            .collect();
        let mut pruned = Pruned::default();
        for ids in dead.chunks(limits::IDS_PER_REQUEST_MAX) {
            let stored = self.parts.meta.locate_objects(space, ids.to_vec()).await?;
            let ids: Vec<_> = stored.iter().map(|object| object.id).collect();
            if pruning == Pruning::Tell {
                pruned.objects += stored.len() as u64;
                pruned.bytes += stored.iter().map(|object| object.len).sum::<u64>();
                continue;
            }
            let tx = ForgetTx {
                space,
                size: read.size,
                ids: ids.clone(),
                now,
            };
            // The log grew: what came may reference what the plan gives up. The next run plans anew.
            let Some(packs) = self.parts.meta.forget_objects(tx).await? else {
                break;
            };
            let gone: BTreeSet<_> = self
                .parts
                .meta
                .missing_objects(space, ids)
                .await?
                .into_iter()
                .collect();
            let gone = stored.iter().filter(|object| gone.contains(&object.id));
            for object in gone {
                pruned.objects += 1;
                pruned.bytes += object.len;
            }
            for pack in packs {
                self.discard(pack).await;
                pruned.blobs += 1;
            }
        }
        Ok(pruned)
    }

    async fn read_log(&self, space: SpaceId) -> Served<Read> {
        let mut read = Read {
            size: 0,
            ledger: Ledger::default(),
            rules: Policy::default().retention(),
            held: Held::default(),
            seen: BTreeMap::new(),
        };
        let limit = PageLimit {
            entries: limits::PAGE_ENTRIES_MAX,
            bytes: limits::PAGE_BYTES_TARGET,
        };
        loop {
            let page = self.parts.meta.changes(space, read.size, limit).await?;
            for entry in &page.entries {
                self.follow(&mut read, entry).await?;
            }
            if page.entries.is_empty() || read.size >= page.head.size {
                return Ok(read);
            }
        }
    }

    async fn follow(&self, read: &mut Read, entry: &StoredEntry) -> Served<()> {
        let idx = read.size;
        read.size += 1;
        let header = log::decode_header(&entry.header)?;
        read.seen.insert(header.device, [header.seen.size, idx + 1]);
        for op in &header.ops {
            read.ledger.follow(idx, entry.time.0, op);
        }
        if header.kind == EntryKind::Control {
            let payload = match &entry.payload {
                Payload::Inline(bytes) => bytes.clone(),
                Payload::Pack { key, offset, len } => {
                    let bytes = self.parts.blobs.get_range(*key, *offset, *len).await?;
                    bytes.to_vec()
                },
            };
            match wire::from_canonical(&payload)? {
                Control::Genesis(genesis) => read.rules = genesis.policy.retention(),
                Control::Retention(retention) => read.rules = retention,
                Control::Pin(pin) if pin.is_pinned => {
                    read.held.pins.insert((pin.node, pin.rev));
                },
                Control::Pin(pin) => {
                    read.held.pins.remove(&(pin.node, pin.rev));
                },
                // Sealed, and no matter of versions.
                Control::Ignore(_) => {},
            }
        }
        Ok(())
    }

    /// Pins, and the bases of devices that are not revoked: what each had seen when it wrote last, and what it wrote.
    async fn held(&self, space: SpaceId, read: &Read) -> Served<Held> {
        let owner = self.parts.meta.space_owner(space).await?;
        let owner = owner.ok_or(Refusal::NotFound("no such space"))?;
        let chain = self.chain(owner).await?;
        let is_live = |device: &DeviceId| chain.device_key_at(*device, chain.len).is_some();
        let positions = read.seen.iter().filter(|(device, _)| is_live(device));
        Ok(Held {
            positions: positions.flat_map(|(_, sizes)| *sizes).collect(),
            ..read.held.clone()
        })
    }
}
