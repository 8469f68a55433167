//! Routes of accounts, slots and sign-in.

use std::net::IpAddr;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use fst_proto::ids::SlotId;
use fst_proto::wire::CreateAccount;
use fst_store::meta::Outcome;

use super::App;
use super::auth::Authed;
use super::limit::{Attempt, guarded};
use super::reply::{self, Answer, Failure};
use crate::refusal::Refusal;

/// `?since=N`
#[derive(Debug, serde::Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

/// Refusal of a path that does not parse.
pub(super) fn bad_path(_: PathRejection) -> Failure {
    Failure(Refusal::NotFound("no such id"))
}

/// Refusal of a query that does not parse.
pub(super) fn bad_query(_: QueryRejection) -> Failure {
    Failure(Refusal::malformed("the query does not parse"))
}

pub(super) async fn create(State(app): State<App>, request: Request) -> Answer {
    let from = asker(&app, &request);
    let request: CreateAccount = super::body::cbor(&app, request).await?;
    let code = request.setup_code.clone();
    let work = app.service.create_account(request);
    let outcome = guarded(&app, Attempt::Code, from, work).await?;
    if let Some(hook) = app
        .on_setup_code_used
        .as_ref()
        .filter(|_| outcome == Outcome::New)
    {
        hook(&code);
    }
    Ok(reply::marked(reply::done(), outcome))
}

pub(super) async fn slot(
    State(app): State<App>,
    slot: Result<Path<SlotId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(slot) = slot.map_err(bad_path)?;
    let (from, work) = (asker(&app, &request), app.service.get_slot(slot));
    Ok(reply::cbor(
        &guarded(&app, Attempt::Code, from, work).await?,
    ))
}

pub(super) async fn join(
    State(app): State<App>,
    slot: Result<Path<SlotId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(slot) = slot.map_err(bad_path)?;
    let from = asker(&app, &request);
    let request = super::body::cbor(&app, request).await?;
    let work = app.service.join(slot, request);
    let outcome = guarded(&app, Attempt::Code, from, work).await?;
    Ok(reply::marked(reply::done(), outcome))
}

pub(super) async fn challenge(State(app): State<App>, request: Request) -> Answer {
    let request = super::body::cbor(&app, request).await?;
    Ok(reply::cbor(&app.service.challenge(request).await?))
}

pub(super) async fn token(State(app): State<App>, request: Request) -> Answer {
    let from = asker(&app, &request);
    let request = super::body::cbor(&app, request).await?;
    let work = app.service.token(request);
    let token = guarded(&app, Attempt::SignIn, from, work).await?;
    Ok(no_store(reply::cbor(&token)))
}

pub(super) async fn entries(
    State(app): State<App>,
    authed: Authed,
    since: Result<Query<Since>, QueryRejection>,
) -> Answer {
    let Query(Since { since }) = since.map_err(bad_query)?;
    Ok(reply::cbor(
        &app.service.account_entries(authed.caller, since).await?,
    ))
}

pub(super) async fn append(State(app): State<App>, authed: Authed, request: Request) -> Answer {
    let request = super::body::cbor(&app, request).await?;
    let outcome = app.service.append_account(authed.caller, request).await?;
    Ok(reply::marked(reply::done(), outcome))
}

fn asker(app: &App, request: &Request) -> IpAddr {
    app.limits.asker(request.extensions(), request.headers())
}

fn no_store(mut response: Response) -> Response {
    use axum::http::{HeaderValue, header};
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}
