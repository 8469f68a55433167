//! What every command needs: the client's directories, the flags, the look of the terminal.
//!
//! Made once by [`crate::cmd::run_line`]. Invariant: everything from the environment is read here.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fst_client::Client;
use fst_client::clock::SystemClock;
use fst_client::dirs::{Dirs, Variables};
use fst_daemon::DaemonError;
use fst_daemon::ipc::Connection;
use fst_proto::error::ErrorCode;
use fst_proto::text::printable;
use fst_proto::time::{Clock as _, UnixMillis};

use crate::args::{ColorChoice, Global};
use crate::render::Look;
use crate::report::Failure;
use crate::screen;

/// Reads one environment variable.
pub(crate) fn var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Surroundings of one command.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where our files lie.
    pub dirs: Dirs,
    /// Flags of every command.
    pub global: Global,
    /// How results are drawn.
    pub look: Look,
}

impl Context {
    /// Reads `HOME` and the terminal.
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let mut dirs = Dirs::from_env(&var)?;
        dirs.variables = Variables::new(std::env::vars_os());
        if let Some(file) = global.config.as_ref().or(dirs.config_override.as_ref()) {
            dirs.config_override = Some(absolute(file)?);
        }
        let look = look(&global, dirs.home.clone());
        Ok(Self { dirs, global, look })
    }

    /// Tells how a long command goes on, on standard error.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.global.quiet {
            screen::say(line.as_ref());
        }
    }

    /// Opens the device.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::open(&self.dirs)?)
    }

    /// The daemon, if one runs.
    pub(crate) fn daemon_if_any(&self) -> Result<Option<Connection>, Failure> {
        match Connection::open(&self.dirs) {
            Ok(daemon) => Ok(Some(daemon)),
            Err(DaemonError::NoDaemon { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The daemon; its absence is a failure.
    pub(crate) fn daemon(&self) -> Result<Connection, Failure> {
        Ok(Connection::open(&self.dirs)?)
    }

    /// Whether a person can be asked.
    pub(crate) fn may_ask(&self) -> bool {
        !self.global.asking.no_input && !self.global.json && std::io::stdin().is_terminal()
    }

    /// This program, to start it anew as a daemon.
    pub(crate) fn program() -> Result<PathBuf, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(ErrorCode::Internal, "this program cannot find itself")
                .because(error.to_string())
        };
        std::env::current_exe().map_err(failed)
    }

    /// The time now.
    pub(crate) fn now() -> UnixMillis {
        SystemClock.now()
    }
}

fn look(global: &Global, home: PathBuf) -> Look {
    let is_terminal = std::io::stdout().is_terminal();
    Look {
        has_color: match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => wants_color(is_terminal),
        },
        has_symbols: var("FST_ASCII").is_none() && is_utf8_locale(),
        is_plain: global.plain,
        shows_all: global.verbose > 0,
        home,
    }
}

fn wants_color(is_terminal: bool) -> bool {
    let is_off = var("NO_COLOR").is_some()
        || var("FST_NO_COLOR").is_some()
        || var("TERM").is_some_and(|term| term == "dumb");
    let is_forced = var("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    !is_off && (is_terminal || is_forced)
}

/// The first of the three variables that is set decides, as in `setlocale`.
fn is_utf8_locale() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(var);
    let name = locale.unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains("utf-8") || name.contains("utf8")
}

/// The absolute path that the user means; links are followed when it exists.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(ErrorCode::Usage, "this is not a path").because(error.to_string())
    };
    let path = std::path::absolute(path).map_err(failed)?;
    Ok(std::fs::canonicalize(&path).unwrap_or(path))
}

/// A path safe to print.
pub(crate) fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}
