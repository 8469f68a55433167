//! What can go wrong in a store: refusals that the caller can act on, and failures of the backend.
//!
//! Raised by every backend, mapped to problem documents by `fst-server`. Invariant: after a refusal
//! nothing has changed; after [`StoreError::Backend`] the outcome is unknown and the same request may be
//! sent again. Not here: texts for users. Source: docs/design/wire.md.

use fst_proto::wire::Conflict;

use crate::meta::Counted;

/// Cause of a backend failure, whatever library reported it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a transaction was refused; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The state moved on, or the request does not fit it.
    #[error("conflict: {0:?}")]
    Conflict(Conflict),
    /// The set-up code is unknown, used or expired.
    #[error("set-up code is not valid")]
    SetupCode,
    /// The slot is unknown, used or expired.
    #[error("slot is not valid")]
    Slot,
    /// There is no such account.
    #[error("no such account")]
    NoAccount,
    /// There is no such space.
    #[error("no such space")]
    NoSpace,
    /// The account has no room for it.
    #[error("the quota of the account is used up: {used} and {adds} more of {limit}")]
    Quota {
        /// What is counted.
        counted: Counted,
        /// What the account keeps.
        used: u64,
        /// What would come.
        adds: u64,
        /// What it may keep.
        limit: u64,
    },
}

/// A method of a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Refused on its merits.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The blob is not there.
    #[error("no such blob")]
    NoBlob,
    /// The range does not lie inside the blob.
    #[error("range lies outside the blob")]
    Range,
    /// More than the backend takes.
    #[error("larger than the store takes")]
    TooLarge,
    /// The backend was stopped.
    #[error("the store is closed")]
    Closed,
    /// Something stored does not have the shape it was written with.
    #[error("stored {what} is damaged")]
    Damaged {
        /// What it is.
        what: &'static str,
    },
    /// The backend failed; whether the change happened is unknown.
    #[error("{what}")]
    Backend {
        /// What was tried.
        what: &'static str,
        /// Cause.
        #[source]
        source: Cause,
    },
}

impl StoreError {
    /// A backend failure while doing `what`; fits `map_err`.
    pub fn backend<E: Into<Cause>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Backend {
            what,
            source: source.into(),
        }
    }

    /// True when the cause is a disk without room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let Self::Backend { source, .. } = self else {
            return false;
        };
        let of_system = source.downcast_ref::<std::io::Error>();
        let of_database = source.downcast_ref::<rusqlite::Error>();
        of_system.is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
            || of_database.is_some_and(|error| {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            })
    }

    /// The refusal inside, if it is one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            Self::NoBlob
            | Self::Range
            | Self::TooLarge
            | Self::Closed
            | Self::Damaged { .. }
            | Self::Backend { .. } => None,
        }
    }
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        Self::Refused(Refused::Conflict(conflict))
    }
}

/// Result of a store.
pub type StoreResult<T> = Result<T, StoreError>;
