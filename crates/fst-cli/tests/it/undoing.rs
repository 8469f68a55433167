//! `fst undo`, `fst op`: what a command changed is taken back, or nothing is touched.

use serde_json::Value;

use crate::world::{Home, Server};

const FILE: &str = ".config/filesynctool/config.yaml";

const TEXT: &str =
    "# my own\nperformance:\n  max_upload_speed: 10mbps  # at home\n  parallel_transfers: 4\n";

fn with_file(text: &str) -> Home {
    let home = Home::new();
    home.make_dir(".config/filesynctool");
    home.write(FILE, text);
    home
}

/// Runs a command that changes something and returns the command that takes it back.
fn undo_of<const N: usize>(home: &Home, words: [&str; N]) -> String {
    let run = home.fst(words).ok();
    let undo = run
        .out
        .lines()
        .find_map(|line| line.strip_prefix("  undo: "));
    assert!(undo.is_some(), "{}", run.out);
    undo.unwrap_or_default().to_owned()
}

fn states(home: &Home) -> Vec<(String, String)> {
    let log = home.fst(["op", "log", "--json"]).ok().json();
    let all = log["data"]["operations"]
        .as_array()
        .expect("a list")
        .clone();
    let word = |one: &Value, key: &str| one[key].as_str().expect("a word").to_owned();
    all.iter()
        .map(|one| (word(one, "command"), word(one, "state")))
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(one, other): &(&str, &str)| ((*one).to_owned(), (*other).to_owned());
    all.iter().map(owned).collect()
}

#[test]
fn a_setting_goes_back_with_its_comment_and_forth_again() {
    let home = with_file(TEXT);
    let undo = undo_of(&home, ["config", "unset", "max_upload"]);
    let without = home.read(FILE);
    assert!(!without.contains("10mbps"), "{without}");
    let again = home.shell(&undo).ok();
    assert_eq!(home.read(FILE), TEXT);
    // The undo is an operation of its own.
    let again = again
        .out
        .lines()
        .find_map(|line| line.strip_prefix("  undo: "));
    home.shell(again.expect("a way back")).ok();
    assert_eq!(home.read(FILE), without);
    home.fst(["undo"]).ok();
    assert_eq!(home.read(FILE), TEXT);
    let wanted = [
        ("undo", "done"),
        ("undo", "done"),
        ("undo", "undone"),
        ("config unset", "undone"),
    ];
    assert_eq!(states(&home), pairs(&wanted));
    home.fst(["undo"]).failed("FST-1207", 5);
}

#[test]
fn undo_alone_goes_back_step_by_step() {
    let home = with_file(TEXT);
    home.fst(["config", "set", "max_upload", "5mbps"]).ok();
    home.fst(["config", "set", "parallel_transfers", "8"]).ok();
    home.fst([
        "schedule",
        "add",
        "--name",
        "night",
        "--time",
        "22:00-06:00",
        "--pause",
    ])
    .ok();
    home.fst(["schedule", "remove", "night"]).ok();
    let texts: Vec<String> = (0..4)
        .map(|_| {
            home.fst(["undo"]).ok();
            home.read(FILE)
        })
        .collect();
    assert!(texts[0].contains("night"), "{}", texts[0]);
    assert!(!texts[1].contains("night"), "{}", texts[1]);
    assert!(texts[2].contains("parallel_transfers: 4") && texts[2].contains("5mbps"));
    assert_eq!(texts[3], TEXT);
    home.fst(["undo"]).failed("FST-1207", 5);
}

#[test]
fn what_others_changed_is_never_overwritten() {
    let home = with_file(TEXT);
    let undo = undo_of(&home, ["config", "set", "max_upload", "5mbps"]);
    let text = home.read(FILE).replace("5mbps", "7mbps");
    home.write(FILE, &text);
    let run = home.shell(&undo);
    run.failed("FST-6023", 6);
    assert!(
        run.err.contains("it is 7mbps, the operation left 5mbps"),
        "{}",
        run.err
    );
    assert!(run.err.contains("next:  fst op show "), "{}", run.err);
    assert_eq!(home.read(FILE), text);
    // Other settings may change: only this one goes back.
    home.write(FILE, text.replace("7mbps", "5mbps").replace(": 4", ": 9"));
    home.shell(&undo).ok();
    assert_eq!(home.read(FILE), TEXT.replace(": 4", ": 9"));
    home.shell(&undo).failed("FST-6024", 6);
}

