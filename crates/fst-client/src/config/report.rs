//! What is wrong with a configuration, all of it, with places in the file.
//!
//! Made by [`super::check`] and [`super::build`]; drawn by the command line, one line of it in `fst status`.
//! Invariant: no secret is shown, no terminal is moved by what a file holds. Source: docs/design/configuration.md §5.

use std::fmt;
use std::fmt::Write as _;

use fst_proto::error::ErrorCode;
use fst_proto::text::printable;

use super::tree::Place;

/// Lines shown before the one that is meant.
const LINES_BEFORE: usize = 2;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Said, and gone on.
    Warning,
    /// A key that this version does not know: an error for who writes the file, a warning for who runs it.
    Unknown,
    /// The file cannot be used.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its stable code.
    pub code: ErrorCode,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, lower case.
    pub message: String,
    /// Where; absent for a value from the environment.
    pub place: Option<Place>,
    /// What stands under the caret.
    pub note: String,
    /// A line of help below.
    pub help: Option<String>,
}

impl Finding {
    pub(super) fn error(code: ErrorCode, message: impl Into<String>, place: Place) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            place: Some(place),
            note: String::new(),
            help: None,
        }
    }

    pub(super) fn with(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and message on one line, for a status or a log.
    #[must_use]
    pub fn brief(&self) -> String {
        let mut text = match self.place {
            Some(place) => format!("line {}, column {}: ", place.line, place.column),
            None => String::new(),
        };
        text.push_str(&self.message);
        if !self.note.is_empty() {
            // Writing to a String cannot fail.
            write!(text, " ({})", self.note).unwrap_or_default();
        }
        text
    }

    /// Whether somebody who wrote the file must act.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity > Severity::Warning
    }
}

/// All findings about one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// The file as people know it.
    pub file: String,
    /// Its lines, secrets masked.
    lines: Vec<String>,
}

impl Report {
    pub(super) fn new(file: String, text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.place.map(|place| (place.line, place.column)));
        Self {
            findings,
            file,
            lines: text.lines().map(masked).collect(),
        }
    }

    /// Whether the file cannot be used by a program that runs.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        let mut all = self.findings.iter();
        all.any(|finding| finding.severity == Severity::Error)
    }

    /// Number of errors and of warnings for somebody who wrote the file.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.findings.iter().filter(|finding| finding.is_error());
        let errors = errors.count();
        (errors, self.findings.len() - errors)
    }

    /// Every finding with its lines and a caret.
    #[must_use]
    pub fn draw(&self) -> String {
        let blocks: Vec<String> = self.findings.iter().map(|one| self.block(one)).collect();
        blocks.join("\n")
    }

    fn block(&self, finding: &Finding) -> String {
        let word = if finding.is_error() {
            "error"
        } else {
            "warning"
        };
        let mut text = format!("{word}[{}]: {}\n", finding.code, finding.message);
        if let Some(place) = finding.place {
            let Place { line, column, .. } = place;
            // Writing to a String cannot fail.
            writeln!(text, "   {}, line {line}, column {column}", self.file).unwrap_or_default();
            text.push_str(&self.excerpt(place, &finding.note));
        } else if !finding.note.is_empty() {
            writeln!(text, "   {}", finding.note).unwrap_or_default();
        }
        if let Some(help) = &finding.help {
            writeln!(text, "   help: {help}").unwrap_or_default();
        }
        text
    }

    fn excerpt(&self, place: Place, note: &str) -> String {
        let first = place.line.saturating_sub(LINES_BEFORE).max(1);
        let width = place.line.to_string().len().max(2);
        let mut text = String::new();
        for number in first..=place.line {
            let line = self.lines.get(number - 1).map_or("", String::as_str);
            let line = format!("{number:>width$} | {line}");
            writeln!(text, "{}", line.trim_end()).unwrap_or_default();
        }
        let (before, carets) = (" ".repeat(place.column - 1), "^".repeat(place.len));
        let caret = format!("{:>width$} | {before}{carets} {note}", "");
        writeln!(text, "{}", caret.trim_end()).unwrap_or_default();
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.findings.iter().filter(|finding| finding.is_error());
        let mut worst = errors.clone();
        let Some(first) = worst.find(|one| one.severity == Severity::Error) else {
            return f.write_str("nothing is wrong");
        };
        write!(f, "{}", first.brief())?;
        match errors.count() - 1 {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Report {}

/// A line safe to print, without the secret that may stand in it.
fn masked(line: &str) -> String {
    let line = printable(line.as_bytes());
    match line.split_once("api_key:") {
        Some((before, secret)) if !secret.trim().is_empty() => format!("{before}api_key: …"),
        Some(_) | None => line,
    }
}
