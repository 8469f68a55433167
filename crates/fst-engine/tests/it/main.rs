//! Tests of the engine: rows of docs/design/sync-semantics.md, and laws on random worlds.

#![allow(
    clippy::disallowed_types,
    reason = "this file lists the directory it is in"
)]

mod agree;
mod choosing;
mod disk;
mod exhaustive;
mod explaining;
mod guard;
mod history;
mod identify;
mod ignoring;
mod lang;
mod merging;
mod naming;
mod order;
mod part;
mod random;
mod rate;
mod restore;
mod retention;
mod rows_conflict;
mod rows_held;
mod rows_merge;
mod rows_merging;
mod rows_names;
mod sim;
mod surveying;
mod timing;
mod undoing;

use proptest::prelude::ProptestConfig;

/// So many cases, or what `PROPTEST_CASES` says.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let chosen = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return chosen;
    }
    ProptestConfig {
        cases,
        max_shrink_iters: 20_000,
        ..chosen
    }
}

/// A file that nobody declares is never compiled, so its tests never run.
#[test]
fn no_test_file_is_forgotten() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = include_str!("main.rs");
    for file in std::fs::read_dir(dir).expect("the directory of this file") {
        let name = file
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a plain name");
        let module = name.strip_suffix(".rs").expect("only source files here");
        let is_declared = module == "main" || main.contains(&format!("\nmod {module};\n"));
        assert!(is_declared, "tests/it/{name} is not declared in main.rs");
    }
}

/// Every row of the specification has a test, and every test named after a row has its row.
#[test]
fn rows_and_tests_agree() {
    let spec = include_str!("../../../../docs/design/sync-semantics.md");
    let sources = [
        include_str!("agree.rs"),
        include_str!("guard.rs"),
        include_str!("choosing.rs"),
        include_str!("identify.rs"),
        include_str!("ignoring.rs"),
        include_str!("merging.rs"),
        include_str!("naming.rs"),
        include_str!("order.rs"),
        include_str!("rows_conflict.rs"),
        include_str!("rows_held.rs"),
        include_str!("rows_merge.rs"),
        include_str!("rows_merging.rs"),
        include_str!("rows_names.rs"),
        include_str!("timing.rs"),
    ];
    let rows: std::collections::BTreeSet<String> = spec
        .lines()
        .filter_map(|line| line.strip_prefix("| S-"))
        .map(|rest| format!("s{}", &rest[..3]))
        .collect();
    let tests: std::collections::BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.split("fn s").skip(1))
        .filter(|rest| rest.as_bytes()[..3].iter().all(u8::is_ascii_digit))
        .map(|rest| format!("s{}", &rest[..3]))
        .collect();
    assert_eq!(rows, tests);
}