#[test]
fn the_log_tells_what_was_changed() {
    let home = with_file(TEXT);
    let run = home
        .fst(["config", "set", "max_upload", "5mbps", "--json"])
        .ok();
    let undo = run.json()["undo"].as_str().expect("a way back").to_owned();
    let id = undo.strip_prefix("fst undo ").expect("an id");
    let shown = home.fst(["op", "show", id]).ok().out;
    assert!(
        shown.contains("config set performance.max_upload_speed 5mbps"),
        "{shown}"
    );
    assert!(
        shown.contains("performance.max_upload_speed: 10mbps → 5mbps"),
        "{shown}"
    );
    let json = home.fst(["op", "show", id, "--json"]).ok().json();
    assert_eq!(json["data"]["things"][0]["was"], "10mbps");
    assert_eq!(json["data"]["now"][0], "5mbps");
    assert_eq!(json["next"][0]["run"], undo.as_str());
    let log = home.fst(["op", "log"]).ok().out;
    assert!(log.contains(id) && log.contains("done"), "{log}");
    home.fst(["op", "show", "zz"]).failed("FST-1207", 5);
    // Setting what is set already is no operation.
    let same = home.fst(["config", "set", "max_upload", "5mbps"]).ok().out;
    assert!(!same.contains("undo:"), "{same}");
}

#[test]
fn no_secret_is_in_the_log() {
    let home = with_file("server:\n  api_key: fst_at_9876543210\n");
    let older = undo_of(&home, ["config", "set", "parallel_transfers", "2"]);
    let run = home
        .fst(["config", "set", "server.api_key", "fst_at_0123456789"])
        .ok();
    assert!(!run.out.contains("undo:"), "{}", run.out);
    let stuck = home.fst(["undo"]);
    stuck.failed("FST-6024", 6);
    assert!(
        stuck.err.contains(&format!("; further back: {older}")),
        "{}",
        stuck.err
    );
    home.shell(&older).ok();
    let log = home.read(".local/state/filesynctool/operations.jsonl");
    assert!(log.contains("server.api_key is secret"), "{log}");
    assert!(
        !log.contains("0123456789") && !log.contains("9876543210"),
        "{log}"
    );
}

/// A command was killed: before the change, and after it.
#[test]
fn a_command_that_was_cut_off_is_judged_by_what_it_left() {
    let home = with_file(TEXT);
    let log = ".local/state/filesynctool/operations.jsonl";
    let undo = undo_of(&home, ["config", "set", "max_upload", "5mbps"]);
    let begun = home.read(log).lines().next().expect("a line").to_owned() + "\n";
    let changed = home.read(FILE);
    home.write(log, &begun);
    home.write(FILE, TEXT);
    home.shell(&undo).failed("FST-6024", 6);
    assert_eq!(home.read(FILE), TEXT);
    home.write(log, &begun);
    home.write(FILE, &changed);
    home.shell(&undo).ok();
    assert_eq!(home.read(FILE), TEXT);
}

#[test]
fn folders_are_paused_added_and_removed_and_all_of_it_is_undone() {
    let server = Server::start();
    let home = Home::first(&server);
    let path = home.make_dir("Documents");
    home.write("Documents/a.txt", "a\n");
    let add = undo_of(&home, ["add", &path, "--two-way"]);
    let text = home.read(FILE);
    let pause = undo_of(&home, ["pause", &path]);
    assert!(home.read(FILE).contains("paused: true"));
    home.shell(&pause).ok();
    assert_eq!(home.read(FILE), text);
    for has_daemon in [false, true] {
        if has_daemon {
            home.fst(["daemon", "start"]).ok();
            home.wait();
            home.fst(["pause"]).ok();
            home.fst(["undo"]).ok();
            assert_eq!(home.read(FILE), text);
            home.wait();
        }
        let remove = undo_of(&home, ["remove", &path]);
        assert!(!home.read(FILE).contains("Documents"));
        home.shell(&remove).ok();
        assert_eq!(home.read(FILE), text);
    }
    home.wait();
    assert_eq!(home.read("Documents/a.txt"), "a\n");
    home.shell(&add).ok();
    assert!(!home.read(FILE).contains("Documents"));
    assert_eq!(home.status()["folders"], serde_json::json!([]));
    assert_eq!(home.read("Documents/a.txt"), "a\n");
    // Nothing is synced into a place that is not there any more.
    home.fst(["undo"]).failed("FST-1207", 5);
    std::fs::remove_dir_all(home.path("Documents")).expect("removed");
    let last = home.fst(["op", "log", "--json"]).ok().json();
    let last = last["data"]["operations"][0]["short"]
        .as_str()
        .expect("an id")
        .to_owned();
    home.fst(["undo", &last]).failed("FST-3001", 1);
}

