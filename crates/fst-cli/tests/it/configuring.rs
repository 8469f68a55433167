//! `fst config` and `fst schedule`: read, change, check, and the daemon follows.

use crate::problems::pair;
use crate::world::{Home, Server};

/// The sample of the documentation, byte for byte.
const SAMPLE: &str = include_str!("../../../../testdata/brief/client.yaml");

const FILE: &str = ".config/filesynctool/config.yaml";

fn with_file(text: &str) -> Home {
    let home = Home::new();
    home.make_dir(".config/filesynctool");
    home.write(FILE, text);
    home
}

#[test]
fn the_sample_is_good() {
    let home = with_file(SAMPLE);
    let run = home.fst(["config", "validate"]).ok();
    assert!(run.out.contains("0 errors"), "{}", run.out);
    assert_eq!(home.read(FILE), SAMPLE);
}

#[test]
fn the_sample_syncs_its_folders() {
    let server = Server::start();
    let text = SAMPLE.replace("https://sync.yourcompany.com", "http://127.0.0.1:9");
    let home = with_file(&text);
    let (url, code) = (server.url(), server.code());
    home.fst(["init", "--server", &url, "--setup-code", &code])
        .ok();
    // Only the address is another one.
    assert_eq!(home.read(FILE), text.replace("http://127.0.0.1:9", &url));
    for folder in ["Documents", "Photos"] {
        home.make_dir(folder);
        home.write(format!("{folder}/kept.txt"), "kept\n");
        home.write(format!("{folder}/left.tmp"), "left\n");
    }
    home.fst(["daemon", "start"]).ok();
    home.wait();
    let status = home.status();
    let seen = |at: usize| {
        let folder = &status["folders"][at];
        (
            folder["remote_path"].clone(),
            folder["mode"].clone(),
            folder["files"].clone(),
        )
    };
    // `*.tmp` is ignored in the first folder only.
    assert_eq!(seen(0), ("/Documents".into(), "two-way".into(), 1.into()));
    assert_eq!(seen(1), ("/Photos".into(), "upload-only".into(), 2.into()));
}

#[test]
fn what_is_set_is_read_back_and_the_rest_stays() {
    let home = with_file(SAMPLE);
    let run = home.fst(["config", "set", "max_upload", "5mbps"]).ok();
    assert!(
        run.out
            .contains("performance.max_upload_speed = 5mbps (was 10mbps)"),
        "{}",
        run.out
    );
    assert!(run.out.contains("undo: fst undo "), "{}", run.out);
    assert_eq!(
        home.fst(["config", "get", "max_upload"]).ok().out,
        "5mbps\n"
    );
    let json = home
        .fst(["config", "get", "max_upload", "--json"])
        .ok()
        .json();
    assert_eq!(json["data"]["value"], 5_000_000);
    assert_eq!(json["data"]["origin"], "config.yaml:23");
    let text = home.read(FILE);
    assert_eq!(text, SAMPLE.replace("10mbps", "5mbps"));
    home.fst(["config", "set", "performance.max_upload_speed", "10mbps"])
        .ok();
    assert_eq!(home.read(FILE), SAMPLE);
}

