//! Every command line of the product brief, word for word: run without a terminal in ten seconds, and its effect.
//!
//! `testdata/brief/commands.md` holds the brief's code blocks. Host, ids and times are put in; nothing else is changed.
//! Invariant: every line is in exactly one of [`LINES`] and [`ELSEWHERE`]; a setting that is only kept stands in [`KEPT`]
//! until it has an effect, and then this test fails.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::world::{Home, Run, Server};

const BLOCKS: &str = include_str!("../../../../testdata/brief/commands.md");

/// The host of the brief.
const HOST: &str = "https://sync.yourcompany.com";

/// The time of the brief.
const TIME: &str = "2024-03-01 14:30";

/// Lines that are no `fst`, by how they begin, and what they do instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("pip install", "installs a package"),
    ("curl -LO https://releases.", "downloads a release"),
    ("chmod +x fst-linux-amd64", "installs a release"),
    ("sudo mv fst-linux-amd64", "installs a release"),
    ("brew install", "installs a release"),
    ("choco install", "installs a release"),
    ("git clone", "fetches the sources"),
    ("cd filesynctool", "enters the sources"),
    ("docker-compose up", "runs containers"),
    ("docker stack deploy", "runs containers"),
    ("kubectl apply", "runs containers"),
    ("fst-server init", "the server's program, and a database"),
    ("fst-server start", "the server's program"),
    (
        "curl",
        "needs the plain-path routes of the gateway, which is not there yet",
    ),
    ("python -m venv", "builds the Python package"),
    ("source venv", "builds the Python package"),
    ("pytest", "builds the Python package"),
];

/// Settings that the brief sets and that are only kept in this version.
const KEPT: &[&str] = &[];

