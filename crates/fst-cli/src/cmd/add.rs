//! `fst add PATH`: sync a folder.

use std::path::Path;

use fst_client::config::{Chosen, FolderConfig, Mode};
use fst_client::operations::Operation;
use fst_client::{Client, ClientError};
use fst_proto::error::ErrorCode;
use serde_json::json;

use super::account::reload_daemon;
use super::planned;
use crate::args::{Add, Direction};
use crate::context::{Context, absolute, shown};
use crate::noted::{self, Name};
use crate::render::Symbol;
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, args: &Add) -> Result<Answer, Failure> {
    let path = absolute(&args.path)?;
    let client = context.client()?;
    let mode = mode(&args.direction);
    let chosen = Chosen::only(&args.only)?;
    if args.dry_run {
        let plan = client.explain_new(&path, args.remote_path.as_deref(), mode, &chosen);
        let plan = plan.map_err(|error| explain(context, &client, &path, error))?;
        let here = context.look.quoted(&path);
        return Ok(planned::answer(
            context,
            &[plan],
            &format!("fst add {here}"),
        ));
    }
    let (folder, operation) = noted_folder(
        context,
        &client,
        (&path, &args.remote_path),
        (mode, &chosen),
    )?;
    let is_running = reload_daemon(context)?;
    let look = &context.look;
    let arrow = match mode {
        Mode::TwoWay => Symbol::Both,
        Mode::UploadOnly => Symbol::Up,
        Mode::DownloadOnly => Symbol::Down,
    };
    let next = if is_running {
        "fst status"
    } else {
        "fst daemon start"
    };
    let text = format!(
        "{} {} {} {} added\n{}",
        look.symbol(Symbol::Good),
        look.tilde(&folder.path),
        look.symbol(arrow),
        folder.remote_path,
        look.next(next)
    );
    let data = json!({
        "path": shown(&folder.path),
        "remote_path": folder.remote_path,
        "mode": folder.mode.as_str(),
        "only": folder.chosen.only,
    });
    let answer = Answer::new("fst.add/1", data, text).then(next);
    Ok(answer.undone_by(operation.as_ref()))
}

/// Adds a folder, noted before it is done.
pub(super) fn noted_folder(
    context: &Context,
    client: &Client,
    (path, remote_path): (&Path, &Option<String>),
    (mode, chosen): (Mode, &Chosen),
) -> Result<(FolderConfig, Option<Operation>), Failure> {
    let folder = client.new_folder(path, remote_path.as_deref(), mode);
    let folder = folder.map_err(|error| explain(context, client, path, error))?;
    let folder = FolderConfig {
        chosen: chosen.clone(),
        ..folder
    };
    let name = context.look.tilde(&folder.path);
    let name = Name::new("add", &name);
    let operation = noted::write(context, name, || client.draft_folder(&folder))?;
    Ok((folder, operation))
}

/// Adding fails for reasons that the catalogue words for a folder that is synced already.
pub(super) fn explain(
    context: &Context,
    client: &Client,
    path: &Path,
    error: ClientError,
) -> Failure {
    let here = context.look.quoted(path);
    let failure = Failure::from(error);
    match failure.code {
        ErrorCode::RootMissing => {
            failure.hint(format!("make it first: mkdir -p {here}, or: fst up {here}"))
        },
        ErrorCode::ReadOnlyRoot => {
            failure.hint(format!("remount it writable, then: fst add {here}"))
        },
        ErrorCode::FolderOverlap => {
            let mut folders = client.config().folders.iter().map(|folder| &folder.path);
            let other = folders.find(|other| path.starts_with(other) || other.starts_with(path));
            failure.about(&other.map_or("PATH".to_owned(), |other| context.look.quoted(other)))
        },
        _ => failure.about(&here),
    }
}

fn mode(direction: &Direction) -> Mode {
    match (direction.upload_only, direction.download_only) {
        (true, _) => Mode::UploadOnly,
        (_, true) => Mode::DownloadOnly,
        (false, false) => Mode::TwoWay,
    }
}
