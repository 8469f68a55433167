//! Starting at login: the unit that systemd's user manager runs the daemon by.
//!
//! `fst daemon install | uninstall` calls [`install`] and [`uninstall`]; [`is_installed`] is for the status. Invariant: a
//! unit that is not ours, told by its first line, is never changed or removed unless that is asked for, and then it
//! stays beside; the new file is there whole or not at all. Not here: words. Source: docs/design/commands.md §5.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fst_client::dirs::{Dirs, write_durably};
use fst_proto::error::ErrorCode;

use crate::DaemonError;

/// Name of the unit.
pub const UNIT: &str = "fst.service";

/// First line of a unit of ours.
const MARKER: &str =
    "# Written by 'fst daemon install'. Changes of yours go into: systemctl --user edit fst";

/// The unit, but for what differs. What needs name spaces of its own (`ProtectSystem`, `PrivateTmp`) is not in it: a folder may
/// lie anywhere, and user managers do not have them everywhere. Nor is `UMask`: it would change the modes of synced files.
const TEMPLATE: &str = "\
{marker}
[Unit]
Description=FileSyncTool
Documentation=man:fst(1)
# A daemon that dies ten times in five minutes is left alone until somebody looks.
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
{environment}ExecStart=:{program} daemon start --foreground
# 'fst daemon stop' lasts until the next login; whatever else ends it does not.
Restart=on-failure
RestartSec=5
# Not set up, configuration invalid, another daemon runs: trying again does not help.
RestartPreventExitStatus=4 9 11
# It stops within 4 s; a kill after that is safe.
TimeoutStopSec=20
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=default.target
";

/// Variables that say where files of ours lie: the user manager may not have those of the shell.
const VARIABLES: [&str; 4] = [
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "FST_CONFIG",
];

/// Whether a unit that is not ours may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// It stays as it is.
    Refuse,
    /// It is kept beside as `fst.service.old`.
    Replace,
}

/// What was done to the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It was as it should be.
    No,
    /// It was written, or removed.
    Yes,
    /// It was written, and what was there before lies beside it.
    SetAside,
}

/// What a manager was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// No user manager answers: nothing was.
    Silent,
    /// To start the daemon at login.
    Enabled,
    /// The same, and to start it now.
    Started,
    /// To stop it and not to start it any more.
    Disabled,
}

/// What to do about what lies where the unit belongs.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Write,
    SetAside,
    Refuse,
}

/// Where the unit lies.
#[must_use]
pub fn unit_path(dirs: &Dirs) -> PathBuf {
    let config = dirs.config.parent().unwrap_or(&dirs.config);
    config.join("systemd/user").join(UNIT)
}

/// Whether a unit of this name is there, ours or not.
#[must_use]
pub fn is_installed(dirs: &Dirs) -> bool {
    unit_path(dirs).symlink_metadata().is_ok()
}

/// Writes the unit for `program`, and tells a user manager that can be reached; `is_running` says that a daemon runs already.
///
/// May be called again.
/// # Errors
/// [`ErrorCode::InTheWay`] for a unit that is not ours; [`ErrorCode::Usage`] when a unit cannot hold the paths;
/// [`ErrorCode::Io`] when the manager refuses: the unit stays.
pub fn install(
    dirs: &Dirs,
    program: &Path,
    foreign: Foreign,
    is_running: bool,
) -> Result<(Changed, Manager), DaemonError> {
    let path = unit_path(dirs);
    let text = unit(program, &environment(dirs)?)?;
    let found = read(&path)?;
    let changed = match decide(found.as_deref(), &text, foreign) {
        Step::Refuse => return Err(in_the_way(&path)),
        Step::Keep => Changed::No,
        Step::Write => Changed::Yes,
        Step::SetAside => {
            let aside = aside(&path);
            std::fs::rename(&path, &aside).map_err(failed("set aside", &path))?;
            Changed::SetAside
        },
    };
    if changed != Changed::No {
        write_durably(&path, text.as_bytes()).map_err(failed("write", &path))?;
    }
    if !is_manager_there() {
        return Ok((changed, Manager::Silent));
    }
    tell_manager(&["daemon-reload"])?;
    // A daemon that was started by hand holds the lock: a second one would only fail.
    if is_running && !is_active() {
        tell_manager(&["enable", UNIT])?;
        return Ok((changed, Manager::Enabled));
    }
    tell_manager(&["enable", "--now", UNIT])?;
    Ok((changed, Manager::Started))
}

