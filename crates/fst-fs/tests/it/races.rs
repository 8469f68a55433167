//! A directory that turns into a link and back while every kind of call goes through it.
//!
//! The other thread swaps `d` and a link to a place outside of the folder, for as long as calls are made; their number
//! is fixed. Whatever a call says, nothing outside is read, made, changed or removed. Source: openat2(2).

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fst_fs::real::Means;
use fst_fs::vault::{AttrChange, FileAttrs, StageName, Vault};
use fst_proto::path::RelPath;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::worlds::RealWorld;

/// Calls of each kind, and swaps that must have happened meanwhile.
const CALLS: usize = 300;
const SWAPS: u64 = 100;
/// Calls of one kind at most, should the other thread get no turn.
const CALLS_MAX: usize = 100_000;

/// What lies outside, under the name that the calls use inside.
const SECRET: &[u8] = b"outside";

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn tag(text: &str) -> StageName {
    StageName::new(text).expect("a tag")
}

/// One call of one kind on `d/x` or a name beside it.
type Call = fn(&dyn Vault, usize);

fn stage(vault: &dyn Vault, tag: &StageName) {
    let mut file = vault.stage_file(tag).expect("stage");
    file.write_all(b"ours").expect("write");
    let attrs = FileAttrs {
        exec: false,
        mtime_ns: 0,
        like: None,
    };
    file.finish(attrs).expect("finish");
}

fn read(vault: &dyn Vault, _: usize) {
    let mut bytes = Vec::new();
    if let Ok(mut file) = vault.open_read(&path("d/x")) {
        file.read_to_end(&mut bytes).expect("read");
    }
    assert_ne!(bytes, SECRET, "read outside");
}

fn list(vault: &dyn Vault, _: usize) {
    let names = vault.list(&path("d")).unwrap_or_default();
    let is_outside = |name: &[u8]| name == b"only-outside";
    assert!(
        !names
            .iter()
            .filter_map(|entry| entry.name.as_ref().ok())
            .any(|name| is_outside(name.as_bytes())),
        "listed outside"
    );
}

fn look(vault: &dyn Vault, _: usize) {
    let seen = vault.stat(&path("d/only-outside"));
    assert!(!matches!(seen, Ok(Some(_))), "looked outside");
}

fn read_link(vault: &dyn Vault, _: usize) {
    assert!(vault.read_link(&path("d/link")).is_err(), "read outside");
}

fn copy(vault: &dyn Vault, n: usize) {
    let tag = tag(&format!("c{n}"));
    if vault.copy_to_stage(&path("d/x"), &tag).is_ok() {
        let mut bytes = Vec::new();
        let mut file = vault.read_staged(&tag).expect("open");
        file.read_to_end(&mut bytes).expect("read");
        assert_ne!(bytes, SECRET, "copied from outside");
        vault.discard(&tag).expect("discard");
    }
}

fn make_dir(vault: &dyn Vault, n: usize) {
    drop(vault.make_dir(&path(&format!("d/new {n}"))));
}

fn remove_dir(vault: &dyn Vault, _: usize) {
    drop(vault.remove_dir(&path("d/empty")));
}

fn place(vault: &dyn Vault, n: usize) {
    let tag = tag(&format!("p{n}"));
    stage(vault, &tag);
    drop(vault.place_new(&tag, &path(&format!("d/placed {n}"))));
}

fn exchange(vault: &dyn Vault, n: usize) {
    let tag = tag(&format!("e{n}"));
    stage(vault, &tag);
    drop(vault.exchange(&tag, &path("d/x")));
}

fn take(vault: &dyn Vault, n: usize) {
    drop(vault.stage_move(&path("d/taken"), &tag(&format!("t{n}"))));
}

fn rename(vault: &dyn Vault, n: usize) {
    drop(vault.rename_new(&path("d/moved"), &path(&format!("moved {n}"))));
}

fn set_attributes(vault: &dyn Vault, _: usize) {
    let change = AttrChange {
        exec: Some(true),
        mtime_ns: Some(7),
    };
    drop(vault.set_attributes(&path("d/x"), change, &mut |_| Ok(true)));
}

const KINDS: [(&str, Call); 12] = [
    ("read", read),
    ("list", list),
    ("look", look),
    ("read link", read_link),
    ("copy", copy),
    ("make directory", make_dir),
    ("remove directory", remove_dir),
    ("place", place),
    ("exchange", exchange),
    ("take", take),
    ("rename", rename),
    ("set attributes", set_attributes),
];

/// Everything outside, with what a change would show in.
fn outside(dir: &Path) -> Vec<(String, Vec<u8>, bool, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    let mut seen = Vec::new();
    for entry in fs::read_dir(dir).expect("list") {
        let entry = entry.expect("an entry");
        let meta = entry.path().symlink_metadata().expect("look");
        let bytes = if meta.is_file() {
            fs::read(entry.path()).expect("read")
        } else {
            Vec::new()
        };
        let name = entry.file_name().into_string().expect("UTF-8");
        seen.push((name, bytes, meta.mode() & 0o111 != 0, meta.mtime()));
    }
    seen.sort();
    seen
}

/// Swaps until told to stop; the caller waits for the first swaps.
fn swap_for_ever(a: &Path, b: &Path, is_over: &AtomicBool, n_swaps: &AtomicU64) {
    while !is_over.load(Ordering::Acquire) {
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).expect("swap");
        n_swaps.fetch_add(1, Ordering::Release);
    }
}

fn race(means: Means) {
    for (name, call) in KINDS {
        let world = RealWorld::new(means);
        let target = world.beside("target");
        for dir in [&target, &world.folder().join("d")] {
            fs::create_dir_all(dir.join("empty")).expect("make");
            for file in ["x", "taken", "moved"] {
                fs::write(dir.join(file), b"inside").expect("write");
            }
        }
        for file in ["x", "taken", "moved", "only-outside"] {
            fs::write(target.join(file), SECRET).expect("write");
        }
        symlink("x", target.join("link")).expect("link");
        symlink(&target, world.beside("link")).expect("link");
        let before = outside(&target);
        let (is_over, n_swaps) = (AtomicBool::new(false), AtomicU64::new(0));
        let (inside, link) = (world.folder().join("d"), world.beside("link"));
        std::thread::scope(|scope| {
            scope.spawn(|| swap_for_ever(&inside, &link, &is_over, &n_swaps));
            let calls = std::panic::AssertUnwindSafe(|| {
                let mut n = 0;
                while n < CALLS || (n_swaps.load(Ordering::Acquire) < SWAPS && n < CALLS_MAX) {
                    call(&world.vault, n);
                    n += 1;
                }
            });
            let ended = std::panic::catch_unwind(calls);
            is_over.store(true, Ordering::Release);
            ended.unwrap_or_else(|thrown| std::panic::resume_unwind(thrown));
        });
        assert_eq!(outside(&target), before, "{name} reached outside");
    }
}

#[test]
fn no_call_follows_a_link_put_in_its_way() {
    race(Means::ALL);
}

#[test]
fn no_call_follows_a_link_put_in_its_way_with_old_system_calls() {
    race(Means::NONE);
}
