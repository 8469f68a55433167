//! Rates: who asks too often waits, and nobody gets around it; nobody else is held up.

use std::net::SocketAddr;

use fst_proto::error::ErrorCode;
use fst_proto::ids::DeviceId;
use fst_proto::wire::{self, Challenge, ChallengeRequest};
use fst_server::Embedded;
use fst_server::config::{Options, Rate, RateLimits};
use minicbor::Encode;
use reqwest::{Response, StatusCode};
use tempfile::TempDir;

use crate::client::{Http, TestServer, answer, problem, read};
use crate::support::{Device, frame_of, new_account};

/// So many, and none comes back within a test.
fn only(quota: u64) -> Rate {
    let window_ms = 1000 * 3600 * quota;
    Rate { quota, window_ms }
}

fn start(set: impl FnOnce(&mut Options)) -> (Embedded, Http, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut options = Options::new(dir.path(), listen);
    set(&mut options);
    let server = Embedded::start_with(options).unwrap();
    let http = Http::new(&server.url);
    (server, http, dir)
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// Asks who the server is, as a proxy that passes on for this address would.
async fn ask_for(http: &Http, address: &str) -> StatusCode {
    let request = http.client.get(format!("{}/v1/server", http.url));
    let answer = request.header("x-forwarded-for", address).send().await;
    answer.unwrap().status()
}

#[tokio::test]
async fn an_address_is_refused_with_numbers_and_health_never_is() {
    let (_server, http, _dir) = start(|options| options.rate_limits.sign_in = Some(only(3)));
    for left in [2, 1, 0] {
        let answer = http.get("/v1/server", "").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let said = header(&answer, "ratelimit").to_owned();
        assert!(
            said.starts_with(&format!("\"sign-in\";r={left};t=")),
            "{said}"
        );
        assert_eq!(
            header(&answer, "ratelimit-policy"),
            "\"sign-in\";q=3;w=10800"
        );
    }
    // Another spelling of a route and a route that is none come from the same bucket.
    for path in [
        "/v1/server",
        "/V1/server",
        "//v1/server",
        "/v1/server/",
        "/v1/auth/challenge",
    ] {
        let answer = http.get(path, "").await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        let seconds: u64 = header(&answer, "retry-after").parse().unwrap();
        assert!((3590..=3600).contains(&seconds), "{seconds}");
        let refused = problem(answer, 429).await;
        assert_eq!(refused.error_code(), Some(ErrorCode::RateLimited));
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(http.get(path, "").await.status(), StatusCode::OK, "{path}");
    }
    let metrics = http.get("/metrics", "").await.text().await.unwrap();
    assert!(metrics.contains("fst_rate_limited_total 5"), "{metrics}");
}

#[tokio::test]
async fn forwarded_addresses_count_from_a_trusted_proxy_only() {
    let (_server, http, _dir) = start(|options| options.rate_limits.sign_in = Some(only(2)));
    let answers = [
        ask_for(&http, "203.0.113.1").await,
        ask_for(&http, "203.0.113.2").await,
        ask_for(&http, "203.0.113.3").await,
    ];
    assert_eq!(answers.map(|status| status.as_u16()), [200, 200, 429]);

    let (_server, http, _dir) = start(|options| {
        options.rate_limits.sign_in = Some(only(2));
        options.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    for (from, status) in [
        ("203.0.113.1", 200),
        ("203.0.113.1", 200),
        ("203.0.113.1", 429),
        // Forged by the client in front of what the proxy says.
        ("198.51.100.7, 203.0.113.1", 429),
        ("203.0.113.2", 200),
        // One customer has the whole /64.
        ("2001:db8:0:1::1", 200),
        ("2001:db8:0:1:ffff::2", 200),
        ("2001:db8:0:1:1234:5678:9abc:def0", 429),
        ("2001:db8:0:2::1", 200),
    ] {
        assert_eq!(ask_for(&http, from).await.as_u16(), status, "{from}");
    }
}

#[tokio::test]
async fn bad_tokens_come_from_the_bucket_of_the_address() {
    let (_server, http, _dir) = start(|options| options.rate_limits.sign_in = Some(only(4)));
    for n in 0..4 {
        let answer = http.get("/v1/spaces", &format!("made-up-{n}")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let answer = http.get("/v1/spaces", "another").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let answer = http.get("/v1/server", "").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_device_has_one_bucket_for_each_class_whatever_its_tokens() {
    let (server, http, _dir) = start(|options| {
        options.rate_limits.read = Some(only(2));
        options.rate_limits.bytes = Some(only(3 << 20));
    });
    let mut device = http
        .create_account(1, server.setup_code.as_deref().unwrap())
        .await;
    let tokens = [http.sign_in(&device).await, http.sign_in(&device).await];
    let space = fst_proto::ids::SpaceId([0x51; 16]);
    http.create_space(&tokens[0], &mut device, space).await;
    let reads = [&tokens[0], &tokens[1], &tokens[0], &tokens[1]];
    let mut answers = Vec::new();
    for token in reads {
        answers.push(http.get("/v1/spaces", token).await.status().as_u16());
    }
    assert_eq!(answers, [200, 200, 429, 429]);

    // Writing and moving objects go on; bytes are owed once they have come.
    let path = format!("/v1/spaces/{space}/objects");
    let frame = frame_of(&[(1, 5 << 20)]);
    let upload = |frame: Vec<u8>| http.send(reqwest::Method::POST, &path, &tokens[0], frame);
    let answer = upload(frame).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        header(&answer, "ratelimit-policy"),
        "\"bytes\";q=3145728;w=11324620800;qu=\"content-bytes\""
    );
    let answer = upload(frame_of(&[(2, 10)])).await;
    let seconds: u64 = header(&answer, "retry-after").parse().unwrap();
    assert!(
        seconds > 3600 << 20,
        "more than what one request costs: {seconds}"
    );
    problem(answer, 429).await;
}

#[tokio::test]
async fn who_exists_is_not_told_by_a_limit() {
    let world = crate::support::World::new();
    let known = world.account(1).await.id;
    for device in [known, DeviceId([0xee; 16])] {
        let mut n_granted = 0;
        while world
            .service
            .challenge(ChallengeRequest { device })
            .await
            .is_ok()
        {
            n_granted += 1;
        }
        assert_eq!(n_granted, 60, "{device}");
    }
}

/// A server on a clock of its own that believes whatever address it is told.
async fn believing() -> TestServer {
    let proxies = vec!["0.0.0.0/0".parse().unwrap()];
    TestServer::start_with(|app| app.limited(RateLimits::default(), proxies)).await
}

async fn post_from<T: Encode<()>>(
    server: &TestServer,
    from: &str,
    path: &str,
    message: &T,
) -> Response {
    let http = &server.http;
    let request = http.client.post(format!("{}{path}", http.url));
    let request = request
        .header("content-type", "application/cbor")
        .header("x-forwarded-for", from);
    request.body(wire::to_cbor(message)).send().await.unwrap()
}

async fn set_up(server: &TestServer, from: &str, n: u8, code: &str) -> u16 {
    let (_, request) = new_account(n, code);
    let answer = post_from(server, from, "/v1/accounts", &request).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn wrong_set_up_codes_cost_time_and_the_right_one_ends_it() {
    let server = believing().await;
    let code = server.world.service.create_setup_code().await.unwrap();
    for n in 0..6 {
        let wrong = format!("0000-000{n}");
        assert_eq!(set_up(&server, "203.0.113.1", 1, &wrong).await, 403, "{n}");
    }
    // During a wait the right one is refused as well: an answer would tell that it is right.
    assert_eq!(set_up(&server, "203.0.113.1", 1, &code).await, 429);
    server.world.clock.advance(1000);
    assert_eq!(set_up(&server, "203.0.113.1", 1, "0000-0009").await, 403);
    server.world.clock.advance(1999);
    assert_eq!(set_up(&server, "203.0.113.1", 1, &code).await, 429);
    server.world.clock.advance(1);
    assert_eq!(set_up(&server, "203.0.113.1", 1, &code).await, 204);
    // Forgotten by success: a mistake costs nothing again.
    assert_eq!(set_up(&server, "203.0.113.1", 2, &code).await, 403);
    assert_eq!(set_up(&server, "203.0.113.1", 2, &code).await, 403);
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_guesser_and_its_neighbour_is_not_held_up() {
    let server = believing().await;
    for n in 0..6 {
        let from = format!("2001:db8:0:1:{n}::{n}");
        assert_eq!(set_up(&server, &from, 1, "0000-0000").await, 403, "{n}");
    }
    assert_eq!(
        set_up(&server, "2001:db8:0:1:dead::1", 1, "0000-0000").await,
        429
    );
    assert_eq!(
        set_up(&server, "2001:db8:0:2::1", 1, "0000-0000").await,
        403
    );
}

/// A sign-in with a signature that is wrong, or right.
async fn sign_in(server: &TestServer, from: &str, device: &Device, is_right: bool) -> Response {
    let id = ChallengeRequest { device: device.id };
    let challenge = post_from(server, from, "/v1/auth/challenge", &id).await;
    let challenge: Challenge = read(challenge).await;
    let key = server.world.service.receipt_key();
    let mut request = answer(device, &key, challenge.nonce);
    if !is_right {
        request.sig.0[0] ^= 1;
    }
    post_from(server, from, "/v1/auth/token", &request).await
}

#[tokio::test]
async fn failed_sign_ins_of_a_device_cost_time_whoever_it_is_and_wherever_from() {
    let server = believing().await;
    let known = server.world.account(1).await;
    let (unknown, _) = new_account(2, "");
    for device in [&known, &unknown] {
        let mut said = Vec::new();
        for n in 0..8 {
            // Each from an address of its own.
            let from = format!("203.0.113.{n}");
            let refused = sign_in(&server, &from, device, false).await;
            let wait = header(&refused, "retry-after").to_owned();
            said.push((refused.status().as_u16(), wait));
        }
        let expected: Vec<_> = [401; 6]
            .map(|status| (status, ""))
            .into_iter()
            .chain([(429, "1"); 2])
            .collect();
        let said: Vec<_> = said
            .iter()
            .map(|(status, wait)| (*status, wait.as_str()))
            .collect();
        assert_eq!(said, expected, "{}", device.id);
    }
    let refused = sign_in(&server, "203.0.113.99", &known, true).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    server.world.clock.advance(1000);
    let granted = sign_in(&server, "203.0.113.99", &known, true).await;
    assert_eq!(granted.status(), StatusCode::OK);
    let refused = sign_in(&server, "203.0.113.99", &known, false).await;
    assert_eq!(
        refused.status(),
        StatusCode::UNAUTHORIZED,
        "all is forgotten"
    );
}

#[tokio::test]
async fn failed_sign_ins_of_many_devices_cost_their_address_time() {
    let server = believing().await;
    let good = server.world.account(200).await;
    for n in 0..21 {
        let (device, _) = new_account(n, "");
        let refused = sign_in(&server, "203.0.113.1", &device, false).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{n}");
    }
    let refused = sign_in(&server, "203.0.113.1", &good, true).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let granted = sign_in(&server, "203.0.113.2", &good, true).await;
    assert_eq!(granted.status(), StatusCode::OK);
}
