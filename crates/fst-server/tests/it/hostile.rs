//! Callers who want more than they may have: bearer tricks, and bodies that lie about what they are.

use fst_proto::error::Problem;
use fst_proto::ids::{SlotId, SpaceId};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder};

use crate::access::routes;
use crate::client::TestServer;

/// Routes that take a message from anybody.
const OPEN: [&str; 3] = ["/v1/accounts", "/v1/auth/challenge", "/v1/auth/token"];

#[tokio::test]
async fn a_token_counts_in_one_place_and_alone() {
    let (server, _, token, space) = TestServer::with_space().await;
    let good = format!("Bearer {token}");
    let twice = format!("{good}, {good}");
    let longer = format!("{good}x");
    let basic = format!("Basic {token}");
    let tricks: [(&str, &dyn Fn(RequestBuilder) -> RequestBuilder); 8] = [
        ("none", &|request| request),
        ("no token", &|request| {
            request.header(AUTHORIZATION, "Bearer ")
        }),
        ("another scheme", &|request| {
            request.header(AUTHORIZATION, &basic)
        }),
        ("two in one", &|request| {
            request.header(AUTHORIZATION, &twice)
        }),
        ("one byte more", &|request| {
            request.header(AUTHORIZATION, &longer)
        }),
        ("good, then bad", &|request| {
            request
                .header(AUTHORIZATION, &good)
                .header(AUTHORIZATION, "Bearer x")
        }),
        ("bad, then good", &|request| {
            request
                .header(AUTHORIZATION, "Bearer x")
                .header(AUTHORIZATION, &good)
        }),
        ("in a cookie", &|request| {
            request.header("cookie", format!("token={token}; authorization={good}"))
        }),
    ];
    for (method, path) in routes(space) {
        let url = format!("{}{path}", server.http.url);
        let sign = if path.contains('?') { '&' } else { '?' };
        let in_query = format!("{path}{sign}access_token={token}");
        let answer = server.http.send(method.clone(), &in_query, "", Vec::new());
        assert_eq!(answer.await.status(), 401, "in the query: {method} {path}");
        for (name, trick) in tricks {
            let answer = trick(server.http.client.request(method.clone(), &url));
            let answer = answer.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{name}: {method} {path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        }
    }
}

/// Bodies that no route takes: each a name and the bytes.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let claims = |head: u8| {
        let mut bytes = vec![head];
        bytes.extend([0xff; 8]);
        bytes
    };
    vec![
        ("nothing", Vec::new()),
        ("no message", vec![0xff; 64]),
        ("a byte string of 2^64", claims(0x5b)),
        ("a text of 2^64", claims(0x7b)),
        ("an array of 2^64", claims(0x9b)),
        ("a map of 2^64", claims(0xbb)),
        (
            "a map whose first value is a string of 2^64",
            [&[0xa1, 0x00][..], &claims(0x5b)].concat(),
        ),
        (
            "a map whose first value is an array of 2^64",
            [&[0xa1, 0x00][..], &claims(0x9b)].concat(),
        ),
        ("arrays a hundred thousand deep", vec![0x81; 100_000]),
        ("maps a hundred thousand deep", [0xa1, 0x00].repeat(100_000)),
        (
            "tags a hundred thousand deep",
            [&[0xa1, 0x18, 0x63][..], &vec![0xc1; 100_000]].concat(),
        ),
        ("an endless map", vec![0xbf]),
    ]
}

#[tokio::test]
async fn no_body_makes_the_server_fail() {
    let (server, _, token, space) = TestServer::with_space().await;
    let join = format!("/v1/slots/{}/join", SlotId([1; 16]));
    let posts = routes(space)
        .into_iter()
        .filter(|(method, _)| *method == Method::POST);
    let paths: Vec<String> = posts
        .map(|(_, path)| path)
        .chain(OPEN.map(ToOwned::to_owned))
        .chain([join])
        .collect();
    for path in &paths {
        for (name, body) in bombs() {
            // A sealed note may be any bytes, and an empty frame holds no objects.
            let is_fine = path.ends_with("/notes") && body.len() < 8192
                || path.ends_with("/objects") && body.is_empty();
            if is_fine {
                continue;
            }
            for kind in ["application/cbor", "application/octet-stream"] {
                let url = format!("{}{path}", server.http.url);
                let request = server.http.client.post(url).bearer_auth(&token);
                let request = request.header("content-type", kind).body(body.clone());
                let answer = request.send().await.unwrap();
                let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
                assert!(
                    (400..500).contains(&status),
                    "{name} at {path}: {status} {text}"
                );
                let problem: Problem = serde_json::from_str(&text).unwrap();
                assert!(problem.error_code().is_some(), "{name} at {path}: {text}");
            }
        }
    }
    server.http.changes(&token, space, 0).await;
}

#[tokio::test]
async fn ids_in_paths_are_ids_or_nothing() {
    let server = TestServer::start().await;
    let mut device = server.world.account(1).await;
    let token = server.http.sign_in(&device).await;
    let space = SpaceId([0xab; 16]);
    server.http.create_space(&token, &mut device, space).await;
    let id = space.to_hex();
    let wrong = [
        id.to_uppercase(),
        format!("{id}00"),
        id[2..].to_owned(),
        format!("%00{}", &id[2..]),
        format!("..%2f{id}"),
        format!("{id}%2f..%2f{id}"),
        "%ff%fe".to_owned(),
        "a".repeat(6000),
    ];
    for text in wrong {
        let path = format!("/v1/spaces/{text}/changes");
        let status = server.http.get(&path, &token).await.status().as_u16();
        assert!([400, 404, 414].contains(&status), "{path}: {status}");
    }
}
