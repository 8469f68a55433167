//! How much work a sync makes for the server: counted, not timed.

use std::fs;

use crate::support::Stack;

#[test]
fn ten_thousand_small_files_cost_few_requests_and_fsyncs() {
    let stack = Stack::start();
    let url = stack.url();
    let a = stack.first_home(&url);
    for i in 0_u64..10_000 {
        let dir = a.folder.join(format!("d{}", i / 250));
        fs::create_dir_all(&dir).unwrap();
        let bytes: Vec<u8> = (0..512).flat_map(|k| (i * 512 + k).to_le_bytes()).collect();
        fs::write(dir.join(format!("f{i}")), bytes).unwrap();
    }
    let b = stack.joined_home(&a, &url, "b");
    let counted = || {
        (
            stack.metric("fst_changing_requests_total"),
            stack.metric("fst_storage_fsyncs_total"),
        )
    };
    let before = counted();
    a.ok(&["daemon", "start"]);
    a.synced();
    b.ok(&["daemon", "start"]);
    b.synced();
    let after = counted();
    let (requests, fsyncs) = (after.0 - before.0, after.1 - before.1);
    assert!(
        requests > 0.0 && requests <= 40.0,
        "{requests} changing requests"
    );
    assert!(fsyncs > 0.0 && fsyncs <= 60.0, "{fsyncs} fsyncs");
    assert_eq!(a.tree(), b.tree());

    // Nothing changed: nothing is sent, nothing is stored.
    let bytes = || stack.metric("fst_storage_used_bytes");
    let (quiet, stored) = (counted(), bytes());
    a.synced();
    b.synced();
    assert_eq!(
        (counted().0.to_bits(), bytes().to_bits()),
        (quiet.0.to_bits(), stored.to_bits())
    );
}

#[test]
fn memory_does_not_follow_the_size_of_a_file() {
    use std::io::{Seek as _, SeekFrom, Write as _};
    const MIB: u64 = 1 << 20;
    let stack = Stack::start();
    let url = stack.url();
    let a = stack.first_home(&url);
    let mut file = fs::File::create(a.folder.join("large.img")).unwrap();
    file.set_len(4096 * MIB).unwrap();
    for k in 0..32 {
        file.seek(SeekFrom::Start(k * 128 * MIB + 777)).unwrap();
        let bytes: Vec<u8> = (0..131_072_u64)
            .flat_map(|i| (i * 31 + k).to_le_bytes())
            .collect();
        file.write_all(&bytes).unwrap();
    }
    drop(file);
    let b = stack.joined_home(&a, &url, "b");
    a.ok(&["daemon", "start"]);
    a.synced();
    b.ok(&["daemon", "start"]);
    b.synced();
    let peak = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            / 1024
    };
    let pids = [Some(stack.server_pid()), a.daemon_pid(), b.daemon_pid()];
    let mib = pids.map(|pid| peak(pid.unwrap()));
    assert!(
        mib.iter().all(|mib| *mib <= 150),
        "server, sender, receiver: {mib:?} MiB"
    );
    let blocks = {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(b.folder.join("large.img")).unwrap().blocks() * 512
    };
    assert!(
        blocks <= 128 * MIB,
        "holes were filled: {blocks} bytes on the disk"
    );
    let compare = |home: &crate::support::Home| {
        let mut hash = Vec::new();
        let mut file = fs::File::open(home.folder.join("large.img")).unwrap();
        for k in 0..32 {
            use std::io::Read as _;
            file.seek(SeekFrom::Start(k * 128 * MIB)).unwrap();
            let mut bytes = vec![0; 2 << 20];
            file.read_exact(&mut bytes).unwrap();
            hash.push(fst_proto::hash::sha256(&[&bytes]));
        }
        (hash, file.metadata().unwrap().len())
    };
    assert_eq!(compare(&a), compare(&b));
}
