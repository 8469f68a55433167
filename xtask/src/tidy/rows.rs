//! Every row of the decision table has a test, and every such test has a row.
//!
//! A row is a table line whose first cell is `S-001`; its tests are functions `s001_…` under `tests/`.
//! Source: docs/design/sync-semantics.md.

use std::collections::BTreeMap;

use super::{Finding, rust_source};
use crate::workspace::Workspace;

const PAGE: &str = "docs/design/sync-semantics.md";

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let Some(page) = workspace.file(PAGE) else {
        return vec![Finding::new(PAGE, 1, "is missing")];
    };
    let rows = rows(&page.text);
    let tests = tests(workspace);
    let mut findings = Vec::new();
    for (row, line) in &rows {
        if !tests.contains_key(row) {
            let message = format!("row S-{row} has no test `s{row}_…`");
            findings.push(Finding::new(PAGE, *line, message));
        }
    }
    for (row, (path, line, name)) in &tests {
        if !rows.contains_key(row) {
            let message = format!("test `{name}` has no row S-{row} in {PAGE}");
            findings.push(Finding::new(path, *line, message));
        }
    }
    findings
}

/// Row numbers as written, with their lines.
fn rows(page: &str) -> BTreeMap<String, usize> {
    let mut rows = BTreeMap::new();
    for (index, line) in page.lines().enumerate() {
        let first = line
            .strip_prefix('|')
            .and_then(|line| line.split('|').next());
        let id = first.map(|cell| cell.trim().trim_matches(['`', '*']));
        if let Some(number) = id
            .and_then(|id| id.strip_prefix("S-"))
            .filter(|n| is_number(n))
        {
            rows.entry(number.to_owned()).or_insert(index + 1);
        }
    }
    rows
}

/// One test of each row number: where it is and what it is called.
fn tests(workspace: &Workspace) -> BTreeMap<String, (String, usize, String)> {
    let mut tests = BTreeMap::new();
    for file in workspace
        .rust_files()
        .filter(|file| file.path.contains("/tests/"))
    {
        let code = rust_source::code_only(&file.text);
        for (line, name) in rust_source::words(&code, |word| number_of(word).is_some()) {
            if let Some(number) = number_of(&name).map(str::to_owned) {
                tests
                    .entry(number)
                    .or_insert((file.path.clone(), line, name));
            }
        }
    }
    tests
}

/// `001` of `s001_equal_edits`.
fn number_of(name: &str) -> Option<&str> {
    let (number, rest) = name.strip_prefix('s')?.split_once('_')?;
    (is_number(number) && !rest.is_empty()).then_some(number)
}

fn is_number(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests_of_rows {
    use super::*;
    use crate::workspace::TextFile;

    fn messages(page: &str, test: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.into(),
        };
        let files = vec![file("crates/a/tests/it/rows.rs", test), file(PAGE, page)];
        let workspace = Workspace {
            files,
            packages: Vec::new(),
        };
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_and_tests_match() {
        assert!(
            messages(
                "| S-001 | both edit |\n| `S-002` | |\n",
                "fn s001_a() {}\nfn s002_b() {}"
            )
            .is_empty()
        );
    }

    #[test]
    fn lonely_rows_and_tests_are_found() {
        assert_eq!(
            messages(
                "| id |\n| S-001 | |\nsee S-009\n",
                "// s001_no\nfn s003_c() {}"
            ),
            [
                "docs/design/sync-semantics.md:2: row S-001 has no test `s001_…`",
                "crates/a/tests/it/rows.rs:2: test `s003_c` has no row S-003 in \
                 docs/design/sync-semantics.md",
            ]
        );
    }
}
