//! Running other programs, with their output shown as it comes.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use crate::say::say;

/// What a program printed and whether it succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) is_ok: bool,
    pub(crate) text: String,
}

/// The cargo that runs us, working in `dir`.
pub(crate) fn cargo(dir: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(dir);
    command
}

/// Runs `command` on our own terminal; true when it succeeded.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<bool> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    Ok(status.success())
}

/// Runs `command` without showing its output.
pub(crate) fn run_quietly(command: &mut Command) -> anyhow::Result<Captured> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {command:?}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Captured {
        is_ok: output.status.success(),
        text,
    })
}

/// Runs `command`, shows each line as it comes and keeps it.
///
/// Returns when both of its streams are closed: a daemon that it leaves behind must have closed them.
pub(crate) fn run_and_capture(command: &mut Command) -> anyhow::Result<Captured> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let text = Mutex::new(String::new());
    std::thread::scope(|scope| {
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        scope.spawn(|| echo(stdout, &text));
        scope.spawn(|| echo(stderr, &text));
    });
    let status = child
        .wait()
        .with_context(|| format!("wait for {command:?}"))?;
    let text = text.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Captured {
        is_ok: status.success(),
        text,
    })
}

fn echo(stream: Option<impl Read>, text: &Mutex<String>) {
    let Some(stream) = stream else { return };
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        say(&line);
        let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&line);
        text.push('\n');
    }
}

/// True when `program` is found on the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