#[test]
fn a_home_without_a_file_gets_one() {
    let home = Home::new();
    home.fst(["config", "set", "parallel_transfers", "2"]).ok();
    assert_eq!(home.read(FILE), "performance:\n  parallel_transfers: 2\n");
    home.fst(["config", "unset", "parallel_transfers"]).ok();
    assert_eq!(
        home.fst(["config", "get", "parallel_transfers"]).ok().out,
        "4\n"
    );
    home.fst(["config", "unset", "parallel_transfers"])
        .failed("FST-1201", 5);
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let home = with_file("performance:\n  max_uplod_speed: 10mbps\n  chunk_size: huge\n");
    let run = home.fst(["config", "validate"]);
    assert_eq!(run.exit, 9);
    insta::assert_snapshot!(run.out, @r#"
    error[FST-2003]: unknown setting "max_uplod_speed"
       ~/.config/filesynctool/config.yaml, line 2, column 3
     1 | performance:
     2 |   max_uplod_speed: 10mbps
       |   ^^^^^^^^^^^^^^^ did you mean max_upload_speed?
       help: valid here: max_upload_speed, max_download_speed, chunk_size, parallel_transfers, memory_limit

    error[FST-2011]: chunk_size cannot be "huge"
       ~/.config/filesynctool/config.yaml, line 3, column 15
     1 | performance:
     2 |   max_uplod_speed: 10mbps
     3 |   chunk_size: huge
       |               ^^^^ wanted: a size such as 500kb, 4mb or 5gb

    ✗ ~/.config/filesynctool/config.yaml: 2 errors, 0 warnings. A daemon keeps using what was good last.
    "#);
    let json = home.fst(["config", "validate", "--json"]).json();
    assert_eq!(json["data"]["errors"], 2);
    assert_eq!(json["data"]["findings"][0]["line"], 2);
    // Any command that needs the file shows the same.
    let run = home.fst(["config", "get", "chunk_size"]);
    run.failed("FST-2001", 9);
    assert!(run.err.contains("^^^^ wanted"), "{}", run.err);
    // What is wrong can be mended by a command.
    home.fst(["config", "set", "chunk_size", "2mb"]).ok();
    let slip = "performance.max_uplod_speed";
    home.fst(["config", "unset", slip]).ok();
    home.fst(["config", "validate"]).ok();
    home.fst(["config", "set", "max_uplod", "1mbps"])
        .failed("FST-2003", 9);
    home.fst(["config", "set", "max_upload", "10MBps"])
        .failed("FST-2011", 9);
}

#[test]
fn the_environment_and_a_flag_come_first() {
    let home = with_file(SAMPLE);
    let run = home.shell("FST_PERFORMANCE__CHUNK_SIZE=1mb fst config get chunk_size --origin");
    assert_eq!(run.ok().out, "1mb\tenv FST_PERFORMANCE__CHUNK_SIZE\n");
    home.write("other.yaml", "performance:\n  chunk_size: 2mb\n");
    let run = home.shell("fst config get chunk_size --config other.yaml");
    assert_eq!(run.ok().out, "2mb\n");
    let run = home.shell("FST_CONFIG=other.yaml fst config get chunk_size");
    assert_eq!(run.ok().out, "2mb\n");
    assert_eq!(home.fst(["config", "get", "chunk_size"]).ok().out, "4mb\n");
}

#[test]
fn the_list_fits_a_terminal_and_hides_secrets() {
    let home = with_file(&SAMPLE.replace("your_api_key_here", "fst_at_verysecret"));
    let run = home.fst(["config", "list", "--origin"]).ok();
    assert!(run.out.contains("config.yaml:23"), "{}", run.out);
    assert!(
        !run.out.contains("verysecret") && !run.err.contains("verysecret"),
        "{}",
        run.out
    );
    for line in run.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let json = home
        .fst(["config", "list", "--changed", "--json"])
        .ok()
        .json();
    let settings = json["data"]["settings"].as_array().expect("a list");
    assert!(
        settings
            .iter()
            .any(|one| one["key"] == "sync_folders[1].two_way"),
        "{json}"
    );
    assert!(!json.to_string().contains("verysecret"));
}

#[test]
fn an_editor_cannot_break_the_file() {
    let home = with_file(SAMPLE);
    home.fst(["config", "edit"]).failed("FST-1301", 2);
    let good = ["config", "edit", "--editor", "sed -i s/10mbps/5mbps/"];
    home.fst(good).ok();
    assert_eq!(home.read(FILE), SAMPLE.replace("10mbps", "5mbps"));
    let bad = ["config", "edit", "--editor", "sed -i s/50mbps/fast/"];
    let run = home.fst(bad);
    run.failed("FST-2001", 9);
    assert_eq!(home.read(FILE), SAMPLE.replace("10mbps", "5mbps"));
    assert!(
        home.read(".config/filesynctool/config.rejected.yaml")
            .contains("fast")
    );
}

#[test]
fn the_published_schema_is_the_one_that_is_printed() {
    let printed = Home::new().fst(["config", "schema"]).ok().out;
    let published = include_str!("../../../../docs/schema/client.json");
    assert!(
        printed == published,
        "write it anew: fst config schema > docs/schema/client.json"
    );
}

#[test]
fn a_running_daemon_follows_the_file_and_survives_a_bad_one() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    let good = home.read(FILE);
    // By hand, without a word to the daemon.
    let photos = home.make_dir("Photos");
    home.write(
        FILE,
        format!("{good}  - path: {photos}\n    two_way: false\n"),
    );
    home.fst(["config", "reload"]).ok();
    home.wait();
    let status = home.status();
    assert_eq!(status["folders"][1]["remote_path"], "/Photos");
    assert_eq!(status["folders"][1]["mode"], "upload-only");
    // A slip: both folders stay, and the status says where it is and what to type.
    home.write(FILE, format!("{good}performance:\n  chunk_size: huge\n"));
    let bad = wait_for(&home, |status| !status["config"].is_null());
    assert_eq!(bad["folders"][1]["remote_path"], "/Photos");
    assert_eq!(bad["config"]["code"], "FST-2001");
    let screen = home.fst(["status"]).ok().out;
    assert!(screen.contains("cannot be \"huge\""), "{screen}");
    assert!(screen.contains("fst config validate"), "{screen}");
    // The daemon works on, even a new one.
    home.write("Documents/plan.md", "one\n");
    home.wait();
    home.fst(["daemon", "restart"]).ok();
    home.wait();
    assert_eq!(home.status()["folders"][1]["remote_path"], "/Photos");
    // Mended by hand, it is in force without a word to anybody.
    home.write(FILE, &good);
    let mended = wait_for(&home, |status| status["config"].is_null());
    assert_eq!(mended["folders"].as_array().map(Vec::len), Some(1));
}

