//! No test file is left out of its test binary.
//!
//! `tests/it/` is one binary per crate: `main.rs` names every other file of the directory by a `mod`.

use super::{Finding, rust_source};
use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.rust_files() {
        let Some((dir, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        let Some(module) = name.strip_suffix(".rs") else {
            continue;
        };
        let Some(at) = dir.find("/tests/it") else {
            continue;
        };
        // `it/a.rs` is named by `it/main.rs`, `it/a/b.rs` by `it/a.rs` or `it/a/mod.rs`.
        let owners = if dir.len() == at + "/tests/it".len() {
            vec![format!("{dir}/main.rs")]
        } else {
            vec![format!("{dir}.rs"), format!("{dir}/mod.rs")]
        };
        if owners.contains(&file.path) {
            continue;
        }
        let owner = owners.iter().find_map(|owner| workspace.file(owner));
        let is_named = owner.is_some_and(|owner| names_module(&owner.text, module));
        if !is_named {
            let message = format!("never runs: no `mod {module};` in {}", owners[0]);
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
    findings
}

fn names_module(owner: &str, module: &str) -> bool {
    let code = rust_source::code_only(owner);
    code.lines().any(|line| {
        let line = line.trim();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ").is_some_and(|rest| {
            rest.strip_prefix(module)
                .is_some_and(|rest| rest.trim_start().starts_with([';', '{']))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::TextFile;

    #[test]
    fn files_that_no_binary_names_are_found() {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.into(),
        };
        let files = vec![
            file(
                "crates/a/tests/it/main.rs",
                "mod one;\n// mod two;\nmod deep;",
            ),
            file("crates/a/tests/it/one.rs", ""),
            file("crates/a/tests/it/two.rs", ""),
            file("crates/a/tests/it/deep.rs", "mod three;"),
            file("crates/a/tests/it/deep/three.rs", ""),
        ];
        let found = check(&Workspace {
            files,
            packages: Vec::new(),
        });
        let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["crates/a/tests/it/two.rs"]);
    }
}
