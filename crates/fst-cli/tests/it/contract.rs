//! JSON fields, exit codes and words that scripts rely on.

use serde_json::Value;

use crate::world::{Home, Server};

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn status_has_the_fields_of_the_contract() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    let status = home.fst(["status", "--json"]).ok().json();
    assert_eq!(keys(&status), ["data", "next", "ok", "schema", "warnings"]);
    assert_eq!(status["schema"], "fst.status/1");
    let data = &status["data"];
    for field in [
        "state",
        "folders",
        "pending",
        "server",
        "device",
        "daemon_pid",
    ] {
        assert!(data.get(field).is_some(), "{field} is missing in {data}");
    }
    assert_eq!(keys(&data["pending"]), ["bytes", "downloads", "uploads"]);
    for field in [
        "path",
        "remote_path",
        "mode",
        "state",
        "files",
        "bytes",
        "conflicts",
        "problems",
    ] {
        assert!(
            data["folders"][0].get(field).is_some(),
            "{field} is missing in {data}"
        );
    }
    assert_eq!(data["state"], "idle");
    assert_eq!(data["folders"][0]["mode"], "two-way");
    assert_eq!(data["server"]["connected"], true);
    assert_eq!(data["server"]["url"], server.url());
    assert_eq!(data["device"]["name"], "anna");
    assert_eq!(home.check(), 0);
}

#[test]
fn status_without_a_daemon_comes_from_the_configuration() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.fst(["daemon", "stop"]).ok();
    let run = home.fst(["status", "--json", "--check"]);
    assert_eq!(run.exit, 8);
    let status = run.json();
    assert_eq!(status["data"]["daemon_pid"], 0);
    assert_eq!(status["data"]["folders"][0]["remote_path"], "/Documents");
    assert_eq!(status["next"][0]["run"], "fst daemon start");
    // Asking how things are is no failure.
    home.fst(["status"]).ok();
}

#[test]
fn plain_output_is_tab_separated() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    let plain = home.fst(["status", "--plain"]).ok().out;
    assert!(plain.starts_with("state\tidle\nfolder\t"), "{plain}");
}

#[test]
fn usage_errors_have_an_envelope_too() {
    let home = Home::new();
    home.fst(["status", "--nonsense", "--json"])
        .failed_json("FST-1301", 2);
    let run = home.fst(["statsu"]);
    assert_eq!(run.exit, 2);
    assert!(
        run.err.contains("similar subcommand") && run.err.contains("'status'"),
        "{}",
        run.err
    );
}

#[test]
fn a_configuration_that_does_not_parse_is_named() {
    let server = Server::start();
    let home = Home::first(&server);
    home.write(".config/filesynctool/config.yaml", "sync_folders: [\n");
    let run = home.fst(["status"]);
    run.failed("FST-2001", 9);
    assert!(run.err.contains("config.yaml"), "{}", run.err);
}

#[test]
fn history_tells_who_changed_what() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.write("Documents/plan.md", "one\n");
    home.wait();
    let folder = home.path("Documents").to_string_lossy().into_owned();
    let file = home
        .path("Documents/plan.md")
        .to_string_lossy()
        .into_owned();
    for path in [&folder, &file] {
        let history = home
            .fst(["history", "--limit", "5", "--json", path])
            .ok()
            .json();
        let item = &history["data"]["history"][0];
        assert_eq!(
            (&item["path"], &item["device"]),
            (&"plan.md".into(), &"anna".into())
        );
        assert_eq!(item["action"], "create");
    }
    home.fst(["history", "/nowhere"]).failed("FST-1202", 5);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::new();
    let run = home.shell("fst explain exit-codes | head -1");
    assert_eq!((run.exit, run.err.as_str()), (0, ""));
}
