//! The crate graph: ARCHITECTURE.md says what the manifests say, and describes every crate.
//!
//! The table's first two columns are read: the crate, and the crates it imports, each in backticks; `all`
//! allows everything. Invariant: the server's row can never gain a crate that opens content, whatever the table
//! says. Source: ARCHITECTURE.md; docs/adr/0001-crate-graph-and-purity.md.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::workspace::{Package, Workspace};

const PAGE: &str = "ARCHITECTURE.md";

/// Tests may use this crate from anywhere.
const TESTKIT: &str = "fst-testkit";

/// Crates that must not reach the server, not even by an edit of the table.
const CLOSED_TO_SERVER: &[&str] = &["fst-crypto", "fst-chunk", "fst-client"];

/// Crates on the server's side.
const SERVER_SIDE: &[&str] = &["fst-server", "fst-store"];

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    line: usize,
    imports: Imports,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Imports {
    All,
    Only(BTreeSet<String>),
}

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let Some(page) = workspace.file(PAGE) else {
        return vec![Finding::new(PAGE, 1, "is missing")];
    };
    let rows = rows(&page.text);
    let described = described(&page.text);
    let mut findings = Vec::new();
    for package in &workspace.packages {
        findings.extend(check_package(package, &rows));
        if !described.contains_key(&package.name) {
            let message = format!("no paragraph under `### {}`", package.name);
            findings.push(Finding::new(PAGE, 1, message));
        }
    }
    let is_known = |name: &str| {
        workspace
            .packages
            .iter()
            .any(|package| package.name == name)
    };
    let stale = rows.iter().map(|(name, row)| (name, row.line));
    let stale = stale.chain(described.iter().map(|(name, line)| (name, *line)));
    for (name, line) in stale.filter(|(name, _)| !is_known(name)) {
        findings.push(Finding::new(PAGE, line, format!("`{name}` is not a crate")));
    }
    findings
}

fn check_package(package: &Package, rows: &BTreeMap<String, Row>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let real: BTreeSet<String> = package
        .deps
        .iter()
        .filter(|dep| !dep.is_dev)
        .map(|dep| dep.name.clone())
        .collect();
    if SERVER_SIDE.contains(&package.name.as_str()) {
        for dep in real
            .iter()
            .filter(|dep| CLOSED_TO_SERVER.contains(&dep.as_str()))
        {
            let message = format!("`{}` must never import `{dep}`", package.name);
            findings.push(Finding::new(&package.manifest, 1, message));
        }
    }
    for dep in package.deps.iter().filter(|dep| dep.is_dev) {
        if dep.name != TESTKIT && dep.name != package.name && !real.contains(&dep.name) {
            let message = format!("tests may add `{TESTKIT}` only, not `{}`", dep.name);
            findings.push(Finding::new(&package.manifest, 1, message));
        }
    }
    match rows.get(&package.name) {
        None => {
            let message = format!("`{}` has no row in the table of crates", package.name);
            findings.push(Finding::new(PAGE, 1, message));
        },
        Some(Row {
            imports: Imports::All,
            ..
        }) => {},
        Some(Row {
            line,
            imports: Imports::Only(said),
        }) if *said != real => {
            let list =
                |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
            let message = format!(
                "`{}` imports [{}], the table says [{}]",
                package.name,
                list(&real),
                list(said)
            );
            findings.push(Finding::new(PAGE, *line, message));
        },
        Some(_) => {},
    }
    findings
}

/// Rows of the table whose header begins with `| crate | imports |`.
fn rows(page: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    let mut is_inside = false;
    for (index, line) in page.lines().enumerate() {
        if !line.starts_with('|') {
            is_inside = false;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, imports, ..] = cells.as_slice() else {
            continue;
        };
        if (*name, *imports) == ("crate", "imports") {
            is_inside = true;
        } else if let Some(name) = quoted(name).into_iter().next().filter(|_| is_inside) {
            let only: BTreeSet<String> = quoted(imports).into_iter().collect();
            let imports = if *imports == "all" {
                Imports::All
            } else {
                Imports::Only(only)
            };
            rows.insert(
                name,
                Row {
                    line: index + 1,
                    imports,
                },
            );
        }
    }
    rows
}

