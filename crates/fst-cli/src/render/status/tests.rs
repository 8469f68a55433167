use fst_proto::ipc::{DeviceStatus, ServerStatus};

use super::*;

fn folder(path: &str, mode: &str, state: State) -> FolderStatus {
    FolderStatus {
        path: format!("/h/anna/{path}"),
        remote_path: format!("/{path}"),
        mode: mode.to_owned(),
        state: state.as_str().to_owned(),
        files: 12_408,
        bytes: 19_600_000_000,
        ..FolderStatus::default()
    }
}

fn status(state: State, folders: Vec<FolderStatus>) -> Status {
    Status {
        state: state.as_str().to_owned(),
        folders,
        server: ServerStatus {
            url: "https://sync.example.com".to_owned(),
            connected: true,
            ..ServerStatus::default()
        },
        device: DeviceStatus {
            name: "anna-laptop".to_owned(),
            devices: 3,
        },
        daemon_pid: 77,
        ..Status::default()
    }
}

/// A terminal that shows everything but colours.
fn terminal() -> Look {
    Look {
        has_symbols: true,
        home: "/h/anna".into(),
        ..Look::default()
    }
}

fn moment() -> Moment {
    Moment {
        is_started_at_login: true,
        pausing: None,
        limiting: None,
        now: UnixMillis(1_709_546_400_000), // 2024-03-04 10:00 UTC
        zone: TimeZone::UTC,
    }
}

fn drawn(status: &Status) -> String {
    drawn_as(status, &terminal())
}

fn drawn_as(status: &Status, look: &Look) -> String {
    let text = draw(status, look, &moment());
    narrow(&text);
    text
}

/// Everything fits but a command to type, which would be worth nothing without its middle.
fn narrow(text: &str) {
    let is_command = |line: &str| {
        ["→ ", "-> "]
            .iter()
            .any(|mark| line.trim().starts_with(mark))
    };
    let is_narrow = |line: &str| width(line) <= WIDTH_MAX || is_command(line);
    assert!(
        text.lines().all(is_narrow),
        "wider than {WIDTH_MAX}:\n{text}"
    );
}

/// Everything beyond ASCII that is ours; names of files are the user's.
const SYMBOLS: [char; 9] = ['✓', '✗', '○', '⇄', '⇅', '↑', '↓', '→', '…'];

/// The same status on every kind of terminal, as `golden/NAME.snap` has it; `INSTA_UPDATE=always` writes it.
fn golden(name: &str, status: &Status, moment: &Moment) {
    let looks = [
        ("UTF-8", terminal()),
        (
            "ASCII",
            Look {
                has_symbols: false,
                ..terminal()
            },
        ),
        (
            "colours",
            Look {
                has_color: true,
                ..terminal()
            },
        ),
        (
            "plain",
            Look {
                is_plain: true,
                ..terminal()
            },
        ),
    ];
    let mut all = Page::default();
    let [mut utf8, mut colours] = [String::new(), String::new()];
    for (title, look) in looks {
        let text = draw(status, &look, moment);
        all.line(format!("=== {title}"));
        all.block(text.replace('\u{1b}', "\\e"));
        match title {
            "UTF-8" => utf8.clone_from(&text),
            "ASCII" => assert!(!text.contains(SYMBOLS), "{text}"),
            "colours" => colours.clone_from(&text),
            _ => {},
        }
        if !look.has_color && !look.is_plain {
            narrow(&text);
        }
    }
    // A colour is an extra: without it the text is the same.
    for code in [
        "\u{1b}[0m",
        "\u{1b}[31m",
        "\u{1b}[32m",
        "\u{1b}[33m",
        "\u{1b}[36m",
    ] {
        colours = colours.replace(code, "");
    }
    assert_eq!(utf8, colours);
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, all.into_text());
    });
}

#[test]
fn idle() {
    let documents = FolderStatus {
        last_change_ms: 1_709_546_280_000,
        ..folder("Documents", "two-way", State::Idle)
    };
    let photos = FolderStatus {
        files: 48_113,
        bytes: 228 << 30,
        ..folder("Photos", "upload-only", State::Idle)
    };
    let mut status = status(State::Idle, vec![documents, photos]);
    status.line.max_upload = Some(10_000_000);
    status.line.max_download = Some(50_000_000);
    let moment = Moment {
        limiting: Some("business-hours".to_owned()),
        ..moment()
    };
    golden("idle", &status, &moment);
}

