//! The command: exit codes, files, crashes, logs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use fst_proto::ids::SpaceId;
use fst_proto::wire::{AccountEntries, Commit, ObjectIds, Receipt};
use reqwest::Method;

use crate::client::{Process, command, read};
use crate::support::{frame_of, object, object_bytes, put, put_with};

pub(crate) const SPACE: SpaceId = SpaceId([0x51; 16]);

pub(crate) fn run(data: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    // A command that should have ended and did not fails the test, by code 124, instead of hanging it.
    let fst_server = command(data);
    let mut bounded = Command::new("timeout");
    bounded.arg("60").arg(fst_server.get_program()).args(args);
    bounded.env_clear().envs(
        fst_server
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let Output {
        status,
        stdout,
        stderr,
    } = bounded.env("PATH", "/usr/bin:/bin").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

pub(crate) fn code_file(data: &Path) -> String {
    std::fs::read_to_string(data.join("setup-code"))
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn init_prints_a_code_and_may_be_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let (code, out, _) = run(&data, &["init"]);
    assert_eq!(code, Some(0));
    let setup_code = code_file(&data);
    assert!(out.contains(&setup_code), "{out}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data.join("setup-code")), 0o600);
    assert_eq!(mode(&data), 0o700);
    let (code, out, _) = run(&data, &["init"]);
    assert_eq!((code, out.contains(&setup_code)), (Some(0), true));
    assert!(data.join("server.yaml").exists());

    let (code, out, _) = run(&data, &["setup-code", "new"]);
    assert_eq!(code, Some(0));
    assert_ne!(out.trim(), setup_code);
    assert_eq!(out.trim(), code_file(&data));
}

#[test]
fn init_keeps_the_database_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let url = format!("sqlite://{}", dir.path().join("db/here.db").display());
    assert_eq!(run(&data, &["init", "--db", &url]).0, Some(0));
    assert!(dir.path().join("db/here.db").exists());
    let server = Process::start(&data);
    assert!(server.stdout.contains("db/here.db"), "{}", server.stdout);
    assert!(!data.join("fst.db").exists());
}

#[test]
fn init_writes_the_file_it_is_told_and_start_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("here.yaml"));
    let named = file.to_str().unwrap();
    assert_eq!(run(&data, &["init", "--config", named]).0, Some(0));
    assert!(file.exists() && !data.join("server.yaml").exists());
    // The folder is named by the file alone.
    let mut start = command(Path::new(""));
    start.args(["start", "--listen", "127.0.0.1:0", "--config", named]);
    let server = Process::spawn(start);
    assert!(
        server.stdout.contains(data.to_str().unwrap()),
        "{}",
        server.stdout
    );
    assert!(data.join("url").exists());
}

#[test]
fn what_cannot_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = "postgresql://u:hidden@127.0.0.1:1/fst";
    let (code, _, err) = run(dir.path(), &["init", "--db", nowhere]);
    assert_eq!(code, Some(1));
    assert!(err.contains("connect to the database"), "{err}");
    assert!(!err.contains("hidden"), "{err}");
    let (code, _, err) = run(dir.path(), &["init", "--db", "mysql://x"]);
    assert_eq!(code, Some(9));
    assert!(err.contains("FST-2001"), "{err}");
    let (code, _, err) = run(dir.path(), &["start", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(6));
    assert!(err.contains("--insecure-http"), "{err}");
    assert_eq!(run(dir.path(), &["nonsense"]).0, Some(2));
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path());
    let (code, _, err) = run(dir.path(), &["start", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(11));
    assert!(err.contains("another server uses"), "{err}");
    // Beside a running server a code can be made all the same.
    assert_eq!(run(dir.path(), &["setup-code", "new"]).0, Some(0));
    drop(first);
    Process::start(dir.path()).kill();
}

#[test]
fn health_follows_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    assert_eq!(
        run(dir.path(), &["health"]),
        (Some(0), "ready\n".to_owned(), String::new())
    );
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
    let nobody = run(dir.path(), &["health", "--listen", "127.0.0.1:1"]);
    assert_eq!(nobody.0, Some(7));
    assert!(!dir.path().join("url").exists());
}