/// Looks before a wait is given up; each is a process of its own, so they take seconds.
const LOOKS_MAX: usize = 1000;

/// The status once it is as wanted, or as it is at the end.
fn wait_for(home: &Home, is_wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let mut looks = (0..LOOKS_MAX).map(|_| home.status());
    looks.find(&is_wanted).unwrap_or_else(|| home.status())
}

#[test]
fn pausing_keeps_what_people_wrote() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    let text = format!(
        "# mine\n{}\n# the end\nversion_history:\n  max_versions: 7 # few\n",
        home.read(FILE)
    );
    home.write(FILE, &text);
    home.fst(["pause"]).ok();
    let paused = home.read(FILE);
    assert!(paused.contains("paused: true"), "{paused}");
    home.fst(["resume"]).ok();
    let resumed = home.read(FILE);
    for line in text.lines() {
        assert!(resumed.contains(line), "{line:?} is gone from\n{resumed}");
    }
}

#[test]
fn rules_for_hours_come_and_go() {
    let home = with_file(SAMPLE);
    let add = "fst schedule add --time '09:00-17:00' --weekdays 'mon-fri' --max-upload 1mbps --name 'business-hours'";
    let run = home.shell(add).ok();
    assert!(
        run.out
            .contains("business-hours: mon-fri 09:00-17:00, upload 1mbps"),
        "{}",
        run.out
    );
    assert!(home.read(FILE).starts_with(SAMPLE), "{}", home.read(FILE));
    home.shell(add).failed("FST-1206", 6);
    let json = home.fst(["schedule", "list", "--json"]).ok().json();
    let rule = &json["data"]["schedules"][0];
    assert_eq!(
        (&rule["name"], &rule["max_upload"]),
        (&"business-hours".into(), &1_000_000.into())
    );
    let week = home.fst(["schedule", "show", "--week"]).ok().out;
    assert!(week.contains("  mon  .........aaaaaaaa......."), "{week}");
    assert!(week.contains("  sun  ........................"), "{week}");
    home.fst(["schedule", "remove", "business-hours"]).ok();
    assert_eq!(
        home.fst(["schedule", "list"]).ok().out,
        "No limits at any hour\n"
    );
    home.fst(["schedule", "remove", "business-hours"])
        .failed("FST-1201", 5);
    let nothing = home.fst(["schedule", "add", "--name", "x"]);
    assert_eq!(nothing.exit, 2);
    assert!(nothing.err.contains("--max-upload"), "{}", nothing.err);
}

