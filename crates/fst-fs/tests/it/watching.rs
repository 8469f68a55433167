//! Watchers, on a real folder and scripted.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use fst_fs::watch::{LostReason, NotifyWatch, ScriptedWatch, Watch, WatchEvent, Watching};
use fst_proto::path::RelPath;

/// Long enough for a busy machine; a good run waits for nothing.
const PATIENCE: Duration = Duration::from_secs(20);

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn start(watch: &dyn Watch, root: &Path) -> (Box<dyn Watching>, Receiver<WatchEvent>) {
    let (send, receive) = channel();
    let on_event = Box::new(move |event| drop(send.send(event)));
    (watch.start(root, on_event).expect("start"), receive)
}

/// Waits for a change at `at`; returns the paths seen until then.
fn wait_for(events: &Receiver<WatchEvent>, at: &str) -> Vec<RelPath> {
    let mut seen = Vec::new();
    loop {
        match events.recv_timeout(PATIENCE).expect("the event comes") {
            WatchEvent::Changed(changed)
            | WatchEvent::Closed(changed)
            | WatchEvent::Renamed(changed) => {
                let is_it = changed == path(at);
                seen.push(changed);
                if is_it {
                    return seen;
                }
            },
            WatchEvent::Overflow => {},
            WatchEvent::Lost(reason) => unreachable!("{reason:?}"),
        }
    }
}

#[test]
fn changes_are_reported_where_they_happen() {
    let folder = tempfile::tempdir().expect("make a directory");
    let root = folder.path();
    fs::create_dir_all(root.join("old/deep")).expect("make");
    let (_watching, events) = start(&NotifyWatch, root);
    fs::write(root.join("old/deep/a"), b"x").expect("write");
    wait_for(&events, "old/deep/a");
    fs::rename(root.join("old/deep/a"), root.join("b")).expect("rename");
    wait_for(&events, "b");
    fs::remove_file(root.join("b")).expect("remove");
    wait_for(&events, "b");
    fs::create_dir(root.join("new")).expect("make");
    wait_for(&events, "new");
    // The inside of a new directory is watched soon after; until then a write may pass unseen.
    let is_seen = (0..1_000).any(|n| {
        fs::write(root.join("new").join(format!("f{n}")), b"x").expect("write");
        let event = events.recv_timeout(Duration::from_millis(50));
        matches!(event, Ok(WatchEvent::Changed(at)) if at.starts_with(&path("new")) && at != path("new"))
    });
    assert!(is_seen);
}

#[test]
fn our_own_directory_is_not_reported() {
    let folder = tempfile::tempdir().expect("make a directory");
    let root = folder.path();
    fs::create_dir_all(root.join(".fst/stage")).expect("make");
    let (_watching, events) = start(&NotifyWatch, root);
    fs::write(root.join(".fst/stage/t"), b"x").expect("write");
    fs::rename(root.join(".fst/stage/t"), root.join("a")).expect("rename");
    let seen = wait_for(&events, "a");
    assert_eq!(seen, [path("a")]);
}

#[test]
fn looking_is_no_change() {
    let folder = tempfile::tempdir().expect("make a directory");
    let root = folder.path();
    fs::write(root.join("a"), b"x").expect("write");
    let (_watching, events) = start(&NotifyWatch, root);
    fs::read(root.join("a")).expect("read");
    assert_eq!(fs::read_dir(root).expect("list").count(), 1);
    fs::write(root.join("b"), b"x").expect("write");
    assert_eq!(wait_for(&events, "b"), [path("b")]);
}

#[test]
fn a_folder_that_goes_is_told() {
    let home = tempfile::tempdir().expect("make a directory");
    let root = home.path().join("folder");
    fs::create_dir(&root).expect("make");
    let (_watching, events) = start(&NotifyWatch, &root);
    fs::rename(&root, home.path().join("elsewhere")).expect("rename");
    loop {
        match events.recv_timeout(PATIENCE).expect("the event comes") {
            WatchEvent::Lost(LostReason::RootGone) => return,
            WatchEvent::Lost(reason) => unreachable!("{reason:?}"),
            WatchEvent::Changed(_)
            | WatchEvent::Closed(_)
            | WatchEvent::Renamed(_)
            | WatchEvent::Overflow => {},
        }
    }
}

