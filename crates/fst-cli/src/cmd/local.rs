//! Syncing without a daemon, for cron and CI: opens each folder and runs its cycles here.
//!
//! Used by `sync`, `resume` and `resync` when no daemon answers. Invariant: a folder that fails does not keep
//! the others from being synced; all failures are told.

use std::path::Path;

use fst_client::config::FolderConfig;
use fst_client::{Client, ClientError, Folder, Outcome};
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::FolderStatus;

use crate::context::Context;
use crate::report::Failure;

/// Cycles in one run: more means that somebody writes faster than we can follow.
const CYCLES_MAX: usize = 10_000;

/// What to tell a folder before its first cycle.
pub(super) type Prepare<'a> = &'a dyn Fn(&mut Folder) -> Result<(), ClientError>;

/// Syncs all folders that are not paused, or the one at `path`, and returns their states.
pub(super) fn sync_folders(
    context: &Context,
    client: &Client,
    path: Option<&Path>,
    prepare: Prepare<'_>,
) -> Result<Vec<FolderStatus>, Failure> {
    let wanted: Vec<&FolderConfig> = match path {
        None => client
            .config()
            .folders
            .iter()
            .filter(|folder| !folder.paused)
            .collect(),
        Some(path) => vec![find(context, client, path)?],
    };
    let mut done = Vec::new();
    let mut failed = Vec::new();
    for folder in &wanted {
        match sync_folder(client, folder, prepare) {
            Ok(status) => done.push(status),
            Err(problem) => {
                let failure = Failure::from(*problem).about(&context.look.quoted(&folder.path));
                failed.push(failure.because(context.look.tilde(&folder.path)));
            },
        }
    }
    match failed.into_iter().next() {
        Some(first) => Err(first),
        None => Ok(done),
    }
}

pub(super) fn find<'a>(
    context: &Context,
    client: &'a Client,
    path: &Path,
) -> Result<&'a FolderConfig, Failure> {
    client
        .config()
        .folders
        .iter()
        .find(|folder| folder.path == path)
        .ok_or_else(|| {
            let failure = Failure::new(ErrorCode::UnknownFolder, ErrorCode::UnknownFolder.title());
            failure
                .about(&context.look.quoted(path))
                .because(context.look.tilde(path))
        })
}

fn sync_folder(
    client: &Client,
    config: &FolderConfig,
    prepare: Prepare<'_>,
) -> Result<FolderStatus, Box<Problem>> {
    let of_client = |error: ClientError| Box::new(error.problem());
    let mut folder = client.open_folder(config).map_err(of_client)?;
    prepare(&mut folder).map_err(of_client)?;
    for _ in 0..CYCLES_MAX {
        match folder.cycle().map_err(|error| Box::new(error.problem()))? {
            Outcome::Progress | Outcome::Unsettled => {},
            Outcome::Quiet | Outcome::Waiting => return Ok(folder.status_handle().read().0),
        }
    }
    let detail = "the folder changes faster than it can be synced";
    Err(Box::new(Problem::new(ErrorCode::WaitTimedOut, detail)))
}
