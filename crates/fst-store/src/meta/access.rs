//! Whom an administrator bars.
//!
//! Used by every backend and by `fst-server`. Invariant: barring deletes nothing and is no part of a signed chain: the
//! server stops serving, no device learns anything else of it. Not here: who may bar, what the barred are told.
//! Source: docs/adr/0039-barring.md.

use fst_proto::ids::{AccountId, DeviceId};

/// Whom an administrator can bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An account with all its devices.
    Account(AccountId),
    /// One device.
    Device(DeviceId),
}

impl Subject {
    /// How databases tell the kinds apart.
    #[must_use]
    pub(super) fn kind(self) -> i16 {
        match self {
            Self::Account(_) => 0,
            Self::Device(_) => 1,
        }
    }

    /// The id.
    #[must_use]
    pub(super) fn id_bytes(&self) -> &[u8] {
        match self {
            Self::Account(account) => account.as_bytes(),
            Self::Device(device) => device.as_bytes(),
        }
    }
}
