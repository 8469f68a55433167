//! The `OpenAPI` description of what this server answers.
//!
//! Printed by `fst-server openapi`, frozen in `docs/schema/openapi.json`, and what fuzzers read. Invariant: a test
//! holds the tables here, the routes of [`crate::http`], the messages of [`fst_proto::wire`] and
//! `docs/design/wire.md` to the same routes and fields. Messages are CBOR maps with integer keys: a property's name
//! is the key, its title the field. Not here: what messages mean (docs/design/wire.md).

use fst_proto::error::ErrorCode;
use fst_proto::limits;
use serde_json::{Map, Value, json};

mod messages;
mod routes;

pub use messages::{Kind, MESSAGES, Message};
pub use routes::{Answer, Body, Parameter, ROUTES, Route};

/// The whole document, `OpenAPI` 3.1.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "fst-server",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "What devices say to the server. Contents, names and times of files are sealed on \
                devices; the server sees ids, sizes and signatures. Messages are CBOR maps with integer keys: the \
                name of a property is its key, its title the name of the field.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "From POST /v1/auth/token; good for ten minutes.",
            } },
            "schemas": schemas(),
            "responses": { "Problem": {
                "description": "Why it was not done, and what to do next.",
                "content": { "application/problem+json": { "schema": reference("Problem") } },
            } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = path_parameters(route.path)
        .chain(route.parameters.iter().map(|asked| asked.schema()))
        .collect();
    let mut responses = Map::new();
    responses.insert(route.answer.status().to_owned(), answer(route.answer));
    if route.answer == Answer::Object {
        responses.insert("206".to_owned(), answer(route.answer));
    }
    responses.insert(
        "default".to_owned(),
        json!({ "$ref": "#/components/responses/Problem" }),
    );
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if route.is_open {
        operation["security"] = json!([]);
    }
    if let Some((kind, schema)) = route.body.media() {
        operation["requestBody"] = json!({
            "required": true,
            "content": { kind: { "schema": schema } },
        });
    }
    operation
}

/// The parameters that a path names in braces.
fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let schema = match name {
            "size" => number(),
            "id" => hex(32),
            _ => hex(16),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })
}

fn hex(n_bytes: usize) -> Value {
    let n = n_bytes * 2;
    json!({ "type": "string", "pattern": format!("^[0-9a-f]{{{n}}}$"), "minLength": n, "maxLength": n })
}

fn answer(answer: Answer) -> Value {
    let mut response = json!({ "description": answer.text() });
    if let Some((kind, schema)) = answer.media() {
        response["content"] = json!({ kind: { "schema": schema } });
    }
    response
}

/// Bytes as they are.
fn octets() -> Value {
    json!({ "type": "string", "format": "binary", "maxLength": limits::REQUEST_BYTES_MAX })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn schemas() -> Value {
    let mut all = Map::new();
    for message in MESSAGES {
        all.insert(message.name.to_owned(), message.schema());
    }
    all.insert("Problem".to_owned(), problem());
    Value::Object(all)
}

/// The problem document, with every code of the catalogue.
fn problem() -> Value {
    let text = || json!({ "type": "string" });
    let codes = ErrorCode::ALL.iter().map(ToString::to_string);
    let meanings = ErrorCode::ALL.iter().map(|code| {
        let meaning = json!({
            "title": code.title(),
            "status": code.http_status(),
            "next": code.next_step(),
        });
        (code.to_string(), meaning)
    });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "next"],
        "properties": {
            "type": text(),
            "title": text(),
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": text(),
            "code": { "type": "string", "enum": codes.collect::<Vec<_>>() },
            "next": text(),
            "conflict": { "description": "Why a commit or an append was refused on its merits." },
        },
        "x-codes": meanings.collect::<Map<_, _>>(),
    })
}