#[test]
fn a_choice_has_one_line() {
    let documents = FolderStatus {
        choice: Some("only Photos/2024, Work, without Work/old".to_owned()),
        ..folder("Documents", "two-way", State::Idle)
    };
    let long = FolderStatus {
        choice: Some(format!("only {}", "a-very-long-name-".repeat(9))),
        ..folder("A folder with a very long name", "two-way", State::Idle)
    };
    let status = status(State::Idle, vec![documents, long]);
    golden("choice", &status, &moment());
}

#[test]
fn syncing() {
    let busy = FolderStatus {
        phase: "sending changes".to_owned(),
        saved_bytes: 120 << 20,
        ..folder("Documents", "two-way", State::Syncing)
    };
    let photos = folder("Photos", "upload-only", State::Idle);
    let mut status = status(State::Syncing, vec![busy, photos]);
    status.pending = Pending {
        uploads: 7,
        downloads: 2,
        bytes: 1_300_000_000,
    };
    status.line.upload = 41_230_000;
    status.line.download = 900_000;
    golden("syncing", &status, &moment());
}

#[test]
fn waiting_on_a_problem() {
    let problem = PathProblem {
        path: "outlook.pst".to_owned(),
        code: "FST-3002".to_owned(),
        reason: "cannot be read: permission denied".to_owned(),
        next: "change its permissions, or ignore it".to_owned(),
    };
    let documents = FolderStatus {
        problems: vec![problem],
        ..folder("Documents", "two-way", State::Attention)
    };
    golden(
        "blocked-on-one-file",
        &status(State::Attention, vec![documents]),
        &moment(),
    );
}

#[test]
fn conflicts() {
    let documents = FolderStatus {
        conflicts: 2,
        ..folder("Documents", "two-way", State::Attention)
    };
    let photos = folder("Photos", "upload-only", State::Idle);
    let status = status(State::Attention, vec![documents, photos]);
    golden("conflict", &status, &moment());
}

#[test]
fn offline() {
    let problem = Problem::new(
        ErrorCode::Unreachable,
        "talk to the server: connection refused",
    );
    let away = |path| FolderStatus {
        stopped: Some(problem.clone()),
        ..folder(path, "two-way", State::Offline)
    };
    let mut status = status(State::Offline, vec![away("Documents"), away("Photos")]);
    status.server = ServerStatus {
        connected: false,
        reason: Some("talk to the server: connection refused".to_owned()),
        lost_ms: 1_709_546_400_000 - 12 * 60_000,
        ..status.server
    };
    status.pending = Pending {
        uploads: 14,
        downloads: 0,
        bytes: 230 << 20,
    };
    golden("offline", &status, &moment());
}

#[test]
fn a_safety_stop() {
    let problem = Problem::new(ErrorCode::MassDelete, "8412 of 48113 files vanished");
    let photos = FolderStatus {
        stopped: Some(problem),
        ..folder("My Photos", "two-way", State::Error)
    };
    let documents = folder("Documents", "two-way", State::Idle);
    let status = status(State::Error, vec![photos, documents]);
    golden("safety-stop", &status, &moment());
}

#[test]
fn without_a_daemon() {
    let documents = FolderStatus {
        stopped: Some(Problem::new(
            ErrorCode::NoDaemon,
            ErrorCode::NoDaemon.title(),
        )),
        files: 0,
        bytes: 0,
        ..folder("Documents", "two-way", State::Error)
    };
    let mut status = status(State::Error, vec![documents]);
    status.daemon_pid = 0;
    status.device = DeviceStatus::default();
    status.server.connected = false;
    golden("no-daemon", &status, &moment());
}

#[test]
fn long_names_in_any_script() {
    let long = "a-very-long-folder-name-that-does-not-fit-into-its-column-at-all";
    let wide = "とても長い名前のフォルダーで列に収まらないもの";
    let problem = PathProblem {
        path: format!("{wide}/{wide}/{long}.txt"),
        code: "FST-3002".to_owned(),
        reason: "cannot be read: permission denied".to_owned(),
        next: "change its permissions, or ignore it".to_owned(),
    };
    let latin = FolderStatus {
        phase: "comparing contents".to_owned(),
        files: 1_000_000_000,
        ..folder(long, "two-way", State::Syncing)
    };
    let japanese = FolderStatus {
        problems: vec![problem],
        ..folder(wide, "upload-only", State::Attention)
    };
    let combining = folder(&"e\u{301}".repeat(30), "two-way", State::Idle);
    let mut status = status(State::Syncing, vec![latin, japanese, combining]);
    status.server.url = format!("https://{long}.example.com:8765/and/a/path");
    status.device.name = format!("{long}-laptop");
    golden("long-names", &status, &moment());
}

