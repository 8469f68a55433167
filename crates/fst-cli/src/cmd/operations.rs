//! `fst undo`, `fst op log`, `fst op show`: what commands changed, and the way back.
//!
//! Whether something may be undone is decided in `fst_client::operations`. Invariant: an undo is an operation like any
//! other: noted before it is done, shown in the log, and undone by its id. Source: docs/design/commands.md §14.

use fst_client::config::Config;
use fst_client::operations::{Operation, Operations, Thing, Way};
use fst_proto::error::{ErrorCode, Exit};
use fst_proto::ipc::{PathProblem, Request};
use fst_proto::text::printable;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::account::reload_daemon;
use super::remove;
use crate::args::OpCommand;
use crate::context::Context;
use crate::noted::{self, Name};
use crate::render::table::{Side, Table};
use crate::render::{Page, Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};

/// Widest column of what an operation was about: a line has 80 columns.
const SUBJECT_WIDTH_MAX: usize = 36;

/// Widest value of a thing: both of them and a short name fit a line.
const VALUE_WIDTH_MAX: usize = 40;

pub(super) fn run(context: &Context, command: &OpCommand) -> Result<Answer, Failure> {
    match command {
        OpCommand::Log { limit } => log(context, *limit),
        OpCommand::Show { op } => show(context, op),
    }
}

pub(super) fn undo(context: &Context, id: Option<&str>) -> Result<Answer, Failure> {
    let log = Operations::of(&context.dirs);
    let operation = log.find(id)?;
    let undone = match &operation.way {
        Way::Config { .. } => config_back(context, &operation).map(|undone| (undone, Vec::new())),
        Way::Afar { .. } => afar_back(context, &operation).map(|undone| (undone, Vec::new())),
        Way::Files => files_back(context, &operation),
        Way::Space { .. } | Way::RuleFile { .. } => {
            rule_back(context, &operation).map(|undone| (undone, Vec::new()))
        },
        Way::None { why } => Err(none(why)),
        Way::Newer => Err(none("a newer version of this program has noted it")),
    };
    let (undone, problems) = undone.map_err(|failure| {
        let older = match (id, failure.code) {
            (None, ErrorCode::NotUndoable | ErrorCode::ChangedSince) => log.before(&operation),
            _ => Ok(None),
        };
        about(failure, &operation, older.ok().flatten().as_ref())
    })?;
    let mut page = Page::default();
    let verb = match problems.is_empty() {
        true => "is undone",
        false => "is undone in part",
    };
    page.line(format!(
        "{} {} {verb}: {}",
        context.look.symbol(Symbol::Good),
        operation.short,
        title(&operation)
    ));
    let mut data = json!({ "undone": document(&operation) });
    if problems.is_empty() {
        data["undone"]["state"] = json!("undone");
    }
    let answer = Answer::new("fst.undo/1", data, page.into_text());
    let exit = match problems.is_empty() {
        true => Exit::Done,
        false => Exit::Partial,
    };
    let answer = answer.warn(problems).with_exit(exit as u8);
    Ok(answer.undone_by(undone.as_ref()))
}

/// Says that there is no way back.
fn none(why: &str) -> Failure {
    Failure::new(ErrorCode::NotUndoable, ErrorCode::NotUndoable.title()).because(why)
}

/// Names the operation where the catalogue says `OP`, and the one that may be undone instead.
fn about(failure: Failure, operation: &Operation, older: Option<&Operation>) -> Failure {
    let mut hint = failure.hint.replace("OP", &operation.short);
    if let Some(older) = older {
        hint.extend(["; further back: fst undo ", &older.short]);
    }
    failure.hint(hint)
}

/// Puts back what an operation changed in the configuration.
fn config_back(context: &Context, operation: &Operation) -> Result<Option<Operation>, Failure> {
    let draft = || operation.draft_back(&context.dirs);
    let first = draft()?;
    let [gone, new] = first.folders(&context.dirs)?;
    if let Some(folder) = new.iter().find(|folder| !folder.path.is_dir()) {
        let failure = Failure::new(ErrorCode::RootMissing, ErrorCode::RootMissing.title());
        let at = context.look.quoted(&folder.path);
        return Err(failure.hint(format!("put it back, or: fst add {at}")));
    }
    let name = Name {
        undoes: Some(operation),
        ..Name::new("undo", &operation.short)
    };
    let undone = if gone.is_empty() {
        noted::write(context, name, draft)?
    } else {
        noted::let_write(context, name, &first, || {
            gone.iter()
                .try_for_each(|folder| remove::carry_out(context, &folder.path))
        })?
    };
    reload_daemon(context)?;
    Ok(undone)
}

/// Lets a path at the server become what it was.
fn afar_back(context: &Context, operation: &Operation) -> Result<Option<Operation>, Failure> {
    let client = context.client()?;
    let name = Name {
        undoes: Some(operation),
        ..Name::new("undo", &operation.short)
    };
    let undone = noted::act(context, name, |note| client.undo_afar(operation, note));
    let (_, undone) = undone.map_err(explained)?;
    Ok(undone)
}

