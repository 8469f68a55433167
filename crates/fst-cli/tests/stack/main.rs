//! The whole stack as people run it: a real server process, real daemons, real folders, kill -9.
//!
//! What cannot be produced in one process is shown here. Invariant: processes are ended by the pid that was
//! started; ports are free ones of this machine; nothing waits for the clock but the kill storm.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod canary;
mod counts;
mod relay;
mod speed;
mod storm;
mod support;
mod transfers;
