//! Every suite against every backend.

mod backends;
mod blobs;
mod cache;
mod files;
mod sqlite;