/// Texts in backticks that name a crate.
fn quoted(cell: &str) -> Vec<String> {
    let inside = cell.split('`').skip(1).step_by(2);
    inside
        .filter(|text| text.starts_with("fst-") || *text == "xtask")
        .map(str::to_owned)
        .collect()
}

/// Headings `### crate` that a paragraph follows, with their lines.
fn described(page: &str) -> BTreeMap<String, usize> {
    let lines: Vec<&str> = page.lines().collect();
    let mut found = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_prefix("### ").map(|name| name.trim_matches('`')) else {
            continue;
        };
        let next = lines[index + 1..]
            .iter()
            .find(|line| !line.trim().is_empty());
        let has_paragraph =
            next.is_some_and(|line| !line.starts_with(['#', '|']) && !line.starts_with("```"));
        if has_paragraph && (name.starts_with("fst-") || name == "xtask") {
            found.insert(name.to_owned(), index + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dep, TextFile};

    const HEAD: &str =
        "### `fst-a`\nText.\n### fst-server\nText.\n| crate | imports |\n|---|---|\n";

    fn workspace(rows: &str, deps: &[(&str, &str, bool)]) -> Workspace {
        let package = |name: &str| Package {
            name: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            deps: deps
                .iter()
                .filter(|(from, ..)| *from == name)
                .map(|(_, to, is_dev)| Dep {
                    name: (*to).to_owned(),
                    is_dev: *is_dev,
                })
                .collect(),
        };
        let page = TextFile {
            path: PAGE.to_owned(),
            text: format!("{HEAD}{rows}"),
        };
        Workspace {
            files: vec![page],
            packages: vec![package("fst-a"), package("fst-server")],
        }
    }

    fn messages(rows: &str, deps: &[(&str, &str, bool)]) -> Vec<String> {
        check(&workspace(rows, deps))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn equal_table_and_manifests_pass() {
        let rows = "| `fst-a` | — |\n| `fst-server` | `fst-a` (feature `x`) |\n";
        assert!(messages(rows, &[("fst-server", "fst-a", false)]).is_empty());
    }

    #[test]
    fn an_edge_more_or_less_is_found() {
        let rows = "| `fst-a` | `fst-b` |\n| `fst-server` | all |\n";
        assert_eq!(
            messages(rows, &[]),
            ["`fst-a` imports [], the table says [fst-b]"]
        );
        let rows = "| `fst-a` | — |\n| `fst-server` | — |\n";
        let found = messages(rows, &[("fst-server", "fst-a", false)]);
        assert_eq!(found, ["`fst-server` imports [fst-a], the table says []"]);
    }

    #[test]
    fn the_server_never_gets_the_keys() {
        let rows = "| `fst-a` | — |\n| `fst-server` | `fst-crypto` |\n";
        let found = messages(rows, &[("fst-server", "fst-crypto", false)]);
        assert_eq!(found, ["`fst-server` must never import `fst-crypto`"]);
    }

    #[test]
    fn tests_add_the_testkit_only() {
        let rows = "| `fst-a` | — |\n| `fst-server` | — |\n";
        assert!(messages(rows, &[("fst-a", TESTKIT, true), ("fst-a", "fst-a", true)]).is_empty());
        assert_eq!(messages(rows, &[("fst-a", "fst-server", true)]).len(), 1);
    }

    #[test]
    fn missing_and_stale_rows_and_paragraphs_are_found() {
        let rows = "| `fst-a` | — |\n| `fst-gone` | — |\n\n### fst-old\nText.\n";
        assert_eq!(
            messages(rows, &[]),
            [
                "`fst-server` has no row in the table of crates",
                "`fst-gone` is not a crate",
                "`fst-old` is not a crate",
            ]
        );
    }
}
