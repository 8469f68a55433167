//! One suite per trait, which every backend has to pass.
//!
//! Called from `tests/it` of this crate and of crates that bring further backends. A suite takes a function
//! that makes a fresh, empty store. Invariant: a suite asserts only what the trait promises.
//! Not here: durability across crashes (the server's crash tests kill the process).
//! Source: the traits themselves.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "assertions are what suites are for"
)]
#![allow(clippy::unwrap_used, reason = "a store that fails fails the suite")]

pub mod blob;
pub mod cache;
pub mod make;
pub mod meta;
#[cfg(feature = "conformance-s3")]
pub mod s3;
pub mod servers;
