//! A crate's own `clippy.toml` repeats the root's: clippy reads one file only, the nearest.

use super::Finding;
use crate::workspace::{TextFile, Workspace};

const ROOT: &str = "clippy.toml";

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let Some(root) = workspace.file(ROOT) else {
        return vec![Finding::new(ROOT, 1, "is missing")];
    };
    let copies = workspace
        .files
        .iter()
        .filter(|file| file.path.ends_with("/clippy.toml"));
    copies.flat_map(|copy| check_copy(root, copy)).collect()
}

fn check_copy(root: &TextFile, copy: &TextFile) -> Vec<Finding> {
    let has = |rule: &str| copy.text.lines().any(|line| rule_of(line) == Some(rule));
    let missing = root
        .text
        .lines()
        .filter_map(rule_of)
        .filter(|rule| !has(rule));
    missing
        .map(|rule| Finding::new(&copy.path, 1, format!("lacks the root's `{rule}`")))
        .collect()
}

/// A setting, or the path of a forbidden thing; the reason behind it may differ.
fn rule_of(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some(entry) = line.strip_prefix("{ path = ") {
        return entry.split('"').nth(1);
    }
    let is_rule = !line.is_empty() && !line.starts_with(['#', ']']) && !line.ends_with('[');
    is_rule.then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_thresholds_and_paths_are_found() {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.into(),
        };
        let root = "a = 70\nb = true\nc = [\n  { path = \"x::now\", reason = \"r\" },\n]\n";
        let same = "b = true\na = 70\nc = [\n  { path = \"x::now\", reason = \"other\" },\n]\n";
        let less = "a = 80\nb = true\n";
        let workspace = |copy: &str| Workspace {
            files: vec![file(ROOT, root), file("crates/a/clippy.toml", copy)],
            packages: Vec::new(),
        };
        assert!(check(&workspace(same)).is_empty());
        let found: Vec<String> = check(&workspace(less))
            .into_iter()
            .map(|finding| finding.message)
            .collect();
        assert_eq!(
            found,
            ["lacks the root's `a = 70`", "lacks the root's `x::now`"]
        );
    }
}
