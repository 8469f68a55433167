//! Fragments of the changelog: one file per change that a user sees.
//!
//! Source: changelog/TEMPLATE.md.

use super::Finding;
use crate::workspace::{TextFile, Workspace};

const DIR: &str = "changelog/unreleased/";

const KINDS: &[&str] = &["Added", "Changed", "Fixed", "Removed", "Security"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let fragments: Vec<&TextFile> = workspace
        .files
        .iter()
        .filter(|file| file.path.starts_with(DIR))
        .collect();
    let mut findings: Vec<Finding> = fragments
        .iter()
        .filter_map(|file| Some(Finding::new(&file.path, 1, problem(file)?)))
        .collect();
    if fragments.is_empty() && !is_released(workspace) {
        findings.push(Finding::new(
            DIR,
            1,
            "holds no fragment and no release is noted",
        ));
    }
    findings
}

/// Right after a release there are no fragments, but the changelog has a version.
fn is_released(workspace: &Workspace) -> bool {
    let page = workspace.file("CHANGELOG.md");
    page.is_some_and(|page| page.text.lines().any(|line| line.starts_with("## ")))
}

fn problem(file: &TextFile) -> Option<String> {
    let name = file.path.strip_prefix(DIR)?;
    let stem = name.strip_suffix(".md").unwrap_or_default();
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_named = stem.starts_with(|c: char| c.is_ascii_digit())
        && stem.contains('-')
        && stem.chars().all(is_name);
    if !is_named {
        return Some("is not called NUMBER-short-title.md".to_owned());
    }
    let (first, rest) = file.text.split_once('\n')?;
    let kind = first
        .split_once(": ")
        .filter(|(kind, title)| KINDS.contains(kind) && !title.is_empty());
    if kind.is_none() {
        return Some(format!(
            "does not begin with `KIND: title`, KIND one of {}",
            KINDS.join(", ")
        ));
    }
    let is_text = rest.starts_with('\n') && !rest.trim().is_empty();
    (!is_text).then(|| "has no text after an empty second line".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(name: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: format!("{DIR}{name}"),
            text: text.to_owned(),
        };
        let workspace = Workspace {
            files: vec![file],
            packages: Vec::new(),
        };
        check(&workspace)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn a_good_fragment_passes() {
        assert!(messages("2-main-path.md", "Added: sync\n\nNow it syncs.\n").is_empty());
    }

    #[test]
    fn bad_names_kinds_and_texts_are_found() {
        assert_eq!(messages("main.md", "Added: x\n\ny\n").len(), 1);
        assert_eq!(messages("2-a.md", "New: x\n\ny\n").len(), 1);
        assert_eq!(messages("2-a.md", "Added: x\n").len(), 1);
    }

    #[test]
    fn a_fragment_or_a_release_is_required() {
        assert_eq!(check(&Workspace::default()).len(), 1);
    }
}
