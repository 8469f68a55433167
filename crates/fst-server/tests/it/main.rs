//! The server, called as a library, over HTTP, and as a process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers fail the test that calls them"
)]

mod access;
mod accounts;
mod auditing;
mod backups;
mod binary;
mod client;
mod commits;
mod config;
mod embedded;
mod events;
mod farm;
mod faults;
mod fsyncs;
mod hostile;
mod http;
mod limiting;
mod metrics;
mod objects;
mod openapi;
mod prune;
mod quota;
mod support;
mod tls;
mod tokens;
mod upkeep;
mod workers;
