//! `fst up`: from nothing to a synced folder, and again.

use crate::world::Home;

#[test]
fn an_empty_home_is_set_up_by_one_command() {
    let home = Home::new();
    let folder = home.make_dir("Documents");
    home.write("Documents/plan.md", "one\n");
    let up = home.fst(["up", &folder, "--json"]).ok().json();
    assert_eq!(up["schema"], "fst.up/1");
    let data = &up["data"];
    assert_eq!(data["remote_path"], "/Documents");
    assert_eq!(data["status"]["state"], "idle");
    assert_eq!(data["status"]["folders"][0]["files"], 1);
    let words = data["recovery_words"].as_str().expect("recovery words");
    assert_eq!(words.split_whitespace().count(), 24);
    assert!(
        data["join"]
            .as_str()
            .expect("a join string")
            .starts_with("fst-join:v1:")
    );
    assert_eq!(home.check(), 0);
}

#[test]
fn running_it_again_changes_nothing_and_shows_no_words() {
    let home = Home::new();
    let folder = home.make_dir("Documents");
    let first = home.fst(["up", &folder, "--json"]).ok().json();
    let again = home.fst(["up", &folder, "--json"]).ok().json();
    assert_eq!(again["data"]["recovery_words"], serde_json::Value::Null);
    assert_ne!(again["data"]["join"], first["data"]["join"]);
    assert_eq!(
        home.status()["folders"].as_array().expect("folders").len(),
        1
    );
    // A daemon that was stopped is started, on the same server.
    home.fst(["daemon", "stop"]).ok();
    let third = home.fst(["up", &folder, "--json"]).ok().json();
    assert_eq!(third["data"]["server"], first["data"]["server"]);
    assert_eq!(third["data"]["status"]["state"], "idle");
    // A second folder joins the first.
    let photos = home.path("Photos").to_string_lossy().into_owned();
    let up = home.fst(["up", &photos]).ok();
    assert!(up.err.contains("~/Photos was made"), "{}", up.err);
    assert_eq!(
        home.status()["folders"].as_array().expect("folders").len(),
        2
    );
}

#[test]
fn a_second_home_joins_by_the_printed_line_alone_and_edits_flow_both_ways() {
    let anna = Home::new();
    let folder = anna.make_dir("Documents");
    anna.write("Documents/plan.md", "one\n");
    let up = anna.fst(["up", &folder]).ok();
    assert!(up.out.contains("Recovery kit"), "{}", up.out);
    assert!(
        up.out.contains("This address works on this machine only"),
        "{}",
        up.out
    );
    let line = up
        .out
        .lines()
        .find(|line| line.trim_start().starts_with("fst up ~/Documents "));
    let line = line.expect("a line for the second device").trim();
    let bo = Home::new();
    let joined = bo.shell(line).ok();
    assert!(!joined.out.contains("Recovery kit"), "{}", joined.out);
    assert_eq!(bo.read("Documents/plan.md"), "one\n");

    bo.write("Documents/plan.md", "one\ntwo\n");
    bo.wait();
    anna.wait();
    assert_eq!(anna.read("Documents/plan.md"), "one\ntwo\n");
    anna.write("Documents/new.txt", "from anna\n");
    anna.wait();
    bo.wait();
    assert_eq!(bo.read("Documents/new.txt"), "from anna\n");
    std::fs::remove_file(bo.path("Documents/new.txt")).expect("removed");
    bo.wait();
    anna.wait();
    assert!(!anna.path("Documents/new.txt").exists());

    // The line works once.
    let late = Home::new();
    late.shell(line).failed("FST-1103", 4);
}
