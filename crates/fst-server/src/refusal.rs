//! Why the server did not do what was asked.
//!
//! Returned by [`crate::service::Service`], rendered by [`crate::http`] as a problem document. Invariant:
//! texts name ids and limits only, never tokens, codes or causes inside the server.
//! Not here: the catalogue of codes (`fst_proto::error`).

use fst_proto::account::BadChain;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::frame::BadFrame;
use fst_proto::ids::NodeId;
use fst_proto::log::BadHeader;
use fst_proto::wire::{Conflict, NotCanonical};
use fst_store::error::{Refused, StoreError};
use fst_store::meta::Counted;

/// A request that was not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No valid token, or the device is not accepted.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The administrator disabled the account.
    #[error("the administrator disabled this account; nothing is deleted")]
    Disabled,
    /// The administrator bars the device.
    #[error("the administrator bars this device; nothing is deleted")]
    Barred,
    /// A client key came over the wire; it is not a secret any more.
    #[error("client_key_on_wire: a client key must never be sent to a server; revoke it")]
    ClientKeyOnWire,
    /// The set-up code is unknown, used or expired.
    #[error("the set-up code is unknown, used or expired")]
    SetupCode,
    /// The slot is unknown, used or expired.
    #[error("the invitation is unknown, used or expired")]
    Slot,
    /// Nothing there, or not for this caller.
    #[error("{0}")]
    NotFound(&'static str),
    /// The route has no such method.
    #[error("this route has no such method")]
    NoSuchMethod,
    /// The request does not have the shape that it must have.
    #[error("{0}")]
    Malformed(String),
    /// Above a limit.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The state moved on.
    #[error("refused by the state of the log or account")]
    Conflict(Conflict),
    /// The account has no room for it.
    #[error("the account keeps {used} {what} and may keep {limit}; this needs {adds} more")]
    Quota {
        /// Bytes or files.
        what: &'static str,
        /// What it keeps.
        used: u64,
        /// What would come.
        adds: u64,
        /// What it may keep.
        limit: u64,
    },
    /// Files that are larger than the server allows.
    #[error("the server keeps files of up to {limit} bytes; larger ones of this entry: {}", nodes.len())]
    FileTooLarge {
        /// Their nodes.
        nodes: Vec<NodeId>,
        /// Most stored bytes of one.
        limit: u64,
    },
    /// Too often.
    #[error("too many requests")]
    RateLimited {
        /// Milliseconds to wait.
        retry_ms: u64,
    },
    /// A path of an end-to-end encrypted space.
    #[error(
        "e2e_space_requires_client: no server-readable space matches; names of encrypted spaces are unknown to \
         the server, so the path was not looked up and no content was stored"
    )]
    NeedsClient,
    /// The asked range lies outside the object.
    #[error("the range lies outside the object of {len} bytes")]
    Range {
        /// Length of the object.
        len: u64,
    },
    /// The body did not arrive in time.
    #[error("the request body did not arrive in time")]
    SlowBody,
    /// The server stops.
    #[error("the server is stopping")]
    Stopping,
    /// Another worker took the database that this one needs for itself.
    #[error("another worker uses the database of this one")]
    NotAlone,
    /// A blob that the database names is gone, or cut short.
    #[error("the server's storage lacks data that it acknowledged")]
    Lost(#[source] StoreError),
    /// A store failed; the outcome is unknown.
    #[error("the server's storage failed")]
    Storage(#[source] StoreError),
}

impl Refusal {
    /// A malformed request.
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }

    /// The code in the catalogue.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unauthorized(_) | Self::ClientKeyOnWire => ErrorCode::Unauthorized,
            Self::Disabled => ErrorCode::AccountDisabled,
            Self::Barred => ErrorCode::DeviceBarred,
            Self::SetupCode => ErrorCode::BadSetupCode,
            Self::Slot => ErrorCode::BadJoin,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Malformed(_) | Self::NoSuchMethod | Self::Range { .. } | Self::SlowBody => {
                ErrorCode::Malformed
            },
            Self::TooLarge { .. } | Self::FileTooLarge { .. } => ErrorCode::TooLarge,
            Self::Quota { .. } => ErrorCode::QuotaExceeded,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::NeedsClient => ErrorCode::NeedsClient,
            Self::Stopping | Self::NotAlone => ErrorCode::Stopping,
            Self::Lost(_) => ErrorCode::DataLost,
            Self::Storage(_) => ErrorCode::ServerFailed,
        }
    }

    /// HTTP status; the code's, except where HTTP has a more exact one.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Range { .. } => 416,
            Self::SlowBody => 408,
            Self::NoSuchMethod => 405,
            Self::Unauthorized(_)
            | Self::ClientKeyOnWire
            | Self::Disabled
            | Self::Barred
            | Self::SetupCode
            | Self::Slot
            | Self::NotFound(_)
            | Self::Malformed(_)
            | Self::TooLarge { .. }
            | Self::Quota { .. }
            | Self::FileTooLarge { .. }
            | Self::Conflict(_)
            | Self::RateLimited { .. }
            | Self::NeedsClient
            | Self::Stopping
            | Self::NotAlone
            | Self::Lost(_)
            | Self::Storage(_) => self.code().http_status(),
        }
    }

    /// The problem document.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::new(self.code(), self.to_string());
        problem.status = self.http_status();
        if let Self::Conflict(conflict) = self {
            problem.conflict = Some(conflict.clone());
        }
        if let Self::FileTooLarge { nodes, limit } = self {
            let (nodes, limit) = (nodes.clone(), *limit);
            problem.conflict = Some(Conflict::FileTooLarge { nodes, limit });
        }
        problem
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(Refused::Conflict(Conflict::FileTooLarge { nodes, limit })) => {
                Self::FileTooLarge { nodes, limit }
            },
            StoreError::Refused(Refused::Conflict(conflict)) => Self::Conflict(conflict),
            StoreError::Refused(Refused::Quota {
                counted,
                used,
                adds,
                limit,
            }) => Self::Quota {
                what: match counted {
                    Counted::Bytes => "bytes",
                    Counted::Files => "files",
                },
                used,
                adds,
                limit,
            },
            StoreError::Refused(Refused::SetupCode) => Self::SetupCode,
            StoreError::Refused(Refused::Slot) => Self::Slot,
            StoreError::Refused(Refused::NoAccount) => Self::NotFound("no such account"),
            StoreError::Refused(Refused::NoSpace) => Self::NotFound("no such space"),
            lost @ (StoreError::NoBlob | StoreError::Range) => Self::Lost(lost),
            other => Self::Storage(other),
        }
    }
}

impl From<BadHeader> for Refusal {
    fn from(error: BadHeader) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<BadFrame> for Refusal {
    fn from(error: BadFrame) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<NotCanonical> for Refusal {
    fn from(error: NotCanonical) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<BadChain> for Refusal {
    fn from(error: BadChain) -> Self {
        match error {
            // The chain moved on under the author, who reads it again and signs anew.
            BadChain::Link { .. } => Self::Conflict(Conflict::Exists),
            BadChain::Malformed { .. }
            | BadChain::Claim { .. }
            | BadChain::Signer { .. }
            | BadChain::Signature { .. } => Self::Malformed(error.to_string()),
        }
    }
}
