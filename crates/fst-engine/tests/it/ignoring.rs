//! Ignore rules: rows S-220 to S-236, and `git check-ignore` as the oracle.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fst_engine::ignore::{Damage, Match, RULE_FILE, RuleFile, Rules, Source, Verdict, is_leaving};
use fst_proto::entry::Place;
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, RelPath};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::lang::{Scenario, label, show};

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn file(text: &str) -> Arc<RuleFile> {
    Arc::new(RuleFile::parse(text.as_bytes()))
}

/// `files` are rule files: their directory and text.
fn rules(space: &str, device: &str, files: &[(&str, &str)]) -> Rules {
    let files = files.iter().map(|(dir, text)| (path(dir), file(text)));
    Rules {
        space: file(space),
        device: file(device),
        files: files.collect(),
        ..Rules::default()
    }
}

/// The verdict as text: `ignored .fstignore:2:*.log`, `kept …`, `held a`, `synced`.
fn said(rules: &Rules, at: &str, is_dir: bool) -> String {
    match rules.decide(&path(at), is_dir) {
        None => "synced".to_owned(),
        Some(Verdict::NotChosen) => "not chosen".to_owned(),
        Some(Verdict::Ignored(by)) => format!("ignored {}", by_text(by)),
        Some(Verdict::Kept(by)) => format!("kept {}", by_text(by)),
        Some(Verdict::Held { dir, damage }) => format!("held {dir}: {damage}"),
    }
}

fn by_text(by: Match<'_>) -> String {
    let source = match by.source {
        Source::Space => "space".to_owned(),
        Source::Device => "device".to_owned(),
        Source::File(dir) if dir.is_root() => ".fstignore".to_owned(),
        Source::File(dir) => format!("{dir}/.fstignore"),
    };
    format!("{source}:{}:{}", by.rule.line, by.rule.text)
}

#[test]
fn s220_the_deepest_rule_file_and_its_last_fitting_rule_decide() {
    let rules = rules("", "", &[("", "*.log\n!keep.log"), ("a", "!*.log\nb/")]);
    assert_eq!(said(&rules, "x.log", false), "ignored .fstignore:1:*.log");
    assert_eq!(
        said(&rules, "keep.log", false),
        "kept .fstignore:2:!keep.log"
    );
    assert_eq!(said(&rules, "a/x.log", false), "kept a/.fstignore:1:!*.log");
    assert_eq!(said(&rules, "a/b", true), "ignored a/.fstignore:2:b/");
    assert_eq!(said(&rules, "a/b", false), "synced");
    assert_eq!(said(&rules, "a/b/c/d", false), "ignored a/.fstignore:2:b/");
    assert_eq!(said(&rules, "c", false), "synced");
}

#[test]
fn s221_nothing_lifts_the_policy_of_the_space() {
    let rules = rules("*.iso\n!good.iso", "!*.iso", &[("", "!*.iso")]);
    assert_eq!(said(&rules, "a.iso", false), "ignored space:1:*.iso");
    assert_eq!(said(&rules, "good.iso", false), "kept .fstignore:1:!*.iso");
}

#[test]
fn s222_a_device_can_only_ignore_more() {
    let rules = rules("", "!a.log\n*.tmp\n!b.tmp", &[("", "*.log")]);
    assert_eq!(said(&rules, "a.log", false), "ignored .fstignore:1:*.log");
    assert_eq!(said(&rules, "a.tmp", false), "ignored device:2:*.tmp");
    assert_eq!(said(&rules, "b.tmp", false), "synced");
}

#[test]
fn s223_a_rule_file_is_never_ignored_by_a_rule_for_files() {
    let rules = rules("*", "*", &[("", "*\n.fstignore"), ("a", "*")]);
    assert_eq!(said(&rules, ".fstignore", false), "synced");
    assert_eq!(said(&rules, "a/.fstignore", false), "ignored space:1:*");
}