/// A line, and what runs it and looks at its effect.
type Line = (&'static str, fn(&mut Stage, &str));

/// In the order of the brief; each works on what those before it left.
const LINES: &[Line] = &[
    ("fst init --server https://sync.yourcompany.com", init),
    ("fst add ~/Documents --two-way", add),
    ("fst daemon start", daemon_start),
    ("fst status", status),
    ("fst history --limit 50", history),
    ("fst pause", pause),
    ("fst resume", resume),
    ("fst resync --full", resync),
    ("fst conflicts list", conflicts_list),
    (
        "fst conflicts resolve <conflict_id> --choose local",
        resolve_local,
    ),
    (
        "fst conflicts resolve <conflict_id> --choose remote",
        resolve_remote,
    ),
    ("fst conflicts merge <conflict_id> --editor vim", merge),
    ("fst versions ~/Documents/report.pdf", versions),
    (
        "fst restore ~/Documents/report.pdf --version 3",
        restore_version,
    ),
    (
        "fst restore ~/Documents/report.pdf --time \"2024-03-01 14:30\"",
        restore_time,
    ),
    ("fst config set max_upload 5mbps", set_max_upload),
    ("fst config set max_download 20mbps", set_max_download),
    (
        "fst schedule add --time \"09:00-17:00\" --weekdays \"mon-fri\" --max-upload 1mbps --name \"business-hours\"",
        schedule_add,
    ),
    ("fst daemon restart --force", daemon_restart),
    ("fst resync --full", resync),
    ("fst config set chunk_size 2mb", set_chunk_size),
    ("fst config set parallel_transfers 2", set_parallel),
    ("fst conflicts list --verbose", conflicts_verbose),
    ("fst conflicts resolve-all --strategy newest", resolve_all),
];

#[test]
fn every_line_of_the_brief_does_what_it_says() {
    let mut stage = Stage::new();
    let mut rows = LINES.iter();
    for line in lines() {
        if ELSEWHERE.iter().any(|(start, _)| line.starts_with(start)) {
            continue;
        }
        let (wanted, act) = rows.next().expect("a row for every line");
        assert_eq!(line, *wanted, "rows stand in the order of the brief");
        act(&mut stage, &line);
    }
    assert_eq!(rows.len(), 0, "a row is in the brief no more");
    stage.kept();
}

#[test]
fn lines_elsewhere_are_in_the_brief() {
    for (start, _) in ELSEWHERE {
        assert!(
            lines().iter().any(|line| line.starts_with(start)),
            "{start}"
        );
    }
}

/// Command lines of all blocks, those that go on joined.
fn lines() -> Vec<String> {
    let mut is_code = false;
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in BLOCKS.lines() {
        if line.starts_with("```") {
            is_code = line == "```bash";
            continue;
        }
        let line = line.trim();
        if !is_code || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let part = line.trim_end_matches('\\').trim();
        match lines.last_mut() {
            Some(last) if goes_on => last.extend([" ", part]),
            _ => lines.push(part.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    lines
}

/// A server, the user of the brief, and a second device that makes conflicts.
struct Stage {
    server: Server,
    anna: Home,
}

impl Stage {
    /// The server lies where `fst init` looks for a set-up code on this machine.
    fn new() -> Self {
        let anna = Home::new();
        let server = Server::start_at(&anna.path(".local/share/filesynctool/server"));
        anna.make_dir("bin");
        anna.write(
            "bin/vim",
            "#!/bin/sh\nprintf 'merged by hand\\n' > \"$1\"\n",
        );
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(anna.path("bin/vim"), everybody).expect("a program");
        Self { server, anna }
    }

    /// Runs a line as it is typed, without a terminal, ten seconds at most.
    fn type_in(&self, line: &str) -> Run {
        self.anna
            .write("line.sh", format!("PATH=$HOME/bin:$PATH\n{line}\n"));
        self.anna.shell("timeout 10 sh line.sh")
    }

    fn type_well(&self, line: &str) -> String {
        self.type_in(line).ok().out
    }

    fn conflict_ids(&self) -> Vec<(String, String)> {
        let list = self.anna.fst(["conflicts", "list", "--json"]).ok().json();
        let all = list["data"]["conflicts"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        all.iter()
            .map(|one| (text(&one["path"]), text(&one["id"])))
            .collect()
    }

    /// Runs a line about the conflict of a file.
    fn settle(&self, line: &str, file: &str) -> String {
        let ids = self.conflict_ids();
        let id = ids.iter().find(|(path, _)| path == file).map(|(_, id)| id);
        self.type_well(&line.replace("<conflict_id>", id.expect("a conflict")));
        // The list is of what is synced.
        self.anna.wait();
        let n_open = self.conflict_ids().len();
        assert_eq!(n_open + 1, ids.len(), "{file} is not settled");
        self.anna.read(format!("Documents/{file}"))
    }

    fn setting(&self, key: &str) -> Value {
        let get = self.anna.fst(["config", "get", key, "--json"]).ok().json();
        get["data"].clone()
    }

    /// Settings that the brief sets and that do nothing yet say so, and no others.
    fn kept(&self) {
        for key in KEPT {
            let effect = &self.setting(key)["effect"];
            assert_eq!(
                effect, "later",
                "{key} has an effect now: test it here and take it out of KEPT"
            );
        }
        let chunk_size = &self.setting("chunk_size")["effect"];
        assert_ne!(chunk_size, "later");
    }
}

fn init(stage: &mut Stage, line: &str) {
    let url = stage.server.url();
    let out = stage.type_well(&line.replace(HOST, &url));
    assert!(out.contains("Recovery kit"), "{out}");
    assert_eq!(stage.setting("server.url")["value"], url.as_str());
}

fn add(stage: &mut Stage, line: &str) {
    stage.anna.make_dir("Documents");
    stage.anna.write("Documents/plan.md", "plan\n");
    stage.type_well(line);
    let status = stage.anna.status();
    assert_eq!(status["folders"][0]["remote_path"], "/Documents");
    assert_eq!(status["folders"][0]["mode"], "two-way");
}

fn daemon_start(stage: &mut Stage, line: &str) {
    stage.type_well(line);
    stage.anna.fst(["daemon", "status"]).ok();
    stage.anna.wait();
}

fn status(stage: &mut Stage, line: &str) {
    let out = stage.type_well(line);
    assert!(
        out.contains("Up to date") && out.contains("~/Documents"),
        "{out}"
    );
}

fn history(stage: &mut Stage, line: &str) {
    let out = stage.type_well(line);
    assert!(out.contains("plan.md"), "{out}");
}

fn pause(stage: &mut Stage, line: &str) {
    stage.type_well(line);
    assert_eq!(stage.anna.check(), 24);
}

fn resume(stage: &mut Stage, line: &str) {
    stage.type_well(line);
    stage.anna.wait();
    assert_eq!(stage.anna.check(), 0);
}

fn resync(stage: &mut Stage, line: &str) {
    let before = stage.anna.read("Documents/plan.md");
    stage.type_well(line);
    stage.anna.wait();
    assert_eq!(stage.anna.read("Documents/plan.md"), before);
}

/// Both devices edit the same files while apart.
fn clash(stage: &Stage) {
    let bo = Home::joined(&stage.anna, &stage.server).with_folder("Documents");
    let files = ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"];
    let write = |home: &Home, word: &str| {
        for file in files {
            home.write(format!("Documents/{file}"), format!("{word} {file}\n"));
        }
    };
    write(&stage.anna, "base");
    stage.anna.wait();
    bo.wait();
    for home in [&stage.anna, &bo] {
        home.fst(["daemon", "stop"]).ok();
    }
    write(&stage.anna, "anna");
    write(&bo, "bo");
    for home in [&stage.anna, &bo, &stage.anna] {
        home.fst(["sync"]).ok();
    }
    stage.anna.fst(["daemon", "start"]).ok();
    stage.anna.wait();
}

fn conflicts_list(stage: &mut Stage, line: &str) {
    clash(stage);
    let out = stage.type_well(line);
    assert!(
        out.contains("5 conflicts") && out.contains("a.txt"),
        "{out}"
    );
}

fn resolve_local(stage: &mut Stage, line: &str) {
    assert_eq!(stage.settle(line, "a.txt"), "anna a.txt\n");
}

fn resolve_remote(stage: &mut Stage, line: &str) {
    assert_eq!(stage.settle(line, "b.txt"), "bo b.txt\n");
}

fn merge(stage: &mut Stage, line: &str) {
    assert_eq!(stage.settle(line, "c.txt"), "merged by hand\n");
}

fn versions(stage: &mut Stage, line: &str) {
    for n in 1..=4 {
        stage
            .anna
            .write("Documents/report.pdf", format!("version {n}\n"));
        stage.anna.wait();
    }
    let out = stage.type_well(line);
    for n in ["1", "2", "3", "4"] {
        let is_row = |line: &str| line.split_whitespace().next() == Some(n);
        assert!(out.lines().any(is_row), "{out}");
    }
}

fn restore_version(stage: &mut Stage, line: &str) {
    stage.type_well(line);
    assert_eq!(stage.anna.read("Documents/report.pdf"), "version 3\n");
    stage.anna.wait();
}

fn restore_time(stage: &mut Stage, line: &str) {
    // In March 2024 there was no such file.
    stage.type_in(line).failed("FST-1205", 5);
    let file = stage.anna.path("Documents/report.pdf");
    let file = file.to_string_lossy();
    let list = stage.anna.fst(["versions", &file, "--json"]).ok().json();
    let all = list["data"]["versions"].as_array().expect("a list").clone();
    let second = all
        .iter()
        .find(|one| one["version"] == 2)
        .expect("version 2");
    let then = format!("@{}", second["time"]);
    stage.type_well(&line.replace(TIME, &then));
    assert_eq!(stage.anna.read("Documents/report.pdf"), "version 2\n");
}

/// The setting is in the file, and what else is in it stays.
fn set(stage: &Stage, line: &str, key: &str, value: u64) {
    let before = stage.anna.read(".config/filesynctool/config.yaml");
    let out = stage.type_well(line);
    assert!(out.contains("undo: fst undo "), "{out}");
    assert_eq!(stage.setting(key)["value"], value);
    let now = stage.anna.read(".config/filesynctool/config.yaml");
    assert!(before.lines().all(|line| now.contains(line)), "{now}");
}

fn set_max_upload(stage: &mut Stage, line: &str) {
    set(stage, line, "performance.max_upload_speed", 5_000_000);
}

fn set_max_download(stage: &mut Stage, line: &str) {
    set(stage, line, "performance.max_download_speed", 20_000_000);
}

fn set_chunk_size(stage: &mut Stage, line: &str) {
    set(stage, line, "performance.chunk_size", 2 << 20);
}

fn set_parallel(stage: &mut Stage, line: &str) {
    set(stage, line, "performance.parallel_transfers", 2);
}

fn schedule_add(stage: &mut Stage, line: &str) {
    stage.type_well(line);
    let list = stage.anna.fst(["schedule", "list", "--json"]).ok().json();
    let rule = &list["data"]["schedules"][0];
    assert_eq!(rule["name"], "business-hours");
    assert_eq!(rule["time"], "09:00-17:00");
    assert_eq!(rule["weekdays"], "mon-fri");
    assert_eq!(rule["max_upload"], 1_000_000);
}

fn daemon_restart(stage: &mut Stage, line: &str) {
    let before = stage.anna.status()["daemon_pid"].clone();
    stage.type_well(line);
    stage.anna.wait();
    assert_ne!(stage.anna.status()["daemon_pid"], before);
}

fn conflicts_verbose(stage: &mut Stage, line: &str) {
    let out = stage.type_well(line);
    assert!(out.contains("d.txt") && out.contains("e.txt"), "{out}");
}

fn resolve_all(stage: &mut Stage, line: &str) {
    stage.type_well(line);
    stage.anna.wait();
    assert!(stage.conflict_ids().is_empty());
    assert_eq!(stage.anna.check(), 0);
}
