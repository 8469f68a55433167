//! One bad file never stops the others: it is shown, with what to do about it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::world::{Home, Server};

pub(crate) fn pair() -> (Server, Home, Home) {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("Documents");
    let bo = Home::joined(&anna, &server).with_folder("Documents");
    (server, anna, bo)
}

fn problems(home: &Home) -> Vec<Value> {
    home.status()["folders"][0]["problems"]
        .as_array()
        .cloned()
        .expect("a list")
}

#[test]
fn names_are_kept_byte_for_byte() {
    let (_server, anna, bo) = pair();
    let names: [&[u8]; 4] = [
        b"new\nline.txt",
        b"invalid \xff\xfe utf8.txt",
        b" leading and trailing ",
        b"'quotes\".txt",
    ];
    for name in names {
        anna.write(Path::new("Documents").join(OsStr::from_bytes(name)), name);
    }
    anna.wait();
    bo.wait();
    for name in names {
        let path = bo.path("Documents").join(OsStr::from_bytes(name));
        assert_eq!(std::fs::read(path).expect("the file arrived"), name);
    }
    // No name moves a terminal: one line per file, nothing but printable characters.
    let history = bo.fst(["history"]).ok().out;
    assert!(history.contains(r"new\nline.txt"), "{history}");
    assert!(history.contains(r"invalid \xff\xfe utf8.txt"), "{history}");
    assert!(
        history.chars().all(|c| c == '\n' || !c.is_control()),
        "{history}"
    );
}

#[test]
fn a_fifo_is_reported_and_the_rest_goes_on() {
    let (_server, anna, bo) = pair();
    anna.shell("mkfifo Documents/pipe").ok();
    anna.write("Documents/plan.md", "one\n");
    let wait = anna.fst(["wait", "--json"]).ok().json();
    assert!(
        wait["warnings"][0]
            .as_str()
            .expect("a warning")
            .contains("pipe"),
        "{wait}"
    );
    bo.wait();
    assert_eq!(bo.read("Documents/plan.md"), "one\n");
    let problem = &problems(&anna)[0];
    assert_eq!(
        (&problem["path"], &problem["code"]),
        (&"pipe".into(), &"FST-3005".into())
    );
    assert_eq!(anna.check(), 23);
    let status = anna.fst(["status"]).ok().out;
    assert!(status.contains("~/Documents/pipe"), "{status}");
    // Gone is gone.
    std::fs::remove_file(anna.path("Documents/pipe")).expect("removed");
    anna.wait();
    assert_eq!(anna.check(), 0);
}

#[test]
fn an_unreadable_file_is_reported_and_the_rest_goes_on() {
    let (_server, anna, bo) = pair();
    anna.write("Documents/secret", "x");
    let only_nobody = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(anna.path("Documents/secret"), only_nobody).expect("permissions");
    if std::fs::read(anna.path("Documents/secret")).is_ok() {
        eprintln!("SKIPPED an_unreadable_file: this user may read everything (root)");
        return;
    }
    anna.write("Documents/plan.md", "one\n");
    anna.wait();
    bo.wait();
    assert_eq!(bo.read("Documents/plan.md"), "one\n");
    assert_eq!(problems(&anna)[0]["code"], "FST-3002");
}

#[test]
fn a_conflict_is_kept_listed_and_counted() {
    let (_server, anna, bo) = pair();
    anna.write("Documents/budget.csv", "rent,900\n");
    anna.wait();
    bo.wait();
    anna.fst(["daemon", "stop"]).ok();
    bo.fst(["daemon", "stop"]).ok();
    anna.write("Documents/budget.csv", "rent,950\n");
    bo.write("Documents/budget.csv", "rent,990\n");
    anna.fst(["sync"]).ok();
    bo.fst(["sync"]).ok();
    anna.fst(["sync"]).ok();
    for home in [&anna, &bo] {
        let list = home.fst(["conflicts", "list", "--json"]).ok().json();
        let conflicts = list["data"]["conflicts"].as_array().expect("a list");
        assert_eq!(conflicts.len(), 1, "{list}");
        for field in ["id", "path", "kind", "local", "remote", "base"] {
            assert!(
                conflicts[0].get(field).is_some(),
                "{field} is missing in {list}"
            );
        }
        assert_eq!(conflicts[0]["path"], "budget.csv");
        home.fst(["daemon", "start"]).ok();
        home.wait();
        assert_eq!(home.check(), 21);
    }
    let copy = std::fs::read_dir(bo.path("Documents"))
        .expect("a folder")
        .flatten();
    let texts: std::collections::BTreeSet<String> = copy
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .collect();
    assert!(
        texts.contains("rent,950\n") && texts.contains("rent,990\n"),
        "{texts:?}"
    );
}

#[test]
fn a_mass_deletion_stops_the_folder_until_it_is_meant() {
    let (_server, anna, bo) = pair();
    for n in 0..80 {
        anna.write(format!("Documents/{n}.txt"), format!("{n}"));
    }
    anna.wait();
    bo.wait();
    // Whether it vanishes at once or is seen little by little.
    for n in 0..79 {
        if n == 30 {
            anna.wait();
        }
        std::fs::remove_file(anna.path(format!("Documents/{n}.txt"))).expect("removed");
    }
    anna.fst(["wait", "--timeout", "2s"]).failed("FST-6004", 14);
    let status = anna.status();
    assert_eq!(status["state"], "error");
    assert_eq!(status["folders"][0]["stopped"]["code"], "FST-6002");
    assert_eq!(anna.check(), 23);
    assert!(
        anna.fst(["status"])
            .ok()
            .out
            .contains("fst resume ~/Documents --accept-deletions")
    );
    bo.wait();
    assert!(bo.path("Documents/78.txt").exists());
    let folder = anna.path("Documents").to_string_lossy().into_owned();
    anna.fst(["resume", &folder, "--accept-deletions"]).ok();
    anna.wait();
    assert_eq!(anna.check(), 0);
}
