//! `fst daemon install`, with and without a user manager; and the unit of the product brief under a supervisor.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::world::{FST, Home, Run, Server};

const UNIT: &str = ".config/systemd/user/fst.service";

const BRIEF: &str = include_str!("../../../../testdata/brief/fst.service");

/// A `systemctl` that notes what it is told, and answers with these exit codes: to `is-active`, and to all else.
fn play_manager(home: &Home, is_active: u8, other: u8) {
    home.make_dir("bin");
    let script = format!(
        "#!/bin/sh\nshift 3\necho \"$@\" >> '{}'\ncase $1 in is-active) exit {is_active};; *) exit {other};; esac\n",
        home.path("told").display()
    );
    let file = home.path("bin/systemctl");
    fs::write(&file, script).expect("ours");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("ours");
    fs::write(home.path("told"), "").expect("ours");
}

/// Runs a line beside that `systemctl`.
fn managed(home: &Home, line: &str) -> Run {
    home.shell(&format!("PATH=\"$HOME/bin:$PATH\"; {line}"))
}

#[test]
fn without_a_manager_the_lines_are_told() {
    let home = Home::new();
    play_manager(&home, 1, 1);
    let run = managed(&home, "fst daemon install").ok();
    for line in [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now fst",
        "loginctl enable-linger",
        "undo: fst daemon uninstall",
    ] {
        assert!(run.out.contains(line), "{}", run.out);
    }
    assert_eq!(home.read("told"), "show-environment\n");
    let unit = home.read(UNIT);
    let program = fs::canonicalize(FST).expect("a program");
    let start = format!(
        "ExecStart=:\"{}\" daemon start --foreground\n",
        program.display()
    );
    assert!(unit.contains(&start), "{unit}");
    let again = managed(&home, "fst daemon install --json").ok().json();
    assert_eq!(again["data"]["changed"], false);
    assert!(again["undo"].is_null(), "{again}");
    let link = home.path(".config/systemd/user/default.target.wants/fst.service");
    fs::create_dir_all(link.parent().expect("a directory")).expect("ours");
    std::os::unix::fs::symlink("../fst.service", &link).expect("a link");
    managed(&home, "fst daemon uninstall").ok();
    assert!(!home.path(UNIT).exists() && !link.is_symlink());
    let gone = managed(&home, "fst daemon uninstall --json").ok().json();
    assert_eq!(gone["data"]["changed"], false);
}

#[test]
fn a_manager_is_told_to_start_and_to_stop_it() {
    let home = Home::new();
    play_manager(&home, 1, 0);
    let run = managed(&home, "fst daemon install --json").ok().json();
    assert_eq!(run["data"]["manager"], "started");
    managed(&home, "fst daemon uninstall").ok();
    let told = "show-environment\ndaemon-reload\nenable --now fst.service\n\
                show-environment\ndisable --now fst.service\ndaemon-reload\n";
    assert_eq!(home.read("told"), told);
}

#[test]
fn a_daemon_that_was_started_by_hand_is_left_alone() {
    let server = Server::start();
    let home = Home::first(&server);
    home.fst(["daemon", "start"]).ok();
    play_manager(&home, 1, 0);
    let run = managed(&home, "fst daemon install").ok();
    assert!(
        run.out.contains("systemctl --user start fst"),
        "{}",
        run.out
    );
    let told = "show-environment\ndaemon-reload\nis-active fst.service\nenable fst.service\n";
    assert_eq!(home.read("told"), told);
    home.fst(["daemon", "status"]).ok();
}

#[test]
fn the_unit_of_somebody_else_stays() {
    let home = Home::new();
    play_manager(&home, 1, 1);
    home.make_dir(".config/systemd/user");
    home.write(UNIT, "[Unit]\n");
    managed(&home, "fst daemon install").failed("FST-6022", 6);
    managed(&home, "fst daemon uninstall").failed("FST-6022", 6);
    assert_eq!(home.read(UNIT), "[Unit]\n");
    managed(&home, "fst daemon install --force").ok();
    assert_eq!(home.read(format!("{UNIT}.old")), "[Unit]\n");
    managed(&home, "fst daemon uninstall").ok();
}

#[test]
fn the_status_offers_it_until_it_is_there() {
    let server = Server::start();
    let home = Home::first(&server);
    play_manager(&home, 1, 1);
    let offer = "fst daemon install";
    assert!(home.fst(["status"]).ok().out.contains(offer));
    managed(&home, "fst daemon install").ok();
    assert!(!home.fst(["status"]).ok().out.contains(offer));
}

/// A program whose path has all that systemd would replace, in surroundings that are not the usual ones.
#[test]
fn systemd_takes_the_unit() {
    let analyze = Command::new("systemd-analyze").arg("--version").output();
    if analyze.is_err() {
        eprintln!("SKIPPED: there is no systemd-analyze here to read the unit");
        return;
    }
    let home = Home::new();
    play_manager(&home, 1, 1);
    let dir = home.make_dir("my tools 100%h $HOME");
    let program = home.path(&dir).join("fst");
    fs::copy(FST, &program).expect("a copy");
    home.make_dir("state %t \"");
    home.shell(&format!(
        "PATH=\"$HOME/bin:$PATH\" XDG_STATE_HOME=\"$HOME/state %t \\\"\" '{}' daemon install",
        program.display()
    ))
    .ok();
    let verify = format!("XDG_RUNTIME_DIR=$HOME systemd-analyze --user verify --man=no {UNIT}");
    let run = home.shell(&verify);
    // It speaks of other units of the machine too.
    let about = run.err.lines().filter(|line| line.contains("fst"));
    let about: Vec<&str> = about.collect();
    assert!(run.exit == 0 && about.is_empty(), "{}", run.err);
    let unit = home.read(UNIT);
    home.write(UNIT, unit.replace("my tools", "no tools"));
    let broken = home.shell(&verify);
    assert!(
        broken.err.contains("no tools 100%h $HOME/fst"),
        "it looks for the program: {}",
        broken.err
    );
}

/// As systemd does by the unit of the brief: no session, no `XDG_RUNTIME_DIR`, the variables of a service, and `Restart=always`.
#[test]
fn the_unit_of_the_brief_works_as_printed() {
    let value = |key: &str| {
        let mut lines = BRIEF.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    assert_eq!(value("Type"), Some("simple"));
    assert_eq!(value("Restart"), Some("always"));
    let start = value("ExecStart").expect("a command");
    let words = start
        .strip_prefix("/usr/local/bin/fst ")
        .expect("our program");
    let server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.fst(["daemon", "stop"]).ok();
    let notify = UnixDatagram::bind(home.path("notify")).expect("a socket");
    let line = format!("SYSTEMD_EXEC_PID=$$ exec '{FST}' {words}");
    for (n, signal) in ["KILL", "TERM"].into_iter().enumerate() {
        let mut command = home.command("sh");
        command.args(["-c", &line]).current_dir("/");
        command.env("NOTIFY_SOCKET", home.path("notify"));
        command
            .env("JOURNAL_STREAM", "8:1")
            .env("INVOCATION_ID", "0123");
        let mut daemon = command.spawn().expect("a daemon");
        home.shell("until fst daemon status >/dev/null; do :; done")
            .ok();
        let pid = home.status()["daemon_pid"].clone();
        assert_eq!(pid, daemon.id(), "the process that systemd started");
        home.write("Documents/plan", n.to_string());
        home.wait();
        home.shell(&format!("kill -{signal} {pid}")).ok();
        let ended = daemon.wait().expect("it ends");
        assert_eq!(ended.success(), signal == "TERM", "{ended}");
    }
    drop(notify);
}
