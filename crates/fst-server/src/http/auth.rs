//! Who asks: bearer tokens in headers.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::App;
use super::reply::Failure;
use crate::refusal::Refusal;
use crate::service::{Caller, Service};

/// A caller whose token was verified.
#[derive(Clone)]
pub(super) struct Authed {
    pub(super) caller: Caller,
    /// The token, to be verified again by long-lived streams.
    pub(super) token: String,
}

impl std::fmt::Debug for Authed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authed({:?})", self.caller)
    }
}

/// True when an `Authorization` header carries a client key, which must never be sent.
pub(super) fn carries_client_key(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    values.any(|value| Service::is_client_key(&String::from_utf8_lossy(value.as_bytes())))
}

impl FromRequestParts<App> for Authed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        // Of two, a proxy in front may have looked at the other one.
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            (None | Some(_), _) => None,
        };
        let token = value.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(Refusal::Unauthorized("a bearer token is needed"))?;
        let caller = app.service.verify_token(token).await?;
        app.metrics.seen(caller.device, app.service.clock().now());
        Ok(Self {
            caller,
            token: token.to_owned(),
        })
    }
}
