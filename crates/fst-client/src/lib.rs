//! The synchronisation library: command line, daemon and SDK are shells over it.
//!
//! [`Client`] is an enrolled device; a [`Folder`] is one synced folder, moved forward by
//! [`Folder::cycle`]. Blocking by design, so that one thread and one seed can replay a whole world.
//! Invariant: base moves only by what was achieved. Not here: threads, sockets of the daemon, printing.
//!
//! ```no_run
//! use fst_client::{Client, dirs::Dirs};
//! # fn main() -> Result<(), fst_client::ClientError> {
//! let dirs = Dirs::from_env(&|name| std::env::var_os(name))?;
//! let client = Client::open(&dirs)?;
//! for folder in &client.config().folders {
//!     client.open_folder(folder)?.cycle()?;
//! }
//! # Ok(()) }
//! ```

pub mod account;
pub mod clock;
pub mod config;
pub mod db;
mod digest;
pub mod dirs;
pub mod error;
mod evidence;
pub mod exec;
pub mod fetch;
pub mod folder;
pub mod ignore;
pub mod keystore;
pub mod log;
pub mod marker;
pub mod measure;
pub mod operations;
pub mod past;
mod private;
pub mod push;
pub mod remote;
pub mod restore;
pub mod scan;
pub mod sealed;
pub mod sketch;
pub mod versions;
pub mod views;

mod client;

pub use client::{
    Choice, Client, Enrol, Finding, Health, InitDone, InitOptions, RowCounts, Rule, Settled, Texts,
    Topic, machine_name, pseudonym_key,
};
pub use error::{ClientError, FolderError};
pub use folder::{Folder, Outcome};
pub use views::{ConflictItem, HistoryItem};
