//! What durability costs: 10 000 files of 4 KiB in batches of 8 MiB.

use std::process::Command;

use fst_proto::ids::SpaceId;
use fst_proto::limits;
use fst_proto::wire::Commit;

use crate::client::{Process, command};
use crate::support::{Device, put_with};

const SPACE: SpaceId = SpaceId([0x51; 16]);
const FILES: u32 = 10_000;

/// Operations, meta slot and body slot of one file, with their length prefixes.
const FILE_BYTES: usize = 4 + 281 + 4 + 4121;

fn next_batch(device: &Device, from: u32) -> (Commit, u32) {
    let fit = u32::try_from((limits::BATCH_BYTES_MAX - 64) / FILE_BYTES).unwrap();
    let most = u32::try_from(limits::BATCH_OPS_MAX).unwrap();
    let to = FILES.min(from + fit.min(most));
    let body = |n: u32| n.to_be_bytes().repeat(1031)[..4121].to_vec();
    let ops = (from..to).map(|n| put_with(n, 0, vec![1; 281], Some(body(n))));
    (device.batch(SPACE, ops.collect()), to)
}

/// Uploads all files and returns the number of commits and of blob fsyncs that the server counted.
async fn upload(server: &Process, data: &std::path::Path) -> (u64, u64) {
    let http = server.http();
    let code = std::fs::read_to_string(data.join("setup-code")).unwrap();
    let (mut device, token) = http.settle(1, code.trim(), SPACE).await;
    let before = counted(&http.get("/metrics", "").await.text().await.unwrap());
    let (mut commits, mut done) = (0, 0);
    while done < FILES {
        let (commit, to) = next_batch(&device, done);
        let receipt = http.commit(&token, SPACE, &commit).await;
        device.wrote(&commit, receipt.head);
        (commits, done) = (commits + 1, to);
    }
    let after = counted(&http.get("/metrics", "").await.text().await.unwrap());
    (commits, after - before)
}

fn counted(text: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("fst_storage_fsyncs_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_small_files_cost_two_blob_fsyncs_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let (commits, fsyncs) = upload(&server, dir.path()).await;
    assert!(commits <= 8, "{commits} commits");
    assert_eq!(fsyncs, 2 * commits);
}

/// All fsyncs of the process, the database's too, counted by the system. Does nothing where strace is not
/// there or may not trace.
#[tokio::test]
async fn ten_thousand_small_files_cost_few_fsyncs_in_all() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let can_trace = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !can_trace.is_ok_and(|status| status.success()) {
        return;
    }
    let data = dir.path().join("data");
    assert!(
        command(&data)
            .arg("init")
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut traced = Command::new("strace");
    // With -D the server itself is our child, so that it ends with this test.
    traced.args([
        "-D",
        "-f",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,sync_file_range,syncfs",
        "-o",
    ]);
    traced.arg(&trace).arg(env!("CARGO_BIN_EXE_fst-server"));
    traced
        .args(["start", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data);
    let server = Process::spawn(traced);
    let started = lines(&trace);
    let (commits, _) = upload(&server, &data).await;
    let all = lines(&trace) - started;
    println!("{commits} commits of {FILES} files: {all} fsyncs, account and space included");
    assert!(all <= 40, "{all} fsyncs for {commits} commits");
    // Blob, its folder, and the database's log: less would mean that something is not durable.
    assert!(
        all as u64 >= 3 * commits,
        "{all} fsyncs for {commits} commits"
    );
}

fn lines(path: &std::path::Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("sync(") && !line.contains("resumed"))
        .count()
}
