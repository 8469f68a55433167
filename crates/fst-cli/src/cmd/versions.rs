//! `fst versions FILE`: what a file was, when, and by whom. Reads the local database, needs neither daemon nor server.

use fst_client::past::{Past, PathHistory};
use fst_client::versions::Version;
use fst_proto::text::printable;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::args::Versions;
use crate::context::Context;
use crate::render::amounts;
use crate::render::table::{Side, Table};
use crate::report::{Answer, Failure};

/// Hexadecimal digits of a node id that people are shown.
const ID_DIGITS: usize = 6;

pub(super) fn run(context: &Context, args: &Versions) -> Result<Answer, Failure> {
    let client = context.client()?;
    let past = client.past(&args.file)?;
    let found = past.histories(args.all)?;
    let rows = found.iter().flat_map(|path| {
        let newest_first = path.history.versions.iter().rev();
        newest_first.map(move |version| (path, version))
    });
    let rows: Vec<(&PathHistory, &Version)> = rows.collect();
    let versions: Vec<Value> = rows
        .iter()
        .map(|(path, version)| document(&past, path, version))
        .collect();
    let data = json!({ "path": past.path.to_string(), "versions": versions });
    let file = context.look.quoted(&args.file);
    let text = text(&past, &rows, args.all);
    let answer = Answer::new("fst.versions/1", data, text);
    Ok(match rows.iter().find(|(_, version)| !version.is_current) {
        Some((_, version)) => {
            answer.then(format!("fst restore {file} --version {}", version.number))
        },
        None => answer,
    })
}

fn document(past: &Past<'_>, path: &PathHistory, version: &Version) -> Value {
    let row = &version.revision;
    json!({
        "version": version.number,
        "time": row.time_ms,
        "size": row.state.size,
        "device": past.device_name(row),
        "current": version.is_current,
        "path": path.path.as_ref().map(ToString::to_string),
        "deleted": path.history.deleted.as_ref().map(|gone| gone.time_ms),
        "id": row.node.to_hex()[..ID_DIGITS].to_owned(),
    })
}

fn text(past: &Past<'_>, rows: &[(&PathHistory, &Version)], all: bool) -> String {
    let (now, zone) = (Context::now(), TimeZone::system());
    let mut columns = vec![
        ("No.", Side::Right),
        ("When", Side::Left),
        ("Size", Side::Right),
        ("From", Side::Left),
        ("Note", Side::Left),
    ];
    if all {
        columns.push(("Path", Side::Left));
    }
    let mut table = Table::new(&columns);
    for (path, version) in rows {
        let row = &version.revision;
        let note = match (&path.history.deleted, version.is_current) {
            (_, true) => "current",
            (Some(_), false) => "deleted",
            (None, false) => "",
        };
        let mut cells = vec![
            version.number.to_string(),
            amounts::when(now, UnixMillis(row.time_ms), &zone),
            amounts::size(row.state.size),
            past.device_name(row),
            note.to_owned(),
        ];
        if all {
            let shown = path.path.as_ref().map(|path| printable(&path.to_bytes()));
            cells.push(shown.unwrap_or_default());
        }
        table.row(cells);
    }
    let n = amounts::plural(rows.len() as u64, "version");
    format!("{}   {n}\n\n{}", past.path, table.draw())
}
