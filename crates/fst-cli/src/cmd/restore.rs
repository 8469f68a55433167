//! `fst restore PATH`: a version, a deleted file, or a whole folder as it was at a time.
//!
//! Needs the server for the bytes, the daemon for nothing. Invariant: the plan that `--dry-run` prints is the one that
//! is carried out.

use std::path::{Path, PathBuf};

use fst_client::operations::{Operation, Operations, Way};
use fst_client::past::Past;
use fst_client::restore::{Newer, Restore as Planned, Restored, Step};
use fst_client::versions::Version;
use fst_proto::error::{ErrorCode, Exit};
use fst_proto::text::printable;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::args::Restore;
use crate::context::{Context, shown};
use crate::noted::{self, Name};
use crate::render::{Look, Page, Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};
use crate::when;

/// Lines of a plan that people are shown unless they ask for all.
const LINES_MAX: usize = 40;

/// Name of the JSON document.
const SCHEMA: &str = "fst.restore/1";

pub(super) fn run(context: &Context, args: &Restore) -> Result<Answer, Failure> {
    let client = context.client()?;
    let past = client.past(&args.path)?;
    let at = moment(args)?;
    match &args.to {
        Some(to) => elsewhere(context, &past, (args, at), to),
        None => here(context, &past, (args, at)),
    }
}

fn moment(args: &Restore) -> Result<Option<UnixMillis>, Failure> {
    let zone = TimeZone::system();
    let read = args.wanted.time.as_deref();
    let read = read.map(|text| when::parse(text, Context::now(), &zone));
    read.transpose()
        .map_err(|wrong| Failure::new(ErrorCode::Usage, wrong))
}

fn here(
    context: &Context,
    past: &Past<'_>,
    (args, at): (&Restore, Option<UnixMillis>),
) -> Result<Answer, Failure> {
    let newer = if args.exact {
        Newer::Remove
    } else {
        Newer::Keep
    };
    let planned = match (args.wanted.version, at) {
        (Some(number), _) => {
            let version = version(context, past, args, number)?;
            let planned = past.plan_revision(&version.revision);
            return finish(context, past, args, &planned)
                .map_err(|failure| dated(past, &version, failure));
        },
        (None, Some(at)) => past.plan_moment(at, newer)?,
        (None, None) => past.plan_deleted(&deleted(past)?),
    };
    finish(context, past, args, &planned)
}

/// Carries a plan out and says what comes next.
fn finish(
    context: &Context,
    past: &Past<'_>,
    args: &Restore,
    planned: &Planned,
) -> Result<Answer, Failure> {
    let undo = undo(context, past, args);
    let answer = carry_out(context, past, ("restore", planned), args.dry_run)?;
    let is_synced_by_daemon = context.daemon_if_any()?.is_some();
    let has_done = !args.dry_run && !planned.plan.steps.is_empty();
    Ok(match has_done {
        true if is_synced_by_daemon => answer.then("fst wait --synced").then(undo),
        true => answer.then("fst sync").then(undo),
        false => answer,
    })
}

/// Says since when the server was free to give a version up, when that is why it cannot be had.
fn dated(past: &Past<'_>, version: &Version, failure: Failure) -> Failure {
    let over = past.keeping(&version.revision).ok();
    let over = over.and_then(|keeping| keeping.over_since(Context::now()));
    match over.filter(|_| failure.code == ErrorCode::NoSuchVersion) {
        Some(end) => {
            let day = when::shown(end, &TimeZone::system());
            failure.because(format!("it was kept until {day}, then pruned"))
        },
        None => failure,
    }
}

/// The version of this number of the file that lies at the path, or lay there last.
pub(super) fn version(
    context: &Context,
    past: &Past<'_>,
    args: &Restore,
    number: u32,
) -> Result<Version, Failure> {
    find_version(past, number).map_err(|failure| {
        failure.hint(format!("fst versions {}", context.look.quoted(&args.path)))
    })
}

