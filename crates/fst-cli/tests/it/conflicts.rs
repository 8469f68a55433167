//! Conflicts from two devices that edited one file while apart: merged, listed alike, settled, undone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::problems::pair;
use crate::world::{Home, Server};

/// Both devices with one file, apart.
fn apart(rules: &str, file: &str, text: &str) -> (Server, Home, Home) {
    let (server, anna, bo) = pair();
    anna.write(Path::new("Documents").join(file), text);
    anna.wait();
    bo.wait();
    for home in [&anna, &bo] {
        home.fst(["daemon", "stop"]).ok();
        let config = ".config/filesynctool/config.yaml";
        let old = home.read(config);
        home.write(config, format!("{old}\nconflict_resolution:\n{rules}"));
    }
    (server, anna, bo)
}

/// Lets both devices meet, as often as it takes for all to be everywhere.
fn meet(anna: &Home, bo: &Home) {
    for home in [anna, bo, anna, bo] {
        home.fst(["sync"]).ok();
    }
}

/// Both edit the file while apart, anna a second before bo.
fn clash(anna: &Home, bo: &Home, file: &str, [one, other]: [&str; 2]) {
    let file = Path::new("Documents").join(file);
    anna.write(&file, one);
    bo.write(&file, other);
    // Two writes of one moment may bear one time: the file system's clock has ticks.
    let by_anna = std::fs::metadata(anna.path(&file)).and_then(|it| it.modified());
    let by_bo = by_anna.expect("a time") + Duration::from_secs(1);
    let theirs = std::fs::File::options().write(true).open(bo.path(&file));
    let is_set = theirs.and_then(|it| it.set_modified(by_bo));
    is_set.expect("a file of bo's");
    meet(anna, bo);
}

fn files(home: &Home) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(home.path("Documents"))
        .expect("a folder")
        .flatten();
    let named = entries.map(|entry| {
        (
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        )
    });
    let files = named.filter(|(_, path)| path.is_file());
    files
        .map(|(name, path)| (name, std::fs::read_to_string(path).expect("text")))
        .collect()
}

fn conflicts(home: &Home) -> Vec<Value> {
    let list = home.fst(["conflicts", "list", "--json"]).ok().json();
    list["data"]["conflicts"]
        .as_array()
        .expect("a list")
        .clone()
}

/// The id of the only conflict.
fn only_id(home: &Home) -> String {
    let all = conflicts(home);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]["id"].as_str().expect("an id").to_owned()
}

const BASE: &str = "one\ntwo\nthree\nfour\nfive\n";
const TOP: &str = "ONE\ntwo\nthree\nfour\nfive\n";
const END: &str = "one\ntwo\nthree\nfour\nFIVE\n";
const BOTH: &str = "ONE\ntwo\nthree\nfour\nFIVE\n";

#[test]
fn edits_of_different_lines_are_merged_everywhere() {
    let (_server, anna, bo) = apart("  strategy: merge\n", "plan.md", BASE);
    clash(&anna, &bo, "plan.md", [TOP, END]);
    for home in [&anna, &bo] {
        assert_eq!(
            files(home),
            [("plan.md".to_owned(), BOTH.to_owned())].into()
        );
        assert_eq!(conflicts(home), [] as [Value; 0]);
    }
}

#[test]
fn keys_of_a_configuration_are_merged_everywhere() {
    let base = "{\n  \"a\": 1\n}\n";
    let (_server, anna, bo) = apart("  strategy: merge\n", "c.json", base);
    let sides = [
        "{\n  \"a\": 1,\n  \"x\": 2\n}\n",
        "{\n  \"a\": 1,\n  \"y\": 3\n}\n",
    ];
    clash(&anna, &bo, "c.json", sides);
    let merged = "{\n  \"a\": 1,\n  \"x\": 2,\n  \"y\": 3\n}\n";
    for home in [&anna, &bo] {
        assert_eq!(
            files(home),
            [("c.json".to_owned(), merged.to_owned())].into()
        );
    }
}

#[test]
fn edits_of_the_same_lines_stay_a_conflict_without_markers() {
    let rules = "  strategy: merge\n  backup_conflicts: false\n";
    let (_server, anna, bo) = apart(rules, "plan.md", "one\n");
    clash(&anna, &bo, "plan.md", ["two\n", "three\n"]);
    let found = files(&anna);
    let texts: Vec<&str> = found.values().map(String::as_str).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        texts.contains(&"two\n") && texts.contains(&"three\n"),
        "{found:?}"
    );
    assert_eq!(files(&bo), found);
    let left = anna.fst(["conflicts", "resolve-all", "--strategy", "merge"]);
    assert_eq!(left.exit, 3, "{}", left.out);
    assert!(
        left.out.contains("both sides changed the same lines"),
        "{}",
        left.out
    );
    assert_eq!(files(&anna), found);
}

