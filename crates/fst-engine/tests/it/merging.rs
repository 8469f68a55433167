//! Rows S-300 to S-319: merges of two contents, laws, and `git merge-file` as the oracle.

use std::path::Path;
use std::process::Command;

use fst_engine::limits::{MERGE_BYTES_MAX, MERGE_LINES_MAX};
use fst_engine::merge::{Triple, Unclean, has_markers, marked, merge};
use proptest::prelude::*;

use crate::lang::name;

/// Merges three texts written as words, a line each: `merge: base | local | remote`.
#[track_caller]
fn check(scenario: &str, expected: &str) {
    let lines: Vec<String> = scenario.split('|').map(lines).collect();
    let [base, local, remote] = <&[String; 3]>::try_from(&lines[..]).expect("three texts");
    let expected = match expected {
        "unclean" => Err(Unclean::Overlap),
        text => Ok(lines_of(text)),
    };
    for (local, remote) in [(local, remote), (remote, local)] {
        let merged = merged("notes.txt", base, local, remote);
        assert_eq!(merged, expected, "{scenario}");
    }
}

fn lines(words: &str) -> String {
    words.split_whitespace().map(|w| format!("{w}\n")).collect()
}

fn lines_of(words: &str) -> Vec<u8> {
    lines(words).into_bytes()
}

fn merged(
    file: &str,
    base: impl AsRef<[u8]>,
    local: impl AsRef<[u8]>,
    remote: impl AsRef<[u8]>,
) -> Result<Vec<u8>, Unclean> {
    let triple = Triple {
        base: base.as_ref(),
        local: local.as_ref(),
        remote: remote.as_ref(),
    };
    merge(triple, &name(file))
}

#[test]
fn s300_changes_of_different_lines_are_put_together() {
    check("1 2 3 4 5 | 1 x 3 4 5 | 1 2 3 4 y", "1 x 3 4 y");
    check("1 2 3 | 0 1 2 3 | 1 2 3 4", "0 1 2 3 4");
    check("1 2 3 4 5 6 | 1 4 5 6 | 1 2 3 4 5 y", "1 4 5 y");
}

#[test]
fn s301_equal_changes_count_once() {
    check("1 2 3 | 1 x 3 | 1 x 3", "1 x 3");
    check("1 2 3 4 5 | 1 x 3 4 5 | 1 x 3 4 y", "1 x 3 4 y");
    check("1 2 | 1 2 | 1 2 3", "1 2 3");
}

#[test]
fn s302_changes_that_overlap_or_touch_are_unclean() {
    check("1 2 3 | 1 x 3 | 1 y 3", "unclean");
    check("1 2 3 4 | 1 x 3 4 | 1 2 y 4", "unclean");
    check("1 2 | 1 2 x | 1 2 y", "unclean");
    check("1 2 3 | 1 3 | 1 x 3", "unclean");
    check(" | 1 | 2", "unclean");
}

#[test]
fn s303_lines_keep_their_endings() {
    let merged = merged(
        "a.txt",
        "1\r\n2\r\n3\n4",
        "x\r\n2\r\n3\n4",
        "1\r\n2\r\n3\n5",
    );
    assert_eq!(merged, Ok(b"x\r\n2\r\n3\n5".to_vec()));
}

#[test]
fn s304_a_missing_last_line_ending_is_a_change_like_any_other() {
    assert_eq!(
        merged("a.txt", "1\n2\n3", "x\n2\n3", "1\n2\n3\n"),
        Ok(b"x\n2\n3\n".to_vec())
    );
    assert_eq!(
        merged("a.txt", "1\n2\n3\n", "1\n2\n3", "1\n2\n3\n4\n"),
        Err(Unclean::Overlap)
    );
}

#[test]
fn s305_a_nul_byte_is_no_text() {
    assert_eq!(
        merged("a.txt", "1\n2\n", "1\0\n2\n", "1\n2\n3\n"),
        Err(Unclean::NotText)
    );
}

#[test]
fn s306_bytes_that_are_no_utf8_are_kept() {
    let merged = merged(
        "a.txt",
        b"\xff\n2\n\xfe\n",
        b"\xfd\n2\n\xfe\n",
        b"\xff\n2\n\xfc\n",
    );
    assert_eq!(merged, Ok(b"\xfd\n2\n\xfc\n".to_vec()));
}

