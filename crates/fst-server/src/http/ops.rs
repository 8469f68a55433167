//! Health, metrics, who answers, and routes that are not served here.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::reply::{self, Answer, Failure};
use crate::metrics::Readings;
use crate::refusal::Refusal;
use crate::service::Served;
use crate::upkeep::backup;

/// The process runs.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The stores answer and the server is not stopping.
pub(super) async fn readyz(State(app): State<App>) -> Answer {
    may_serve(&app)?;
    app.service.totals().await?;
    let text = if app.service.is_bus_up() {
        "ready\n"
    } else {
        "ready; redis is down: changes of other workers are polled for\n"
    };
    Ok(text.into_response())
}

/// Refuses while the server stops, or lost its place beside other workers.
fn may_serve(app: &App) -> Served<()> {
    if *app.stopping.borrow() {
        return Err(Refusal::Stopping);
    }
    match &app.ready_while {
        Some(may_serve) if !may_serve() => Err(Refusal::NotAlone),
        _ => Ok(()),
    }
}

/// Prometheus text.
pub(super) async fn metrics(State(app): State<App>) -> Answer {
    let totals = app.service.totals().await?;
    let open_streams = super::STREAMS_MAX - app.streams.available_permits();
    let readings = Readings {
        stored_bytes: totals.bytes,
        devices: totals.devices,
        streams: open_streams as u64,
        is_ready: may_serve(&app).is_ok(),
        last_backup: last_backup(&app).await,
        fsyncs: app.service.blob_fsyncs(),
        certificate_ends: app.certificate.as_ref().and_then(|shown| shown.ends()),
        now: app.service.clock().now(),
    };
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, app.metrics.render(readings)).into_response())
}

/// Read each time: a backup runs in a process of its own.
async fn last_backup(app: &App) -> Option<u64> {
    let data = app.data.clone()?;
    let read = tokio::task::spawn_blocking(move || backup::last(&data));
    read.await.ok().flatten()
}

/// Who answers.
pub(super) async fn server_info(State(app): State<App>) -> Response {
    reply::cbor(&app.service.server_info())
}

/// A plain path: decided on the head of the request, its body is never read.
pub(super) async fn needs_client() -> Failure {
    Failure(Refusal::NeedsClient)
}

/// No such route.
pub(super) async fn not_found() -> Failure {
    Failure(Refusal::NotFound("no such route"))
}

/// A route that has no such method.
pub(super) async fn method_not_allowed() -> Failure {
    Failure(Refusal::NoSuchMethod)
}
