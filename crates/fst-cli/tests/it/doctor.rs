//! `fst doctor`: what it finds when all is well, and when something is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

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
    assert!(text.contains("docs: 1 entry"), "{text}");
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

/// Topics of what was mended.
fn fixed(answer: &Value) -> Vec<String> {
    let fixes = answer["data"]["fixes"].as_array().expect("fixes");
    let words = fixes.iter().map(|fix| {
        let word = |key: &str| fix[key].as_str().expect("a word");
        format!("{} {}", word("topic"), word("outcome"))
    });
    words.collect()
}

/// Kills the daemon and waits until the kernel has taken its lock back.
fn kill_daemon(home: &Home) {
    let pid = home.status()["daemon_pid"].as_u64().expect("a daemon");
    let raw = i32::try_from(pid).expect("a process id");
    let process = rustix::process::Pid::from_raw(raw).expect("a process id");
    let killed = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    killed.expect("it is ours");
    let dir = home.path("").into_os_string();
    let dirs = fst_client::dirs::Dirs::from_env(&|name| (name == "HOME").then(|| dir.clone()));
    let free = fst_daemon::wait_until_free(&dirs.expect("a home"), Duration::from_secs(20));
    assert!(free.expect("a lock"), "it does not die");
}

#[test]
fn what_is_safe_is_mended_once() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/a", "a");
    anna.wait();
    let untouched = anna.fst(["doctor", "--fix", "--json"]).ok().json();
    assert_eq!(fixed(&untouched), [""; 0], "{untouched}");
    kill_daemon(&anna);
    let tag = "7f".repeat(16);
    let state = ".local/state/filesynctool";
    let verify = anna.make_dir(&format!("{state}/verify-{tag}"));
    anna.write(format!("{state}/verify-{tag}/log.db"), "rows");
    let keys = anna.path(".local/share/filesynctool/keystore");
    fs::set_permissions(&keys, Permissions::from_mode(0o755)).expect("ours");
    let open = fs::metadata(anna.path("docs"))
        .expect("a folder")
        .permissions();
    let seen = anna.fst(["doctor", "--json"]).ok().json();
    assert_eq!(fixed(&seen), [""; 0]);
    assert_eq!(seen["next"][0]["run"], "fst doctor --fix");
    assert!(Path::new(&verify).exists(), "it only looked");
    let run = anna.fst(["doctor", "--fix", "--json"]).ok().json();
    assert_eq!(
        fixed(&run),
        ["keys done", "disk done", "disk done"],
        "{run}"
    );
    assert_eq!(run["data"]["health"], "good", "{run}");
    for gone in [
        verify,
        format!("{state}/daemon.json"),
        format!("{state}/daemon.sock"),
    ] {
        assert!(!anna.path(&gone).exists(), "{gone}");
    }
    let mode = fs::metadata(&keys).expect("ours").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let again = anna.fst(["doctor", "--fix", "--json"]).ok().json();
    assert_eq!(fixed(&again), [""; 0], "{again}");
    let now = fs::metadata(anna.path("docs"))
        .expect("a folder")
        .permissions();
    assert_eq!((anna.read("docs/a"), now), ("a".to_owned(), open));
    anna.fst(["daemon", "start"]).ok();
    anna.wait();
}

#[test]
fn only_the_topics_that_are_named_are_mended() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    kill_daemon(&anna);
    let keys = anna.path(".local/share/filesynctool/keystore");
    fs::set_permissions(&keys, Permissions::from_mode(0o711)).expect("ours");
    let run = anna.fst(["doctor", "keys", "--fix"]).ok();
    assert!(run.out.contains("mended: "), "{}", run.out);
    let rest = anna.fst(["doctor", "--fix", "--json"]).ok().json();
    assert_eq!(fixed(&rest), ["disk done"], "{rest}");
}

#[test]
fn a_device_that_is_not_set_up_is_told_what_was_mended() {
    let home = Home::new();
    let dir = home.make_dir(".config/filesynctool");
    fs::set_permissions(dir, Permissions::from_mode(0o755)).expect("ours");
    let run = home.fst(["doctor", "--fix"]);
    run.failed("FST-1101", 4);
    assert!(run.err.contains("mended: "), "{}", run.err);
}
