//! Quotas, as the administrator asks for them on the database beside a running server.
//!
//! Called by the `fst-server` command. Invariant: a running server counts by the new quota from its next request on; nothing
//! is deleted. Not here: what is counted ([`crate::service::Service::room`]). Source: docs/adr/0049-quotas-and-audit.md.

use fst_proto::ids::AccountId;

use crate::config::{Options, Quota};
use crate::run::RunError;
use crate::service::Room;
use crate::stores;

/// What is asked for; a part that is not named stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To see it.
    Show,
    /// These bounds; the outer `None` keeps what holds, the inner one is no bound.
    Set {
        /// Bytes.
        bytes: Option<Option<u64>>,
        /// Files.
        files: Option<Option<u64>>,
    },
    /// What the settings of the server say.
    Default,
}

/// Does it and returns what holds then.
///
/// # Errors
/// [`RunError::Refused`] when there is no such account.
pub async fn quota(options: &Options, account: AccountId, wish: Wish) -> Result<Room, RunError> {
    let service = stores::open_meta_only(options).await?;
    let room = service.room(account).await.map_err(RunError::Refused)?;
    let wanted = match wish {
        Wish::Show => return Ok(room),
        Wish::Default => None,
        Wish::Set { bytes, files } => Some(Quota {
            bytes: bytes.unwrap_or(room.quota.bytes),
            files: files.unwrap_or(room.quota.files),
        }),
    };
    let set = service.set_quota(account, wanted).await;
    set.map_err(RunError::Refused)?;
    service.room(account).await.map_err(RunError::Refused)
}
