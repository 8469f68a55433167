//! Routes, what they take and what they answer, as a table.

use serde_json::{Value, json};

use super::{number, octets, reference};

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// A message.
    Message(&'static str),
    /// Bytes: a frame or a sealed note.
    Octets,
}

impl Body {
    pub(super) fn media(self) -> Option<(&'static str, Value)> {
        match self {
            Self::None => None,
            Self::Message(name) => Some(("application/cbor", reference(name))),
            Self::Octets => Some(("application/octet-stream", octets())),
        }
    }
}

/// What a route answers when it does what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing but the status.
    Done,
    /// A message.
    Message(&'static str),
    /// Objects, one after the other.
    Frame,
    /// One object or a part of it.
    Object,
    /// The head of such an answer.
    ObjectHead,
    /// A stream of events that does not end by itself.
    Events,
    /// Words for people, or metrics.
    Text,
}

impl Answer {
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::Done => "204",
            Self::Message(_)
            | Self::Frame
            | Self::Object
            | Self::ObjectHead
            | Self::Events
            | Self::Text => "200",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Done => "Done; the same again changes nothing.",
            Self::Message(_) => "The message.",
            Self::Frame => "A frame of sealed objects.",
            Self::Object => "A sealed object, or the part of it that was asked for.",
            Self::ObjectHead => "Length of the sealed object.",
            Self::Events => "Server-sent events, until the token ends.",
            Self::Text => "Text.",
        }
    }

    pub(super) fn media(self) -> Option<(&'static str, Value)> {
        match self {
            Self::Done => None,
            Self::Message(name) => Some(("application/cbor", reference(name))),
            Self::Frame | Self::Object | Self::ObjectHead => {
                Some(("application/octet-stream", octets()))
            },
            Self::Events => Some(("text/event-stream", json!({ "type": "string" }))),
            Self::Text => Some(("text/plain", json!({ "type": "string" }))),
        }
    }
}

/// Something asked for beside the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// `?since=N`: position in a log.
    Since,
    /// `?wait=S`: seconds that an empty answer may be held back.
    Wait,
    /// `?since=CURSOR` of an event stream.
    Cursor,
    /// `Last-Event-ID`, which counts before the cursor.
    LastEventId,
    /// One range of bytes.
    Range,
}

impl Parameter {
    pub(super) fn schema(self) -> Value {
        let (name, place, schema) = match self {
            Self::Since => ("since", "query", number()),
            Self::Wait => ("wait", "query", number()),
            Self::Cursor => ("since", "query", json!({ "type": "string" })),
            Self::LastEventId => ("Last-Event-ID", "header", json!({ "type": "string" })),
            Self::Range => ("Range", "header", json!({ "type": "string" })),
        };
        json!({ "name": name, "in": place, "required": false, "schema": schema })
    }
}

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path, with parameters in braces.
    pub path: &'static str,
    /// Name of the operation.
    pub id: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// True when no token is needed.
    pub is_open: bool,
    /// What may be asked for beside the path.
    pub parameters: &'static [Parameter],
    /// What it takes.
    pub body: Body,
    /// What it answers.
    pub answer: Answer,
}

/// A route for everybody.
const fn open(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Route {
    Route {
        method,
        path,
        id,
        summary,
        is_open: true,
        parameters: &[],
        body: Body::None,
        answer: Answer::Done,
    }
}

/// A route that needs a token.
const fn kept(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Route {
    Route {
        is_open: false,
        ..open(method, path, id, summary)
    }
}

impl Route {
    const fn asks(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    const fn takes(self, body: Body) -> Self {
        Self { body, ..self }
    }

    const fn gives(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }
}

/// Every route that is served, but the plain paths that only ever refuse.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    open("GET", "/healthz", "healthz", "Whether the process runs").gives(Answer::Text),
    open("GET", "/readyz", "readyz", "Whether the stores answer").gives(Answer::Text),
    open("GET", "/metrics", "metrics", "Figures for Prometheus").gives(Answer::Text),
    open("GET", "/v1/server", "server", "Who answers").gives(Answer::Message("ServerInfo")),
    open("POST", "/v1/accounts", "createAccount", "Makes an account by a set-up code").takes(Body::Message("CreateAccount")),
    open("GET", "/v1/slots/{slot}", "slot", "Reads a sealed invitation").gives(Answer::Message("SlotReply")),
    open("POST", "/v1/slots/{slot}/join", "join", "Adds a device by an invitation").takes(Body::Message("Join")),
    open("POST", "/v1/auth/challenge", "challenge", "Gives a device something to sign")
        .takes(Body::Message("ChallengeRequest")).gives(Answer::Message("Challenge")),
    open("POST", "/v1/auth/token", "token", "Gives a token for the signed challenge")
        .takes(Body::Message("TokenRequest")).gives(Answer::Message("Token")),
    kept("GET", "/v1/account/entries", "accountEntries", "Reads the account's chain")
        .asks(&[Parameter::Since]).gives(Answer::Message("AccountEntries")),
    kept("POST", "/v1/account/entries", "appendAccount", "Appends to the account's chain").takes(Body::Message("AppendAccount")),
    kept("GET", "/v1/spaces", "spaces", "Lists the account's spaces").gives(Answer::Message("Spaces")),
    kept("POST", "/v1/spaces", "createSpace", "Makes a space by its first entry")
        .takes(Body::Message("CreateSpace")).gives(Answer::Message("Receipt")),
    kept("POST", "/v1/spaces/{space}/commit", "commit", "Appends an entry, all or nothing")
        .takes(Body::Message("Commit")).gives(Answer::Message("Receipt")),
    kept("GET", "/v1/spaces/{space}/changes", "changes", "Reads entries, and waits for some")
        .asks(&[Parameter::Since, Parameter::Wait]).gives(Answer::Message("Changes")),
    kept("GET", "/v1/spaces/{space}/heads/{size}", "head", "The receipt of the log at a size").gives(Answer::Message("Receipt")),
    kept("GET", "/v1/spaces/{space}/events", "spaceEvents", "Tells when a space has grown")
        .asks(&[Parameter::Cursor, Parameter::LastEventId]).gives(Answer::Events),
    kept("GET", "/v1/events", "events", "Tells when any space has grown")
        .asks(&[Parameter::Cursor, Parameter::LastEventId]).gives(Answer::Events),
    kept("POST", "/v1/spaces/{space}/notes", "tell", "Hands a sealed note to the other devices").takes(Body::Octets),
    kept("POST", "/v1/spaces/{space}/objects", "upload", "Stores a frame of objects")
        .takes(Body::Octets).gives(Answer::Message("ObjectIds")),
    kept("POST", "/v1/spaces/{space}/objects/missing", "missing", "Tells which of these objects are not stored")
        .takes(Body::Message("ObjectIds")).gives(Answer::Message("ObjectIds")),
    kept("POST", "/v1/spaces/{space}/objects/get", "getObjects", "Reads many objects")
        .takes(Body::Message("ObjectIds")).gives(Answer::Frame),
    kept("GET", "/v1/spaces/{space}/objects/{id}", "getObject", "Reads an object or a part of it")
        .asks(&[Parameter::Range]).gives(Answer::Object),
    kept("HEAD", "/v1/spaces/{space}/objects/{id}", "objectHead", "Length of an object").gives(Answer::ObjectHead),
];
