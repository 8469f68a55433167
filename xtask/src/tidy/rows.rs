//! Every row of the decision table has a test, and every such test has a row; the edge cases name only what is there.
//!
//! A row is a table line whose first cell is `S-001`; its tests are functions `s001_…` under `tests/`. An edge case is a
//! line of the section of that name; it names rows, and tests as `crate::module::function`.
//! Source: docs/design/sync-semantics.md.

use std::collections::BTreeMap;

use super::{Finding, rust_source};
use crate::workspace::Workspace;

const PAGE: &str = "docs/design/sync-semantics.md";

const EDGE_CASES: &str = "## Edge cases";

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let Some(page) = workspace.file(PAGE) else {
        return vec![Finding::new(PAGE, 1, "is missing")];
    };
    let rows = rows(&page.text);
    let tests = tests(workspace);
    let mut findings = edge_cases(&page.text, &rows, workspace);
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

/// What the edge cases name and nobody has.
fn edge_cases(page: &str, rows: &BTreeMap<String, usize>, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = page.lines().enumerate();
    let section = lines.skip_while(|(_, line)| *line != EDGE_CASES).skip(1);
    for (index, line) in section.take_while(|(_, line)| !line.starts_with("## ")) {
        for word in line.split([' ', ',', ';', '.', '|']) {
            let number = word.strip_prefix("S-").filter(|n| is_number(n));
            if number.is_some_and(|number| !rows.contains_key(number)) {
                let message = format!("names {word}, which is no row");
                findings.push(Finding::new(PAGE, index + 1, message));
            }
        }
        for name in line.split('`').skip(1).step_by(2) {
            if name.contains("::") && !is_test(name, workspace) {
                let message = format!("names `{name}`, which is no test");
                findings.push(Finding::new(PAGE, index + 1, message));
            }
        }
    }
    findings
}

/// Whether `crate::…::module::function` is there: in a file of that module, or in the file above it.
fn is_test(name: &str, workspace: &Workspace) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [package, .., module, function] = parts[..] else {
        return false;
    };
    let home = format!("crates/{package}/");
    let is_of_module = |path: &str| {
        path.ends_with(&format!("/{module}.rs")) || path.contains(&format!("/{module}/"))
    };
    let mut files = workspace
        .rust_files()
        .filter(|file| file.path.starts_with(&home) && is_of_module(&file.path));
    files.any(|file| file.text.contains(&format!("fn {function}(")))
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
    fn edge_cases_name_what_is_there() {
        let page = |cell: &str| {
            format!("| S-001 | |\n## Edge cases\n| 1 | a case | {cell} |\n## Next\nS-009")
        };
        let test = "fn s001_a() {}";
        assert!(messages(&page("S-001; `a::rows::s001_a`"), test).is_empty());
        assert_eq!(
            messages(&page("S-001, S-002; `a::rows::gone`"), test),
            [
                "docs/design/sync-semantics.md:3: names S-002, which is no row",
                "docs/design/sync-semantics.md:3: names `a::rows::gone`, which is no test",
            ]
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
