//! The server as the client sees it: a seam with one method per request.
//!
//! [`http::HttpRemote`] is the real one; the world test has one without sockets. Invariant: nothing
//! that comes back is trusted; [`crate::log`] and `fst-crypto` check it. Every call may be repeated.

use std::io;
use std::path::PathBuf;

use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ids::{ObjectId, SlotId, SpaceId};
use fst_proto::pin::WrongPin;
use fst_proto::wire::{
    AccountEntries, AppendAccount, Changes, Commit, Conflict, CreateAccount, CreateSpace, Join,
    Receipt, ServerInfo, SlotReply, Spaces,
};

pub mod http;
mod manners;
pub mod throttle;
pub mod tls;

/// Requests of a client. Calls block; every one is idempotent.
///
/// After an error other than [`RemoteError::Refused`] it is unknown whether the server acted.
pub trait Remote: Send + Sync + std::fmt::Debug {
    /// Who answers.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn server_info(&self) -> Result<ServerInfo, RemoteError>;
    /// Creates the account with its first device.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn create_account(&self, request: &CreateAccount) -> Result<(), RemoteError>;
    /// Reads an invitation or recovery slot.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn slot(&self, slot: SlotId) -> Result<SlotReply, RemoteError>;
    /// Adds this device by a slot.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn join(&self, slot: SlotId, request: &Join) -> Result<(), RemoteError>;
    /// Own account chain from `since` on.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn account_entries(&self, since: u64) -> Result<AccountEntries, RemoteError>;
    /// Appends to the own account chain.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn append_account(&self, request: &AppendAccount) -> Result<(), RemoteError>;
    /// Spaces of the account.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn spaces(&self) -> Result<Spaces, RemoteError>;
    /// Creates a space.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn create_space(&self, request: &CreateSpace) -> Result<Receipt, RemoteError>;
    /// Commits one entry.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn commit(&self, space: SpaceId, commit: &Commit) -> Result<Receipt, RemoteError>;
    /// Entries from `since` on, a page at a time.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn changes(&self, space: SpaceId, since: u64) -> Result<Changes, RemoteError>;
    /// Stores a frame of objects.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn upload(&self, space: SpaceId, frame: Vec<u8>) -> Result<(), RemoteError>;
    /// Which of these objects the server lacks.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn missing(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError>;
    /// A frame with the first of these objects that fit into a page.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn objects(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<u8>, RemoteError>;
    /// Hands a sealed note to the space's other devices that listen now. It may be lost; whoever has no way to pass it on
    /// loses it.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn tell(&self, _space: SpaceId, _note: &[u8]) -> Result<(), RemoteError> {
        Ok(())
    }
}

/// The server refused or could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No answer.
    #[error("no answer from {url}")]
    Unreachable {
        /// Server address.
        url: String,
        /// What the transport said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another key than the pinned one answers; nothing was sent to it.
    #[error("{url} is not the pinned server")]
    WrongPin {
        /// Server address.
        url: String,
        /// Both keys.
        #[source]
        source: WrongPin,
    },
    /// The certificate is not good; nothing was sent.
    #[error("{url} does not prove to be the server")]
    Untrusted {
        /// Server address.
        url: String,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// Without TLS, where that is not allowed; nothing was sent.
    #[error("{why}")]
    PlainHttp {
        /// What speaks against it.
        why: String,
    },
    /// No address.
    #[error("{0:?} is not an address: it begins with https:// or http://")]
    BadUrl(String),
    /// The file of further roots.
    #[error("read the certificates in {}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Something answers that is no server of ours.
    #[error("{url} does not speak our protocol")]
    NotAServer {
        /// Server address.
        url: String,
    },
    /// The server said no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The answer cannot be read.
    #[error("the answer to {what} is malformed")]
    Malformed {
        /// Request concerned.
        what: &'static str,
    },
}

impl RemoteError {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unreachable { .. } => ErrorCode::Unreachable,
            Self::WrongPin { .. } => ErrorCode::WrongPin,
            Self::Untrusted { .. } => ErrorCode::Untrusted,
            Self::PlainHttp { .. } => ErrorCode::InsecureHttp,
            Self::BadUrl(_) => ErrorCode::Usage,
            Self::Roots { .. } => ErrorCode::BadConfig,
            Self::NotAServer { .. } => ErrorCode::NotAServer,
            Self::Refused(problem) => problem.error_code().unwrap_or(ErrorCode::ServerFailed),
            Self::Malformed { .. } => ErrorCode::Malformed,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NotAServer { .. } | Self::Malformed { .. } => true,
            // A network that puts itself between goes away again; the certificate may be renewed.
            Self::WrongPin { .. } | Self::Untrusted { .. } => true,
            Self::PlainHttp { .. } | Self::BadUrl(_) | Self::Roots { .. } => false,
            Self::Refused(problem) => {
                // Who is barred is let in again without anybody acting on this device.
                let is_barred = matches!(
                    problem.error_code(),
                    Some(ErrorCode::AccountDisabled | ErrorCode::DeviceBarred)
                );
                let is_passing = problem.status >= 500 || problem.status == 429;
                is_passing || is_barred || problem.conflict.is_some()
            },
        }
    }

    /// Why a commit was refused on its merits.
    #[must_use]
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Refused(problem) => problem.conflict.as_ref(),
            Self::Unreachable { .. }
            | Self::WrongPin { .. }
            | Self::Untrusted { .. }
            | Self::PlainHttp { .. }
            | Self::BadUrl(_)
            | Self::Roots { .. }
            | Self::NotAServer { .. }
            | Self::Malformed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_barred_tries_again_and_who_is_revoked_does_not() {
        let is_tried = |code| RemoteError::Refused(Box::new(Problem::new(code, ""))).is_retryable();
        assert!(is_tried(ErrorCode::AccountDisabled));
        assert!(is_tried(ErrorCode::DeviceBarred));
        assert!(!is_tried(ErrorCode::Unauthorized));
    }
}
