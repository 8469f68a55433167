//! `fst sync [PATH]`: sync what exists now and return. Works without a daemon.

use std::path::Path;
use std::time::Duration;

use fst_daemon::ipc::Connection;
use fst_proto::ipc::FolderStatus;
use serde_json::json;

use super::local::sync_folders;
use super::planned;
use super::status::problem_warnings;
use crate::context::{Context, absolute};
use crate::render::{Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};

/// A sync without a time limit of its own gives up after a day.
pub(super) const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn run(
    context: &Context,
    path: Option<&Path>,
    dry_run: bool,
) -> Result<Answer, Failure> {
    let path = path.map(absolute).transpose()?;
    if dry_run {
        return planned::run(context, path.as_deref(), false, "fst sync");
    }
    let folders = match context.daemon_if_any()? {
        Some(mut daemon) => {
            let name = path.as_ref().map(|path| context.look.quoted(path));
            daemon
                .wait(path.as_deref(), LIMIT)
                .map_err(|error| Failure::from(error).about(name.as_deref().unwrap_or("PATH")))?;
            told_by_daemon(&mut daemon, path.as_deref())?
        },
        None => sync_folders(context, &context.client()?, path.as_deref(), &|_| Ok(()))?,
    };
    Ok(answer(context, "fst.sync/1", &folders))
}

/// The folders as the daemon shows them after a sync.
pub(super) fn told_by_daemon(
    daemon: &mut Connection,
    path: Option<&Path>,
) -> Result<Vec<FolderStatus>, Failure> {
    let mut folders = daemon.status()?.folders;
    folders.retain(|folder| path.is_none_or(|path| Path::new(&folder.path) == path));
    Ok(folders)
}

/// The answer of a sync that is done.
pub(super) fn answer(context: &Context, schema: &'static str, folders: &[FolderStatus]) -> Answer {
    let look = &context.look;
    let files: u64 = folders.iter().map(|folder| folder.files).sum();
    let bytes: u64 = folders.iter().map(|folder| folder.bytes).sum();
    let text = format!(
        "{} Synced   {} in {}, {}\n",
        look.symbol(Symbol::Good),
        amounts::plural(files, "file"),
        amounts::plural(folders.len() as u64, "folder"),
        amounts::size(bytes)
    );
    let warnings = problem_warnings(folders);
    let answer = Answer::new(schema, json!({ "folders": drawn::value(&folders) }), text);
    let answer = if warnings.is_empty() {
        answer
    } else {
        answer.then("fst status")
    };
    answer.warn(warnings)
}
