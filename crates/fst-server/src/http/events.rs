//! Server-sent events: which spaces grew, and what other devices tell.
//!
//! Invariant: an event names a space and a size, or hands a sealed note on as it came; notes are never kept; a stream that is resumed with its last id
//! misses nothing, because sizes are read from the log, never from hints; a stream ends when its token does.
//! Not here: entries ([`super::spaces`]). Source: docs/design/wire.md.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use fst_proto::ids::SpaceId;
use fst_proto::text::to_hex;
use fst_store::cache::{Note, Subscription, Topic};
use futures::stream;
use tokio::select;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::accounts::{bad_path, bad_query};
use super::auth::Authed;
use super::reply::{Answer, Failure};
use crate::refusal::Refusal;
use crate::service::{Caller, Served, Service};

/// Pause after which a quiet stream sends a comment and its token is verified again.
const TICK: Duration = Duration::from_secs(15);

/// `?since=CURSOR`
#[derive(Debug, serde::Deserialize)]
pub(super) struct From {
    since: Option<String>,
}

/// Why a listener stopped waiting.
enum Woken {
    /// Something may have grown, or the token is to be looked at.
    Look,
    /// Another device told something.
    Told(Event),
    /// The server ends.
    Stopping,
}

/// Size of each space that the listener knows.
type Cursor = BTreeMap<SpaceId, u64>;

/// One open stream.
struct Listener {
    app: App,
    authed: Authed,
    only: Option<SpaceId>,
    cursor: Cursor,
    hints: Subscription,
    /// Spaces that `hints` covers; `None` before the first subscription.
    covered: Option<Vec<SpaceId>>,
    notes: Receiver<Note>,
    ready: VecDeque<(SpaceId, u64)>,
    _place: OwnedSemaphorePermit,
}

/// Events of one space; the cursor is its size.
pub(super) async fn of_space(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    from: Result<Query<From>, QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let Query(from) = from.map_err(bad_query)?;
    app.service.size_of(authed.caller, space).await?;
    let size = match last_id(&headers).or(from.since) {
        None => 0,
        Some(text) => text.parse().map_err(|_| bad_cursor())?,
    };
    open(app, authed, Some(space), Cursor::from([(space, size)])).await
}

/// Events of all spaces of the account; the cursor is `space:size,…`.
pub(super) async fn of_account(
    State(app): State<App>,
    authed: Authed,
    from: Result<Query<From>, QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let Query(from) = from.map_err(bad_query)?;
    let cursor = match last_id(&headers).or(from.since) {
        None => Cursor::new(),
        Some(text) => parse_cursor(&text).ok_or_else(bad_cursor)?,
    };
    open(app, authed, None, cursor).await
}

/// Takes a sealed note for the other devices of a space.
pub(super) async fn tell(
    State(app): State<App>,
    authed: Authed,
    space: Result<Path<SpaceId>, PathRejection>,
    request: Request,
) -> Answer {
    let Path(space) = space.map_err(bad_path)?;
    let bytes = super::body::read(&app, request).await?;
    app.service.tell(authed.caller, space, bytes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn open(app: App, authed: Authed, only: Option<SpaceId>, cursor: Cursor) -> Answer {
    let place = std::sync::Arc::clone(&app.streams).try_acquire_owned();
    let place = place.map_err(|_| Failure(Refusal::RateLimited { retry_ms: 5000 }))?;
    let hints = app.service.subscribe(&[]).await?;
    let listener = Listener {
        notes: app.service.notes(),
        app,
        authed,
        only,
        cursor,
        hints,
        covered: None,
        ready: VecDeque::new(),
        _place: place,
    };
    let events = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::new().interval(TICK))
        .into_response())
}