/// Lets files of folders become what they were; what is left as it is comes as warnings.
fn files_back(
    context: &Context,
    operation: &Operation,
) -> Result<(Option<Operation>, Vec<String>), Failure> {
    let client = context.client()?;
    let name = Name {
        undoes: Some(operation),
        ..Name::new("undo", &operation.short)
    };
    let log = Operations::of(&context.dirs);
    let mut begun = None;
    let done = client.undo_files(operation, &mut |intended| {
        begun = Some(noted::begin(&log, name, intended)?);
        Ok(())
    });
    let done = done.map_err(|error| explained(error.into()))?;
    // What was left as it is can be taken back later: without its end, this undo does not count as one.
    let undone = begun.map(|begun| match done.problems.is_empty() {
        true => begun.done(),
        false => begun.operation,
    });
    // Only to be quick: the daemon would notice by itself.
    if let Some(mut daemon) = context.daemon_if_any()? {
        daemon.ask(&Request::Sync)?;
    }
    let said = |problem: &PathProblem| {
        let PathProblem {
            path, reason, code, ..
        } = problem;
        format!("{path}: {reason} ({code})")
    };
    Ok((undone, done.problems.iter().map(said).collect()))
}

/// Lets rules of a space, or its rule file, become what they were.
fn rule_back(context: &Context, operation: &Operation) -> Result<Option<Operation>, Failure> {
    let client = context.client()?;
    let name = Name {
        undoes: Some(operation),
        ..Name::new("undo", &operation.short)
    };
    let undone = noted::act(context, name, |note| match operation.way {
        Way::RuleFile { .. } => client.undo_rule_file(operation, note),
        _ => client.undo_space(operation, note),
    });
    let (_, undone) = undone.map_err(explained)?;
    Ok(undone)
}

/// Why a way back from the versions is closed.
fn explained(failure: Failure) -> Failure {
    match failure.code {
        ErrorCode::NoSuchVersion => {
            let why = "the server keeps replaced and removed contents only for a time";
            failure.because(why).hint("fst op show OP")
        },
        ErrorCode::Unsynced => failure.hint("fst wait --synced, then: fst undo OP"),
        ErrorCode::Conflict => failure.hint("fst undo OP"),
        _ => failure,
    }
}

fn log(context: &Context, limit: usize) -> Result<Answer, Failure> {
    let mut all = Operations::of(&context.dirs).all()?;
    all.reverse();
    all.truncate(limit);
    let columns = ["Op", "When", "Command", "About", "State"];
    let mut table = Table::new(&columns.map(|title| (title, Side::Left)));
    let (now, zone) = (Context::now(), TimeZone::system());
    for operation in &all {
        table.row(vec![
            operation.short.clone(),
            amounts::when(now, UnixMillis(operation.time_ms), &zone),
            operation.command.clone(),
            context
                .look
                .clip(&printable(operation.subject.as_bytes()), SUBJECT_WIDTH_MAX),
            operation.state().to_owned(),
        ]);
    }
    let text = match all.is_empty() {
        true => "Nothing was changed yet by a command of this version\n".to_owned(),
        false => table.draw(),
    };
    let operations: Vec<Value> = all.iter().map(document).collect();
    let data = json!({ "operations": operations });
    Ok(Answer::new("fst.op.log/1", data, text))
}

fn show(context: &Context, id: &str) -> Result<Answer, Failure> {
    let operation = Operations::of(&context.dirs).find(Some(id))?;
    let mut page = Page::default();
    page.line(format!("{}  {}", operation.short, title(&operation)));
    let when = UnixMillis(operation.time_ms);
    let when = amounts::when(Context::now(), when, &TimeZone::system());
    page.line(format!("  when   {when}"));
    page.line(format!("  state  {}", operation.state()));
    if let Way::None { why } = &operation.way {
        page.line(format!("  kept   cannot be undone: {why}"));
    }
    for thing in &operation.things {
        page.line(format!("  {}", line(context, thing)));
    }
    let mut data = document(&operation);
    data["things"] = drawn::value(&operation.things);
    data["now"] = drawn::value(&now(context, &operation)?);
    let answer = Answer::new("fst.op.show/1", data, page.into_text());
    Ok(
        match operation.is_undoable() && operation.state() == "done" {
            true => answer.then(format!("fst undo {}", operation.short)),
            false => answer,
        },
    )
}

/// What the things are now; `null` where only the server knows.
fn now(context: &Context, operation: &Operation) -> Result<Option<Vec<Option<String>>>, Failure> {
    match &operation.way {
        Way::Config { file, .. } if *file == context.dirs.config_file().to_string_lossy() => {
            let names = operation.things.iter().map(|thing| thing.name.as_str());
            let names: Vec<&str> = names.collect();
            Ok(Some(Config::things(&context.dirs, &names)?))
        },
        Way::Config { .. }
        | Way::Afar { .. }
        | Way::Files
        | Way::Space { .. }
        | Way::RuleFile { .. }
        | Way::None { .. }
        | Way::Newer => Ok(None),
    }
}

/// The command and what it was about.
fn title(operation: &Operation) -> String {
    let title = format!("{} {}", operation.command, operation.subject);
    printable(title.trim().as_bytes())
}

fn line(context: &Context, thing: &Thing) -> String {
    let value = |value: &Option<String>| match value {
        Some(value) => context
            .look
            .clip(&printable(value.as_bytes()), VALUE_WIDTH_MAX),
        None => "nothing".to_owned(),
    };
    let arrow = context.look.symbol(Symbol::Next);
    let (was, left) = (value(&thing.was), value(&thing.left));
    let name = printable(thing.name.as_bytes());
    format!("{name}: {was} {arrow} {left}")
}

fn document(operation: &Operation) -> Value {
    json!({
        "id": operation.id,
        "short": operation.short,
        "time": operation.time_ms,
        "command": operation.command,
        "subject": operation.subject,
        "state": operation.state(),
        "undoable": operation.is_undoable(),
        "undoes": operation.undoes,
    })
}