#[test]
fn a_missing_folder_cannot_be_watched() {
    let home = tempfile::tempdir().expect("make a directory");
    let started = NotifyWatch.start(&home.path().join("none"), Box::new(|_| {}));
    assert!(matches!(started, Err(LostReason::RootGone)), "{started:?}");
}

#[test]
fn directories_that_refuse_do_not_hide_the_others() {
    crate::worlds::as_nobody(|| {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("make a directory");
        let root = folder.path();
        for n in 0..20 {
            fs::create_dir_all(root.join(format!("d{n:02}/deep"))).expect("make");
        }
        let shut = |mode| {
            for n in (0..20).step_by(2) {
                let permissions = fs::Permissions::from_mode(mode);
                fs::set_permissions(root.join(format!("d{n:02}")), permissions).expect("chmod");
            }
        };
        shut(0);
        let (watching, events) = start(&NotifyWatch, root);
        for n in (1..20).step_by(2) {
            fs::write(root.join(format!("d{n:02}/deep/f")), b"x").expect("write");
            wait_for(&events, &format!("d{n:02}/deep/f"));
        }
        drop(watching);
        shut(0o700);
    });
}

#[test]
fn a_dropped_watch_ends() {
    let folder = tempfile::tempdir().expect("make a directory");
    let (watching, events) = start(&NotifyWatch, folder.path());
    drop(watching);
    // The thread ends and lets go of the sender.
    loop {
        match events.recv_timeout(PATIENCE) {
            Ok(_) => {},
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => unreachable!("still watching"),
        }
    }
}

#[test]
fn a_save_ends_with_its_closing_and_renames_are_told_apart() {
    let folder = tempfile::tempdir().expect("make a directory");
    let root = folder.path();
    let (_watching, events) = start(&NotifyWatch, root);
    let next = || events.recv_timeout(PATIENCE).expect("the event comes");
    fs::write(root.join("a"), b"x").expect("write");
    assert!(matches!(next(), WatchEvent::Changed(_)), "made");
    assert!(matches!(next(), WatchEvent::Changed(_)), "written");
    assert!(matches!(next(), WatchEvent::Closed(at) if at == path("a")));
    fs::rename(root.join("a"), root.join("b")).expect("rename");
    assert!(matches!(next(), WatchEvent::Renamed(at) if at == path("a")));
    assert!(matches!(next(), WatchEvent::Renamed(at) if at == path("b")));
    drop(fs::File::open(root.join("b")).expect("open"));
    fs::remove_file(root.join("b")).expect("remove");
    while !matches!(next(), WatchEvent::Renamed(at) if at == path("b")) {}
}

#[test]
fn a_scripted_watch_says_what_it_is_told() {
    let watch = ScriptedWatch::new();
    let (first, events) = start(&watch, Path::new("/"));
    let (second, others) = start(&watch, Path::new("/"));
    watch.emit(|| WatchEvent::Changed(path("a")));
    assert_eq!(wait_for(&events, "a"), [path("a")]);
    assert_eq!(wait_for(&others, "a"), [path("a")]);
    drop(first);
    assert_eq!(watch.n_running(), 1);
    watch.emit(|| WatchEvent::Overflow);
    assert!(events.try_recv().is_err());
    assert!(matches!(others.try_recv(), Ok(WatchEvent::Overflow)));
    drop(second);
    watch.refuse_next(LostReason::TooManyWatchers);
    let refused = watch.start(Path::new("/"), Box::new(|_| {}));
    assert!(
        matches!(refused, Err(LostReason::TooManyWatchers)),
        "{refused:?}"
    );
    assert_eq!(watch.n_running(), 0);
}