#[test]
fn s224_damaged_rules_hold_everything_below() {
    for (text, damage) in [
        (
            "*.log\n[a",
            "line 2 has a bracket that is not closed or names no class",
        ),
        ("a\\", "line 1 ends in a backslash"),
    ] {
        let rules = rules("", "*.tmp", &[("d", text)]);
        assert_eq!(said(&rules, "d/x", false), format!("held d: {damage}"));
        assert_eq!(said(&rules, "d/e/x", false), format!("held d: {damage}"));
        assert_eq!(said(&rules, "d/.fstignore", false), "synced");
        assert_eq!(said(&rules, "d/x.tmp", false), "ignored device:1:*.tmp");
        assert_eq!(said(&rules, "x", false), "synced");
    }
}

/// Plans a scenario on whose disk the root's rule file holds `text`; `forget` is what base forgets.
#[track_caller]
fn check(text: &str, scenario: &str, expected: &str) {
    let rules = rules("", "", &[("", &text.replace(' ', "\n"))]);
    let mut scenario = Scenario::parse(scenario);
    let forgets = scenario.look(&rules);
    let forgets = forgets
        .into_iter()
        .map(|id| format!("forget {}", label(id)));
    let mut parts: Vec<String> = forgets.collect();
    parts.push(show(&scenario.plan(), &scenario));
    assert_eq!(parts.join("; "), expected);
    scenario.reasons();
}

#[test]
fn s225_what_becomes_ignored_stays_and_stops_syncing() {
    check("a", "base a=1", "nothing");
    check("a", "base a=1 | local a=2", "nothing");
    check("a", "base a=1 | remote a=2", "hold a ignored");
    check(
        "d/",
        "base d/ d/a=1 | remote d/ d/a=2 d/b=3",
        "hold d/a ignored; hold d/b ignored",
    );
    check(
        "a b",
        "base a=1 b=1 c=1 | local a=2 b=2 c=2 | remote a=3 b=1 c=1",
        "put c=2 send; hold a ignored",
    );
}

#[test]
fn s226_a_directory_with_something_ignored_in_it_is_not_removed() {
    check(
        "*.o",
        "base d/ d/a=1 | local d/ d/a=1 d/x.o=5 | remote -",
        "rm d/a; hold d dependent",
    );
    check(
        "*.o",
        "base d/ d/a=1 | local d/ d/a=1 d/x.o=5 | remote d@new=7",
        "rm d/a; hold d dependent; hold new dependent",
    );
}

#[test]
fn s227_what_is_ignored_here_is_not_fetched() {
    check(
        "*.o",
        "base - | remote a=1 x.o=2",
        "write a=1; hold x.o ignored",
    );
    check(
        "d/",
        "base - | remote d/ d/a=1",
        "hold d ignored; hold d/a ignored",
    );
    check(
        "x.o",
        "base - | local x.o@l=1 | remote x.o@r=2",
        "hold r ignored",
    );
}

#[test]
fn s228_deleted_here_while_ignored_it_stays_there_and_comes_back_with_the_rule_gone() {
    check("a", "base a=1 | local -", "forget a; hold a ignored");
    check(
        "d/",
        "base d/ d/a=1 | local -",
        "forget d; forget d/a; hold d ignored; hold d/a ignored",
    );
    check("", "base - | local - | remote a=1", "write a=1");
}

#[test]
fn s229_deleted_there_while_ignored_it_stays_here_and_is_sent_with_the_rule_gone() {
    check("a", "base a=1 | remote -", "forget a; hold a ignored");
    check(
        "",
        "base - | local a@new=1 | remote - | dead a:2",
        "put new=1 at a send",
    );
}

#[test]
fn s230_moved_to_an_ignored_name_it_stays_there() {
    check("*.o", "base a=1 | local a.o@a=1", "hold a ignored");
    check(
        "*.o",
        "base d/ d/a=1 | local d.o@d/",
        "hold d ignored; hold d/a ignored",
    );
    // Another file that has the inode now is no move.
    check("*.o", "base a=1 | local a.o@a=2~7", "del a");
}

#[test]
fn s231_moved_there_to_an_ignored_name_it_stays_here() {
    check("*.o", "base a=1 | remote a.o@a=1", "hold a ignored");
}

