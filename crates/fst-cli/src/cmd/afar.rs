//! `fst ls`, `tree`, `find`, `du`, `cat`, `get`, `put`, `mkdir`, `mv`, `rm`: files at the server, with a folder of theirs here or without one.
//!
//! Needs the server, the daemon for nothing. Invariant: what is printed or written passed the checks of a sync.
//! Source: docs/design/commands.md §12.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use fst_client::Client;
use fst_client::past::{Item, Past, Place};
use fst_proto::entry::Kind;
use fst_proto::error::ErrorCode;
use fst_proto::path::RelPath;
use fst_proto::text::printable;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::afar::Remote;
use crate::args::AfarCommand;
use crate::context::{Context, absolute, shown};
use crate::render::table::{Side, Table};
use crate::render::{Page, Symbol, amounts};
use crate::report::{Answer, Failure};
use crate::screen;

mod change;

/// Longest text that `fst cat --json` has in its document.
const TEXT_MAX: u64 = 16 << 20;

pub(super) fn run(context: &Context, command: &AfarCommand) -> Result<Answer, Failure> {
    match command {
        AfarCommand::Ls { path: None } => spaces(context),
        AfarCommand::Ls { path: Some(path) } if path.names.is_empty() => spaces(context),
        AfarCommand::Ls { path: Some(path) } => with(context, path, |past| ls(past, path)),
        AfarCommand::Tree { path } => with(context, path, |past| {
            let items = past.items(path.at, usize::MAX)?;
            Ok(listed(
                "fst.tree/1",
                path,
                &items,
                &indented(&items, &past.path),
            ))
        }),
        AfarCommand::Find { path, pattern } => with(context, path, |past| {
            let items = Item::fitting(past.items(path.at, usize::MAX)?, pattern)?;
            let lines = items.iter().map(|item| {
                let path = printable(&item.path.to_bytes());
                format!("{}/{path}\n", past.folder.remote_path)
            });
            Ok(listed(
                "fst.find/1",
                path,
                &items,
                &lines.collect::<String>(),
            ))
        }),
        AfarCommand::Du { path } => with(context, path, |past| du(past, path)),
        AfarCommand::Cat { path } => with(context, path, |past| cat(context, past, path)),
        AfarCommand::Get { path, to } => with(context, path, |past| {
            get(context, past, path, to.as_deref())
        }),
        AfarCommand::Put {
            from,
            path,
            replace,
        } => change::put(context, from, path, *replace),
        AfarCommand::Mkdir { path } => change::make_dir(context, path),
        AfarCommand::Mv { path, to } => change::relocate(context, path, to),
        AfarCommand::Rm { path, recursive } => change::remove(context, path, *recursive),
    }
}

