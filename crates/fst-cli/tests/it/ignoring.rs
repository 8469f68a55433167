//! What is ignored stays as it is on every device, and the command names the rule.

use std::path::Path;

use serde_json::Value;

use crate::world::{Home, Server};

fn pair() -> (Server, Home, Home) {
    let server = Server::start();
    let anna = Home::first(&server).with_folder("Documents");
    let bo = Home::joined(&anna, &server).with_folder("Documents");
    (server, anna, bo)
}

fn exists(home: &Home, name: &str) -> bool {
    home.path(Path::new("Documents").join(name)).exists()
}

/// The verdict of `fst ignore check` on one path.
fn check(home: &Home, name: &str) -> Value {
    let path = home.path(Path::new("Documents").join(name));
    let path = path.to_string_lossy().into_owned();
    let answer = home.fst(["ignore", "check", "--json", &path]).ok().json();
    answer["data"]["paths"][0].clone()
}

#[test]
fn rule_files_hold_on_every_device_without_a_restart() {
    let (_server, anna, bo) = pair();
    anna.make_dir("Documents/src");
    anna.write("Documents/.fstignore", "*.log\nbuild/\n");
    anna.write("Documents/src/.fstignore", "!keep.log\n");
    anna.write("Documents/a.log", "a");
    anna.write("Documents/src/keep.log", "kept");
    anna.write("Documents/plan.md", "plan");
    anna.wait();
    bo.wait();
    assert!(exists(&bo, "plan.md") && exists(&bo, "src/keep.log"));
    assert!(!exists(&bo, "a.log"));
    // The rules came along, so they hold there too.
    bo.write("Documents/b.log", "b");
    bo.wait();
    anna.wait();
    assert!(!exists(&anna, "b.log"));
    let said = check(&bo, "b.log");
    assert_eq!(said["ignored"], true);
    let rule = &said["rule"];
    assert_eq!(
        (&rule["file"], &rule["line"], &rule["pattern"]),
        (&".fstignore".into(), &1.into(), &"*.log".into())
    );
    let kept = check(&bo, "src/keep.log");
    assert_eq!(
        (&kept["ignored"], &kept["rule"]["file"]),
        (&false.into(), &"src/.fstignore".into())
    );
    // What is not there might become a file.
    assert_eq!(check(&bo, "build")["ignored"], false);
    bo.make_dir("Documents/build");
    let text = bo
        .fst([
            "ignore",
            "check",
            &bo.path("Documents/build/x").to_string_lossy(),
        ])
        .ok()
        .out;
    assert!(text.contains("ignored by .fstignore:2: build/"), "{text}");
}

