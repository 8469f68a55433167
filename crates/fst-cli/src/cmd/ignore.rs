//! `fst ignore add | remove | list | check`: what is not synced, and by which rule.

use std::path::{Path, PathBuf};

use fst_client::Client;
use fst_client::config::FolderConfig;
use fst_client::views::{Rule, WhyItem};
use fst_proto::error::ErrorCode;
use serde_json::json;

use super::account::reload_daemon;
use super::local::find;
use super::versions::sync_first;
use super::why::place;
use crate::args::IgnoreCommand;
use crate::context::{Context, absolute, shown};
use crate::noted::{self, Name};
use crate::render::{Page, Symbol, json as drawn};
use crate::report::{Answer, Failure};

/// How one of several folders is named.
const NAMED: &str = "name it: fst ignore add PATTERN --folder PATH";

pub(super) fn run(context: &Context, command: &IgnoreCommand) -> Result<Answer, Failure> {
    match command {
        IgnoreCommand::Add {
            pattern,
            folder,
            device,
            space,
        } => add(context, pattern, folder.as_deref(), scope(*device, *space)),
        IgnoreCommand::Remove {
            pattern,
            folder,
            space,
            device: _,
        } => remove(context, pattern, folder.as_deref(), *space),
        IgnoreCommand::List { folder } => list(context, folder.as_deref()),
        IgnoreCommand::Check { paths } => check(context, paths),
    }
}

/// For whom a rule is.
#[derive(Clone, Copy)]
enum Scope {
    /// Every device, by a file in the folder.
    Folder,
    /// Every device, by the policy of the space.
    Space,
    /// This device.
    Device,
}

fn scope(is_device: bool, is_space: bool) -> Scope {
    match (is_device, is_space) {
        (true, _) => Scope::Device,
        (false, true) => Scope::Space,
        (false, false) => Scope::Folder,
    }
}

fn add(
    context: &Context,
    pattern: &str,
    folder: Option<&Path>,
    scope: Scope,
) -> Result<Answer, Failure> {
    let client = context.client()?;
    let folder = chosen(context, &client, folder, NAMED)?.clone();
    let name = Name::new("ignore add", pattern);
    let (rule, operation) = match scope {
        Scope::Folder => noted::act(context, name, |note| {
            client.ignore_everywhere(&folder, pattern, note)
        })?,
        Scope::Space => noted::act(context, name, |note| {
            client.ignore_in_space(&folder, pattern, note)
        })
        .map_err(sync_first)?,
        Scope::Device => {
            let draft = || client.draft_ignored_here(&folder.path, pattern);
            let (rule, _) = draft()?;
            let written = noted::write(context, name, || draft().map(|(_, draft)| draft));
            let operation = written?;
            reload_daemon(context)?;
            (rule, operation)
        },
    };
    let look = &context.look;
    let whom = match scope {
        Scope::Device => "this device",
        Scope::Folder | Scope::Space => "every device",
    };
    let text = format!(
        "{} {} ignores {pattern} on {whom} ({}:{})\n  Nothing is deleted by it, here or anywhere.\n",
        look.symbol(Symbol::Good),
        look.tilde(&folder.path),
        rule.file,
        rule.line
    );
    let data = json!({ "folder": shown(&folder.path), "rule": drawn::value(&rule) });
    let next = format!("fst ignore list {}", look.quoted(&folder.path));
    let answer = Answer::new("fst.ignore.add/1", data, text).then(next);
    Ok(answer.undone_by(operation.as_ref()))
}

