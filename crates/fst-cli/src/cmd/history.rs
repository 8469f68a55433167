//! `fst history`: what was changed, when, and by which device. Reads the local database, needs no daemon.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fst_client::{Client, HistoryItem};
use fst_proto::error::ErrorCode;
use fst_proto::text::printable;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::context::{Context, absolute, shown};
use crate::render::table::{Side, Table};
use crate::render::{amounts, json as drawn};
use crate::report::{Answer, Failure};

/// Lines read when only those of one file are wanted.
const FILE_SCAN_MAX: usize = 100_000;

/// Widest path column.
const PATH_WIDTH_MAX: usize = 40;

/// Which lines are wanted.
struct Wanted {
    folder: Option<PathBuf>,
    /// Printable path inside the folder.
    file: Option<String>,
}

pub(super) fn run(context: &Context, limit: usize, path: Option<&Path>) -> Result<Answer, Failure> {
    let client = context.client()?;
    let wanted = wanted(&client, path)?;
    let items = match &wanted.file {
        None => client.history(wanted.folder.as_deref(), limit)?,
        Some(file) => {
            let mut items = client.history(wanted.folder.as_deref(), FILE_SCAN_MAX)?;
            items.retain(|item| item.path == *file);
            items.truncate(limit);
            items
        },
    };
    let data = json!({ "history": drawn::value(&items) });
    Ok(Answer::new("fst.history/1", data, text(context, &items)))
}

fn wanted(client: &Client, path: Option<&Path>) -> Result<Wanted, Failure> {
    let Some(path) = path else {
        return Ok(Wanted {
            folder: None,
            file: None,
        });
    };
    let path = absolute(path)?;
    let folders = client.config().folders.iter();
    let folder = folders
        .map(|folder| &folder.path)
        .find(|folder| path.starts_with(folder));
    let folder = folder.ok_or_else(|| {
        let failure = Failure::new(ErrorCode::UnknownFolder, ErrorCode::UnknownFolder.title());
        failure.about(&shown(&path)).because(shown(&path))
    })?;
    let inside = path.strip_prefix(folder).unwrap_or(Path::new(""));
    let file = printable(inside.as_os_str().as_bytes());
    Ok(Wanted {
        folder: Some(folder.clone()),
        file: Some(file).filter(|file| !file.is_empty()),
    })
}

fn text(context: &Context, items: &[HistoryItem]) -> String {
    if items.is_empty() {
        return "Nothing was changed yet\n".to_owned();
    }
    let (now, zone) = (Context::now(), TimeZone::system());
    let mut table = Table::new(&[
        ("When", Side::Left),
        ("What", Side::Left),
        ("Path", Side::Left),
        ("Device", Side::Left),
    ]);
    for item in items {
        let folder = context.look.tilde(&item.folder);
        table.row(vec![
            amounts::when(now, UnixMillis(item.time_ms), &zone),
            item.action.clone(),
            context
                .look
                .clip(&format!("{folder}/{}", item.path), PATH_WIDTH_MAX),
            item.device.clone(),
        ]);
    }
    table.draw()
}