#[test]
fn what_becomes_ignored_stays_everywhere_and_comes_back() {
    let (_server, anna, bo) = pair();
    anna.write("Documents/notes.txt", "one");
    anna.make_dir("Documents/video");
    anna.write("Documents/video/film", "film");
    anna.wait();
    bo.wait();
    let folder = bo.path("Documents").to_string_lossy().into_owned();
    let add = ["ignore", "add", "video/", "--device", "--folder", &folder];
    bo.fst(add).ok();
    bo.fst([
        "ignore",
        "add",
        "notes.txt",
        "--device",
        "--folder",
        &folder,
    ])
    .ok();
    // Room is made on this device; that is no deletion.
    std::fs::remove_dir_all(bo.path("Documents/video")).expect("removed");
    bo.write("Documents/notes.txt", "mine");
    bo.wait();
    anna.write("Documents/video/film", "longer film");
    anna.wait();
    bo.wait();
    assert_eq!(anna.read("Documents/notes.txt"), "one");
    assert_eq!(anna.read("Documents/video/film"), "longer film");
    assert!(!exists(&bo, "video"));
    assert_eq!(check(&bo, "video/film")["rule"]["source"], "device");
    // The rules go: the edit is sent, the directory comes back, nothing is in conflict.
    let config = bo.path(".config/filesynctool/config.yaml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    let lines = text
        .lines()
        .filter(|line| !line.contains("notes.txt") && !line.contains("video/"));
    let text: Vec<&str> = lines.filter(|line| line.trim() != "ignore:").collect();
    std::fs::write(&config, text.join("\n")).expect("written");
    bo.fst(["daemon", "restart"]).ok();
    bo.wait();
    anna.wait();
    assert_eq!(bo.read("Documents/video/film"), "longer film");
    assert_eq!(anna.read("Documents/notes.txt"), "mine");
    assert_eq!(bo.status()["folders"][0]["conflicts"], 0);
}

#[test]
fn damaged_rules_hold_what_is_below_and_say_so() {
    let (_server, anna, bo) = pair();
    anna.make_dir("Documents/src");
    anna.write("Documents/src/.fstignore", "secret\n");
    anna.write("Documents/src/secret", "s");
    anna.wait();
    bo.wait();
    for damage in ["secret\n[oops", "", "secret\n\u{0}", &"x\n".repeat(200_000)] {
        let damage = if damage.contains('\u{0}') {
            b"secret\n\xff".to_vec()
        } else {
            damage.as_bytes().to_vec()
        };
        anna.write("Documents/src/.fstignore", &damage);
        anna.write("Documents/src/secret", "changed");
        anna.write("Documents/src/new", "n");
        anna.write("Documents/other", &damage);
        anna.wait();
        bo.wait();
        assert!(!exists(&bo, "src/secret") && !exists(&bo, "src/new"));
        let problem = &anna.status()["folders"][0]["problems"][0];
        assert_eq!(
            (&problem["path"], &problem["code"]),
            (&"src/.fstignore".into(), &"FST-3020".into())
        );
        // The rule file itself is synced, so that it can be repaired from anywhere.
        assert_eq!(
            std::fs::read(bo.path("Documents/src/.fstignore")).expect("there"),
            damage
        );
    }
    let why = anna
        .fst(["why", &anna.path("Documents/src/new").to_string_lossy()])
        .ok()
        .out;
    assert!(why.contains("held") && why.contains("S-224"), "{why}");
    bo.write("Documents/src/.fstignore", "secret\n");
    bo.wait();
    anna.wait();
    bo.wait();
    assert!(exists(&bo, "src/new") && !exists(&bo, "src/secret"));
    assert_eq!(
        anna.status()["folders"][0]["problems"],
        serde_json::json!([])
    );
}

#[test]
fn rules_are_added_and_listed() {
    let (_server, anna, _bo) = pair();
    let folder = anna.path("Documents").to_string_lossy().into_owned();
    anna.write("Documents/.fstignore", "*.tmp");
    let added = anna.fst(["ignore", "add", "*.bak", "--json"]).ok().json();
    assert_eq!(added["data"]["rule"]["line"], 2);
    anna.fst(["ignore", "add", "*.bak"]).ok();
    assert_eq!(anna.read("Documents/.fstignore"), "*.tmp\n*.bak\n");
    anna.fst(["ignore", "add", "*.iso", "--device"]).ok();
    let list = anna.fst(["ignore", "list", &folder]).ok().out;
    assert_eq!(
        list,
        "~/Documents\n  config.yaml:1: *.iso\n  .fstignore:1: *.tmp\n  .fstignore:2: *.bak\n"
    );
    for bad in ["[a", "", "# no rule", "a\nb"] {
        anna.fst(["ignore", "add", bad]).failed("FST-1301", 2);
    }
    assert_eq!(anna.read("Documents/.fstignore"), "*.tmp\n*.bak\n");
}

#[test]
fn a_directory_deleted_elsewhere_keeps_what_is_ignored_in_it() {
    let (_server, anna, bo) = pair();
    anna.write("Documents/.fstignore", "*.o\n");
    anna.make_dir("Documents/src");
    anna.write("Documents/src/main.c", "c");
    anna.wait();
    bo.wait();
    bo.write("Documents/src/main.o", "o");
    std::fs::remove_dir_all(anna.path("Documents/src")).expect("removed");
    anna.wait();
    bo.wait();
    assert!(!exists(&bo, "src/main.c"));
    assert_eq!(bo.read("Documents/src/main.o"), "o");
    let why = bo
        .fst(["why", "--json", &bo.path("Documents/src").to_string_lossy()])
        .ok()
        .json();
    assert_eq!(
        (&why["data"]["state"], &why["data"]["row"]),
        (&"held".into(), &"S-084".into())
    );
}

#[test]
fn the_policy_of_the_space_holds_on_every_device_and_no_file_lifts_it() {
    let (_server, anna, bo) = pair();
    anna.write("Documents/.fstignore", "!*.pem\n");
    anna.write("Documents/a", "a");
    anna.wait();
    bo.wait();
    let folder = anna.path("Documents").to_string_lossy().into_owned();
    anna.fst(["ignore", "add", "*.pem", "--space", "--folder", &folder])
        .ok();
    bo.wait();
    for home in [&anna, &bo] {
        home.write("Documents/own.pem", "a key");
        home.wait();
        home.wait();
        let said = check(home, "own.pem");
        assert_eq!(
            (&said["ignored"], &said["rule"]["file"]),
            (&true.into(), &"space policy".into())
        );
    }
    bo.write("Documents/from-bo.pem", "a key");
    bo.wait();
    anna.wait();
    assert!(!exists(&anna, "from-bo.pem"));

    bo.fst(["ignore", "remove", "*.key", "--space"])
        .failed("FST-1201", 5);
    bo.fst(["ignore", "remove", "*.pem", "--space"]).ok();
    bo.wait();
    anna.wait();
    assert_eq!(anna.read("Documents/from-bo.pem"), "a key");
    let rules = anna.fst(["ignore", "list"]).ok().out;
    assert_eq!(rules, "~/Documents\n  .fstignore:1: !*.pem\n");
}

#[test]
fn a_rule_of_this_device_is_taken_back() {
    let (_server, anna, bo) = pair();
    anna.fst(["ignore", "add", "*.iso", "--device"]).ok();
    anna.write("Documents/a.iso", "a");
    anna.wait();
    anna.fst(["ignore", "remove", "*.iso", "--device"]).ok();
    anna.wait();
    bo.wait();
    assert_eq!(bo.read("Documents/a.iso"), "a");
    anna.fst(["ignore", "remove", "*.iso", "--device"])
        .failed("FST-1201", 5);
}
