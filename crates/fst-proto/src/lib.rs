//! Types, formats and wire messages that every part of FileSyncTool speaks.
//!
//! Everyone imports this crate; it imports none of ours. Invariant: no I/O, no clock, no randomness,
//! no secret: everything here may be linked by the server. Frozen bytes are marked `FROZEN v1` and
//! pinned by vectors under `testdata/vectors/`.
//! Not here: sealing ([fst-crypto]), deciding ([fst-engine]), storing ([fst-store]).
//! Source: docs/design/crypto-format.md, docs/design/wire.md.
//!
//! ```
//! use fst_proto::path::RelPath;
//! let path = RelPath::parse("docs/plan.md").expect("a relative path");
//! assert_eq!(path.to_string(), "docs/plan.md");
//! ```
#![forbid(unsafe_code)]

pub mod account;
pub mod control;
pub mod entry;
pub mod error;
pub mod frame;
pub mod hash;
pub mod ids;
pub mod ipc;
pub mod limits;
pub mod log;
pub mod merkle;
pub mod note;
pub mod path;
pub mod pin;
pub mod recipe;
pub mod text;
pub mod time;
pub mod value;
pub mod wire;
