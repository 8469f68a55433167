//! Homes, servers and runs of the command.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fst_proto::error::{ErrorCode, Problem};
use fst_server::Embedded;
use fst_server::config::{Options, Tls};
use serde_json::Value;
use tempfile::TempDir;

use crate::schemas;

/// The command under test.
pub(crate) const FST: &str = env!("CARGO_BIN_EXE_fst");

/// Looks at a state that comes soon; each is a process, so all together take seconds.
const LOOKS_MAX: u32 = 1000;

/// One user's home directory with at most one daemon.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
}

/// What one command did.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit code; -1 for a signal.
    pub exit: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Home {
    /// An empty home.
    pub(crate) fn new() -> Self {
        Self {
            dir: TempDir::new().expect("a temporary directory"),
        }
    }

    /// A home that is set up with this server by its set-up code.
    pub(crate) fn first(server: &Server) -> Self {
        let home = Self::new();
        let init = [
            "init",
            "--server",
            &server.url(),
            "--setup-code",
            &server.code(),
            "--name",
            "anna",
        ];
        home.fst(init).ok();
        home
    }

    /// A home that joined the account of `other`.
    pub(crate) fn joined(other: &Self, server: &Server) -> Self {
        let join = other.fst(["devices", "invite", "--json"]).json();
        let join = join["data"]["join"]
            .as_str()
            .expect("a join string")
            .to_owned();
        let home = Self::new();
        home.fst([
            "init",
            "--server",
            &server.url(),
            "--join",
            &join,
            "--name",
            "bo",
        ])
        .ok();
        home
    }

    /// A path in the home.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a directory and returns its path.
    pub(crate) fn make_dir(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a directory");
        path.to_string_lossy().into_owned()
    }

    /// Makes and adds a folder, and starts the daemon when none runs.
    pub(crate) fn with_folder(self, name: &str) -> Self {
        let folder = self.make_dir(name);
        self.fst(["add", &folder, "--two-way"]).ok();
        if self.fst(["daemon", "status"]).exit != 0 {
            self.fst(["daemon", "start"]).ok();
        }
        self
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        let read = std::fs::read_to_string(&path);
        assert!(read.is_ok(), "read {}: {read:?}", path.display());
        read.unwrap_or_default()
    }

    /// Runs the command.
    pub(crate) fn fst<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Run {
        let mut command = self.command(FST);
        command.args(words);
        let run = Run::from(&command.output().expect("the command runs"));
        let is_json = command.get_args().any(|word| word == "--json");
        schemas::check(&run.out, &run.err, is_json);
        run
    }

    /// Runs the command with something on standard input.
    pub(crate) fn fst_with_input<const N: usize>(&self, words: [&str; N], input: &str) -> Run {
        let mut command = self.command(FST);
        let command = command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin
            .write_all(input.as_bytes())
            .expect("the command reads");
        drop(stdin);
        let run = Run::from(&child.wait_with_output().expect("the command ends"));
        schemas::check(&run.out, &run.err, words.contains(&"--json"));
        run
    }

    /// Runs a line in a shell that finds `fst`.
    pub(crate) fn shell(&self, line: &str) -> Run {
        let mut command = self.command("sh");
        let bin = Path::new(FST).parent().expect("a directory");
        let path = format!(
            "{}:{}",
            bin.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        command
            .args(["-c", line])
            .env("PATH", path)
            .current_dir(self.dir.path());
        let run = Run::from(&command.output().expect("the shell runs"));
        schemas::check(&run.out, &run.err, false);
        run
    }

    /// A command in this home and no other.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("LC_ALL", "C.UTF-8");
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        command
    }

    /// Waits until everything is synced.
    pub(crate) fn wait(&self) {
        self.fst(["wait", "--synced", "--timeout", "60s"]).ok();
    }

    /// The status as programs see it.
    pub(crate) fn status(&self) -> Value {
        self.fst(["status", "--json"]).json()["data"].clone()
    }

    /// Exit code of `fst status --check`.
    pub(crate) fn check(&self) -> i32 {
        self.fst(["status", "--check"]).exit
    }

    /// Waits until `fst status --check` ends with `exit`: a worker says what it does when it does it.
    pub(crate) fn comes_to(&self, exit: i32) {
        let mut looks = 0..LOOKS_MAX;
        assert!(looks.any(|_| self.check() == exit), "not in time: {exit}");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.fst(["daemon", "stop", "--force"]);
    }
}

