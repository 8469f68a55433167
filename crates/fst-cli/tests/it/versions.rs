//! Versions, restoring, deleted files, differences: through the real command, daemon and server.

use serde_json::Value;

use crate::world::{Home, Server};

/// A device with folder `docs` and a file with three versions.
fn with_versions(server: &Server) -> Home {
    let home = Home::first(server).with_folder("docs");
    for text in ["one\n", "two\n", "three\n"] {
        home.write("docs/f", text);
        home.wait();
    }
    home
}

fn versions(home: &Home, words: &[&str]) -> Vec<Value> {
    let file = home.path("docs/f");
    let mut line = vec!["versions", file.to_str().expect("text"), "--json"];
    line.extend(words);
    let found = home.fst(line).ok().json();
    let found = found["data"]["versions"].as_array().expect("versions");
    found.clone()
}

fn fst(home: &Home, words: &[&str], file: &str) -> crate::world::Run {
    let file = home.path(file);
    let with_path = words.iter().map(|word| match *word {
        "PATH" => file.to_str().expect("text"),
        word => word,
    });
    home.fst(with_path)
}

#[test]
fn versions_are_listed_newest_first() {
    let server = Server::start();
    let home = with_versions(&server);
    let found = versions(&home, &[]);
    let brief: Vec<(u64, u64, bool)> = found
        .iter()
        .map(|v| {
            let number = v["version"].as_u64().expect("a number");
            let size = v["size"].as_u64().expect("a size");
            (number, size, v["current"] == true)
        })
        .collect();
    assert_eq!(brief, [(3, 6, true), (2, 4, false), (1, 4, false)]);
    assert!(found.iter().all(|v| v["device"] == "anna"), "{found:?}");
    let times: Vec<u64> = found.iter().filter_map(|v| v["time"].as_u64()).collect();
    assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
    let text = fst(&home, &["versions", "PATH"], "docs/f").ok().out;
    assert!(text.contains("current") && text.contains("anna"), "{text}");
    fst(&home, &["versions", "PATH"], "docs/none").failed("FST-1205", 5);
    fst(&home, &["versions", "PATH"], "elsewhere").failed("FST-1202", 5);
}

#[test]
fn a_version_comes_back_as_a_new_one_and_can_be_taken_back() {
    let server = Server::start();
    let home = with_versions(&server);
    let dry = ["restore", "PATH", "--version", "1", "--dry-run", "--json"];
    let planned = fst(&home, &dry, "docs/f").ok().json();
    assert_eq!(planned["data"]["plan"][0]["action"], "replace");
    assert_eq!(home.read("docs/f"), "three\n", "a dry run changes nothing");

    fst(&home, &["restore", "PATH", "--version", "1"], "docs/f").ok();
    assert_eq!(home.read("docs/f"), "one\n");
    home.wait();
    assert_eq!(versions(&home, &[]).len(), 4);
    fst(&home, &["restore", "PATH", "--version", "3"], "docs/f").ok();
    home.wait();
    assert_eq!(home.read("docs/f"), "three\n");
    assert_eq!(versions(&home, &[]).len(), 5);
    fst(&home, &["restore", "PATH", "--version", "9"], "docs/f").failed("FST-1205", 5);
}

#[test]
fn an_edit_that_is_not_synced_is_never_written_over() {
    let server = Server::start();
    let home = with_versions(&server);
    home.fst(["daemon", "stop"]).ok();
    home.write("docs/f", "not synced");
    fst(&home, &["restore", "PATH", "--version", "1"], "docs/f").failed("FST-6021", 6);
    assert_eq!(home.read("docs/f"), "not synced");
    home.fst(["sync"]).ok();
    fst(&home, &["restore", "PATH", "--version", "1"], "docs/f").ok();
    home.fst(["sync"]).ok();
    assert_eq!(home.read("docs/f"), "one\n");
    let at_4 = format!("{}@4", home.path("docs/f").display());
    let diff = home.fst(["diff", &at_4]).ok().out;
    assert!(
        diff.contains("-not synced") && diff.contains("+one"),
        "{diff}"
    );
}

#[test]
fn elsewhere_means_elsewhere() {
    let server = Server::start();
    let home = with_versions(&server);
    let to = home.path("old");
    let to = to.to_str().expect("text");
    let words = ["restore", "PATH", "--version", "2", "--to", to];
    fst(&home, &words, "docs/f").ok();
    assert_eq!(home.read("old"), "two\n");
    assert_eq!(home.read("docs/f"), "three\n");
    fst(&home, &words, "docs/f").failed("FST-6022", 6);
    let inside = home.path("docs/old");
    let inside = inside.to_str().expect("text");
    let words = ["restore", "PATH", "--version", "2", "--to", inside];
    fst(&home, &words, "docs/f").failed("FST-1204", 6);
    home.wait();
    assert_eq!(
        versions(&home, &[]).len(),
        3,
        "nothing changed in the space"
    );
}

