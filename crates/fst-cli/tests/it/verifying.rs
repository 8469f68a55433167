//! `fst verify`: a healthy space, a server whose data is damaged or gone, a damaged database, a server that went back, an edit.

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
        (&3.into(), &2.into()),
        "the deleted file can be restored, so it is looked at: {checked}"
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

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).expect("ours");
}

/// Runs one statement on a database that nobody uses.
fn change(database: &Path, statement: &str) {
    let database = rusqlite::Connection::open(database).expect("a database");
    let n = database.execute(statement, []).expect("a statement");
    assert!(n > 0, "{statement}");
}

/// The server again, where the homes look for it.
fn restarted(data: &Path, home: &Home) -> Server {
    let server = Server::start_at(data);
    home.fst(["config", "set", "server.url", &server.url()])
        .ok();
    server
}

#[test]
fn damaged_data_of_the_server_is_found_in_old_versions_too() {
    let data = TempDir::new().expect("a temporary directory");
    let server = Server::start_at(data.path());
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/long", long_text());
    anna.wait();
    let old = blobs(data.path());
    anna.write("docs/long", long_text().replace(' ', "-"));
    anna.wait();
    anna.fst(["verify", "--data"]).ok();
    old.iter().for_each(|blob| flip_a_bit(blob));
    let run = anna.fst(["verify", "--data", "--json"]);
    assert_eq!(run.exit, 2, "{}{}", run.out, run.err);
    let findings = &run.json()["data"]["folders"][0]["findings"];
    assert_eq!(findings.as_array().map(Vec::len), Some(1), "{findings}");
    let text = findings[0]["text"].as_str().expect("words");
    assert!(text.starts_with("version 1: "), "{findings}");
    // The old one is whole again, the new one is not.
    blobs(data.path()).iter().for_each(|blob| flip_a_bit(blob));
    let run = anna.fst(["verify", "--data", "--json"]);
    assert_eq!(run.exit, 2, "{}{}", run.out, run.err);
    let found = parts_and_troubles(&run);
    assert_eq!(found, ["data remote long"], "{}", run.out);
    assert!(!run.out.contains("version 1"), "{}", run.out);
}

#[test]
fn lost_data_is_told_as_lost_and_a_sync_waits_for_it() {
    let data = TempDir::new().expect("a temporary directory");
    let mut server = Server::start_at(data.path());
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/long", long_text());
    anna.write("docs/short", "s");
    anna.wait();
    let kept: Vec<(PathBuf, Vec<u8>)> = blobs(data.path())
        .into_iter()
        .map(|blob| (blob.clone(), fs::read(blob).expect("a blob")))
        .collect();
    let cut = |blob: &Path| fs::write(blob, "cut").expect("ours");
    let remove = |blob: &Path| fs::remove_file(blob).expect("ours");
    for lose in [&cut as &dyn Fn(&Path), &remove] {
        kept.iter().for_each(|(blob, _)| lose(blob));
        let run = anna.fst(["verify", "--data", "--json"]);
        assert_eq!(run.exit, 2, "{}{}", run.out, run.err);
        let found = parts_and_troubles(&run);
        assert_eq!(found, ["data remote long"], "{}", run.out);
        assert!(run.out.contains("lacks data that it"), "{}", run.out);
    }
    let bo = Home::joined(&anna, &server).with_folder("docs");
    bo.comes_to(22);
    bo.shell("until fst status --json | grep -q FST-7007; do :; done")
        .ok();
    for (blob, bytes) in &kept {
        fs::write(blob, bytes).expect("ours");
    }
    bo.wait();
    assert_eq!(bo.read("docs/long"), long_text());
    anna.fst(["verify", "--data", "--local"]).ok();
    server.stop();
    let run = anna.fst(["verify", "--json"]);
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    assert_eq!(parts_and_troubles(&run), ["log unchecked -"], "{}", run.out);
}

#[test]
fn an_object_that_the_server_does_not_know_is_found() {
    let data = TempDir::new().expect("a temporary directory");
    let mut server = Server::start_at(data.path());
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/long", long_text());
    anna.wait();
    anna.fst(["daemon", "stop"]).ok();
    server.stop();
    change(&data.path().join("fst.db"), "DELETE FROM objects");
    let _server = restarted(data.path(), &anna);
    let run = anna.fst(["verify", "--refs", "--json"]);
    assert_eq!(run.exit, 2, "{}{}", run.out, run.err);
    let found = parts_and_troubles(&run);
    assert_eq!(found, ["refs remote long"], "{}", run.out);
}

#[test]
fn a_damaged_row_of_the_kept_database_is_a_finding() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("docs");
    anna.write("docs/a", "a");
    anna.wait();
    anna.fst(["daemon", "stop"]).ok();
    let folders = anna.path(".local/state/filesynctool/folders");
    let databases = files_below(&folders).into_iter();
    let is_database = |file: &PathBuf| file.extension().is_some_and(|it| it == "db");
    let database: Vec<PathBuf> = databases.filter(is_database).collect();
    change(&database[0], "UPDATE remote SET size = size + 1");
    let run = anna.fst(["verify", "--json"]);
    assert_eq!(run.exit, 1, "{}{}", run.out, run.err);
    let found = parts_and_troubles(&run);
    assert_eq!(found, ["state local -"], "{}", run.out);
    assert!(run.json()["data"]["folders"][0]["checked"]["refs"].is_u64());
    fs::write(&database[0], "this is no database").expect("ours");
    let run = anna.fst(["verify", "--json"]);
    assert_eq!(run.exit, 1, "{}{}", run.out, run.err);
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
