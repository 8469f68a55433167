//! [`Remote`] over HTTP/1.1 with CBOR bodies, sign-in by signature, and a stream of change hints.
//!
//! One connection pool for all threads of a client; every body passes the [`Throttle`]. Invariant: secrets never leave; a
//! token is renewed before it ends and once more when the server refuses it. Routes: docs/design/wire.md.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fst_crypto::sign::DeviceKey;
use fst_proto::error::Problem;
use fst_proto::ids::{DeviceId, ObjectId, SlotId, SpaceId, VerifyKey};
use fst_proto::limits;
use fst_proto::text::from_hex;
use fst_proto::time::{Clock, UnixMillis};
use fst_proto::wire::{self, login_message};
use reqwest::blocking::{Body, Client, RequestBuilder, Response};
use reqwest::{Method, StatusCode};

use super::manners::Manners;
use super::throttle::{Received, Sent, Throttle};
use super::tls::{self, Trust};
use super::{Remote, RemoteError};

/// Silence after which the change stream counts as dead; the server sends a comment every 15 s.
const STREAM_SILENCE_MAX: Duration = Duration::from_secs(40);
/// Longest line of the change stream: ids, and a note in hex.
const LINE_BYTES_MAX: u64 = 1024 + 2 * limits::NOTE_BYTES_MAX as u64;
/// A token is renewed when it has less than this left.
const TOKEN_MARGIN_MS: u64 = 60_000;

/// Who signs in.
pub struct Identity {
    /// Device.
    pub device: DeviceId,
    /// Its signing key.
    pub key: DeviceKey,
    /// Key of the server that it was enrolled at.
    pub origin: VerifyKey,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.device)
    }
}

struct Bearer {
    token: String,
    expires: UnixMillis,
}

/// A hint from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteEvent {
    /// The stream stands: whatever was missed before must be asked for.
    Connected,
    /// A space has new entries.
    Changed(SpaceId),
    /// Another device tells something.
    Told {
        /// To the members of this space.
        space: SpaceId,
        /// It is said to be this one.
        from: DeviceId,
        /// Sealed.
        note: Vec<u8>,
    },
    /// Still there.
    KeepAlive,
}

/// The server at one URL.
pub struct HttpRemote {
    url: String,
    http: Client,
    identity: Option<Identity>,
    clock: Box<dyn Clock>,
    throttle: Arc<Throttle>,
    manners: Manners,
    bearer: Mutex<Option<Bearer>>,
}