#[test]
fn s307_large_contents_are_left_to_a_person() {
    let long = "x".repeat(MERGE_BYTES_MAX + 1);
    assert_eq!(merged("a.txt", "1", &long, "2"), Err(Unclean::TooLarge));
    let many = "\n".repeat(MERGE_LINES_MAX + 1);
    assert_eq!(merged("a.txt", "1", "2", &many), Err(Unclean::TooLarge));
}

#[test]
fn s308_an_input_merged_with_the_result_gives_the_result() {
    let (base, local, remote) = ("1\n2\n3\n4\n5\n", "0\n1\n2\n3\n4\n5\n", "1\n2\n3\n4\n6\n");
    let result = merged("a.txt", base, local, remote).expect("a clean merge");
    for side in [local, remote] {
        assert_eq!(
            merged("a.txt", base, side, &result).as_ref(),
            Ok(&result),
            "{side}"
        );
    }
}

/// A text of few different lines, and two edits of it: much repetition, so that lines are hard to align.
fn triples() -> impl Strategy<Value = [String; 3]> {
    let line = || prop::sample::select(vec!["a", "b", "c", "d", "", "}", "  x"]);
    let edit = move || {
        (
            any::<prop::sample::Index>(),
            0..3_usize,
            prop::collection::vec(line(), 0..3),
        )
    };
    let edits = move || prop::collection::vec(edit(), 0..3);
    let base = prop::collection::vec(prop_oneof![line(), line()], 0..14);
    let ends = prop::array::uniform3(prop::bool::weighted(0.9));
    (base, edits(), edits(), ends).prop_map(|(base, local, remote, ends)| {
        let edited = |edits: Vec<(prop::sample::Index, usize, Vec<&'static str>)>| {
            let mut text = base.clone();
            for (at, n_removed, new) in edits {
                let at = at.index(text.len() + 1);
                text.splice(at..(at + n_removed).min(text.len()), new);
            }
            text
        };
        let (local, remote) = (edited(local), edited(remote));
        let text = |(lines, is_ended): (Vec<&str>, bool)| {
            let text = lines.join("\n");
            if is_ended && !lines.is_empty() {
                text + "\n"
            } else {
                text
            }
        };
        let [one, two, three] = ends;
        [(base, one), (local, two), (remote, three)].map(text)
    })
}

proptest! {
    #[test]
    fn a_side_that_did_not_change_takes_the_other([base, local, _] in triples()) {
        prop_assert_eq!(merged("a.txt", &base, &base, &local), Ok(local.clone().into_bytes()));
        prop_assert_eq!(merged("a.txt", &base, &local, &base), Ok(local.clone().into_bytes()));
        prop_assert_eq!(merged("a.txt", &base, &local, &local), Ok(local.into_bytes()));
    }

    #[test]
    fn sides_may_be_swapped([base, local, remote] in triples()) {
        prop_assert_eq!(
            merged("a.txt", &base, &local, &remote),
            merged("a.txt", &base, &remote, &local)
        );
    }

    #[test]
    fn no_line_is_invented([base, local, remote] in triples()) {
        let Ok(merged) = merged("a.txt", &base, &local, &remote) else { return Ok(()) };
        let known: Vec<&[u8]> = [&local, &remote]
            .into_iter()
            .flat_map(|text| text.as_bytes().split_inclusive(|b| *b == b'\n'))
            .collect();
        for line in merged.split_inclusive(|b| *b == b'\n') {
            prop_assert!(known.contains(&line));
        }
    }

    #[test]
    fn an_input_merged_with_the_result_gives_the_result([base, local, remote] in triples()) {
        let Ok(result) = merged("a.txt", &base, &local, &remote) else { return Ok(()) };
        prop_assert_eq!(merged("a.txt", &base, &local, &result), Ok(result.clone()));
        prop_assert_eq!(merged("a.txt", &base, &result, &remote), Ok(result));
    }

    #[test]
    fn git_agrees_wherever_a_merge_is_clean([base, local, remote] in triples()) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ours = merged("a.txt", &base, &local, &remote);
        let git = git_merge(dir.path(), &[base, local, remote]);
        if let Ok(ours) = ours {
            prop_assert_eq!(Some(ours), git);
        }
    }
}

