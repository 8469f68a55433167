//! Completions: what a shell may offer while a line is being typed.
//!
//! A script of `fst completions SHELL` runs `FST_COMPLETE=SHELL fst -- WORDS…` at every Tab; `main` asks [`answer`] first.
//! The engine is clap's; [`VALUES`] says which argument takes what, [`values`] finds it. Invariant: only files are read, none is
//! written, no daemon is started and no server asked; what fails offers nothing, and nothing is ever printed into the line.
//! Not here: parsing and running of commands. Source: docs/design/commands.md §17, ADR 0047.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCompleter;
use clap_complete::env::{EnvCompleter, Shells};

use crate::args::Line;
use crate::context::var;
use crate::screen;
use quoting::{Quote, described, escaped, unescaped};
use values::{Kind, Typed};

mod quoting;
mod values;

/// The variable that asks for completions and names the shell; not clap's own, which other programs obey too.
const VARIABLE: &str = "FST_COMPLETE";

/// How the script of bash tells what the word under the cursor begins with: what it hands on lacks the quote.
const QUOTE: &str = "FST_COMPLETE_QUOTE";

/// The command and the argument, and what it takes.
const VALUES: &[(&str, &str, Kind)] = &[
    ("add", "remote_path", Kind::Space),
    ("cat", "path", Kind::Space),
    ("config get", "key", Kind::Setting),
    ("config set", "key", Kind::Setting),
    ("config set", "value", Kind::Value),
    ("config unset", "key", Kind::Setting),
    ("conflicts diff", "id", Kind::Conflict),
    ("conflicts merge", "id", Kind::Conflict),
    ("conflicts resolve", "ids", Kind::Conflict),
    ("conflicts show", "id", Kind::Conflict),
    ("du", "path", Kind::Space),
    ("explain", "topic", Kind::Code),
    ("find", "path", Kind::Space),
    ("get", "path", Kind::Space),
    ("help", "words", Kind::Topic),
    ("history", "path", Kind::Path),
    ("ignore add", "folder", Kind::Folder),
    ("ignore list", "folder", Kind::Folder),
    ("ignore remove", "folder", Kind::Folder),
    ("ls", "path", Kind::Space),
    ("mkdir", "path", Kind::Space),
    ("mv", "path", Kind::Space),
    ("mv", "to", Kind::Space),
    ("op show", "op", Kind::Operation),
    ("pause", "path", Kind::Folder),
    ("put", "path", Kind::Space),
    ("remove", "path", Kind::Folder),
    ("restore", "path", Kind::Path),
    ("restore", "version", Kind::Version),
    ("resume", "path", Kind::Folder),
    ("rm", "path", Kind::Space),
    ("schedule remove", "name", Kind::Rule),
    ("schedule show", "name", Kind::Rule),
    ("schema", "name", Kind::Document),
    ("select add", "folder", Kind::Folder),
    ("select list", "folder", Kind::Folder),
    ("select remove", "folder", Kind::Folder),
    ("sync", "path", Kind::Folder),
    ("trash list", "path", Kind::Path),
    ("tree", "path", Kind::Space),
    ("undo", "op", Kind::Operation),
    ("up", "remote_path", Kind::Space),
    ("verify", "path", Kind::Path),
    ("versions keep", "folder", Kind::Folder),
    ("versions pin", "number", Kind::Version),
    ("versions unpin", "number", Kind::Version),
    ("why", "path", Kind::Path),
];

/// Answers a shell that asks for completions; false when none does and the line is to be run.
pub(crate) fn answer(words: &[OsString]) -> bool {
    let name = var(VARIABLE).unwrap_or_default();
    let shells = Shells::builtins();
    let shell = name.to_str().and_then(|name| shells.completer(name));
    let typed = words.iter().position(|word| word == "--");
    let (Some(shell), Some(at)) = (shell, typed) else {
        return false;
    };
    let mut typed = words[at + 1..].to_vec();
    if ["bash", "zsh"].contains(&shell.name()) {
        typed = typed.iter().map(|word| unescaped(word)).collect();
    }
    screen::print(&offers(shell, typed));
    true
}

/// The script that has a shell ask this program.
pub(crate) fn script(shell: Shell) -> String {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(&shell.to_string()) {
        // By its name: an update changes the answers, not the script. A write to memory does not fail.
        shell
            .write_registration(VARIABLE, "fst", "fst", "fst", &mut script)
            .unwrap_or_default();
    }
    let script = String::from_utf8_lossy(&script);
    let (asks, quote) = (
        "        FST_COMPLETE=\"bash\"",
        "${COMP_WORDS[COMP_CWORD]:0:1}",
    );
    let script = script.replace(asks, &format!("        {QUOTE}=\"{quote}\" \\\n{asks}"));
    // What is offered to zsh is quoted already.
    let script = script.replace("'values' dirs ", "'values' dirs -Q ");
    let script = script.replace("'values' other", "'values' other -Q");
    format!("{}\n", script.trim_end())
}

fn offers(shell: &dyn EnvCompleter, typed: Vec<OsString>) -> String {
    let mut offers = Vec::new();
    let mut tree = with_values(Line::command(), &Arc::new(Typed::new(typed.clone())));
    let here = std::env::current_dir().ok();
    let written = shell.write_complete(&mut tree, typed, here.as_deref(), &mut offers);
    let offers = match written {
        Ok(()) => String::from_utf8_lossy(&offers).into_owned(),
        Err(_) => String::new(),
    };
    let between = var("_CLAP_IFS").and_then(|ifs| ifs.into_string().ok());
    let between = between.unwrap_or_else(|| "\n".to_owned());
    let quote = Quote::of(&var(QUOTE).unwrap_or_default());
    let ready = |offer: &str| match shell.name() {
        "bash" => escaped(offer, quote),
        "zsh" => described(offer),
        _ => offer.to_owned(),
    };
    let ready: Vec<String> = offers.split(&between).map(ready).collect();
    ready.join(&between)
}

/// The command tree in which arguments know what they take.
fn with_values(mut tree: Command, typed: &Arc<Typed>) -> Command {
    for &(path, argument, kind) in VALUES {
        let words: Vec<&str> = path.split(' ').collect();
        tree = with_value(tree, &words, argument, &|| {
            let typed = Arc::clone(typed);
            ArgValueCompleter::new(move |current: &OsStr| values::find(kind, &typed, current))
        });
    }
    tree
}

fn with_value(
    command: Command,
    path: &[&str],
    argument: &str,
    completer: &dyn Fn() -> ArgValueCompleter,
) -> Command {
    match path {
        // In place: an argument that is named alone is moved behind the others.
        [] => command.mut_args(|arg| match arg.get_id() == argument {
            true => arg.add(completer()),
            false => arg,
        }),
        [first, rest @ ..] => {
            command.mut_subcommand(first, |below| with_value(below, rest, argument, completer))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_stays_sound() {
        with_values(Line::command(), &Arc::new(Typed::new(Vec::new()))).debug_assert();
    }

    #[test]
    fn every_row_names_an_argument() {
        let tree = Line::command();
        for (path, argument, _) in VALUES {
            let mut at = &tree;
            for word in path.split(' ') {
                at = at.find_subcommand(word).expect(path);
            }
            let mut arguments = at.get_arguments();
            assert!(
                arguments.any(|it| it.get_id() == argument),
                "{path} {argument}"
            );
        }
    }
}
