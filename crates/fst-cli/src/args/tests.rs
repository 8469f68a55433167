use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Line {
    Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refuse(line: &str) -> String {
    Line::try_parse_from(line.split_whitespace())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_command_tree_is_sound() {
    Line::command().debug_assert();
}

#[test]
fn lines_of_the_product_brief_parse_word_for_word() {
    for line in [
        "fst init --server https://sync.yourcompany.com",
        "fst add ~/Documents --two-way",
        "fst daemon start",
        "fst status",
        "fst history --limit 50",
        "fst pause",
        "fst resume",
        "fst resync --full",
        "fst conflicts list",
        "fst conflicts list --verbose",
        "fst daemon restart --force",
    ] {
        parse(line);
    }
}

#[test]
fn lines_that_scripts_rely_on_parse() {
    for line in [
        "fst up ~/Documents",
        "fst up ~/Documents --server http://127.0.0.1:8765 --join fst-join:v1:x",
        "fst init --server URL --setup-code C --name N --no-input",
        "fst init --server URL --join S --no-input",
        "fst init --server URL --recover -",
        "fst devices invite --json",
        "fst add PATH --two-way --remote-path /Name",
        "fst add PATH --upload-only",
        "fst add PATH --download-only",
        "fst remove PATH",
        "fst daemon start --foreground",
        "fst daemon stop",
        "fst daemon status",
        "fst status --json --check",
        "fst --json status",
        "fst wait --synced --timeout 30s",
        "fst wait",
        "fst sync PATH",
        "fst pause PATH",
        "fst resume PATH --accept-deletions",
        "fst history --limit 5 PATH",
        "fst demo",
        "fst explain FST-1102",
        "fst completions bash",
        "fst version",
        "fst -v -q --plain --color never -y --no-input status",
    ] {
        parse(line);
    }
}

#[test]
fn contradictions_are_refused() {
    assert!(refuse("fst add P --two-way --upload-only").contains("cannot be used with"));
    assert!(refuse("fst init --server U --join S --setup-code C").contains("cannot be used with"));
    assert!(refuse("fst up P --join S").contains("--server"));
    assert!(refuse("fst up P --server U").contains("--join"));
    assert!(refuse("fst resync").contains("--full"));
    assert!(refuse("fst statsu").contains("'status'"));
}

#[test]
fn durations_have_units() {
    let ms = |text: &str| parse_duration(text).map(|d| d.as_millis());
    assert_eq!(ms("30s"), Ok(30_000));
    assert_eq!(ms("30"), Ok(30_000));
    assert_eq!(ms("500ms"), Ok(500));
    assert_eq!(ms("2m"), Ok(120_000));
    assert_eq!(ms("1h"), Ok(3_600_000));
    assert_eq!(ms("1h30m"), Ok(5_400_000));
    assert!(ms("soon").is_err());
    assert!(ms("3 weeks").is_err());
    assert!(ms("99999999999999999999s").is_err());
}
