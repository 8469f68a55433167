//! `fst events`: what a real daemon tells, at once and afterwards, and how it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::world::{FST, Home, Server};

/// A follower that misses nothing from now on. One that is told nothing ends, and fails the test instead of hanging it.
fn follower(home: &Home) -> (Child, BufReader<ChildStdout>) {
    let mut command = home.command("timeout");
    command.args(["120", FST, "events", "--follow", "--json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = String::new();
    let err = child.stderr.take().expect("a pipe");
    BufReader::new(err).read_line(&mut said).expect("it says");
    assert!(said.starts_with("following"), "{said}");
    let out = child.stdout.take().expect("a pipe");
    (child, BufReader::new(out))
}

/// Reads events until one is as wanted.
fn until(out: &mut impl BufRead, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut seen = Vec::new();
    for line in out.lines() {
        let line = line.expect("text");
        let event: Value = serde_json::from_str(&line).expect("a document a line");
        assert_eq!(event["schema"], "fst.event/1", "{line}");
        seen.push(event["data"].clone());
        if wanted(&event["data"]) {
            return seen;
        }
    }
    assert_eq!(seen, Vec::<Value>::new(), "it ended without it");
    seen
}

#[test]
fn an_edit_is_told_while_it_travels_and_afterwards() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.wait();
    let (mut child, mut out) = follower(&anna);
    anna.write("docs/plan.md", "one");
    let is_it = |event: &Value| event["event"] == "sent" && event["path"] == "plan.md";
    let seen = until(&mut out, is_it);
    let told = seen.last().expect("an event");
    assert_eq!(told["action"], "create", "{told}");
    assert_eq!(told["folder"], *anna.path("docs").to_string_lossy());
    assert!(told["time_ms"].as_u64().is_some_and(|time| time > 0));
    let numbers: Vec<u64> = seen.iter().filter_map(|it| it["seq"].as_u64()).collect();
    assert!(
        numbers.windows(2).all(|two| two[0] + 1 == two[1]),
        "{seen:?}"
    );
    anna.fst(["pause"]).ok();
    until(&mut out, |event| event["state"] == "paused");
    let recent = anna.fst(["events", "--json"]).ok().out;
    assert!(recent.contains("plan.md"), "{recent}");
    anna.fst(["daemon", "stop"]).ok();
    until(&mut out, |event| event["event"] == "stopping");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn what_others_did_is_told_as_received() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.wait();
    let bo = Home::joined(&anna, &server).with_folder("docs");
    bo.wait();
    let (mut child, mut out) = follower(&bo);
    anna.write("docs/a", "a");
    until(&mut out, |event| {
        event["event"] == "received" && event["path"] == "a"
    });
    // Nobody reads any more: it ends by itself, though nothing happens.
    drop(out);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn without_a_daemon_the_next_command_is_named() {
    let server = Server::start();
    let home = Home::first(&server);
    let failure = home
        .fst(["events", "--follow", "--json"])
        .failed_json("FST-3009", 8);
    assert!(
        failure["hint"]
            .as_str()
            .is_some_and(|it| it.contains("fst daemon start"))
    );
}