impl Listener {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((space, size)) = self.ready.pop_front() {
                self.cursor.insert(space, size);
                return Some(self.event(space, size));
            }
            // A failure ends the stream; the listener comes back with its cursor.
            let sizes = self.read().await.ok()?;
            let news = sizes.into_iter();
            let news: Vec<_> = news
                .filter(|(space, size)| *size > self.known(*space))
                .collect();
            self.ready.extend(news);
            if self.ready.is_empty() {
                match self.wait().await {
                    Woken::Look => {},
                    Woken::Told(event) => {
                        // Who was shut out or revoked since the last look is told nothing.
                        let service = &self.app.service;
                        service.check_device(self.authed.caller).await.ok()?;
                        return Some(event);
                    },
                    Woken::Stopping => return None,
                }
            }
        }
    }

    /// Verifies the token again and reads the sizes, subscribed to all of these spaces before reading.
    async fn read(&mut self) -> Served<Vec<(SpaceId, u64)>> {
        let service = std::sync::Arc::clone(&self.app.service);
        let caller = service.verify_token(&self.authed.token).await?;
        loop {
            let sizes = sizes(&service, caller, self.only).await?;
            let ids: Vec<SpaceId> = sizes.iter().map(|(space, _)| *space).collect();
            if self.covered.as_ref() == Some(&ids) {
                return Ok(sizes);
            }
            let mut topics: Vec<Topic> = ids.iter().copied().map(Topic::Space).collect();
            topics.push(Topic::Account(caller.account));
            self.hints = service.subscribe(&topics).await?;
            self.covered = Some(ids);
        }
    }

    /// Waits for a hint, a note or a tick.
    async fn wait(&mut self) -> Woken {
        // One tick for the whole wait: notes of other spaces must not put off the next look at the token.
        // tidy: real-time wait, because a silent stream must be told from a dead one.
        let tick = tokio::time::sleep(TICK);
        tokio::pin!(tick);
        loop {
            select! {
                _ = self.hints.next() => return Woken::Look,
                note = self.notes.recv() => match note {
                    Ok(note) => if let Some(event) = self.told(&note) {
                        return Woken::Told(event);
                    },
                    // Whoever needs what was missed finds it when it is committed.
                    Err(RecvError::Lagged(_)) => {},
                    Err(RecvError::Closed) => return Woken::Stopping,
                },
                () = &mut tick => return Woken::Look,
                () = self.app.stopped() => return Woken::Stopping,
            }
        }
    }

    /// The event of a note, if it is for this listener: it does not move the cursor.
    fn told(&self, note: &Note) -> Option<Event> {
        let is_covered = self
            .covered
            .as_ref()
            .is_some_and(|ids| ids.contains(&note.space));
        let is_own = note.from == self.authed.caller.device;
        let (space, from, text) = (note.space, note.from, to_hex(&note.bytes));
        let data = format!("{{\"space\":\"{space}\",\"from\":\"{from}\",\"note\":\"{text}\"}}");
        (is_covered && !is_own).then(|| Event::default().data(data))
    }

    fn known(&self, space: SpaceId) -> u64 {
        self.cursor.get(&space).copied().unwrap_or(0)
    }

    fn event(&self, space: SpaceId, size: u64) -> Event {
        let id = match self.only {
            Some(_) => size.to_string(),
            None => render_cursor(&self.cursor),
        };
        Event::default()
            .id(id)
            .data(format!("{{\"space\":\"{space}\",\"size\":{size}}}"))
    }
}

/// Size of one space, or of all that the caller has: a change of one must not read all of them for each listener.
async fn sizes(
    service: &Service,
    caller: Caller,
    only: Option<SpaceId>,
) -> Served<Vec<(SpaceId, u64)>> {
    if let Some(space) = only {
        return Ok(vec![(space, service.size_of(caller, space).await?)]);
    }
    let all = service.spaces(caller).await?.spaces.into_iter();
    Ok(all.map(|info| (info.space, info.head.size)).collect())
}

fn last_id(headers: &HeaderMap) -> Option<String> {
    headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .map(ToOwned::to_owned)
}

fn bad_cursor() -> Failure {
    Failure(Refusal::malformed("the cursor does not parse"))
}

fn parse_cursor(text: &str) -> Option<Cursor> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (space, size) = pair.split_once(':')?;
            Some((SpaceId::parse(space)?, size.parse().ok()?))
        })
        .collect()
}

fn render_cursor(cursor: &Cursor) -> String {
    let pairs: Vec<String> = cursor
        .iter()
        .map(|(space, size)| format!("{space}:{size}"))
        .collect();
    pairs.join(",")
}
