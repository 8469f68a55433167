use std::sync::mpsc;

use fst_client::config::Mode;

use super::*;

fn seat() -> Seat {
    let (commands, _ended) = mpsc::channel();
    let config = FolderConfig {
        path: "/h/anna/Documents".into(),
        remote_path: "/Documents".to_owned(),
        mode: Mode::TwoWay,
        ..FolderConfig::default()
    };
    Seat::new(config, commands)
}

fn state(change: impl FnOnce(&mut View)) -> String {
    let seat = seat();
    change(&mut seat.view());
    seat.status().0.state
}

#[test]
fn a_folder_shows_what_its_worker_knows() {
    assert_eq!(state(|_| ()), "syncing");
    assert_eq!(state(|view| view.is_settled = true), "idle");
    let away = Problem::new(ErrorCode::Unreachable, "refused");
    assert_eq!(state(|view| view.trouble = Some(away)), "offline");
    let stopped = Problem::new(ErrorCode::MassDelete, "900 of 1000");
    assert_eq!(state(|view| view.trouble = Some(stopped)), "error");
}

#[test]
fn pause_hides_an_older_trouble() {
    let seat = seat();
    seat.view().trouble = Some(Problem::new(ErrorCode::Io, "late"));
    seat.view().is_paused = true;
    let (folder, _) = seat.status();
    assert_eq!((folder.state.as_str(), folder.stopped), ("paused", None));
}

#[test]
fn an_unknown_path_is_said_so() {
    let board = Board::default();
    board.set_seats(vec![Arc::new(seat())]);
    assert_eq!(
        board
            .seats_at(Some(Path::new("/h/anna/Documents")))
            .unwrap()
            .len(),
        1
    );
    let error = board.seats_at(Some(Path::new("/elsewhere"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnknownFolder);
}

#[test]
fn a_server_that_answers_clears_the_reason() {
    let board = Board::default();
    board.introduce("http://127.0.0.1:1", "laptop");
    board.disconnected("refused".to_owned(), UnixMillis(5));
    board.disconnected("refused again".to_owned(), UnixMillis(9));
    let status = board.status();
    assert_eq!(
        (status.state.as_str(), status.server.lost_ms),
        ("offline", 5)
    );
    board.connected();
    let status = board.status();
    assert_eq!(
        (status.state.as_str(), status.server.reason),
        ("idle", None)
    );
    assert_eq!(status.server.lost_ms, 0);
}
