//! Whom the administrator bars: an account with all its devices, or one device.
//!
//! Asked on every request, when a device signs in, and by streams at every tick. Invariant: who is barred is refused from
//! the next request on, on every worker; nothing of it is deleted, and it is served again as before when it is let in.
//! Not here: devices that their own account revoked, which its signed chain says ([`super::accounts`]).
//! Source: docs/adr/0039-barring.md.

use fst_proto::ids::{AccountId, DeviceId};
use fst_proto::time::UnixMillis;
use fst_store::meta::{Outcome, Subject};

use super::{Served, Service};
use crate::refusal::Refusal;

/// Accounts read at a time, so that a list of many needs little memory at the store.
const ACCOUNTS_PAGE: usize = 500;

/// An account as an administrator sees it: nothing in it has a readable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: AccountId,
    /// Devices that it has not revoked.
    pub devices: usize,
    /// Spaces that it owns.
    pub spaces: usize,
    /// Since when it is disabled, if it is.
    pub disabled: Option<UnixMillis>,
}

/// A device as an administrator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its account.
    pub account: AccountId,
    /// Whether its account revoked it.
    pub is_revoked: bool,
    /// Since when the administrator bars it, if so.
    pub barred: Option<UnixMillis>,
}

impl Service {
    /// All accounts, in the order of their ids.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn account_rows(&self) -> Served<Vec<AccountRow>> {
        let meta = &self.parts.meta;
        let mut rows = Vec::new();
        for account in self.all_accounts().await? {
            let chain = self.chain(account).await?;
            let devices = chain.devices.values();
            rows.push(AccountRow {
                account,
                devices: devices.filter(|device| device.revoked_at.is_none()).count(),
                spaces: meta.spaces(account).await?.len(),
                disabled: meta.barred_since(Subject::Account(account)).await?,
            });
        }
        Ok(rows)
    }

    /// Devices of one account, or of all.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such account; [`Refusal::Storage`].
    pub async fn device_rows(&self, only: Option<AccountId>) -> Served<Vec<DeviceRow>> {
        let accounts = match only {
            Some(account) => vec![account],
            None => self.all_accounts().await?,
        };
        let mut rows = Vec::new();
        for account in accounts {
            let chain = self.chain(account).await?;
            for (device, state) in &chain.devices {
                let barred = self.parts.meta.barred_since(Subject::Device(*device));
                rows.push(DeviceRow {
                    device: *device,
                    account,
                    is_revoked: state.revoked_at.is_some(),
                    barred: barred.await?,
                });
            }
        }
        Ok(rows)
    }

    /// Bars an account or a device.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none; [`Refusal::Storage`].
    pub async fn bar(&self, subject: Subject) -> Served<Outcome> {
        self.check_known(subject).await?;
        Ok(self.parts.meta.bar(subject, self.clock().now()).await?)
    }

    /// Lets it in again.
    ///
    /// # Errors
    /// As [`Service::bar`].
    pub async fn unbar(&self, subject: Subject) -> Served<Outcome> {
        self.check_known(subject).await?;
        Ok(self.parts.meta.unbar(subject, self.clock().now()).await?)
    }

    /// Refuses a disabled account.
    pub(super) async fn check_enabled(&self, account: AccountId) -> Served<()> {
        let barred = self.parts.meta.barred_since(Subject::Account(account));
        barred.await?.map_or(Ok(()), |_| Err(Refusal::Disabled))
    }

    /// Refuses a barred device.
    pub(super) async fn check_admitted(&self, device: DeviceId) -> Served<()> {
        let barred = self.parts.meta.barred_since(Subject::Device(device));
        barred.await?.map_or(Ok(()), |_| Err(Refusal::Barred))
    }

    pub(super) async fn check_known(&self, subject: Subject) -> Served<()> {
        let is_known = match subject {
            Subject::Account(account) => self.parts.meta.account_len(account).await? > 0,
            Subject::Device(device) => self.parts.meta.device_account(device).await?.is_some(),
        };
        match (is_known, subject) {
            (true, _) => Ok(()),
            (false, Subject::Account(_)) => Err(Refusal::NotFound("no such account")),
            (false, Subject::Device(_)) => Err(Refusal::NotFound("no such device")),
        }
    }

    async fn all_accounts(&self) -> Served<Vec<AccountId>> {
        let mut all: Vec<AccountId> = Vec::new();
        loop {
            let after = all.last().copied();
            let page = self.parts.meta.accounts(after, ACCOUNTS_PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}
