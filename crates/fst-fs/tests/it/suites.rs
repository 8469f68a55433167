//! The conformance suite, against every vault.

use fst_fs::conformance::all;
use fst_fs::real::Means;

use crate::worlds::{FakeWorld, RealWorld, as_nobody};

const N_CASES: usize = 71;

#[test]
fn the_real_vault_conforms() {
    assert_eq!(all(&|| Box::new(RealWorld::new(Means::ALL))), N_CASES);
}

#[test]
fn the_real_vault_conforms_for_an_ordinary_user() {
    let n_cases = as_nobody(|| all(&|| Box::new(RealWorld::new(Means::ALL))));
    assert_eq!(n_cases, N_CASES);
}

#[test]
fn the_real_vault_conforms_with_old_system_calls() {
    assert_eq!(all(&|| Box::new(RealWorld::new(Means::NONE))), N_CASES);
}

#[test]
fn the_real_vault_conforms_without_openat2() {
    let means = Means {
        openat2: false,
        ..Means::ALL
    };
    assert_eq!(all(&|| Box::new(RealWorld::new(means))), N_CASES);
}

#[test]
fn the_real_vault_conforms_without_exchange() {
    let means = Means {
        exchange: false,
        ..Means::ALL
    };
    assert_eq!(all(&|| Box::new(RealWorld::new(means))), N_CASES);
}

#[test]
fn the_fake_vault_conforms() {
    assert_eq!(all(&|| Box::new(FakeWorld::default())), N_CASES);
}
