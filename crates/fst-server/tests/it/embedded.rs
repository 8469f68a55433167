//! The server inside another program.

use std::net::SocketAddr;

use fst_proto::error::Exit;
use fst_proto::ids::SpaceId;
use fst_server::config::{Options, PlainHttp};
use fst_server::run::{RunError, SETUP_CODE_FILE};
use fst_server::{Embedded, run};

use crate::client::Http;
use crate::support::put;

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn it_starts_serves_stops_and_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Embedded::start(dir.path(), any_port()).unwrap();
    let http = Http::new(&server.url);
    let code = server.setup_code.clone().unwrap();
    let file = dir.path().join(SETUP_CODE_FILE);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), code);
    let space = SpaceId([0x51; 16]);
    let (device, token) = http.settle(1, &code, space).await;
    assert!(!file.exists());
    let commit = device.batch(space, vec![put(1, 0)]);
    let receipt = http.commit(&token, space, &commit).await;
    server.stop().unwrap();

    let server = Embedded::start(dir.path(), any_port()).unwrap();
    assert_eq!(server.setup_code, None);
    let http = Http::new(&server.url);
    // The token key is kept, so tokens outlive a restart.
    assert_eq!(http.changes(&token, space, 0).await.receipt, receipt);
    assert_eq!(http.commit(&token, space, &commit).await, receipt);
}

#[tokio::test]
async fn a_data_folder_has_one_server() {
    let dir = tempfile::tempdir().unwrap();
    let first = Embedded::start(dir.path(), any_port()).unwrap();
    let second = Embedded::start(dir.path(), any_port());
    let error = second.err().unwrap();
    assert!(matches!(error, RunError::Locked(_)));
    assert_eq!(error.code().exit(), Exit::Locked);
    drop(first);
    Embedded::start(dir.path(), any_port())
        .unwrap()
        .stop()
        .unwrap();
}

#[tokio::test]
async fn an_unused_code_is_kept_and_an_ended_one_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let first = Embedded::start(dir.path(), any_port()).unwrap();
    let code = first.setup_code.clone();
    first.stop().unwrap();
    let second = Embedded::start(dir.path(), any_port()).unwrap();
    assert_eq!(second.setup_code, code);
    second.stop().unwrap();
    std::fs::write(dir.path().join(SETUP_CODE_FILE), "AAAA-AAAA\n").unwrap();
    let third = Embedded::start(dir.path(), any_port()).unwrap();
    assert!(third.setup_code.is_some() && third.setup_code != code);
}

#[tokio::test]
async fn plain_http_stays_on_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let anywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Embedded::start(dir.path(), anywhere).err().unwrap();
    assert!(matches!(refused, RunError::InsecureHttp(_)));
    assert_eq!(refused.code().exit(), Exit::Refused);
    let mut options = Options::new(dir.path(), anywhere);
    options.plain_http = PlainHttp::Anywhere;
    Embedded::start_with(options).unwrap().stop().unwrap();
}

#[tokio::test]
async fn a_taken_port_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let options = Options::new(dir.path(), taken.local_addr().unwrap());
    let error = run(&options, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, RunError::Listen { .. }));
}

#[tokio::test]
async fn run_ends_when_told() {
    let dir = tempfile::tempdir().unwrap();
    run(
        &Options::new(dir.path(), any_port()),
        std::future::ready(()),
    )
    .await
    .unwrap();
}
