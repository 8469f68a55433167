//! Lets a person edit a file with the program of their choice.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::context::var;

/// The editor that is named, else `$VISUAL`, else `$EDITOR`.
pub(super) fn choose(named: Option<&str>) -> Option<OsString> {
    let configured = || ["VISUAL", "EDITOR"].into_iter().find_map(var);
    named.map(Into::into).or_else(configured)
}

/// Runs it; true when it says that all went well.
pub(super) fn run(editor: OsString, file: &Path) -> std::io::Result<bool> {
    // As git does: the command may have arguments of its own.
    let mut line = editor;
    line.push(" \"$@\"");
    let mut shell = Command::new("sh");
    let status = shell.arg("-c").arg(&line).arg("sh").arg(file).status()?;
    Ok(status.success())
}