#[test]
fn what_compression_saved() {
    let documents = FolderStatus {
        saved_bytes: 120 << 20,
        ..folder("Documents", "two-way", State::Idle)
    };
    insta::assert_snapshot!(drawn(&status(State::Idle, vec![documents])), @"
    ✓ Up to date

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  up to date

      Server   https://sync.example.com   connected
      Saved    120 MiB by compression
      Device   anna-laptop (1 of 3)
    ");
}

#[test]
fn paused_and_download_only() {
    let documents = folder("Documents", "download-only", State::Paused);
    insta::assert_snapshot!(drawn(&status(State::Paused, vec![documents])), @"
    ○ Paused   fst resume

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ↓     12 408  18.2 GiB  paused

      Server   https://sync.example.com   connected
      Device   anna-laptop (1 of 3)
    ");
}

#[test]
fn no_folder_yet() {
    insta::assert_snapshot!(drawn(&status(State::Idle, Vec::new())), @"
    ✓ Up to date

      No folder is synced yet.
      → fst add PATH --two-way

      Server   https://sync.example.com   connected
      Device   anna-laptop (1 of 3)
    ");
}

#[test]
fn plain_is_for_cut_and_awk() {
    let look = Look {
        is_plain: true,
        ..Look::default()
    };
    let status = status(
        State::Idle,
        vec![folder("Documents", "two-way", State::Idle)],
    );
    insta::assert_snapshot!(drawn_as(&status, &look), @"
    state	idle
    folder	/h/anna/Documents	/Documents	two-way	12408	19600000000	idle
    ");
}

#[test]
fn many_problems_are_cut_until_all_are_asked_for() {
    let problem = |n: usize| PathProblem {
        path: format!("p{n}"),
        ..PathProblem::default()
    };
    let documents = FolderStatus {
        problems: (0..PROBLEMS_SHOWN + 5).map(problem).collect(),
        ..folder("Documents", "two-way", State::Attention)
    };
    let status = status(State::Attention, vec![documents]);
    assert!(drawn(&status).contains("  5 more\n"));
    let all = Look {
        shows_all: true,
        ..Look::default()
    };
    let look = Look {
        home: "/h/anna".into(),
        ..all
    };
    assert!(drawn_as(&status, &look).contains("p14"));
}

#[test]
fn a_lost_watch_is_said_with_what_helps() {
    let lost = Problem {
        next: "sudo sysctl fs.inotify.max_user_watches=1048576".to_owned(),
        ..Problem::new(
            ErrorCode::NotWatched,
            "limit on watched directories reached",
        )
    };
    let documents = FolderStatus {
        watch: Some(lost),
        ..folder("Documents", "two-way", State::Idle)
    };
    let text = drawn(&status(State::Idle, vec![documents]));
    let said = "  ~/Documents   changes are noticed only by looking at intervals (FST-3011)\n    limit on \
                watched directories reached\n    → sudo sysctl fs.inotify.max_user_watches=1048576\n";
    assert!(text.contains(said), "{text}");
}

#[test]
fn a_configuration_that_is_not_in_force() {
    let documents = folder("Documents", "two-way", State::Idle);
    let mut status = status(State::Idle, vec![documents]);
    let detail = "read ~/.config/filesynctool/config.yaml: line 2, column 15: chunk_size cannot be \
                  \"huge\" (wanted: a size such as 500kb, 4mb or 5gb); and 1 more";
    status.config = Some(Problem::new(ErrorCode::BadConfig, detail));
    insta::assert_snapshot!(drawn(&status), @r#"
    ✓ Up to date

    ! the configuration is not valid (FST-2001)
        The last good settings stay in force.
        read ~/.config/filesynctool/config.yaml: line 2, column 15: chunk_size
        cannot be "huge" (wanted: a size such as 500kb, 4mb or 5gb); and 1 more
      → fst config validate

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  up to date

      Server   https://sync.example.com   connected
      Device   anna-laptop (1 of 3)
    "#);
}