#[test]
fn every_device_lists_the_same_and_any_may_merge() {
    let (_server, anna, bo) = apart("  strategy: newest\n", "plan.md", BASE);
    clash(&anna, &bo, "plan.md", [TOP, END]);
    let id = only_id(&anna);
    assert_eq!(id, only_id(&bo));
    for (home, own) in [(&anna, "anna"), (&bo, "bo")] {
        let conflict = &conflicts(home)[0];
        assert_eq!(conflict["local"]["device"], own, "{conflict}");
        assert_eq!(conflict["base"]["size"], BASE.len(), "{conflict}");
        assert_eq!(conflict["path"], "plan.md");
        let shown = home.fst(["conflicts", "show", &id, "--json"]).ok().json();
        assert_eq!(shown["data"]["merge"], "clean", "{shown}");
    }
    anna.fst(["conflicts", "diff", &id, "--json"]).ok();
    let diff = anna.fst(["conflicts", "diff", &id]).ok().out;
    assert!(
        diff.contains("-ONE\n") && diff.contains("+FIVE\n"),
        "{diff}"
    );
    anna.fst(["conflicts", "merge", &id, "--auto"]).ok();
    meet(&anna, &bo);
    for home in [&anna, &bo] {
        assert_eq!(
            files(home),
            [("plan.md".to_owned(), BOTH.to_owned())].into()
        );
        assert_eq!(conflicts(home), [] as [Value; 0]);
    }
}

#[test]
fn a_choice_of_one_device_holds_on_all() {
    for (choice, kept) in [("local", "bo's\n"), ("remote", "anna's\n")] {
        let (_server, anna, bo) = apart("  strategy: manual\n", "plan.md", "one\n");
        clash(&anna, &bo, "plan.md", ["anna's\n", "bo's\n"]);
        let id = only_id(&bo);
        let resolved = bo.fst(["conflicts", "resolve", &id, "--choose", choice, "--json"]);
        let resolved = resolved.ok().json();
        assert_eq!(resolved["data"]["resolved"][0]["kept"], choice);
        meet(&anna, &bo);
        for home in [&anna, &bo] {
            assert_eq!(
                files(home),
                [("plan.md".to_owned(), kept.to_owned())].into()
            );
        }
        bo.fst(["conflicts", "resolve", &id, "--choose", choice])
            .failed("FST-1208", 5);
    }
}

#[test]
fn both_become_files_like_any_others() {
    let (_server, anna, bo) = apart("  strategy: newest\n", "plan.md", "one\n");
    clash(&anna, &bo, "plan.md", ["anna's\n", "bo's\n"]);
    anna.fst(["conflicts", "resolve", &only_id(&anna), "--choose", "both"])
        .ok();
    meet(&anna, &bo);
    assert_eq!(files(&anna), files(&bo));
    assert_eq!(files(&anna).len(), 2);
    assert!(
        files(&anna).keys().all(|name| !name.contains("conflict")),
        "{:?}",
        files(&anna)
    );
    assert_eq!(conflicts(&bo), [] as [Value; 0]);
}

#[test]
fn a_settled_conflict_is_open_again_after_an_undo() {
    let base = "one\ntwo\nthree\nfour\nfive\n";
    for words in [
        &["resolve", "ID", "--choose", "local"][..],
        &["resolve", "ID", "--choose", "remote"],
        &["resolve", "ID", "--choose", "both"],
        &["merge", "ID", "--auto"],
        &["resolve-all", "--strategy", "newest"],
        &["resolve-all", "--strategy", "merge"],
    ] {
        let (_server, anna, bo) = apart("  strategy: manual\n", "plan.md", base);
        clash(&anna, &bo, "plan.md", [TOP, END]);
        let (before, id) = (files(&bo), only_id(&bo));
        let words = words
            .iter()
            .map(|word| if *word == "ID" { &id } else { *word });
        let line = ["conflicts"].into_iter().chain(words);
        let run = bo.fst(line).ok();
        assert!(run.out.contains("undo: fst undo "), "{}", run.out);
        meet(&anna, &bo);
        let settled = files(&bo);
        assert_ne!(settled, before);
        bo.fst(["undo"]).ok();
        assert_eq!(files(&bo), before, "{}", run.out);
        meet(&anna, &bo);
        for home in [&anna, &bo] {
            assert_eq!(files(home), before, "{}", run.out);
            assert_eq!(conflicts(home).len(), 1, "{}", run.out);
        }
        // And settled again, by undoing the undo.
        let log = bo.fst(["op", "log", "--json"]).ok().json();
        let newest = log["data"]["operations"][0]["short"]
            .as_str()
            .expect("an id")
            .to_owned();
        bo.fst(["undo", &newest]).ok();
        assert_eq!(files(&bo), settled, "{}", run.out);
    }
}

