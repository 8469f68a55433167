//! `fst doctor [TOPIC…] [--fix]`: what keeps this device from syncing well, and putting right what is safe.
//!
//! Works with a daemon and without. Invariant: without `--fix` changes nothing, with it only what is ours
//! ([`fst_daemon::mend`]); exit 1 only when something keeps it from syncing. Not here: the archive for others ([`bundle`]).
//! Source: docs/design/commands.md §13.

use std::collections::BTreeSet;

use fst_client::{Client, Finding, Health, Topic};
use fst_daemon::mend::{self, Fault, Kept, WatchLimit};
use fst_proto::error::Exit;
use serde_json::{Value, json};

use super::bundle;
use crate::args::Doctor;
use crate::context::{Context, shown};
use crate::render::{Page, Symbol, quote};
use crate::report::{Answer, Failure, commands_in};

pub(super) fn run(context: &Context, args: &Doctor) -> Result<Answer, Failure> {
    if let Some(file) = &args.bundle {
        return bundle::run(context, file.as_deref());
    }
    let topics = match args.topics.as_slice() {
        [] => Topic::ALL.as_slice(),
        some => some,
    };
    let mut fixes = if args.fix {
        mend_ours(context, topics)
    } else {
        Vec::new()
    };
    let client = context.client();
    // What was done is done, and said, on a device that was never set up as well.
    let client = client.map_err(|failure| failure.details(drawn_fixes(context, &fixes)))?;
    if args.fix && topics.contains(&Topic::Watch) {
        fixes.extend(mend_watches(&client));
    }
    let findings = examine(context, &client, topics);
    Ok(answer(context, &findings, &fixes))
}

/// What there is to say about the topics, in their order.
pub(super) fn examine(context: &Context, client: &Client, topics: &[Topic]) -> Vec<Finding> {
    let faults = mend::faults(&context.dirs);
    let mut findings = Vec::new();
    for &topic in topics {
        findings.extend(client.examine(topic));
        let ours = faults.iter().filter(|fault| fault.topic() == topic);
        findings.extend(ours.map(|fault| Finding {
            topic,
            health: Health::Odd,
            text: fault.text(),
            next: Some("fst doctor --fix".to_owned()),
        }));
    }
    findings
}

/// What `--fix` did, or did not do.
struct Fix {
    topic: Topic,
    text: String,
    /// What to type, when it was not done.
    next: Option<String>,
}

impl Fix {
    fn outcome(&self) -> &'static str {
        match self.next {
            None => "done",
            Some(_) => "by-hand",
        }
    }
}

fn mend_ours(context: &Context, topics: &[Topic]) -> Vec<Fix> {
    let faults = mend::faults(&context.dirs).into_iter();
    let wanted = faults.filter(|fault| topics.contains(&fault.topic()));
    let mend = |fault: Fault| {
        let (topic, text) = (fault.topic(), fault.text());
        match fault.mend(&context.dirs) {
            Ok(()) => Fix {
                topic,
                text,
                next: None,
            },
            Err(error) => Fix {
                topic,
                text: format!("{text}: {error}"),
                next: Some(by_hand(&fault)),
            },
        }
    };
    wanted.map(mend).collect()
}

fn by_hand(fault: &Fault) -> String {
    match fault {
        Fault::Mode { path, want } => format!("sudo chmod {want:o} {}", quote(&shown(path))),
        Fault::DeadDaemon { .. } => "fst daemon status".to_owned(),
        Fault::Abandoned { path } => format!("sudo rm -r {}", quote(&shown(path))),
    }
}

fn mend_watches(client: &Client) -> Option<Fix> {
    let topic = Topic::Watch;
    let is_low = |finding: &Finding| finding.health != Health::Good;
    if !client.examine(topic).iter().any(is_low) {
        return None;
    }
    let by_hand = "sudo sysctl fs.inotify.max_user_watches=1048576";
    let (text, next) = match WatchLimit::of_this_machine().raise() {
        Ok(Kept::Done { text }) => (text, None),
        Ok(Kept::ByHand { text, command }) => (text, Some(command)),
        Err(error) => (error.to_string(), Some(by_hand.to_owned())),
    };
    Some(Fix { topic, text, next })
}

fn answer(context: &Context, findings: &[Finding], fixes: &[Fix]) -> Answer {
    let worst = findings.iter().map(|finding| finding.health).max();
    let data = json!({
        "health": word(worst.unwrap_or(Health::Good)),
        "findings": documents(findings),
        "fixes": fixes.iter().map(fix_document).collect::<Vec<_>>(),
    });
    let text = drawn_fixes(context, fixes) + &text(context, findings);
    let mut answer = Answer::new("fst.doctor/1", data, text);
    let hints = findings
        .iter()
        .filter_map(|finding| finding.next.as_deref());
    let left = fixes.iter().filter_map(|fix| fix.next.as_deref());
    let commands: BTreeSet<String> = hints.chain(left).flat_map(commands_in).collect();
    answer.next = commands.into_iter().collect();
    match worst {
        Some(Health::Bad) => answer.with_exit(Exit::Failed as u8),
        Some(Health::Good | Health::Odd) | None => answer,
    }
}

fn fix_document(fix: &Fix) -> Value {
    json!({
        "topic": fix.topic.as_str(),
        "outcome": fix.outcome(),
        "text": fix.text,
        "next": fix.next,
    })
}

fn drawn_fixes(context: &Context, fixes: &[Fix]) -> String {
    let look = &context.look;
    let mut page = Page::default();
    for fix in fixes {
        let (symbol, said) = match fix.next {
            None => (Symbol::Good, "mended"),
            Some(_) => (Symbol::Look, "not mended"),
        };
        let (symbol, topic) = (look.symbol(symbol), fix.topic.as_str());
        page.line(format!("{symbol} {topic:<8} {said}: {}", fix.text));
        if let Some(next) = &fix.next {
            page.block(look.next(next));
        }
    }
    page.into_text()
}

fn text(context: &Context, findings: &[Finding]) -> String {
    let look = &context.look;
    let mut page = Page::default();
    for finding in findings {
        let symbol = look.symbol(match finding.health {
            Health::Good => Symbol::Good,
            Health::Odd => Symbol::Look,
            Health::Bad => Symbol::Bad,
        });
        let topic = finding.topic.as_str();
        page.line(format!("{symbol} {topic:<8} {}", finding.text));
        if let Some(next) = &finding.next {
            page.block(look.next(next));
        }
    }
    page.into_text()
}

pub(super) fn documents(findings: &[Finding]) -> Vec<Value> {
    let document = |finding: &Finding| {
        json!({
            "topic": finding.topic.as_str(),
            "health": word(finding.health),
            "text": finding.text,
            "next": finding.next,
        })
    };
    findings.iter().map(document).collect()
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Odd => "odd",
        Health::Bad => "bad",
    }
}
