//! HTTP in front of [`Service`]: routes, bodies, tokens, problem documents, metrics.
//!
//! Served by [`mod@crate::run`]. Invariant: every answer carries a request id; every refusal is a problem
//! document; a request is refused on its headers, before its body is read, wherever that is possible.
//! Not here: decisions ([`crate::service`]). Source: docs/design/wire.md.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use fst_proto::error::ErrorCode;
use fst_proto::text::to_hex;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::{Network, RateLimits};
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::seams;
use crate::service::Service;
use crate::tls::Certificate;

mod accounts;
mod auth;
mod body;
mod events;
pub(crate) mod limit;
mod objects;
mod ops;
mod reply;
mod spaces;

use limit::{Limits, Standing};
use reply::{Changed, Failure};

/// Name of the header with the request's id.
pub const REQUEST_ID: &str = "fst-request-id";

/// Large bodies held in memory at the same time: 32 of 24 MiB.
const LARGE_BODIES_MAX: usize = 32;

/// Event streams open at the same time.
const STREAMS_MAX: usize = 4096;

/// Told when a set-up code was used.
pub type OnSetupCodeUsed = Arc<dyn Fn(&str) + Send + Sync>;

/// Tells whether the server may serve.
pub type ReadyWhile = Arc<dyn Fn() -> bool + Send + Sync>;

/// What every handler sees.
#[derive(Clone)]
pub struct App {
    service: Arc<Service>,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
    large_bodies: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    limits: Arc<Limits>,
    on_setup_code_used: Option<OnSetupCodeUsed>,
    ready_while: Option<ReadyWhile>,
    certificate: Option<Arc<Certificate>>,
    data: Option<Arc<Path>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl App {
    /// An app over a service; `stopping` ends waits and streams when it becomes true.
    #[must_use]
    pub fn new(service: Arc<Service>, stopping: watch::Receiver<bool>) -> Self {
        Self {
            service,
            metrics: Arc::default(),
            stopping,
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            limits: Arc::new(Limits::new(RateLimits::default(), Vec::new())),
            on_setup_code_used: None,
            ready_while: None,
            certificate: None,
            data: None,
        }
    }

    /// The same, telling `hook` each set-up code that was used.
    #[must_use]
    pub fn on_setup_code_used(mut self, hook: OnSetupCodeUsed) -> Self {
        self.on_setup_code_used = Some(hook);
        self
    }

    /// The same with other limits of rates, and proxies that are believed about addresses.
    #[must_use]
    pub fn limited(mut self, rates: RateLimits, proxies: Vec<Network>) -> Self {
        self.limits = Arc::new(Limits::new(rates, proxies));
        self
    }

    /// The same, ready only while `may_serve` says so.
    #[must_use]
    pub fn ready_while(mut self, may_serve: ReadyWhile) -> Self {
        self.ready_while = Some(may_serve);
        self
    }

    /// The same, telling when this certificate ends.
    #[must_use]
    pub(crate) fn showing(mut self, certificate: Option<Arc<Certificate>>) -> Self {
        self.certificate = certificate;
        self
    }

    /// The same, telling of the last backup of this data folder.
    #[must_use]
    pub(crate) fn kept_in(mut self, data: &Path) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Completes when the server begins to stop.
    async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // An error means that the sender is gone, which is the end as well.
        drop(stopping.wait_for(|is_stopping| *is_stopping).await);
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .route("/v1/server", get(ops::server_info))
        .route("/v1/accounts", post(accounts::create))
        .route("/v1/slots/{slot}", get(accounts::slot))
        .route("/v1/slots/{slot}/join", post(accounts::join))
        .route("/v1/auth/challenge", post(accounts::challenge))
        .route("/v1/auth/token", post(accounts::token))
        .route("/v1/account/entries", get(accounts::entries).post(accounts::append))
        .route("/v1/spaces", get(spaces::list).post(spaces::create))
        .route("/v1/spaces/{space}/commit", post(spaces::commit))
        .route("/v1/spaces/{space}/changes", get(spaces::changes))
        .route("/v1/spaces/{space}/heads/{size}", get(spaces::head))
        .route("/v1/spaces/{space}/events", get(events::of_space))
        .route("/v1/spaces/{space}/notes", post(events::tell))
        .route("/v1/events", get(events::of_account))
        .route("/v1/spaces/{space}/objects", post(objects::upload))
        .route("/v1/spaces/{space}/objects/missing", post(objects::missing))
        .route("/v1/spaces/{space}/objects/get", post(objects::get_many))
        .route("/v1/spaces/{space}/objects/{id}", get(objects::get_one).head(objects::head))
        .route("/api/v1/files", any(ops::needs_client))
        .route("/api/v1/files/{*path}", any(ops::needs_client))
        .route("/api/v1/changes", any(ops::needs_client))
        .route("/api/v1/changes/{*path}", any(ops::needs_client))
        .fallback(ops::not_found)
        .method_not_allowed_fallback(ops::method_not_allowed)
        .layer(DefaultBodyLimit::disable()) // bodies are read by `body`, which has its own limit
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(app)
}

/// Gives the request its id, refuses client keys, counts the answer.
async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = to_hex(&seams::bytes::<8>(app.service.random()));
    let (began, _in_flight) = (Instant::now(), app.metrics.enter());
    let method = method_text(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path
        .as_ref()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let mut response = if auth::carries_client_key(request.headers()) {
        Failure(Refusal::ClientKeyOnWire).into_response()
    } else {
        let standing = Standing::default();
        request.extensions_mut().insert(standing.clone());
        let (parts, body) = request.into_parts();
        let mut response = match limit::pay_open(&app, &parts).await {
            Ok(()) => next.run(Request::from_parts(parts, body)).await,
            Err(refusal) => Failure(refusal).into_response(),
        };
        standing.show(response.headers_mut());
        response
    };
    if let Some(failure) = response.extensions().get::<reply::Failed>() {
        app.metrics.error(failure.kind);
        if failure.code == ErrorCode::RateLimited {
            app.metrics.rate_limited();
        }
        let code = failure.code;
        tracing::debug!(%id, %route, method, %code, "refused");
    }
    if response.extensions().get::<Changed>().is_some() {
        app.metrics.changed();
    }
    let status = response.status().as_u16();
    app.metrics.request(&route, method, status, began.elapsed());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    response
}

const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A bounded set of texts, whatever a client calls its method.
fn method_text(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    reply::internal()
}
