//! Every decision of client and server, as functions of their arguments.
//!
//! Knows nothing that is not an argument: no file, socket, clock, randomness; iterates no hash map.
//! Invariant: equal inputs give equal outputs, on every machine. Effects live in `fst-client` and
//! `fst-server`. Source: docs/design/sync-semantics.md.
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod plan;
pub mod tree;
