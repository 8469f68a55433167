//! Dry runs: what a command would do with each path, and why. Nothing is changed.
//!
//! The plan is made by the planner of the real run, on a private copy of what this device knows. Invariant: every line
//! names direction, action, reason and the row of docs/design/sync-semantics.md. Not here: the plan itself
//! (`fst_client::Client::explain`). Source: docs/design/commands.md §7.

use std::collections::BTreeMap;
use std::path::Path;

use fst_client::Client;
use fst_client::config::FolderConfig;
use fst_client::views::{FolderPlan, PlannedItem};
use serde_json::json;

use super::local::find;
use crate::context::Context;
use crate::render::{Page, Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};

/// Lines per kind of action, unless more is wished.
const LINES_MAX: usize = 10;

/// Widest path column.
const PATH_WIDTH_MAX: usize = 36;

/// The order in which actions are shown.
const ACTIONS: [(&str, &str); 7] = [
    ("upload", "upload"),
    ("download", "download"),
    ("move", "move"),
    ("attributes", "attributes"),
    ("delete", "delete"),
    ("adopt", "take note"),
    ("hold", "leave"),
];

/// Plans one folder, or all that are not paused.
pub(super) fn run(
    context: &Context,
    path: Option<&Path>,
    is_full: bool,
    command: &str,
) -> Result<Answer, Failure> {
    let client = context.client()?;
    let folders = wanted(context, &client, path)?;
    let plans = folders.into_iter().map(|folder| {
        let plan = client.explain(folder, is_full);
        plan.map_err(|error| Failure::from(error).about(&context.look.quoted(&folder.path)))
    });
    let plans: Vec<FolderPlan> = plans.collect::<Result<_, _>>()?;
    Ok(answer(context, &plans, command))
}

/// What `fst remove` would leave unsynced.
pub(super) fn of_removal(context: &Context, path: &Path) -> Result<Answer, Failure> {
    let command = format!("fst remove {}", context.look.quoted(path));
    let answer = run(context, Some(path), false, &command)?;
    let note = "Removing it now deletes nothing: what is above stays as it is on both sides.";
    Ok(Answer {
        text: format!("{}{note}\n", answer.text),
        ..answer
    })
}

fn wanted<'c>(
    context: &Context,
    client: &'c Client,
    path: Option<&Path>,
) -> Result<Vec<&'c FolderConfig>, Failure> {
    match path {
        Some(path) => Ok(vec![find(context, client, path)?]),
        None => {
            let all = client.config().folders.iter();
            Ok(all.filter(|folder| !folder.paused).collect())
        },
    }
}

/// The answer of a dry run.
pub(super) fn answer(context: &Context, plans: &[FolderPlan], command: &str) -> Answer {
    let folders = amounts::plural(plans.len() as u64, "folder");
    let mut text = Page::default();
    text.line(format!("Plan for {folders} (nothing has been changed)"));
    for plan in plans {
        text.block(folder(context, plan));
    }
    let offline = plans.iter().filter(|plan| plan.is_offline).map(|plan| {
        let folder = context.look.tilde(&plan.folder);
        format!("{folder}: the server does not answer; planned from what this device knows")
    });
    let warnings: Vec<String> = offline.collect();
    let data = json!({ "dry_run": true, "folders": drawn::value(&plans) });
    Answer::new("fst.plan/1", data, text.into_text())
        .then(command)
        .warn(warnings)
}

fn folder(context: &Context, plan: &FolderPlan) -> String {
    let look = &context.look;
    let mut out = Page::default();
    out.line(format!(
        "\n{}  {}",
        look.tilde(&plan.folder),
        plan.remote_path
    ));
    let mut by_action: BTreeMap<&str, Vec<&PlannedItem>> = BTreeMap::new();
    for item in &plan.items {
        by_action.entry(&item.action).or_default().push(item);
    }
    for (action, word) in ACTIONS {
        let items = by_action.remove(action).unwrap_or_default();
        out.block(group(context, word, &items));
    }
    out.line(format!("  = same {:>10}   equal on both sides", plan.same));
    if plan.n_ignored > 0 {
        out.line(format!(
            "  - ignored {:>7}   {}",
            plan.n_ignored,
            rules(plan)
        ));
    }
    for problem in &plan.problems {
        out.line(format!(
            "  {} {}   {} ({})",
            look.symbol(Symbol::Look),
            look.clip(&problem.path, PATH_WIDTH_MAX),
            problem.reason,
            problem.code
        ));
    }
    if let Some(stop) = &plan.stopped {
        let symbol = look.symbol(Symbol::Bad);
        out.line(format!(
            "  {symbol} would stop: {} ({}, {})",
            stop.reason, stop.code, stop.row
        ));
        out.block(look.next(&stop.next));
    }
    let (up, down) = (
        amounts::size(plan.upload_bytes),
        amounts::size(plan.download_bytes),
    );
    out.line(format!("  {up} up, {down} down"));
    out.into_text()
}

fn group(context: &Context, word: &str, items: &[&PlannedItem]) -> String {
    let look = &context.look;
    let limit = if look.shows_all {
        usize::MAX
    } else {
        LINES_MAX
    };
    let mut out = Page::default();
    for item in items.iter().take(limit) {
        let arrow = match item.direction.as_str() {
            "up" => look.symbol(Symbol::Up),
            "down" => look.symbol(Symbol::Down),
            "both" => look.symbol(Symbol::Both),
            _ => "-".to_owned(),
        };
        let path = match &item.was {
            Some(was) => format!("{was} to {}", item.path),
            None => item.path.clone(),
        };
        let path = look.clip(&path, PATH_WIDTH_MAX);
        out.line(format!(
            "  {arrow} {word:<10}  {path:<PATH_WIDTH_MAX$}  {}  {}",
            item.row, item.reason
        ));
    }
    if items.len() > limit {
        let more = items.len() - limit;
        out.line(format!("    {word:<10}  and {more} more: -v shows all"));
    }
    out.into_text()
}

/// The rules that ignore something, each once.
fn rules(plan: &FolderPlan) -> String {
    let mut shown: Vec<String> = Vec::new();
    for item in &plan.ignored {
        let rule = &item.rule;
        let text = format!("{} ({}:{})", rule.pattern, rule.file, rule.line);
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    let n_more = shown.len().saturating_sub(3);
    shown.truncate(3);
    let more = if n_more > 0 {
        format!(", {n_more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}
