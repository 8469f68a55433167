//! A small HTTP client, a server on a free port, and the server as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use fst_proto::error::Problem;
use fst_proto::ids::{SpaceId, VerifyKey};
use fst_proto::wire::{
    self, Challenge, ChallengeRequest, Changes, Commit, Receipt, ServerInfo, Token, TokenRequest,
};
use fst_server::http::{App, router};
use minicbor::{Decode, Encode};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::watch;

use crate::support::{Device, World, new_account, sign};

pub(crate) struct Http {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

impl Http {
    pub(crate) fn new(url: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            url: url.to_owned(),
            client,
        }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Vec<u8>,
    ) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            request = request
                .header("content-type", "application/cbor")
                .body(body);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn post<T: Encode<()>>(
        &self,
        path: &str,
        token: &str,
        message: &T,
    ) -> Response {
        self.send(Method::POST, path, token, wire::to_cbor(message))
            .await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.send(Method::GET, path, token, Vec::new()).await
    }

    pub(crate) async fn server_info(&self) -> ServerInfo {
        read(self.get("/v1/server", "").await).await
    }

    pub(crate) async fn create_account(&self, n: u8, code: &str) -> Device {
        let (device, request) = new_account(n, code);
        let answer = self.post("/v1/accounts", "", &request).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        device
    }

    pub(crate) async fn sign_in(&self, device: &Device) -> String {
        let challenge = ChallengeRequest { device: device.id };
        let challenge: Challenge =
            read(self.post("/v1/auth/challenge", "", &challenge).await).await;
        let request = answer(
            device,
            &self.server_info().await.receipt_key,
            challenge.nonce,
        );
        let token: Token = read(self.post("/v1/auth/token", "", &request).await).await;
        token.token
    }

    pub(crate) async fn create_space(&self, token: &str, device: &mut Device, space: SpaceId) {
        let request = device.genesis(space);
        let receipt: Receipt = read(self.post("/v1/spaces", token, &request).await).await;
        device.wrote(&request.commit, receipt.head);
    }

    /// An account whose device is signed in, and its space.
    pub(crate) async fn settle(&self, n: u8, code: &str, space: SpaceId) -> (Device, String) {
        let mut device = self.create_account(n, code).await;
        let token = self.sign_in(&device).await;
        self.create_space(&token, &mut device, space).await;
        (device, token)
    }

    pub(crate) async fn commit(&self, token: &str, space: SpaceId, commit: &Commit) -> Receipt {
        read(
            self.post(&format!("/v1/spaces/{space}/commit"), token, commit)
                .await,
        )
        .await
    }

    pub(crate) async fn changes(&self, token: &str, space: SpaceId, since: u64) -> Changes {
        read(
            self.get(&format!("/v1/spaces/{space}/changes?since={since}"), token)
                .await,
        )
        .await
    }
}

pub(crate) fn answer(device: &Device, origin: &VerifyKey, nonce: Vec<u8>) -> TokenRequest {
    let message = wire::login_message(device.id, origin, &nonce);
    TokenRequest {
        device: device.id,
        nonce,
        sig: sign(&device.pair, &message),
    }
}

/// Reads an answer that must be a CBOR message.
pub(crate) async fn read<T: for<'b> Decode<'b, ()>>(answer: Response) -> T {
    let (status, kind) = (
        answer.status(),
        answer.headers().get("content-type").cloned(),
    );
    let body = answer.bytes().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    assert_eq!(kind.unwrap(), "application/cbor");
    wire::from_cbor(&body).unwrap()
}

/// Reads an answer that must be a problem document of this status.
pub(crate) async fn problem(answer: Response, status: u16) -> Problem {
    let kind = answer.headers().get("content-type").cloned();
    assert!(answer.headers().contains_key("fst-request-id"));
    let found = answer.status().as_u16();
    let body = answer.text().await.unwrap();
    assert_eq!(found, status, "{body}");
    assert_eq!(kind.unwrap(), "application/problem+json");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(problem.status, status);
    assert!(problem.error_code().is_some());
    problem
}

/// A server in this process on a free port, over stores in memory.
pub(crate) struct TestServer {
    pub(crate) world: World,
    pub(crate) http: Http,
    pub(crate) stopping: watch::Sender<bool>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|app| app).await
    }

    pub(crate) async fn start_with(set: impl FnOnce(App) -> App) -> Self {
        let world = World::new();
        let (stopping, is_stopping) = watch::channel(false);
        let app = set(App::new(Arc::clone(&world.service), is_stopping));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = Http::new(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, router(app)).await.unwrap() });
        Self {
            world,
            http,
            stopping,
        }
    }

    /// A server with an account, a signed-in device and a space.
    pub(crate) async fn with_space() -> (Self, Device, String, SpaceId) {
        let server = Self::start().await;
        let mut device = server.world.account(1).await;
        let token = server.http.sign_in(&device).await;
        let space = SpaceId([0x51; 16]);
        server.http.create_space(&token, &mut device, space).await;
        (server, device, token, space)
    }

    /// Sends raw bytes and reads until the server closes.
    pub(crate) async fn raw(&self, request: Vec<u8>) -> String {
        let address = self.http.url.strip_prefix("http://").unwrap().to_owned();
        let talk = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            // The server may close with bytes of ours unread, which the system reports as an error.
            stream.write_all(&request).unwrap_or_default();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap_or_default();
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(talk).await.unwrap()
    }
}

/// The command, running.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) stdout: String,
    pub(crate) stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fst-server"));
    command
        .env_clear()
        .env("FST_SERVER_DATA", data)
        .stdin(Stdio::null());
    command
}

impl Process {
    pub(crate) fn start(data: &Path) -> Self {
        let mut command = command(data);
        command.args(["start", "--listen", "127.0.0.1:0"]);
        Self::spawn(command)
    }

    /// Starts a command and waits for the banner.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&stderr);
        let errors = BufReader::new(child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut stdout = String::new();
        let url = loop {
            let line = lines.next().expect("a banner, not an end").unwrap();
            stdout.push_str(&(line.clone() + "\n"));
            if let Some(rest) = line.trim().strip_prefix("listening ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        let drain = std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url,
            stdout,
            stderr,
            readers: vec![reader, drain],
        }
    }

    pub(crate) fn http(&self) -> Http {
        Http::new(&self.url)
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and gives its exit code and what it logged.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let code = self.child.wait().unwrap().code();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let stderr = self.stderr.lock().unwrap().clone();
        (code, stderr)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}
