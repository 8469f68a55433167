//! Reads request bodies: bounded in bytes, in time and in number.
//!
//! Invariant: a body above the limit is refused by its announced length, before a byte is read, or when the
//! limit is crossed; a sender that falls silent is dropped. Not here: what bodies mean.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header;
use bytes::{Bytes, BytesMut};
use fst_proto::limits;
use fst_proto::wire;
use futures::StreamExt as _;
use minicbor::Decode;
use tokio::time::timeout;

use super::App;
use super::reply::CBOR;
use crate::metrics::Direction;
use crate::refusal::Refusal;
use crate::service::Served;

/// Longest silence of a sender.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Longest time for a whole body: 24 MiB at 80 kB/s.
const BODY_MAX: Duration = Duration::from_secs(300);

/// Bodies above this size wait for one of a bounded number of places.
const LARGE: usize = 256 << 10;

/// Reads a CBOR message.
pub(super) async fn cbor<T>(app: &App, request: Request) -> Served<T>
where
    T: for<'b> Decode<'b, ()>,
{
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() != CBOR.as_bytes()) {
        return Err(Refusal::malformed("the body must be application/cbor"));
    }
    let bytes = read(app, request).await?;
    Ok(wire::from_cbor(&bytes)?)
}

/// Reads the bytes of a body.
pub(super) async fn read(app: &App, request: Request) -> Served<Bytes> {
    const LIMIT: usize = limits::REQUEST_BYTES_MAX;
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced
        .and_then(|len| len.to_str().ok())
        .and_then(|len| len.parse().ok());
    if announced.is_some_and(|len: usize| len > LIMIT) {
        return Err(too_large());
    }
    // Held while the body is read and decoded; small bodies need no place.
    let place = if announced.is_none_or(|len| len > LARGE) {
        let place = timeout(BODY_MAX, app.large_bodies.acquire()).await;
        Some(
            place
                .map_err(|_| Refusal::SlowBody)?
                .map_err(|_| Refusal::Stopping)?,
        )
    } else {
        None
    };
    let bytes = timeout(BODY_MAX, collect(request, announced.unwrap_or(0))).await;
    let bytes = bytes.map_err(|_| Refusal::SlowBody)??;
    drop(place);
    app.metrics.bytes(Direction::Upload, bytes.len());
    Ok(bytes)
}

async fn collect(request: Request, announced: usize) -> Served<Bytes> {
    let mut stream = request.into_body().into_data_stream();
    let mut out = BytesMut::with_capacity(announced);
    loop {
        let next = timeout(SILENCE_MAX, stream.next())
            .await
            .map_err(|_| Refusal::SlowBody)?;
        let Some(chunk) = next else {
            return Ok(out.freeze());
        };
        let chunk = chunk.map_err(|_| Refusal::malformed("the body broke off"))?;
        if out.len() + chunk.len() > limits::REQUEST_BYTES_MAX {
            return Err(too_large());
        }
        out.extend_from_slice(&chunk);
    }
}

fn too_large() -> Refusal {
    Refusal::TooLarge {
        what: "request body",
        limit: limits::REQUEST_BYTES_MAX,
    }
}
