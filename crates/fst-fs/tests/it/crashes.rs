//! Replacing and removing, cut short, refused or meddled with at every call.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};

use fst_fs::commit::{Outcome, remove_if, replace_if, resume_remove, resume_replace};
use fst_fs::fake::{FakeEntry, FakeVault, PowerCut};
use fst_fs::vault::{FileAt, FileAttrs, StageName, Stat, Vault as _, VaultError};
use fst_proto::path::RelPath;

/// More calls than any step here makes.
const N_CALLS_MAX: u64 = 8;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn tag() -> StageName {
    StageName::new("t").expect("a tag")
}

/// All contents in the folder and in the stage.
fn contents(fake: &FakeVault) -> BTreeSet<Vec<u8>> {
    let entries = fake
        .snapshot()
        .into_values()
        .chain(fake.stage_snapshot().into_values());
    entries
        .filter_map(|entry| match entry {
            FakeEntry::File { bytes, .. } => Some(bytes),
            FakeEntry::Dir | FakeEntry::Symlink(_) | FakeEntry::Special => None,
        })
        .collect()
}

/// A folder with `there` at `a` and, in the stage, `new`.
fn prepared(there: &[u8]) -> (FakeVault, Stat) {
    let fake = FakeVault::new();
    fake.user_write(&path("a"), there).expect("write");
    let mut file = fake.stage_file(&tag()).expect("stage");
    file.write_all(b"new").expect("write");
    let attrs = FileAttrs {
        exec: false,
        mtime_ns: 0,
        like: None,
    };
    let ours = file.finish(attrs).expect("finish");
    fake.sync_stage().expect("barrier");
    (fake, ours)
}

/// True when the stage holds `old`: judged by contents, as after a restart.
fn holds_old(fake: &FakeVault) -> Result<bool, VaultError> {
    let mut bytes = Vec::new();
    let read = fake.read_staged(&tag())?.read_to_end(&mut bytes);
    read.map(|_| bytes == b"old")
        .map_err(|source| VaultError::Io { op: "read", source })
}

fn replace(fake: &FakeVault) -> Result<Outcome<Stat>, VaultError> {
    replace_if(fake, &tag(), &path("a"), &mut |_| holds_old(fake))
}

fn resume(fake: &FakeVault, ours: &Stat) -> Result<Outcome<Stat>, VaultError> {
    resume_replace(fake, &tag(), &path("a"), ours, &mut |_, _| holds_old(fake))
}

/// Does what a restarted client does: goes on, or begins again.
fn recover_replacement(fake: &FakeVault, ours: &Stat) {
    let resumed = match fake.stat_staged(&tag()).expect("look") {
        Some(_) => resume(fake, ours).expect("go on"),
        None => return,
    };
    match resumed {
        Outcome::Done(_) => {},
        Outcome::Changed => {
            let _again = replace(fake).expect("begin again");
        },
        Outcome::Displaced { tags, .. } => {
            for (i, tag) in tags.iter().enumerate() {
                fake.unstage_move(tag, &path(&format!("rescued {i}")))
                    .expect("rescue");
            }
        },
    }
}

#[test]
fn a_replacement_cut_short_anywhere_ends_as_if_it_were_not() {
    for at in 1..N_CALLS_MAX {
        let (fake, ours) = prepared(b"old");
        fake.crash_at(fake.n_calls() + at);
        let first = replace(&fake);
        let read = fake.user_read(&path("a")).expect("never absent");
        assert!(read == b"old" || read == b"new", "call {at}: {first:?}");
        fake.revive();
        recover_replacement(&fake, &ours);
        assert_eq!(
            fake.user_read(&path("a")).as_deref(),
            Some(b"new".as_slice()),
            "call {at}"
        );
        assert!(fake.stage_is_empty(), "call {at}");
    }
}

