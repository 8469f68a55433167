//! A server process and the homes of some devices, in a temporary folder.
//!
//! Invariant: everything that was started is stopped when the stack is dropped.

use std::cell::Cell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Longest wait for one sync.
const PATIENCE: &str = "1800s";

/// Tries until the server has to answer.
const TRIES_MAX: usize = 10_000;

/// One server, the device `a` that edits and the device `b` that follows.
pub(crate) struct Stack {
    dir: tempfile::TempDir,
    fst: PathBuf,
    port: u16,
    server: Child,
    n_fresh: Cell<usize>,
}

impl Stack {
    /// Starts all; `fst-server` lies beside `fst`.
    pub(crate) fn start(fst: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(dir.path().join("server.log"))?;
        let server = Command::new(fst.with_file_name("fst-server"))
            .args(["start", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(dir.path().join("data"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start fst-server")?;
        let stack = Self {
            dir,
            fst: fst.to_owned(),
            port,
            server,
            n_fresh: Cell::new(0),
        };
        stack.await_server()?;
        let code = fs::read_to_string(stack.dir.path().join("data/setup-code"))?;
        stack.enrol("a", &["--setup-code", code.trim()])?;
        stack.join("b")?;
        Ok(stack)
    }

    /// The one file, as device `name` has it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder(name).join("big.bin")
    }

    /// Waits until what `a` has is at `b`.
    pub(crate) fn sync(&self) -> anyhow::Result<()> {
        self.fst("a", &["wait", "--synced", "--timeout", PATIENCE])?;
        self.fst("b", &["wait", "--synced", "--timeout", PATIENCE])?;
        Ok(())
    }

    /// Bytes that a further device receives until it has everything.
    pub(crate) fn fresh_download(&self) -> anyhow::Result<u64> {
        let before = self.traffic()?;
        self.n_fresh.set(self.n_fresh.get() + 1);
        let name = format!("fresh-{}", self.n_fresh.get());
        self.join(&name)?;
        self.fst(&name, &["wait", "--synced", "--timeout", PATIENCE])?;
        Ok(self.traffic()?.1 - before.1)
    }

    /// Bytes that the server received and sent so far.
    pub(crate) fn traffic(&self) -> anyhow::Result<(u64, u64)> {
        let text = self.metrics().context("ask for metrics")?;
        let of = |direction: &str| {
            let lines = text.lines().filter(|line| {
                line.starts_with("fst_bandwidth_usage_bytes{") && line.contains(direction)
            });
            lines.filter_map(value_of).sum()
        };
        Ok((of("\"upload\""), of("\"download\"")))
    }

    /// Sum of a metric's samples.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.metrics().context("ask for metrics")?;
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with(name))
            .peekable();
        if lines.peek().is_none() {
            bail!("no metric {name}");
        }
        Ok(lines.filter_map(value_of).sum())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name).join("Docs")
    }

    fn join(&self, name: &str) -> anyhow::Result<()> {
        let invite: Value =
            serde_json::from_slice(&self.fst("a", &["devices", "invite", "--json"])?)?;
        let join = invite["data"]["join"].as_str().context("join string")?;
        self.enrol(name, &["--join", join])
    }

    fn enrol(&self, name: &str, how: &[&str]) -> anyhow::Result<()> {
        let folder = self.folder(name);
        fs::create_dir_all(&folder)?;
        let url = format!("http://127.0.0.1:{}", self.port);
        let init = ["init", "--server", &url, "--name", name, "--no-input"];
        self.fst(name, &[&init, how].concat())?;
        let folder = folder.to_str().context("path")?;
        self.fst(
            name,
            &["add", folder, "--two-way", "--remote-path", "/Docs"],
        )?;
        self.fst(name, &["daemon", "start"])?;
        Ok(())
    }

    fn fst(&self, name: &str, args: &[&str]) -> anyhow::Result<Vec<u8>> {
        let output = Command::new(&self.fst)
            .env("HOME", self.dir.path().join(name))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .context("start fst")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            bail!("fst {args:?} of {name}: {}\n{text}", output.status);
        }
        Ok(output.stdout)
    }

    fn await_server(&self) -> anyhow::Result<()> {
        for _ in 0..TRIES_MAX {
            if self.metrics().is_some() {
                return Ok(());
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        bail!("the server does not answer")
    }

    fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        let (_, body) = reply.split_once("\r\n\r\n")?;
        body.contains("fst_").then(|| body.to_owned())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let fresh = (1..=self.n_fresh.get()).map(|n| format!("fresh-{n}"));
        for name in ["a".to_owned(), "b".to_owned()].into_iter().chain(fresh) {
            drop(self.fst(&name, &["daemon", "stop"]));
        }
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Value of a sample line, in whole bytes.
fn value_of(line: &str) -> Option<u64> {
    let value = line.rsplit(' ').next()?;
    value.split('.').next()?.parse().ok()
}
