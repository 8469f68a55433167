//! Tests of the vaults and watchers, in one program.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod fakes;
#[cfg(test)]
mod races;
#[cfg(test)]
mod reals;
#[cfg(test)]
mod storms;
#[cfg(test)]
mod suites;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod worlds;

#[test]
fn no_file_here_is_forgotten() {
    let main = include_str!("main.rs");
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let mut n_files = 0;
    for entry in std::fs::read_dir(dir).expect("list the tests") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let module = name.strip_suffix(".rs").expect("only Rust files");
        assert!(
            module == "main" || main.contains(&format!("\nmod {module};\n")),
            "{name}"
        );
        n_files += 1;
    }
    assert!(n_files > 1);
}
