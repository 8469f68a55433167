//! `fst why` and dry runs: direction, action, reason and row, and nothing is changed.

use serde_json::Value;

use crate::world::{Home, Server};

fn items(plan: &Value) -> Vec<[String; 4]> {
    let items = plan["data"]["folders"][0]["items"]
        .as_array()
        .expect("items");
    let text = |item: &Value, field: &str| item[field].as_str().expect("text").to_owned();
    let line = |item: &Value| ["path", "direction", "action", "row"].map(|field| text(item, field));
    items.iter().map(line).collect()
}

fn line(words: [&str; 4]) -> [String; 4] {
    words.map(str::to_owned)
}

fn why(home: &Home, name: &str) -> Value {
    let path = home.path("Documents").join(name);
    home.fst(["why", "--json", &path.to_string_lossy()])
        .ok()
        .json()["data"]
        .clone()
}

#[test]
fn a_dry_run_tells_what_a_run_does() {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("Documents");
    for name in ["edited", "deleted", "moved"] {
        anna.write(format!("Documents/{name}"), name);
    }
    anna.wait();
    let bo = Home::joined(&anna, &server);
    let folder = bo.make_dir("Documents");
    bo.write("Documents/edited", "edited");
    bo.write("Documents/own", "own");
    // The first sync of a folder that is not added yet.
    let plan = bo.fst(["add", &folder, "--dry-run", "--json"]).ok().json();
    assert_eq!(plan["schema"], "fst.plan/1");
    let mut told = items(&plan);
    told.sort();
    assert_eq!(
        told,
        [
            line(["deleted", "down", "download", "S-003"]),
            line(["edited", "none", "adopt", "S-013"]),
            line(["moved", "down", "download", "S-003"]),
            line(["own", "up", "upload", "S-002"]),
        ]
    );
    assert!(
        !bo.path("Documents/.fst").exists(),
        "looking leaves nothing behind"
    );
    assert_eq!(
        bo.fst(["status", "--json"]).ok().json()["data"]["folders"],
        serde_json::json!([])
    );
    bo.fst(["add", &folder]).ok();
    bo.fst(["sync"]).ok();
    // Without a daemon, so that nothing moves meanwhile.
    bo.write("Documents/edited", "edited again");
    std::fs::remove_file(bo.path("Documents/deleted")).expect("removed");
    std::fs::rename(bo.path("Documents/moved"), bo.path("Documents/here")).expect("moved");
    anna.write("Documents/news", "news");
    anna.wait();
    for words in [
        vec!["sync", "-n", "--json"],
        vec!["resync", "--full", "--dry-run", "--json"],
    ] {
        let mut told = items(&bo.fst(words).ok().json());
        told.sort();
        assert_eq!(
            told,
            [
                line(["deleted", "up", "delete", "S-008"]),
                line(["edited", "up", "upload", "S-004"]),
                line(["here", "up", "move", "S-006"]),
                line(["news", "down", "download", "S-003"]),
            ]
        );
        assert!(!bo.path("Documents/news").exists());
    }
    let text = bo.fst(["remove", &folder, "--dry-run"]).ok().out;
    assert!(
        text.contains("(nothing has been changed)") && text.contains("S-006"),
        "{text}"
    );
    assert!(text.contains("deletes nothing"), "{text}");
    assert_eq!(bo.status()["folders"].as_array().map(Vec::len), Some(1));
    bo.fst(["sync"]).ok();
    assert_eq!(
        items(&bo.fst(["sync", "-n", "--json"]).ok().json()),
        Vec::<[String; 4]>::new()
    );
}

#[test]
fn why_has_one_answer_for_every_path() {
    let server = Server::start();
    let anna = Home::first(&server);
    let folder = anna.make_dir("Documents");
    anna.fst(["add", &folder]).ok();
    anna.write("Documents/.fstignore", "*.log\n");
    anna.write("Documents/plan.md", "plan");
    anna.write("Documents/gone", "gone");
    anna.write("Documents/x.log", "log");
    anna.fst(["sync"]).ok();
    std::fs::remove_file(anna.path("Documents/gone")).expect("removed");
    anna.shell("mkfifo Documents/pipe").ok();
    anna.fst(["sync"]).ok();
    anna.write("Documents/new", "new");
    let synced = why(&anna, "plan.md");
    assert_eq!(
        (&synced["state"], &synced["row"]),
        (&"synced".into(), &"S-001".into())
    );
    assert_eq!(
        (&synced["device"], &synced["size"]),
        (&"anna".into(), &4.into())
    );
    let pending = why(&anna, "new");
    assert_eq!(
        (&pending["state"], &pending["row"]),
        (&"pending".into(), &"S-002".into())
    );
    assert_eq!(pending["plan"]["direction"], "up");
    let ignored = why(&anna, "x.log");
    assert_eq!(
        (&ignored["state"], &ignored["row"]),
        (&"ignored".into(), &"S-225".into())
    );
    assert_eq!(ignored["rule"]["pattern"], "*.log");
    assert_eq!(why(&anna, "y.log")["row"], "S-227");
    let problem = why(&anna, "pipe");
    assert_eq!(
        (&problem["state"], &problem["code"]),
        (&"problem".into(), &"FST-3005".into())
    );
    let deleted = why(&anna, "gone");
    assert_eq!(
        (&deleted["state"], &deleted["device"]),
        (&"deleted".into(), &"anna".into())
    );
    assert_eq!(why(&anna, "never")["state"], "unknown");
    anna.fst(["why", "/nowhere"]).failed("FST-1202", 5);
}

#[test]
fn a_dry_run_says_that_a_guard_would_stop() {
    let server = Server::start();
    let anna = Home::first(&server);
    let folder = anna.make_dir("Documents");
    anna.fst(["add", &folder]).ok();
    for n in 0..6 {
        anna.write(format!("Documents/{n}"), "x");
    }
    anna.fst(["sync"]).ok();
    for n in 0..6 {
        std::fs::remove_file(anna.path(format!("Documents/{n}"))).expect("removed");
    }
    let plan = anna.fst(["sync", "--dry-run", "--json"]).ok().json();
    let stopped = &plan["data"]["folders"][0]["stopped"];
    assert_eq!(
        (&stopped["row"], &stopped["code"]),
        (&"S-132".into(), &"FST-6001".into())
    );
}
