//! `fst trash list|restore`: deleted files. There is no separate trash: a deletion is an entry of the history.

use std::path::Path;

use fst_client::past::Past;
use fst_client::versions::{Deleted, Keeping};
use fst_proto::error::ErrorCode;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::args::TrashCommand;
use crate::cmd::restore;
use crate::context::{Context, shown};
use crate::render::amounts;
use crate::render::table::{Side, Table};
use crate::report::{Answer, Failure};

/// Widest path column.
const PATH_WIDTH_MAX: usize = 48;

pub(super) fn run(context: &Context, command: &TrashCommand) -> Result<Answer, Failure> {
    match command {
        TrashCommand::List { path } => list(context, path.as_deref()),
        TrashCommand::Restore { path, dry_run } => bring_back(context, path, *dry_run),
    }
}

fn list(context: &Context, path: Option<&Path>) -> Result<Answer, Failure> {
    let client = context.client()?;
    let folders = client.config().folders.iter();
    let paths = match path {
        Some(path) => vec![path],
        None => folders.map(|folder| folder.path.as_path()).collect(),
    };
    let mut documents = Vec::new();
    let mut table = Table::new(&[
        ("Deleted", Side::Left),
        ("Path", Side::Left),
        ("Size", Side::Right),
        ("By", Side::Left),
    ]);
    let (now, zone) = (Context::now(), TimeZone::system());
    for path in paths {
        let past = client.past(path)?;
        for gone in past.deleted()? {
            let at = UnixMillis(gone.deletion.time_ms);
            let file = format!("{}/{}", context.look.tilde(&past.folder.path), gone.path);
            table.row(vec![
                amounts::when(now, at, &zone),
                context.look.clip(&file, PATH_WIDTH_MAX),
                amounts::size(gone.last.revision.state.size),
                past.device_name(&gone.deletion),
            ]);
            documents.push(document(&past, &gone)?);
        }
    }
    let text = match documents.is_empty() {
        true => "Nothing was deleted\n".to_owned(),
        false => table.draw(),
    };
    Ok(Answer::new(
        "fst.trash/1",
        json!({ "trash": documents }),
        text,
    ))
}

fn document(past: &Past<'_>, gone: &Deleted) -> Result<Value, Failure> {
    let until = match past.keeping(&gone.last.revision)? {
        Keeping::Until(end) => Some(end.0),
        Keeping::Newest | Keeping::Pinned => None,
    };
    Ok(json!({
        "path": gone.path.to_string(),
        "folder": shown(&past.folder.path),
        "time": gone.deletion.time_ms,
        "device": past.device_name(&gone.deletion),
        "size": gone.last.revision.state.size,
        "version": gone.last.number,
        "kept_until": until,
    }))
}

fn bring_back(context: &Context, path: &Path, is_dry: bool) -> Result<Answer, Failure> {
    let client = context.client()?;
    let past = client.past(path)?;
    let gone = past.deleted()?;
    if gone.is_empty() {
        let message = format!("nothing was deleted at {}", past.path);
        return Err(Failure::new(ErrorCode::NoSuchVersion, message).hint("fst trash list"));
    }
    let planned = past.plan_deleted(&gone);
    restore::carry_out(context, &past, ("trash restore", &planned), is_dry)
}
