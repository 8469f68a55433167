//! What a device has chosen: rows S-180 and S-181, and what a plan says about the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use fst_engine::clear::{Clearing, Copies, clear};
use fst_engine::identify::{FileKey, Scan, Seen, identify};
use fst_engine::ignore::{Copies as Left, Refusal, RuleFile, Rules, Selection, Share, Verdict};
use fst_engine::plan::DiskStep;
use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::lang::{Scenario, id, label, show};

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn paths(text: &str) -> Vec<RelPath> {
    let words = text.split_whitespace();
    words
        .map(|word| RelPath::parse(word).expect("a path"))
        .collect()
}

/// `only a b | except a/c | cleared d` as rules.
fn chosen(text: &str) -> Rules {
    let parts: BTreeMap<&str, &str> = text
        .split('|')
        .filter_map(|part| part.trim().split_once(' '))
        .collect();
    let list = |name: &str| paths(parts.get(name).copied().unwrap_or(""));
    Rules {
        selection: Arc::new(Selection::new(
            list("only"),
            list("except"),
            list("cleared"),
        )),
        ..Rules::default()
    }
}

/// Of these paths those that are synced; one with a slash at its end is a directory.
#[track_caller]
fn check(rules: &str, paths: &str, synced: &str) {
    let rules = chosen(rules);
    let is_synced = |text: &&str| {
        let path = RelPath::parse(text.trim_end_matches('/')).expect("a path");
        let said = rules.decide(&path, text.ends_with('/'));
        said.is_none_or(|verdict| !verdict.is_hands_off())
    };
    let left: Vec<&str> = paths.split_whitespace().filter(is_synced).collect();
    assert_eq!(left.join(" "), synced);
}

#[test]
fn s180_what_is_not_chosen_is_neither_fetched_nor_sent_nor_deleted() {
    let plan = |rules: &str, scenario: &str| {
        let mut scenario = Scenario::parse(scenario);
        scenario.look(&chosen(rules));
        show(&scenario.plan(), &scenario)
    };
    let fetched = plan("only a", "base - | remote a/ a/x=1 b/ b/x=2");
    assert_eq!(
        fetched,
        "mkdir a; write a/x=1; hold b ignored; hold b/x ignored"
    );
    let sent = plan("only a", "base - | local a/ a/x=1 b/ b/x=2 | remote -");
    assert_eq!(sent, "put a/; put a/x=1 send");
    let deleted = plan("only a", "base - | local a/ | remote a/ b/ b/x=2");
    assert_eq!(deleted, "adopt a; hold b ignored; hold b/x ignored");
}

#[test]
fn s181_the_deepest_name_decides() {
    let all = "a/ a/x a/b/ a/b/x a/b/c/ a/b/c/x ab/ x .fstignore a/.fstignore a/b/.fstignore";
    check("", all, all);
    check(
        "only a",
        all,
        "a/ a/x a/b/ a/b/x a/b/c/ a/b/c/x .fstignore a/.fstignore a/b/.fstignore",
    );
    check(
        "only a/b",
        all,
        "a/ a/b/ a/b/x a/b/c/ a/b/c/x .fstignore a/.fstignore a/b/.fstignore",
    );
    check("except a", all, "ab/ x .fstignore");
    check("except a/b", all, "a/ a/x ab/ x .fstignore a/.fstignore");
    check(
        "only a | cleared a/b",
        all,
        "a/ a/x .fstignore a/.fstignore",
    );
    check(
        "only a a/b/c | except a/b",
        all,
        "a/ a/x a/b/ a/b/c/ a/b/c/x .fstignore a/.fstignore a/b/.fstignore",
    );
    check("only a/b", "a", "");
}

/// Plans a scenario of which base keeps only what is chosen.
fn plan_chosen(rules: &str, scenario: &str) -> String {
    let rules = chosen(rules);
    let mut scenario = Scenario::parse(scenario);
    for id in rules.selection.left_out(&scenario.base) {
        scenario.base.remove(id);
    }
    scenario.look(&rules);
    show(&scenario.plan(), &scenario)
}

