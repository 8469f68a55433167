//! Watches a folder with what the system offers (inotify on Linux).
//!
//! A [`Watch`]; its events come from the `notify` crate's thread.
//! Invariant: links are not followed; one directory that cannot be watched does not keep the others from it.
//! Not here: polling, on network file systems and wherever a watch is lost; a scan at intervals does that.
//! Source: inotify(7), docs/design/sync-semantics.md.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fst_proto::path::{Name, PRIVATE_DIR, RelPath};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Config, Error, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{LostReason, OnEvent, Watch, WatchEvent, Watching};

/// Watches by asking the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotifyWatch;

impl Watch for NotifyWatch {
    fn start(&self, root: &Path, on_event: OnEvent) -> Result<Box<dyn Watching>, LostReason> {
        let root = root.canonicalize().map_err(|_| LostReason::RootGone)?;
        let on_event: Sink = Arc::new(Mutex::new(on_event));
        let mut watcher = watcher(&root, Arc::clone(&on_event))?;
        let watched = watch_tree(&mut watcher, &root);
        // What we write there ourselves is no news, and there is much of it. It may not be there yet, or not be watched.
        watcher.unwatch(&root.join(PRIVATE_DIR)).unwrap_or_default();
        if let Err(error) = watched {
            let reason = lost_reason(error);
            if matches!(reason, LostReason::RootGone) {
                return Err(reason);
            }
            send(&on_event, WatchEvent::Lost(reason));
        } else if is_network(&root) {
            send(&on_event, WatchEvent::Lost(LostReason::Network));
        }
        Ok(Box::new(Native { _watcher: watcher }))
    }
}

/// Numbers by which Linux names file systems that other machines may change: `statfs(2)`.
const NETWORK_MAGIC: [u64; 11] = [
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x6573_5546, // FUSE, as under sshfs
    0x0102_1997, // 9P
    0x5346_414f, // AFS
    0x00c3_6400, // Ceph
    0x7375_7245, // Coda
    0x564c,      // NCP
    0x786f_4256, // shared folder of VirtualBox
];

#[cfg(target_os = "linux")]
fn is_network(root: &Path) -> bool {
    // The type has other widths and signs on other machines; its low 32 bits are the number.
    let number = |kind: i128| u64::try_from(kind & 0xffff_ffff).unwrap_or(0);
    rustix::fs::statfs(root).is_ok_and(|stat| is_network_magic(number(i128::from(stat.f_type))))
}
#[cfg(not(target_os = "linux"))]
fn is_network(_root: &Path) -> bool {
    false
}

fn is_network_magic(number: u64) -> bool {
    NETWORK_MAGIC.contains(&number)
}

type Sink = Arc<Mutex<OnEvent>>;

/// Dropping the inner watcher ends its thread.
#[derive(Debug)]
struct Native {
    _watcher: RecommendedWatcher,
}

impl Watching for Native {}

fn watcher(root: &Path, sink: Sink) -> Result<RecommendedWatcher, LostReason> {
    let root = root.to_path_buf();
    let on_result = move |result: notify::Result<Event>| match result {
        Ok(event) => forward(&root, &event, &sink),
        Err(error) => send(&sink, WatchEvent::Lost(lost_reason(error))),
    };
    let config = Config::default().with_follow_symlinks(false);
    RecommendedWatcher::new(on_result, config).map_err(no_watcher)
}

fn send(sink: &Sink, event: WatchEvent) {
    let on_event = sink.lock().unwrap_or_else(PoisonError::into_inner);
    on_event(event);
}

/// Watches `dir` and everything below it.
///
/// The crate gives up a tree at the first directory that vanishes or refuses; the others are then asked for
/// one by one. A directory that refuses is shown by the scan; its own changes are found by the scan as well.
fn watch_tree(watcher: &mut RecommendedWatcher, dir: &Path) -> notify::Result<()> {
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        match watcher.watch(&dir, RecursiveMode::Recursive) {
            Ok(()) => {},
            Err(error) if is_about_one(&error) => left.extend(child_dirs(&dir)),
            Err(error) => return Err(error),
        }
    }
    if dir.is_dir() {
        Ok(())
    } else {
        Err(Error::path_not_found())
    }
}

fn is_about_one(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(cause) => {
            [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&cause.kind())
        },
        ErrorKind::Generic(_)
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_)
        | ErrorKind::MaxFilesWatch => false,
    }
}

/// Directories right below `dir`; none where it cannot be listed.
fn child_dirs(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = dir.read_dir() else {
        return Vec::new();
    };
    let is_dir = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries
        .flatten()
        .filter(is_dir)
        .map(|entry| entry.path())
        .collect()
}

