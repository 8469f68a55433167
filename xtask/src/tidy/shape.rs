//! Size and form of Rust files: headers, lengths, sleeps, things left undone.
//!
//! Source: STYLE.md rules 9, 11, 12, 32; CONTRIBUTING.md on tests.

use super::{Finding, is_test_path, rust_source};
use crate::workspace::{TextFile, Workspace};

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 800;

/// Code lines of a function; clippy holds the same number.
const FUNCTION_LINES_MAX: usize = 70;

/// Files of more lines begin with a header.
const HEADER_FROM_LINES: usize = 60;

/// A wait for real time is allowed in product code under this comment, which goes on with the reason.
const SLEEP_MARK: &str = "// tidy: real-time wait, because ";

/// How far above a sleep its mark may stand, lines.
const SLEEP_MARK_REACH: usize = 3;

/// Words that mean a thing is not finished, split so that this file does not hold them.
const UNDONE: &[(&str, &str)] = &[("todo", "!"), ("unimplemented", "!"), ("#[igno", "re")];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.rust_files().flat_map(check_file).collect()
}

fn check_file(file: &TextFile) -> Vec<Finding> {
    let code = rust_source::code_only(&file.text);
    let mut findings = Vec::new();
    if !is_test_path(&file.path) {
        findings.extend(check_length(file, &code));
        findings.extend(check_header(file));
    }
    findings.extend(check_functions(file, &code));
    findings.extend(check_sleeps(file, &code));
    findings.extend(check_undone(file, &code));
    findings
}

fn check_length(file: &TextFile, code: &str) -> Option<Finding> {
    let lines = rust_source::lines_without_tests(code);
    (lines > FILE_LINES_MAX).then(|| {
        let message =
            format!("{lines} lines without tests, the limit is {FILE_LINES_MAX}: split it");
        Finding::new(&file.path, lines, message)
    })
}

fn check_header(file: &TextFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    let begins = file
        .text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("//! "));
    let message = format!("a file of {lines} lines begins with a header (`//! …`, STYLE.md)");
    (lines > HEADER_FROM_LINES && !begins).then(|| Finding::new(&file.path, 1, message))
}

fn check_functions(file: &TextFile, code: &str) -> Vec<Finding> {
    rust_source::functions(code)
        .into_iter()
        .filter(|function| function.code_lines > FUNCTION_LINES_MAX)
        .map(|function| {
            let message = format!(
                "`{}` has {} code lines, the limit is {FUNCTION_LINES_MAX}",
                function.name, function.code_lines
            );
            Finding::new(&file.path, function.line, message)
        })
        .collect()
}

fn check_sleeps(file: &TextFile, code: &str) -> Vec<Finding> {
    let source: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        if !rust_source::has_word(line, "sleep") || !line.contains("sleep(") {
            continue;
        }
        let above = &source[index.saturating_sub(SLEEP_MARK_REACH)..=index];
        let is_marked = above.iter().any(|line| line.contains(SLEEP_MARK));
        if is_test_path(&file.path) {
            let message = "a test waits for a condition or moves the clock, it does not sleep";
            findings.push(Finding::new(&file.path, index + 1, message));
        } else if !is_marked {
            let message = format!("a sleep needs `{SLEEP_MARK}…` above it");
            findings.push(Finding::new(&file.path, index + 1, message));
        }
    }
    findings
}

fn check_undone(file: &TextFile, code: &str) -> Vec<Finding> {
    let source: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for (start, end) in UNDONE {
            let word = [*start, *end].concat();
            if line.contains(&word) && !is_writer(&source, index) {
                let message = format!("`{word}` is not finished work");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// A test that writes new vectors is a tool, run by name and never with the others.
fn is_writer(source: &[&str], index: usize) -> bool {
    source
        .get(index)
        .is_some_and(|line| line.contains("= \"writes "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check_file(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn long_files_and_functions_are_found() {
        let long = format!(
            "//! Head.\nfn a() {{\n{}}}\n{}",
            "x();\n".repeat(71),
            "\n".repeat(800)
        );
        assert_eq!(
            messages("crates/a/src/b.rs", &long),
            [
                "crates/a/src/b.rs:874: 874 lines without tests, the limit is 800: split it",
                "crates/a/src/b.rs:2: `a` has 71 code lines, the limit is 70",
            ]
        );
    }

    #[test]
    fn a_long_file_needs_a_header_but_its_tests_do_not() {
        let text = "x();\n".repeat(61);
        assert_eq!(messages("crates/a/src/b.rs", &text).len(), 1);
        assert!(messages("crates/a/src/b/tests.rs", &text).is_empty());
        assert!(messages("crates/a/src/b.rs", &"x();\n".repeat(60)).is_empty());
    }

    #[test]
    fn sleeps_need_a_reason_and_are_never_in_tests() {
        let plain = "fn a() { thread::sleep(b); }";
        let marked = format!("{SLEEP_MARK}the radio warms up.\n{plain}");
        assert_eq!(messages("crates/a/src/b.rs", plain).len(), 1);
        assert!(messages("crates/a/src/b.rs", &marked).is_empty());
        assert_eq!(messages("crates/a/tests/it/b.rs", &marked).len(), 1);
        assert!(messages("crates/a/src/b.rs", "// thread::sleep(b)\nno_sleep(1);").is_empty());
    }

    #[test]
    fn unfinished_work_is_found_in_code_only() {
        let word = ["to", "do!()"].concat();
        assert_eq!(
            messages("crates/a/src/b.rs", &format!("fn a() {{ {word} }}")).len(),
            1
        );
        assert!(messages("crates/a/src/b.rs", &format!("// {word}")).is_empty());
        let skipped = |why: &str| format!("{}re{why}]", "#[igno");
        assert_eq!(messages("crates/a/tests/it/b.rs", &skipped("")).len(), 1);
        assert_eq!(
            messages("crates/a/tests/it/b.rs", &skipped(" = \"flaky\"")).len(),
            1
        );
        let writer = skipped(" = \"writes into testdata\"");
        assert!(messages("crates/a/tests/it/b.rs", &writer).is_empty());
    }
}
