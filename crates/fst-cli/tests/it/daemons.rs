//! The daemon's life, and what works without one.

use crate::world::{FST, Home, Server};

#[test]
fn start_status_restart_stop() {
    let server = Server::start();
    let home = Home::first(&server);
    assert_eq!(home.fst(["daemon", "status"]).exit, 8);
    let first = home.fst(["daemon", "start", "--json"]).ok().json()["data"]["pid"].clone();
    home.fst(["daemon", "start"]).failed("FST-3008", 11);
    let status = home.fst(["daemon", "status", "--json"]).ok().json();
    assert_eq!(status["data"]["pid"], first);
    assert_eq!(status["data"]["running"], true);
    let second = home
        .fst(["daemon", "restart", "--force", "--json"])
        .ok()
        .json();
    assert_ne!(second["data"]["pid"], first);
    home.fst(["daemon", "stop"]).ok();
    assert_eq!(home.fst(["daemon", "status"]).exit, 8);
    home.fst(["daemon", "stop"]).ok();
}

#[test]
fn a_killed_daemon_leaves_nothing_in_the_way() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.write("Documents/plan.md", "one\n");
    let pid = home.status()["daemon_pid"].as_u64().expect("a process id");
    home.shell(&format!("kill -9 {pid}")).ok();
    assert_eq!(home.check(), 8);
    home.fst(["daemon", "start"]).ok();
    home.wait();
    assert_eq!(home.status()["folders"][0]["files"], 1);
}

#[test]
fn the_foreground_daemon_ends_on_a_signal() {
    let server = Server::start();
    let home = Home::first(&server);
    let mut command = home.command(FST);
    let mut daemon = command
        .args(["daemon", "start", "--foreground", "-q"])
        .spawn()
        .expect("a daemon");
    // Whoever starts a second one waits for nothing: it is refused as soon as the first has its lock.
    let pid = daemon.id();
    let line = format!("until fst daemon status >/dev/null; do :; done; kill -TERM {pid}");
    home.shell(&line).ok();
    assert!(daemon.wait().expect("it ends").success());
}

#[test]
fn only_the_owner_may_talk_to_the_daemon() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start();
    let home = Home::first(&server);
    let socket = home.fst(["daemon", "start", "--json"]).ok().json()["data"]["socket"].clone();
    let socket = socket.as_str().expect("a path");
    let mode = std::fs::metadata(socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn pause_and_resume_with_and_without_a_daemon() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    let folder = home.path("Documents").to_string_lossy().into_owned();
    home.wait();
    home.fst(["pause"]).ok();
    assert_eq!(home.check(), 24);
    home.write("Documents/plan.md", "one\n");
    let wait = home.fst(["wait", "--json"]).ok().json();
    assert!(
        wait["warnings"][0]
            .as_str()
            .expect("a warning")
            .contains("paused"),
        "{wait}"
    );
    assert_eq!(home.status()["folders"][0]["files"], 0);
    home.fst(["resume", &folder]).ok();
    home.wait();
    assert_eq!(home.status()["folders"][0]["files"], 1);
    home.fst(["daemon", "stop"]).ok();
    home.fst(["pause", &folder]).ok();
    home.fst(["daemon", "start"]).ok();
    assert_eq!(home.check(), 24);
    home.fst(["pause", "/nowhere"]).failed("FST-1202", 5);
}

#[test]
fn sync_works_without_a_daemon() {
    let server = Server::start();
    let anna = Home::first(&server);
    let folder = anna.make_dir("Documents");
    anna.fst(["add", &folder]).ok();
    anna.write("Documents/plan.md", "one\n");
    let sync = anna.fst(["sync", "--json"]).ok().json();
    assert_eq!(sync["data"]["folders"][0]["files"], 1);
    let bo = Home::joined(&anna, &server);
    let folder = bo.make_dir("Documents");
    bo.fst(["add", &folder]).ok();
    bo.fst(["sync", &folder]).ok();
    assert_eq!(bo.read("Documents/plan.md"), "one\n");
    bo.fst(["resync", "--full"]).ok();
    assert_eq!(bo.check(), 8);
    bo.fst(["sync", "/nowhere"]).failed("FST-1202", 5);
}

#[test]
fn a_removed_folder_keeps_its_files_and_is_not_synced() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    let folder = home.path("Documents").to_string_lossy().into_owned();
    home.write("Documents/plan.md", "one\n");
    home.wait();
    home.fst(["remove", &folder]).ok();
    assert_eq!(home.read("Documents/plan.md"), "one\n");
    assert!(!home.path("Documents/.fst").exists());
    assert!(
        home.status()["folders"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    // It can come back, with a daemon that runs all the time.
    home.fst(["add", &folder]).ok();
    home.wait();
    assert_eq!(home.status()["folders"][0]["files"], 1);
}

#[test]
fn one_stopped_folder_does_not_stop_the_other() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("One").with_folder("Two");
    home.wait();
    std::fs::rename(home.path("One"), home.path("Elsewhere")).expect("moved away");
    home.write("Two/plan.md", "one\n");
    home.fst(["wait", "--timeout", "2s"]).failed("FST-6004", 14);
    let status = home.status();
    assert_eq!(status["folders"][0]["state"], "error");
    assert_eq!(status["folders"][0]["stopped"]["code"], "FST-3001");
    assert_eq!(status["folders"][1]["state"], "idle");
    assert_eq!(status["folders"][1]["files"], 1);
    std::fs::rename(home.path("Elsewhere"), home.path("One")).expect("moved back");
    home.wait();
    assert_eq!(home.check(), 0);
}

#[test]
fn an_outage_is_shown_and_ends_by_itself() {
    let mut server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    server.stop();
    home.write("Documents/plan.md", "one\n");
    let late = home.fst(["wait", "--timeout", "1s", "--json"]);
    let late = late.failed_json("FST-6004", 14);
    assert!(
        late["message"]
            .as_str()
            .expect("reasons")
            .contains("Documents"),
        "{late}"
    );
    assert_eq!(home.check(), 22);
    let status = home.status();
    assert_eq!(status["server"]["connected"], false);
    assert!(status["server"]["reason"].is_string());
}
