//! The control socket: one JSON request per line, one JSON reply per line.
//!
//! [`Connection`] is the command line's end; `server` is the daemon's. Types are `fst_proto::ipc`.
//! Invariant: a line has a limit; an unknown request is answered, not dropped.

mod client;
mod server;

pub use client::Connection;
pub(crate) use server::{Call, serve};

/// Longest line: a status with thousands of problems stays below.
const LINE_BYTES_MAX: u64 = 16 << 20;

#[cfg(test)]
mod tests;
