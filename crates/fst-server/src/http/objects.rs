//! Routes of sealed objects.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use fst_proto::ids::{ObjectId, SpaceId};
use fst_store::meta::Outcome;

use super::App;
use super::accounts::bad_path;
use super::auth::Authed;
use super::limit::pay_for_bytes;
use super::reply::{self, Answer, OCTETS};
use crate::metrics::Direction;
use crate::service::ByteRange;

/// Objects never change, and only the account may keep them.
const KEEP: &str = "private, max-age=31536000, immutable";

pub(super) async fn upload(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let frame = super::body::read(&app, request).await?;
    pay_for_bytes(&app, authed.caller, frame.len()).await?;
    let new = app
        .service
        .upload_objects(authed.caller, space, frame)
        .await?;
    let outcome = if new.ids.is_empty() {
        Outcome::Repeated
    } else {
        Outcome::New
    };
    Ok(reply::marked(reply::cbor(&new), outcome))
}

pub(super) async fn missing(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let asked = super::body::cbor(&app, request).await?;
    Ok(reply::cbor(
        &app.service.missing(authed.caller, space, asked).await?,
    ))
}

pub(super) async fn get_many(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let asked = super::body::cbor(&app, request).await?;
    let frame = app.service.get_objects(authed.caller, space, asked).await?;
    pay_for_bytes(&app, authed.caller, frame.len()).await?;
    app.metrics.bytes(Direction::Download, frame.len());
    Ok(([(header::CONTENT_TYPE, OCTETS)], frame).into_response())
}

pub(super) async fn get_one(
    State(app): State<App>,
    authed: Authed,
    place: Result<Path<(SpaceId, ObjectId)>, PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path((space, id)) = place.map_err(bad_path)?;
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let range = range.and_then(parse_range);
    let part = app
        .service
        .get_object(authed.caller, space, id, range)
        .await?;
    pay_for_bytes(&app, authed.caller, part.bytes.len()).await?;
    app.metrics.bytes(Direction::Download, part.bytes.len());
    let end = part.offset + part.bytes.len() as u64;
    let covered = (part.offset, end, part.total);
    Ok(object_response(range.map(|_| covered), part.bytes))
}

pub(super) async fn head(
    State(app): State<App>,
    authed: Authed,
    place: Result<Path<(SpaceId, ObjectId)>, PathRejection>,
) -> Answer {
    let Path((space, id)) = place.map_err(bad_path)?;
    let len = app.service.object_len(authed.caller, space, id).await?;
    let mut response = object_response(None, Bytes::new());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, len.into());
    Ok(response)
}

/// First, end and total length of the covered part, when only a part was asked for.
fn object_response(covered: Option<(u64, u64, u64)>, bytes: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, OCTETS),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, KEEP),
    ];
    match covered {
        None => (headers, bytes).into_response(),
        Some((first, end, total)) => {
            let range = format!("bytes {first}-{}/{total}", end.saturating_sub(1));
            let range = [(header::CONTENT_RANGE, range)];
            (StatusCode::PARTIAL_CONTENT, headers, range, bytes).into_response()
        },
    }
}

/// One range of bytes; anything else is ignored and the whole object served (RFC 9110 §14.2).
fn parse_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    match (first.is_empty(), last.is_empty()) {
        (true, _) => last.parse().ok().map(ByteRange::Suffix),
        (false, true) => first
            .parse()
            .ok()
            .map(|first| ByteRange::From { first, last: None }),
        (false, false) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(ByteRange::From {
                first,
                last: Some(last),
            })
        },
    }
}
