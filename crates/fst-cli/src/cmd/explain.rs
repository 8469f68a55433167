//! `fst explain FST-nnnn`: what an error code means, offline.

use fst_proto::error::{ErrorCode, Exit};
use serde_json::{Value, json};

use crate::render::Page;
use crate::report::{Answer, Failure, commands_in, exit_of};

/// Every exit code, in order, with its meaning.
const EXITS: [(Exit, &str); 16] = [
    (Exit::Done, "done"),
    (Exit::Failed, "failed, see message"),
    (Exit::Usage, "wrong usage"),
    (Exit::Partial, "partly done"),
    (Exit::Permission, "sign-in or permission needed"),
    (
        Exit::NotFound,
        "file, version, conflict or device not found",
    ),
    (Exit::Refused, "refused: would conflict or lose data"),
    (Exit::Unreachable, "server not reachable"),
    (Exit::NoDaemon, "daemon not running"),
    (Exit::Config, "configuration invalid"),
    (Exit::Damage, "integrity damage found"),
    (Exit::Locked, "locked by another process"),
    (Exit::WrongKey, "wrong key, cannot decrypt"),
    (Exit::Policy, "refused by quota or server policy"),
    (Exit::TimedOut, "timed out"),
    (Exit::Interrupted, "interrupted"),
];

pub(super) fn run(topic: &str) -> Result<Answer, Failure> {
    if topic == "exit-codes" {
        return Ok(exit_codes());
    }
    let digits = topic.trim_start_matches("FST-").trim_start_matches("fst-");
    let number: Option<u16> = digits.parse().ok();
    let code = ErrorCode::ALL
        .iter()
        .copied()
        .find(|code| Some(code.number()) == number);
    let code = code.ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, "there is no such topic")
            .because(fst_proto::text::printable(topic.as_bytes()))
            .hint("fst explain FST-1102, or: fst explain exit-codes")
    })?;
    Ok(explain(code))
}

fn explain(code: ErrorCode) -> Answer {
    let area = area(code.number());
    let text = format!(
        "{code}   {}\n\n  About      {area}\n  Next       {}\n  Exit code  {} ({})\n",
        code.title(),
        code.next_step(),
        exit_of(code),
        meaning(code.exit()),
    );
    let data = json!({
        "code": code.to_string(),
        "title": code.title(),
        "about": area,
        "next": code.next_step(),
        "run": commands_in(code.next_step()),
        "exit": exit_of(code),
        "http_status": code.http_status(),
    });
    Answer::new("fst.explain/1", data, text)
}

fn area(number: u16) -> &'static str {
    match number / 1000 {
        1 => "account, keys and files",
        2 => "configuration and files of our own",
        3 => "the operating system",
        4 => "the network",
        5 => "the server",
        6 => "conflicts and safety stops",
        7 => "integrity: the server is not believed",
        _ => "an error inside the program",
    }
}

fn meaning(exit: Exit) -> &'static str {
    EXITS
        .iter()
        .find(|(known, _)| *known == exit)
        .map_or("failed", |(_, meaning)| meaning)
}

pub(super) fn exit_codes() -> Answer {
    let mut page = Page::default();
    page.line("Exit codes\n");
    let mut data: Vec<Value> = Vec::new();
    for (exit, meaning) in EXITS {
        page.line(format!("  {:>3}  {meaning}", exit as u8));
        data.push(json!({ "exit": exit as u8, "meaning": meaning }));
    }
    page.line("\nfst status --check\n");
    page.line("  0 up to date   20 syncing   21 conflict   22 offline   23 error   24 paused");
    page.line("  8 daemon not running");
    Answer::new(
        "fst.exit-codes/1",
        json!({ "exits": data }),
        page.into_text(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in ErrorCode::ALL {
            let answer = run(&code.to_string()).unwrap();
            assert!(answer.text.contains(code.next_step()), "{code}");
        }
        assert!(run("1102").is_ok());
        assert_eq!(run("FST-0000").unwrap_err().code, ErrorCode::NotFound);
        assert!(run("exit-codes").unwrap().text.contains("14  timed out"));
    }

    #[test]
    fn an_explanation_reads_well() {
        insta::assert_snapshot!(run("FST-6002").unwrap().text, @r"
        FST-6002   very many files vanished at once

          About      conflicts and safety stops
          Next       if that is right: fst resume PATH --accept-deletions
          Exit code  6 (refused: would conflict or lose data)
        ");
    }
}
