//! Which operation is undone, and when it is not: ADR 0037.

use fst_engine::undo::{Entry, Progress, Thing, choose, is_undone, older, plan};
use proptest::prelude::*;

use crate::cases;

/// `was>left:now` for each thing, `-` for nothing there; what is decided.
const ROWS: &[(&str, &str, &str)] = &[
    ("done", "a 1>2:2", "back a"),
    ("done", "a ->2:2", "back a"),
    ("done", "a 1>-:-", "back a"),
    ("done", "a 1>2:2 b ->x:x", "back a b"),
    // What somebody took back by hand needs nothing more.
    ("done", "a 1>2:2 b 1>2:1", "back a"),
    (
        "done",
        "a 1>2:1 b ->2:-",
        "everything is as it was before it",
    ),
    // One thing that others changed refuses the whole.
    (
        "done",
        "a 1>2:3",
        "a was changed since: it is 3, the operation left 2",
    ),
    (
        "done",
        "a 1>2:2 b 1>2:3",
        "b was changed since: it is 3, the operation left 2",
    ),
    ("done", "a 1>2:-", "a was changed since: it is gone"),
    (
        "done",
        "a 1>-:3",
        "a was changed since: it is there again: 3",
    ),
    // A command that was killed may have come to its end or not.
    ("begun", "a 1>2:2", "back a"),
    ("begun", "a 1>2:1", "it changed nothing"),
    ("begun", "a 1>2:2 b 1>2:1", "back a"),
    (
        "begun",
        "a 1>2:3",
        "a was changed since: it is 3, the operation left 2",
    ),
    ("failed", "a 1>2:2", "it changed nothing"),
    ("undone", "a 1>2:2", "it is undone already"),
    ("undone", "a 1>2:1", "it is undone already"),
];

fn part(text: &str) -> Option<&str> {
    (text != "-").then_some(text)
}

fn things(text: &str) -> Vec<Thing<'_>> {
    let words: Vec<&str> = text.split(' ').collect();
    let mut out = Vec::new();
    for pair in words.chunks(2) {
        let (was, rest) = pair[1].split_once('>').expect("was>left:now");
        let (left, now) = rest.split_once(':').expect("left:now");
        let name = pair[0];
        let (was, left, now) = (part(was), part(left), part(now));
        out.push(Thing {
            name,
            was,
            left,
            now,
        });
    }
    out
}

fn decide(state: &str, text: &str) -> String {
    let progress = match state {
        "begun" => Progress::Begun,
        "failed" => Progress::Failed,
        _ => Progress::Done,
    };
    let things = things(text);
    match plan(progress, state == "undone", &things) {
        Ok(back) => {
            let names = back.iter().map(|at| format!(" {}", things[*at].name));
            format!("back{}", names.collect::<String>())
        },
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn only_what_is_as_it_was_left_is_taken_back() {
    for (state, text, wanted) in ROWS {
        assert_eq!(decide(state, text), *wanted, "{state}: {text}");
    }
}

/// The log, oldest first (`id`, `?` begun, `!` failed, `<id` undoes it), what is asked for, and what is meant.
const CHOICES: &[(&str, &str, &str)] = &[
    ("a b", "", "b"),
    ("a b!", "", "a"),
    ("a b?", "", "b"),
    // Again and again goes back further.
    ("a b u<b", "", "a"),
    ("a b u<b v<a", "", "nothing is left to be undone"),
    // What undid is undone by its name; then the first one stands again.
    ("a b u<b", "u", "u"),
    ("a b u<b w<u", "", "b"),
    ("a b u<b w<u x<w", "", "a"),
    // An undo that did not happen changes nothing.
    ("a b u<b!", "", "b"),
    ("a b u<b?", "", "b"),
    ("a b u<b! w<b", "", "a"),
    ("", "", "nothing is left to be undone"),
    ("ab ac", "ab", "ab"),
    ("ab ac", "a", "\"a\" is the start of several operations"),
    ("ab ac", "x", "the log has no operation \"x\""),
];

fn entries(log: &str) -> Vec<Entry<'_>> {
    let words = log.split(' ').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let progress = match word.as_bytes().last() {
                Some(b'!') => Progress::Failed,
                Some(b'?') => Progress::Begun,
                _ => Progress::Done,
            };
            let word = word.trim_end_matches(['!', '?']);
            let (id, undoes) = match word.split_once('<') {
                Some((id, undoes)) => (id, Some(undoes)),
                None => (word, None),
            };
            Entry {
                id,
                progress,
                undoes,
            }
        })
        .collect()
}

#[test]
fn the_newest_that_stands_is_meant() {
    for (log, asked, wanted) in CHOICES {
        let entries = entries(log);
        let asked = (!asked.is_empty()).then_some(*asked);
        let chosen = match choose(&entries, asked) {
            Ok(at) => entries[at].id.to_owned(),
            Err(none) => none.to_string(),
        };
        assert_eq!(chosen, *wanted, "{log}");
    }
}

/// What is offered when the newest one cannot be undone.
#[test]
fn further_back_is_the_next_that_stands() {
    for (log, at, wanted) in [
        ("a b c", 2, Some(1)),
        ("a b c", 0, None),
        ("a b! c", 2, Some(0)),
        // Undone by what came later.
        ("a b c u<b", 2, Some(0)),
        ("a b c u<b w<u", 2, Some(1)),
    ] {
        assert_eq!(older(&entries(log), at), wanted, "{log}");
    }
}

#[test]
fn an_entry_that_names_itself_ends_the_search() {
    let entries = entries("a<a b<a");
    assert!(is_undone(&entries, "a"));
    assert_eq!(choose(&entries, None).ok(), None);
}

proptest! {
    #![proptest_config(cases(256))]

    /// Whatever was changed by others is never among what is taken back.
    #[test]
    fn what_others_changed_is_never_taken_back(
        states in proptest::collection::vec((0_u8..4, 0_u8..4, 0_u8..4), 1..6)
    ) {
        let names = ["-", "1", "2", "3"];
        let text: Vec<String> = states.iter().enumerate().map(|(at, (was, left, now))| {
            let [was, left, now] = [was, left, now].map(|one| names[usize::from(*one)]);
            format!("t{at} {was}>{left}:{now}")
        }).collect();
        let text = text.join(" ");
        let things = things(&text);
        if let Ok(back) = plan(Progress::Done, false, &things) {
            for (at, thing) in things.iter().enumerate() {
                prop_assert_eq!(back.contains(&at), thing.now == thing.left);
                prop_assert!(thing.now == thing.left || thing.now == thing.was);
            }
        }
    }
}