/// Removes the unit, after a user manager that can be reached has stopped the daemon that runs by it.
///
/// May be called again.
/// # Errors
/// As [`install`].
pub fn uninstall(dirs: &Dirs) -> Result<(Changed, Manager), DaemonError> {
    let path = unit_path(dirs);
    let Some(found) = read(&path)? else {
        return Ok((Changed::No, Manager::Silent));
    };
    if !is_ours(&found) {
        return Err(in_the_way(&path));
    }
    let is_there = is_manager_there();
    if is_there {
        tell_manager(&["disable", "--now", UNIT])?;
    }
    std::fs::remove_file(&path).map_err(failed("remove", &path))?;
    if is_there {
        tell_manager(&["daemon-reload"])?;
        return Ok((Changed::Yes, Manager::Disabled));
    }
    // What the manager would have done: the link by which the unit starts at login.
    let link = path.with_file_name("default.target.wants").join(UNIT);
    if link.is_symlink() {
        std::fs::remove_file(&link).map_err(failed("remove", &link))?;
    }
    Ok((Changed::Yes, Manager::Silent))
}

/// Where a unit that is replaced is kept; systemd reads no file of this name.
#[must_use]
pub fn aside(path: &Path) -> PathBuf {
    path.with_extension("service.old")
}

fn decide(found: Option<&str>, wanted: &str, foreign: Foreign) -> Step {
    match (found, foreign) {
        (None, _) => Step::Write,
        (Some(found), _) if found == wanted => Step::Keep,
        (Some(found), _) if is_ours(found) => Step::Write,
        (Some(_), Foreign::Refuse) => Step::Refuse,
        (Some(_), Foreign::Replace) => Step::SetAside,
    }
}

fn is_ours(unit: &str) -> bool {
    unit.lines().next() == Some(MARKER)
}

/// The unit for this program in these surroundings.
fn unit(program: &Path, environment: &[(&str, String)]) -> Result<String, DaemonError> {
    let program = text_of(program)?;
    // systemd takes no program with these in its name, quoted or not.
    if program.contains(['"', '\'', '\\']) {
        return Err(not_in_a_unit(program));
    }
    let program = quoted(&program)?;
    let words = environment.iter().map(|(name, value)| {
        let word = quoted(&format!("{name}={value}"))?;
        Ok(format!("Environment={word}\n"))
    });
    let lines: String = words.collect::<Result<_, DaemonError>>()?;
    let unit = TEMPLATE.replace("{marker}", MARKER);
    // The paths last: nothing is put into what they say.
    let (head, tail) = unit.split_once("{environment}").unwrap_or((&unit, ""));
    let tail = tail.replacen("{program}", &program, 1);
    Ok(format!("{head}{lines}{tail}"))
}

/// Those that decide where files lie, as this command was called.
fn environment(dirs: &Dirs) -> Result<Vec<(&'static str, String)>, DaemonError> {
    let mut out = Vec::new();
    let own = dirs.config_override.as_deref();
    for name in VARIABLES {
        let value = match (name, own) {
            ("FST_CONFIG", Some(file)) => Some(text_of(file)?),
            (name, _) => dirs.variables.get(name).map(str::to_owned),
        };
        out.extend(value.map(|value| (name, value)));
    }
    Ok(out)
}

fn text_of(path: &Path) -> Result<String, DaemonError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| not_in_a_unit(path.display()))
}