fn forward(root: &Path, event: &Event, sink: &Sink) {
    if event.need_rescan() {
        send(sink, WatchEvent::Overflow);
    }
    if !is_change(event.kind) {
        return;
    }
    for path in &event.paths {
        if path == root && is_departure(event.kind) {
            send(sink, WatchEvent::Lost(LostReason::RootGone));
        } else if let Some(path) = path.strip_prefix(root).ok().and_then(relative) {
            send(sink, hint(event.kind, path));
        }
    }
}

fn hint(kind: EventKind, path: RelPath) -> WatchEvent {
    match kind {
        EventKind::Access(_) => WatchEvent::Closed(path),
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => WatchEvent::Renamed(path),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => {
            WatchEvent::Changed(path)
        },
    }
}

/// Opening and reading change nothing, and our own scans do both.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// True for events after which the path does not lead to the watched object any more.
fn is_departure(kind: EventKind) -> bool {
    let moved_away = EventKind::Modify(ModifyKind::Name(RenameMode::From));
    let removed = [
        RemoveKind::Any,
        RemoveKind::File,
        RemoveKind::Folder,
        RemoveKind::Other,
    ];
    kind == moved_away
        || removed
            .into_iter()
            .any(|how| kind == EventKind::Remove(how))
}

/// The path inside the folder; a name that cannot be one stands for its directory. `None` under `.fst`.
fn relative(path: &Path) -> Option<RelPath> {
    if path.starts_with(PRIVATE_DIR) {
        return None;
    }
    let mut inside = RelPath::root();
    for part in path {
        match Name::new(part.as_bytes()).and_then(|name| inside.child(name)) {
            Ok(child) => inside = child,
            Err(_) => return Some(inside),
        }
    }
    Some(inside)
}

fn lost_reason(error: Error) -> LostReason {
    match error.kind {
        ErrorKind::MaxFilesWatch => LostReason::TooManyWatches,
        ErrorKind::PathNotFound => LostReason::RootGone,
        ErrorKind::Generic(_)
        | ErrorKind::Io(_)
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_) => LostReason::Failed(error),
    }
}

/// Making a watcher fails with `EMFILE` when the user has too many of them.
fn no_watcher(error: Error) -> LostReason {
    let errno = match &error.kind {
        ErrorKind::Io(cause) => cause.raw_os_error(),
        ErrorKind::Generic(_)
        | ErrorKind::PathNotFound
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_)
        | ErrorKind::MaxFilesWatch => None,
    };
    let limit = rustix::io::Errno::MFILE.raw_os_error();
    if errno == Some(limit) {
        LostReason::TooManyWatchers
    } else {
        lost_reason(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_with_the_command_that_raises_them() {
        let reason = lost_reason(Error::new(ErrorKind::MaxFilesWatch));
        assert!(matches!(reason, LostReason::TooManyWatches));
        assert!(reason.next_step().contains("fs.inotify.max_user_watches"));
        let too_many = io::Error::from(rustix::io::Errno::MFILE);
        let reason = no_watcher(Error::io(too_many));
        assert!(matches!(reason, LostReason::TooManyWatchers));
        assert!(reason.next_step().contains("fs.inotify.max_user_instances"));
    }

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        const EXT4: u64 = 0xef53;
        const TMPFS: u64 = 0x0102_1994;
        const NFS: u64 = 0x6969;
        const CIFS: u64 = 0xff53_4d42;
        assert!(is_network_magic(NFS) && is_network_magic(CIFS));
        assert!(!is_network_magic(EXT4) && !is_network_magic(TMPFS));
    }

    #[test]
    fn an_overflow_of_the_queue_is_an_overflow() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let sink: Sink = Arc::new(Mutex::new(Box::new(move |event| {
            log.lock().expect("not poisoned").push(event);
        })));
        let event = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        forward(Path::new("/folder"), &event, &sink);
        let seen = seen.lock().expect("not poisoned");
        assert!(matches!(seen.as_slice(), [WatchEvent::Overflow]));
    }

    #[test]
    fn the_private_directory_is_not_reported_and_its_namesakes_below_are() {
        assert_eq!(relative(Path::new(".fst/stage/x")), None);
        assert_eq!(relative(Path::new(".fst")), None);
        let below = relative(Path::new("a/.fst/x")).map(|path| path.to_bytes());
        assert_eq!(below.as_deref(), Some(b"a/.fst/x".as_slice()));
    }

    #[test]
    fn opening_and_reading_is_no_change() {
        assert!(!is_change(EventKind::Access(AccessKind::Open(
            AccessMode::Any
        ))));
        assert!(!is_change(EventKind::Access(AccessKind::Close(
            AccessMode::Read
        ))));
        assert!(is_change(EventKind::Access(AccessKind::Close(
            AccessMode::Write
        ))));
    }
}
