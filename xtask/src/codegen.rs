//! Documents that are made from sources, so that they cannot rot.
//!
//! `cargo xtask codegen` writes them, `--check` and tidy compare. Invariant: output depends on the sources
//! only.

mod limits;

use std::fs;

use anyhow::Context as _;

use crate::say::say;
use crate::tidy::Finding;
use crate::workspace::{self, Workspace};

/// A generated document.
struct Document {
    path: &'static str,
    make: fn(&Workspace) -> String,
}

const DOCUMENTS: &[Document] = &[Document {
    path: limits::PATH,
    make: limits::make,
}];

/// Writes every document that differs.
pub(crate) fn write() -> anyhow::Result<bool> {
    let root = workspace::root()?;
    let workspace = Workspace::read(&root)?;
    for document in stale(&workspace) {
        let path = root.join(document.path);
        fs::write(&path, (document.make)(&workspace))
            .with_context(|| format!("write {}", path.display()))?;
        say(format!("wrote {}", document.path));
    }
    Ok(true)
}

/// Prints the documents that differ; `true` when none does.
pub(crate) fn check() -> anyhow::Result<bool> {
    let findings = findings(&Workspace::read(&workspace::root()?)?);
    for finding in &findings {
        say(finding);
    }
    Ok(findings.is_empty())
}

/// One finding per document that differs.
pub(crate) fn findings(workspace: &Workspace) -> Vec<Finding> {
    stale(workspace)
        .map(|document| Finding {
            path: document.path.to_owned(),
            line: 1,
            message: "is out of date: cargo xtask codegen".to_owned(),
        })
        .collect()
}

fn stale(workspace: &Workspace) -> impl Iterator<Item = &'static Document> {
    DOCUMENTS.iter().filter(|document| {
        let current = workspace.file(document.path).map(|file| file.text.as_str());
        current != Some((document.make)(workspace).as_str())
    })
}