/// The version of this number, or what there is instead.
pub(super) fn find_version(past: &Past<'_>, number: u32) -> Result<Version, Failure> {
    let found = past.histories(false)?;
    let versions = found.into_iter().flat_map(|path| path.history.versions);
    let versions: Vec<Version> = versions.collect();
    let n = versions.len();
    let wanted = versions
        .into_iter()
        .find(|version| version.number == number);
    wanted.ok_or_else(|| {
        let message = format!("{} has no version {number}", past.path);
        let there = format!("it has versions 1 to {n}");
        Failure::new(ErrorCode::NoSuchVersion, message).because(there)
    })
}

fn deleted(past: &Past<'_>) -> Result<Vec<fst_client::versions::Deleted>, Failure> {
    let gone = past.deleted()?;
    if gone.is_empty() {
        let message = format!("nothing was deleted at {}", past.path);
        return Err(Failure::new(ErrorCode::NoSuchVersion, message).hint("fst trash list"));
    }
    Ok(gone)
}

fn undo(context: &Context, past: &Past<'_>, args: &Restore) -> String {
    let path = context.look.quoted(&args.path);
    let current = past.histories(false).ok();
    let current = current
        .as_ref()
        .and_then(|found| found.first()?.history.versions.last());
    match current {
        Some(version) if version.is_current => {
            format!("fst restore {path} --version {}", version.number)
        },
        Some(_) => "fst trash list".to_owned(),
        None => {
            format!("fst restore {path} --exact --time @{}", Context::now().0)
        },
    }
}

/// Carries a plan out, or only shows it.
pub(super) fn carry_out(
    context: &Context,
    past: &Past<'_>,
    (command, planned): (&str, &Planned),
    is_dry: bool,
) -> Result<Answer, Failure> {
    if planned.plan.steps.is_empty() && !planned.plan.blocked.is_empty() {
        let message = ErrorCode::InTheWay.title();
        let blocked = planned.plan.blocked.iter().map(ToString::to_string);
        let blocked: Vec<String> = blocked.collect();
        return Err(Failure::new(ErrorCode::InTheWay, message).because(blocked.join(", ")));
    }
    let (done, operation) = match is_dry {
        true => (Restored::default(), None),
        false => restored(context, past, (command, planned))?,
    };
    if let ([], [problem]) = (done.done.as_slice(), done.problems.as_slice()) {
        let is_code = |code: &&ErrorCode| code.to_string() == problem.code;
        let code = ErrorCode::ALL.iter().find(is_code).copied();
        let code = code.unwrap_or(ErrorCode::Internal);
        return Err(Failure::new(code, code.title())
            .because(format!("{}: {}", problem.path, problem.reason)));
    }
    let exit = match done.problems.is_empty() && planned.plan.blocked.is_empty() {
        true => Exit::Done,
        false => Exit::Partial,
    };
    let warnings = done
        .problems
        .iter()
        .map(|problem| format!("{}: {} ({})", problem.path, problem.reason, problem.code));
    let blocked = planned.plan.blocked.iter();
    let blocked = blocked.map(|path| format!("{path}: {}", ErrorCode::InTheWay.title()));
    let data = document(past, planned, &done, is_dry);
    let text = text(&context.look, planned, &done, is_dry);
    let answer = Answer::new(SCHEMA, data, text).with_exit(exit as u8);
    let answer = answer.undone_by(operation.as_ref());
    Ok(answer.warn(warnings).warn(blocked))
}

/// Carries a plan out, noted before it is begun.
fn restored(
    context: &Context,
    past: &Past<'_>,
    (command, planned): (&str, &Planned),
) -> Result<(Restored, Option<Operation>), Failure> {
    let intended = past.intended(planned);
    // Directories alone are no loss to anybody.
    if intended.things.is_empty() && intended.way == Way::Files {
        return Ok((past.restore(planned)?, None));
    }
    let inside = printable(&past.path.to_bytes());
    let subject = match inside.is_empty() {
        true => context.look.tilde(&past.folder.path),
        false => format!("{}/{inside}", context.look.tilde(&past.folder.path)),
    };
    let log = Operations::of(&context.dirs);
    let begun = noted::begin(&log, Name::new(command, &subject), intended)?;
    let done = past.restore(planned)?;
    if done.done.is_empty() {
        begun.failed();
        return Ok((done, None));
    }
    Ok((done, Some(begun.done())))
}

