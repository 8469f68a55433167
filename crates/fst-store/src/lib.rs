//! Metadata, blob and cache traits of the server, and their backends.
//!
//! Called by `fst-server`, which is stateless over the three traits. Invariant: everything a method
//! acknowledges is durable, except in [`cache`], which may forget at any time. Everything stored is
//! ciphertext, signatures, hashes and counters. Not here: signatures and access ([fst-server]), opening
//! anything. Source: docs/design/crypto-format.md §3, docs/design/wire.md.
//!
//! ```
//! use fst_proto::ids::Hash32;
//! use fst_proto::time::UnixMillis;
//! use fst_store::meta::{MetaStore, memory::MemoryMeta};
//!
//! let meta = MemoryMeta::new();
//! let made = meta.create_setup_code(Hash32([7; 32]), UnixMillis(1000), UnixMillis(1));
//! futures::executor::block_on(made).expect("memory does not fail");
//! ```
#![forbid(unsafe_code)]

pub mod blob;
pub mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod meta;
pub mod rules;
