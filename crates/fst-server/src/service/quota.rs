//! What an account keeps and may keep, as the administrator asks for it.
//!
//! Invariant: a quota deletes nothing; who is over it is served everything that needs no more room. Not here: where it is
//! counted and refused (`fst_store::meta::Quota`). Source: docs/adr/0049-quotas-and-audit.md.

use fst_proto::ids::AccountId;
use fst_store::meta::{Quota, Subject, Usage};

use super::{Served, Service};

/// What an account keeps and may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What it keeps.
    pub usage: Usage,
    /// What holds for it.
    pub quota: Quota,
    /// Whether that is its own, and not the default of the server.
    pub is_own: bool,
}

impl Service {
    /// What an account keeps and may keep.
    ///
    /// # Errors
    /// [`crate::refusal::Refusal::NotFound`] when there is no such account; [`crate::refusal::Refusal::Storage`].
    pub async fn room(&self, account: AccountId) -> Served<Room> {
        self.check_known(Subject::Account(account)).await?;
        let own = self.parts.meta.quota(account).await?;
        Ok(Room {
            usage: self.parts.meta.usage(account).await?,
            quota: own.unwrap_or(self.bounds.quota),
            is_own: own.is_some(),
        })
    }

    /// Gives an account a quota of its own, or the default of the server again; returns what was before.
    ///
    /// # Errors
    /// As [`Service::room`].
    pub async fn set_quota(&self, account: AccountId, quota: Option<Quota>) -> Served<Room> {
        let before = self.room(account).await?;
        let now = self.clock().now();
        self.parts.meta.set_quota(account, quota, now).await?;
        Ok(before)
    }
}
