//! Backups beside a running server, and what is restored from them.
//!
//! Source: ADR 0038.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fst_server::config::Options;
use fst_server::upkeep::backup::{Moved, backup};
use fst_server::upkeep::restore::{Losses, restore};

use crate::binary::{SPACE, code_file, run, sample};
use crate::client::Process;
use crate::support::Device;

/// A server, its only device, and where things are.
struct Site {
    dir: tempfile::TempDir,
    server: Process,
    device: Device,
    token: String,
    n: u32,
}

impl Site {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let server = Process::start(&data);
        let http = server.http();
        let (device, token) = http.settle(1, &code_file(&data), SPACE).await;
        let mut site = Self {
            dir,
            server,
            device,
            token,
            n: 0,
        };
        site.grow(3).await;
        site
    }

    /// Commits of which some have objects and some a payload beside the database.
    async fn grow(&mut self, commits: u32) {
        let http = self.server.http();
        for _ in 0..commits {
            self.n += 1;
            let commit = sample(&self.device, self.n);
            let receipt = http.commit(&self.token, SPACE, &commit).await;
            self.device.wrote(&commit, receipt.head);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        run(&self.path("data"), args)
    }

    fn back_up(&self) -> (Option<i32>, String, String) {
        self.run(&["backup", "--to", text(&self.path("backup"))])
    }

    /// Restores into a new place.
    fn restore(&self, into: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let from = self.path("backup");
        run(
            &self.path(into),
            &[&["restore", "--from", text(&from)], more].concat(),
        )
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files_below(&path));
        } else {
            out.push(path);
        }
    }
    out.sort();
    out
}

