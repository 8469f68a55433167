//! Each fault is made for real, found, mended, and not found again.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

fn home() -> (tempfile::TempDir, Dirs) {
    let home = tempfile::tempdir().unwrap();
    let dirs = Dirs::from_env(&|name| (name == "HOME").then(|| home.path().as_os_str().to_owned()));
    let dirs = dirs.unwrap();
    for dir in [&dirs.config, &dirs.data, &dirs.keystore(), &dirs.state] {
        fs::create_dir_all(dir).unwrap();
        fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
    }
    (home, dirs)
}

/// A process id that nobody has: that of a child that was waited for.
fn dead_pid() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

fn mended(dirs: &Dirs, wanted: &[Fault]) {
    let found = faults(dirs);
    assert_eq!(found, wanted);
    for fault in &found {
        fault.mend(dirs).unwrap();
    }
    assert_eq!(faults(dirs), []);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_others_could_read_is_closed() {
    let (_home, dirs) = home();
    let key = dirs.keystore().join("account.cbor");
    let config = dirs.config.join("config.yaml");
    for (path, found) in [(&key, 0o644), (&config, 0o440)] {
        fs::write(path, "text").unwrap();
        fs::set_permissions(path, Permissions::from_mode(found)).unwrap();
    }
    fs::set_permissions(&dirs.state, Permissions::from_mode(0o755)).unwrap();
    let fault = |path: &Path, want| Fault::Mode {
        path: path.to_owned(),
        want,
    };
    let wanted = [
        fault(&dirs.state, 0o700),
        fault(&config, 0o400),
        fault(&key, 0o600),
    ];
    mended(&dirs, &wanted);
    assert_eq!(
        [mode(&dirs.state), mode(&config), mode(&key)],
        [0o700, 0o400, 0o600]
    );
    assert_eq!(fs::read(&key).unwrap(), b"text");
}

#[test]
fn what_a_link_or_a_second_name_leads_to_is_left_alone() {
    let (home, dirs) = home();
    let theirs = home.path().join("dotfiles.yaml");
    fs::write(&theirs, "text").unwrap();
    fs::set_permissions(&theirs, Permissions::from_mode(0o644)).unwrap();
    symlink(&theirs, dirs.config.join("config.yaml")).unwrap();
    fs::hard_link(&theirs, log::path_of(&dirs)).unwrap();
    let dir = home.path().join("photos");
    fs::create_dir(&dir).unwrap();
    let name = format!("verify-{}", "a".repeat(32));
    symlink(&dir, dirs.state.join(name)).unwrap();
    assert_eq!(faults(&dirs), []);
    assert_eq!(mode(&theirs), 0o644);
}

#[test]
fn what_a_dead_daemon_left_goes() {
    let (_home, dirs) = home();
    let socket = dirs.state.join("daemon.sock");
    drop(UnixListener::bind(&socket).unwrap());
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
    let record = DaemonRecord {
        pid: dead_pid(),
        socket: socket.clone(),
        started_at: 1,
        version: "3.2.0".to_owned(),
    };
    record.write(&dirs).unwrap();
    let alive = DaemonLock::take(&dirs).unwrap();
    assert_eq!(faults(&dirs), [], "a daemon runs");
    drop(alive);
    let traces = vec![socket.clone(), record::path_of(&dirs)];
    mended(&dirs, &[Fault::DeadDaemon { traces }]);
    assert!(!socket.exists());
}

#[test]
fn a_record_that_names_a_strange_file_does_not_remove_it() {
    let (home, dirs) = home();
    let theirs = home.path().join("letter.sock");
    drop(UnixListener::bind(&theirs).unwrap());
    let record = DaemonRecord {
        pid: dead_pid(),
        socket: theirs.clone(),
        started_at: 1,
        version: "3.2.0".to_owned(),
    };
    record.write(&dirs).unwrap();
    let traces = vec![record::path_of(&dirs)];
    mended(&dirs, &[Fault::DeadDaemon { traces }]);
    assert!(theirs.exists());
}

#[test]
fn what_a_killed_command_left_goes_and_what_is_in_use_stays() {
    let (_home, dirs) = home();
    let pid = dead_pid();
    let [old, measured, held] = ["verify-0", ".fst-bench-0", "verify-f"].map(|name| {
        let (what, digit) = name.split_at(name.len() - 1);
        let dir = dirs.state.join(format!("{what}{}", digit.repeat(32)));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("log.db"), "rows").unwrap();
        dir
    });
    // A verify under way, here or in another container.
    let holder = File::open(&held).unwrap();
    holder.lock().unwrap();
    let file = dirs.state.join(format!("daemon.new-{pid}"));
    fs::write(&file, "half").unwrap();
    fs::create_dir(dirs.state.join("verify-notes")).unwrap();
    fs::write(
        dirs.state.join(format!("verify-{}", "7".repeat(32))),
        "text",
    )
    .unwrap();
    let abandoned = |path: &Path| Fault::Abandoned {
        path: path.to_owned(),
    };
    mended(
        &dirs,
        &[abandoned(&measured), abandoned(&file), abandoned(&old)],
    );
    assert!(held.exists());
    assert!(!old.exists() && !measured.exists() && !file.exists());
    assert!(dirs.state.join("verify-notes").exists());
    drop(holder);
    mended(&dirs, &[abandoned(&held)]);
}

#[test]
fn the_limit_of_watches_is_raised_by_root_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut limit = WatchLimit {
        kept: dir.path().join("90-fst.conf"),
        live: dir.path().join("max_user_watches"),
        is_root: false,
    };
    fs::write(&limit.live, "8192\n").unwrap();
    let Kept::ByHand { command, .. } = limit.raise().unwrap() else {
        panic!("not root");
    };
    assert!(
        command.starts_with("echo fs.inotify.max_user_watches=1048576 | sudo tee "),
        "{command}"
    );
    assert!(!limit.kept.exists());
    limit.is_root = true;
    for _ in 0..2 {
        assert!(matches!(limit.raise().unwrap(), Kept::Done { .. }));
        assert_eq!(fs::read_to_string(&limit.live).unwrap(), "1048576\n");
        assert_eq!(
            fs::read_to_string(&limit.kept).unwrap(),
            "fs.inotify.max_user_watches=1048576\n"
        );
    }
    fs::write(&limit.kept, "vm.swappiness=1\n").unwrap();
    assert!(matches!(limit.raise().unwrap(), Kept::ByHand { .. }));
    assert_eq!(
        fs::read_to_string(&limit.kept).unwrap(),
        "vm.swappiness=1\n"
    );
}