/// One word of a unit: quoted, with nothing left that systemd would replace. `ExecStart=:` leaves `$` alone.
fn quoted(word: &str) -> Result<String, DaemonError> {
    if word.chars().any(char::is_control) {
        return Err(not_in_a_unit(word.escape_debug()));
    }
    let word = word.replace('\\', r"\\").replace('"', r#"\""#);
    Ok(format!("\"{}\"", word.replace('%', "%%")))
}

fn read(path: &Path) -> Result<Option<String>, DaemonError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => Ok(None),
        // A link to nowhere is somebody's.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(String::new())),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Whether there is a user manager, as in a session of a machine that systemd runs; a container has none.
fn is_manager_there() -> bool {
    systemctl(&["show-environment"]).is_ok_and(|output| output.status.success())
}

/// Whether the daemon that runs is the manager's.
fn is_active() -> bool {
    systemctl(&["is-active", UNIT]).is_ok_and(|output| output.status.success())
}

fn tell_manager(words: &[&str]) -> Result<(), DaemonError> {
    let output = systemctl(words).map_err(failed("run", Path::new("systemctl")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("no reason given");
    let detail = format!("systemctl --user {}: {said}", words.join(" "));
    Err(DaemonError::refused(ErrorCode::Io, detail))
}

/// It ends by itself: its questions to the manager have time limits of their own.
fn systemctl(words: &[&str]) -> io::Result<std::process::Output> {
    let mut command = Command::new("systemctl");
    command.args(["--user", "--no-pager", "--no-ask-password"]);
    command.args(words).stdin(Stdio::null()).output()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DaemonError {
    let path = path.to_owned();
    move |source| DaemonError::File { what, path, source }
}

fn in_the_way(path: &Path) -> DaemonError {
    let detail = format!("{} is not from 'fst daemon install'", path.display());
    DaemonError::refused(ErrorCode::InTheWay, detail)
}

fn not_in_a_unit(path: impl std::fmt::Display) -> DaemonError {
    let detail = format!("systemd cannot be told of a path such as {path}");
    DaemonError::refused(ErrorCode::Usage, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec_start(program: &str) -> String {
        let unit = unit(Path::new(program), &[]).unwrap();
        let line = unit.lines().find(|line| line.starts_with("ExecStart"));
        line.unwrap().to_owned()
    }

    #[test]
    fn systemd_replaces_nothing_in_a_path() {
        for (program, line) in [
            ("/usr/bin/fst", r#"ExecStart=:"/usr/bin/fst" daemon"#),
            ("/opt/my tools/fst", r#"ExecStart=:"/opt/my tools/fst" "#),
            ("/opt/100%h/fst", r#"ExecStart=:"/opt/100%%h/fst" "#),
            ("/opt/$HOME/fst", r#"ExecStart=:"/opt/$HOME/fst" "#),
            ("/{program}/fst", r#"ExecStart=:"/{program}/fst" "#),
        ] {
            assert!(exec_start(program).starts_with(line), "{program}");
        }
        for path in ["/two\nlines", "/\u{7f}", "/a\"", "/a'", "/a\\"] {
            assert!(unit(Path::new(path), &[]).is_err(), "{path:?}");
        }
    }

    #[test]
    fn the_unit_takes_along_where_files_lie() {
        let unit = unit(
            Path::new("/usr/bin/fst"),
            &[("XDG_DATA_HOME", r#"/a b/%c/"\"#.into())],
        );
        let unit = unit.unwrap();
        assert!(unit.contains(
            r#"
Environment="XDG_DATA_HOME=/a b/%%c/\"\\"
ExecStart=:"/usr/bin/fst" daemon"#
        ));
        assert!(is_ours(&unit));
    }

    #[test]
    fn what_is_not_ours_stays_unless_that_is_asked_for() {
        let wanted = unit(Path::new("/usr/bin/fst"), &[]).unwrap();
        let older = unit(Path::new("/old/fst"), &[]).unwrap();
        let rows = [
            (None, Foreign::Refuse, Step::Write),
            (Some(wanted.as_str()), Foreign::Refuse, Step::Keep),
            (Some(wanted.as_str()), Foreign::Replace, Step::Keep),
            (Some(older.as_str()), Foreign::Refuse, Step::Write),
            (Some("[Unit]\n"), Foreign::Refuse, Step::Refuse),
            (Some("[Unit]\n"), Foreign::Replace, Step::SetAside),
            (Some(""), Foreign::Refuse, Step::Refuse),
        ];
        for (found, foreign, step) in rows {
            assert_eq!(decide(found, &wanted, foreign), step, "{found:?}");
        }
    }
}
