//! Errors of the client's public face: a stable code, what happened, and the cause.
//!
//! [`ClientError`] is what commands report; [`FolderError`] is what stops one folder's cycle. Lower layers
//! have enums of their own and are kept as sources.

use fst_fs::vault::VaultError;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ids::ObjectId;

use crate::db::DbError;
use crate::log::LogFault;
use crate::remote::RemoteError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A command of the library failed.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct ClientError {
    code: ErrorCode,
    detail: String,
    #[source]
    source: Option<Cause>,
}

impl ClientError {
    /// An error without a lower cause.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            source: None,
        }
    }

    /// An error that keeps its cause.
    pub fn caused(code: ErrorCode, detail: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self {
            code,
            detail: detail.into(),
            source: Some(source.into()),
        }
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Whether the same call may succeed later without anybody acting.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::Unreachable
                | ErrorCode::WrongPin
                | ErrorCode::Untrusted
                | ErrorCode::ServerFailed
                | ErrorCode::DataLost
                | ErrorCode::Stopping
                | ErrorCode::RateLimited
                | ErrorCode::AccountDisabled
                | ErrorCode::DeviceBarred
        )
    }

    /// As a problem document.
    #[must_use]
    pub fn problem(&self) -> Problem {
        problem_of(self.code, self)
    }
}

impl From<RemoteError> for ClientError {
    fn from(error: RemoteError) -> Self {
        Self::caused(error.code(), "talk to the server", error)
    }
}

impl From<DbError> for ClientError {
    fn from(error: DbError) -> Self {
        Self::caused(ErrorCode::BadState, "use the local database", error)
    }
}

impl From<VaultError> for ClientError {
    fn from(error: VaultError) -> Self {
        Self::caused(vault_code(&error), "use the folder", error)
    }
}

impl From<FolderError> for ClientError {
    fn from(error: FolderError) -> Self {
        Self::caused(error.code(), "sync the folder", error)
    }
}

/// Why a cycle of one folder ended early.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The server refused or could not be reached.
    #[error("talk to the server")]
    Remote(#[from] RemoteError),
    /// The disk refused.
    #[error("use the folder")]
    Vault(#[from] VaultError),
    /// The local database failed.
    #[error("use the local database")]
    Db(#[from] DbError),
    /// The server's log breaks a rule: the space is frozen.
    #[error("check the server's log")]
    Frozen(#[from] LogFault),
    /// A guard stopped the folder.
    #[error("{0}")]
    Stopped(#[from] fst_engine::guard::Stop),
    /// Sealed data does not open.
    #[error("open sealed data: {0}")]
    Sealed(String),
    /// The server does not deliver an object.
    #[error("the server does not deliver object {0}")]
    NotDelivered(ObjectId),
    /// The server does not keep this version any more.
    #[error("the server no longer keeps this version")]
    Pruned,
}

impl FolderError {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Remote(error) => error.code(),
            Self::Vault(error) => vault_code(error),
            Self::Db(_) => ErrorCode::BadState,
            Self::Frozen(fault) => fault.code(),
            Self::Stopped(stop) => stop_code(stop),
            Self::Sealed(_) | Self::NotDelivered(_) => ErrorCode::CannotOpen,
            Self::Pruned => ErrorCode::NoSuchVersion,
        }
    }

    /// Whether the next cycle may succeed without anybody acting.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Remote(error) => error.is_retryable(),
            Self::Vault(_) | Self::Db(_) => true,
            Self::Frozen(_)
            | Self::Stopped(_)
            | Self::Sealed(_)
            | Self::NotDelivered(_)
            | Self::Pruned => false,
        }
    }

    /// As a problem document.
    #[must_use]
    pub fn problem(&self) -> Problem {
        problem_of(self.code(), self)
    }
}

fn problem_of(code: ErrorCode, error: &dyn std::error::Error) -> Problem {
    Problem::new(code, chain(error))
}

/// The error and its causes, left to right.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Code of a disk error.
#[must_use]
pub fn vault_code(error: &VaultError) -> ErrorCode {
    match error {
        VaultError::RootMissing => ErrorCode::RootMissing,
        VaultError::RootReplaced => ErrorCode::RootReplaced,
        VaultError::Denied { .. } => ErrorCode::Unreadable,
        VaultError::ReadOnly { .. } => ErrorCode::ReadOnlyRoot,
        VaultError::NoSpace { .. } => ErrorCode::NoSpace,
        VaultError::Locked => ErrorCode::Locked,
        VaultError::Special { .. } => ErrorCode::SpecialFile,
        VaultError::InUse { .. } => ErrorCode::InUse,
        VaultError::NameTooLong { .. } | VaultError::Reserved { .. } => ErrorCode::BadName,
        _ => ErrorCode::Io,
    }
}

fn stop_code(stop: &fst_engine::guard::Stop) -> ErrorCode {
    use fst_engine::guard::Stop;
    match stop {
        Stop::RootMissing => ErrorCode::RootMissing,
        Stop::RootReplaced => ErrorCode::RootReplaced,
        Stop::RootEmptied { .. } => ErrorCode::RootEmptied,
        Stop::MassDelete { .. } => ErrorCode::MassDelete,
    }
}