#[test]
fn a_replacement_of_an_edit_cut_short_anywhere_keeps_the_edit() {
    for at in 1..N_CALLS_MAX {
        let (fake, ours) = prepared(b"edit");
        fake.crash_at(fake.n_calls() + at);
        let _first = replace(&fake);
        assert!(contents(&fake).contains(b"edit".as_slice()), "call {at}");
        fake.revive();
        recover_replacement(&fake, &ours);
        assert_eq!(
            fake.user_read(&path("a")).as_deref(),
            Some(b"edit".as_slice()),
            "call {at}"
        );
    }
}

#[test]
fn a_lost_answer_or_an_error_anywhere_loses_nothing() {
    type Plan = fn(&FakeVault, u64);
    let plans: [Plan; 3] = [
        |fake, n| fake.lose_answer_at(n),
        |fake, n| {
            let source = io::ErrorKind::PermissionDenied.into();
            fake.fail_at(
                n,
                VaultError::Denied {
                    op: "planned",
                    source,
                },
            );
        },
        |fake, n| {
            let source = io::Error::other("planned");
            fake.fail_at(
                n,
                VaultError::Io {
                    op: "planned",
                    source,
                },
            );
        },
    ];
    for plan in plans {
        for at in 1..N_CALLS_MAX {
            let (fake, _) = prepared(b"edit");
            plan(&fake, fake.n_calls() + at);
            let done = replace(&fake);
            let is_at_place = fake.user_read(&path("a")).as_deref() == Some(b"edit");
            let is_named = match &done {
                Ok(Outcome::Displaced { tags, .. }) => {
                    fake.stage_snapshot().contains_key(&path(tags[0].as_str()))
                },
                Ok(Outcome::Done(_) | Outcome::Changed) | Err(_) => false,
            };
            assert!(is_at_place || is_named, "call {at}: {done:?}");
            assert!(
                contents(&fake).contains(b"edit".as_slice()),
                "call {at}: {done:?}"
            );
            assert!(!matches!(done, Ok(Outcome::Done(_))), "call {at}: {done:?}");
        }
    }
}

#[test]
fn a_third_writer_at_any_call_loses_nothing() {
    for there in [b"edit".as_slice(), b"old"] {
        for at in 1..N_CALLS_MAX {
            let (fake, _) = prepared(there);
            fake.interfere_at(fake.n_calls() + at, |fake| {
                fake.user_save(&path("a"), b"third").expect("save");
            });
            let n_before = fake.n_calls();
            let done = replace(&fake).expect("no error");
            let has_met = fake.n_calls() >= n_before + at;
            // Before the first call the writer replaces what is there with their own hands.
            if there == b"edit" && at > 1 {
                assert!(
                    contents(&fake).contains(b"edit".as_slice()),
                    "call {at}: {done:?}"
                );
            }
            assert_eq!(
                contents(&fake).contains(b"third".as_slice()),
                has_met,
                "call {at}: {done:?}"
            );
        }
    }
}

#[test]
fn a_removal_cut_short_anywhere_ends_as_if_it_were_not() {
    for there in [b"old".as_slice(), b"edit"] {
        for at in 1..N_CALLS_MAX {
            let fake = FakeVault::new();
            fake.user_write(&path("a"), there).expect("write");
            fake.crash_at(fake.n_calls() + at);
            let mut judge = |_: &Stat| holds_old(&fake);
            let _first = remove_if(&fake, &path("a"), &tag(), &mut judge);
            fake.revive();
            let resumed = resume_remove(&fake, &path("a"), &tag(), &mut |_| holds_old(&fake));
            let _resumed = resumed.expect("go on");
            let _again = remove_if(&fake, &path("a"), &tag(), &mut |_| holds_old(&fake));
            let is_kept = fake.user_read(&path("a")).as_deref() == Some(there);
            assert_eq!(is_kept, there == b"edit", "call {at}");
            assert!(fake.stage_is_empty(), "call {at}");
        }
    }
}

