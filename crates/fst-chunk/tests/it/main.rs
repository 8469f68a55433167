//! One test binary for the crate: laws of cutting and compressing, and frozen cut points.
//!
//! Invariant: every file in this directory is a module of this binary.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod cdc;
mod compress;
mod corpus;
mod delta;
mod vectors;

#[test]
fn no_test_file_is_forgotten() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".rs").unwrap_or(&name);
        let line = format!("\nmod {stem};\n");
        assert!(
            stem == "main" || include_str!("main.rs").contains(&line),
            "{name} is not a module"
        );
    }
}
