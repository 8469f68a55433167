//! The words of `fst status`: one state per folder, one for everything, and the view without a daemon.
//!
//! `crate::board` fills in what workers know; the command line uses [`without_daemon`] when nobody answers.
//! Invariant: every state other than `idle`, `syncing` and `paused` comes with a reason somewhere in the
//! same [`Status`]. Not here: exit codes and rendering (`fst-cli`).

use std::os::unix::ffi::OsStrExt as _;

use fst_client::config::{Config, FolderConfig};
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::{FolderStatus, ServerStatus, Status};
use fst_proto::text::printable;

/// State of a folder or of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Up to date.
    Idle,
    /// Something is being sent, received or compared.
    Syncing,
    /// Paused by the user.
    Paused,
    /// The server does not answer.
    Offline,
    /// Up to date but for problems or conflicts.
    Attention,
    /// Stopped until somebody acts, or failing.
    Error,
}

impl State {
    /// The word of the public contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Syncing => "syncing",
            Self::Paused => "paused",
            Self::Offline => "offline",
            Self::Attention => "attention",
            Self::Error => "error",
        }
    }

    /// Reads the word; an unknown one from a newer daemon counts as an error.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        let all = [
            Self::Idle,
            Self::Syncing,
            Self::Paused,
            Self::Offline,
            Self::Attention,
            Self::Error,
        ];
        all.into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or(Self::Error)
    }
}

/// State of everything from the states of its folders: the one that most needs a person wins.
#[must_use]
pub fn overall(folders: &[FolderStatus], server: &ServerStatus) -> State {
    let any = |state: State| folders.iter().any(|folder| folder.state == state.as_str());
    let all_paused =
        !folders.is_empty() && folders.iter().all(|f| f.state == State::Paused.as_str());
    match () {
        () if any(State::Error) => State::Error,
        () if all_paused => State::Paused,
        () if any(State::Offline) || !server.connected => State::Offline,
        () if any(State::Syncing) => State::Syncing,
        () if any(State::Attention) => State::Attention,
        () => State::Idle,
    }
}

/// What the configuration says about a folder.
#[must_use]
pub fn of_config(folder: &FolderConfig) -> FolderStatus {
    FolderStatus {
        path: printable(folder.path.as_os_str().as_bytes()),
        remote_path: folder.remote_path.clone(),
        mode: folder.mode.as_str().to_owned(),
        choice: folder.chosen.summary(),
        ..FolderStatus::default()
    }
}

/// The status when no daemon runs: the folders of the configuration, each with that reason.
#[must_use]
pub fn without_daemon(config: &Config) -> Status {
    let problem = Problem::new(ErrorCode::NoDaemon, ErrorCode::NoDaemon.title());
    let folders = config.folders.iter().map(|folder| FolderStatus {
        state: if folder.paused {
            State::Paused
        } else {
            State::Error
        }
        .as_str()
        .to_owned(),
        stopped: (!folder.paused).then(|| problem.clone()),
        ..of_config(folder)
    });
    Status {
        state: State::Error.as_str().to_owned(),
        folders: folders.collect(),
        server: ServerStatus {
            url: config.server_url.clone().unwrap_or_default(),
            connected: false,
            reason: Some(problem.detail.clone()),
            lost_ms: 0,
        },
        ..Status::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(states: &[State]) -> Vec<FolderStatus> {
        let folder = |state: &State| FolderStatus {
            state: state.as_str().to_owned(),
            ..FolderStatus::default()
        };
        states.iter().map(folder).collect()
    }

    fn overall_of(states: &[State], connected: bool) -> State {
        overall(
            &folders(states),
            &ServerStatus {
                connected,
                ..ServerStatus::default()
            },
        )
    }

    #[test]
    fn what_most_needs_a_person_wins() {
        use State::{Attention, Error, Idle, Offline, Paused, Syncing};
        assert_eq!(overall_of(&[], true), Idle);
        assert_eq!(overall_of(&[Idle, Paused], true), Idle);
        assert_eq!(overall_of(&[Paused, Paused], false), Paused);
        assert_eq!(overall_of(&[Idle], false), Offline);
        assert_eq!(overall_of(&[Attention, Syncing], true), Syncing);
        assert_eq!(overall_of(&[Attention, Idle], true), Attention);
        assert_eq!(overall_of(&[Offline, Syncing], true), Offline);
        assert_eq!(overall_of(&[Error, Offline], false), Error);
    }

    #[test]
    fn words_are_read_back() {
        for state in [State::Idle, State::Syncing, State::Paused, State::Offline] {
            assert_eq!(State::parse(state.as_str()), state);
        }
        assert_eq!(State::parse("from-the-future"), State::Error);
    }
}