#[test]
fn a_folder_goes_back_to_a_moment_and_forth_again() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("docs");
    home.make_dir("docs/d");
    home.write("docs/d/a", "a, then");
    home.write("docs/d/b", "b, then");
    home.wait();
    let then = versions_at(&home, "docs/d/b");
    home.write("docs/d/a", "a, now");
    std::fs::remove_file(home.path("docs/d/b")).expect("it was there");
    home.write("docs/d/new", "new");
    home.wait();

    let time = format!("@{then}");
    let since = format!("{}@{time}", home.path("docs/d").display());
    let changes = home.fst(["diff", &since, "--json"]).ok().json();
    assert_eq!(changes["data"]["changes"].as_array().map(Vec::len), Some(3));

    let to = home.path("d-then");
    let to = to.to_str().expect("text");
    let words = ["restore", "PATH", "--time", &time, "--to", to];
    fst(&home, &words, "docs/d").ok();
    assert_eq!(home.read("d-then/a"), "a, then");
    assert_eq!(home.read("d-then/b"), "b, then");
    assert!(!home.path("d-then/new").exists());
    assert_eq!(home.read("docs/d/a"), "a, now");

    let words = ["restore", "PATH", "--time", &time, "--exact", "--json"];
    let done = fst(&home, &words, "docs/d").ok().json();
    assert_eq!(home.read("docs/d/a"), "a, then");
    assert_eq!(home.read("docs/d/b"), "b, then");
    assert!(!home.path("docs/d/new").exists());
    home.wait();
    assert!(
        done["data"]["problems"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );

    let words = ["trash", "restore", "PATH"];
    fst(&home, &words, "docs/d/new").ok();
    fst(&home, &["restore", "PATH", "--version", "2"], "docs/d/a").ok();
    home.wait();
    assert_eq!(home.read("docs/d/new"), "new");
    assert_eq!(home.read("docs/d/a"), "a, now");
}

/// Server time of a file's newest version.
fn versions_at(home: &Home, file: &str) -> u64 {
    let found = fst(home, &["versions", "PATH", "--json"], file).ok().json();
    let time = found["data"]["versions"][0]["time"].as_u64();
    time.expect("a time")
}

#[test]
fn deleted_files_are_listed_and_come_back_on_every_device() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.make_dir("docs/d");
    anna.write("docs/d/f", "precious");
    anna.write("docs/g", "too");
    anna.wait();
    let bo = Home::joined(&anna, &server).with_folder("docs");
    bo.wait();
    std::fs::remove_dir_all(bo.path("docs/d")).expect("it was there");
    std::fs::remove_file(bo.path("docs/g")).expect("it was there");
    bo.wait();
    anna.wait();
    let trash = anna.fst(["trash", "list", "--json"]).ok().json();
    let listed = trash["data"]["trash"].as_array().expect("a list");
    let mut paths: Vec<&str> = listed.iter().filter_map(|f| f["path"].as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["d/f", "g"]);
    assert!(listed.iter().all(|file| file["device"] == "bo"), "{trash}");

    fst(&anna, &["restore", "PATH", "--deleted"], "docs/g").ok();
    fst(&anna, &["trash", "restore", "PATH"], "docs/d").ok();
    anna.wait();
    bo.wait();
    assert_eq!(bo.read("docs/d/f"), "precious");
    assert_eq!(bo.read("docs/g"), "too");
    let all = fst(&bo, &["versions", "PATH", "--all", "--json"], "docs/g");
    let all = all.ok().json();
    assert_eq!(all["data"]["versions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn pins_and_rules_are_the_same_on_every_device() {
    let server = Server::start();
    let home = with_versions(&server);
    fst(&home, &["versions", "pin", "PATH", "1"], "docs/f").ok();
    home.wait();
    let pinned = |home: &Home| -> Vec<bool> {
        let found = versions(home, &[]);
        found.iter().map(|v| v["pinned"] == true).collect()
    };
    assert_eq!(pinned(&home), [false, false, true]);
    let words = ["versions", "keep", "PATH", "--days", "90", "--json"];
    fst(&home, &words, "docs").ok();
    home.wait();
    let bo = Home::joined(&home, &server).with_folder("docs");
    bo.wait();
    assert_eq!(pinned(&bo), [false, false, true]);
    let rules = fst(&bo, &["versions", "keep", "PATH", "--json"], "docs").ok();
    let rules = rules.json()["data"].clone();
    assert_eq!(rules["retention_days"], 90);
    assert_eq!(rules["max_versions"], 10);
    fst(&bo, &["versions", "unpin", "PATH", "1"], "docs/f").ok();
    bo.wait();
    home.wait();
    assert_eq!(pinned(&home), [false, false, false]);
    let words = ["versions", "keep", "PATH", "--days", "0"];
    fst(&home, &words, "docs").failed("FST-1301", 2);
}
