//! Every suite against every backend.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers fail the test that calls them"
)]

mod backends;
mod blobs;
mod cache;
mod postgres;
mod redis;
mod s3;
mod sqlite;