/// What git makes of it; `None` when it meets a conflict.
fn git_merge(dir: &Path, [base, local, remote]: &[String; 3]) -> Option<Vec<u8>> {
    for (file, text) in [("base", base), ("local", local), ("remote", remote)] {
        std::fs::write(dir.join(file), text).expect("a file");
    }
    let words = ["merge-file", "-p", "--diff3", "local", "base", "remote"];
    let out = Command::new("git")
        .args(words)
        .current_dir(dir)
        .output()
        .expect("git runs");
    let n_conflicts = out.status.code().filter(|code| (0..128).contains(code));
    let is_clean = n_conflicts.expect("git merges") == 0;
    is_clean.then_some(out.stdout)
}

/// Merges three texts and compares with a fourth; `None` is unclean.
#[track_caller]
fn check_keys(file: &str, [base, local, remote]: [&str; 3], expected: Option<&str>) {
    for (local, remote) in [(local, remote), (remote, local)] {
        let merged = merged(file, base, local, remote).ok();
        let merged = merged.map(|bytes| String::from_utf8(bytes).expect("text"));
        assert_eq!(merged.as_deref(), expected, "{file}");
    }
}

#[test]
fn s310_keys_of_json_are_merged_where_lines_overlap() {
    let base = "{\n  \"a\": 1\n}\n";
    let local = "{\n  \"a\": 1,\n  \"x\": [1, 2]\n}\n";
    let remote = "{\n  \"a\": 1,\n  \"y\": {\"z\": \"}, \\\"\"}\n}\n";
    let merged = "{\n  \"a\": 1,\n  \"x\": [1, 2],\n  \"y\": {\"z\": \"}, \\\"\"}\n}\n";
    check_keys("p.json", [base, local, remote], Some(merged));
    check_keys("p.txt", [base, local, remote], None);
    check_keys(
        "one.JSON",
        [r#"{"a":1,"b":2}"#, r#"{"a":3,"b":2}"#, r#"{"a":1, "b":4}"#],
        Some(r#"{"a":3, "b":4}"#),
    );
}

#[test]
fn s310_keys_inside_keys_are_merged_too() {
    check_keys(
        "p.json",
        [
            r#"{"d": {"a": 1, "b": 2}, "e": 0}"#,
            r#"{"d": {"a": 9, "b": 2}, "e": 0}"#,
            r#"{"d": {"a": 1, "c": 3}, "e": 0}"#,
        ],
        Some(r#"{"d": {"a": 9, "c": 3}, "e": 0}"#),
    );
    check_keys(
        "p.json",
        [r#"{}"#, r#"{"d": {"a": 1}}"#, r#"{"d": {"b": 2}}"#],
        Some(r#"{"d": {"a": 1,"b": 2}}"#),
    );
}

#[test]
fn s311_keys_of_yaml_are_merged_with_their_comments() {
    let base = "# about\na: 1\nb:\n  c: 2 # two\n";
    let local = "# about\na: 5\nb:\n  c: 2 # two\n  # new\n  d: |\n    # text\n    e: f\n";
    let remote = "# about\na: 1\nb:\n  c: 3 # three\n  g:\n  - 1\n  - h: 2\n";
    let merged = "# about\na: 5\nb:\n  c: 3 # three\n  # new\n  d: |\n    # text\n    e: f\n  g:\n  - 1\n  - h: 2\n";
    check_keys("p.yaml", [base, local, remote], Some(merged));
}

#[test]
fn s312_keys_and_tables_of_toml_are_merged_with_their_comments() {
    let base = "name = \"x\"\n\n[deps]\na = \"1\"\n";
    let local = "name = \"y\"\n\n[deps]\na = \"1\"\n# wanted\nb = [\n  1,\n]\n";
    let remote = "name = \"x\"\nlicense = \"MIT\"\n\n[deps]\na = \"2\"\n\n[dev]\nc = 1\n";
    let merged = "name = \"y\"\nlicense = \"MIT\"\n\n[deps]\na = \"2\"\n# wanted\nb = [\n  1,\n]\n\n[dev]\nc = 1\n";
    check_keys("p.toml", [base, local, remote], Some(merged));
}

#[test]
fn s313_one_key_changed_on_both_sides_is_unclean() {
    check_keys("p.json", [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#], None);
    check_keys("p.json", [r#"{"a":1}"#, r#"{"a":2}"#, "{}"], None);
    check_keys(
        "p.json",
        [r#"{"a":[1]}"#, r#"{"a":[1,2]}"#, r#"{"a":[0,1]}"#],
        None,
    );
    check_keys("p.yaml", ["a: 1\n", "a: 2\n", "a: 3\n"], None);
    check_keys("p.toml", ["a = 1\n", "a = 2\n", "a = 3\n"], None);
}

#[test]
fn s314_what_does_not_parse_on_both_sides_is_unclean() {
    check_keys(
        "p.json",
        [r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3"#, r#"{"a":4,"b":2}"#],
        None,
    );
    check_keys(
        "p.yaml",
        ["a: 1\nb: 2\n", "a: [1\nb: 2\n", "a: 1\nb: 3\n"],
        None,
    );
    check_keys(
        "p.yaml",
        ["a: &x 1\nb: 2\n", "a: 1\nb: 2\n", "a: &x 1\nb: *x\n"],
        None,
    );
}

#[test]
fn s315_a_result_whose_value_is_not_the_merge_of_values_is_unclean() {
    // A key that stands twice: text and value would disagree.
    check_keys(
        "p.json",
        [
            r#"{"a":1,"a":2,"b":0}"#,
            r#"{"a":3,"a":2,"b":0}"#,
            r#"{"a":1,"a":2,"b":1}"#,
        ],
        None,
    );
    // A line that looks like a key but is text.
    check_keys(
        "p.toml",
        [
            "s = '''\nx = 1\n'''\nb = 1\n",
            "s = '''\ny = 1\n'''\nb = 1\n",
            "s = '''\nx = 1\nz = 2\n'''\nb = 2\n",
        ],
        None,
    );
}

#[test]
fn s316_keys_that_changed_places_are_unclean() {
    check_keys(
        "p.json",
        [
            r#"{"a":1,"b":2,"c":3}"#,
            r#"{"b":2,"a":1,"c":3}"#,
            r#"{"a":1,"b":2,"c":4}"#,
        ],
        None,
    );
}

#[test]
fn s317_a_merge_by_lines_has_to_mean_what_both_sides_mean() {
    // By lines, `b` looks moved here and deleted there, and would come back.
    let base = "a:\n- 1\n- 2\nb: 0\n";
    let local = "b: 0\nc:\n- 1\n- 2\n";
    let remote = "a:\n- 1\n- 2\n";
    check_keys("p.txt", [base, local, remote], Some(local));
    check_keys("p.yaml", [base, local, remote], Some("c:\n- 1\n- 2\n"));
    // Two commas too few.
    let base = "{\n\"a\": [\n1\n],\n\"b\": 2\n}\n";
    let local = "{\n\"a\": [\n0,\n1\n],\n\"b\": 2\n}\n";
    let remote = "{\n\"b\": 2\n}\n";
    check_keys("p.json", [base, local, remote], None);
}

/// Texts as words, a line each, and the text with markers: `<` local `|` base `=` remote `>`.
const MARKED: &[(&str, &str)] = &[
    ("a b c d e | A b c d e | a b c d E", "A b c d E"),
    ("a b c | a X c | a b c", "a X c"),
    ("a b c | a b c | a Y c", "a Y c"),
    ("a b c | a X c | a X c", "a X c"),
    ("a b c | a X c | a Y c", "a < X | b = Y > c"),
    ("a b c | a c | a Y c", "a < | b = Y > c"),
    ("a b | a X b | a Y b", "a < X | = Y > b"),
    ("a b c d | a X c d | a b Y d", "a < X c | b c = b Y > d"),
    (
        "a b c d e f | X c d e f | a Y d e F",
        "< X c | a b c = a Y > d e F",
    ),
    ("a b c d e | a X c d Z | a Y c d e", "a < X | b = Y > c d Z"),
    (
        "a b c d e | A b c d E | a Y c d Z",
        "< A b | a b = a Y > c d < E | e = Z >",
    ),
];

#[test]
fn a_marked_text_has_each_overlap_between_markers() {
    for (texts, expected) in MARKED {
        let parts: Vec<String> = texts.split(" | ").map(lines).collect();
        let [base, local, remote] = <[String; 3]>::try_from(parts).expect("three texts");
        let text = marked(Triple {
            base: base.as_bytes(),
            local: local.as_bytes(),
            remote: remote.as_bytes(),
        });
        let spelled = |word: &str| match word {
            "<" => "<<<<<<< local\n".to_owned(),
            "|" => "||||||| base\n".to_owned(),
            "=" => "=======\n".to_owned(),
            ">" => ">>>>>>> remote\n".to_owned(),
            word => format!("{word}\n"),
        };
        let expected: String = expected.split_whitespace().map(spelled).collect();
        assert_eq!(String::from_utf8(text), Ok(expected), "{texts}");
    }
}

#[test]
fn a_marker_begins_a_line_of_its_own() {
    let text = marked(Triple {
        base: b"x",
        local: b"y",
        remote: b"z\n",
    });
    let expected = "<<<<<<< local\ny\n||||||| base\nx\n=======\nz\n>>>>>>> remote\n";
    assert_eq!(String::from_utf8_lossy(&text), expected);
    assert!(has_markers(&text));
}

#[test]
fn only_whole_lines_are_markers() {
    for (text, is_marked) in [
        ("", false),
        ("a\n<<<<<<< local\nb\n", true),
        ("a\r\n>>>>>>> remote\r\n", true),
        (">>>>>>> remote", true),
        ("<<<<<<< locally\n", false),
        (" <<<<<<< local\n", false),
        ("=======\n||||||| base\n", false),
    ] {
        assert_eq!(has_markers(text.as_bytes()), is_marked, "{text:?}");
    }
}

/// Three objects with a few keys, in lines or in one line.
fn objects() -> impl Strategy<Value = [serde_json::Value; 3]> {
    let leaf = prop_oneof![
        (0..3_i64).prop_map(serde_json::Value::from),
        Just(serde_json::json!([1, "}"]))
    ];
    let object = leaf.prop_recursive(3, 12, 4, |inner| {
        prop::collection::btree_map(
            prop::sample::select(vec!["a", "b", "c", "d", "e,{"]),
            inner,
            0..4,
        )
        .prop_map(|map| {
            serde_json::Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        })
    });
    let edit = (
        prop::sample::select(vec!["a", "b", "c", "d"]),
        prop::option::weighted(0.7, object.clone()),
    );
    let edits = prop::collection::vec(edit, 0..3);
    (object, edits.clone(), edits).prop_filter_map("an object", |(base, here, there)| {
        let edited = |edits: Vec<(&str, Option<serde_json::Value>)>| {
            let mut map = base.as_object()?.clone();
            for (key, value) in edits {
                match value {
                    Some(value) => drop(map.insert(key.to_owned(), value)),
                    None => drop(map.remove(key)),
                }
            }
            Some(serde_json::Value::Object(map))
        };
        Some([base.clone(), edited(here)?, edited(there)?])
    })
}

proptest! {
    /// Merged keys have the value that either side gave them, whatever the format.
    #[test]
    fn merged_mappings_parse_and_have_the_values_of_a_side(values in objects(), format in 0..3_usize) {
        let parse = |text: &str| -> serde_json::Value {
            match format {
                0 => serde_json::from_str(text).expect("JSON"),
                1 => serde_json::from_str(text).expect("JSON"),
                _ => serde_saphyr::from_str(text).expect("YAML"),
            }
        };
        let texts = values.each_ref().map(|value| match format {
            0 => serde_json::to_string_pretty(value).expect("JSON") + "\n",
            1 => value.to_string(),
            _ => serde_saphyr::to_string(value).expect("YAML"),
        });
        let [base, local, remote] = &texts;
        let file = ["a.json", "b.json", "c.yaml"][format];
        let result = merged(file, base, local, remote);
        prop_assert_eq!(&result, &merged(file, base, remote, local));
        let Ok(result) = result else { return Ok(()) };
        prop_assert_eq!(merged(file, base, local, &result), Ok(result.clone()));
        let result = parse(std::str::from_utf8(&result).expect("text"));
        let [was, here, there] = &values;
        for key in ["a", "b", "c", "d"] {
            let [was, here, there, now] = [was, here, there, &result].map(|value| value.get(key));
            let is_taken = now == here || now == there;
            let is_nested = [here, there, now].iter().all(|side| side.is_some_and(|v| v.is_object() || v.is_array()));
            prop_assert!(is_taken || is_nested, "{}: {:?}", key, now);
            if here == was {
                prop_assert_eq!(now, there);
            }
        }
    }
}
