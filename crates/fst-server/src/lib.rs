//! The server of FileSyncTool: orders signed entries, keeps sealed objects, lets devices in.
//!
//! Called by the `fst-server` command and, embedded, by `fst up` and `fst demo`. Invariant: it sees
//! ciphertext, signatures and hashes only, and links no code that could open anything; every worker is
//! stateless over the three traits of `fst-store`. Not here: keys, names, contents.
//! Source: docs/design/wire.md, docs/design/crypto-format.md §3–4.
//!
//! ```
//! use std::sync::Arc;
//! use fst_server::seams::{OsRandom, SystemClock};
//! use fst_server::service::Service;
//!
//! let service = Service::in_memory(Arc::new(SystemClock), Arc::new(OsRandom));
//! assert_eq!(service.server_info().product, "filesynctool");
//! ```
#![forbid(unsafe_code)]

pub mod config;
mod door;
pub mod embedded;
pub mod health;
pub mod http;
pub mod metrics;
pub mod openapi;
pub mod refusal;
pub mod run;
pub mod seams;
pub mod service;
mod stores;
pub mod tls;
pub mod upkeep;

pub use config::Options;
pub use embedded::Embedded;
pub use run::run;
