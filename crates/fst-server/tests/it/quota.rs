//! Full accounts and large files over HTTP, and the command that makes room.

use fst_proto::error::ErrorCode;
use fst_proto::ids::SpaceId;
use fst_proto::wire::{Commit, Conflict, ObjectIds};
use fst_server::Embedded;
use fst_server::config::{Asked, CONFIG_FILE, resolve};
use reqwest::{Method, Response, StatusCode};
use tempfile::TempDir;

use crate::client::{Http, command, problem, read};
use crate::support::{Device, frame_of, object, put};

const SPACE: SpaceId = SpaceId([0x51; 16]);

/// A server with these settings, a device and a space.
struct Small {
    dir: TempDir,
    http: Http,
    device: Device,
    token: String,
    _server: Embedded,
}

impl Small {
    async fn start(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CONFIG_FILE), settings).unwrap();
        let asked = Asked {
            data: Some(dir.path().to_owned()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..Asked::default()
        };
        let options = resolve(&asked, |_| None).unwrap();
        let server = Embedded::start_with(options).unwrap();
        let http = Http::new(&server.url);
        let code = server.setup_code.as_deref().unwrap();
        let (device, token) = http.settle(1, code, SPACE).await;
        Self {
            dir,
            http,
            device,
            token,
            _server: server,
        }
    }

    async fn upload(&self, n: u32, len: usize) -> Response {
        let path = format!("/v1/spaces/{SPACE}/objects");
        let frame = frame_of(&[(n, len)]);
        self.http
            .send(Method::POST, &path, &self.token, frame)
            .await
    }

    async fn commit(&self, entry: &Commit) -> Response {
        let path = format!("/v1/spaces/{SPACE}/commit");
        self.http.post(&path, &self.token, entry).await
    }

    /// Exit code and answer of `fst-server user quota`.
    fn quota(&self, words: &[&str]) -> (Option<i32>, String) {
        let account = self.device.caller().account.to_string();
        let mut command = command(self.dir.path());
        let out = command
            .args(["user", "quota", &account])
            .args(words)
            .output();
        let out = out.unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    }
}

#[tokio::test]
async fn a_full_account_is_refused_with_numbers_until_there_is_room() {
    let small = Small::start("quota:\n  bytes: 100000b\n  files: 1\n").await;
    assert_eq!(small.upload(1, 70_000).await.status(), StatusCode::OK);
    let refused = problem(small.upload(2, 70_000).await, 507).await;
    assert_eq!(refused.error_code(), Some(ErrorCode::QuotaExceeded));
    assert!(refused.detail.contains("may keep 100000"), "{refused:?}");
    let next = "fst-server user quota";
    assert!(refused.next.contains(next), "{refused:?}");
    let path = format!("/v1/spaces/{SPACE}/objects/missing");
    let ids = vec![object(1), object(2)];
    let ids = ObjectIds { ids };
    let asked = small.http.post(&path, &small.token, &ids);
    let missing: ObjectIds = read(asked.await).await;
    assert_eq!(missing.ids, [object(2)], "nothing refused is kept");
    let entry = small.device.batch(SPACE, vec![put(1, 0), put(2, 0)]);
    let refused = problem(small.commit(&entry).await, 507).await;
    let numbers = "keeps 0 files and may keep 1; this needs 2 more";
    assert!(refused.detail.contains(numbers), "{refused:?}");

    // The running server counts by what the command says, from the next request on.
    let (_, shown) = small.quota(&["--files", "2", "--bytes", "none"]);
    assert!(
        shown.contains("0 of 2") && shown.contains("no bound"),
        "{shown}"
    );
    assert_eq!(small.commit(&entry).await.status(), StatusCode::OK);
    assert_eq!(small.upload(2, 70_000).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_large_file_is_named() {
    let small = Small::start("security:\n  max_file_size: 60000b\n").await;
    assert_eq!(small.upload(1, 70_000).await.status(), StatusCode::OK);
    let mut large = put(1, 0);
    large.op.add_refs = vec![object(1)];
    let nodes = vec![large.op.node];
    let entry = small.device.batch(SPACE, vec![large]);
    let refused = problem(small.commit(&entry).await, 413).await;
    assert_eq!(refused.error_code(), Some(ErrorCode::TooLarge));
    let limit = 60_000;
    let named = Conflict::FileTooLarge { nodes, limit };
    assert_eq!(refused.conflict, Some(named));
}

#[tokio::test]
async fn the_command_shows_sets_and_says_the_way_back() {
    let small = Small::start("quota:\n  bytes: 1mb\n").await;
    let (code, shown) = small.quota(&[]);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("of 1048576\n") && !shown.contains("undo"),
        "{shown}"
    );
    assert!(shown.contains("the default of the server"), "{shown}");
    let (_, shown) = small.quota(&["--files", "2", "--bytes", "none"]);
    assert!(
        shown.contains("undo: ") && shown.contains("--default"),
        "{shown}"
    );
    let (_, shown) = small.quota(&["--default"]);
    assert!(shown.contains("--bytes none --files 2"), "{shown}");
    assert_eq!(small.quota(&["--bytes", "much"]).0, Some(2));
    let nobody = "00".repeat(16);
    let out = command(small.dir.path())
        .args(["user", "quota", &nobody])
        .output();
    assert_eq!(out.unwrap().status.code(), Some(5));
}
