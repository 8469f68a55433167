//! `fst versions FILE`: what a file was, when, and by whom. Reads the local database, needs neither daemon nor server.

use std::path::Path;

use fst_client::ClientError;
use fst_client::operations::Operation;
use fst_client::past::{Intended, Past, PathHistory};
use fst_client::versions::{Keeping, Version};
use fst_proto::control::Retention;
use fst_proto::error::ErrorCode;
use fst_proto::text::printable;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::args::{Versions, VersionsCommand};
use crate::cmd::restore::find_version;
use crate::context::Context;
use crate::noted::{self, Name};
use crate::render::table::{Side, Table};
use crate::render::{Symbol, amounts};
use crate::report::{Answer, Failure};
use crate::when;

/// Hexadecimal digits of a node id that people are shown.
const ID_DIGITS: usize = 6;

pub(super) fn run(context: &Context, args: &Versions) -> Result<Answer, Failure> {
    match (&args.command, &args.file) {
        (Some(VersionsCommand::Pin { file, number }), _) => pin(context, file, *number, true),
        (Some(VersionsCommand::Unpin { file, number }), _) => pin(context, file, *number, false),
        (
            Some(VersionsCommand::Keep {
                folder,
                days,
                versions,
            }),
            _,
        ) => keep(context, folder, (*days, *versions)),
        (None, Some(file)) => list(context, file, args.all),
        (None, None) => Err(Failure::new(ErrorCode::Usage, "name a file")),
    }
}

fn pin(context: &Context, file: &Path, number: u32, is_pinned: bool) -> Result<Answer, Failure> {
    let client = context.client()?;
    let past = client.past(file)?;
    let version = find_version(&past, number)?;
    let word = if is_pinned { "pinned" } else { "unpinned" };
    let intended = past.intend_pin(&version.revision, is_pinned)?;
    let command = if is_pinned {
        "versions pin"
    } else {
        "versions unpin"
    };
    let subject = format!("{} {number}", context.look.tilde(file));
    let operation = noted_rule(context, Name::new(command, &subject), intended, || {
        past.pin(&version.revision, is_pinned)
    })?;
    let good = context.look.symbol(Symbol::Good);
    let text = format!("{good} Version {number} of {} is {word}\n", past.path);
    let data = json!({ "path": past.path.to_string(), "version": number, "pinned": is_pinned });
    let answer = Answer::new("fst.pin/1", data, text).then("fst sync");
    Ok(answer.undone_by(operation.as_ref()))
}

/// Changes a rule of a space, noted before it is done, unless nothing is changed by it.
fn noted_rule(
    context: &Context,
    name: Name<'_>,
    intended: Intended,
    act: impl FnOnce() -> Result<(), ClientError>,
) -> Result<Option<Operation>, Failure> {
    let is_same = intended.things.is_empty();
    let done = noted::act(context, name, |note| {
        if !is_same {
            note(intended)?;
        }
        act()
    });
    Ok(done.map_err(sync_first)?.1)
}

fn keep(
    context: &Context,
    folder: &Path,
    (days, versions): (Option<u32>, Option<u32>),
) -> Result<Answer, Failure> {
    let client = context.client()?;
    let past = client.past(folder)?;
    let known = past.retention()?;
    let wanted = Retention {
        days: days.unwrap_or(known.days),
        versions: versions.unwrap_or(known.versions),
    };
    let mut operation = None;
    if wanted != known {
        let intended = past.intend_retention(wanted)?;
        let subject = context.look.tilde(folder);
        let name = Name::new("versions keep", &subject);
        operation = noted_rule(context, name, intended, || past.set_retention(wanted))?;
    }
    let text = format!(
        "Replaced and deleted versions are kept for {}, the newest {} of each file\n",
        amounts::plural(u64::from(wanted.days), "day"),
        amounts::count(u64::from(wanted.versions)),
    );
    let data = json!({ "retention_days": wanted.days, "max_versions": wanted.versions });
    Ok(Answer::new("fst.keep/1", data, text).undone_by(operation.as_ref()))
}

/// A rule of the space is signed on top of everything known: what is behind has to catch up.
pub(super) fn sync_first(failure: Failure) -> Failure {
    match failure.code {
        ErrorCode::Conflict => failure.hint("fst wait --synced, then run it again"),
        _ => failure,
    }
}

fn list(context: &Context, file: &Path, all: bool) -> Result<Answer, Failure> {
    let client = context.client()?;
    let past = client.past(file)?;
    let found = past.histories(all)?;
    let rows = found.iter().flat_map(|path| {
        let newest_first = path.history.versions.iter().rev();
        newest_first.map(move |version| (path, version))
    });
    let rows: Vec<(&PathHistory, &Version)> = rows.collect();
    let versions: Vec<Value> = rows
        .iter()
        .map(|(path, version)| document(&past, path, version))
        .collect::<Result<_, Failure>>()?;
    let data = json!({ "path": past.path.to_string(), "versions": versions });
    let file = context.look.quoted(file);
    let text = text(&past, &rows, all)?;
    let answer = Answer::new("fst.versions/1", data, text);
    Ok(match rows.iter().find(|(_, version)| !version.is_current) {
        Some((_, version)) => {
            answer.then(format!("fst restore {file} --version {}", version.number))
        },
        None => answer,
    })
}

fn document(past: &Past<'_>, path: &PathHistory, version: &Version) -> Result<Value, Failure> {
    let row = &version.revision;
    let keeping = past.keeping(row)?;
    let until = match keeping {
        Keeping::Until(end) => Some(end.0),
        Keeping::Newest | Keeping::Pinned => None,
    };
    Ok(json!({
        "version": version.number,
        "time": row.time_ms,
        "size": row.state.size,
        "device": past.device_name(row),
        "current": version.is_current,
        "path": path.path.as_ref().map(ToString::to_string),
        "deleted": path.history.deleted.as_ref().map(|gone| gone.time_ms),
        "id": row.node.to_hex()[..ID_DIGITS].to_owned(),
        "pinned": keeping == Keeping::Pinned,
        "kept_until": until,
    }))
}

fn text(past: &Past<'_>, rows: &[(&PathHistory, &Version)], all: bool) -> Result<String, Failure> {
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
        let keeping = past.keeping(row)?;
        let note = match (&path.history.deleted, keeping.over_since(now)) {
            (_, Some(end)) => format!("may be pruned since {}", when::shown(end, &zone)),
            _ if version.is_current => "current".to_owned(),
            _ if keeping == Keeping::Pinned => "pinned".to_owned(),
            (Some(_), None) => "deleted".to_owned(),
            (None, None) => String::new(),
        };
        let mut cells = vec![
            version.number.to_string(),
            amounts::when(now, UnixMillis(row.time_ms), &zone),
            amounts::size(row.state.size),
            past.device_name(row),
            note,
        ];
        if all {
            let shown = path.path.as_ref().map(|path| printable(&path.to_bytes()));
            cells.push(shown.unwrap_or_default());
        }
        table.row(cells);
    }
    let n = amounts::plural(rows.len() as u64, "version");
    let rules = past.retention()?;
    let days = amounts::plural(u64::from(rules.days), "day");
    let kept = format!(
        "keeps {}, for {days}",
        amounts::count(u64::from(rules.versions))
    );
    Ok(format!("{}   {n} ({kept})\n\n{}", past.path, table.draw()))
}