#[tokio::test]
async fn a_backup_beside_a_running_server_is_a_server_again() {
    let mut site = Site::start().await;
    let (code, out, err) = site.back_up();
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("new 2"), "{out}");
    site.grow(3).await;
    let (code, out, err) = site.back_up();
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("blobs 4") && out.contains("new 2"),
        "only what is new: {out}"
    );
    let mode = fs::metadata(site.path("backup")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o077, 0, "it is for its owner");
    let known = site.n;
    site.grow(2).await;

    let (code, _, err) = site.restore("again", &[]);
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = run(&site.path("again"), &["verify", "--deep"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let again = Process::start(&site.path("again"));
    let token = again.http().sign_in(&site.device).await;
    let changes = again.http().changes(&token, SPACE, 0).await;
    assert_eq!(
        changes.receipt.head.size,
        u64::from(known) + 1,
        "what the backup knew"
    );

    let (code, _, err) = site.restore("again", &[]);
    assert_ne!(code, Some(0));
    assert!(
        err.contains("FST-"),
        "nothing is restored over a server: {err}"
    );
}

#[tokio::test]
async fn what_is_damaged_is_found_and_named() {
    let site = Site::start().await;
    assert_eq!(site.back_up().0, Some(0));
    let backup = site.path("backup");
    let verify = ["verify", "--backup", text(&backup)];
    assert_eq!(site.run(&verify).0, Some(0));

    let blob = files_below(&backup.join("objects"))[0].clone();
    let whole = fs::read(&blob).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    let (code, out, err) = site.run(&verify);
    assert_eq!(code, Some(10), "{err}");
    assert!(
        out.contains("damaged 1") && out.contains("another hash"),
        "{out}"
    );
    let (code, _, err) = site.restore("refused", &[]);
    assert_eq!(code, Some(10), "{err}");
    assert!(
        err.contains("FST-7006") && err.contains("--accept-losses"),
        "{err}"
    );
    let (code, _, err) = run(&site.path("refused"), &["verify"]);
    assert_ne!(code, Some(0), "nothing to serve there: {err}");
    let (code, _, err) = site.restore("accepted", &["--accept-losses"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, out, _) = run(&site.path("accepted"), &["verify"]);
    assert_eq!(code, Some(10), "{out}");

    // Backing up again mends it: the server still has the bytes.
    assert_eq!(site.back_up().0, Some(0));
    assert_eq!(fs::read(&blob).unwrap(), whole);
    let database = files_below(&backup);
    let database = database
        .iter()
        .find(|path| text(path).contains("database-"));
    let database = database.unwrap();
    let mut bytes = fs::read(database).unwrap();
    bytes[5000] ^= 1;
    fs::write(database, bytes).unwrap();
    assert_eq!(site.run(&verify).0, Some(10));
    assert_eq!(site.restore("no-database", &[]).0, Some(10));
}

#[tokio::test]
async fn other_folders_and_other_servers_are_left_alone() {
    let site = Site::start().await;
    fs::create_dir(site.path("backup")).unwrap();
    fs::write(site.path("backup/thesis"), "precious").unwrap();
    let (code, _, err) = site.back_up();
    assert!(
        code != Some(0) && err.contains("choose another folder"),
        "{err}"
    );
    assert_eq!(fs::read(site.path("backup/thesis")).unwrap(), b"precious");
    fs::remove_file(site.path("backup/thesis")).unwrap();
    assert_eq!(site.back_up().0, Some(0));

    let stranger = Site::start().await;
    let to = site.path("backup");
    let (code, _, err) = stranger.run(&["backup", "--to", text(&to)]);
    assert!(
        code != Some(0) && err.contains("other or newer data"),
        "{err}"
    );
    assert_eq!(site.run(&["verify", "--backup", text(&to)]).0, Some(0));
}

/// Whatever step a backup ends at, its folder holds the backup before or the new one, or is said to hold none.
#[tokio::test]
async fn a_backup_that_is_cut_at_any_step_is_never_taken_for_a_whole_one() {
    let mut site = Site::start().await;
    let options = local(&site.path("data"));
    let (to, mut n_seen) = (site.path("backup"), Vec::new());
    for round in 0..2 {
        let mut n = 0;
        let snapshots = site.path(&format!("snapshots-{round}"));
        let mut keep = |_| {
            copy_dir(&to, &snapshots.join(n.to_string()));
            n += 1;
        };
        backup(&options, &to, &mut keep).await.unwrap();
        n_seen.push(n);
        site.grow(3).await;
    }
    assert!(n_seen.iter().all(|n| *n >= 4), "{n_seen:?} steps");
    for (round, steps) in n_seen.iter().enumerate() {
        for step in 0..*steps {
            let from = site.path(&format!("snapshots-{round}/{step}"));
            let into = site.path(&format!("restored-{round}-{step}"));
            let restored = restore_into(&into, &from).await;
            let is_whole = step + 1 == *steps;
            match (round, restored) {
                (0, Err(error)) if !is_whole => assert!(error.contains("cut short"), "{error}"),
                (0, Ok(moved)) if is_whole => assert_eq!(moved.blobs, 2),
                (1, Ok(moved)) => assert_eq!(moved.blobs, if is_whole { 4 } else { 2 }),
                (round, other) => panic!("round {round}, step {step}: {other:?}"),
            }
        }
    }
}

/// A restore that was cut short serves nothing until it was run again.
#[tokio::test]
async fn a_restore_that_is_cut_at_any_step_serves_nothing_and_goes_on() {
    let site = Site::start().await;
    assert_eq!(site.back_up().0, Some(0));
    let (into, mut n) = (site.path("into"), 0);
    let mut keep = |_| {
        copy_dir(&into, &site.path(&format!("cut-{n}")));
        n += 1;
    };
    let options = local(&into);
    restore(&options, &site.path("backup"), Losses::Refuse, &mut keep)
        .await
        .unwrap();
    for step in 0..n {
        let cut = format!("cut-{step}");
        let (code, _, err) = run(&site.path(&cut), &["setup-code", "new"]);
        assert!(
            code != Some(0) && err.contains("FST-7005"),
            "step {step}: {err}"
        );
        let (code, _, err) = site.restore(&cut, &[]);
        assert_eq!(code, Some(0), "step {step}: {err}");
        assert_eq!(run(&site.path(&cut), &["verify", "--deep"]).0, Some(0));
    }
}

async fn restore_into(into: &Path, from: &Path) -> Result<Moved, String> {
    let done = restore(&local(into), from, Losses::Refuse, &mut |_| {}).await;
    done.map_err(|error| error.to_string())
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &there);
        } else {
            fs::copy(&path, &there).unwrap();
        }
    }
}

fn local(data: &Path) -> Options {
    Options::new(data, ([127, 0, 0, 1], 0).into())
}
