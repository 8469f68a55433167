//! `fst remove PATH`: stop syncing a folder. Its files stay, here and everywhere.

use std::path::Path;

use fst_proto::ipc::Request;
use serde_json::json;

use super::planned;
use crate::context::{Context, absolute, shown};
use crate::render::Symbol;
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, path: &Path, dry_run: bool) -> Result<Answer, Failure> {
    let path = absolute(path)?;
    if dry_run {
        return planned::of_removal(context, &path);
    }
    let failed = |failure: Failure| failure.about(&context.look.quoted(&path));
    match context.daemon_if_any()? {
        // The daemon's worker has to let go of the folder first.
        Some(mut daemon) => {
            let request = Request::Remove {
                path: path.to_string_lossy().into_owned(),
            };
            daemon.ask(&request).map_err(|error| failed(error.into()))?;
        },
        None => {
            context
                .client()?
                .remove_folder(&path)
                .map_err(|error| failed(error.into()))?;
        },
    }
    let look = &context.look;
    let text = format!(
        "{} {} is not synced any more; its files stay\n",
        look.symbol(Symbol::Good),
        look.tilde(&path)
    );
    let again = format!("fst add {} --two-way", look.quoted(&path));
    Ok(Answer::new("fst.remove/1", json!({ "path": shown(&path) }), text).then(again))
}
