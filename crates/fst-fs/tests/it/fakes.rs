//! What only the vault in memory has: options, planned faults, a clock.

use std::io::{self, Write as _};

use fst_fs::fake::{FakeEntry, FakeOptions, FakeVault, RootState};
use fst_fs::vault::{FileAttrs, StageName, Vault as _, VaultError};
use fst_proto::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn tag() -> StageName {
    StageName::new("t").expect("a tag")
}

const PLAIN: FileAttrs = FileAttrs {
    exec: false,
    mtime_ns: 1_234_567_891_987_654_321,
    like: None,
};

#[test]
fn clones_are_one_vault() {
    let fake = FakeVault::new();
    let other = fake.clone();
    other.user_write(&path("a"), b"x").expect("write");
    assert_eq!(other.n_calls(), 0);
    assert_eq!(fake.user_read(&path("a")).as_deref(), Some(b"x".as_slice()));
    let entry = FakeEntry::File {
        bytes: b"x".to_vec(),
        exec: false,
    };
    assert_eq!(fake.snapshot().get(&path("a")), Some(&entry));
}

#[test]
fn the_clock_can_stand_still() {
    let fake = FakeVault::new();
    fake.set_clock(5_000);
    fake.set_tick(0);
    fake.user_write(&path("a"), b"one").expect("write");
    let before = fake.user_stat(&path("a"));
    fake.user_write(&path("a"), b"two").expect("write");
    assert_eq!(
        fake.user_stat(&path("a")),
        before,
        "a change that no time shows"
    );
    assert_eq!(before.map(|stat| stat.mtime_ns), Some(5_000));
}

#[test]
fn folded_names_are_one_name() {
    let fake = FakeVault::with_options(FakeOptions {
        folds_case: true,
        ..FakeOptions::default()
    });
    fake.user_write(&path("Readme"), b"x").expect("write");
    assert!(fake.abilities().expect("probe").folds_case);
    assert!(fake.stat(&path("README")).expect("look").is_some());
    assert!(matches!(
        fake.make_dir(&path("readme")),
        Err(VaultError::Occupied { .. })
    ));
    fake.rename_new(&path("readme"), &path("README"))
        .expect("change the case");
    assert_eq!(
        fake.snapshot().into_keys().collect::<Vec<_>>(),
        [path("README")]
    );
    let taken = fake.stat(&path(".FST/stage"));
    assert!(
        matches!(taken, Err(VaultError::Reserved { .. })),
        "{taken:?}"
    );
    let staged = fake
        .stage_link(&tag(), b"x")
        .and_then(|_| fake.place_new(&tag(), &path(".Fst")));
    assert!(
        matches!(staged, Err(VaultError::Reserved { .. })),
        "{staged:?}"
    );
    fake.exchange(&tag(), &path("readMe")).expect("swap");
    assert_eq!(
        fake.snapshot().into_keys().collect::<Vec<_>>(),
        [path("README")]
    );
}

#[test]
fn times_are_rounded_as_told() {
    let options = FakeOptions {
        mtime_grain_ns: 2_000_000_000,
        ..FakeOptions::default()
    };
    let fake = FakeVault::with_options(options);
    let stat = fake
        .stage_file(&tag())
        .expect("stage")
        .finish(PLAIN)
        .expect("finish");
    assert_eq!(stat.mtime_ns, 1_234_567_890_000_000_000);
}

#[test]
fn a_full_disk_stops_a_write_and_the_rest_goes() {
    let fake = FakeVault::new();
    let mut file = fake.stage_file(&tag()).expect("stage");
    let source = io::ErrorKind::StorageFull.into();
    fake.fail_at(
        fake.n_calls() + 1,
        VaultError::NoSpace {
            op: "planned",
            source,
        },
    );
    let written = file.write_all(b"x").expect_err("no space");
    assert_eq!(written.kind(), io::ErrorKind::StorageFull);
    drop(file);
    assert!(fake.stage_is_empty());
}

#[test]
fn a_crash_leaves_the_unfinished_and_frees_the_lock() {
    let fake = FakeVault::new();
    let lock = fake.lock().expect("lock");
    let mut file = fake.stage_file(&tag()).expect("stage");
    file.write_all(b"half").expect("write");
    fake.crash_at(fake.n_calls() + 1);
    assert!(file.write_all(b"more").is_err());
    drop(file);
    assert!(fake.is_crashed() && fake.list(&path("")).is_err());
    fake.revive();
    assert!(!fake.stage_is_empty());
    let held = fake.lock().expect("the crash let go");
    drop(lock);
    assert!(
        matches!(fake.lock(), Err(VaultError::Locked)),
        "the old guard is not the holder"
    );
    drop(held);
    fake.discard(&tag()).expect("discard");
    assert!(fake.stage_is_empty());
}

#[test]
fn a_read_only_folder_refuses_changes() {
    let fake = FakeVault::new();
    fake.user_write(&path("a"), b"x").expect("write");
    fake.set_root(RootState::ReadOnly);
    assert!(fake.open_read(&path("a")).is_ok());
    let staged = fake.stage_file(&tag()).map(drop);
    assert!(
        matches!(staged, Err(VaultError::ReadOnly { .. })),
        "{staged:?}"
    );
}

#[test]
fn interference_runs_once_before_its_call() {
    let fake = FakeVault::new();
    fake.interfere_at(2, |fake| fake.user_mkdir(&path("d")).expect("make"));
    fake.make_dir(&path("a")).expect("first");
    let second = fake.make_dir(&path("d"));
    assert!(
        matches!(second, Err(VaultError::Occupied { .. })),
        "{second:?}"
    );
    fake.make_dir(&path("e")).expect("third");
    assert_eq!(fake.n_calls(), 3);
}
