//! Several workers as processes on private PostgreSQL, Redis and S3, and a balancer in front of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fst_proto::ids::{SpaceId, VerifyKey};
use fst_proto::wire::{self, Challenge, ChallengeRequest, Commit, Receipt, ServerInfo, Token};
use fst_store::conformance::s3::PrivateS3;
use fst_store::conformance::servers::{Fsync, PrivatePostgres, PrivateRedis, look_again};
use minicbor::Encode;
use reqwest::{Client, Method, StatusCode};
use tempfile::TempDir;

use crate::client::{Process, answer, command, read};
use crate::support::{Device, new_account};

/// Attempts of the balancer before it gives a request up; each is a moment apart.
const ATTEMPTS: usize = 400;

/// The servers behind the workers, and their folders.
pub(crate) struct Farm {
    pub(crate) postgres: PrivatePostgres,
    pub(crate) redis: PrivateRedis,
    pub(crate) s3: PrivateS3,
    root: TempDir,
    n_workers: AtomicUsize,
    pub(crate) balancer: Balancer,
}

/// Sends a request to the next worker, and to another one when it does not answer, as balancers do.
pub(crate) struct Balancer {
    urls: Mutex<Vec<String>>,
    next: AtomicUsize,
    n_broken: AtomicUsize,
    client: Client,
}

/// What a worker is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shares {
    /// Bus and blobs.
    All,
    /// Neither.
    Nothing,
    /// The bus.
    BusOnly,
}

impl Farm {
    pub(crate) async fn start() -> Self {
        let farm = Self::without_database().await;
        farm.init();
        farm
    }

    /// The servers run, and nothing of ours is on them.
    pub(crate) async fn without_database() -> Self {
        Self {
            postgres: PrivatePostgres::start(Fsync::On),
            redis: PrivateRedis::start(),
            s3: PrivateS3::start().await,
            root: tempfile::tempdir().unwrap(),
            n_workers: AtomicUsize::new(0),
            balancer: Balancer {
                urls: Mutex::default(),
                next: AtomicUsize::new(0),
                n_broken: AtomicUsize::new(0),
                client: Client::builder().no_proxy().build().unwrap(),
            },
        }
    }

