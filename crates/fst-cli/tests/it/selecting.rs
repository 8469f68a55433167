//! A device that syncs some sub-folders only: what it has, what others keep, and the way back.

use std::path::Path;

use serde_json::Value;

use crate::world::{Home, Server};

/// Anna has `Documents` with photos of two years, work and a file at the top; Bo is there and has no folder yet.
fn pair() -> (Server, Home, Home) {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("Documents");
    for dir in ["Photos", "Photos/2023", "Photos/2024", "Work"] {
        anna.make_dir(&format!("Documents/{dir}"));
    }
    anna.write("Documents/Photos/2023/a", "a of 2023");
    anna.write("Documents/Photos/2024/b", "b of 2024");
    anna.write("Documents/Work/plan", "plan");
    anna.write("Documents/top", "at the top");
    anna.wait();
    let bo = Home::joined(&anna, &server);
    (server, anna, bo)
}

fn all(home: &Home) -> Vec<String> {
    let top = home.path("Documents");
    let mut found = Vec::new();
    let mut open = vec![top.clone()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let inside = path.strip_prefix(&top).expect("inside");
            if inside == Path::new(".fst") {
                continue;
            }
            if path.is_dir() {
                open.push(path.clone());
            } else {
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

fn select<const N: usize>(home: &Home, words: [&str; N]) -> Value {
    let mut line = vec!["select"];
    line.extend(words);
    line.push("--json");
    home.fst(line).ok().json()
}

const EVERYTHING: [&str; 4] = ["Photos/2023/a", "Photos/2024/b", "Work/plan", "top"];

#[test]
fn a_folder_is_added_with_some_sub_folders_only() {
    let (_server, anna, bo) = pair();
    let folder = bo.make_dir("Documents");
    bo.fst(["daemon", "start"]).ok();
    let planned = bo.fst(["add", &folder, "--only", "Work", "--dry-run", "--json"]);
    let planned = planned.ok().json();
    let items = planned["data"]["folders"][0]["items"].as_array().cloned();
    let paths = items.unwrap_or_default();
    let mut paths: Vec<&str> = paths
        .iter()
        .filter_map(|item| item["path"].as_str())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["Work", "Work/plan"]);
    let added = bo.fst(["add", &folder, "--only", "Photos/2024,/Work/", "--json"]);
    let only = &added.ok().json()["data"]["only"];
    assert_eq!(only, &serde_json::json!(["Photos/2024", "Work"]));
    bo.wait();
    assert_eq!(all(&bo), ["Photos/2024/b", "Work/plan"]);
    let status = bo.fst(["status"]).ok().out;
    assert!(
        status.contains("~/Documents: only Photos/2024, Work"),
        "{status}"
    );
    bo.write("Documents/Work/mine", "from bo");
    bo.write("Documents/Photos/not sent", "stays here");
    bo.wait();
    anna.wait();
    assert_eq!(anna.read("Documents/Work/mine"), "from bo");
    assert!(!anna.path("Documents/Photos/not sent").exists());
    let file = bo
        .path("Documents/Photos/2023/a")
        .to_string_lossy()
        .into_owned();
    let why = bo.fst(["why", &file, "--json"]).ok().json();
    assert_eq!(why["data"]["state"], "unselected");
    assert_eq!(why["data"]["row"], "S-180");
}

#[test]
fn what_is_taken_out_stays_unless_it_is_to_go_and_comes_back() {
    let (_server, anna, bo) = pair();
    let bo = bo.with_folder("Documents");
    bo.wait();
    assert_eq!(all(&bo), EVERYTHING);
    let kept = select(&bo, ["remove", "Photos/2023"]);
    assert_eq!(kept["data"]["copies"], "keep");
    assert_eq!(
        kept["data"]["choice"]["except"],
        serde_json::json!(["Photos/2023"])
    );
    bo.write("Documents/Photos/2023/a", "changed by bo");
    bo.wait();
    let gone = select(&bo, ["remove", "Photos", "--remove"]);
    assert_eq!(
        gone["data"]["choice"]["cleared"],
        serde_json::json!(["Photos"])
    );
    assert_eq!(gone["data"]["choice"]["except"], serde_json::json!([]));
    bo.wait();
    // What was changed while it was not synced is nowhere else.
    assert_eq!(all(&bo), ["Photos/2023/a", "Work/plan", "top"]);
    let problem = &bo.status()["folders"][0]["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["path"]),
        (&"FST-3021".into(), &"Photos/2023/a".into())
    );
    anna.wait();
    assert_eq!(all(&anna), EVERYTHING);
    assert_eq!(anna.read("Documents/Photos/2023/a"), "a of 2023");
    select(&bo, ["add", "."]);
    bo.wait();
    anna.wait();
    let conflicted = all(&anna);
    assert_eq!(conflicted.len(), 5, "{conflicted:?}");
    assert_eq!(all(&bo), conflicted);
    assert_eq!(anna.read("Documents/Photos/2023/a"), "a of 2023");
}

#[test]
fn edits_that_were_not_sent_are_sent_before_copies_go() {
    let (_server, anna, bo) = pair();
    let bo = bo.with_folder("Documents");
    bo.wait();
    bo.write("Documents/Work/plan", "a newer plan");
    select(&bo, ["remove", "Work", "--remove"]);
    bo.wait();
    assert!(!bo.path("Documents/Work").exists());
    anna.wait();
    assert_eq!(anna.read("Documents/Work/plan"), "a newer plan");
    let undone = bo.fst(["undo"]).ok().out;
    assert!(undone.contains("select remove"), "{undone}");
    bo.wait();
    assert_eq!(bo.read("Documents/Work/plan"), "a newer plan");
    assert_eq!(all(&bo), EVERYTHING);
}

#[test]
fn the_list_shows_what_the_server_has_and_what_is_here() {
    let (_server, _anna, bo) = pair();
    let folder = bo.make_dir("Documents");
    bo.fst(["daemon", "start"]).ok();
    bo.fst(["add", &folder, "--only", "Photos/2024"]).ok();
    bo.wait();
    let list = select(&bo, ["list"]);
    let rows = list["data"]["folders"][0]["sub_folders"]
        .as_array()
        .cloned();
    let row = |row: &Value| {
        let words = ["path", "chosen", "is_here", "files", "bytes"].map(|key| row[key].to_string());
        words.join(" ").replace('"', "")
    };
    let rows: Vec<String> = rows.unwrap_or_default().iter().map(row).collect();
    assert_eq!(
        rows,
        [
            "Photos part true 2 18",
            "Photos/2024 all true 1 9",
            "Work none false 1 4"
        ]
    );
    let text = bo.fst(["select", "list"]).ok().out;
    assert!(
        text.contains("synced") && text.contains("Photos/2024/"),
        "{text}"
    );
    // Typed at the folder itself, names count from there.
    bo.shell("cd Documents/Photos && fst select add 2023").ok();
    bo.wait();
    assert_eq!(all(&bo), ["Photos/2023/a", "Photos/2024/b"]);
}

#[test]
fn a_choice_that_would_be_another_than_it_looks_is_refused() {
    let (_server, _anna, bo) = pair();
    let folder = bo.make_dir("Documents");
    bo.fst(["daemon", "start"]).ok();
    bo.fst(["add", &folder, "--only", "../x"])
        .failed("FST-1301", 2);
    bo.fst(["add", &folder, "--only", "Work"]).ok();
    bo.wait();
    let last = bo.fst(["select", "remove", "Work"]);
    assert!(last.err.contains("nothing would be left"), "{}", last.err);
    last.failed("FST-1301", 2);
    select(&bo, ["add", "."]);
    select(&bo, ["remove", "Photos"]);
    bo.fst(["select", "add", "Photos/2024"])
        .failed("FST-1301", 2);
    bo.fst(["select", "remove", "a/../b"]).failed("FST-1301", 2);
    let both = bo.fst(["select", "remove", "x", "--keep", "--remove"]);
    assert_eq!(both.exit, 2);
    let nowhere = select(&bo, ["remove", "Wrok"]);
    assert_eq!(nowhere["warnings"].as_array().map(Vec::len), Some(1));
    let again = select(&bo, ["remove", "Wrok"]);
    assert!(again["undo"].is_null(), "{again}");
}

#[test]
fn room_that_is_made_while_nothing_runs_is_no_deletion() {
    let (_server, anna, bo) = pair();
    let bo = bo.with_folder("Documents");
    bo.wait();
    bo.fst(["daemon", "stop"]).ok();
    select(&bo, ["remove", "Photos"]);
    std::fs::remove_dir_all(bo.path("Documents/Photos")).expect("removed");
    select(&bo, ["add", "Photos"]);
    bo.fst(["daemon", "start"]).ok();
    bo.wait();
    anna.wait();
    assert_eq!(all(&anna), EVERYTHING);
    assert_eq!(all(&bo), EVERYTHING);
    bo.fst(["pause"]).ok();
    select(&bo, ["remove", "Work"]);
    std::fs::remove_dir_all(bo.path("Documents/Work")).expect("removed");
    select(&bo, ["add", "Work"]);
    bo.fst(["resume"]).ok();
    bo.wait();
    anna.wait();
    assert_eq!(all(&anna), EVERYTHING);
    assert_eq!(all(&bo), EVERYTHING);
}

#[test]
fn room_that_is_made_at_once_is_no_deletion() {
    let (_server, anna, bo) = pair();
    let bo = bo.with_folder("Documents");
    bo.wait();
    for _ in 0..5 {
        select(&bo, ["remove", "Work"]);
        std::fs::remove_dir_all(bo.path("Documents/Work")).expect("removed");
        select(&bo, ["add", "Work"]);
        bo.wait();
        anna.wait();
        assert_eq!(all(&anna), EVERYTHING);
        assert_eq!(all(&bo), EVERYTHING);
    }
}