#[tokio::test]
async fn acknowledged_work_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Process::start(dir.path());
    let http = server.http();
    let (mut device, token) = http.settle(1, &code_file(dir.path()), SPACE).await;
    let mut acknowledged: Vec<(Commit, Receipt)> = Vec::new();
    let mut n = 0;
    for round in 0..4 {
        let http = server.http();
        for _ in 0..6 {
            n += 1;
            let commit = sample(&device, n);
            let receipt = http.commit(&token, SPACE, &commit).await;
            device.wrote(&commit, receipt.head);
            acknowledged.push((commit, receipt));
        }
        // One commit is in flight when the process dies: nobody knows whether it happened.
        let pending = sample(&device, 100 + round);
        let request = http
            .client
            .post(format!("{}/v1/spaces/{SPACE}/commit", http.url))
            .bearer_auth(&token)
            .header("content-type", "application/cbor")
            .body(fst_proto::wire::to_cbor(&pending));
        let in_flight = tokio::spawn(async move { drop(request.send().await) });
        tokio::task::yield_now().await;
        server.kill();
        in_flight.await.unwrap();

        server = Process::start(dir.path());
        let http = server.http();
        for (commit, receipt) in &acknowledged {
            assert_eq!(&http.commit(&token, SPACE, commit).await, receipt);
        }
        let receipt = http.commit(&token, SPACE, &pending).await;
        device.wrote(&pending, receipt.head);
        acknowledged.push((pending, receipt));
        check_objects(&http, &token, n).await;
    }
    let mut since = 1;
    for (commit, receipt) in &acknowledged {
        let entry = server
            .http()
            .changes(&token, SPACE, since)
            .await
            .entries
            .remove(0);
        assert_eq!(entry.payload.as_ref(), Some(&commit.payload));
        assert_eq!(entry.time_ms, receipt.time_ms);
        since += 1;
        assert_eq!(receipt.head.size, since);
    }
}

/// A commit with a large payload, a small one, or objects.
pub(crate) fn sample(device: &crate::support::Device, n: u32) -> Commit {
    let mut op = match n % 3 {
        0 => put_with(n, 0, vec![1; 281], Some(vec![2; 200_000])),
        _ => put(n, 0),
    };
    if n % 3 == 1 {
        op.op.add_refs = vec![object(n)];
    }
    let mut commit = device.batch(SPACE, vec![op]);
    if n % 3 == 1 {
        commit.objects = frame_of(&[(n, 10_000)]);
    }
    commit
}

async fn check_objects(http: &crate::client::Http, token: &str, n: u32) {
    for n in (1..=n).filter(|n| n % 3 == 1) {
        let path = format!("/v1/spaces/{SPACE}/objects/{}", object(n));
        let bytes = http.get(&path, token).await.bytes().await.unwrap();
        assert_eq!(bytes, object_bytes(n, 10_000));
    }
}

#[tokio::test]
async fn a_stop_ends_waiting_polls_and_exits_well() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let http = server.http();
    let (_, token) = http.settle(1, &code_file(dir.path()), SPACE).await;
    assert!(!dir.path().join("setup-code").exists());
    let url = format!("{}/v1/spaces/{SPACE}/changes?since=1&wait=50", http.url);
    let poll = tokio::spawn(http.client.get(url).bearer_auth(&token).send());
    // The poll counts as a client's request once it has arrived.
    while !http
        .get("/metrics", "")
        .await
        .text()
        .await
        .unwrap()
        .contains("fst_active_clients 1")
    {
        tokio::task::yield_now().await;
    }
    let (code, _) = tokio::task::spawn_blocking(move || server.stop())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    drop(poll.await.unwrap());
}

#[tokio::test]
async fn logs_hold_no_secret_and_no_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut traced = command(dir.path());
    traced
        .args(["start", "--listen", "127.0.0.1:0"])
        .env("FST_LOG", "trace");
    let server = Process::spawn(traced);
    let http = server.http();
    let setup_code = code_file(dir.path());
    let (device, token) = http.settle(1, &setup_code, SPACE).await;
    let canary = b"CANARY-of-a-payload".to_vec();
    let op = put_with(1, 0, canary.repeat(20), Some(canary.repeat(9000)));
    let commit = device.batch(SPACE, vec![op]);
    http.commit(&token, SPACE, &commit).await;
    http.changes(&token, SPACE, 0).await;
    let stale = device.batch(SPACE, vec![put(1, 7)]);
    http.post(&format!("/v1/spaces/{SPACE}/commit"), &token, &stale)
        .await;
    let mut frame = Vec::new();
    fst_proto::frame::push(&mut frame, object(1), &canary).unwrap();
    let path = format!("/v1/spaces/{SPACE}/objects");
    drop(read::<ObjectIds>(http.send(Method::POST, &path, &token, frame).await).await);
    drop(read::<AccountEntries>(http.get("/v1/account/entries", &token).await).await);
    http.get("/v1/spaces", "fst_ck_CANARY").await;
    http.get("/v1/spaces?CANARY=1", "CANARY").await;
    let (_, log) = tokio::task::spawn_blocking(move || server.stop())
        .await
        .unwrap();
    assert!(log.contains("refused"), "the log is on: {log}");
    for secret in [
        "CANARY",
        &setup_code,
        &token,
        token.rsplit('.').next().unwrap(),
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
