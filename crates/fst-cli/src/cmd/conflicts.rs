//! `fst conflicts`: files that two devices changed at once, with both sides, and ways to settle them.
//!
//! Invariant: settling goes through [`Client`]; nothing is lost by it, and every answer says how to undo it.

use std::path::Path;

use fst_client::operations::{Begun, Operation, Operations, Way};
use fst_client::past::Intended;
use fst_client::views::ConflictSide;
use fst_client::{Choice, Client, ClientError, ConflictItem, Rule, Settled, Texts};
use fst_proto::error::ErrorCode;
use fst_proto::ipc::Request;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::json;

use super::editor;
use crate::args::{Choose, ConflictsCommand, Merge};
use crate::context::Context;
use crate::noted::{self, Name};
use crate::render::table::{Side, Table};
use crate::render::{Look, Symbol, amounts, json as drawn, quote};
use crate::report::{Answer, Failure};

/// Widest name column.
const NAME_WIDTH_MAX: usize = 28;

/// Unchanged lines shown around a difference.
const DIFF_CONTEXT: usize = 3;

/// Exit code when some conflicts stay open.
const EXIT_PARTIAL: u8 = 3;

pub(super) fn run(context: &Context, command: &ConflictsCommand) -> Result<Answer, Failure> {
    let client = context.client()?;
    match command {
        ConflictsCommand::List => list(context, &client),
        ConflictsCommand::Show { id } => show(context, &client, id),
        ConflictsCommand::Diff { id } => diff(&client, id),
        ConflictsCommand::Resolve { ids, choose } => {
            let rule = Rule::Choice(match choose {
                Choose::Local => Choice::Local,
                Choose::Remote => Choice::Remote,
                Choose::Both => Choice::Both,
            });
            settle_all(context, &client, ids, rule, false)
        },
        ConflictsCommand::Merge(merge) => merge_one(context, &client, merge),
        ConflictsCommand::ResolveAll { strategy, dry_run } => {
            let ids: Vec<String> = client
                .conflicts()?
                .into_iter()
                .map(|item| item.id)
                .collect();
            settle_all(context, &client, &ids, *strategy, *dry_run)
        },
    }
}

fn list(context: &Context, client: &Client) -> Result<Answer, Failure> {
    let conflicts = client.conflicts()?;
    let data = json!({ "conflicts": drawn::value(&conflicts) });
    let mut text = table(context, &conflicts);
    if context.look.shows_all {
        for conflict in &conflicts {
            text.push('\n');
            text.push_str(&details(context, conflict));
        }
    }
    let answer = Answer::new("fst.conflicts/1", data, text);
    Ok(match conflicts.first() {
        None => answer,
        Some(first) => answer
            .then(format!("fst conflicts merge {} --auto", first.id))
            .then("fst conflicts resolve-all --strategy newest"),
    })
}

fn show(context: &Context, client: &Client, id: &str) -> Result<Answer, Failure> {
    let conflict = client.conflict(id)?;
    let merge = match client.conflict_texts(id) {
        Ok(texts) => texts.merge().map(drop).map_err(|reason| reason.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let merges = merge
        .as_ref()
        .map_or_else(Clone::clone, |()| "clean".to_owned());
    let mut text = details(context, &conflict);
    text.extend(["  merge   ", merges.as_str(), "\n"]);
    let data = json!({ "conflict": drawn::value(&conflict), "merge": merges });
    Ok(Answer::new("fst.conflict/1", data, text))
}

fn diff(client: &Client, id: &str) -> Result<Answer, Failure> {
    let conflict = client.conflict(id)?;
    let texts = client.conflict_texts(id)?;
    let [local, remote] = [&texts.local, &texts.remote].map(|side| String::from_utf8_lossy(side));
    let lines = similar::TextDiff::from_lines(&*local, &*remote);
    let path = |side: Option<&ConflictSide>| side.map_or("", |side| &side.path).to_owned();
    let names = (
        path(conflict.local.as_ref()),
        path(conflict.remote.as_ref()),
    );
    let mut lines = lines.unified_diff();
    let text = lines
        .context_radius(DIFF_CONTEXT)
        .header(&names.0, &names.1)
        .to_string();
    let data = json!({ "id": conflict.id, "path": conflict.path, "diff": text });
    Ok(Answer::new("fst.conflict-diff/1", data, text))
}

fn merge_one(context: &Context, client: &Client, merge: &Merge) -> Result<Answer, Failure> {
    let failed = |error| with_id(error, &merge.id);
    let log = Operations::of(&context.dirs);
    let name = Name::new("conflicts merge", &merge.id);
    let (settled, begun) = if merge.auto {
        let intended = client.intend(&merge.id, Rule::Merge).map_err(failed)?;
        let begun = begin(&log, name, intended)?;
        (client.resolve_by_merge(&merge.id), begun)
    } else {
        let text = edited(context, client, merge)?;
        let intended = client.intend_text(&merge.id, &text).map_err(failed)?;
        let begun = begin(&log, name, Some(intended))?;
        (client.resolve_with(&merge.id, &text), begun)
    };
    let settled = settled.map_err(failed)?;
    answer(context, (&[settled], begun.map(Begun::done)), false)
}

/// Notes what is done next, if anything is.
fn begin<'l>(
    log: &'l Operations,
    name: Name<'_>,
    intended: Option<Intended>,
) -> Result<Option<Begun<'l>>, Failure> {
    let begun = intended.map(|intended| noted::begin(log, name, intended));
    Ok(begun.transpose()?)
}

