//! World simulation, adversary server and scenario helpers: for tests only.
//!
//! May see every crate. Invariant: one seed replays one world; nothing here reads a clock, sleeps or opens
//! a socket. Not here: tests themselves (`tests/it`).

pub mod evil;
pub mod house;
pub mod net;
pub mod rng;
pub mod scene;
pub mod world;
