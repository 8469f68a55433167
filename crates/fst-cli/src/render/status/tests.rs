use fst_proto::ipc::{DeviceStatus, Pending, ServerStatus};

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
            reason: None,
        },
        device: DeviceStatus {
            name: "anna-laptop".to_owned(),
            devices: 3,
        },
        daemon_pid: 77,
        ..Status::default()
    }
}

fn drawn(status: &Status) -> String {
    drawn_as(
        status,
        &Look {
            has_symbols: true,
            home: "/h/anna".into(),
            ..Look::default()
        },
    )
}

fn drawn_as(status: &Status, look: &Look) -> String {
    let now = UnixMillis(1_709_546_400_000); // 2024-03-04 10:00 UTC
    let text = draw(
        status,
        look,
        &Moment {
            pausing: None,
            now,
            zone: TimeZone::UTC,
        },
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "wider than 80:\n{text}"
    );
    text
}

#[test]
fn idle() {
    let documents = FolderStatus {
        last_change_ms: 1_709_546_280_000,
        ..folder("Documents", "two-way", State::Idle)
    };
    let photos = folder("Photos", "upload-only", State::Idle);
    insta::assert_snapshot!(drawn(&status(State::Idle, vec![documents, photos])), @"
    ✓ Up to date                                              last change 2 min ago

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  up to date
      ~/Photos     /Photos     ↑     12 408  18.2 GiB  up to date

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
    ");
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
    insta::assert_snapshot!(drawn(&status(State::Idle, vec![documents, long])), @"
    ✓ Up to date

      Folder                    Remote            Mode   Files      Size  State
      ~/Documents               /Documents        ⇄     12 408  18.2 GiB  up to date
      ~/A folder …ry long name  /A fold…ong name  ⇄     12 408  18.2 GiB  up to date
      ~/Documents: only Photos/2024, Work, without Work/old
      ~/A folder …ry long name: only a-very-long-name-a-…ng-name-a-very-long-name-

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
    ");
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
      Device   anna-laptop   3 devices in the account
    ");
}

#[test]
fn syncing() {
    let busy = FolderStatus {
        phase: "sending changes".to_owned(),
        ..folder("Documents", "two-way", State::Syncing)
    };
    let mut status = status(State::Syncing, vec![busy]);
    status.pending = Pending {
        uploads: 7,
        downloads: 2,
        bytes: 1_300_000_000,
    };
    insta::assert_snapshot!(drawn(&status), @"
    ⇄ Syncing   7 to send, 2 to receive, 1.2 GiB

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  sending changes

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
    ");
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
    insta::assert_snapshot!(drawn(&status(State::Attention, vec![documents])), @"
    ! Waiting on 1 path   everything else is up to date

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  1 problem

      ~/Documents/outlook.pst   cannot be read: permission denied (FST-3002)
        → change its permissions, or ignore it

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
    ");
}

#[test]
fn conflicts() {
    let documents = FolderStatus {
        conflicts: 2,
        ..folder("Documents", "two-way", State::Attention)
    };
    let photos = folder("Photos", "upload-only", State::Idle);
    insta::assert_snapshot!(drawn(&status(State::Attention, vec![documents, photos])), @"
    ! 2 conflicts need you   everything else is up to date

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  2 conflicts
      ~/Photos     /Photos     ↑     12 408  18.2 GiB  up to date

      Both versions of each file are kept until you decide.
      → fst conflicts list

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
    ");
}

#[test]
fn offline() {
    let problem = Problem::new(
        ErrorCode::Unreachable,
        "talk to the server: connection refused",
    );
    let documents = FolderStatus {
        stopped: Some(problem),
        ..folder("Documents", "two-way", State::Offline)
    };
    let mut status = status(State::Offline, vec![documents]);
    status.server.connected = false;
    status.server.reason = Some("connection refused".to_owned());
    insta::assert_snapshot!(drawn(&status), @"
    ○ Offline   your files stay usable

      Folder       Remote      Mode   Files      Size  State
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  offline

      ~/Documents   the server does not answer (FST-4001)
        talk to the server: connection refused
        → check the address and the network; it is tried again

      Server   https://sync.example.com   not connected: connection refused
      Device   anna-laptop   3 devices in the account
    ");
}

#[test]
fn a_safety_stop() {
    let problem = Problem::new(ErrorCode::MassDelete, "8412 of 48113 files vanished");
    let photos = FolderStatus {
        stopped: Some(problem),
        ..folder("My Photos", "two-way", State::Error)
    };
    let documents = folder("Documents", "two-way", State::Idle);
    insta::assert_snapshot!(drawn(&status(State::Error, vec![photos, documents])), @"
    ✗ 1 folder stopped   your files are untouched

      Folder       Remote      Mode   Files      Size  State
      ~/My Photos  /My Photos  ⇄     12 408  18.2 GiB  stopped
      ~/Documents  /Documents  ⇄     12 408  18.2 GiB  up to date

      ~/My Photos   very many files vanished at once (FST-6002)
        8412 of 48113 files vanished
        → if that is right: fst resume ~/'My Photos' --accept-deletions

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
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
      Device   anna-laptop   3 devices in the account
    ");
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
    insta::assert_snapshot!(drawn(&status), @"
    ✗ The sync daemon is not running
      → fst daemon start

      Folder       Remote      Mode  Files  Size  State
      ~/Documents  /Documents  ⇄         -     -  not running

      Server   https://sync.example.com   not connected
    ");
}

#[test]
fn no_folder_yet() {
    insta::assert_snapshot!(drawn(&status(State::Idle, Vec::new())), @"
    ✓ Up to date

      No folder is synced yet.
      → fst add PATH --two-way

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
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
fn ascii_and_long_names() {
    let name = "a-very-long-folder-name-that-does-not-fit-into-its-column-at-all";
    let look = Look {
        home: "/h/anna".into(),
        ..Look::default()
    };
    let status = status(State::Idle, vec![folder(name, "two-way", State::Idle)]);
    insta::assert_snapshot!(drawn_as(&status, &look), @"
    ok Up to date

      Folder                    Remote            Mode   Files      Size  State
      ~/a-very-lo..lumn-at-all  /a-very..-at-all  <>    12 408  18.2 GiB  up to date

      Server   https://sync.example.com   connected
      Device   anna-laptop   3 devices in the account
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
      Device   anna-laptop   3 devices in the account
    "#);
}