/// What a person makes of both sides, without markers.
fn edited(context: &Context, client: &Client, merge: &Merge) -> Result<Vec<u8>, Failure> {
    let editor = editor::choose(merge.editor.as_deref());
    let editor = editor.ok_or_else(|| {
        let failure = Failure::new(ErrorCode::Usage, "no editor is named");
        failure.hint(format!("fst conflicts merge {} --editor vim", merge.id))
    })?;
    let texts = client
        .conflict_texts(&merge.id)
        .map_err(|error| with_id(error, &merge.id))?;
    let failed = |error: std::io::Error| {
        Failure::new(ErrorCode::Io, ErrorCode::Io.title()).because(error.to_string())
    };
    let dir = tempfile::tempdir().map_err(failed)?;
    let file = dir.path().join(texts.name.to_string());
    std::fs::write(&file, texts.draft()).map_err(failed)?;
    context.say(format!("editing {}", texts.name));
    let is_saved = editor::run(editor, &file).map_err(failed)?;
    let text = std::fs::read(&file).map_err(failed)?;
    if is_saved && !Texts::has_markers(&text) {
        return Ok(text);
    }
    let why = if is_saved {
        "markers are left in the text"
    } else {
        "the editor failed"
    };
    let failure = Failure::new(ErrorCode::NotMergeable, "the conflict stays as it is");
    Err(failure
        .because(why)
        .hint(format!("fst conflicts merge {} --editor vim", merge.id)))
}

fn settle_all(
    context: &Context,
    client: &Client,
    ids: &[String],
    rule: Rule,
    is_dry: bool,
) -> Result<Answer, Failure> {
    let mut all = None;
    for id in ids.iter().filter(|_| !is_dry) {
        all = together(all, client.intend(id, rule)?);
    }
    let log = Operations::of(&context.dirs);
    let subject = ids.join(" ");
    let begun = begin(&log, Name::new("conflicts resolve", &subject), all)?;
    let mut settled = Vec::new();
    for id in ids {
        settled.push(client.resolve_by(id, rule, is_dry)?);
    }
    answer(context, (&settled, begun.map(Begun::done)), is_dry)
}

/// Two changes as one; what cannot be undone makes the whole so.
fn together(one: Option<Intended>, other: Option<Intended>) -> Option<Intended> {
    match (one, other) {
        (Some(mut one), Some(other)) if other.way == Way::Files => {
            for thing in other.things {
                // Two conflicts of one file: it becomes what the later one makes of it.
                match one.things.iter_mut().find(|known| known.name == thing.name) {
                    Some(known) => known.left = thing.left,
                    None => one.things.push(thing),
                }
            }
            Some(one)
        },
        (one, other) => other.or(one),
    }
}