/// Files of a folder that are no ordinary name: conflict copies.
fn copies(home: &Home) -> usize {
    let entries = std::fs::read_dir(home.path("Documents")).expect("a folder");
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter(|name| name.to_string_lossy().contains("(conflict "))
        .count()
}

#[test]
fn conflict_rules_are_in_force_at_once() {
    let (_server, anna, bo) = pair();
    let clash = |round: &str| {
        anna.write("Documents/plan.md", "plan\n");
        anna.wait();
        bo.wait();
        bo.fst(["pause"]).ok();
        anna.write("Documents/plan.md", format!("anna {round}\n"));
        anna.wait();
        bo.write("Documents/plan.md", format!("bo {round}\n"));
        bo.fst(["resume"]).ok();
        bo.wait();
        copies(&bo)
    };
    assert_eq!(clash("one"), 1);
    let run = bo.fst(["config", "set", "backup_conflicts", "false"]).ok();
    assert!(run.out.contains("active now"), "{}", run.out);
    assert_eq!(clash("two"), 1, "the second clash left a copy");
}

#[test]
fn a_new_folder_gets_the_rules_of_the_file() {
    let server = Server::start();
    let home = Home::first(&server);
    home.fst(["config", "set", "retention_days", "60"]).ok();
    home.fst(["config", "set", "max_versions", "7"]).ok();
    let home = home.with_folder("Documents");
    home.wait();
    let folder = home.path("Documents").to_string_lossy().into_owned();
    let rules = home.fst(["versions", "keep", &folder]).ok().out;
    assert!(rules.contains("60 days") && rules.contains("7 "), "{rules}");
}

#[test]
fn a_daemon_stays_with_its_server_and_says_so() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    let run = home
        .fst(["config", "set", "server.url", "http://127.0.0.1:9"])
        .ok();
    assert!(run.out.contains("after: fst daemon restart"), "{}", run.out);
    let status = home.status();
    assert_eq!(status["config"]["code"], "FST-2042");
    assert_eq!(status["server"]["url"], server.url());
    // A worker that is hired anew talks to the same server as the others.
    home.fst(["config", "set", "conflict_resolution.strategy", "oldest"])
        .ok();
    home.write("Documents/plan.md", "one\n");
    home.wait();
    let screen = home.fst(["status"]).ok().out;
    assert!(screen.contains("fst daemon restart"), "{screen}");
    home.fst(["config", "set", "server.url", &server.url()])
        .ok();
    assert!(home.status()["config"].is_null());
}

/// Bytes that nothing makes shorter.
fn noise(n: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..n).map(byte).collect()
}

#[test]
fn limits_and_hours_are_in_force_at_once() {
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    let run = home.fst(["config", "set", "max_upload", "1MB/s"]).ok();
    assert!(run.out.contains("active now"), "{}", run.out);
    home.write("Documents/big", noise(20_000_000));
    home.fst(["wait", "--timeout", "2s"]).failed("FST-6004", 14);
    // Lifted in flight.
    home.fst(["config", "set", "max_upload", "unlimited"]).ok();
    home.fst(["wait", "--timeout", "10s"]).ok();
    home.fst(["schedule", "add", "--name", "rest", "--pause"])
        .ok();
    home.comes_to(24);
    // Resuming would not help: the rule is named.
    let paused = home.fst(["status"]).ok().out;
    assert!(paused.contains("Paused by schedule \"rest\""), "{paused}");
    let next = home.fst(["status", "--json"]).ok().json()["next"].clone();
    assert_eq!(next[0]["run"], "fst schedule remove rest");
    home.fst(["schedule", "remove", "rest"]).ok();
    home.wait();
    assert_eq!(home.check(), 0);
}