/// What a conflict was settled with is not at the server yet: nothing is half undone.
#[test]
fn a_choice_that_is_not_synced_yet_is_undone_later() {
    let base = "one\ntwo\nthree\nfour\nfive\n";
    let (_server, anna, bo) = apart("  strategy: manual\n", "plan.md", base);
    clash(&anna, &bo, "plan.md", [TOP, END]);
    let before = files(&bo);
    for words in [
        &["resolve", "ID", "--choose", "both"][..],
        &["merge", "ID", "--auto"],
    ] {
        let id = only_id(&bo);
        let words = words
            .iter()
            .map(|word| if *word == "ID" { &id } else { *word });
        bo.fst(["conflicts"].into_iter().chain(words)).ok();
        let settled = files(&bo);
        bo.fst(["undo"]).failed("FST-6021", 6);
        assert_eq!(files(&bo), settled);
        bo.fst(["sync"]).ok();
        bo.fst(["undo"]).ok();
        assert_eq!(files(&bo), before);
        bo.fst(["sync"]).ok();
    }
}

#[test]
fn one_rule_settles_all_after_a_look() {
    let (_server, anna, bo) = apart("  strategy: oldest\n", "plan.md", "one\n");
    clash(&anna, &bo, "plan.md", ["anna's\n", "bo's is later\n"]);
    let before = files(&anna);
    assert_eq!(before["plan.md"], "anna's\n");
    let dry = [
        "conflicts",
        "resolve-all",
        "--strategy",
        "newest",
        "--dry-run",
        "--json",
    ];
    let dry = anna.fst(dry).ok().json();
    assert_eq!(dry["data"]["dry_run"], true);
    assert_eq!(dry["data"]["resolved"][0]["kept"], "remote");
    assert_eq!(files(&anna), before);
    anna.fst(["conflicts", "resolve-all", "--strategy", "newest"])
        .ok();
    meet(&anna, &bo);
    for home in [&anna, &bo] {
        assert_eq!(
            files(home),
            [("plan.md".to_owned(), "bo's is later\n".to_owned())].into()
        );
    }
    let manual = anna.fst(["conflicts", "resolve-all", "--strategy", "manual"]);
    assert_eq!(manual.exit, 2);
    assert!(
        manual.err.contains("leaves every conflict to you"),
        "{}",
        manual.err
    );
}

#[test]
fn an_editor_settles_only_without_markers() {
    let (_server, anna, bo) = apart("  strategy: newest\n", "plan.md", "one\n");
    clash(&anna, &bo, "plan.md", ["two\n", "three\n"]);
    let id = only_id(&anna);
    let before = files(&anna);
    let merge = |editor: &str| anna.fst(["conflicts", "merge", &id, "--editor", editor]);
    merge("true").failed("FST-6011", 6);
    merge("false").failed("FST-6011", 6);
    anna.fst(["conflicts", "merge", &id, "--auto"])
        .failed("FST-6011", 6);
    assert_eq!(files(&anna), before);
    anna.write("mine", "two and three\n");
    merge(&format!("cp {}", anna.path("mine").display())).ok();
    meet(&anna, &bo);
    for home in [&anna, &bo] {
        assert_eq!(
            files(home),
            [("plan.md".to_owned(), "two and three\n".to_owned())].into()
        );
    }
}

#[test]
fn what_changed_since_is_not_touched() {
    let (_server, anna, bo) = apart("  strategy: newest\n", "plan.md", "one\n");
    clash(&anna, &bo, "plan.md", ["two\n", "three\n"]);
    let id = only_id(&anna);
    anna.write("Documents/plan.md", "typed just now\n");
    let before = files(&anna);
    let local = conflicts(&anna)[0]["local"]["path"] == "plan.md";
    let other = if local { "remote" } else { "local" };
    anna.fst(["conflicts", "resolve", &id, "--choose", other])
        .failed("FST-6010", 6);
    assert_eq!(files(&anna), before);
    meet(&anna, &bo);
    assert_eq!(files(&bo), before);
}

#[test]
fn a_wrong_strategy_is_named() {
    let (_server, anna, _bo) = apart("  strategy: latest\n", "plan.md", "one\n");
    let run = anna.fst(["sync"]);
    run.failed("FST-2001", 9);
    assert!(
        run.err.contains("newest, oldest, manual, merge"),
        "{}",
        run.err
    );
}
