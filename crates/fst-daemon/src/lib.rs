//! The long life of the client: one supervised thread per folder, the control socket, the embedded server.
//!
//! [`Daemon::run`] is what `fst daemon start --foreground` calls; [`ipc::Connection`] is what every other
//! command talks through; [`launch`] puts a daemon into the background, [`login`] has it started at login.
//! Invariant: a folder that fails never stops another one; the daemon may be killed at any moment.
//! Not here: what a cycle does (`fst-client`), rendering (`fst-cli`), the server itself: it comes in
//! through [`Hooks`].
//! Source: docs/design/commands.md §§3–5.
//!
//! ```no_run
//! use fst_daemon::{Daemon, Hooks};
//! # fn main() -> Result<(), fst_daemon::DaemonError> {
//! let dirs = fst_client::dirs::Dirs::from_env(&|name| std::env::var_os(name))?;
//! let reason = Daemon::run(&dirs, Hooks::default())?;
//! # let _: fst_daemon::ExitReason = reason;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

pub mod ipc;
pub mod launch;
pub mod log;
pub mod login;
pub mod mend;
pub mod record;
pub mod status;

mod barrier;
mod board;
mod error;
mod feed;
mod lock;
mod monotonic;
mod news;
mod pace;
mod remote;
mod socket;
mod speed;
mod supervisor;
mod worker;

pub use error::DaemonError;
pub use lock::wait_until_free;
pub use supervisor::{Daemon, ExitReason, Hooks, OnReady, ServerHandle, StartServer};
