//! The demo's world: a server, two devices with homes and daemons of their own, gates between them.
//!
//! Invariant: dropping it ends every process it started, by id, and removes the folder.

use std::error::Error;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fst_client::dirs::Dirs;
use fst_daemon::ipc::Connection;
use fst_proto::error::ErrorCode;
use fst_server::Embedded;
use serde_json::Value;
use tempfile::TempDir;

use super::gate::Gate;
use super::patience::wait_until;
use crate::context::Context;
use crate::report::Failure;

/// Longest time one sync of the demo may take.
const SYNC_LIMIT: Duration = Duration::from_secs(30);

/// Variables that would lead a device out of its own home.
const FOREIGN: [&str; 5] = [
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// Server and devices.
#[derive(Debug)]
pub(super) struct Stage {
    /// First device.
    pub anna: Device,
    /// Second device.
    pub bo: Device,
    /// What the server keeps.
    pub server_dir: PathBuf,
    server: Option<Embedded>,
    /// Dropped last: everything above lives in it.
    _temp: TempDir,
}

/// One device: a home, a synced folder, a daemon, a line to the server.
#[derive(Debug)]
pub(super) struct Device {
    /// The synced folder.
    pub folder: PathBuf,
    /// Its line to the server.
    pub gate: Gate,
    home: PathBuf,
    program: PathBuf,
    daemon: Option<Child>,
}

impl Stage {
    /// Starts the server and sets both devices up, the second by the join string of the first.
    pub(super) fn set() -> Result<Self, Failure> {
        let temp = tempfile::Builder::new()
            .prefix("fst-demo-")
            .tempdir()
            .map_err(io)?;
        let server_dir = temp.path().join("server");
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Embedded::start(&server_dir, any_port).map_err(|e| no_server(&e))?;
        let address = server
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let address = address
            .parse()
            .map_err(|e: std::net::AddrParseError| no_server(&e))?;
        let code = server.setup_code.clone().unwrap_or_default();
        let anna = Device::new(temp.path(), "anna", address)?;
        let bo = Device::new(temp.path(), "bo", address)?;
        let mut stage = Self {
            anna,
            bo,
            server_dir,
            server: Some(server),
            _temp: temp,
        };
        stage.anna.set_up("--setup-code", &code)?;
        let invited = stage.anna.fst(&["devices", "invite"])?;
        let join = invited["data"]["join"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        stage.bo.set_up("--join", &join)?;
        Ok(stage)
    }

    /// Waits until both devices have everything.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.anna.sync()?;
        self.bo.sync()?;
        self.anna.sync()
    }

    /// Ends daemons and server; what stays is the folder, removed on drop.
    pub(super) fn strike(mut self) -> Result<(), Failure> {
        self.anna.stop()?;
        self.bo.stop()?;
        if let Some(server) = self.server.take() {
            server.stop().map_err(|e| no_server(&e))?;
        }
        Ok(())
    }
}

impl Device {
    fn new(temp: &Path, name: &str, server: SocketAddr) -> Result<Self, Failure> {
        let home = temp.join(name);
        let folder = home.join("Shared");
        std::fs::create_dir_all(&folder).map_err(io)?;
        let gate = Gate::open(server).map_err(io)?;
        Ok(Self {
            folder,
            gate,
            home,
            program: Context::program()?,
            daemon: None,
        })
    }

    fn set_up(&mut self, credential: &str, value: &str) -> Result<(), Failure> {
        let name = self
            .home
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let url = self.gate.url.clone();
        self.fst(&["init", "--server", &url, credential, value, "--name", &name])?;
        let folder = self.folder.to_string_lossy().into_owned();
        self.fst(&["add", &folder, "--two-way"])?;
        self.start()
    }

    /// A path inside the synced folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts the daemon as a process of its own.
    pub(super) fn start(&mut self) -> Result<(), Failure> {
        let child = self
            .command(&["daemon", "start", "--foreground"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io)?;
        self.daemon = Some(child);
        let dirs = self.dirs()?;
        wait_until("a daemon answers", || Connection::open(&dirs).is_ok()).map(drop)
    }

    /// Kills the daemon as a power cut would.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().map_err(io)?;
            daemon.wait().map_err(io)?;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.fst(&["daemon", "stop"])?;
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().map_err(io)?;
        }
        Ok(())
    }

    /// Waits until this device has sent and received everything.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        let mut daemon = Connection::open(&self.dirs()?)?;
        Ok(daemon.wait(None, SYNC_LIMIT)?)
    }

    /// Runs one command of this program on this device and returns its JSON.
    fn fst(&self, words: &[&str]) -> Result<Value, Failure> {
        let output = self
            .command(words)
            .args(["--json", "--no-input"])
            .output()
            .map_err(io)?;
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).map_err(|error| {
                Failure::new(
                    ErrorCode::Internal,
                    "a command of the demo said nothing useful",
                )
                .because(error.to_string())
            });
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(
            Failure::new(ErrorCode::Internal, "a command of the demo failed")
                .because(words.join(" "))
                .because(said),
        )
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .env("HOME", &self.home)
            .stdin(Stdio::null());
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
    }

    fn dirs(&self) -> Result<Dirs, Failure> {
        let home = OsString::from(&self.home);
        Ok(Dirs::from_env(&|name| {
            (name == "HOME").then(|| home.clone())
        })?)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // On a failure in between; a daemon that has ended already cannot be killed, which is as well.
        self.kill().unwrap_or_default();
    }
}

fn no_server(error: &dyn Error) -> Failure {
    Failure::new(ErrorCode::ServerFailed, "the demo's server failed")
        .because(fst_client::error::chain(error))
}

/// The demo's own files failed.
#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
pub(super) fn io(error: std::io::Error) -> Failure {
    Failure::new(ErrorCode::Io, "the demo's files failed").because(error.to_string())
}
