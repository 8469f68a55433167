//! What can go wrong between the command line and the daemon, and inside the daemon as a whole.
//!
//! Troubles of one folder are not errors here: they are shown in its status ([`crate::board`]).

use std::path::PathBuf;

use fst_client::ClientError;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::text::printable;

/// The daemon could not run, or could not be talked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// A second daemon for the same state directory.
    #[error("another daemon serves `{}`", shown(.state))]
    Locked {
        /// State directory.
        state: PathBuf,
    },
    /// Nobody listens.
    #[error("no daemon runs for `{}`", shown(.state))]
    NoDaemon {
        /// State directory.
        state: PathBuf,
    },
    /// One of our own files refused.
    #[error("{what} `{}`", shown(.path))]
    File {
        /// Verb and object, such as `write the log file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("talk to the daemon")]
    Talk(#[source] std::io::Error),
    /// The two ends do not understand each other.
    #[error("the daemon and this command are of different versions")]
    Protocol(#[source] serde_json::Error),
    /// The daemon or its server said no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// It took longer than any healthy daemon takes.
    #[error("the daemon did not {what} within {seconds} s")]
    TooSlow {
        /// What it was to do.
        what: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// The client library refused.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl DaemonError {
    /// A refusal for reasons that are known here.
    pub(crate) fn refused(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Refused(Box::new(Problem::new(code, detail)))
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked { .. } => ErrorCode::Locked,
            Self::NoDaemon { .. } | Self::Talk(_) => ErrorCode::NoDaemon,
            Self::File { .. } => ErrorCode::Io,
            Self::Protocol(_) => ErrorCode::Malformed,
            Self::Refused(problem) => problem.error_code().unwrap_or(ErrorCode::Internal),
            Self::TooSlow { .. } => ErrorCode::Internal,
            Self::Client(error) => error.code(),
        }
    }

    /// As a problem document; one that came over the socket passes through unchanged.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => Problem::clone(problem),
            Self::Client(error) => error.problem(),
            Self::Locked { .. }
            | Self::NoDaemon { .. }
            | Self::File { .. }
            | Self::Talk(_)
            | Self::Protocol(_)
            | Self::TooSlow { .. } => Problem::new(self.code(), fst_client::error::chain(self)),
        }
    }
}

/// A path of ours or the user's, safe to print.
pub(crate) fn shown(path: &std::path::Path) -> String {
    printable(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}