#[test]
fn s232_with_the_rule_gone_both_sides_meet_as_usual() {
    check("", "base a=1 | local a=2", "put a=2 send");
    check("", "base a=1 | remote a=2", "write a=2 over =1");
    check("", "base - | local a@new=1 | remote a=1", "adopt a");
}

#[test]
fn s233_a_directory_deleted_here_stays_there_as_long_as_something_ignored_lives_in_it() {
    check(
        "*.o",
        "base d/ d/a=1 | local - | remote d/ d/a=1 d/x.o=2",
        "del d/a; hold d dependent; hold d/x.o ignored",
    );
}

#[test]
fn s234_a_moved_directory_takes_ignored_things_along() {
    check(
        "*.o",
        "base d/ d/a=1 | local d/ d/a=1 d/x.o=2 | remote e@d/ e/a@d/a=1",
        "mv d e",
    );
}

#[test]
fn s235_a_rule_file_that_was_moved_there_rules_no_more() {
    let place = |name: &str, parent: u8| Place {
        parent: NodeId([parent; NodeId::LEN]),
        name: Name::new(name.as_bytes()).expect("a name"),
    };
    let (rules, other, below) = (place(RULE_FILE, 0), place("d", 0), place(RULE_FILE, 1));
    let rows = [
        ([&rules, &rules, &other], true),
        ([&rules, &rules, &below], true),
        ([&rules, &rules, &rules], false),
        // It was moved here as well: what lies there now is another one.
        ([&rules, &other, &below], false),
        ([&other, &other, &rules], false),
    ];
    for (places, expected) in rows {
        assert_eq!(is_leaving(places), expected, "{places:?}");
    }
}

#[test]
fn s236_no_copy_is_made_under_an_ignored_name() {
    // The language takes names that begin so for ignored.
    check(
        "",
        "base _a=1 | local _a=2~2 | remote _a=3~1",
        "put _a=2 send; note edit-edit _a local",
    );
    check(
        "",
        "base _a=1 | local _a=2~1 | remote _a=3~2",
        "put _a!2=2 from local _a; hold _a archiving",
    );
    check(
        "_a!*",
        "base _a=1 | local _a=2~1 | remote _a=3~2 _a!2=2",
        "write _a=3 over =2; note edit-edit _a remote; hold _a!2 ignored",
    );
}

#[test]
fn damage_is_found() {
    let damage = |text: &[u8]| RuleFile::parse(text).damage().cloned();
    assert_eq!(damage(b"a\n# [\n\n b\r\n"), None);
    assert_eq!(damage(b"a\n\xff"), Some(Damage::NotText { line: 2 }));
    assert_eq!(damage(&b"a\n".repeat(4097)), Some(Damage::TooLarge));
    let long = [b"a".repeat(4097), b"\n".to_vec()].concat();
    assert!(matches!(
        damage(&long),
        Some(Damage::BadPattern { line: 1, .. })
    ));
    let wild = [b"*".to_vec(), b"a?".repeat(256)].concat();
    assert!(matches!(
        damage(&wild),
        Some(Damage::BadPattern { line: 1, .. })
    ));
}

/// What a rule file from another device could do at worst.
#[test]
fn no_pattern_takes_exponential_time() {
    let rules =
        RuleFile::parse(b"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\n**/a/**/a/**/a/**/a/**/b");
    let deep = "a/".repeat(500) + "c";
    assert_eq!(rules.decide(deep.as_bytes(), false), None);
    assert_eq!(rules.decide("a".repeat(255).as_bytes(), false), None);
}

