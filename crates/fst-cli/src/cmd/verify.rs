//! `fst verify [PATH]`: whether the server's log and data, and the files here, are what they should be.
//!
//! Works with a daemon and without. Invariant: changes nothing; the exit code is that of the worst trouble.
//! Source: docs/design/commands.md §16, ADR 0043.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fst_client::past::verify::{Fault, Part, Trouble, Verdict};
use fst_proto::error::ErrorCode;
use serde_json::{Value, json};

use crate::args::Verify;
use crate::context::{Context, shown};
use crate::render::{Page, Symbol};
use crate::report::{Answer, Failure};
use crate::screen;

/// Files or objects between two lines of progress.
const PROGRESS_EVERY: u64 = 1000;

pub(super) fn run(context: &Context, args: &Verify) -> Result<Answer, Failure> {
    let client = context.client()?;
    let paths = match &args.path {
        Some(path) => vec![path.clone()],
        None => client
            .config()
            .folders
            .iter()
            .map(|f| f.path.clone())
            .collect(),
    };
    if paths.is_empty() {
        return Err(Failure::new(
            ErrorCode::UnknownFolder,
            "there is no folder to verify",
        ));
    }
    let scope = args.scope();
    let mut seen: Vec<(PathBuf, Verdict)> = Vec::new();
    for path in paths {
        let mut told = Told::default();
        let mut progress = |part: Part, n: u64| {
            if told.is_due(part, n) {
                screen::say(&format!("{}: {n}", part.as_str()));
            }
        };
        seen.push(client.verify(&path, &scope, &mut progress)?);
    }
    let worst = seen.iter().filter_map(|(_, verdict)| verdict.worst).max();
    let folders: Vec<Value> = seen.iter().map(|(path, v)| document(path, v)).collect();
    let data = json!({ "trouble": worst.map(word), "folders": folders });
    let answer = Answer::new("fst.verify/1", data, text(context, &seen));
    Ok(match worst {
        None => answer,
        Some(trouble) => answer.with_exit(exit(trouble)).then(next(trouble)),
    })
}

/// What was said last of each part of a folder.
#[derive(Debug, Default)]
struct Told(BTreeMap<Part, u64>);

impl Told {
    /// Whether a step was crossed since; numbers come in leaps of any size.
    fn is_due(&mut self, part: Part, n: u64) -> bool {
        let steps = n / PROGRESS_EVERY;
        let told = self.0.entry(part).or_default();
        std::mem::replace(told, steps) < steps
    }
}

/// Exit codes of this command alone.
fn exit(trouble: Trouble) -> u8 {
    match trouble {
        Trouble::Local => 1,
        Trouble::Remote => 2,
        Trouble::Log => 3,
        Trouble::Rollback => 4,
        Trouble::Unchecked => 5,
    }
}

fn next(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Local => "fst versions PATH",
        Trouble::Remote => "fst-server verify --deep",
        Trouble::Log => "fst explain FST-7003",
        Trouble::Rollback => "fst explain FST-7001",
        Trouble::Unchecked => "fst doctor",
    }
}

fn word(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Unchecked => "unchecked",
        Trouble::Local => "local",
        Trouble::Remote => "remote",
        Trouble::Log => "log",
        Trouble::Rollback => "rollback",
    }
}

fn document(path: &std::path::Path, verdict: &Verdict) -> Value {
    let finding = |fault: &Fault| {
        json!({
            "part": fault.part.as_str(),
            "trouble": word(fault.trouble),
            "path": fault.path.as_ref().map(ToString::to_string),
            "text": fault.text,
        })
    };
    let checked: BTreeMap<&str, Option<u64>> = Part::ALL
        .map(|part| (part.as_str(), verdict.seen.get(&part).copied()))
        .into();
    json!({
        "path": shown(path),
        "checked": checked,
        "changed": verdict.changed,
        "findings": verdict.faults.iter().map(finding).collect::<Vec<_>>(),
        "more": verdict.more,
    })
}

fn text(context: &Context, seen: &[(PathBuf, Verdict)]) -> String {
    let look = &context.look;
    let mut page = Page::default();
    for (path, verdict) in seen {
        let symbol = match verdict.worst {
            None => Symbol::Good,
            Some(Trouble::Unchecked) => Symbol::Look,
            Some(_) => Symbol::Bad,
        };
        let counts = verdict.seen.iter();
        let counts: Vec<String> = counts
            .map(|(part, n)| format!("{} {n}", part.as_str()))
            .collect();
        let path = look.tilde(path);
        page.line(format!(
            "{} {path}  {}",
            look.symbol(symbol),
            counts.join(", ")
        ));
        for fault in &verdict.faults {
            let place = fault.path.as_ref().map(|path| format!("{path}: "));
            let (part, place) = (fault.part.as_str(), place.unwrap_or_default());
            page.line(format!("  {part:<6} {place}{}", fault.text));
        }
        if verdict.more > 0 {
            page.line(format!("  and {} more", verdict.more));
        }
        if verdict.changed > 0 {
            page.line(format!(
                "  {} files were changed here since they were synced",
                verdict.changed
            ));
        }
    }
    if let Some(trouble) = seen.iter().filter_map(|(_, verdict)| verdict.worst).max() {
        page.block(look.next(next(trouble)));
    }
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::{Part, Told};

    #[test]
    fn progress_is_told_when_a_step_is_crossed() {
        let mut told = Told::default();
        let mut due = |part, numbers: &[u64]| -> Vec<u64> {
            let numbers = numbers.iter().copied();
            numbers.filter(|n| told.is_due(part, *n)).collect()
        };
        assert_eq!(
            due(Part::Refs, &[4096, 8192, 8200]),
            [4096, 8192],
            "batches"
        );
        assert_eq!(due(Part::Data, &[999, 1000, 1001, 2000]), [1000, 2000]);
        assert!(due(Part::Local, &[999]).is_empty());
    }
}
