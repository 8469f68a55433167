//! What only a real file system shows.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use fst_fs::conformance::World as _;
use fst_fs::real::{Means, RealVault};
use fst_fs::vault::{ErrorClass, FileAttrs, StageName, Vault as _, VaultError};
use fst_proto::path::RelPath;

use crate::worlds::{RealWorld, as_nobody};

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn tag(text: &str) -> StageName {
    StageName::new(text).expect("a tag")
}

const PLAIN: FileAttrs = FileAttrs {
    exec: false,
    mtime_ns: 0,
    like: None,
};

#[test]
fn our_directory_is_for_the_owner_only() {
    let world = RealWorld::new(Means::ALL);
    let mode = |name: &str| {
        fs::metadata(world.folder().join(name))
            .expect("look")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(".fst"), mode(".fst/stage")), (0o700, 0o700));
    let file = world.vault.stage_file(&tag("t")).expect("stage");
    assert_eq!(mode(".fst/stage/t"), 0o600);
    drop(file);
    fs::set_permissions(world.folder().join(".fst"), Permissions::from_mode(0o755)).expect("chmod");
    drop(RealVault::open(&world.folder()).expect("open again"));
    assert_eq!(mode(".fst"), 0o700);
}

#[test]
fn new_files_follow_the_umask() {
    let world = RealWorld::new(Means::ALL);
    world.write(&path("by the user"), b"");
    let usual = fs::metadata(world.at(&path("by the user")))
        .expect("look")
        .permissions()
        .mode();
    for (exec, wanted) in [(false, 0o644), (true, 0o755)] {
        let file = world.vault.stage_file(&tag("t")).expect("stage");
        let stat = file.finish(FileAttrs { exec, ..PLAIN }).expect("finish");
        // The user's file has all bits that the umask leaves, but for execution.
        assert_eq!(stat.permissions.bits() & 0o666, wanted & usual & 0o666);
        assert_eq!(stat.exec, exec);
        world.vault.discard(&tag("t")).expect("discard");
    }
    assert!(
        !world
            .folder()
            .join(format!(".fst/umask.{}", std::process::id()))
            .exists()
    );
}

#[test]
fn a_link_in_place_of_our_directory_is_refused() {
    for inner in [".fst", ".fst/stage"] {
        let home = tempfile::tempdir().expect("make a directory");
        let (folder, outside) = (home.path().join("folder"), home.path().join("outside"));
        fs::create_dir(&folder).expect("make the folder");
        fs::create_dir(&outside).expect("make the outside");
        if inner != ".fst" {
            fs::create_dir(folder.join(".fst")).expect("make");
        }
        symlink(&outside, folder.join(inner)).expect("make a link");
        let staged = RealVault::open(&folder).and_then(|vault| {
            drop(vault.stage_file(&tag("t"))?);
            Ok(())
        });
        assert!(
            matches!(staged, Err(VaultError::SymlinkInPath { .. })),
            "{inner}: {staged:?}"
        );
        assert_eq!(fs::read_dir(&outside).expect("list").count(), 0);
    }
}

#[test]
fn a_deleted_private_directory_is_made_anew() {
    let world = RealWorld::new(Means::ALL);
    fs::remove_dir_all(world.folder().join(".fst")).expect("remove");
    assert_eq!(world.vault.marker_read().expect("read"), None);
    assert!(world.vault.stage_list().expect("list").is_empty());
    let mut file = world.vault.stage_file(&tag("t")).expect("stage");
    file.write_all(b"x").expect("write");
    file.finish(PLAIN).expect("finish");
    world.vault.place_new(&tag("t"), &path("a")).expect("place");
    fs::remove_dir_all(world.folder().join(".fst")).expect("remove");
    world.vault.marker_write(b"m").expect("write");
    drop(world.vault.lock().expect("lock"));
}

#[test]
fn a_missing_folder_is_never_made() {
    let home = tempfile::tempdir().expect("make a directory");
    let opened = RealVault::open(&home.path().join("folder"));
    assert!(matches!(opened, Err(VaultError::RootMissing)), "{opened:?}");
    fs::write(home.path().join("file"), b"x").expect("write");
    let opened = RealVault::open(&home.path().join("file"));
    assert!(matches!(opened, Err(VaultError::RootMissing)), "{opened:?}");
    assert_eq!(fs::read_dir(home.path()).expect("list").count(), 1);
}

