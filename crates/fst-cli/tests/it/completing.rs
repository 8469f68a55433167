//! Completions: what the engine offers to each shell, and what shells that are here make of it.

use std::fs;
use std::process::Command;

use crate::world::{FST, Home, Run, Server};

/// Asks as the script of a shell does: for the last of the words.
fn asked(home: &Home, shell: &str, words: &[&str]) -> Run {
    let mut command = home.command(FST);
    let last = (words.len() - 1).to_string();
    command.env("FST_COMPLETE", shell).arg("--").args(words);
    command
        .env("_CLAP_COMPLETE_INDEX", last)
        .env("_CLAP_IFS", "\n");
    command.current_dir(home.path(""));
    let output = command.output().expect("the command runs");
    let run = Run::from(&output);
    assert_eq!(run.err, "", "nothing is printed into the line");
    run.ok()
}

fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let run = asked(home, "bash", words);
    run.out.lines().map(str::to_owned).collect()
}

#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn is_here(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: there is no {shell} here to complete in");
    }
    found
}

/// Two folders, of which one has a name with a blank, in a home that no daemon serves.
fn two_folders() -> (Server, Home) {
    let server = Server::start();
    let home = Home::first(&server);
    for name in ["Documents", "My Photos"] {
        let folder = home.make_dir(name);
        home.fst(["add", &folder]).ok();
    }
    (server, home)
}

#[test]
fn folders_and_spaces_of_the_configuration_are_offered() {
    let (_server, home) = two_folders();
    let documents = home.path("Documents").to_string_lossy().into_owned();
    let photos = documents.replace("Documents", "My\\ Photos");
    for command in ["pause", "resume", "sync", "remove"] {
        let words = ["fst", command, ""];
        let found = offered(&home, &words);
        let folders = found.iter().filter(|it| !it.starts_with('-'));
        let folders: Vec<&String> = folders.collect();
        assert_eq!(folders, [&documents, &photos], "{command}");
    }
    assert_eq!(offered(&home, &["fst", "pause", "~/My"]), ["~/My\\ Photos"]);
    assert_eq!(
        offered(&home, &["fst", "pause", "~/My\\ P"]),
        ["~/My\\ Photos"]
    );
    assert_eq!(offered(&home, &["fst", "pause", "Doc"]), ["Documents/"]);
    assert_eq!(offered(&home, &["fst", "ls", "/Doc"]), ["/Documents"]);
    let zsh = asked(&home, "zsh", &["fst", "pause", "~/My"]);
    assert_eq!(zsh.out, "~/My\\\\ Photos:/My Photos");
    let before = home.status();
    assert_eq!(before["daemon_pid"], 0, "no daemon was started");
}

#[test]
fn words_that_this_device_knows_are_offered() {
    let (_server, home) = two_folders();
    let rule = ["schedule", "add", "--name", "night", "--pause"];
    home.fst(rule).ok();
    assert_eq!(
        offered(&home, &["fst", "schedule", "remove", "n"]),
        ["night"]
    );
    let op = home.fst(["op", "log", "--json"]).ok().json();
    let op = &op["data"]["operations"][0]["short"];
    let newest = offered(&home, &["fst", "undo", ""]);
    assert_eq!(newest[0], op.as_str().expect("an id"), "{newest:?}");
    let keys = offered(&home, &["fst", "config", "get", "performance.max_u"]);
    assert_eq!(keys, ["performance.max_upload_speed"]);
    let strategy = ["fst", "config", "set", "conflict_resolution.strategy", "m"];
    assert_eq!(offered(&home, &strategy), ["manual", "merge"]);
    assert_eq!(
        offered(&home, &["fst", "help", "sched"]),
        ["schedule", "schedules"]
    );
    assert_eq!(
        offered(&home, &["fst", "explain", "FST-7007"]),
        ["FST-7007"]
    );
    assert_eq!(offered(&home, &["fst", "schema", "verif"]), ["verify"]);
    assert_eq!(offered(&home, &["fst", "conf"]), ["conflicts", "config"]);
}

