//! The one place that touches a user's files.
//!
//! [`vault::Vault`] is the contract; [`real::RealVault`] keeps it on a disk, `fake::FakeVault` in memory with
//! faults; [`commit`] replaces and removes only what is expected; [`watch`] says where to look; [`probe`]
//! says what the file system can do.
//! Invariant: no byte of the user is destroyed that the caller has not seen and let go.
//! Not here: network, cryptography, databases, decisions.
//! Source: docs/design/sync-semantics.md.
//!
//! ```
//! use std::io::Write as _;
//! use fst_fs::commit::{Outcome, replace_if};
//! use fst_fs::real::RealVault;
//! use fst_fs::vault::{FileAttrs, StageName, Vault as _};
//! use fst_proto::path::RelPath;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let vault = RealVault::open(folder.path())?;
//! let (notes, tag) = (RelPath::parse("notes.txt")?, StageName::new("job-1")?);
//! let attrs = FileAttrs { exec: false, mtime_ns: 1_700_000_000_000_000_000, like: None };
//!
//! let mut file = vault.stage_file(&tag)?;
//! file.write_all(b"one")?;
//! file.finish(attrs)?;
//! vault.sync_stage()?;
//! let base = vault.place_new(&tag, &notes)?;
//!
//! let mut file = vault.stage_file(&tag)?;
//! file.write_all(b"two")?;
//! file.finish(attrs)?;
//! vault.sync_stage()?;
//! let outcome = replace_if(&vault, &tag, &notes, &mut |there| Ok(*there == base))?;
//! assert!(matches!(outcome, Outcome::Done(_)));
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

pub mod commit;
#[cfg(feature = "fake")]
pub mod conformance;
pub mod error;
#[cfg(feature = "fake")]
pub mod fake;
pub mod name;
pub mod probe;
pub mod real;
pub mod vault;
pub mod watch;
