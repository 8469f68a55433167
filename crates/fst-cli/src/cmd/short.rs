//! `fst` alone: the first commands, and how things stand when this device is set up.

use serde_json::json;

use super::status;
use crate::context::Context;
use crate::render::amounts;
use crate::report::Answer;

const SHORT: &str = "\
FileSyncTool: two-way, end-to-end encrypted file synchronisation

  fst up ~/Documents       set everything up and sync a folder
  fst status               what is going on, and what to do next
  fst add PATH             sync one more folder
  fst devices invite       let a further device in
  fst conflicts list       files that two devices changed at once
  fst --help               everything else
";

pub(super) fn run(context: &Context) -> Answer {
    let line = status::read(context).ok().map(|status| {
        let folders = amounts::plural(status.folders.len() as u64, "folder");
        match status.daemon_pid {
            0 => format!("\nThe sync daemon is not running ({folders})\n"),
            _ => format!("\nNow: {} ({folders})\n", status.state),
        }
    });
    let text = format!("{SHORT}{}", line.unwrap_or_default());
    Answer::new("fst.help/1", json!({}), text).then("fst --help")
}
