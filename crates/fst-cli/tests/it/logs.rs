//! `fst log`: its end, what is added to it, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{FST, Home, Server};

const LOG: &str = ".local/state/filesynctool/daemon.log";

fn with_log(text: &str) -> Home {
    let home = Home::new();
    home.make_dir(".local/state/filesynctool");
    home.write(LOG, text);
    home
}

fn follow(home: &Home, words: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = home.command(FST);
    let command = command.args(["log", "--follow"]).args(words);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let out = child.stdout.take().expect("a pipe");
    (child, BufReader::new(out))
}

fn line(out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    line
}

#[test]
fn the_end_of_the_log_is_shown() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("docs");
    let all = home.fst(["log"]).ok().out;
    assert!(all.contains("started"), "{all}");
    assert_eq!(home.fst(["daemon", "logs"]).ok().out, all);
    let home = with_log("one\ntwo\x1b[31m\nthree");
    assert_eq!(
        home.fst(["log", "-n", "2"]).ok().out,
        "two\\u{1b}[31m\nthree\n"
    );
    let told = home.fst(["log", "-n", "1", "--json"]).ok().json();
    assert_eq!(told["data"]["lines"], serde_json::json!(["three"]));
    assert_eq!(home.fst(["log", "-n", "0"]).ok().out, "");
}

#[test]
fn without_a_log_the_next_command_is_told() {
    let run = Home::new().fst(["log"]);
    run.failed("FST-1201", 5);
    assert!(run.err.contains("fst daemon start"), "{}", run.err);
    Home::new()
        .fst(["daemon", "logs", "--json"])
        .failed_json("FST-1201", 5);
}

#[test]
fn a_log_is_followed_over_its_rotation_until_ctrl_c() {
    let home = with_log("one\ntwo\n");
    let (mut child, mut out) = follow(&home, &["-n", "1"]);
    assert_eq!(line(&mut out), "two\n");
    let mut log = fs::OpenOptions::new()
        .append(true)
        .open(home.path(LOG))
        .expect("a log");
    log.write_all(b"three\n").expect("a line");
    assert_eq!(line(&mut out), "three\n");
    fs::rename(home.path(LOG), home.path("daemon.log.1")).expect("ours");
    log.write_all(b"four\n").expect("a line");
    home.write(LOG, "five\n");
    assert_eq!(line(&mut out), "four\n");
    assert_eq!(line(&mut out), "five\n");
    home.write(LOG, "6\n");
    assert_eq!(line(&mut out), "6\n");
    let pid = i32::try_from(child.id()).expect("a process id");
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::INT).expect("ours");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[test]
fn following_ends_when_nobody_reads() {
    let home = with_log("one\n");
    let (mut child, mut out) = follow(&home, &[]);
    assert_eq!(line(&mut out), "one\n");
    drop(out);
    // Nothing is written to the log: it notices all the same.
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn programs_follow_document_by_document() {
    let home = with_log("one\n");
    let (mut child, mut out) = follow(&home, &["--json"]);
    let told: Value = serde_json::from_str(&line(&mut out)).expect("a document");
    assert_eq!(told["schema"], "fst.log/1");
    assert_eq!(told["data"]["lines"], serde_json::json!(["one"]));
    drop(out);
    child.wait().expect("it ends");
}
