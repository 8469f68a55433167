//! `fst doctor`: what it finds when all is well, and when something is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::world::{Home, Server};

/// `topic health` of each finding.
fn found(answer: &Value) -> Vec<String> {
    let findings = answer["data"]["findings"].as_array().expect("findings");
    let word = |finding: &Value, key: &str| finding[key].as_str().expect("a word").to_owned();
    let pairs = findings.iter();
    pairs
        .map(|it| format!("{} {}", word(it, "topic"), word(it, "health")))
        .collect()
}

#[test]
fn a_healthy_device_has_nothing_to_mend() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/a", "a");
    anna.wait();
    let run = anna.fst(["doctor", "--json"]).ok();
    let answer = run.json();
    assert_eq!(
        found(&answer),
        [
            "network good",
            "network good",
            "keys good",
            "disk good",
            "watch good",
            "clock good",
            "db good"
        ],
        "{answer}"
    );
    assert_eq!(answer["next"].as_array().map(Vec::len), Some(0));
    let text = anna.fst(["doctor", "clock", "db"]).ok().out;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("docs: 1 entries"), "{text}");
}

#[test]
fn each_trouble_is_named_with_a_next_step() {
    let mut server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.wait();
    anna.fst(["daemon", "stop"]);
    let keys = anna.path(".local/share/filesynctool/keystore");
    fs::set_permissions(&keys, Permissions::from_mode(0o755)).expect("ours");
    let state = anna.path(".local/state/filesynctool/folders");
    let databases = fs::read_dir(&state).expect("state");
    let databases = databases.map(|entry| entry.expect("an entry").path());
    for file in databases.filter(|file| file.extension().is_some_and(|end| end == "db")) {
        fs::write(file, "no database at all, but some text").expect("ours");
    }
    fs::remove_dir_all(anna.path("docs")).expect("ours");
    server.stop();
    let run = anna.fst(["doctor", "--json"]);
    assert_eq!(run.exit, 1, "{}", run.out);
    let answer = run.json();
    let found = found(&answer);
    for trouble in ["network bad", "keys odd", "disk bad", "clock bad", "db bad"] {
        assert!(found.iter().any(|it| it == trouble), "{trouble}: {answer}");
    }
    let findings = answer["data"]["findings"].as_array().expect("findings");
    for finding in findings.iter().filter(|it| it["health"] != "good") {
        assert!(finding["next"].as_str().is_some(), "{finding}");
    }
}

#[test]
fn only_known_topics_are_looked_at() {
    let run = Home::new().fst(["doctor", "weather"]);
    assert_eq!(run.exit, 2, "{}", run.err);
    assert!(run.err.contains("network"), "{}", run.err);
    Home::new().fst(["doctor"]).failed("FST-1101", 4);
}
