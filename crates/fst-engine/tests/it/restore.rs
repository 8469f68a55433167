//! What a restore of a folder does: rows of docs/design/versions.md §2.

use fst_engine::restore::{Newer, Plan, Step, plan, plan_one};
use fst_engine::tree::Tree;
use fst_proto::path::RelPath;

use crate::lang::tree;

/// Then, now, and the steps; `!` before removals of an exact restore, `=` unchanged, `kept`, `blocked`.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("d/ d/a=1", "d/ d/a=1", "same 1", "same 1"),
    ("d/ d/a=1", "d/ d/a=2", "replace d/a", "replace d/a"),
    ("d/ d/a=1", "d/", "create d/a", "create d/a"),
    ("d/ d/a=1", "-", "make d; create d/a", "make d; create d/a"),
    ("d/", "d/ d/a=1", "kept d/a", "remove d/a"),
    (
        "d/",
        "d/ d/e/ d/e/a=1",
        "kept d/e; kept d/e/a",
        "remove d/e/a; remove d/e",
    ),
    // A moved file comes back at its old place and stays at the new one.
    (
        "d/ d/a=1",
        "d/ d/b@d/a=1",
        "create d/a; kept d/b",
        "create d/a; remove d/b",
    ),
    // What is in the way of another kind is named and left alone, with all below it.
    (
        "d/ d/x=1 d/y=2",
        "d/ d/x/ d/x/a=1 d/y=3",
        "replace d/y; kept d/x/a; blocked d/x",
        "replace d/y; kept d/x/a; blocked d/x",
    ),
    ("d/ d/x/ d/x/a=1", "d/ d/x=1", "blocked d/x", "blocked d/x"),
    ("d/ d/a=1", "d=1", "blocked d", "blocked d"),
    ("d/ d/a=1x", "d/ d/a=1", "replace d/a", "replace d/a"),
    ("d/ d/a->t", "d/ d/a->u", "replace d/a", "replace d/a"),
    ("d/ d/a=1 o=1", "d/ d/a=1", "same 1", "same 1"),
];

fn show(plan: &Plan) -> String {
    let word = |step: &Step| match step {
        Step::MakeDir { .. } => "make",
        Step::Create { .. } => "create",
        Step::Replace { .. } => "replace",
        Step::Remove { .. } => "remove",
    };
    let steps = plan.steps.iter();
    let mut parts: Vec<String> = steps
        .map(|step| format!("{} {}", word(step), step.path()))
        .collect();
    parts.extend((plan.n_same > 0).then(|| format!("same {}", plan.n_same)));
    parts.extend(plan.kept.iter().map(|path| format!("kept {path}")));
    parts.extend(plan.blocked.iter().map(|path| format!("blocked {path}")));
    parts.join("; ")
}

fn scope() -> RelPath {
    RelPath::parse("d").expect("a path")
}

#[test]
fn a_folder_gets_back_what_it_held() {
    for (then, now, keeping, exact) in ROWS {
        let (past, present) = (tree(then, 1), tree(now, 2));
        for (newer, expected) in [(Newer::Keep, keeping), (Newer::Remove, exact)] {
            let planned = plan(&past, &present, &scope(), newer).expect("it was there");
            assert_eq!(show(&planned), *expected, "{then} | {now} {newer:?}");
        }
    }
}

#[test]
fn what_was_not_there_cannot_be_planned() {
    let past = tree("o=1", 1);
    assert_eq!(plan(&past, &Tree::new(), &scope(), Newer::Keep), None);
}

#[test]
fn one_file_gets_its_directories_first() {
    let past = tree("d/ d/e/ d/e/a=1", 1);
    let path = RelPath::parse("d/e/a").expect("a path");
    let id = past.lookup(&path).expect("it was there");
    let content = past.get(id).expect("a node").content;
    let one = |now: &str| show(&plan_one(&tree(now, 2), &path, id, content));
    assert_eq!(one("-"), "make d; make d/e; create d/e/a");
    assert_eq!(one("d/ d/e/ d/e/a=2"), "replace d/e/a");
    assert_eq!(one("d/ d/e/ d/e/a=1"), "same 1");
    assert_eq!(one("d/ d/e=1"), "blocked d/e");
    assert_eq!(one("d/ d/e/ d/e/a/"), "blocked d/e/a");
}
