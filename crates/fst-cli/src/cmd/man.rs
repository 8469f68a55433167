//! `fst man [DIR]`: manual pages, made from the command tree.

use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use fst_proto::error::ErrorCode;
use serde_json::json;

use crate::args::Line;
use crate::context::{Context, absolute, shown};
use crate::render::{Symbol, amounts};
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, dir: Option<&Path>) -> Result<Answer, Failure> {
    let mut tree = Line::command();
    tree.build();
    let Some(dir) = dir else {
        let page = page(&tree)?;
        let data = json!({ "page": page, "pages": [] });
        return Ok(Answer::new("fst.man/1", data, page));
    };
    let dir = absolute(dir)?;
    std::fs::create_dir_all(&dir).map_err(|error| failed(&error))?;
    let mut written = Vec::new();
    write(&tree, &dir, &mut written)?;
    let text = format!(
        "{} {} written to {}\n",
        context.look.symbol(Symbol::Good),
        amounts::plural(written.len() as u64, "manual page"),
        context.look.tilde(&dir)
    );
    Ok(Answer::new(
        "fst.man/1",
        json!({ "page": null, "pages": written }),
        text,
    ))
}

fn page(command: &clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("FileSyncTool");
    man.render(&mut page).map_err(|error| failed(&error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes the pages of a command and of all below it.
fn write(command: &clap::Command, dir: &Path, written: &mut Vec<String>) -> Result<(), Failure> {
    let file = dir.join(Man::new(command.clone()).get_filename());
    std::fs::write(&file, page(command)?).map_err(|error| failed(&error))?;
    written.push(shown(&file));
    let below = command.get_subcommands();
    below
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write(command, dir, written))
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(ErrorCode::Io, "the manual pages cannot be written").because(error.to_string())
}
