//! `fst doctor [TOPIC…]`: what keeps this device from syncing well.
//!
//! Works with a daemon and without. Invariant: changes nothing; exit 1 only when something keeps it from syncing.
//! Source: docs/design/commands.md §13.

use std::collections::BTreeSet;

use fst_client::{Finding, Health, Topic};
use fst_proto::error::Exit;
use serde_json::{Value, json};

use crate::context::Context;
use crate::render::{Page, Symbol};
use crate::report::{Answer, Failure, commands_in};

pub(super) fn run(context: &Context, topics: &[Topic]) -> Result<Answer, Failure> {
    let client = context.client()?;
    let topics = if topics.is_empty() {
        &Topic::ALL
    } else {
        topics
    };
    let look = topics.iter().flat_map(|topic| client.examine(*topic));
    let findings: Vec<Finding> = look.collect();
    let worst = findings.iter().map(|finding| finding.health).max();
    let mut answer = Answer::new(
        "fst.doctor/1",
        json!({ "health": word(worst.unwrap_or(Health::Good)), "findings": documents(&findings) }),
        text(context, &findings),
    );
    let hints = findings
        .iter()
        .filter_map(|finding| finding.next.as_deref());
    let commands: BTreeSet<String> = hints.flat_map(commands_in).collect();
    answer.next = commands.into_iter().collect();
    Ok(match worst {
        Some(Health::Bad) => answer.with_exit(Exit::Failed as u8),
        Some(Health::Good | Health::Odd) | None => answer,
    })
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

fn documents(findings: &[Finding]) -> Vec<Value> {
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
