//! `fst completions SHELL`.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::args::Line;
use crate::report::Answer;

pub(super) fn run(shell: Shell) -> Answer {
    let mut script = Vec::new();
    generate(shell, &mut Line::command(), "fst", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let data = json!({ "shell": shell.to_string(), "script": script });
    Answer::new("fst.completions/1", data, script)
}
