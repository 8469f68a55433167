//! How programs save, call by call, on real folders of two devices; each device syncs after every call, after some,
//! or after all of them.
//!
//! In the end both folders show what the program left, and nothing else. Source: docs/design/sync-semantics.md.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;

use fst_testkit::scene::Scene;
use tempfile::TempDir;

/// What a program does in one call, or in a few that nobody can come between.
type Step<'a> = Box<dyn FnMut(&Path) + 'a>;

/// Where the program runs, and the other device.
const HERE: usize = 0;

/// Rounds until both devices are quiet.
const ROUNDS_MAX: usize = 12;

struct Desk {
    scene: Scene,
    dirs: Vec<TempDir>,
}

impl Desk {
    fn new() -> Self {
        let mut scene = Scene::new(31, 2);
        let dirs: Vec<TempDir> = (0..2).map(|_| tempfile::tempdir().expect("make")).collect();
        for (device, dir) in scene.devices.iter_mut().zip(&dirs) {
            device.disk = Some(dir.path().to_path_buf());
        }
        Self { scene, dirs }
    }

    fn here(&self) -> &Path {
        self.dirs[HERE].path()
    }

    fn sync(&mut self) {
        for device in &mut self.scene.devices {
            drop(device.sync());
        }
    }

    fn quiet(&mut self) {
        let mut last = Vec::new();
        for _ in 0..ROUNDS_MAX {
            last = self.scene.devices.iter_mut().map(|d| d.sync()).collect();
            let is_quiet = last.iter().all(|outcome: &String| outcome == "Quiet");
            if is_quiet && tree(self.dirs[0].path()) == tree(self.dirs[1].path()) {
                return;
            }
        }
        assert_eq!(
            tree(self.dirs[0].path()),
            tree(self.dirs[1].path()),
            "{last:?}"
        );
        assert!(last.iter().all(|outcome| outcome == "Quiet"), "{last:?}");
    }
}

/// Paths and contents; links show as their target, directories as nothing.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut seen = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("list") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("inside").to_string_lossy();
            if name == ".fst" {
                continue;
            }
            let meta = path.symlink_metadata().expect("look");
            let bytes = if meta.is_dir() {
                left.push(path.clone());
                Vec::new()
            } else if meta.is_symlink() {
                format!("{:?}", fs::read_link(&path).expect("read")).into_bytes()
            } else {
                fs::read(&path).expect("read")
            };
            seen.insert(name.into_owned(), bytes);
        }
    }
    seen
}

/// Plays the steps with a sync after every `pace`-th of them, for several paces; `wanted` is the end.
fn check<'a>(start: &[(&str, &str)], steps: impl Fn() -> Vec<Step<'a>>, wanted: &[(&str, &str)]) {
    for pace in [1, 2, 3, usize::MAX] {
        let mut desk = Desk::new();
        for (name, text) in start {
            let at = desk.here().join(name);
            fs::create_dir_all(at.parent().expect("a parent")).expect("make");
            fs::write(at, text).expect("write");
        }
        desk.quiet();
        for (n, mut step) in steps().into_iter().enumerate() {
            step(desk.here());
            if (n + 1) % pace == 0 {
                desk.sync();
            }
        }
        desk.quiet();
        let mut end = tree(desk.here());
        end.retain(|name, _| !desk.here().join(name).is_dir());
        let wanted: BTreeMap<String, Vec<u8>> = wanted
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        assert_eq!(end, wanted, "sync after every {pace} calls");
    }
}

fn step<'a>(act: impl FnMut(&Path) + 'a) -> Step<'a> {
    Box::new(act)
}

fn write(name: &'static str, text: &'static str) -> Step<'static> {
    step(move |dir| fs::write(dir.join(name), text).expect("write"))
}

fn make_dir(name: &'static str) -> Step<'static> {
    step(move |dir| fs::create_dir_all(dir.join(name)).expect("make"))
}

fn rename(from: &'static str, to: &'static str) -> Step<'static> {
    step(move |dir| fs::rename(dir.join(from), dir.join(to)).expect("rename"))
}