impl std::fmt::Debug for HttpRemote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRemote")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl HttpRemote {
    /// A remote at `url`, as fast as `throttle` allows; without an identity only the requests of enrolment work.
    ///
    /// # Errors
    /// [`RemoteError`] when `trust` does not allow the address, or no HTTP client can be made; nothing was sent.
    pub fn new(
        (url, trust): (&str, &Trust),
        identity: Option<Identity>,
        clock: Box<dyn Clock>,
        throttle: Arc<Throttle>,
    ) -> Result<Self, RemoteError> {
        let url = url.trim_end_matches('/').to_owned();
        let http = trust.client(&url, throttle.patience(0))?;
        Ok(Self {
            url,
            http,
            identity,
            clock,
            throttle,
            manners: Manners::default(),
            bearer: Mutex::new(None),
        })
    }

    /// Follows the change stream until `on_event` breaks or the stream ends.
    ///
    /// # Errors
    /// [`RemoteError`] when it cannot be opened or breaks.
    pub fn watch(
        &self,
        on_event: &mut dyn FnMut(RemoteEvent) -> ControlFlow<()>,
    ) -> Result<(), RemoteError> {
        let open = |token: &str| {
            let request = self.request(Method::GET, "/v1/events").bearer_auth(token);
            request.timeout(STREAM_SILENCE_MAX).send()
        };
        let reply = self.with_token(open)?;
        if on_event(RemoteEvent::Connected).is_break() {
            return Ok(());
        }
        let mut lines = BufReader::new(reply);
        let mut line = String::new();
        loop {
            line.clear();
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
            // A line that was cut is no event: the stream is opened again.
            let is_over = read.map_err(|e| self.unreachable(e))? == 0 || !line.ends_with('\n');
            if is_over || on_event(parse_event(&line)).is_break() {
                return Ok(());
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    fn failed(&self, error: reqwest::Error) -> RemoteError {
        tls::failure(&self.url, error)
    }

    fn unreachable(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> RemoteError {
        RemoteError::Unreachable {
            url: self.url.clone(),
            source: source.into(),
        }
    }

    /// Runs a request with a valid token; once more with a fresh one when it was refused.
    fn with_token(
        &self,
        send: impl Fn(&str) -> reqwest::Result<Response>,
    ) -> Result<Response, RemoteError> {
        let token = self.token(false)?;
        let reply = self.ask(|| send(&token))?;
        if reply.status() != StatusCode::UNAUTHORIZED {
            return self.accept(reply);
        }
        let token = self.token(true)?;
        self.accept(self.ask(|| send(&token))?)
    }

    fn ask(&self, send: impl Fn() -> reqwest::Result<Response>) -> Result<Response, RemoteError> {
        let send = || send().map_err(|error| self.failed(error));
        self.manners.ask(&self.throttle, send)
    }

    fn token(&self, renew: bool) -> Result<String, RemoteError> {
        let mut bearer = self.bearer.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if let Some(held) = bearer.as_ref()
            && !renew
            && held.expires.0 > now.0 + TOKEN_MARGIN_MS
        {
            return Ok(held.token.clone());
        }
        let fresh = self.sign_in()?;
        let lifetime_ms = fresh.expires_in.saturating_mul(1000);
        let expires = UnixMillis(now.0.saturating_add(lifetime_ms));
        *bearer = Some(Bearer {
            token: fresh.token.clone(),
            expires,
        });
        Ok(fresh.token)
    }

    fn sign_in(&self) -> Result<wire::Token, RemoteError> {
        let Some(identity) = &self.identity else {
            return Err(RemoteError::Malformed {
                what: "sign-in without an identity",
            });
        };
        let ask = wire::ChallengeRequest {
            device: identity.device,
        };
        let challenge: wire::Challenge = self.post_open("/v1/auth/challenge", &ask)?;
        let message = login_message(identity.device, &identity.origin, &challenge.nonce);
        let sig = identity.key.sign(&message);
        let ask = wire::TokenRequest {
            device: identity.device,
            nonce: challenge.nonce,
            sig,
        };
        self.post_open("/v1/auth/token", &ask)
    }

    fn post_open<T, R>(&self, path: &str, body: &T) -> Result<R, RemoteError>
    where
        T: minicbor::Encode<()>,
        R: for<'b> minicbor::Decode<'b, ()>,
    {
        let reply = self.post_plain(path, wire::to_cbor(body))?;
        self.read(reply)
    }

    fn post_plain(&self, path: &str, body: Vec<u8>) -> Result<Response, RemoteError> {
        let body = Bytes::from(body);
        let reply = self.ask(|| {
            let request = self.request(Method::POST, path);
            self.with_body(request, body.clone()).send()
        });
        self.accept(reply?)
    }

    fn with_body(&self, request: RequestBuilder, body: Bytes) -> RequestBuilder {
        let len = body.len();
        let body = if self.throttle.pass_whole(len) {
            Body::from(body)
        } else {
            Body::sized(Sent::new(&self.throttle, body), len as u64)
        };
        let request = request.header("content-type", "application/cbor");
        request.timeout(self.throttle.patience(len)).body(body)
    }

    fn get_open<R: for<'b> minicbor::Decode<'b, ()>>(&self, path: &str) -> Result<R, RemoteError> {
        let reply = self.ask(|| self.request(Method::GET, path).send())?;
        self.read(self.accept(reply)?)
    }

    fn get<R: for<'b> minicbor::Decode<'b, ()>>(&self, path: &str) -> Result<R, RemoteError> {
        let send = |token: &str| self.request(Method::GET, path).bearer_auth(token).send();
        self.read(self.with_token(send)?)
    }

    fn post(&self, path: &str, body: Vec<u8>) -> Result<Response, RemoteError> {
        // Sent a second time without copying it when the token was refused.
        let body = Bytes::from(body);
        self.with_token(|token| {
            let request = self.request(Method::POST, path).bearer_auth(token);
            self.with_body(request, body.clone()).send()
        })
    }

    fn accept(&self, reply: Response) -> Result<Response, RemoteError> {
        let status = reply.status();
        if status.is_success() {
            return Ok(reply);
        }
        let text = self.body(reply)?;
        match serde_json::from_slice::<Problem>(&text) {
            Ok(problem) => Err(RemoteError::Refused(Box::new(problem))),
            Err(_) if status.is_server_error() => {
                Err(self.unreachable(format!("it answered with status {status}")))
            },
            Err(_) => Err(RemoteError::NotAServer {
                url: self.url.clone(),
            }),
        }
    }

    fn body(&self, reply: Response) -> Result<Vec<u8>, RemoteError> {
        let mut bytes = Vec::new();
        let reply = Received::new(&self.throttle, reply);
        let mut body = reply.take(limits::ANSWER_BYTES_MAX + 1);
        body.read_to_end(&mut bytes)
            .map_err(|e| self.unreachable(e))?;
        if bytes.len() as u64 > limits::ANSWER_BYTES_MAX {
            return Err(RemoteError::Malformed {
                what: "an answer beyond the limit",
            });
        }
        Ok(bytes)
    }

    fn read<R: for<'b> minicbor::Decode<'b, ()>>(&self, reply: Response) -> Result<R, RemoteError> {
        let bytes = self.body(reply)?;
        wire::from_cbor(&bytes).map_err(|_| RemoteError::NotAServer {
            url: self.url.clone(),
        })
    }
}

fn parse_event(line: &str) -> RemoteEvent {
    #[derive(serde::Deserialize)]
    struct Event {
        space: SpaceId,
        from: Option<DeviceId>,
        note: Option<String>,
    }
    let data = line.strip_prefix("data:").map(str::trim);
    let Some(event) = data.and_then(|json| serde_json::from_str::<Event>(json).ok()) else {
        return RemoteEvent::KeepAlive;
    };
    match (event.from, event.note.as_deref().map(from_hex)) {
        (Some(from), Some(Some(note))) => RemoteEvent::Told {
            space: event.space,
            from,
            note,
        },
        (None, None) => RemoteEvent::Changed(event.space),
        _ => RemoteEvent::KeepAlive,
    }
}

impl Remote for HttpRemote {
    fn server_info(&self) -> Result<wire::ServerInfo, RemoteError> {
        let info: wire::ServerInfo = self.get_open("/v1/server")?;
        if info.product == "filesynctool" {
            Ok(info)
        } else {
            Err(RemoteError::NotAServer {
                url: self.url.clone(),
            })
        }
    }

    fn create_account(&self, request: &wire::CreateAccount) -> Result<(), RemoteError> {
        self.post_plain("/v1/accounts", wire::to_cbor(request))
            .map(drop)
    }

    fn slot(&self, slot: SlotId) -> Result<wire::SlotReply, RemoteError> {
        self.get_open(&format!("/v1/slots/{slot}"))
    }

    fn join(&self, slot: SlotId, request: &wire::Join) -> Result<(), RemoteError> {
        let path = format!("/v1/slots/{slot}/join");
        self.post_plain(&path, wire::to_cbor(request)).map(drop)
    }

    fn account_entries(&self, since: u64) -> Result<wire::AccountEntries, RemoteError> {
        self.get(&format!("/v1/account/entries?since={since}"))
    }

    fn append_account(&self, request: &wire::AppendAccount) -> Result<(), RemoteError> {
        self.post("/v1/account/entries", wire::to_cbor(request))
            .map(drop)
    }

    fn spaces(&self) -> Result<wire::Spaces, RemoteError> {
        self.get("/v1/spaces")
    }

    fn create_space(&self, request: &wire::CreateSpace) -> Result<wire::Receipt, RemoteError> {
        let reply = self.post("/v1/spaces", wire::to_cbor(request))?;
        self.read(reply)
    }

    fn commit(&self, space: SpaceId, commit: &wire::Commit) -> Result<wire::Receipt, RemoteError> {
        let reply = self.post(&format!("/v1/spaces/{space}/commit"), wire::to_cbor(commit))?;
        self.read(reply)
    }

    fn changes(&self, space: SpaceId, since: u64) -> Result<wire::Changes, RemoteError> {
        self.get(&format!("/v1/spaces/{space}/changes?since={since}"))
    }

    fn upload(&self, space: SpaceId, frame: Vec<u8>) -> Result<(), RemoteError> {
        self.post(&format!("/v1/spaces/{space}/objects"), frame)
            .map(drop)
    }

    fn tell(&self, space: SpaceId, note: &[u8]) -> Result<(), RemoteError> {
        self.post(&format!("/v1/spaces/{space}/notes"), note.to_vec())
            .map(drop)
    }

    fn missing(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        let body = wire::to_cbor(&wire::ObjectIds { ids: ids.to_vec() });
        let reply = self.post(&format!("/v1/spaces/{space}/objects/missing"), body)?;
        Ok(self.read::<wire::ObjectIds>(reply)?.ids)
    }

    fn objects(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<u8>, RemoteError> {
        let body = wire::to_cbor(&wire::ObjectIds { ids: ids.to_vec() });
        let reply = self.post(&format!("/v1/spaces/{space}/objects/get"), body)?;
        self.body(reply)
    }
}
