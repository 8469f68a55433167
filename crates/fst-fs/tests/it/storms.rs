//! Users who save while the vault replaces: nothing that was saved last may be lost.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use fst_fs::commit::{Outcome, remove_if, replace_if};
use fst_fs::conformance::World as _;
use fst_fs::real::Means;
use fst_fs::vault::{FileAttrs, StageName, Vault, VaultError};
use fst_proto::path::RelPath;

use crate::worlds::RealWorld;

/// Rounds at least, and at most while an outcome has not been met yet.
const N_ROUNDS: usize = 25;
const N_ROUNDS_MAX: usize = 2_000;
const N_SAVES: usize = 40;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

/// What the synchroniser did during one storm.
#[derive(Debug, Default)]
struct Log {
    /// Contents it had seen and replaced or removed on purpose.
    let_go: BTreeSet<Vec<u8>>,
    n_steps: usize,
    n_done: usize,
    n_changed: usize,
    n_displaced: usize,
}

fn read(vault: &dyn Vault, at: &RelPath) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    vault.open_read(at).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn staged(vault: &dyn Vault, tag: &StageName) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    let read = vault.read_staged(tag)?.read_to_end(&mut bytes);
    read.map(|_| bytes)
        .map_err(|source| VaultError::Io { op: "read", source })
}

/// One step: looks, then replaces or removes what it saw.
fn step(vault: &dyn Vault, n: usize, log: &mut Log) {
    let (at, tag) = (path("a"), StageName::new(&format!("t{n}")).expect("a tag"));
    let Some(seen) = read(vault, &at) else { return };
    let outcome = if n.is_multiple_of(4) {
        remove_if(vault, &at, &tag, &mut |_| Ok(staged(vault, &tag)? == seen))
    } else {
        let mut file = vault.stage_file(&tag).expect("stage");
        write!(file, "sync {n}").expect("write");
        file.finish(FileAttrs {
            exec: false,
            mtime_ns: 0,
            like: None,
        })
        .expect("finish");
        let judge = &mut |_: &fst_fs::vault::Stat| Ok(staged(vault, &tag)? == seen);
        match replace_if(vault, &tag, &at, judge) {
            Ok(Outcome::Done(_)) => Ok(Outcome::Done(())),
            Ok(Outcome::Changed) => Ok(Outcome::Changed),
            Ok(Outcome::Displaced { tags, cause }) => Ok(Outcome::Displaced { tags, cause }),
            Err(error) => Err(error),
        }
    };
    match outcome {
        Ok(Outcome::Done(())) => {
            log.n_done += 1;
            log.let_go.insert(seen);
        },
        Ok(Outcome::Changed) | Err(VaultError::InUse { .. }) => log.n_changed += 1,
        Err(error) => panic!("error of the disk: {error}"),
        Ok(Outcome::Displaced { tags, .. }) => {
            log.n_displaced += 1;
            for (i, tag) in tags.iter().enumerate() {
                vault
                    .unstage_move(tag, &path(&format!("rescued {n} {i}")))
                    .expect("rescue");
            }
        },
    }
    // What is left in the stage is our own, and nothing else.
    for entry in vault.stage_list().expect("list") {
        assert!(
            staged(vault, &entry.tag)
                .expect("read")
                .starts_with(b"sync")
        );
        vault.discard(&entry.tag).expect("discard");
    }
}

/// How the user's program saves.
#[derive(Debug, Clone, Copy)]
enum Saving {
    ByRenaming,
    InPlace,
}

/// Saves again and again; returns what was saved last.
fn save_often(world: &RealWorld, round: usize, saving: Saving) -> Vec<u8> {
    let mut last = Vec::new();
    for n in 0..N_SAVES {
        last = format!("user {round:04} {n:04}").into_bytes();
        match saving {
            Saving::ByRenaming => world.save(&path("a"), &last),
            Saving::InPlace => world.write(&path("a"), &last),
        }
    }
    last
}

fn storm(means: Means, saving: Saving) {
    let mut log = Log::default();
    for round in 0..N_ROUNDS_MAX {
        let has_met_all = log.n_done > 0 && log.n_changed + log.n_displaced > 0;
        if has_met_all && round >= N_ROUNDS {
            return;
        }
        let world = RealWorld::new(means);
        let last = run_round(&world, round, saving, &mut log);
        let is_safe = is_there(&world, &last) || log.let_go.contains(&last);
        assert!(
            is_safe,
            "lost {:?}: {log:?}",
            String::from_utf8_lossy(&last)
        );
    }
    unreachable!("the storm must reach every outcome: {log:?}");
}

/// Replaces for as long as the user saves; returns what was saved last.
fn run_round(world: &RealWorld, round: usize, saving: Saving, log: &mut Log) -> Vec<u8> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let user = scope.spawn(|| {
            let last = save_often(world, round, saving);
            is_over.store(true, Ordering::Release);
            last
        });
        while !is_over.load(Ordering::Acquire) {
            log.n_steps += 1;
            step(&world.vault, log.n_steps, log);
        }
        user.join().expect("the user went well")
    })
}

/// True when some file of the folder holds `bytes`.
fn is_there(world: &RealWorld, bytes: &[u8]) -> bool {
    let listed = world.vault.list(&RelPath::root()).expect("list");
    let mut files = listed.into_iter().map(|entry| {
        let name = entry.name.expect("a name");
        RelPath::root().child(name).expect("a path")
    });
    files.any(|at| world.read(&at).as_deref() == Some(bytes))
}

#[test]
fn saves_by_renaming_survive() {
    storm(Means::ALL, Saving::ByRenaming);
}

#[test]
fn saves_by_renaming_survive_old_system_calls() {
    storm(Means::NONE, Saving::ByRenaming);
}

#[test]
fn saves_by_renaming_survive_without_exchange() {
    storm(
        Means {
            exchange: false,
            ..Means::ALL
        },
        Saving::ByRenaming,
    );
}

#[test]
fn saves_in_place_survive() {
    storm(Means::ALL, Saving::InPlace);
}

#[test]
fn saves_in_place_survive_old_system_calls() {
    storm(Means::NONE, Saving::InPlace);
}
