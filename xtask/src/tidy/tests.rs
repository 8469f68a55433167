//! The workspace itself keeps its rules; this makes `cargo test` the whole truth.

use super::*;

#[test]
fn the_workspace_is_tidy() {
    let root = workspace::root().expect("tests run under cargo");
    let workspace = Workspace::read(&root).expect("the workspace can be read");
    let found: Vec<String> = findings(&workspace)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_server_links_nothing_that_opens_content() {
    let root = workspace::root().expect("tests run under cargo");
    let output = crate::process::cargo(&root)
        .args([
            "tree",
            "--offline",
            "--all-features",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--package", "fst-server"])
        .output()
        .expect("cargo tree starts");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(tree.contains("fst-store"), "the tree looks wrong:\n{tree}");
    for closed in ["fst-crypto ", "fst-chunk ", "fst-client "] {
        assert!(
            !tree.lines().any(|line| line.starts_with(closed)),
            "fst-server links {closed}"
        );
    }
}

#[test]
fn findings_read_like_compiler_messages() {
    assert_eq!(
        Finding::new("a/b.rs", 3, "is wrong").to_string(),
        "a/b.rs:3: is wrong"
    );
}

#[test]
fn lines_are_counted_from_one() {
    assert_eq!(line_of("a\nb\nc", 0), 1);
    assert_eq!(line_of("a\nb\nc", 4), 3);
}
