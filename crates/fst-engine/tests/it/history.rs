//! Which revisions are versions.

use fst_engine::history::version_numbers;
use fst_proto::ids::ContentId;

/// Rows: contents of the revisions, `-` for a deletion; then the numbers, `.` for none.
const ROWS: &[(&str, &str)] = &[
    ("", ""),
    ("a", "1"),
    ("a b c", "1 2 3"),
    ("a a b", "1 . 2"),
    ("a b a", "1 2 3"),
    ("a -", "1 ."),
    ("a - a", "1 . 2"),
    ("a - b b", "1 . 2 ."),
];

#[test]
fn a_new_content_makes_a_version_and_nothing_else_does() {
    for (contents, numbers) in ROWS {
        let contents: Vec<Option<ContentId>> = contents
            .split_whitespace()
            .map(|word| (word != "-").then(|| ContentId([word.as_bytes()[0]; ContentId::LEN])))
            .collect();
        let shown: Vec<String> = version_numbers(&contents)
            .into_iter()
            .map(|number| number.map_or(".".to_owned(), |n| n.to_string()))
            .collect();
        assert_eq!(shown.join(" "), *numbers, "{contents:?}");
    }
}

#[test]
fn later_revisions_change_no_number() {
    let all: Vec<_> = [Some(1), Some(2), Some(2), None, Some(2), Some(3)]
        .map(|content: Option<u8>| content.map(|byte| ContentId([byte; ContentId::LEN])))
        .into();
    let whole = version_numbers(&all);
    for n in 0..all.len() {
        assert_eq!(version_numbers(&all[..n]), whole[..n]);
    }
}