fn document(past: &Past<'_>, planned: &Planned, done: &Restored, is_dry: bool) -> Value {
    let strings = |paths: &[fst_proto::path::RelPath]| -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    };
    let steps: Vec<Value> = planned
        .plan
        .steps
        .iter()
        .map(|step| json!({ "action": action(step), "path": step.path().to_string() }))
        .collect();
    json!({
        "folder": shown(&past.folder.path),
        "dry_run": is_dry,
        "plan": steps,
        "unchanged": planned.plan.n_same,
        "kept": strings(&planned.plan.kept),
        "blocked": strings(&planned.plan.blocked),
        "restored": strings(&done.done),
        "problems": drawn::value(&done.problems),
    })
}

fn action(step: &Step) -> &'static str {
    match step {
        Step::MakeDir { .. } => "make",
        Step::Create { .. } => "create",
        Step::Replace { .. } => "replace",
        Step::Remove { .. } => "remove",
    }
}

fn text(look: &Look, planned: &Planned, done: &Restored, is_dry: bool) -> String {
    let mut page = Page::default();
    let plan = &planned.plan;
    let n_max = if look.shows_all {
        usize::MAX
    } else {
        LINES_MAX
    };
    for step in plan.steps.iter().take(n_max) {
        page.line(format!("  {:<8} {}", action(step), step.path()));
    }
    if plan.steps.len() > n_max {
        let more = amounts::count((plan.steps.len() - n_max) as u64);
        page.line(format!("  … and {more} more: add -v"));
    }
    let good = look.symbol(Symbol::Good);
    page.line(match (is_dry, plan.steps.is_empty()) {
        (_, true) => format!("{good} Nothing to restore: it is what it was"),
        (true, false) => format!(
            "{} would be done; nothing was changed",
            amounts::plural(plan.steps.len() as u64, "step")
        ),
        (false, false) => format!(
            "{good} {} restored; what was there before stays in the versions",
            amounts::plural(done.done.len() as u64, "path")
        ),
    });
    if !plan.kept.is_empty() {
        let n = amounts::plural(plan.kept.len() as u64, "path");
        page.line(format!(
            "  {n} newer than that stay; --exact removes them too"
        ));
    }
    page.into_text()
}

fn elsewhere(
    context: &Context,
    past: &Past<'_>,
    (args, at): (&Restore, Option<UnixMillis>),
    to: &Path,
) -> Result<Answer, Failure> {
    if args.dry_run {
        let message = "--dry-run does not go with --to: --to changes nothing here";
        return Err(Failure::new(ErrorCode::Usage, message));
    }
    let written: Vec<PathBuf> = match (args.wanted.version, at) {
        (Some(number), _) => {
            let version = version(context, past, args, number)?;
            let written = past.write_revision(&version.revision, to);
            written.map_err(|error| dated(past, &version, error.into()))?
        },
        (None, Some(at)) => past.write_moment(at, to)?,
        (None, None) => {
            let gone = deleted(past)?;
            let [item] = gone.as_slice() else {
                let message = "--deleted --to takes one file";
                return Err(Failure::new(ErrorCode::Usage, message));
            };
            past.write_revision(&item.last.revision, to)?
        },
    };
    let n = amounts::plural(written.len() as u64, "file");
    let look = &context.look;
    let good = look.symbol(Symbol::Good);
    let text = format!("{good} {n} written to {}\n", look.tilde(to));
    let written: Vec<String> = written.iter().map(|path| shown(path)).collect();
    let data = json!({ "to": shown(to), "written": written, "dry_run": false });
    Ok(Answer::new(SCHEMA, data, text))
}
