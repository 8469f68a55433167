//! `fst verify`: a healthy space, a server whose data is damaged or gone, a server that went back, an edit.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::{Home, Run, Server};

/// Larger than what travels inside of an entry.
fn long_text() -> String {
    (0..20_000_u32).map(|n| format!("{n:x} ")).collect()
}

fn parts_and_troubles(run: &Run) -> Vec<String> {
    let answer = run.json();
    let folders = answer["data"]["folders"].as_array().expect("folders");
    let findings = folders
        .iter()
        .flat_map(|folder| folder["findings"].as_array().expect("findings"));
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
    let lines = findings.map(|it| {
        format!(
            "{} {} {}",
            word(it, "part"),
            word(it, "trouble"),
            word(it, "path")
        )
    });
    let mut lines: Vec<String> = lines.collect();
    lines.dedup();
    lines
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn blobs(data: &Path) -> Vec<PathBuf> {
    let mut files = files_below(data);
    files
        .retain(|file| file.to_string_lossy().contains("/objects/") && !file.ends_with("layout-1"));
    assert!(!files.is_empty(), "{:?}", files_below(data));
    files
}

#[test]
fn a_healthy_space_has_no_findings() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/long", long_text());
    anna.wait();
    anna.write("docs/a", "a");
    anna.write("docs/gone", "g");
    anna.wait();
    fs::remove_file(anna.path("docs/gone")).expect("ours");
    anna.wait();
    let all = [
        "verify", "--log", "--state", "--refs", "--data", "--local", "--json",
    ];
    let run = anna.fst(all).ok();
    assert_eq!(parts_and_troubles(&run), [""; 0], "{}", run.out);
    let checked = &run.json()["data"]["folders"][0]["checked"];
    assert_eq!(
        (&checked["data"], &checked["local"]),
        (&2.into(), &2.into()),
        "{checked}"
    );
    assert!(checked["refs"].as_u64() > Some(0), "{checked}");
    let quick = anna.fst(["verify"]).ok().out;
    assert!(
        quick.contains("state 2") && !quick.contains("data"),
        "{quick}"
    );
    let left = files_below(&anna.path(".local/state/filesynctool"));
    assert!(
        !left
            .iter()
            .any(|file| file.to_string_lossy().contains("verify-")),
        "{left:?}"
    );
    assert_eq!(anna.fst(["verify", "--data=0%"]).exit, 2);
}

#[test]
fn damaged_and_lost_data_of_the_server_is_found() {
    let data = TempDir::new().expect("a temporary directory");
    let mut server = Server::start_at(data.path());
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/long", long_text());
    anna.wait();
    for blob in blobs(data.path()) {
        let mut bytes = fs::read(&blob).expect("a blob");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&blob, bytes).expect("ours");
    }
    let run = anna.fst(["verify", "--data", "--json"]);
    assert_eq!(run.exit, 2, "{}{}", run.out, run.err);
    assert_eq!(
        parts_and_troubles(&run),
        ["data remote long"],
        "{}",
        run.out
    );
    for blob in blobs(data.path()) {
        fs::remove_file(blob).expect("ours");
    }
    let run = anna.fst(["verify", "--data", "--json"]);
    // The server cannot say whether its storage fails for now or for ever.
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    assert_eq!(
        parts_and_troubles(&run),
        ["data unchecked long"],
        "{}",
        run.out
    );
    server.stop();
    let run = anna.fst(["verify", "--json"]);
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    assert_eq!(parts_and_troubles(&run), ["log unchecked -"], "{}", run.out);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("ours");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).expect("ours");
        }
    }
}

#[test]
fn a_server_that_went_back_is_found() {
    let [now, before] = [(); 2].map(|()| TempDir::new().expect("a temporary directory"));
    let mut server = Server::start_at(now.path());
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/a", "a");
    anna.wait();
    server.stop();
    copy(now.path(), before.path());
    let mut server = Server::start_at(now.path());
    anna.fst(["config", "set", "server.url", &server.url()])
        .ok();
    anna.fst(["daemon", "stop"]).ok();
    anna.fst(["daemon", "start"]).ok();
    anna.write("docs/b", "b");
    anna.wait();
    anna.fst(["verify", "--log"]).ok();
    anna.fst(["daemon", "stop"]).ok();
    server.stop();
    let server = Server::start_at(before.path());
    anna.fst(["config", "set", "server.url", &server.url()])
        .ok();
    let run = anna.fst(["verify", "--log", "--json"]);
    assert_eq!(run.exit, 4, "{}{}", run.out, run.err);
    assert_eq!(parts_and_troubles(&run), ["log rollback -"], "{}", run.out);
}

#[test]
fn an_edit_is_no_rot_and_is_left_alone() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/edited", "before");
    anna.write("docs/whole", "whole");
    anna.wait();
    anna.fst(["daemon", "stop"]).ok();
    anna.write("docs/edited", "behind the back");
    let run = anna.fst(["verify", "--local", "--json"]).ok();
    assert_eq!(
        run.json()["data"]["folders"][0]["changed"],
        1,
        "{}",
        run.out
    );
    assert_eq!(anna.read("docs/edited"), "behind the back");
}