#[test]
fn a_read_only_folder_can_be_read() {
    as_nobody(|| {
        let home = tempfile::tempdir().expect("make a directory");
        fs::write(home.path().join("a"), b"bytes").expect("write");
        fs::set_permissions(home.path(), Permissions::from_mode(0o555)).expect("chmod");
        let vault = RealVault::open(home.path()).expect("open");
        assert_eq!(vault.list(&path("")).expect("list").len(), 1);
        assert!(vault.open_read(&path("a")).is_ok());
        assert_eq!(vault.marker_read().expect("read"), None);
        assert!(vault.stage_list().expect("list").is_empty());
        let refusals = [
            vault.stage_file(&tag("t")).map(drop),
            vault.stage_link(&tag("t"), b"x").map(drop),
            vault.copy_to_stage(&path("a"), &tag("t")).map(drop),
            vault.stage_move(&path("a"), &tag("t")).map(drop),
            vault.marker_write(b"m"),
            vault.lock().map(drop),
            vault.abilities().map(drop),
        ];
        for refusal in refusals {
            let is_read_only = matches!(refusal, Err(VaultError::ReadOnly { .. }));
            assert!(is_read_only, "{refusal:?}");
        }
        let made = vault.make_dir(&path("d"));
        assert!(matches!(made, Err(VaultError::Denied { .. })), "{made:?}");
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("chmod");
        assert_eq!(fs::read_dir(home.path()).expect("list").count(), 1);
    });
}

#[test]
fn two_vaults_on_one_folder_share_the_lock() {
    let world = RealWorld::new(Means::ALL);
    let other = RealVault::open(&world.folder()).expect("open again");
    let held = world.vault.lock().expect("lock");
    let refused = other.lock().expect_err("somebody holds it");
    assert_eq!(refused.class(), ErrorClass::Folder);
    drop(held);
    drop(other.lock().expect("free again"));
}

#[test]
fn a_lock_on_a_deleted_file_does_not_count() {
    let world = RealWorld::new(Means::ALL);
    let _first = world.vault.lock().expect("lock");
    fs::remove_file(world.folder().join(".fst/lock")).expect("remove");
    // The holder of the deleted file cannot be seen any more; a new lock is a new file.
    drop(world.vault.lock().expect("a new file"));
}

#[test]
fn the_probe_knows_this_file_system_and_cleans_up() {
    let world = RealWorld::new(Means::ALL);
    // Left behind by a process that was killed.
    fs::create_dir(world.folder().join(".fst/probe")).expect("make");
    fs::write(world.folder().join(".fst/probe/a"), b"").expect("write");
    let abilities = world.vault.abilities().expect("probe");
    assert!(abilities.has_symlinks && abilities.has_exec && abilities.can_rename_new);
    assert!(!world.folder().join(".fst/probe").exists());
    let folds = fs::metadata(world.folder().join(".FST")).is_ok();
    assert_eq!(abilities.folds_case, folds);
}

#[test]
fn a_swap_by_steps_steps_over_nothing_that_rests_aside() {
    let world = RealWorld::new(Means {
        exchange: false,
        ..Means::ALL
    });
    world.write(&path("a"), b"edit");
    let file = world.vault.stage_file(&tag("t")).expect("stage");
    file.finish(PLAIN).expect("finish");
    // An earlier crash left something of the user aside.
    fs::write(world.folder().join(".fst/stage/t~aside"), b"precious").expect("write");
    let swapped = world.vault.exchange(&tag("t"), &path("a"));
    assert!(
        matches!(swapped, Err(VaultError::Occupied { .. })),
        "{swapped:?}"
    );
    assert_eq!(world.read(&path("a")).as_deref(), Some(b"edit".as_slice()));
    let kept = fs::read(world.folder().join(".fst/stage/t~aside")).expect("read");
    assert_eq!(kept, b"precious");
}

#[test]
fn names_in_the_stage_that_are_not_tags_are_left_alone() {
    let world = RealWorld::new(Means::ALL);
    fs::write(world.folder().join(".fst/stage/Not A Tag"), b"x").expect("write");
    assert!(world.vault.stage_list().expect("list").is_empty());
    assert!(world.folder().join(".fst/stage/Not A Tag").exists());
}

#[test]
fn times_before_1970_and_far_ahead_are_kept() {
    let world = RealWorld::new(Means::ALL);
    for mtime_ns in [-1, -86_400_000_000_001, 4_000_000_000_000_000_007] {
        let file = world.vault.stage_file(&tag("t")).expect("stage");
        let stat = file
            .finish(FileAttrs { mtime_ns, ..PLAIN })
            .expect("finish");
        assert_eq!(stat.mtime_ns, mtime_ns);
        world.vault.discard(&tag("t")).expect("discard");
    }
}
