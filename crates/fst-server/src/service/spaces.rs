//! Reading logs: lists of spaces, pages of changes with waiting, old heads.
//!
//! Invariant: a caller sees spaces of its own account only; what it may not see does not exist for it.
//! Not here: commits ([`super::commit`]), event streams ([`crate::http`]).
//! Source: docs/design/wire.md; long-poll limit: `fst_proto::limits`.

use std::time::Duration;

use fst_proto::ids::SpaceId;
use fst_proto::limits;
use fst_proto::wire::{Changes, Entry, Receipt, Spaces};
use fst_store::cache::Topic;
use fst_store::meta::{Page, PageLimit, Payload, StoredEntry};

use super::{Caller, Served, Service};
use crate::refusal::Refusal;

/// A page of changes and what metrics want to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedChanges {
    /// The page.
    pub changes: Changes,
    /// Files whose contents it carries.
    pub n_files: u64,
}

impl Service {
    /// Spaces of the caller's account.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn spaces(&self, caller: Caller) -> Served<Spaces> {
        Ok(Spaces {
            spaces: self.parts.meta.spaces(caller.account).await?,
        })
    }

    /// Entries from position `since` on; waits for the first one at most `wait`, capped.
    ///
    /// Waiting needs a tokio runtime with time; a zero wait needs none.
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's.
    pub async fn changes(
        &self,
        caller: Caller,
        space: SpaceId,
        since: u64,
        wait: Duration,
    ) -> Served<Changes> {
        Ok(self
            .served_changes(caller, space, since, wait)
            .await?
            .changes)
    }

    /// Like [`Service::changes`], with facts for metrics.
    ///
    /// # Errors
    /// As [`Service::changes`].
    pub async fn served_changes(
        &self,
        caller: Caller,
        space: SpaceId,
        since: u64,
        wait: Duration,
    ) -> Served<ServedChanges> {
        self.check_member(caller, space).await?;
        if wait.is_zero() {
            return self
                .serve_page(space, self.read_page(space, since).await?)
                .await;
        }
        // Subscribed before reading, so that a commit in between is not missed.
        let mut hints = self.subscribe(&[Topic::Space(space)]).await?;
        let mut page = self.read_page(space, since).await?;
        if page.entries.is_empty() && page.head.size <= since {
            let cap = Duration::from_secs(limits::LONG_POLL_SECONDS_MAX);
            let woken = tokio::time::timeout(wait.min(cap), hints.next()).await;
            if woken.is_ok() {
                // Much may have happened to the caller during the wait.
                self.check_device(caller).await?;
                page = self.read_page(space, since).await?;
            }
        }
        self.serve_page(space, page).await
    }

    /// The head that the log had at `size`; its time is that of its last entry.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's or has not been that long.
    pub async fn head_at(&self, caller: Caller, space: SpaceId, size: u64) -> Served<Receipt> {
        self.check_member(caller, space).await?;
        let head = self.parts.meta.head_at(space, size).await?;
        let (head, time) = head.ok_or(Refusal::NotFound("the log has not been that long"))?;
        Ok(self.receipt(space, head, time))
    }

    /// Size of a log.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the space is not the caller's.
    pub async fn size_of(&self, caller: Caller, space: SpaceId) -> Served<u64> {
        self.check_member(caller, space).await?;
        let limit = PageLimit {
            entries: 0,
            bytes: 0,
        };
        Ok(self.parts.meta.changes(space, 0, limit).await?.head.size)
    }

    /// Checks that the caller may read and write a space.
    pub(super) async fn check_member(&self, caller: Caller, space: SpaceId) -> Served<()> {
        match self.parts.meta.space_owner(space).await? {
            Some(owner) if owner == caller.account => Ok(()),
            Some(_) | None => Err(Refusal::NotFound("no such space")),
        }
    }

    async fn read_page(&self, space: SpaceId, since: u64) -> Served<Page> {
        let limit = PageLimit {
            entries: limits::PAGE_ENTRIES_MAX,
            bytes: limits::PAGE_BYTES_TARGET,
        };
        Ok(self.parts.meta.changes(space, since, limit).await?)
    }

    async fn serve_page(&self, space: SpaceId, page: Page) -> Served<ServedChanges> {
        let n_files = page.entries.iter().map(|entry| entry.n_files).sum();
        let mut entries = Vec::with_capacity(page.entries.len());
        for stored in page.entries {
            entries.push(self.serve_entry(stored).await?);
        }
        let receipt = self.receipt(space, page.head, page.time);
        Ok(ServedChanges {
            changes: Changes { receipt, entries },
            n_files,
        })
    }

    async fn serve_entry(&self, stored: StoredEntry) -> Served<Entry> {
        let payload = match stored.payload {
            Payload::Inline(bytes) => bytes,
            Payload::Pack { key, offset, len } => {
                self.parts.blobs.get_range(key, offset, len).await?.to_vec()
            },
        };
        Ok(Entry {
            header: stored.header,
            sig: stored.sig,
            time_ms: stored.time.0,
            payload: Some(payload),
        })
    }
}
