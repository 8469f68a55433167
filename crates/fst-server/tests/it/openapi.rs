//! The published description: true to the routes, the messages and the wire's document, and fuzzed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use fst_proto::ids::SpaceId;
use fst_server::openapi::{self, MESSAGES, ROUTES};
use reqwest::Method;

use crate::client::TestServer;
use crate::support::{frame_of, object};

const PUBLISHED: &str = include_str!("../../../../docs/schema/openapi.json");

#[test]
fn the_published_description_is_that_of_this_program() {
    assert!(
        format!("{:#}\n", openapi::document()) == PUBLISHED,
        "write it anew: fst-server openapi > docs/schema/openapi.json"
    );
}

#[test]
fn every_route_that_is_served_is_described() {
    let source = include_str!("../../src/http.rs");
    let served = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".route(\""))
        .filter_map(|line| line.split_once("\", "))
        .filter(|(_, methods)| !methods.starts_with("any("))
        .flat_map(|(path, methods)| {
            let named = ["get", "head", "post", "put", "delete"]
                .into_iter()
                .filter(|name| {
                    methods.starts_with(&format!("{name}("))
                        || methods.contains(&format!(".{name}("))
                });
            named.map(move |name| format!("{} {path}", name.to_uppercase()))
        });
    let described = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path));
    assert_eq!(
        served.collect::<BTreeSet<_>>(),
        described.collect::<BTreeSet<_>>()
    );
}

#[test]
fn every_described_route_stands_in_the_document_of_the_wire() {
    let wire = include_str!("../../../../docs/design/wire.md");
    for route in ROUTES {
        let path = route
            .path
            .trim_start_matches("/v1/spaces/{space}")
            .trim_start_matches("/v1/slots/{slot}");
        let is_there = wire.lines().any(|line| {
            line.starts_with("| ")
                && line.contains(route.method)
                    | (route.answer == openapi::Answer::Text && line.contains("GET"))
                && line.contains(path)
        });
        assert!(is_there, "{} {}", route.method, route.path);
    }
}

#[test]
fn every_message_has_the_fields_of_the_wire() {
    let sources = [
        include_str!("../../../fst-proto/src/wire.rs"),
        include_str!("../../../fst-proto/src/account.rs"),
        include_str!("../../../fst-proto/src/merkle.rs"),
    ]
    .concat();
    for message in MESSAGES {
        let (_, after) = sources
            .split_once(&format!("pub struct {} {{\n", message.name))
            .unwrap();
        let (body, _) = after.split_once("\n}").unwrap();
        let declared = body
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub "))
            .map(|line| {
                let (name, kind) = line.split_once(": ").unwrap();
                let mark = if kind.starts_with("Option<") { "?" } else { "" };
                format!("{mark}{name}")
            });
        let described = message.fields.iter().map(|(name, _)| (*name).to_owned());
        assert_eq!(
            described.collect::<Vec<_>>(),
            declared.collect::<Vec<_>>(),
            "{}",
            message.name
        );
    }
}

/// What a fuzzer that reads the description makes of a live server: no 5xx, and nothing that is not described.
#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_failure_of_the_server() {
    let found = Command::new("schemathesis").arg("--version").output();
    if found.is_err() {
        eprintln!(
            "SKIPPED: schemathesis is not installed (Python package of that name, with cbor2)"
        );
        return;
    }
    let (server, _, token, space): (_, _, _, SpaceId) = TestServer::with_space().await;
    let path = format!("/v1/spaces/{space}/objects");
    let frame = server
        .http
        .send(Method::POST, &path, &token, frame_of(&[(1, 10)]));
    assert_eq!(frame.await.status(), 200);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // It keeps notes where it runs.
    let cwd = tempfile::tempdir().unwrap();
    for file in ["hooks.py", "schemathesis.toml"] {
        let from = here.join("tests/schemathesis").join(file);
        std::fs::copy(from, cwd.path().join(file)).unwrap();
    }
    let mut fuzz = Command::new("schemathesis");
    fuzz.current_dir(&cwd)
        .env("FST_FUZZ_TOKEN", &token)
        .env("FST_FUZZ_SPACE", space.to_hex())
        .env("FST_FUZZ_OBJECT", object(1).to_hex())
        .arg("run")
        .arg(here.join("../../docs/schema/openapi.json"))
        .args(["--url", &server.http.url])
        .args(["--max-examples", examples().as_str()]);
    let ended = tokio::task::spawn_blocking(move || fuzz.output()).await;
    let ended = ended.unwrap().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{text}");
    println!("{text}");
}

/// Requests of each kind for each route; `FST_TEST_EXAMPLES` asks for more.
fn examples() -> String {
    std::env::var("FST_TEST_EXAMPLES").unwrap_or_else(|_| "10".to_owned())
}
