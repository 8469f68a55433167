//! Answers: CBOR, empty, and problem documents.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::wire;
use fst_store::meta::Outcome;
use minicbor::Encode;

use crate::metrics::ErrorKind;
use crate::refusal::Refusal;

/// Media type of our messages.
pub(super) const CBOR: &str = "application/cbor";

/// Media type of frames and objects.
pub(super) const OCTETS: &str = "application/octet-stream";

/// Marks an answer to a request that changed something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changed;

/// Marks an answer that is a refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) kind: ErrorKind,
    pub(super) code: ErrorCode,
}

/// A refusal as an answer.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Refusal);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

/// What handlers return.
pub(super) type Answer = Result<Response, Failure>;

/// A CBOR message as an answer.
pub(super) fn cbor<T: Encode<()>>(message: &T) -> Response {
    cbor_bytes(wire::to_cbor(message))
}

/// An encoded CBOR message as an answer.
pub(super) fn cbor_bytes(message: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CBOR)], message).into_response()
}

/// An answer without a body.
pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Marks the answer when the request changed something.
pub(super) fn marked(mut response: Response, outcome: Outcome) -> Response {
    if outcome == Outcome::New {
        response.extensions_mut().insert(Changed);
    }
    response
}

/// The answer when a handler panicked.
pub(super) fn internal() -> Response {
    render(&Problem::new(
        ErrorCode::Internal,
        "the request could not be served",
    ))
}

fn render(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = serde_json::to_vec(problem).unwrap_or_default();
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        Body::from(json),
    )
        .into_response()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let refusal = self.0;
        if let Refusal::Storage(source) | Refusal::Lost(source) = &refusal {
            // Handled here: the caller learns that it failed, the log learns why.
            let cause = std::error::Error::source(source).map(ToString::to_string);
            tracing::error!(error = %source, cause, "storage failed");
        }
        let mut response = render(&refusal.problem());
        let failed = Failed {
            kind: kind(&refusal),
            code: refusal.code(),
        };
        response.extensions_mut().insert(failed);
        let headers = response.headers_mut();
        match &refusal {
            Refusal::Unauthorized(_) | Refusal::ClientKeyOnWire => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            },
            Refusal::RateLimited { retry_ms } => {
                headers.insert(
                    header::RETRY_AFTER,
                    HeaderValue::from(retry_ms.div_ceil(1000)),
                );
            },
            Refusal::Stopping | Refusal::NotAlone => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
            },
            Refusal::Range { len } => {
                let range = HeaderValue::from_str(&format!("bytes */{len}"));
                headers.extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
            },
            // The body is not read, so the connection cannot be used again.
            Refusal::NeedsClient | Refusal::TooLarge { .. } | Refusal::SlowBody => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            },
            Refusal::Disabled
            | Refusal::Barred
            | Refusal::SetupCode
            | Refusal::Slot
            | Refusal::NotFound(_)
            | Refusal::Malformed(_)
            | Refusal::NoSuchMethod
            | Refusal::Conflict(_)
            | Refusal::Lost(_)
            | Refusal::Quota { .. }
            | Refusal::FileTooLarge { .. }
            | Refusal::Storage(_) => {},
        }
        response
    }
}

fn kind(refusal: &Refusal) -> ErrorKind {
    match refusal {
        Refusal::Unauthorized(_)
        | Refusal::ClientKeyOnWire
        | Refusal::SetupCode
        | Refusal::Slot => ErrorKind::Auth,
        Refusal::NotFound(_) | Refusal::NeedsClient | Refusal::Disabled | Refusal::Barred => {
            ErrorKind::Permission
        },
        Refusal::Malformed(_) | Refusal::NoSuchMethod | Refusal::Range { .. } => {
            ErrorKind::Integrity
        },
        Refusal::TooLarge { .. } | Refusal::FileTooLarge { .. } | Refusal::Quota { .. } => {
            ErrorKind::Quota
        },
        Refusal::Conflict(_) => ErrorKind::Conflict,
        Refusal::SlowBody => ErrorKind::Network,
        Refusal::Lost(_) | Refusal::Storage(_) => ErrorKind::Disk,
        Refusal::RateLimited { .. } | Refusal::Stopping | Refusal::NotAlone => ErrorKind::Other,
    }
}
