//! Worlds in every run; a failure prints its seed. Source: docs/design/sync-semantics.md §"What must hold".

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fst_testkit::world::{self, Plan};

/// Worlds with the weather of their seed.
const SEEDS: u64 = 2_000;
/// Worlds in which processes are killed all the time.
const KILLING_SEEDS: u64 = 300;
/// Worlds in which devices choose sub-folders all the time.
const CHOOSING_SEEDS: u64 = 200;
/// Every so many seeds one is run twice and must give the same trace.
const REPLAY_EVERY: u64 = 100;

/// Runs seeds on all processors; every seed is a world of its own.
fn check(seeds: u64, plan_of: fn(u64) -> Plan, how: &str) {
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let plan = plan_of(seed);
            let report = world::run(seed, &plan);
            let is_same = !seed.is_multiple_of(REPLAY_EVERY) || world::run(seed, &plan) == report;
            if !report.faults.is_empty() || !is_same {
                let text = format!("seed {seed}: {:?}, replays: {is_same}", report.faults);
                failed.lock().expect("not poisoned").push(text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("not poisoned");
    assert!(
        failed.is_empty(),
        "replay with `cargo xtask sim --seed N{how}`:\n{}",
        failed.join("\n")
    );
}

#[test]
fn worlds_become_equal_and_lose_nothing() {
    check(SEEDS, Plan::of_seed, "");
}

#[test]
fn worlds_of_kills_become_equal_and_lose_nothing() {
    check(KILLING_SEEDS, Plan::of_kills, " --killing");
}

#[test]
fn worlds_of_choices_become_equal_and_lose_nothing() {
    check(CHOOSING_SEEDS, Plan::of_choices, " --choosing");
}