fn remove(
    context: &Context,
    pattern: &str,
    folder: Option<&Path>,
    is_space: bool,
) -> Result<Answer, Failure> {
    let client = context.client()?;
    let folder = chosen(context, &client, folder, NAMED)?.clone();
    let name = Name::new("ignore remove", pattern);
    let operation = if is_space {
        let heeded = noted::act(context, name, |note| {
            client.heed_in_space(&folder, pattern, note)
        });
        heeded.map_err(|failure| named(sync_first(failure)))?.1
    } else {
        let draft = || client.draft_heeded_here(&folder.path, pattern);
        let operation = noted::write(context, name, draft).map_err(named)?;
        reload_daemon(context)?;
        operation
    };
    let look = &context.look;
    let good = look.symbol(Symbol::Good);
    let text = format!(
        "{good} {} has no rule {pattern} any more\n",
        look.tilde(&folder.path)
    );
    let data = json!({ "folder": shown(&folder.path), "pattern": pattern });
    let next = format!("fst ignore list {}", look.quoted(&folder.path));
    let answer = Answer::new("fst.ignore.remove/1", data, text).then(next);
    Ok(answer.undone_by(operation.as_ref()))
}

/// A rule that is not there has a list to be looked up in.
fn named(failure: Failure) -> Failure {
    match failure.code {
        ErrorCode::NotFound => failure.hint("fst ignore list"),
        _ => failure,
    }
}

/// The folder that is named, else the one around the working directory, else the only one.
pub(super) fn chosen<'c>(
    context: &Context,
    client: &'c Client,
    folder: Option<&Path>,
    how: &str,
) -> Result<&'c FolderConfig, Failure> {
    if let Some(folder) = folder {
        return find(context, client, &absolute(folder)?);
    }
    if let Ok((folder, _)) = place(context, client, Path::new(".")) {
        return Ok(folder);
    }
    match client.config().folders.as_slice() {
        [only] => Ok(only),
        _ => {
            let failure = Failure::new(ErrorCode::Usage, "which folder?");
            Err(failure.hint(how))
        },
    }
}

fn list(context: &Context, folder: Option<&Path>) -> Result<Answer, Failure> {
    let client = context.client()?;
    let folders: Vec<&FolderConfig> = match folder {
        Some(folder) => vec![find(context, &client, &absolute(folder)?)?],
        None => client.config().folders.iter().collect(),
    };
    let mut text = Page::default();
    let mut data = Vec::new();
    for folder in folders {
        let rules = client.ignore_rules(folder)?;
        text.line(context.look.tilde(&folder.path));
        if rules.is_empty() {
            text.line("  no rules");
        }
        for rule in &rules {
            text.line(format!("  {}", line(rule)));
        }
        data.push(json!({ "folder": shown(&folder.path), "rules": drawn::value(&rules) }));
    }
    Ok(Answer::new(
        "fst.ignore.list/1",
        json!({ "folders": data }),
        text.into_text(),
    ))
}

fn line(rule: &Rule) -> String {
    format!("{}:{}: {}", rule.file, rule.line, rule.pattern)
}

fn check(context: &Context, paths: &[PathBuf]) -> Result<Answer, Failure> {
    let client = context.client()?;
    let mut text = Page::default();
    let mut data = Vec::new();
    for path in paths {
        let (folder, inside) = place(context, &client, path)?;
        let why = client.why(folder, &inside)?;
        let is_ignored = why.state == "ignored";
        text.block(verdict(context, path, &why));
        data.push(json!({
            "path": shown(path),
            "ignored": is_ignored,
            "held": why.state == "held" && why.rule.is_none() && why.code.is_some(),
            "rule": drawn::value(&why.rule),
            "reason": why.reason,
        }));
    }
    Ok(Answer::new(
        "fst.ignore.check/1",
        json!({ "paths": data }),
        text.into_text(),
    ))
}

fn verdict(context: &Context, path: &Path, why: &WhyItem) -> String {
    let path = context.look.clip(&shown(path), usize::MAX);
    match (&why.rule, why.state.as_str()) {
        (Some(rule), "ignored") => format!("{path}: ignored by {}\n", line(rule)),
        (Some(rule), _) => format!("{path}: kept by {}\n", line(rule)),
        (None, "held") if why.code.is_some() => format!("{path}: held, {}\n", why.reason),
        (None, _) => format!("{path}: no rule\n"),
    }
}
