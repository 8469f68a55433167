//! Homes, a server process, and comparing folders.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest time that anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// One server and the homes of some devices, in a temporary folder.
pub(crate) struct Stack {
    dir: TempDir,
    port: u16,
    server: Option<Child>,
}

/// One device.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) home: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Stack {
    /// A running server without an account.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut stack = Self {
            dir: tempfile::tempdir().unwrap(),
            port,
            server: None,
        };
        stack.start_server();
        stack
    }

    pub(crate) fn start_server(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("server.log"))
            .unwrap();
        let server = Command::new(server_binary())
            .args([
                "start",
                "--listen",
                &format!("127.0.0.1:{}", self.port),
                "--data",
            ])
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("build the workspace first: fst-server lies beside fst");
        self.server = Some(server);
        eventually("server answers", || self.metrics().is_some());
    }

    pub(crate) fn kill_server(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    pub(crate) fn server_pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The first device of a new account, with an empty folder that is synced as `/Docs`.
    pub(crate) fn first_home(&self, url: &str) -> Home {
        let code = fs::read_to_string(self.data().join("setup-code")).unwrap();
        let home = self.home("a");
        home.ok(&[
            "init",
            "--server",
            url,
            "--setup-code",
            code.trim(),
            "--name",
            "a",
            "--no-input",
        ]);
        home.add();
        home
    }

    /// A further device, by a join string of `first`.
    pub(crate) fn joined_home(&self, first: &Home, url: &str, name: &str) -> Home {
        let invite = first.json(&["devices", "invite"]);
        let join = invite["data"]["join"].as_str().unwrap().to_owned();
        let home = self.home(name);
        home.ok(&[
            "init",
            "--server",
            url,
            "--join",
            &join,
            "--name",
            name,
            "--no-input",
        ]);
        home.add();
        home
    }

    fn home(&self, name: &str) -> Home {
        let home = self.dir.path().join(name);
        let folder = home.join("Docs");
        fs::create_dir_all(&folder).unwrap();
        Home { home, folder }
    }

    /// The exposition text, when the server answers.
    pub(crate) fn metrics(&self) -> Option<String> {
        let body = http_get(self.port, "/metrics")?;
        body.contains("fst_").then_some(body)
    }

    /// Sum of a metric's samples.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().expect("server answers");
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for name in ["a", "b"] {
            if self.dir.path().join(name).exists() {
                let home = self.home(name);
                drop(home.run(&["daemon", "stop"]));
            }
        }
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

impl Home {
    fn add(&self) {
        let folder = self.folder.to_str().unwrap();
        self.ok(&["add", folder, "--two-way", "--remote-path", "/Docs"]);
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fst"));
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
            "XDG_RUNTIME_DIR",
        ] {
            command.env_remove(name);
        }
        command
            .env("HOME", &self.home)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub(crate) fn ok(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "fst {args:?}: {:?}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.ok(&[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn synced(&self) {
        let seconds = format!("{}s", PATIENCE.as_secs());
        self.ok(&["wait", "--synced", "--timeout", &seconds]);
    }

    /// Process id of the daemon; `None` when it does not run.
    pub(crate) fn daemon_pid(&self) -> Option<u32> {
        let status = self.json(&["status"]);
        let pid = status["data"]["daemon_pid"].as_u64().unwrap_or(0);
        u32::try_from(pid).ok().filter(|pid| *pid != 0)
    }

    pub(crate) fn kill_daemon(&self) {
        if let Some(pid) = self.daemon_pid() {
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap_or_default();
            eventually("daemon is gone", || self.daemon_pid().is_none());
        }
    }

    /// What a person sees: every path with its content hash or link text and its executable bit.
    pub(crate) fn tree(&self) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        walk(&self.folder, &self.folder, &mut out);
        out
    }

    /// Our own leftovers: nothing may rest in the stage.
    pub(crate) fn staged(&self) -> usize {
        fs::read_dir(self.folder.join(".fst/stage")).map_or(0, Iterator::count)
    }
}

fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let shown = path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if shown == ".fst" {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            out.insert(shown, "dir".to_owned());
            walk(root, &path, out);
        } else if meta.is_symlink() {
            out.insert(
                shown,
                format!("link {}", fs::read_link(&path).unwrap().display()),
            );
        } else {
            let hash = fst_proto::hash::sha256(&[&fs::read(&path).unwrap()]);
            let is_exec = meta.permissions().mode() & 0o100 != 0;
            out.insert(shown, format!("{} {hash} {is_exec}", meta.size()));
        }
    }
}

/// Waits for a condition, bounded.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a bound on real processes")]
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn server_binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_fst")).with_file_name("fst-server")
}

fn http_get(port: u16, path: &str) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let (_, body) = reply.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}
