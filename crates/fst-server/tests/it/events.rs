//! Server-sent events.

use std::time::Duration;

use fst_proto::account::Body;
use fst_proto::ids::SpaceId;
use fst_proto::wire::AppendAccount;
use reqwest::{RequestBuilder, Response, StatusCode};

use crate::client::{TestServer, problem};
use crate::support::{Device, put, record};

/// The next event, its id and its data; `None` when the stream ended. A silent stream fails the test.
async fn next(stream: &mut Response, rest: &mut String) -> Option<(String, String)> {
    let next = tokio::time::timeout(Duration::from_secs(30), read_event(stream, rest)).await;
    next.expect("an event or the end")
}

async fn read_event(stream: &mut Response, rest: &mut String) -> Option<(String, String)> {
    loop {
        if let Some((event, after)) = rest.split_once("\n\n") {
            let field = |name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            let found = (field("id:"), field("data:"));
            *rest = after.to_owned();
            if !found.1.is_empty() {
                return Some(found);
            }
            continue;
        }
        let chunk = stream.chunk().await.ok()??;
        rest.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

async fn open(request: RequestBuilder) -> (Response, String) {
    let stream = request.send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    (stream, String::new())
}

async fn grow(server: &TestServer, device: &mut Device, token: &str, space: SpaceId, n: u32) {
    let commit = device.batch(space, vec![put(n, 0)]);
    let receipt = server.http.commit(token, space, &commit).await;
    device.wrote(&commit, receipt.head);
}

#[tokio::test]
async fn events_of_a_space_come_and_resume() {
    let (server, mut device, token, space) = TestServer::with_space().await;
    let url = format!("{}/v1/spaces/{space}/events", server.http.url);
    let get = || server.http.client.get(&url).bearer_auth(&token);
    let (mut stream, mut rest) = open(get()).await;
    let event = |size: u64| {
        (
            size.to_string(),
            format!("{{\"space\":\"{space}\",\"size\":{size}}}"),
        )
    };
    assert_eq!(next(&mut stream, &mut rest).await, Some(event(1)));
    for n in 2..5 {
        grow(&server, &mut device, &token, space, n).await;
        assert_eq!(
            next(&mut stream, &mut rest).await,
            Some(event(u64::from(n)))
        );
    }
    drop(stream);
    grow(&server, &mut device, &token, space, 5).await;
    let (mut stream, mut rest) = open(get().header("last-event-id", "4")).await;
    assert_eq!(next(&mut stream, &mut rest).await, Some(event(5)));
    let since = server
        .http
        .client
        .get(format!("{url}?since=3"))
        .bearer_auth(&token);
    let (mut stream, mut rest) = open(since).await;
    assert_eq!(next(&mut stream, &mut rest).await, Some(event(5)));
    problem(
        get().header("last-event-id", "x").send().await.unwrap(),
        400,
    )
    .await;
    let other = format!("/v1/spaces/{}/events", SpaceId([9; 16]));
    problem(server.http.get(&other, &token).await, 404).await;
}

#[tokio::test]
async fn events_of_an_account_cover_new_spaces() {
    let server = TestServer::start().await;
    let mut device = server.world.account(1).await;
    let token = server.http.sign_in(&device).await;
    let url = format!("{}/v1/events", server.http.url);
    let get = || server.http.client.get(&url).bearer_auth(&token);
    let (mut stream, mut rest) = open(get()).await;
    let mut last = String::new();
    for n in 1..4 {
        let space = SpaceId([n; 16]);
        (device.ctr, device.prev) = (0, fst_proto::ids::Hash32::ZERO);
        device.seen = fst_proto::merkle::Head::empty();
        server.http.create_space(&token, &mut device, space).await;
        let (id, data) = next(&mut stream, &mut rest).await.unwrap();
        assert_eq!(data, format!("{{\"space\":\"{space}\",\"size\":1}}"));
        last = id;
    }
    drop(stream);
    grow(&server, &mut device, &token, SpaceId([3; 16]), 1).await;
    let (mut stream, mut rest) = open(get().header("last-event-id", &last)).await;
    let (_, data) = next(&mut stream, &mut rest).await.unwrap();
    assert_eq!(
        data,
        format!("{{\"space\":\"{}\",\"size\":2}}", SpaceId([3; 16]))
    );
    problem(
        get().header("last-event-id", "a:b").send().await.unwrap(),
        400,
    )
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_device_and_with_the_server() {
    let (server, mut device, _, space) = TestServer::with_space().await;
    let entry = device.next_account_entry(Body::DeviceAdd(record(2)));
    let add = AppendAccount {
        entry: entry.clone(),
        slot: None,
    };
    server
        .world
        .service
        .append_account(device.caller(), add)
        .await
        .unwrap();
    device.appended(&entry);
    let second = Device::new(2, device.account, device.account_len, device.account_hash);
    let token = server.http.sign_in(&second).await;
    let url = format!("{}/v1/spaces/{space}/events", server.http.url);
    let (mut stream, mut rest) = open(server.http.client.get(&url).bearer_auth(&token)).await;
    assert!(next(&mut stream, &mut rest).await.is_some());
    // The chain is a topic of the stream: the revocation itself ends it.
    let entry = device.next_account_entry(Body::DeviceRevoke(second.id));
    let revoke = AppendAccount {
        entry: entry.clone(),
        slot: None,
    };
    server
        .world
        .service
        .append_account(device.caller(), revoke)
        .await
        .unwrap();
    device.appended(&entry);
    assert_eq!(next(&mut stream, &mut rest).await, None);

    let token = server.http.sign_in(&device).await;
    let (mut stream, mut rest) = open(server.http.client.get(&url).bearer_auth(&token)).await;
    assert!(next(&mut stream, &mut rest).await.is_some());
    server.stopping.send_replace(true);
    assert_eq!(next(&mut stream, &mut rest).await, None);
}
