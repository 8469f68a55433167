//! Words that no file of ours holds: hosts of package registries, paths of one machine, traces of merging.
//!
//! `Cargo.lock` is written by cargo and left out.

use super::Finding;
use crate::workspace::{TextFile, Workspace};

/// Registries are named by their tools (`cargo`, `pip`), not by host. Split so that this file passes.
const HOSTS: &[(&str, &str)] = &[
    ("crates", "io"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "com"),
    ("npmjs", "org"),
    ("proxy.golang", "org"),
    ("rubygems", "org"),
    ("deb.debian", "org"),
];

/// First directory of paths that exist on one machine only, between slashes.
const MACHINE_DIRS: &[(&str, &str)] = &[("ro", "ot"), ("wo", "rk"), ("ho", "me")];

/// Names of people in examples.
const EXAMPLE_HOMES: &[&str] = &["a", "alice", "ann", "bob", "me", "you", "user", "youruser"];

/// Left behind by a merge.
const MARKS: &[char] = &['<', '>'];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let files = workspace
        .files
        .iter()
        .filter(|file| file.path != "Cargo.lock");
    files.flat_map(check_file).collect()
}

fn check_file(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (name, end) in HOSTS {
            let host = format!("{name}.{end}");
            if line.contains(&host) {
                let message = format!("names the registry host `{host}`");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
        for (start, end) in MACHINE_DIRS {
            let dir = format!("/{start}{end}/");
            if line
                .match_indices(&dir)
                .any(|(at, _)| is_machine_path(line, at, &dir))
            {
                let message = format!("holds a path under `{dir}`, which is one machine's");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
        let is_mark = |mark: char| line.starts_with(&format!("{} ", String::from(mark).repeat(7)));
        if MARKS.iter().any(|&mark| is_mark(mark)) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "holds a conflict marker",
            ));
        }
    }
    findings
}

/// True when the path at `at` begins there and is nobody's example.
fn is_machine_path(line: &str, at: usize, dir: &str) -> bool {
    let before = line[..at].chars().next_back();
    let is_absolute = !before.is_some_and(|c| c.is_alphanumeric() || "._-/~}$*".contains(c));
    let owner = line[at + dir.len()..]
        .split(|c: char| !c.is_alphanumeric())
        .next();
    is_absolute && !owner.is_some_and(|owner| EXAMPLE_HOMES.contains(&owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(line: &str) -> usize {
        check_file(&TextFile {
            path: "a".into(),
            text: line.into(),
        })
        .len()
    }

    #[test]
    fn registry_hosts_are_found() {
        assert_eq!(count(&["see https://", "crates", ".io/x"].concat()), 1);
        assert_eq!(count("cargo add x"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found_and_examples_are_not() {
        let dir = ["/ho", "me/"].concat();
        assert_eq!(count(&format!("cd {dir}k7/src")), 1);
        assert_eq!(count(&format!("cd {dir}alice/Documents")), 0);
        let inner = ["docs/wo", "rk/plan"].concat();
        assert_eq!(count(&inner), 0);
    }

    #[test]
    fn merge_leftovers_are_found() {
        assert_eq!(count(&format!("{} HEAD", "<".repeat(7))), 1);
    }
}
