//! Routes of spaces and their logs.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use fst_proto::ids::SpaceId;
use fst_proto::limits;
use fst_proto::log::{self, Flags};
use fst_proto::wire::{self, Commit};
use fst_store::meta::Outcome;
use tokio::select;

use super::App;
use super::accounts::{bad_path, bad_query};
use super::auth::Authed;
use super::reply::{self, Answer};
use crate::metrics::{CommitResult, Direction};
use crate::refusal::Refusal;
use crate::service::ServedChanges;

/// `?since=N&wait=SECONDS`
#[derive(Debug, serde::Deserialize)]
pub(super) struct Poll {
    #[serde(default)]
    since: u64,
    #[serde(default)]
    wait: u64,
}

pub(super) async fn list(State(app): State<App>, authed: Authed) -> Answer {
    Ok(reply::cbor(&app.service.spaces(authed.caller).await?))
}

pub(super) async fn create(State(app): State<App>, authed: Authed, request: Request) -> Answer {
    let request = super::body::cbor(&app, request).await?;
    let made = app
        .service
        .create_space_with_outcome(authed.caller, request)
        .await;
    app.metrics.commit(result(made.as_ref().map(|made| made.1)));
    let (receipt, outcome) = made?;
    Ok(reply::marked(reply::cbor(&receipt), outcome))
}

pub(super) async fn commit(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let commit: Commit = super::body::cbor(&app, request).await?;
    let n_files = count_files(&commit.header);
    let made = app
        .service
        .commit_with_outcome(authed.caller, space, commit)
        .await;
    app.metrics.commit(result(made.as_ref().map(|made| made.1)));
    let (receipt, outcome) = made?;
    if outcome == Outcome::New {
        app.metrics.files(Direction::Upload, n_files);
    }
    Ok(reply::marked(reply::cbor(&receipt), outcome))
}

pub(super) async fn changes(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    poll: Result<Query<Poll>, QueryRejection>,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let Query(Poll { since, wait }) = poll.map_err(bad_query)?;
    let wait = Duration::from_secs(wait.min(limits::LONG_POLL_SECONDS_MAX));
    let (service, caller) = (&app.service, authed.caller);
    let served = select! {
        served = service.served_changes(caller, space, since, wait) => served,
        // A stopping server answers waiting polls at once with what there is.
        () = app.stopped() => service.served_changes(caller, space, since, Duration::ZERO).await,
    };
    let ServedChanges { changes, n_files } = served?;
    let body = wire::to_cbor(&changes);
    app.metrics.files(Direction::Download, n_files);
    app.metrics.bytes(Direction::Download, body.len());
    Ok(reply::cbor_bytes(body))
}

pub(super) async fn head(
    State(app): State<App>,
    authed: Authed,
    place: Result<Path<(SpaceId, u64)>, PathRejection>,
) -> Answer {
    let Path((space, size)) = place.map_err(bad_path)?;
    Ok(reply::cbor(
        &app.service.head_at(authed.caller, space, size).await?,
    ))
}

fn result(made: Result<Outcome, &Refusal>) -> CommitResult {
    match made {
        Ok(Outcome::New) => CommitResult::Committed,
        Ok(Outcome::Repeated) => CommitResult::Repeated,
        Err(Refusal::Conflict(_)) => CommitResult::Conflict,
        Err(_) => CommitResult::Failed,
    }
}

fn count_files(header: &[u8]) -> u64 {
    let ops = log::decode_header(header)
        .map(|header| header.ops)
        .unwrap_or_default();
    ops.iter().filter(|op| op.flags.has(Flags::CONTENT)).count() as u64
}
