use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::PathProblem;

use super::*;

/// Numbers and counts of what a follower that has all before `from` is told, out of a ring of three.
fn told(n_pushed: u64, from: u64) -> String {
    let mut ring = Ring::new(3);
    for _ in 0..n_pushed {
        ring.push(named("state"), UnixMillis(7));
    }
    let word = |event: Event| match event.count {
        Some(missed) => format!("missed {missed}"),
        None => event.seq.to_string(),
    };
    let words: Vec<String> = ring.from(from).into_iter().map(word).collect();
    words.join(", ")
}

#[test]
fn a_ring_gives_what_it_has_and_counts_what_it_lost() {
    for (n_pushed, from, wanted) in [
        (0, 1, ""),
        (2, 1, "1, 2"),
        (3, 1, "1, 2, 3"),
        (3, 3, "3"),
        (3, 4, ""),
        (4, 1, "missed 1, 2, 3, 4"),
        (9, 1, "missed 6, 7, 8, 9"),
        (9, 7, "7, 8, 9"),
        (9, 10, ""),
    ] {
        assert_eq!(told(n_pushed, from), wanted, "{n_pushed} from {from}");
    }
}

fn folder(state: &str, conflicts: u64, code: Option<ErrorCode>, problems: &[&str]) -> FolderStatus {
    let problem = |path: &&str| PathProblem {
        path: (*path).to_owned(),
        code: "FST-3002".to_owned(),
        ..PathProblem::default()
    };
    FolderStatus {
        path: "/d".to_owned(),
        state: state.to_owned(),
        conflicts,
        stopped: code.map(|code| Problem::new(code, "")),
        problems: problems.iter().map(problem).collect(),
        ..FolderStatus::default()
    }
}

#[test]
fn what_changed_in_a_folder_is_told_and_nothing_else() {
    let words = |old: &FolderStatus, new: &FolderStatus| {
        let word = |it: Event| {
            assert_eq!(it.folder.as_deref(), Some("/d"));
            let count = it.count.map(|count| count.to_string());
            let parts = [Some(it.event), it.state, it.path, count, it.code];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        between(old, new).into_iter().map(word).collect::<Vec<_>>()
    };
    let idle = folder("idle", 0, None, &[]);
    assert!(words(&idle, &idle).is_empty());
    assert_eq!(
        words(&idle, &folder("paused", 0, None, &[])),
        ["state paused"]
    );
    let stopped = folder("error", 0, Some(ErrorCode::RootMissing), &[]);
    assert_eq!(words(&idle, &stopped), ["state error FST-3001"]);
    let two = folder("attention", 2, None, &["a", "b"]);
    assert_eq!(
        words(&folder("attention", 1, None, &["a"]), &two),
        ["conflict 2", "problem b FST-3002"]
    );
    assert!(words(&two, &folder("attention", 1, None, &[])).is_empty());
}

#[test]
fn followers_hear_of_what_comes_and_of_the_end_and_are_not_too_many() {
    let feed = Feed::default();
    feed.tell([named("before")]);
    let mut all: Vec<_> = std::iter::from_fn(|| feed.follow()).collect();
    assert_eq!(all.len(), FOLLOWERS_MAX);
    all.truncate(1);
    let mut one = all.pop().unwrap();
    feed.tell([named("now")]);
    let heard = one.wait().unwrap();
    assert_eq!(
        (heard.len(), heard[0].seq, heard[0].event.as_str()),
        (1, 2, "now")
    );
    std::thread::scope(|scope| {
        scope.spawn(|| feed.end());
        assert_eq!(one.wait().unwrap()[0].event, "stopping");
        while one.wait().is_some() {}
        drop(one);
    });
    assert_eq!(feed.recent().len(), 3);
}
