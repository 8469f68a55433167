//! Who asks: bearer tokens in headers.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::App;
use super::limit;
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

/// The one bearer token; of two, a proxy in front may have looked at the other one.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok()?.strip_prefix("Bearer "),
        (None | Some(_), _) => None,
    }
}

impl FromRequestParts<App> for Authed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let verified = match token_of(&parts.headers) {
            Some(token) => app
                .service
                .verify_token(token)
                .await
                .map(|caller| (token, caller)),
            None => Err(Refusal::Unauthorized("a bearer token is needed")),
        };
        let (token, caller) = match verified {
            Ok(verified) => verified,
            Err(refusal) => {
                // Who does not prove to be a device is known by the address only.
                limit::pay_as_address(app, &parts.extensions, &parts.headers).await?;
                return Err(refusal.into());
            },
        };
        limit::pay_as_device(app, caller, &parts.method, &parts.extensions).await?;
        app.metrics.seen(caller.device, app.service.clock().now());
        Ok(Self {
            caller,
            token: token.to_owned(),
        })
    }
}
