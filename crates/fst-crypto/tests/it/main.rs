//! One test binary for the crate: laws, refusals, and frozen vectors.
//!
//! Invariant: every file in this directory is a module of this binary.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod batch;
mod enrol;
mod envelope;
mod meta;
mod space;
mod support;
mod vectors_enrol;
mod vectors_log;
mod vectors_seal;

use serde_json::Value;

/// Every vector file that this crate produces.
fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("sealed_kinds", vectors_seal::kinds()),
        ("sealed_refused", vectors_seal::refused()),
        ("ids", vectors_seal::ids()),
        ("batch", vectors_seal::batch()),
        ("frame", vectors_seal::frame()),
        ("join", vectors_enrol::join()),
        ("recovery", vectors_enrol::recovery()),
        ("sigchain", vectors_enrol::sigchain()),
        ("control", vectors_log::control()),
        ("header", vectors_log::headers()),
        ("log", vectors_log::log()),
    ]
}

#[test]
fn vectors_are_frozen() {
    for (name, document) in documents() {
        assert!(
            support::read(name) == document,
            "{name}.json is not what the code makes"
        );
    }
}

/// Writes files that do not exist yet; a file that exists is frozen and never touched.
#[test]
#[ignore = "writes into testdata"]
fn write_missing_vectors() {
    for (name, document) in documents() {
        support::write_missing(name, &document);
    }
}

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
