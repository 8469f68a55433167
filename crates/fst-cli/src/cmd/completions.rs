//! `fst completions SHELL`: the script, and the line that installs it.

use clap_complete::Shell;
use serde_json::json;

use crate::complete;
use crate::report::Answer;

pub(super) fn run(shell: Shell) -> Answer {
    let install = install(shell);
    // Last, where it is seen; every one of the shells takes it for a comment.
    let script = format!("{}# To install: {install}\n", complete::script(shell));
    let data = json!({ "shell": shell.to_string(), "script": script, "install": install });
    Answer::new("fst.completions/1", data, script)
}

/// What has a new shell of this kind read the script.
fn install(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => "echo 'source <(fst completions bash)' >> ~/.bashrc",
        Shell::Zsh => "echo 'source <(fst completions zsh)' >> ~/.zshrc   (after compinit)",
        Shell::Fish => "fst completions fish > ~/.config/fish/completions/fst.fish",
        Shell::PowerShell => {
            "Add-Content $PROFILE 'fst completions powershell | Out-String | Invoke-Expression'"
        },
        Shell::Elvish => "echo 'eval (fst completions elvish | slurp)' >> ~/.config/elvish/rc.elv",
        _ => "see the manual of the shell",
    }
}
