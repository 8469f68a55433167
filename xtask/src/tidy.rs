//! The rules of the house that no other tool holds.
//!
//! `cargo xtask tidy`, CI, the pre-commit hook and a test call [`findings`]. Invariant: each check is a pure
//! function of the [`Workspace`], so it is tested with a few lines of text. Each finding names file and line.
//! Not here: what clippy and rustfmt check. Source: CONTRIBUTING.md, STYLE.md.

mod changelog;
mod citations;
mod clippy_copies;
mod edges;
mod forgotten;
mod rows;
mod rust_source;
mod shape;
mod words;

use std::fmt;

use crate::codegen;
use crate::say::say;
use crate::workspace::{self, Workspace};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Reads the workspace and prints what is wrong; `true` when nothing is.
pub(crate) fn run() -> anyhow::Result<bool> {
    let findings = findings(&Workspace::read(&workspace::root()?)?);
    for finding in &findings {
        say(finding);
    }
    say(match findings.len() {
        0 => "tidy".to_owned(),
        n => format!("tidy: {n} findings"),
    });
    Ok(findings.is_empty())
}

/// Everything that is wrong, sorted by place.
pub(crate) fn findings(workspace: &Workspace) -> Vec<Finding> {
    let checks: &[fn(&Workspace) -> Vec<Finding>] = &[
        edges::check,
        shape::check,
        rows::check,
        forgotten::check,
        words::check,
        changelog::check,
        clippy_copies::check,
        citations::check,
        codegen::findings,
    ];
    let mut findings: Vec<Finding> = checks.iter().flat_map(|check| check(workspace)).collect();
    findings.sort();
    findings.dedup();
    findings
}

/// True for integration tests, test modules in files of their own and benches.
fn is_test_path(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

/// Number of the line that holds byte `offset`, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests;