/// Two devices; the second one has no folder.
fn two(server: &Server) -> (Home, Home) {
    let anna = Home::first(server).with_folder("docs");
    anna.make_dir("docs/d/e");
    anna.write("docs/a.txt", "a, then");
    anna.write("docs/d/b.txt", "b");
    anna.write("docs/d/e/long", vec![7; 300_000]);
    std::os::unix::fs::symlink("b.txt", anna.path("docs/d/link")).expect("a link");
    anna.wait();
    let bo = Home::joined(&anna, server);
    (anna, bo)
}

fn listed(home: &Home) -> Vec<(String, u64)> {
    let tree = home.fst(["tree", "/docs", "--json"]).ok().json();
    let all = tree["data"]["entries"].as_array().expect("a list").clone();
    let entry = |one: &Value| {
        let path = one["path"].as_str().expect("a path").to_owned();
        (path, one["size"].as_u64().expect("a size"))
    };
    all.iter().map(entry).collect()
}

/// Each command is undone, that undone, and that undone; then the folder of the first device is as it was.
fn there_and_back(commands: &[&[&str]]) {
    let server = Server::start();
    let (anna, bo) = two(&server);
    bo.write("mine", "bo's");
    let first = listed(&bo);
    for words in commands {
        bo.shell(&words.join(" ")).ok();
        let changed = listed(&bo);
        assert_ne!(changed, first, "{words:?}");
        for wanted in [&first, &changed, &first] {
            let log = bo.fst(["op", "log", "--json"]).ok().json();
            let newest = &log["data"]["operations"][0]["short"];
            let newest = newest.as_str().expect("an id");
            let run = bo.fst(["undo", newest]).ok();
            assert!(run.out.contains("undo: fst undo "), "{}", run.out);
            assert_eq!(&listed(&bo), wanted, "{words:?}");
        }
    }
    anna.wait();
    assert_eq!(anna.read("docs/a.txt"), "a, then");
    assert_eq!(anna.read("docs/d/b.txt"), "b");
    assert_eq!(anna.read("docs/d/e/long").len(), 300_000);
    let link = std::fs::read_link(anna.path("docs/d/link")).expect("a link");
    assert_eq!(link.to_str(), Some("b.txt"));
}

#[test]
fn what_was_made_at_the_server_goes_again() {
    there_and_back(&[
        &["fst", "mkdir", "/docs/new/deep"],
        &["fst", "put", "mine", "/docs/x/y/mine"],
    ]);
}

#[test]
fn what_was_replaced_at_the_server_comes_back() {
    there_and_back(&[
        &["fst", "put", "mine", "/docs/a.txt", "--replace"],
        &["fst", "mv", "/docs/a.txt", "/docs/d"],
    ]);
}

#[test]
fn what_was_moved_or_removed_at_the_server_comes_back() {
    there_and_back(&[
        &["fst", "mv", "/docs/d", "/docs/renamed"],
        &["fst", "rm", "/docs/d", "--recursive"],
    ]);
}

#[test]
fn what_others_changed_at_the_server_stays() {
    let server = Server::start();
    let (anna, bo) = two(&server);
    bo.write("mine", "bo's");
    let mine = bo.path("mine");
    let mine = mine.to_str().expect("text");
    let put = undo_of(&bo, ["put", mine, "/docs/a.txt", "--replace"]);
    let rm = undo_of(&bo, ["rm", "/docs/d", "--recursive"]);
    let mkdir = undo_of(&bo, ["mkdir", "/docs/new"]);
    anna.wait();
    anna.write("docs/a.txt", "anna's");
    anna.write("docs/new/inside", "anna's");
    anna.write("docs/d", "a file now");
    anna.wait();
    let before = listed(&bo);
    for undo in [put, rm, mkdir] {
        bo.shell(&undo).failed("FST-6023", 6);
    }
    assert_eq!(listed(&bo), before);
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "anna's");
    // A file that was edited after it was moved goes back with its edit.
    bo.fst(["mv", "/docs/a.txt", "/docs/new/b.txt"]).ok();
    anna.wait();
    anna.write("docs/new/b.txt", "edited");
    anna.wait();
    bo.fst(["undo"]).ok();
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "edited");
    // Somebody is where it was: it stays where it is.
    bo.fst(["mv", "/docs/a.txt", "/docs/new/b.txt"]).ok();
    anna.wait();
    anna.write("docs/a.txt", "another");
    anna.wait();
    bo.fst(["undo"]).failed("FST-6023", 6);
    assert_eq!(bo.fst(["cat", "/docs/new/b.txt"]).ok().out, "edited");
}

