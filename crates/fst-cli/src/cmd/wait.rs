//! `fst wait`: a barrier for scripts. It makes the daemon look, it never trusts the watcher alone.

use serde_json::json;

use super::status::problem_warnings;
use crate::args::Wait;
use crate::context::Context;
use crate::render::{Symbol, json as drawn};
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, args: &Wait) -> Result<Answer, Failure> {
    // There is one condition so far, and the flag only says it aloud.
    let Wait { synced: _, timeout } = args;
    let mut daemon = context.daemon()?;
    daemon.wait(None, *timeout)?;
    let folders = daemon.status()?.folders;
    let text = format!(
        "{} Everything is synced\n",
        context.look.symbol(Symbol::Good)
    );
    let mut warnings = problem_warnings(&folders);
    let paused = folders.iter().filter(|folder| folder.state == "paused");
    warnings.extend(paused.map(|folder| format!("{} is paused: not waited for", folder.path)));
    let answer = Answer::new(
        "fst.wait/1",
        json!({ "folders": drawn::value(&folders) }),
        text,
    );
    let answer = if warnings.is_empty() {
        answer
    } else {
        answer.then("fst status")
    };
    Ok(answer.warn(warnings))
}
