//! `fst remove PATH`: stop syncing a folder. Its files stay, here and everywhere.

use std::path::Path;

use fst_proto::ipc::Request;
use serde_json::json;

use super::planned;
use crate::context::{Context, absolute, shown};
use crate::noted::{self, Name};
use crate::render::Symbol;
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, path: &Path, dry_run: bool) -> Result<Answer, Failure> {
    let path = absolute(path)?;
    if dry_run {
        return planned::of_removal(context, &path);
    }
    let look = &context.look;
    let draft = context.client()?.draft_removed(&path);
    let draft = draft.map_err(|error| Failure::from(error).about(&look.quoted(&path)))?;
    let name = look.tilde(&path);
    let operation = noted::let_write(context, Name::new("remove", &name), &draft, || {
        carry_out(context, &path)
    })?;
    let text = format!(
        "{} {} is not synced any more; its files stay\n",
        look.symbol(Symbol::Good),
        look.tilde(&path)
    );
    let again = format!("fst add {} --two-way", look.quoted(&path));
    let answer = Answer::new("fst.remove/1", json!({ "path": shown(&path) }), text);
    Ok(answer.then(again).undone_by(operation.as_ref()))
}

/// Stops syncing a folder, with or without a daemon.
pub(super) fn carry_out(context: &Context, path: &Path) -> Result<(), Failure> {
    let failed = |failure: Failure| failure.about(&context.look.quoted(path));
    match context.daemon_if_any()? {
        // The daemon's worker has to let go of the folder first.
        Some(mut daemon) => {
            let request = Request::Remove {
                path: path.to_string_lossy().into_owned(),
            };
            let asked = daemon.ask(&request);
            asked.map(drop).map_err(|error| failed(error.into()))
        },
        None => {
            let removed = context.client()?.remove_folder(path);
            removed.map(drop).map_err(|error| failed(error.into()))
        },
    }
}