fn remove(name: &'static str) -> Step<'static> {
    step(move |dir| fs::remove_file(dir.join(name)).expect("remove"))
}

/// `set backup nowritebackup` and the default: tries whether it may write, moves the old file aside, writes anew.
#[test]
fn vim_saves() {
    let steps = || {
        vec![
            write(".notes.txt.swp", "swap"),
            write("4913", ""),
            remove("4913"),
            rename("notes.txt", "notes.txt~"),
            step(|dir| drop(File::create(dir.join("notes.txt")).expect("create"))),
            write("notes.txt", "second"),
            remove("notes.txt~"),
            remove(".notes.txt.swp"),
        ]
    };
    check(&[("notes.txt", "first")], steps, &[("notes.txt", "second")]);
}

/// A lock that is a link to nowhere, an auto-save file, a backup made by renaming.
#[test]
fn emacs_saves() {
    let steps = || {
        vec![
            step(|dir| symlink("me@host.4711:1700000000", dir.join(".#notes.org")).expect("lock")),
            write("#notes.org#", "half"),
            rename("notes.org", "notes.org~"),
            write("notes.org", "second"),
            remove("#notes.org#"),
            remove(".#notes.org"),
        ]
    };
    let wanted = [("notes.org", "second"), ("notes.org~", "first")];
    check(&[("notes.org", "first")], steps, &wanted);
}

/// A lock file beside the document; the new document is written beside it and renamed over it.
#[test]
fn libre_office_saves() {
    let steps = || {
        vec![
            write(
                ".~lock.letter.odt#",
                ",me,host,23.11.2026 02:00,file:///home/me;",
            ),
            write("lu4711abc.tmp", "PK second, half"),
            write("lu4711abc.tmp", "PK second, whole"),
            rename("lu4711abc.tmp", "letter.odt"),
            remove(".~lock.letter.odt#"),
        ]
    };
    let wanted = [("letter.odt", "PK second, whole")];
    check(&[("letter.odt", "PK first")], steps, &wanted);
}

/// A rollback journal beside the database, pages written in place, the journal removed; the database stays open.
#[test]
fn sqlite_commits() {
    let steps = || {
        let mut db: Option<File> = None;
        vec![
            write("app.db-journal", "old page 1"),
            step(move |dir| {
                let path = dir.join("app.db");
                let file = db.get_or_insert_with(|| {
                    let opened = OpenOptions::new().read(true).write(true).open(&path);
                    opened.expect("open")
                });
                file.seek(SeekFrom::Start(5)).expect("seek");
                file.write_all(b"PAGE1").expect("write");
                file.sync_data().expect("sync");
            }),
            remove("app.db-journal"),
            write("app.db-journal", "old page 2"),
            step(|dir| {
                let path = dir.join("app.db");
                let mut file = OpenOptions::new().write(true).open(path).expect("open");
                file.seek(SeekFrom::Start(10)).expect("seek");
                file.write_all(b"PAGE2").expect("write");
            }),
            remove("app.db-journal"),
        ]
    };
    let start = [("app.db", "page0page1page2")];
    check(&start, steps, &[("app.db", "page0PAGE1PAGE2")]);
}

/// Files of one branch go, those of another come; the index and HEAD are written beside and renamed over.
#[test]
fn git_checks_out_another_branch() {
    let steps = || {
        vec![
            write(".git/index.lock", "index of topic"),
            remove("src/only-main.rs"),
            make_dir("src/topic"),
            write("src/topic/mod.rs", "topic"),
            step(|dir| fs::remove_file(dir.join("src/lib.rs")).expect("remove")),
            write("src/lib.rs", "lib of topic"),
            remove("docs/page.md"),
            step(|dir| fs::remove_dir(dir.join("docs")).expect("remove")),
            write("docs", "a file where a directory was"),
            rename(".git/index.lock", ".git/index"),
            write(".git/HEAD.lock", "ref: refs/heads/topic"),
            rename(".git/HEAD.lock", ".git/HEAD"),
        ]
    };
    let start = [
        (".git/HEAD", "ref: refs/heads/main"),
        (".git/index", "index of main"),
        ("src/lib.rs", "lib of main"),
        ("src/only-main.rs", "main"),
        ("docs/page.md", "page"),
    ];
    let wanted = [
        (".git/HEAD", "ref: refs/heads/topic"),
        (".git/index", "index of topic"),
        ("src/lib.rs", "lib of topic"),
        ("src/topic/mod.rs", "topic"),
        ("docs", "a file where a directory was"),
    ];
    check(&start, steps, &wanted);
}

/// Packages are unpacked into a staging directory and moved into place; links lead to their programs.
#[test]
fn npm_installs() {
    const PACKAGES: usize = 40;
    let steps = || {
        let mut steps = vec![make_dir("node_modules/.staging")];
        for n in 0..PACKAGES {
            steps.push(step(move |dir| {
                let staged = dir.join(format!("node_modules/.staging/p{n}"));
                fs::create_dir_all(staged.join("lib")).expect("make");
                fs::write(staged.join("package.json"), format!("package {n}")).expect("write");
                fs::write(staged.join("lib/index.js"), format!("index {n}")).expect("write");
                let place = dir.join(format!("node_modules/p{n}"));
                fs::rename(staged, place).expect("rename");
            }));
        }
        steps.push(step(|dir| {
            fs::create_dir(dir.join("node_modules/.bin")).expect("make");
            symlink("../p1/lib/index.js", dir.join("node_modules/.bin/p1")).expect("link");
            fs::remove_dir(dir.join("node_modules/.staging")).expect("remove");
        }));
        steps
    };
    let mut names: Vec<(String, String)> = Vec::new();
    for n in 0..PACKAGES {
        names.push((
            format!("node_modules/p{n}/package.json"),
            format!("package {n}"),
        ));
        names.push((
            format!("node_modules/p{n}/lib/index.js"),
            format!("index {n}"),
        ));
    }
    names.push((
        "node_modules/.bin/p1".to_owned(),
        "\"../p1/lib/index.js\"".to_owned(),
    ));
    let wanted: Vec<(&str, &str)> = names
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    check(&[], steps, &wanted);
}

/// A log that a program holds open all the time arrives again and again, and what others do to it waits.
#[test]
fn a_log_is_appended() {
    let mut desk = Desk::new();
    let path = desk.here().join("app.log");
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .expect("open");
    for n in 0..10 {
        writeln!(log, "line {n}").expect("append");
        desk.quiet();
        let there = fs::read_to_string(desk.dirs[1].path().join("app.log")).expect("it arrived");
        assert!(there.ends_with(&format!("line {n}\n")), "{there}");
    }
    fs::remove_file(desk.dirs[1].path().join("app.log")).expect("remove");
    desk.sync();
    desk.sync();
    writeln!(log, "the last line").expect("append");
    drop(log);
    desk.quiet();
    let end = fs::read_to_string(desk.dirs[1].path().join("app.log")).expect("the edit is kept");
    assert!(end.ends_with("line 9\nthe last line\n"), "{end}");
}
