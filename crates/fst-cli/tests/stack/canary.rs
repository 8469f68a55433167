//! Zero knowledge, looked for: neither a name nor a content of a user is anywhere on the server or the wire.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::Stack;

const NAME: &str = "canary-name-7f3e91d2";
const CONTENT: &str = "canary-content-c04d5b6a";

type Tape = Arc<Mutex<Vec<u8>>>;

#[test]
fn the_server_never_sees_a_name_or_a_content() {
    let stack = Stack::start();
    let tape = Tape::default();
    let url = format!("http://127.0.0.1:{}", tap(stack.port(), &tape));
    let a = stack.first_home(&url);
    let b = stack.joined_home(&a, &url, "b");
    fs::create_dir(a.folder.join(format!("{NAME}-dir"))).unwrap();
    fs::write(a.folder.join(format!("{NAME}.txt")), CONTENT).unwrap();
    let long = format!("{CONTENT} ").repeat(100_000);
    fs::write(a.folder.join(format!("{NAME}-dir/{NAME}-long")), long).unwrap();
    std::os::unix::fs::symlink(CONTENT, a.folder.join(format!("{NAME}-link"))).unwrap();
    a.ok(&["daemon", "start"]);
    a.synced();
    b.ok(&["daemon", "start"]);
    b.synced();
    assert_eq!(a.tree(), b.tree());
    for home in [&a, &b] {
        home.ok(&["daemon", "stop"]);
    }
    for word in [NAME, CONTENT, "/Docs"] {
        assert!(!has(&tape.lock().unwrap(), word), "{word} crossed the wire");
        assert!(
            !has(&fs::read(stack.log()).unwrap(), word),
            "{word} is in the server's log"
        );
        let found = search(&stack.data(), word);
        assert!(found.is_empty(), "{word} is in {found:?}");
    }
    assert!(
        tape.lock().unwrap().len() > 10_000,
        "the tap must have seen the traffic"
    );
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

fn search(dir: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(word) {
            found.push(path.display().to_string());
        }
        if path.is_dir() {
            found.extend(search(&path, word));
        } else if has(&fs::read(&path).unwrap_or_default(), word) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Forwards connections to `port` and keeps every byte of both directions.
fn tap(port: u16, tape: &Tape) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let tape = Arc::clone(tape);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                continue;
            };
            let pairs = [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ];
            for (from, to) in pairs {
                let tape = Arc::clone(&tape);
                thread::spawn(move || copy(from, to, &tape));
            }
        }
    });
    own
}

fn copy(mut from: TcpStream, mut to: TcpStream, tape: &Tape) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        tape.lock().unwrap().extend_from_slice(&buffer[..n]);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}
