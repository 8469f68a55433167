//! Looking at a server's data from outside, while it runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::binary::{SPACE, code_file, run, sample};
use crate::client::Process;
use crate::support::object;

/// A running server with an object in a blob of its own and a large payload in another.
async fn server_with_blobs(data: &Path) -> Process {
    let server = Process::start(data);
    let http = server.http();
    let (mut device, token) = http.settle(1, &code_file(data), SPACE).await;
    for n in [1, 3] {
        let commit = sample(&device, n);
        let receipt = http.commit(&token, SPACE, &commit).await;
        device.wrote(&commit, receipt.head);
    }
    server
}

/// The blob of the object, which is the shorter one, and that of the payload.
fn blobs(data: &Path) -> (PathBuf, PathBuf) {
    let mut found: Vec<PathBuf> = fs::read_dir(data.join("objects"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|first| fs::read_dir(first).unwrap())
        .flat_map(|second| fs::read_dir(second.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort_by_key(|path| fs::metadata(path).unwrap().len());
    let [object, payload] = <[PathBuf; 2]>::try_from(found).unwrap();
    (object, payload)
}

/// Flips one bit at `at`.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn verify_names_what_is_damaged_beside_a_running_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _server = server_with_blobs(&data).await;
    let whole = "blobs 2  objects 1  large payloads 1  damaged 0\n".to_owned();
    for args in [&["verify"][..], &["verify", "--deep"]] {
        let (code, out, err) = run(&data, args);
        assert_eq!((code, &out), (Some(0), &whole), "{err}");
    }

    let (of_object, of_payload) = blobs(&data);
    let payload = fs::read(&of_payload).unwrap();
    flip(&of_payload, payload.len() - 1);
    assert_eq!(run(&data, &["verify"]).0, Some(0), "lengths are right");
    let (code, out, err) = run(&data, &["verify", "--deep"]);
    assert_eq!(code, Some(10));
    assert!(out.contains("payload 2 of space"), "{out}");
    assert!(out.contains("damaged 1"), "{out}");
    assert!(err.contains("FST-7006"), "{err}");
    fs::write(&of_payload, &payload).unwrap();

    flip(&of_object, 0);
    let (code, out, _) = run(&data, &["verify", "--deep"]);
    assert_eq!(code, Some(10));
    assert!(out.contains("another object lies in its place"), "{out}");
    flip(&of_object, 0);

    fs::remove_file(&of_object).unwrap();
    fs::write(&of_payload, &payload[1..]).unwrap();
    let (code, out, _) = run(&data, &["verify"]);
    assert_eq!(code, Some(10));
    let missing = format!("object {} of space", object(1));
    assert!(out.contains(&missing) && out.contains("missing"), "{out}");
    assert!(
        out.contains("cut short") && out.contains("damaged 2"),
        "{out}"
    );
}

#[test]
fn verify_makes_nothing_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("nowhere");
    assert_ne!(run(&data, &["verify"]).0, Some(0));
    assert!(!data.exists());
}