#[test]
fn conflicts_and_versions_are_offered() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/plan", "one");
    anna.wait();
    let bo = Home::joined(&anna, &server).with_folder("docs");
    bo.wait();
    anna.fst(["pause"]).ok();
    anna.write("docs/plan", "anna");
    bo.write("docs/plan", "bo's longer");
    bo.wait();
    anna.fst(["resume"]).ok();
    anna.wait();
    let conflicts = anna.fst(["conflicts", "list", "--json"]).ok().json();
    let id = &conflicts["data"]["conflicts"][0]["id"];
    let id = id.as_str().expect("a conflict");
    for command in ["show", "diff", "merge", "resolve"] {
        let found = offered(&anna, &["fst", "conflicts", command, &id[..1]]);
        assert_eq!(found, [id], "{command}");
    }
    let file = anna.path("docs/plan").to_string_lossy().into_owned();
    let versions = anna.fst(["versions", &file, "--json"]).ok().json();
    let versions = versions["data"]["versions"].as_array().expect("a list");
    let numbers = versions.iter().map(|it| it["version"].to_string());
    let numbers: Vec<String> = numbers.collect();
    assert!(numbers.len() > 1, "{numbers:?}");
    let words = ["fst", "restore", &file, "--version", ""];
    assert_eq!(offered(&anna, &words), numbers);
    let words = ["fst", "restore", "docs/plan", "--version", ""];
    assert_eq!(
        offered(&anna, &words),
        numbers,
        "from the working directory"
    );
}

#[test]
fn what_cannot_be_read_offers_nothing_and_says_nothing() {
    let home = Home::new();
    let nothing: [&str; 0] = [];
    for words in [
        ["fst", "pause", "x"],
        ["fst", "undo", "x"],
        ["fst", "nonsense", "x"],
    ] {
        assert_eq!(offered(&home, &words), nothing, "{words:?}");
    }
    home.make_dir(".config/filesynctool");
    home.write(".config/filesynctool/config.yaml", "sync_folders: [");
    assert_eq!(offered(&home, &["fst", "pause", "x"]), nothing);
    assert!(!home.path(".local").exists(), "nothing was written");
    // A variable that names no shell is somebody else's: the line is run.
    let mut command = home.command(FST);
    let run = command.env("FST_COMPLETE", "1").arg("version").output();
    assert!(Run::from(&run.expect("it runs")).ok().out.contains("3.2.0"));
}

#[test]
fn every_shell_gets_a_script_that_asks() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = Home::new()
            .fst(["completions", shell, "--json"])
            .ok()
            .json();
        let script = run["data"]["script"].as_str().expect("a script");
        assert!(script.contains("FST_COMPLETE"), "{shell}: {script}");
        let last = script.lines().last().expect("a line");
        assert!(last.starts_with("# To install: "), "{shell}: {last}");
    }
}

#[test]
fn bash_completes() {
    if !is_here("bash") {
        return;
    }
    let (_server, home) = two_folders();
    let script = "source <(fst completions bash); complete -p fst >/dev/null || exit 9; \
        COMP_WORDS=(fst pause '~/My'); COMP_CWORD=2; COMP_TYPE=9; \
        _clap_complete_fst fst '~/My' pause; printf '%s\\n' \"${COMPREPLY[@]}\"; \
        COMP_WORDS=(fst pause \"\\\"$HOME/My\"); \
        _clap_complete_fst fst \"$HOME/My\" pause; printf '%s\\n' \"${COMPREPLY[@]}\"";
    fs::write(home.path("try"), script).expect("ours");
    let run = home.shell("bash --norc try").ok();
    let quoted = home.path("My Photos").to_string_lossy().into_owned();
    let out = format!("~/My\\ Photos\n{quoted}\n");
    assert_eq!((run.out, run.err.as_str()), (out, ""));
}

#[test]
fn fish_completes() {
    if !is_here("fish") {
        return;
    }
    let (_server, home) = two_folders();
    let script = "fst completions fish | source; complete -C 'fst pause ~/My'";
    fs::write(home.path("try"), script).expect("ours");
    let run = home.shell("fish --no-config try").ok();
    assert!(
        run.out.contains("Photos\t/My Photos"),
        "{}{}",
        run.out,
        run.err
    );
}

/// It completes in a terminal only; here it has to take the script.
#[test]
fn zsh_takes_the_script() {
    if !is_here("zsh") {
        return;
    }
    let home = Home::new();
    let script = "autoload -U compinit; compinit -u -D; source <(fst completions zsh); \
        print -r -- $_comps[fst]";
    let read = home.fst(["completions", "zsh"]).ok().out;
    assert_eq!(read.matches(" -Q").count(), 2, "{read}");
    fs::write(home.path("try"), script).expect("ours");
    let run = home.shell("zsh -f try").ok();
    assert_eq!(
        (run.out.as_str(), run.err.as_str()),
        ("_clap_dynamic_completer_fst\n", "")
    );
}
