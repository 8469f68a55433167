//! The command as people and scripts meet it: real processes, homes of their own, no sleeps.
//!
//! One file per subject; [`world`] starts homes and servers and ends every process it started. Invariant:
//! a test waits with `fst wait` only; ports are free ones.

mod afar;
mod bench;
mod brief;
mod bundling;
mod completing;
mod configuring;
mod conflicts;
mod contract;
mod daemons;
mod demos;
mod doctor;
mod encrypted;
mod enrolling;
mod events;
mod exits;
mod explaining;
mod help;
mod ignoring;
mod limited;
mod login;
mod logs;
mod problems;
mod recorded;
mod schemas;
mod selecting;
mod undoing;
mod upping;
mod verifying;
mod versions;
mod world;