fn answer(
    context: &Context,
    (settled, operation): (&[Settled], Option<Operation>),
    is_dry: bool,
) -> Result<Answer, Failure> {
    let n_open = settled.iter().filter(|one| one.kept == "open").count();
    if !is_dry && n_open < settled.len() {
        // Only to be quick: the daemon would notice by itself.
        if let Some(mut daemon) = context.daemon_if_any()? {
            daemon.ask(&Request::Sync)?;
        }
    }
    let n_done = (settled.len() - n_open) as u64;
    let verb = if is_dry {
        "would be resolved"
    } else {
        "resolved"
    };
    let n = amounts::plural(n_done, "conflict");
    let mut text: String = settled.iter().map(line).collect();
    let symbol = match (n_open, is_dry) {
        (0, false) => context.look.symbol(Symbol::Good) + " ",
        _ => String::new(),
    };
    text.extend([symbol.as_str(), &n, " ", verb, "\n"]);
    let data = json!({ "resolved": drawn::value(&settled), "dry_run": is_dry });
    let mut answer = Answer::new("fst.resolved/1", data, text);
    if let Some(number) = settled.iter().find_map(|one| one.version_before)
        && !is_dry
        && let [one] = settled
        && one.kept != "both"
    {
        answer = answer.then(format!(
            "fst restore {} --version {number}",
            quote(&one.path)
        ));
    }
    let answer = answer.undone_by(operation.as_ref());
    Ok(if n_open > 0 {
        answer.with_exit(EXIT_PARTIAL)
    } else {
        answer
    })
}

fn line(settled: &Settled) -> String {
    let kept = match settled.kept.as_str() {
        "open" => format!("stays open: {}", settled.reason.as_deref().unwrap_or("")),
        "merge" => "both sides merged".to_owned(),
        "both" => "both kept".to_owned(),
        side => format!("{side} kept"),
    };
    format!("  {}  {}  {kept}\n", settled.id, settled.path)
}

/// Names the conflict where the catalogue says `ID`.
fn with_id(error: ClientError, id: &str) -> Failure {
    let mut failure = Failure::from(error);
    failure.hint = failure.hint.replace("ID", id);
    failure
}

fn table(context: &Context, conflicts: &[ConflictItem]) -> String {
    let look = &context.look;
    if conflicts.is_empty() {
        return format!("{} No conflicts\n", look.symbol(Symbol::Good));
    }
    let columns = ["ID", "File", "Here", "There"].map(|title| (title, Side::Left));
    let mut table = Table::new(&columns);
    for conflict in conflicts {
        let folder = look.tilde(&conflict.folder);
        table.row(vec![
            conflict.id.clone(),
            look.clip(&format!("{folder}/{}", conflict.path), NAME_WIDTH_MAX),
            side(conflict.local.as_ref()),
            side(conflict.remote.as_ref()),
        ]);
    }
    let n = amounts::plural(conflicts.len() as u64, "conflict");
    let mut out = format!("{n}\n\n{}", table.draw());
    out.push_str("\n  Nothing is lost: both contents are files, the other one beside the file.\n");
    for conflict in conflicts {
        out.push_str(&copy_line(look, conflict));
    }
    let id = &conflicts[0].id;
    out.push_str(&look.next(&format!("fst conflicts merge {id} --auto")));
    out.push_str(&look.next(&format!("fst conflicts resolve {id} --choose local")));
    out
}

fn side(side: Option<&ConflictSide>) -> String {
    let Some(side) = side else {
        return "gone".to_owned();
    };
    let when = amounts::when(
        Context::now(),
        UnixMillis(side.time_ms),
        &TimeZone::system(),
    );
    format!("{} {when} {}", side.device, amounts::size(side.size))
}

fn details(context: &Context, conflict: &ConflictItem) -> String {
    let folder = context.look.tilde(&conflict.folder);
    let line = |word: &str, what: Option<&ConflictSide>| {
        let path = what.map_or("", |side| side.path.as_str());
        format!("  {word:<7} {}  {path}\n", side(what))
    };
    let base = match &conflict.base {
        Some(_) => line("base", conflict.base.as_ref()),
        None => "  base    not known\n".to_owned(),
    };
    format!(
        "{}  {folder}/{}\n{base}{}{}",
        conflict.id,
        conflict.path,
        line("here", conflict.local.as_ref()),
        line("there", conflict.remote.as_ref()),
    )
}

fn copy_line(look: &Look, conflict: &ConflictItem) -> String {
    let sides = [&conflict.local, &conflict.remote].into_iter().flatten();
    let mut copies = sides.filter(|side| side.path != conflict.path);
    let copy = copies.next().map_or("", |side| side.path.as_str());
    let path = conflict.folder.join(Path::new(copy));
    format!("  {}  {}\n", conflict.id, look.quoted(&path))
}
