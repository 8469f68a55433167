//! 200 worlds in every run; a failure prints its seed.

use fst_testkit::world::{self, Plan};

const SEEDS: u64 = 200;

#[test]
fn worlds_become_equal_and_lose_nothing() {
    let mut failed = Vec::new();
    for seed in 0..SEEDS {
        let report = world::run(seed, &Plan::of_seed(seed));
        if !report.faults.is_empty() {
            failed.push(format!("seed {seed}: {:?}", report.faults));
        }
    }
    assert!(
        failed.is_empty(),
        "replay with `cargo xtask sim --seed N`:\n{}",
        failed.join("\n")
    );
}

#[test]
fn a_seed_replays_the_same_world() {
    for seed in [3, 14, 15] {
        assert_eq!(
            world::run(seed, &Plan::of_seed(seed)),
            world::run(seed, &Plan::of_seed(seed)),
            "seed {seed}"
        );
    }
}
