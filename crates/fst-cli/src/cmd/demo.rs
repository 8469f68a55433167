//! `fst demo`: a private server and two devices in a temporary folder, with measured figures.
//!
//! Each act is a function here; [`stage`] has the server and the devices, [`gate`] counts the bytes between
//! them and cuts the line, [`view`] looks at what the server keeps. Invariant: every figure is measured in
//! this run; every process is ended by its own id; the folder is removed. Also the smoke test of a release.
//! Source: docs/design/commands.md §6.

#[cfg(feature = "embedded-server")]
mod acts;
#[cfg(feature = "embedded-server")]
mod gate;
#[cfg(feature = "embedded-server")]
mod patience;
#[cfg(feature = "embedded-server")]
mod stage;
#[cfg(feature = "embedded-server")]
mod view;

use crate::context::Context;
use crate::report::{Answer, Failure};

#[cfg(feature = "embedded-server")]
pub(super) fn run(context: &Context) -> Result<Answer, Failure> {
    acts::run(context)
}

#[cfg(not(feature = "embedded-server"))]
pub(super) fn run(_context: &Context) -> Result<Answer, Failure> {
    use fst_proto::error::ErrorCode;
    Err(Failure::new(
        ErrorCode::Usage,
        "this build has no server of its own, so it has no demo",
    )
    .hint("fst up PATH --server URL --join STRING"))
}
