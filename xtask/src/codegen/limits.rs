//! `docs/design/limits.md`: name, value and reason of every limit.
//!
//! Reads the constants and their doc comments. Invariant: a value is shown as written when it is more than a
//! number, with the number beside it.

use std::fmt::Write as _;

use crate::workspace::Workspace;

pub(super) const PATH: &str = "docs/design/limits.md";

/// Sources and the heading of each.
const SOURCES: &[(&str, &str)] = &[
    ("crates/fst-proto/src/limits.rs", "Formats and wire"),
    ("crates/fst-engine/src/limits.rs", "Decisions"),
];

const HEAD: &str = "\
# Limits

Generated from the sources named below by `cargo xtask codegen`; do not edit. Every loop, queue and message has
its bound here. A number without a reason is not a limit but an accident, so the reason comes with it.
";

/// A constant with its doc comment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    name: String,
    value: String,
    reason: String,
}

pub(super) fn make(workspace: &Workspace) -> String {
    let mut page = HEAD.to_owned();
    for (path, heading) in SOURCES {
        let Some(source) = workspace.file(path) else {
            continue;
        };
        // Writing to a String cannot fail.
        write!(
            page,
            "\n## {heading}\n\nFrom `{path}`.\n\n| name | value | reason |\n|---|---|---|\n"
        )
        .unwrap_or_default();
        for limit in limits(&source.text) {
            let Limit {
                name,
                value,
                reason,
            } = limit;
            writeln!(page, "| `{name}` | {value} | {reason} |").unwrap_or_default();
        }
    }
    page
}

fn limits(source: &str) -> Vec<Limit> {
    let mut found = Vec::new();
    let mut reason: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(doc) = line.strip_prefix("///") {
            reason.push(doc.trim());
        } else if let Some(limit) = parse(line, &reason) {
            found.push(limit);
            reason.clear();
        } else {
            reason.clear();
        }
    }
    found
}

/// `pub const NAME: TYPE = VALUE;`
fn parse(line: &str, reason: &[&str]) -> Option<Limit> {
    let (name, rest) = line.strip_prefix("pub const ")?.split_once(':')?;
    let (_, value) = rest.split_once('=')?;
    let value = value.trim().trim_end_matches(';');
    let shown = match number(value) {
        Some(n) if n.to_string() == value.replace('_', "") => grouped(n),
        Some(n) => format!("`{value}` = {}", grouped(n)),
        None => format!("`{value}`"),
    };
    let words: Vec<&str> = reason
        .iter()
        .copied()
        .filter(|line| !line.is_empty())
        .collect();
    Some(Limit {
        name: name.to_owned(),
        value: shown,
        reason: words.join(" ").replace('|', "\\|"),
    })
}

/// Value of `a`, `a << b` and `a * b * c`.
fn number(value: &str) -> Option<u64> {
    if let Some((base, bits)) = value.split_once("<<") {
        return number(base.trim())?.checked_shl(bits.trim().parse().ok()?);
    }
    value.split('*').try_fold(1_u64, |product, factor| {
        product.checked_mul(factor.trim().replace('_', "").parse().ok()?)
    })
}

/// Digits in groups of three.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        parse(line, &["Why."])
            .map(|limit| limit.value)
            .unwrap_or_default()
    }

    #[test]
    fn values_are_shown_as_written_with_their_number() {
        assert_eq!(shown("pub const A: usize = 4096;"), "4 096");
        assert_eq!(
            shown("pub const A: usize = 8 << 20;"),
            "`8 << 20` = 8 388 608"
        );
        assert_eq!(
            shown("pub const A: u64 = 10 * 60 * 1000;"),
            "`10 * 60 * 1000` = 600 000"
        );
        assert_eq!(shown("pub const A: u64 = 60_000;"), "60 000");
        assert_eq!(shown("pub const A: R = 2..=u32::MAX;"), "`2..=u32::MAX`");
    }

    #[test]
    fn reasons_are_joined_from_their_lines() {
        let source = "//! Head.\n\n/// One\n/// two.\n///\n/// Three.\npub const A: u8 = 1;\nconst B: u8 = 2;\n";
        let found = limits(source);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].reason, "One two. Three.");
    }
}
