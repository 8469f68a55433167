//! `fst resync --full`: compare everything anew, trusting no cache. It never deletes.

use fst_client::{ClientError, Folder};
use fst_proto::ipc::Request;

use super::local::sync_folders;
use super::planned;
use super::sync::{LIMIT, answer, told_by_daemon};
use crate::context::Context;
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, dry_run: bool) -> Result<Answer, Failure> {
    if dry_run {
        return planned::run(context, None, true, "fst resync --full");
    }
    context.say("reading every file; this can take a while");
    let folders = match context.daemon_if_any()? {
        Some(mut daemon) => {
            daemon.ask(&Request::Resync)?;
            daemon.wait(None, LIMIT)?;
            told_by_daemon(&mut daemon, None)?
        },
        None => sync_folders(context, &context.client()?, None, &distrust)?,
    };
    Ok(answer(context, "fst.resync/1", &folders))
}

fn distrust(folder: &mut Folder) -> Result<(), ClientError> {
    folder.distrust_cache().map_err(ClientError::from)
}