#[test]
fn a_third_writer_during_a_removal_loses_nothing() {
    for at in 1..N_CALLS_MAX {
        let fake = FakeVault::new();
        fake.user_write(&path("a"), b"edit").expect("write");
        fake.interfere_at(fake.n_calls() + at, |fake| {
            fake.user_save(&path("a"), b"third").expect("save");
        });
        let done = remove_if(&fake, &path("a"), &tag(), &mut |_| holds_old(&fake));
        let done = done.expect("no error");
        let kept = contents(&fake);
        assert!(
            kept.contains(b"edit".as_slice()) || at == 1,
            "call {at}: {done:?}"
        );
        assert!(
            kept.contains(b"third".as_slice()) || at > fake.n_calls(),
            "call {at}: {done:?}"
        );
    }
}

#[test]
fn power_cuts_take_only_what_no_barrier_covered() {
    let (fake, _) = prepared(b"old");
    fake.power_cut(PowerCut::Contents);
    assert!(matches!(fake.stat(&path("a")), Err(VaultError::Io { .. })));
    fake.revive();
    assert!(
        contents(&fake).contains(b"new".as_slice()),
        "the barrier covers it"
    );

    let (fake, _) = prepared(b"old");
    fake.place_new(&tag(), &path("b")).expect("place");
    fake.power_cut(PowerCut::Everything);
    fake.revive();
    assert_eq!(
        fake.user_read(&path("b")),
        None,
        "no barrier covers the move"
    );
    assert!(contents(&fake).contains(b"new".as_slice()));

    let fake = FakeVault::new();
    let mut file = fake.stage_file(&tag()).expect("stage");
    file.write_all(b"new").expect("write");
    file.finish(FileAttrs {
        exec: false,
        mtime_ns: 0,
        like: None,
    })
    .expect("finish");
    fake.place_new(&tag(), &path("b")).expect("place");
    fake.power_cut(PowerCut::Contents);
    fake.revive();
    assert_eq!(
        fake.user_read(&path("b")).as_deref(),
        Some(b"".as_slice()),
        "placed without barrier"
    );
}

#[test]
fn a_file_that_was_waited_for_alone_survives_and_others_need_not() {
    let (fake, _) = prepared(b"old");
    fake.user_write(&path("b"), b"b").expect("write");
    fake.user_write(&path("c"), b"c").expect("write");
    fake.sync_files(&[FileAt::Folder(&path("b"))])
        .expect("wait");
    fake.power_cut(PowerCut::Everything);
    fake.revive();
    assert_eq!(
        fake.user_read(&path("a")).as_deref(),
        Some(b"old".as_slice())
    );
    assert_eq!(fake.user_read(&path("b")).as_deref(), Some(b"b".as_slice()));
    assert_eq!(fake.user_read(&path("c")), None);
}

#[test]
fn a_swap_that_was_waited_for_is_whole_after_a_power_cut() {
    let (fake, _) = prepared(b"old");
    fake.exchange(&tag(), &path("a")).expect("swap");
    fake.sync_files(&[FileAt::Folder(&path("a"))])
        .expect("wait");
    fake.power_cut(PowerCut::Everything);
    fake.revive();
    assert_eq!(
        fake.user_read(&path("a")).as_deref(),
        Some(b"new".as_slice())
    );
    assert!(holds_old(&fake).expect("look"));
}

#[test]
fn a_rename_that_was_waited_for_leaves_no_second_name() {
    let (fake, _) = prepared(b"old");
    fake.rename_new(&path("a"), &path("b")).expect("rename");
    fake.sync_files(&[FileAt::Folder(&path("b"))])
        .expect("wait");
    fake.power_cut(PowerCut::Everything);
    fake.revive();
    assert_eq!(fake.user_read(&path("a")), None);
    assert_eq!(
        fake.user_read(&path("b")).as_deref(),
        Some(b"old".as_slice())
    );
}
