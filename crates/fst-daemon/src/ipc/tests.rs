use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use fst_proto::ipc::{Reply, Request};

use super::{Call, serve};
use crate::board::Board;

/// A served socket, what reaches the supervisor, and the directory that holds the socket.
fn served() -> (UnixStream, Receiver<Call>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (calls, inbox) = mpsc::channel::<Call>();
    std::thread::spawn(move || serve(&listener, &Arc::new(Board::default()), &calls));
    (UnixStream::connect(path).unwrap(), inbox, dir)
}

fn ask(stream: &UnixStream, line: &str) -> Reply {
    let mut writer = stream;
    writeln!(writer, "{line}").unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    serde_json::from_str(&reply).unwrap()
}

#[test]
fn what_reads_is_answered_without_the_supervisor() {
    let (stream, _inbox, _dir) = served();
    assert!(matches!(
        ask(&stream, r#"{"do":"status"}"#),
        Reply::Status(_)
    ));
    // No folder, nothing to wait for.
    assert_eq!(
        ask(&stream, r#"{"do":"wait","timeout_ms":60000}"#),
        Reply::Done
    );
}

#[test]
fn a_line_that_is_no_request_is_answered_and_the_connection_goes_on() {
    let (stream, _inbox, _dir) = served();
    for line in ["hello", r#"{"do":"from-the-future"}"#, "{}"] {
        let Reply::Failed { problem } = ask(&stream, line) else {
            panic!("{line}")
        };
        assert_eq!(problem.code, "FST-5002");
    }
    assert!(matches!(
        ask(&stream, r#"{"do":"status"}"#),
        Reply::Status(_)
    ));
}

#[test]
fn a_stop_is_answered_before_the_supervisor_hears_of_it() {
    let (stream, inbox, _dir) = served();
    // Nobody has taken the call yet, and the answer is there.
    assert_eq!(ask(&stream, r#"{"do":"stop"}"#), Reply::Done);
    assert_eq!(inbox.recv().unwrap().request, Request::Stop);
}