/// Members of the named classes among the bytes of a name, as POSIX lists them for the C locale.
#[test]
fn named_classes_hold_what_posix_says() {
    let punct = "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~";
    let (lower, upper, digit) = (
        "abcdefghijklmnopqrstuvwxyz",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "0123456789",
    );
    let control: String = (1..=31).chain([127]).map(char::from).collect();
    let all = [lower, upper, digit, punct, " ", &control].concat();
    for (class, members) in [
        ("alnum", [lower, upper, digit].concat()),
        ("alpha", [lower, upper].concat()),
        ("blank", " \t".to_owned()),
        ("cntrl", control),
        ("digit", digit.to_owned()),
        ("graph", [lower, upper, digit, punct].concat()),
        ("lower", lower.to_owned()),
        ("print", [lower, upper, digit, punct, " "].concat()),
        ("punct", punct.to_owned()),
        ("space", " \t\n\x0b\x0c\r".to_owned()),
        ("upper", upper.to_owned()),
        ("xdigit", format!("{digit}abcdefABCDEF")),
    ] {
        let rules = RuleFile::parse(format!("x[[:{class}:]]y").as_bytes());
        for byte in all.chars() {
            let is_in = rules
                .decide(format!("x{byte}y").as_bytes(), false)
                .is_some();
            assert_eq!(is_in, members.contains(byte), "{byte:?} in {class}");
        }
    }
}

/// Rows of gitignore's own documentation and of its rough edges, as `pattern path verdict`.
#[test]
fn patterns_read_as_git_reads_them() {
    for (pattern, at, fits) in [
        ("doc/frotz", "doc/frotz", true),
        ("doc/frotz", "a/doc/frotz", false),
        ("frotz", "a/frotz", true),
        ("/frotz", "a/frotz", false),
        ("foo/*", "foo/a/b", false),
        ("foo/**", "foo/a/b", true),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("**/b", "b", true),
        ("a**b", "axb", true),
        ("a**b", "a/b", false),
        ("\\#a", "#a", true),
        ("\\!a", "!a", true),
        ("a\\ ", "a ", true),
        ("a ", "a", true),
        ("{a,b}", "a", false),
        ("{a,b}", "{a,b}", true),
        ("[!a]", "b", true),
        ("[^a]", "a", false),
        ("[]a]", "]", true),
        ("[a-c]", "b", true),
        ("[a-]", "-", true),
        ("[[:digit:]x]", "7", true),
        ("[[:digit:]x]", "y", false),
        ("x[/]y", "x/y", false),
        ("d/a?b", "d/axb", true),
        ("d/a?b", "d/a/b", false),
        ("d/a*b", "d/a/b", false),
        ("d/a[!x]b", "d/a/b", false),
    ] {
        let rules = RuleFile::parse(pattern.as_bytes());
        assert_eq!(
            rules.decide(at.as_bytes(), false).is_some(),
            fits,
            "{pattern} {at}"
        );
    }
}

const PARTS: [&str; 29] = [
    "a",
    "b",
    "ab",
    "*",
    "**",
    "/",
    "?",
    "[ab]",
    "[!a]",
    "!",
    "\\",
    "{a,b}",
    " ",
    "#",
    ".",
    "a*",
    "**/",
    "/**",
    "[[:alpha:]]",
    "[",
    "]",
    "-",
    "[a-b]",
    "\\*",
    "\\ ",
    "é",
    "\r",
    "[^b]",
    "[[:bad:]]",
];
const NAMES: [&str; 14] = [
    "a", "b", "ab", "ba", "aa", "a b", "{a,b}", "*", "[", "é", "-", "a.", "#a", "!a",
];

/// One folder: paths of its files, and rule files by directory.
type Case = (Vec<String>, BTreeMap<String, String>);

fn folders() -> impl Strategy<Value = Case> {
    let name = prop::sample::select(&NAMES[..]);
    let file = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let line = prop::collection::vec(prop::sample::select(&PARTS[..]), 1..5);
    let text = prop::collection::vec(line.prop_map(|parts| parts.concat()), 1..5);
    let text = text.prop_map(|lines| lines.join("\n"));
    let files = prop::collection::vec(file, 1..24);
    let rules = prop::collection::vec((any::<prop::sample::Index>(), text), 1..3);
    (files, rules).prop_map(|(files, rules)| {
        let place = |at: &prop::sample::Index, n: usize| {
            let names: Vec<&str> = files[at.index(files.len())].split('/').collect();
            names[..n.min(names.len() - 1)].join("/")
        };
        let rules = rules.iter().enumerate();
        let rules = rules.map(|(n, (at, text))| (place(at, n), text.clone()));
        (files.clone(), rules.collect())
    })
}