/// Undoes the newest entry of the log, whatever it is.
fn undo_newest(home: &Home) -> crate::world::Run {
    let log = home.fst(["op", "log", "--json"]).ok().json();
    let newest = &log["data"]["operations"][0]["short"];
    home.fst(["undo", newest.as_str().expect("an id")])
}

#[test]
fn a_restore_is_undone_from_the_versions() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("docs");
    for text in ["one\n", "two\n"] {
        home.write("docs/f", text);
        home.wait();
    }
    let file = home.path("docs/f");
    let file = file.to_str().expect("text");
    let undo = undo_of(&home, ["restore", file, "--version", "1"]);
    assert_eq!(home.read("docs/f"), "one\n");
    // Before the sync and after it.
    home.shell(&undo).ok();
    assert_eq!(home.read("docs/f"), "two\n");
    home.wait();
    undo_newest(&home).ok();
    assert_eq!(home.read("docs/f"), "one\n");
    home.wait();
    undo_newest(&home).ok();
    assert_eq!(home.read("docs/f"), "two\n");
    home.wait();
    // An edit since then is not written over.
    let undo = undo_of(&home, ["restore", file, "--version", "1"]);
    home.write("docs/f", "mine\n");
    home.shell(&undo).failed("FST-6023", 6);
    home.wait();
    home.shell(&undo).failed("FST-6023", 6);
    assert_eq!(home.read("docs/f"), "mine\n");
}

#[test]
fn a_restore_of_a_folder_is_undone_as_a_whole() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("docs");
    home.make_dir("docs/d");
    home.write("docs/a", "a1");
    home.write("docs/d/b", "b1");
    home.write("docs/gone", "gone");
    home.wait();
    let folder = home.path("docs");
    let folder = folder.to_str().expect("text");
    let file = home.path("docs/gone");
    let json = home.fst(["versions", file.to_str().expect("text"), "--json"]);
    let then = json.ok().json()["data"]["versions"][0]["time"].to_string();
    home.write("docs/a", "a2");
    home.make_dir("docs/new/deep");
    home.write("docs/new/deep/c", "c");
    std::fs::remove_file(home.path("docs/gone")).expect("it was there");
    home.wait();
    let now = |home: &Home| {
        let read = |name: &str| std::fs::read_to_string(home.path("docs").join(name)).ok();
        ["a", "d/b", "gone", "new/deep/c"].map(read)
    };
    let text = |text: &str| Some(text.to_owned());
    let changed = [text("a2"), text("b1"), None, text("c")];
    let restored = [text("a1"), text("b1"), text("gone"), None];
    assert_eq!(now(&home), changed);
    home.fst(["daemon", "stop"]).ok();
    home.fst(["restore", folder, "--exact", "--time", &format!("@{then}")])
        .ok();
    assert_eq!(now(&home), restored);
    // What came back is not synced yet: nothing is removed that the server has not.
    undo_newest(&home).failed("FST-6021", 6);
    assert_eq!(now(&home), restored);
    home.fst(["daemon", "start"]).ok();
    home.wait();
    undo_newest(&home).ok();
    assert_eq!(now(&home), changed);
    for wanted in [&restored, &changed] {
        home.wait();
        undo_newest(&home).ok();
        assert_eq!(&now(&home), wanted);
    }
    home.wait();
    let trash = home.path("docs/gone");
    home.fst(["trash", "restore", trash.to_str().expect("text")])
        .ok();
    home.wait();
    home.fst(["undo"]).ok();
    assert_eq!(now(&home), changed);
}

