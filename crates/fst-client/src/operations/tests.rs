use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn on_disk() -> (tempfile::TempDir, Operations) {
    let home = tempfile::tempdir().expect("a directory");
    let path = OsString::from(home.path());
    let dirs = Dirs::from_env(&|name| (name == "HOME").then(|| path.clone()));
    (home, Operations::of(&dirs.expect("a home")))
}

fn intent(subject: &str) -> Intent {
    Intent {
        command: "config set".to_owned(),
        subject: subject.to_owned(),
        things: vec![Thing {
            name: "a".to_owned(),
            was: Some("1".to_owned()),
            left: None,
        }],
        way: Way::Config {
            file: "f".to_owned(),
            lines: None,
        },
        undoes: None,
    }
}

fn subjects(log: &Operations) -> Vec<String> {
    let all = log.all().expect("a log");
    all.into_iter().map(|operation| operation.subject).collect()
}

#[test]
fn what_is_noted_is_read_back() {
    let (_home, log) = on_disk();
    assert!(log.all().expect("no log is an empty one").is_empty());
    let done = log.begin(intent("one")).expect("noted").done();
    log.begin(intent("two")).expect("noted").failed();
    let begun = log.begin(intent("three")).expect("noted").operation;
    let all = log.all().expect("a log");
    let progress: Vec<Progress> = all.iter().map(|operation| operation.progress).collect();
    assert_eq!(
        progress,
        [Progress::Done, Progress::Failed, Progress::Begun]
    );
    assert_eq!([&all[0], &all[2]], [&done, &begun]);
    assert_eq!(log.find(None).expect("the newest").id, begun.id);
    assert_eq!(log.find(Some(&done.short)).expect("by its start"), done);
    let mode = |file: &std::path::Path| file.metadata().expect("a file").permissions().mode();
    assert_eq!(mode(&log.file()) & 0o777, 0o600);
}

/// A crash in the middle of a write, at each byte.
#[test]
fn a_line_that_was_cut_off_is_none() {
    let (_home, log) = on_disk();
    drop(log.begin(intent("one")).expect("noted").done());
    let first = std::fs::read(log.file()).expect("a log");
    drop(log.begin(intent("two")).expect("noted"));
    let both = std::fs::read(log.file()).expect("a log");
    for end in first.len()..both.len() {
        std::fs::write(log.file(), &both[..end]).expect("cut off");
        assert_eq!(subjects(&log), ["one"], "{end}");
        drop(log.begin(intent("three")).expect("noted").done());
        assert_eq!(subjects(&log), ["one", "three"], "{end}");
    }
    std::fs::write(log.file(), &both).expect("whole");
    assert_eq!(subjects(&log), ["one", "two"]);
}

#[test]
fn lines_of_others_are_passed_over() {
    let (_home, log) = on_disk();
    drop(log.begin(intent("one")).expect("noted").done());
    let mut text = std::fs::read_to_string(log.file()).expect("a log");
    let newer = text.lines().next().expect("a line");
    let newer = newer.replace(
        "\"kind\":\"config\",\"file\":\"f\",\"lines\":null",
        "\"kind\":\"wormhole\"",
    );
    text.extend(["\u{0}\u{1}\n{\"later\":1}\n", &newer, "\n"]);
    let mut bytes = text.into_bytes();
    // What is no text at all, in the middle and at the end.
    bytes.splice(0..0, [0xff, 0xfe, b'\n']);
    bytes.extend([0xff, b'{']);
    std::fs::write(log.file(), bytes).expect("written");
    let all = log.all().expect("a log");
    assert_eq!(all.len(), 2);
    drop(log.begin(intent("three")).expect("noted").done());
    assert_eq!(subjects(&log), ["one", "one", "three"]);
    assert_eq!(all[1].way, Way::Newer);
    assert!(!all[1].is_undoable());
}

#[test]
fn the_log_is_bounded() {
    let (_home, log) = on_disk();
    let many: String = (0..ENTRIES_MAX)
        .map(|n| {
            let line = Line::Begun(Box::new(Operation {
                id: format!("{n:016x}"),
                time_ms: 0,
                command: "config set".to_owned(),
                subject: n.to_string(),
                things: Vec::new(),
                way: Way::Newer,
                undoes: None,
                progress: Progress::Begun,
                is_undone: false,
                short: String::new(),
            }));
            serde_json::to_string(&line).expect("a line") + "\n"
        })
        .collect();
    std::fs::create_dir_all(&log.dirs.state).expect("a directory");
    std::fs::write(log.file(), many).expect("written");
    assert_eq!(log.all().expect("a log").len(), ENTRIES_MAX);
    drop(log.begin(intent("new")).expect("noted").done());
    let all = log.all().expect("a log");
    assert_eq!(all.len(), KEPT + 1);
    assert_eq!(all[0].subject, KEPT.to_string());
    assert_eq!(all[KEPT].progress, Progress::Done);
}

#[test]
fn an_operation_of_too_many_things_says_so() {
    let (_home, log) = on_disk();
    let mut many = intent("many");
    let thing = many.things[0].clone();
    many.things = vec![thing; THINGS_MAX + 1];
    let noted = log.begin(many).expect("noted").done();
    assert!(!noted.is_undoable());
    assert_eq!(noted.things.len(), THINGS_MAX);
}

#[test]
fn ids_are_as_short_as_they_may_be() {
    let near = ["00001fff", "0000aaaa", "0000aabb"];
    let others = |id: &str| -> Vec<&str> { near.into_iter().filter(|near| *near != id).collect() };
    let shown = near.map(|id| short(id, others(id).into_iter()));
    assert_eq!(shown, ["00001", "0000aaa", "0000aab"]);
    assert_eq!(short("12345678", [].into_iter()), "1234");
}
