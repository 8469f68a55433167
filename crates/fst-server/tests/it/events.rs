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

/// One more device of the account.
async fn second_of(server: &TestServer, device: &mut Device) -> Device {
    let entry = device.next_account_entry(Body::DeviceAdd(record(2)));
    let add = AppendAccount {
        entry: entry.clone(),
        slot: None,
    };
    let service = &server.world.service;
    service.append_account(device.caller(), add).await.unwrap();
    device.appended(&entry);
    Device::new(2, device.account, device.account_len, device.account_hash)
}

#[tokio::test]
async fn notes_reach_the_other_devices_of_the_space_alone() {
    let (server, mut device, token, space) = TestServer::with_space().await;
    let second = second_of(&server, &mut device).await;
    let stranger = server.world.account(7).await;
    let tell = async |path: &str, token: &str, bytes: Vec<u8>| {
        let url = format!("{}{path}", server.http.url);
        let post = server.http.client.post(url).bearer_auth(token).body(bytes);
        post.send().await.unwrap()
    };
    let listen = async |device: &Device| {
        let token = server.http.sign_in(device).await;
        let url = format!("{}/v1/events", server.http.url);
        open(server.http.client.get(url).bearer_auth(token)).await
    };
    let (mut one, mut rest_one) = listen(&device).await;
    let (mut other, mut rest_other) = listen(&second).await;
    let (mut strange, mut rest_strange) = listen(&stranger).await;
    let size = format!("{{\"space\":\"{space}\",\"size\":1}}");
    assert_eq!(next(&mut one, &mut rest_one).await.unwrap().1, size);
    assert_eq!(next(&mut other, &mut rest_other).await.unwrap().1, size);

    let path = format!("/v1/spaces/{space}/notes");
    assert_eq!(tell(&path, &token, vec![0xab, 0xcd]).await.status(), 204);
    let note = format!(
        "{{\"space\":\"{space}\",\"from\":\"{}\",\"note\":\"abcd\"}}",
        device.id
    );
    let (id, data) = next(&mut other, &mut rest_other).await.unwrap();
    assert_eq!(
        (id.as_str(), data),
        ("", note),
        "a note does not move the cursor"
    );
    grow(&server, &mut device, &token, space, 2).await;
    let grown = format!("{{\"space\":\"{space}\",\"size\":2}}");
    assert_eq!(
        next(&mut one, &mut rest_one).await.unwrap().1,
        grown,
        "nobody hears himself"
    );
    assert_eq!(next(&mut other, &mut rest_other).await.unwrap().1, grown);

    let foreign = SpaceId([77; 16]);
    let mut stranger = stranger;
    let strange_token = server.http.sign_in(&stranger).await;
    let made = &mut stranger;
    server
        .http
        .create_space(&strange_token, made, foreign)
        .await;
    let own = format!("{{\"space\":\"{foreign}\",\"size\":1}}");
    assert_eq!(
        next(&mut strange, &mut rest_strange).await.unwrap().1,
        own,
        "other accounts hear nothing"
    );
    problem(tell(&path, &strange_token, vec![1]).await, 404).await;
    let long = vec![0; fst_proto::limits::NOTE_BYTES_MAX + 1];
    problem(tell(&path, &token, long).await, 413).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_device_and_with_the_server() {
    let (server, mut device, _, space) = TestServer::with_space().await;
    let second = second_of(&server, &mut device).await;
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