    /// Runs `fst-server init` and returns the set-up code.
    pub(crate) fn init(&self) -> String {
        let data = self.root.path().join("admin");
        let config = self.config(&data, Shares::All);
        let (code, out, err) = Self::run(&data, &["init", "--config", config.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{out}{err}");
        std::fs::read_to_string(data.join("setup-code")).unwrap()
    }

    pub(crate) fn new_setup_code(&self) -> String {
        let (code, out, err) = self.admin(&["setup-code", "new"]);
        assert_eq!(code, Some(0), "{err}");
        out
    }

    /// Runs a command on the farm's database.
    pub(crate) fn admin(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let data = self.root.path().join("admin");
        let config = self.config(&data, Shares::All);
        let args = [args, &["--config", config.to_str().unwrap()]].concat();
        Self::run(&data, &args)
    }

    fn run(data: &Path, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = command(data);
        command.env("PATH", "/usr/bin:/bin");
        let output = command.args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// The command that starts one more worker.
    pub(crate) fn worker_command(&self, shares: Shares) -> Command {
        let n = self.n_workers.fetch_add(1, Ordering::Relaxed);
        let data = self.root.path().join(format!("worker{n}"));
        let config = self.config(&data, shares);
        let mut command = command(&data);
        command.args(["start", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(config);
        command
    }

    /// Starts one more worker, not yet known to the balancer.
    pub(crate) fn worker(&self) -> Process {
        Process::spawn(self.worker_command(Shares::All))
    }

    /// Starts one more worker behind the balancer.
    pub(crate) fn join(&self) -> Process {
        let worker = self.worker();
        self.balancer.urls.lock().unwrap().push(worker.url.clone());
        worker
    }

    fn config(&self, data: &Path, shares: Shares) -> PathBuf {
        std::fs::create_dir_all(data).unwrap();
        let (bucket, id, secret) = self.s3.access();
        let database = format!(
            "data: {}\ndatabase:\n  url: {}\n  pool_size: 6\napi:\n  workers: 2\n",
            data.display(),
            self.postgres.url("fst")
        );
        let redis = format!("redis:\n  url: {}\n  db: 3\n", self.redis.url());
        let storage = format!(
            "storage:\n  backend: s3\n  s3_bucket: {bucket}\n  s3_endpoint: {}\n  s3_prefix: team\n  \
             s3_access_key_id: {id}\n  s3_secret_access_key: {secret}\n",
            self.s3.endpoint()
        );
        let text = match shares {
            Shares::All => [database, redis, storage].concat(),
            Shares::BusOnly => [database, redis].concat(),
            Shares::Nothing => database,
        };
        let file = data.join("server.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    /// A device with an account and a space of its own.
    pub(crate) async fn device(&self, n: u8) -> (Device, String, SpaceId) {
        let (mut device, request) = new_account(n, &self.new_setup_code());
        let made = self.balancer.post("/v1/accounts", "", &request).await;
        assert_eq!(made.0, StatusCode::NO_CONTENT);
        let token = self.balancer.sign_in(&device).await;
        let space = SpaceId([n; 16]);
        let genesis = device.genesis(space);
        let receipt: Receipt = decode(self.balancer.post("/v1/spaces", &token, &genesis).await);
        device.wrote(&genesis.commit, receipt.head);
        (device, token, space)
    }
}

fn decode<T: for<'b> minicbor::Decode<'b, ()>>((status, body): (StatusCode, Vec<u8>)) -> T {
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    wire::from_cbor(&body).unwrap()
}

async fn whole_answer(request: reqwest::RequestBuilder) -> reqwest::Result<(StatusCode, Vec<u8>)> {
    let answer = request.send().await?;
    let status = answer.status();
    Ok((status, answer.bytes().await?.to_vec()))
}

impl Balancer {
    /// Takes a worker out; requests under way there go on.
    pub(crate) fn leave(&self, url: &str) {
        self.urls.lock().unwrap().retain(|known| known != url);
    }

    /// Requests that a worker took and did not answer.
    pub(crate) fn n_broken(&self) -> usize {
        self.n_broken.load(Ordering::Relaxed)
    }

    /// The worker whose turn it is.
    fn url(&self) -> String {
        let urls = self.urls.lock().unwrap();
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        urls[n % urls.len()].clone()
    }

    /// Status and body of the first worker that answers.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Vec<u8>,
    ) -> (StatusCode, Vec<u8>) {
        for _ in 0..ATTEMPTS {
            let url = format!("{}{path}", self.url());
            let mut request = self.client.request(method.clone(), url);
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            if !body.is_empty() {
                request = request.header("content-type", "application/cbor");
                request = request.body(body.clone());
            }
            match whole_answer(request).await {
                Ok(answer) => return answer,
                Err(error) if error.is_connect() => {},
                Err(_) => {
                    self.n_broken.fetch_add(1, Ordering::Relaxed);
                },
            }
            look_again().await;
        }
        panic!("no worker answers {path}");
    }

    pub(crate) async fn post<T: Encode<()>>(
        &self,
        path: &str,
        token: &str,
        message: &T,
    ) -> (StatusCode, Vec<u8>) {
        self.send(Method::POST, path, token, wire::to_cbor(message))
            .await
    }

    /// Signs in, each request at another worker.
    pub(crate) async fn sign_in(&self, device: &Device) -> String {
        let request = ChallengeRequest { device: device.id };
        let challenge: Challenge = decode(self.post("/v1/auth/challenge", "", &request).await);
        let request = answer(device, &self.receipt_key().await, challenge.nonce);
        let token: Token = decode(self.post("/v1/auth/token", "", &request).await);
        token.token
    }

    /// Signs in again; `None` when a worker could not serve it.
    async fn try_sign_in(&self, device: &Device) -> Option<String> {
        let request = ChallengeRequest { device: device.id };
        let (status, body) = self.post("/v1/auth/challenge", "", &request).await;
        let challenge: Challenge = is_served(status).then(|| wire::from_cbor(&body).unwrap())?;
        let request = answer(device, &self.receipt_key().await, challenge.nonce);
        let (status, body) = self.post("/v1/auth/token", "", &request).await;
        let token: Token = is_served(status).then(|| wire::from_cbor(&body).unwrap())?;
        Some(token.token)
    }

    async fn receipt_key(&self) -> VerifyKey {
        let info: ServerInfo = decode(self.send(Method::GET, "/v1/server", "", Vec::new()).await);
        info.receipt_key
    }

    /// Commits; the answer must be a receipt.
    pub(crate) async fn commit(&self, token: &str, space: SpaceId, commit: &Commit) -> Receipt {
        decode(self.try_commit(token, space, commit).await)
    }

    /// Commits, whatever the answer is.
    pub(crate) async fn try_commit(
        &self,
        token: &str,
        space: SpaceId,
        commit: &Commit,
    ) -> (StatusCode, Vec<u8>) {
        self.post(&format!("/v1/spaces/{space}/commit"), token, commit)
            .await
    }
}

/// True when it was, false when the server failed; anything else is not expected.
fn is_served(status: StatusCode) -> bool {
    assert!(
        status == StatusCode::OK || status.is_server_error(),
        "{status}"
    );
    status == StatusCode::OK
}

/// Receipt of a commit that is repeated until a worker gives one, as clients do; a token that is over is renewed.
pub(crate) async fn commit_at_last(
    balancer: &Balancer,
    device: &Device,
    token: &mut String,
    space: SpaceId,
    commit: &Commit,
) -> Receipt {
    for _ in 0..ATTEMPTS {
        let (status, body) = balancer.try_commit(token, space, commit).await;
        if status == StatusCode::UNAUTHORIZED {
            if let Some(renewed) = balancer.try_sign_in(device).await {
                *token = renewed;
            }
        } else if is_served(status) {
            return wire::from_cbor(&body).unwrap();
        }
        look_again().await;
    }
    panic!("no receipt in time");
}

/// All entries of a space, read from one worker.
pub(crate) async fn payloads(worker: &Process, token: &str, space: SpaceId) -> Vec<Vec<u8>> {
    let http = worker.http();
    let mut out: Vec<Vec<u8>> = Vec::new();
    loop {
        let path = format!("/v1/spaces/{space}/changes?since={}", out.len());
        let changes: wire::Changes = read(http.get(&path, token).await).await;
        if changes.entries.is_empty() {
            return out;
        }
        out.extend(
            changes
                .entries
                .into_iter()
                .map(|entry| entry.payload.unwrap()),
        );
    }
}