fn with(
    context: &Context,
    path: &Remote,
    act: impl FnOnce(&Past<'_>) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    let client = context.client()?;
    let place = place(&client, path)?;
    act(&client.past_afar(&place)?)
}

fn place(client: &Client, path: &Remote) -> Result<Place, Failure> {
    let place = client.remote_place(&path.names());
    place.map_err(|error| match error.code() {
        ErrorCode::NotFound => Failure::from(error).hint("fst ls"),
        _ => error.into(),
    })
}

fn spaces(context: &Context) -> Result<Answer, Failure> {
    let spaces = context.client()?.remote_paths()?;
    let text: String = spaces
        .iter()
        .map(|name| format!("{}\n", printable(name.as_bytes())))
        .collect();
    Ok(Answer::new("fst.ls/1", json!({ "spaces": spaces }), text))
}

fn ls(past: &Past<'_>, path: &Remote) -> Result<Answer, Failure> {
    let mut items = past.items(path.at, 1)?;
    // A directory is what lies in it; a file is itself.
    if items.len() > 1 || items.first().is_some_and(|item| item.kind == Kind::Dir) {
        items.retain(|item| item.path != past.path);
    }
    let mut table = Table::new(&[
        ("Changed", Side::Left),
        ("Size", Side::Right),
        ("Name", Side::Left),
    ]);
    let (now, zone) = (Context::now(), TimeZone::system());
    for item in &items {
        let (time, size) = match item.kind {
            Kind::Dir => (String::new(), String::new()),
            Kind::File | Kind::Symlink => {
                let ms = u64::try_from(item.mtime_ns / 1_000_000).unwrap_or(0);
                let time = amounts::when(now, UnixMillis(ms), &zone);
                (time, amounts::size(item.size))
            },
        };
        table.row(vec![time, size, name(item)]);
    }
    let text = match items.is_empty() {
        true => "Nothing lies here\n".to_owned(),
        false => table.draw(),
    };
    Ok(listed("fst.ls/1", path, &items, &text))
}

fn listed(schema: &'static str, path: &Remote, items: &[Item], text: &str) -> Answer {
    let entries: Vec<Value> = items.iter().map(document).collect();
    let at = path.at.map(|at| at.0);
    Answer::new(schema, json!({ "at": at, "entries": entries }), text)
}

fn document(item: &Item) -> Value {
    let kind = match item.kind {
        Kind::File => "file",
        Kind::Dir => "directory",
        Kind::Symlink => "link",
    };
    json!({
        "path": item.path.to_string(),
        "kind": kind,
        "size": item.size,
        "modified": item.mtime_ns / 1_000_000,
        "executable": item.is_executable,
        "revision": item.revision,
    })
}

/// The last name, with a `/` behind a directory.
fn name(item: &Item) -> String {
    let name = item.path.name().map(|name| printable(name.as_bytes()));
    let slash = if item.kind == Kind::Dir { "/" } else { "" };
    format!("{}{slash}", name.unwrap_or_default())
}

fn indented(items: &[Item], top: &RelPath) -> String {
    let lines = items.iter().map(|item| {
        let depth = item.path.names().len() - top.names().len();
        format!("{}{}\n", "  ".repeat(depth), name(item))
    });
    lines.collect()
}

fn du(past: &Past<'_>, path: &Remote) -> Result<Answer, Failure> {
    let items = past.items(path.at, usize::MAX)?;
    let n_files = items.iter().filter(|item| item.kind != Kind::Dir).count() as u64;
    let bytes = items
        .iter()
        .fold(0, |sum: u64, item| sum.saturating_add(item.size));
    let files = amounts::plural(n_files, "file");
    let text = format!("{}  {files}\n", amounts::size(bytes));
    let data = json!({ "at": path.at.map(|at| at.0), "files": n_files, "bytes": bytes });
    Ok(Answer::new("fst.du/1", data, text))
}

fn cat(context: &Context, past: &Past<'_>, path: &Remote) -> Result<Answer, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(ErrorCode::Io, "the bytes cannot be printed").because(error.to_string())
    };
    let mut file = past.spooled(path.at)?;
    let size = file.metadata().map_err(failed)?.len();
    if !context.global.json {
        screen::copy(&mut file).map_err(failed)?;
        return Ok(Answer::new("fst.cat/1", Value::Null, ""));
    }
    let mut bytes = Vec::new();
    file.take(TEXT_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let text = String::from_utf8(bytes).ok().filter(|_| size <= TEXT_MAX);
    let data = json!({ "at": path.at.map(|at| at.0), "size": size, "text": text });
    Ok(Answer::new("fst.cat/1", data, ""))
}

fn get(
    context: &Context,
    past: &Past<'_>,
    path: &Remote,
    to: Option<&Path>,
) -> Result<Answer, Failure> {
    let own = path.names.last().map(PathBuf::from).unwrap_or_default();
    let to = absolute(to.unwrap_or(&own))?;
    let written = past.get(path.at, &to)?;
    let n = amounts::plural(written.len() as u64, "file");
    let mut page = Page::default();
    let good = context.look.symbol(Symbol::Good);
    page.line(format!("{good} {n} written to {}", context.look.tilde(&to)));
    let written: Vec<String> = written.iter().map(|path| shown(path)).collect();
    let data = json!({ "at": path.at.map(|at| at.0), "to": shown(&to), "written": written });
    Ok(Answer::new("fst.get/1", data, page.into_text()))
}