impl From<&Output> for Run {
    fn from(output: &Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// The command succeeded.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.exit, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The JSON document of a command that succeeded.
    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.out);
        assert!(
            parsed.is_ok(),
            "stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        parsed.unwrap_or_default()
    }

    /// The command failed for people: with this code and exit code, a cause or not, and a next step.
    pub(crate) fn failed(&self, code: &str, exit: i32) {
        assert_eq!(
            self.exit, exit,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        assert!(self.err.contains(&format!("({code})")), "{}", self.err);
        assert!(
            self.err.lines().any(|line| line.starts_with("error: ")),
            "{}",
            self.err
        );
        assert!(
            self.err.lines().any(|line| line.starts_with("  next:  ")),
            "{}",
            self.err
        );
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// The command failed for programs: the last line of standard error is the envelope.
    pub(crate) fn failed_json(&self, code: &str, exit: i32) -> Value {
        assert_eq!(
            self.exit, exit,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        let line = self.err.lines().last().expect("an envelope");
        let value: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(value["schema"], "fst.error/1");
        assert_eq!(value["ok"], false);
        assert_eq!(value["code"], code);
        assert_eq!(value["exit"], exit);
        assert!(value["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
        assert!(value["run"].is_array());
        value
    }
}

/// A server of this test alone.
#[derive(Debug)]
pub(crate) struct Server {
    embedded: Option<Embedded>,
    dir: Option<TempDir>,
}

impl Server {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let data = dir.path().join("data");
        Self {
            dir: Some(dir),
            ..Self::start_at(&data)
        }
    }

    /// Starts one whose data lies there.
    pub(crate) fn start_at(data: &Path) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let embedded = Embedded::start(data, listen).expect("a server");
        Self {
            embedded: Some(embedded),
            dir: None,
        }
    }

    /// Starts one that speaks TLS with a certificate of its own.
    pub(crate) fn start_with_tls() -> Self {
        Self::start_with(|options| options.tls = Some(Tls::Own))
    }

    /// Starts one with other settings.
    pub(crate) fn start_with(set: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut options = Options::new(&dir.path().join("data"), listen);
        set(&mut options);
        Self {
            embedded: Some(Embedded::start_with(options).expect("a server")),
            dir: Some(dir),
        }
    }

    /// What `fst-server` answers on its data, beside the running server.
    pub(crate) fn administer(&self, words: &[&str]) -> String {
        let program = Path::new(FST).with_file_name("fst-server");
        let dir = self.dir.as_ref().expect("data of this test alone");
        let mut command = Command::new(program);
        let command = command
            .args(words)
            .arg("--data")
            .arg(dir.path().join("data"));
        Run::from(&command.output().expect("the server's command"))
            .ok()
            .out
    }

    /// The key that it shows.
    pub(crate) fn pin(&self) -> String {
        self.running().pin.expect("TLS").to_string()
    }

    fn running(&self) -> &Embedded {
        self.embedded.as_ref().expect("a running server")
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.running().url.clone()
    }

    /// Its set-up code.
    pub(crate) fn code(&self) -> String {
        self.running().setup_code.clone().expect("a set-up code")
    }

    /// Stops it, as an outage does.
    pub(crate) fn stop(&mut self) {
        if let Some(embedded) = self.embedded.take() {
            embedded.stop().expect("a clean stop");
        }
    }
}

/// Something that speaks HTTP but is no server of ours.
pub(crate) fn stranger() -> String {
    always("200 OK", "text/html", "<html>hi</html")
}

/// A server that takes less than this client sends.
pub(crate) fn too_small() -> String {
    let problem = Problem::new(ErrorCode::TooLarge, "request body");
    let problem = serde_json::to_string(&problem).expect("JSON");
    always(
        "413 Content Too Large",
        "application/problem+json",
        &problem,
    )
}

/// Something that gives every request the same answer.
fn always(status: &str, kind: &str, body: &str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _asked = stream.read(&mut [0; 4096]);
            let _answered = stream.write_all(answer.as_bytes());
        }
    });
    url
}

/// An address where nothing listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}
