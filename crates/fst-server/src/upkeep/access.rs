//! Accounts, devices and garbage, as the administrator asks for them on the database beside a running server.
//!
//! Called by the `fst-server` command. Invariant: no command needs the server to stop, and none reads what devices
//! sealed. Not here: what the answers mean ([`crate::service::Service`]). Source: docs/adr/0039-barring.md.

use fst_proto::ids::AccountId;
use fst_store::meta::{Outcome, Subject};

use super::{BackupError, Hold};
use crate::config::Options;
use crate::run::RunError;
use crate::service::{AccountRow, DeviceRow, Pruned};
use crate::stores;

/// What is done to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is not served any more.
    Bar,
    /// It is served again.
    Admit,
}

/// All accounts.
///
/// # Errors
/// [`RunError`].
pub async fn accounts(options: &Options) -> Result<Vec<AccountRow>, RunError> {
    let service = stores::open_meta_only(options).await?;
    service.account_rows().await.map_err(RunError::Refused)
}

/// Devices of one account, or of all.
///
/// # Errors
/// [`RunError::Refused`] when there is no such account.
pub async fn devices(
    options: &Options,
    only: Option<AccountId>,
) -> Result<Vec<DeviceRow>, RunError> {
    let service = stores::open_meta_only(options).await?;
    service.device_rows(only).await.map_err(RunError::Refused)
}

/// Bars an account or device, or lets it in again.
///
/// # Errors
/// [`RunError::Refused`] when there is none.
pub async fn change(
    options: &Options,
    subject: Subject,
    change: Change,
) -> Result<Outcome, RunError> {
    let service = stores::open_meta_only(options).await?;
    let done = match change {
        Change::Bar => service.bar(subject).await,
        Change::Admit => service.unbar(subject).await,
    };
    done.map_err(RunError::Refused)
}

/// What [`gc`] would free if no upload were leased; deletes nothing.
///
/// # Errors
/// [`RunError`].
pub async fn garbage(options: &Options) -> Result<Pruned, RunError> {
    let service = stores::open_beside(options).await?;
    service.prunable().await.map_err(RunError::Refused)
}

/// Prunes all spaces, as the server does hour by hour.
///
/// # Errors
/// [`RunError`]; while a backup or check reads blobs, or another worker prunes, nothing is deleted.
pub async fn gc(options: &Options) -> Result<Pruned, RunError> {
    let service = stores::open_beside(options).await?;
    let busy = |_| RunError::Backup(BackupError::Busy(options.data.clone()));
    let _alone = Hold::to_delete(&options.data).map_err(busy)?;
    let _lead = service
        .lead("prune")
        .await?
        .ok_or(RunError::NotAlone("it prunes already"))?;
    service.prune().await.map_err(RunError::Refused)
}