/// Makes the folder, and returns its paths with whether they are directories.
fn make(root: &Path, (files, rules): &Case) -> BTreeMap<String, bool> {
    for entry in std::fs::read_dir(root).expect("a folder").flatten() {
        let path = entry.path();
        if entry.file_name() != ".git" {
            let is_dir = path.is_dir();
            let removed = if is_dir {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.expect("removed");
        }
    }
    let mut made = BTreeMap::new();
    for file in files {
        let dirs = file.match_indices('/').map(|(at, _)| &file[..at]);
        let is_free = |dir: &str| made.get(dir) != Some(&false);
        let dirs: Vec<&str> = dirs.collect();
        if !dirs.iter().all(|dir| is_free(dir)) || made.contains_key(file) {
            continue;
        }
        for dir in dirs {
            std::fs::create_dir_all(root.join(dir)).expect("a directory");
            made.insert(dir.to_owned(), true);
        }
        std::fs::write(root.join(file), "").expect("a file");
        made.insert(file.clone(), false);
    }
    for (dir, text) in rules {
        if dir.is_empty() || made.get(dir) == Some(&true) {
            std::fs::write(root.join(dir).join(".gitignore"), text).expect("a rule file");
        }
    }
    made
}

/// What git says about each path: file, line, pattern; empty when no rule fits.
fn git(root: &Path, paths: &BTreeMap<String, bool>) -> Vec<(String, String)> {
    let mut git = Command::new("git")
        .args(["check-ignore", "-v", "-n", "-z", "--no-index", "--stdin"])
        .current_dir(root)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git runs");
    let asked: Vec<u8> = paths
        .keys()
        .flat_map(|path| [path.as_bytes(), b"\0"].concat())
        .collect();
    git.stdin
        .take()
        .expect("a pipe")
        .write_all(&asked)
        .expect("git reads");
    let out = git.wait_with_output().expect("git ends").stdout;
    let out = String::from_utf8(out).expect("text");
    let fields: Vec<&str> = out.split_terminator('\0').collect();
    let lines = fields.chunks(4).map(|field| {
        let by = if field[0].is_empty() {
            String::new()
        } else {
            field[..3].join(":")
        };
        (field[3].to_owned(), by)
    });
    lines.collect()
}

fn ours(rules: &Rules, at: &str, is_dir: bool) -> String {
    match rules.decide(&path(at), is_dir) {
        Some(Verdict::Ignored(by) | Verdict::Kept(by)) => {
            by_text(by).replace(".fstignore", ".gitignore")
        },
        Some(Verdict::Held { .. } | Verdict::NotChosen) | None => String::new(),
    }
}

/// The same texts, asked of git: verdict, file, line and pattern are equal for every path.
#[test]
fn git_says_the_same() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let root: PathBuf = dir.path().to_owned();
    let made = Command::new("git")
        .args(["init", "-q"])
        .current_dir(&root)
        .status();
    assert!(made.expect("git runs").success());
    TestRunner::new(crate::cases(200))
        .run(&folders(), |case| {
            let paths = make(&root, &case);
            let (mut rules, texts) = (Rules::default(), &case.1);
            for (dir, text) in texts
                .iter()
                .filter(|(dir, _)| dir.is_empty() || paths.get(*dir) == Some(&true))
            {
                // A pattern that can never match holds the folder; git only leaves it out.
                let sound: Vec<&str> = text
                    .split('\n')
                    .map(|line| match RuleFile::parse(line.as_bytes()).damage() {
                        Some(_) => "",
                        None => line,
                    })
                    .collect();
                rules.files.insert(path(dir), file(&sound.join("\n")));
            }
            for (at, git) in git(&root, &paths) {
                let is_dir = paths[&at];
                prop_assert_eq!(&ours(&rules, &at, is_dir), &git, "{} in {:?}", at, texts);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