#[test]
fn s182_what_is_not_chosen_any_more_is_forgotten() {
    let base = Scenario::parse("base a/ a/x=1 b/ b/x=2 b/c/ b/c/x=3 y=4").base;
    let left_out = |rules: &str| {
        let ids = chosen(rules).selection.left_out(&base);
        ids.into_iter().map(label).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(left_out(""), "");
    assert_eq!(left_out("only a"), "b b/c b/c/x b/x y");
    assert_eq!(left_out("only b/c"), "a a/x b/x y");
    assert_eq!(left_out("except b/c"), "b/c b/c/x");
    for local in ["a/", "a/ b/ b/x=2", "a/ b/ b/x=9"] {
        let scenario = format!("base a/ b/ b/x=2 | local {local}");
        let left_alone = plan_chosen("only a", &scenario);
        assert_eq!(left_alone, "hold b ignored; hold b/x ignored", "{local}");
    }
}

#[test]
fn s183_moved_out_of_the_choice_it_stays_there() {
    let scenario = Scenario::parse("base a/ a/d/ a/d/y=1 a/x=2");
    let key = |n| FileKey { dev: 1, ino: n };
    let ids = [("a", 1), ("a/d", 2), ("a/d/y", 3), ("a/x", 4)];
    let keys: BTreeMap<NodeId, FileKey> = ids.map(|(name, n)| (id(name), key(n))).into();
    let node = |name: &str| scenario.base.get(id(name)).expect("a node of base");
    let outside = |kind, name: &str, n| Seen::Ignored {
        kind: Some(kind),
        mtime_ns: node(name).mtime_ns,
        size: node(name).size,
        key: key(n),
    };
    let (a, dir) = (node("a"), Kind::Dir);
    let a = Seen::Known {
        content: a.content,
        mtime_ns: a.mtime_ns,
        size: a.size,
        key: key(1),
    };
    let scan = Scan::from([
        (path("a"), a),
        (path("b"), outside(dir, "a", 9)),
        (path("b/deep/x"), outside(Kind::File, "a/x", 4)),
        (path("b/e/d"), outside(dir, "a/d", 2)),
    ]);
    let mut new_id = || panic!("nothing is new");
    let base = &scenario.base;
    let seen = identify(&scan, base, &keys, base, &mut new_id);
    let ignored: Vec<String> = seen.ignored.iter().map(|id| label(*id)).collect();
    assert_eq!(ignored.join(" "), "a/d a/d/y a/x");
}

#[test]
fn s184_chosen_again_equal_copies_are_adopted_and_others_kept_beside() {
    let again = |local: &str| {
        let sides = "base a/ | remote a/ b/ b/x=2 | local a/";
        let scenario = Scenario::parse(&format!("{sides} {local}"));
        show(&scenario.plan(), &scenario)
    };
    assert_eq!(again(""), "mkdir b; write b/x=2");
    assert_eq!(again("b/ b/x=2"), "adopt b; adopt b/x");
    assert_eq!(
        again("b/ b/x@y=9"),
        "adopt b; mv b/x b/x!9; write b/x=2; put y=9 at b/x!9 send; note same-name b/x copy y remote"
    );
}

/// Clears a place: `here` are entries as they lie there (`!x` unreadable, `?x` ignored), `there` what the server has.
#[track_caller]
fn clears(here: &str, there: &str, spared: &str, expected: &str) {
    let content_of = |side: &str| {
        let tree = Scenario::parse(&format!("base {side}")).base;
        let all = tree.iter().map(|(id, node)| (id, node.content));
        let all = all.map(|(id, content)| (tree.path(id).expect("a path"), (id, content)));
        all.collect::<BTreeMap<_, _>>()
    };
    let (plain, odd): (Vec<&str>, Vec<&str>) = here
        .split_whitespace()
        .partition(|word| !word.starts_with(['!', '?']));
    let key = FileKey { dev: 1, ino: 1 };
    let known = |content| Seen::Known {
        content,
        mtime_ns: 0,
        size: 0,
        key,
    };
    let ignored = Seen::Ignored {
        kind: Some(Kind::File),
        mtime_ns: 0,
        size: 0,
        key,
    };
    let mut scan: Scan = content_of(&plain.join(" "))
        .into_iter()
        .map(|(path, (_, content))| (path, known(content)))
        .collect();
    for word in odd {
        let seen = if word.starts_with('!') {
            Seen::Problem
        } else {
            ignored
        };
        scan.insert(path(&word[1..]), seen);
    }
    let copies = Copies {
        scan,
        there: content_of(there),
        spared: paths(spared).into_iter().collect(),
    };
    let Clearing { plan, kept } = clear(&copies);
    let steps = plan.steps.iter().map(|step| match step {
        DiskStep::Remove { path, .. } => format!("rm {path}"),
        DiskStep::RemoveDir { path, .. } => format!("rmdir {path}"),
        other => format!("{other:?}"),
    });
    let kept = kept.iter().map(|path| format!("keep {path}"));
    let all: Vec<String> = steps.chain(kept).collect();
    assert_eq!(all.join("; "), expected);
}

#[test]
fn s185_copies_go_that_the_server_has_as_they_are_here() {
    let tree = "b/ b/c/ b/c/x=1 b/l->t b/y=2";
    clears(
        tree,
        tree,
        "",
        "rm b/y; rm b/l; rm b/c/x; rmdir b/c; rmdir b",
    );
    clears("b/ b/x=1", "b/ b/x=2", "", "keep b/x");
    clears("b/ b/x=1", "b/ b/x=1x", "", "keep b/x");
    clears("b/ b/x=1", "b/ b/x->1", "", "keep b/x");
    clears("b/ b/x=1 b/y=2", "b/ b/x=1", "", "rm b/x; keep b/y");
    clears("b/ b/x=1", "-", "", "keep b/x");
    clears("b/ b/c/", "b/", "", "");
    clears("b/ b/x=1 !b/p", "b/ b/x=1 b/p=3", "", "rm b/x; keep b/p");
    clears("b/ b/x=1 ?b/p", "b/ b/x=1 b/p=3", "", "rm b/x");
    clears(tree, tree, "b/c b/c/x", "rm b/y; rm b/l");
    clears("-", tree, "", "");
    let within = |text: &str| {
        chosen("only a b/c | except b/k | cleared b")
            .selection
            .clears(&path(text))
    };
    assert!(within("b") && within("b/x"));
    assert!(!within("b/c") && !within("b/c/x") && !within("b/k/x") && !within("a") && !within("z"));
}

#[test]
fn s186_a_directory_waits_for_all_that_is_in_it() {
    let scenario = "b/ b/c/ b/c/x=1";
    let tree = Scenario::parse(&format!("base {scenario}")).base;
    let there = tree
        .iter()
        .map(|(id, node)| (tree.path(id).expect("a path"), (id, node.content)))
        .collect::<BTreeMap<_, _>>();
    let scan = there.iter().map(|(path, (_, content))| {
        let seen = Seen::Known {
            content: *content,
            mtime_ns: 0,
            size: 0,
            key: FileKey { dev: 1, ino: 1 },
        };
        (path.clone(), seen)
    });
    let scan = scan.collect();
    let plan = clear(&Copies {
        scan,
        there,
        ..Copies::default()
    })
    .plan;
    let waits = |one: &str| plan.waits_for(id(one)).map(label).collect::<Vec<_>>();
    assert_eq!(waits("b"), ["b/c"]);
    assert_eq!(waits("b/c"), ["b/c/x"]);
}

#[test]
fn s187_a_directory_that_was_chosen_by_name_is_told_from_others() {
    let selection = chosen("only a/b c | cleared d").selection;
    for (dir, is_named) in [
        ("a", true),
        ("a/b", true),
        ("a/b/c", false),
        ("c", true),
        ("d", false),
    ] {
        assert_eq!(selection.is_named(&path(dir)), is_named, "{dir}");
    }
}

#[test]
fn a_rule_of_any_place_still_ignores_what_is_chosen() {
    let rules = Rules {
        device: Arc::new(RuleFile::parse(b"*.tmp")),
        ..chosen("only a")
    };
    let said = |text: &str| rules.decide(&RelPath::parse(text).expect("a path"), false);
    assert_eq!(said("a/x"), None);
    assert!(matches!(said("a/x.tmp"), Some(Verdict::Ignored(_))));
    assert_eq!(said("b/x.tmp"), Some(Verdict::NotChosen));
}

/// Changes a choice word by word: `+a` chooses, `-a` takes out and keeps copies, `~a` takes out and clears them.
#[track_caller]
fn edits(before: &str, words: &str, after: Result<&str, Refusal>) {
    let mut selection = (*chosen(before).selection).clone();
    let mut end = Ok(());
    for word in words.split_whitespace() {
        let dir = RelPath::parse(word[1..].trim_matches('/')).expect("a path");
        end = match &word[..1] {
            "+" => selection.choose(&dir),
            "-" => selection.take_out(&dir, Left::Keep),
            _ => selection.take_out(&dir, Left::Clear),
        };
    }
    match after {
        Ok(after) => assert_eq!((end, &selection), (Ok(()), &*chosen(after).selection)),
        Err(refusal) => {
            assert_eq!(end, Err(refusal));
            assert_eq!(selection, *chosen(before).selection);
        },
    }
}

#[test]
fn a_choice_changes_by_what_is_named() {
    edits("", "+a", Ok(""));
    edits("", "-a", Ok("except a"));
    edits("", "~a", Ok("cleared a"));
    edits("except a", "~a", Ok("cleared a"));
    edits("cleared a", "-a", Ok("except a"));
    edits("except a", "+a", Ok(""));
    edits("except a/b | cleared a/c", "+a", Ok(""));
    edits("only a", "+b", Ok("only a b"));
    edits("only a", "+a/b", Ok("only a"));
    edits("only a/b a/c d", "+a", Ok("only a d"));
    edits("only a b", "-a", Ok("only b"));
    edits("only a b", "~a", Ok("only b | cleared a"));
    edits("only a", "-a/b", Ok("only a | except a/b"));
    edits(
        "only a | except a/b",
        "+a/b/c",
        Ok("only a a/b/c | except a/b"),
    );
    edits(
        "only a a/b/c | except a/b",
        "-a/b/c",
        Ok("only a | except a/b"),
    );
    edits("cleared a", "-a/b", Ok("except a/b | cleared a"));
    edits("only a | except b", "+/", Ok(""));
    edits("only a", "-b", Ok("only a"));
    edits("only a", "-a", Err(Refusal::NothingLeft));
    edits("only a/b a/c", "~a", Err(Refusal::NothingLeft));
    edits("", "-/", Err(Refusal::NothingLeft));
    edits("except a", "+a/b", Err(Refusal::Within(path("a"))));
}

#[test]
fn a_directory_is_chosen_whole_in_part_or_not() {
    let share = |rules: &str, dir: &str| chosen(rules).selection.share(&path(dir));
    assert_eq!(share("", "a"), Share::All);
    assert_eq!(share("only a", "a"), Share::All);
    assert_eq!(share("only a", "b"), Share::Nothing);
    assert_eq!(share("only a/b", "a"), Share::Some);
    assert_eq!(share("except a/b", "a"), Share::Some);
    assert_eq!(share("except a/b", "a/b"), Share::Nothing);
    assert_eq!(share("except a/b", "c"), Share::All);
}

#[test]
fn equal_choices_have_equal_bytes_and_others_have_not() {
    let bytes = |text: &str| chosen(text).selection.to_bytes();
    assert_eq!(bytes("only a b"), bytes("only b a b"));
    let all = [
        "only a",
        "except a",
        "cleared a",
        "only a b",
        "only a | except b",
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(bytes(one), bytes(other), "{one}, {other}");
        }
    }
    assert!(bytes("").is_empty());
}
