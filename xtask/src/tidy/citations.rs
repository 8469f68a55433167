//! What is cited exists: documents, their sections, decision records, links.
//!
//! Rust files and pages cite `docs/….md §2.3` and `ADR 0004`; pages also link. Invariant: a section number is
//! cited only right behind its document's name. Not here: addresses outside the repository.

use std::collections::BTreeSet;

use super::{Finding, line_of};
use crate::workspace::{TextFile, Workspace};

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.rust_files() {
        let comments = TextFile {
            path: file.path.clone(),
            text: comments_only(&file.text),
        };
        findings.extend(check_documents(workspace, &comments));
        findings.extend(check_records(workspace, &comments));
    }
    for file in workspace.markdown_files() {
        findings.extend(check_documents(workspace, file));
        findings.extend(check_records(workspace, file));
        findings.extend(check_links(workspace, file));
    }
    findings
}

/// The source with empty lines where there is no comment.
fn comments_only(source: &str) -> String {
    let lines = source.lines().map(|line| {
        if line.trim_start().starts_with("//") {
            line
        } else {
            ""
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Directories whose documents are ours; others are cited in sources of other projects.
const OUR_DIRS: &[&str] = &["docs/design/", "docs/adr/", "docs/book/"];

/// `docs/NAME.md`, with or without `.md`, and the sections behind it.
fn check_documents(workspace: &Workspace, file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in file.text.match_indices("docs/") {
        let Some((path, rest)) = document(&file.text, at) else {
            continue;
        };
        let line = line_of(&file.text, at);
        let messages = match find(workspace, path) {
            None => vec![format!("cites `{path}`, which is not there")],
            Some(None) => Vec::new(),
            Some(Some(page)) => unknown_sections(page, rest),
        };
        findings.extend(
            messages
                .into_iter()
                .map(|m| Finding::new(&file.path, line, m)),
        );
    }
    findings
}

/// A path of ours that begins at `at`, and what follows it; `repository:path` is somebody else's.
fn document(text: &str, at: usize) -> Option<(&str, &str)> {
    let is_inside = text[..at].ends_with(|c: char| c.is_alphanumeric() || "/._-:".contains(c));
    let end = text[at..]
        .find(|c: char| !is_path(c))
        .map_or(text.len(), |len| at + len);
    let path = text[at..end].trim_end_matches(['.', '/', '-']);
    let is_ours = OUR_DIRS.iter().any(|dir| path.starts_with(dir)) && !path.contains("NNNN");
    (is_ours && !is_inside).then_some((path, &text[end..]))
}

fn unknown_sections(page: &TextFile, rest: &str) -> Vec<String> {
    let known = sections(&page.text);
    let cited = cited_sections(rest)
        .into_iter()
        .filter(|section| !known.contains(section));
    cited
        .map(|section| format!("cites §{section} of `{}`, which is not there", page.path))
        .collect()
}

/// The cited page, or `Some(None)` for a directory or a number such as `docs/adr/0004`.
fn find<'a>(workspace: &'a Workspace, path: &str) -> Option<Option<&'a TextFile>> {
    let page = workspace
        .file(path)
        .or_else(|| workspace.file(&format!("{path}.md")));
    if page.is_some() {
        return Some(page);
    }
    let is_record = path.starts_with("docs/adr/")
        && workspace
            .files
            .iter()
            .any(|file| file.path.starts_with(&format!("{path}-")));
    (is_record || workspace.has(path)).then_some(None)
}

/// Numbers of a page's headings: `## 2. Keys` and `### 2.3 Ids`.
fn sections(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let words = headings.filter_map(|line| line.trim_start_matches('#').split_whitespace().next());
    let numbers = words.map(|word| word.trim_matches(['§', '.']).to_owned());
    numbers
        .filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        .collect()
}

/// Numbers of ` §2.2, §3` and ` §§1–4` right at the beginning of `rest`.
fn cited_sections(rest: &str) -> Vec<String> {
    let mut rest = rest;
    let mut found = Vec::new();
    loop {
        let next = rest.trim_start_matches([',', ' ', '`']);
        let Some(marked) = next.strip_prefix('§') else {
            return found;
        };
        let marked = marked.trim_start_matches('§');
        let number: String = marked
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        rest = &marked[number.len()..];
        if number.is_empty() {
            return found;
        }
        found.push(number.trim_end_matches('.').to_owned());
        if let Some(end) = rest.strip_prefix('–') {
            let number: String = end.chars().take_while(char::is_ascii_digit).collect();
            rest = &end[number.len()..];
            found.push(number);
        }
    }
}

/// `ADR 0004` has a file `docs/adr/0004-….md`.
fn check_records(workspace: &Workspace, file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in file.text.match_indices("ADR ") {
        let number: String = file.text[at + 4..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let prefix = format!("docs/adr/{number}-");
        let exists = workspace
            .files
            .iter()
            .any(|file| file.path.starts_with(&prefix));
        if number.len() == 4 && !exists {
            let message = format!("cites ADR {number}, which is not there");
            findings.push(Finding::new(&file.path, line_of(&file.text, at), message));
        }
    }
    findings
}

/// Links of a page to files of the repository.
fn check_links(workspace: &Workspace, file: &TextFile) -> Vec<Finding> {
    let dir = file.path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let mut findings = Vec::new();
    for (at, _) in file.text.match_indices("](") {
        let target: String = file.text[at + 2..]
            .chars()
            .take_while(|&c| c != ')' && c != '\n')
            .collect();
        let target = target.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains(':') {
            continue;
        }
        let path = resolve(dir, target);
        if !workspace.has(&path) {
            let message = format!("links to `{target}`, which is not there");
            findings.push(Finding::new(&file.path, line_of(&file.text, at), message));
        }
    }
    findings
}

fn resolve(dir: &str, target: &str) -> String {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {},
            ".." => {
                parts.pop();
            },
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn is_path(c: char) -> bool {
    c.is_alphanumeric() || "/._-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.into(),
        };
        let page = file("docs/design/keys.md", "## 2. Keys\n### 2.3 Ids\n");
        let record = file("docs/adr/0004-base.md", "# Base\n");
        let files = vec![page, record, file(path, text)];
        let workspace = Workspace {
            files,
            packages: Vec::new(),
        };
        check(&workspace)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn cited_documents_and_sections_exist() {
        let good =
            "//! docs/design/keys.md §2, §2.3. docs/design/keys §2; docs/adr/0004, ADR 0004.";
        assert!(messages("crates/a/src/a.rs", good).is_empty());
        assert_eq!(
            messages(
                "crates/a/src/a.rs",
                "//! docs/design/keys.md §2–4; docs/design/gone.md. ADR 0009"
            ),
            [
                "cites §4 of `docs/design/keys.md`, which is not there",
                "cites `docs/design/gone.md`, which is not there",
                "cites ADR 0009, which is not there",
            ]
        );
    }

    #[test]
    fn links_lead_somewhere() {
        assert!(
            messages(
                "docs/a.md",
                "[k](design/keys.md#x) [u](https://x.y) [d](../docs)"
            )
            .is_empty()
        );
        assert_eq!(
            messages("docs/a.md", "[k](keys.md)"),
            ["links to `keys.md`, which is not there"]
        );
    }
}