#[test]
fn ignore_rules_go_and_come_back() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("docs");
    home.write("docs/a.txt", "a");
    home.wait();
    let folder = home.path("docs");
    let folder = folder.to_str().expect("text");
    let rules = |home: &Home| home.fst(["ignore", "list", folder]).ok().out;
    let none = rules(&home);
    // In the rule file: the second rule goes, then the first.
    home.fst(["ignore", "add", "*.tmp", "--folder", folder])
        .ok();
    home.fst(["ignore", "add", "*.log", "--folder", folder])
        .ok();
    home.fst(["undo"]).ok();
    assert_eq!(home.read("docs/.fstignore"), "*.tmp\n");
    let first = undo_newest(&home).ok();
    assert_eq!(
        home.read("docs/.fstignore"),
        "*.tmp\n*.log\n",
        "{}",
        first.out
    );
    home.fst(["undo"]).ok();
    home.fst(["undo"]).ok();
    assert_eq!(home.read("docs/.fstignore"), "");
    undo_newest(&home).ok();
    home.write("docs/.fstignore", "mine\n");
    home.fst(["undo"]).failed("FST-6023", 6);
    assert_eq!(home.read("docs/.fstignore"), "mine\n");
    std::fs::remove_file(home.path("docs/.fstignore")).expect("it was there");
    // On this device.
    let text = home.read(FILE);
    let add = undo_of(
        &home,
        ["ignore", "add", "*.bak", "--folder", folder, "--device"],
    );
    assert!(home.read(FILE).contains("*.bak"));
    let remove = undo_of(
        &home,
        ["ignore", "remove", "*.bak", "--folder", folder, "--device"],
    );
    home.shell(&remove).ok();
    assert!(home.read(FILE).contains("*.bak"));
    home.shell(&add).ok();
    assert_eq!(home.read(FILE), text);
    // In the space, in the order that it had.
    home.wait();
    for pattern in ["one", "two"] {
        home.fst(["ignore", "add", pattern, "--folder", folder, "--space"])
            .ok();
        home.wait();
    }
    let both = rules(&home);
    let remove = undo_of(
        &home,
        ["ignore", "remove", "one", "--folder", folder, "--space"],
    );
    home.wait();
    assert_ne!(rules(&home), both);
    home.shell(&remove).ok();
    home.wait();
    assert_eq!(rules(&home), both);
    for _ in 0..2 {
        home.fst(["undo"]).ok();
        home.wait();
    }
    assert_eq!(rules(&home), none);
}

#[test]
fn pins_and_rules_of_versions_are_undone() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("docs");
    for text in ["one\n", "two\n"] {
        home.write("docs/f", text);
        home.wait();
    }
    let (folder, file) = (home.path("docs"), home.path("docs/f"));
    let folder = folder.to_str().expect("text");
    let file = file.to_str().expect("text");
    let is_pinned = || {
        let found = home.fst(["versions", file, "--json"]).ok().json();
        found["data"]["versions"][1]["pinned"] == true
    };
    home.fst(["versions", "pin", file, "1"]).ok();
    home.wait();
    assert!(is_pinned());
    home.fst(["undo"]).ok();
    home.wait();
    assert!(!is_pinned());
    undo_newest(&home).ok();
    home.wait();
    assert!(is_pinned());
    let days = || {
        home.fst(["versions", "keep", folder, "--json"]).ok().json()["data"]["retention_days"]
            .clone()
    };
    let before = days();
    let undo = undo_of(&home, ["versions", "keep", folder, "--days", "77"]);
    home.wait();
    assert_eq!(days(), 77);
    let newer = undo_of(&home, ["versions", "keep", folder, "--days", "78"]);
    home.wait();
    home.shell(&undo).failed("FST-6023", 6);
    home.shell(&newer).ok();
    home.wait();
    home.shell(&undo).ok();
    home.wait();
    assert_eq!(days(), before);
    // Nothing is changed, so nothing is noted.
    let same = home.fst(["versions", "pin", file, "1"]).ok().out;
    assert!(!same.contains("undo:"), "{same}");
}

/// Two files with the same values are told apart.
#[test]
fn another_configuration_file_is_not_touched() {
    let home = with_file(TEXT);
    home.write("other.yaml", TEXT);
    let other = home.path("other.yaml");
    let other = other.to_str().expect("text");
    home.fst(["config", "set", "max_upload", "5mbps", "--config", other])
        .ok();
    home.write(FILE, home.read("other.yaml"));
    let changed = home.read(FILE);
    let refused = home.fst(["undo"]);
    refused.failed("FST-6024", 6);
    assert!(refused.err.contains("add --config"), "{}", refused.err);
    assert_eq!(home.read(FILE), changed);
    home.fst(["undo", "--config", other]).ok();
    assert_eq!(home.read("other.yaml"), TEXT);
    assert_eq!(home.read(FILE), changed);
}
