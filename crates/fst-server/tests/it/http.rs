//! What HTTP adds: routes, statuses, headers, limits.

use std::time::Duration;

use fst_proto::error::ErrorCode;
use fst_proto::ids::SlotId;
use fst_proto::limits;
use fst_proto::wire::{
    AccountEntries, Changes, Conflict, ObjectIds, Receipt, ServerInfo, SlotReply, Spaces,
};
use reqwest::{Method, StatusCode};

use crate::client::{TestServer, problem, read};
use crate::support::{expires, frame_of, invite, join, new_account, object, object_bytes, put};

#[tokio::test]
async fn a_whole_life_over_http() {
    let server = TestServer::start().await;
    let http = &server.http;
    let info: ServerInfo = read(http.get("/v1/server", "").await).await;
    assert_eq!(info.product, "filesynctool");
    assert_eq!(info.receipt_key, server.world.service.receipt_key());

    let code = server.world.service.create_setup_code().await.unwrap();
    let mut first = http.create_account(1, &code).await;
    let token = http.sign_in(&first).await;
    let (request, key) = invite(&first, 9, expires());
    let answer = http.post("/v1/account/entries", &token, &request).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    first.appended(&request.entry);

    let slot = SlotId([9; 16]);
    let reply: SlotReply = read(http.get(&format!("/v1/slots/{slot}"), "").await).await;
    assert_eq!(reply.chain.len(), 2);
    let request = join(&first, slot, &key, 2);
    let path = format!("/v1/slots/{slot}/join");
    assert_eq!(
        http.post(&path, "", &request).await.status(),
        StatusCode::NO_CONTENT
    );
    first.appended(&request.entry);
    let entries: AccountEntries = read(http.get("/v1/account/entries?since=2", &token).await).await;
    assert_eq!(entries.entries, [request.entry]);

    let space = fst_proto::ids::SpaceId([0x51; 16]);
    http.create_space(&token, &mut first, space).await;
    let spaces: Spaces = read(http.get("/v1/spaces", &token).await).await;
    assert_eq!(spaces.spaces[0].head, first.seen);
    let commit = first.batch(space, vec![put(1, 0)]);
    let receipt = http.commit(&token, space, &commit).await;
    assert_eq!(http.commit(&token, space, &commit).await, receipt);
    let changes = http.changes(&token, space, 1).await;
    assert_eq!(
        (changes.entries.len(), changes.receipt.head),
        (1, receipt.head)
    );
    let head: Receipt = read(
        http.get(&format!("/v1/spaces/{space}/heads/1"), &token)
            .await,
    )
    .await;
    assert_eq!(head.head, first.seen);
}

#[tokio::test]
async fn refusals_are_problem_documents() {
    let (server, device, token, space) = TestServer::with_space().await;
    let http = &server.http;
    let found = problem(http.get("/v1/spaces", "").await, 401).await;
    assert_eq!(found.error_code(), Some(ErrorCode::Unauthorized));
    problem(http.get("/v1/spaces", "nonsense").await, 401).await;
    problem(http.get("/v1/nothing", &token).await, 404).await;
    problem(http.get("/v1/spaces/zz/changes", &token).await, 404).await;
    problem(
        http.get(&format!("/v1/spaces/{space}/changes?since=x"), &token)
            .await,
        400,
    )
    .await;
    problem(
        http.send(Method::DELETE, "/v1/spaces", &token, Vec::new())
            .await,
        405,
    )
    .await;
    problem(
        http.get(&format!("/v1/slots/{}", SlotId([7; 16])), "")
            .await,
        403,
    )
    .await;
    let (_, request) = new_account(5, "WRONG-CODE");
    let found = problem(http.post("/v1/accounts", "", &request).await, 403).await;
    assert_eq!(found.error_code(), Some(ErrorCode::BadSetupCode));

    let mut stale = put(1, 0);
    stale.op.base_rev = 5;
    let commit = device.batch(space, vec![stale]);
    let path = format!("/v1/spaces/{space}/commit");
    let found = problem(http.post(&path, &token, &commit).await, 409).await;
    let nodes = vec![put(1, 0).op.node];
    assert_eq!(found.conflict, Some(Conflict::Revision { nodes }));
}

#[tokio::test]
async fn malformed_bodies_are_400() {
    let (server, _, token, space) = TestServer::with_space().await;
    let path = format!("/v1/spaces/{space}/commit");
    for body in [
        b"\xff\xff".to_vec(),
        vec![0xa0],
        vec![0x9f; 40],
        b"{}".to_vec(),
    ] {
        let found = problem(
            server.http.send(Method::POST, &path, &token, body).await,
            400,
        )
        .await;
        assert_eq!(found.error_code(), Some(ErrorCode::Malformed));
    }
    let request = server
        .http
        .client
        .post(format!("{}{path}", server.http.url));
    let request = request
        .bearer_auth(&token)
        .header("content-type", "text/plain")
        .body("a");
    problem(request.send().await.unwrap(), 400).await;
    let frame = vec![1; 20];
    let path = format!("/v1/spaces/{space}/objects");
    problem(
        server.http.send(Method::POST, &path, &token, frame).await,
        400,
    )
    .await;
}

#[tokio::test]
async fn oversized_bodies_are_413() {
    let (server, _, token, space) = TestServer::with_space().await;
    // Announced: refused before a byte of it is sent.
    let answer = server
        .raw(
            format!(
                "POST /v1/spaces/{space}/objects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
                 {token}\r\nContent-Length: {}\r\n\r\n",
                limits::REQUEST_BYTES_MAX + 1
            )
            .into_bytes(),
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    // Not announced: refused where the limit is crossed.
    let mut request = format!(
        "POST /v1/spaces/{space}/objects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
         {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..=24 {
        request.extend_from_slice(b"100000\r\n");
        request.resize(request.len() + (1 << 20), 7);
        request.extend_from_slice(b"\r\n");
    }
    let answer = server.raw(request).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413"),
        "{answer}"
    );
    assert_eq!(server.world.service.totals().await.unwrap().entries, 1);
}

#[tokio::test]
async fn plain_paths_are_refused_on_their_headers() {
    let server = TestServer::start().await;
    for (method, path) in [
        ("POST", "/api/v1/files"),
        ("PUT", "/api/v1/files/Documents/a.txt"),
        ("GET", "/api/v1/files/Documents/a.txt"),
        ("DELETE", "/api/v1/files/x"),
        ("GET", "/api/v1/changes?since=1"),
    ] {
        // The body is announced and never sent: an answer comes all the same.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: 99\r\n\r\n"
        );
        let answer = server.raw(request.into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
        let lower = answer.to_lowercase();
        assert!(lower.contains("connection: close"), "{answer}");
        assert!(answer.contains("FST-5006"), "{answer}");
        assert!(answer.contains("e2e_space_requires_client"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_key_on_the_wire_is_401_everywhere() {
    let server = TestServer::start().await;
    for path in ["/v1/spaces", "/api/v1/files/a", "/v1/server", "/healthz"] {
        for value in ["Bearer fst_ck_abc", "fst_ck_abc", "Basic fst_ck_abc"] {
            let request = server.http.client.get(format!("{}{path}", server.http.url));
            let request = request.header("authorization", value);
            let found = problem(request.send().await.unwrap(), 401).await;
            assert!(found.detail.contains("client_key_on_wire"));
            assert!(!found.detail.contains("abc"));
        }
    }
}

#[tokio::test]
async fn objects_over_http_with_ranges() {
    let (server, _, token, space) = TestServer::with_space().await;
    let http = &server.http;
    let base = format!("/v1/spaces/{space}/objects");
    let frame = frame_of(&[(1, 1000), (2, 50)]);
    let new: ObjectIds = read(http.send(Method::POST, &base, &token, frame.clone()).await).await;
    assert_eq!(new.ids, [object(1), object(2)]);
    let again: ObjectIds = read(http.send(Method::POST, &base, &token, frame.clone()).await).await;
    assert!(again.ids.is_empty());

    let asked = ObjectIds {
        ids: vec![object(1), object(2), object(3)],
    };
    let missing: ObjectIds =
        read(http.post(&format!("{base}/missing"), &token, &asked).await).await;
    assert_eq!(missing.ids, [object(3)]);
    let answer = http.post(&format!("{base}/get"), &token, &asked).await;
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.bytes().await.unwrap(), frame);

    let one = format!("{base}/{}", object(1));
    let bytes = object_bytes(1, 1000);
    let answer = http.get(&one, &token).await;
    assert_eq!(
        (answer.status(), &answer.headers()["accept-ranges"]),
        (StatusCode::OK, &"bytes".parse().unwrap())
    );
    assert_eq!(answer.bytes().await.unwrap(), bytes);
    let head = http.send(Method::HEAD, &one, &token, Vec::new()).await;
    assert_eq!(
        (head.status(), &head.headers()["content-length"]),
        (StatusCode::OK, &1000.into())
    );

    let ranged = async |range: &str| {
        let request = http
            .client
            .get(format!("{}{one}", http.url))
            .bearer_auth(&token);
        request.header("range", range).send().await.unwrap()
    };
    for (range, expected) in [
        ("bytes=0-9", 0..10),
        ("bytes=990-", 990..1000),
        ("bytes=-5", 995..1000),
    ] {
        let answer = ranged(range).await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        let covered = format!("bytes {}-{}/1000", expected.start, expected.end - 1);
        assert_eq!(answer.headers()["content-range"], covered.as_str());
        assert_eq!(answer.bytes().await.unwrap(), bytes[expected]);
    }
    for range in ["bytes=0-1,5-6", "lines=0-1", "bytes=9-2", "bytes=x-"] {
        assert_eq!(ranged(range).await.status(), StatusCode::OK, "{range}");
    }
    let answer = ranged("bytes=1000-").await;
    assert_eq!(answer.headers()["content-range"], "bytes */1000");
    problem(answer, 416).await;
    problem(
        http.get(&format!("{base}/{}", object(9)), &token).await,
        404,
    )
    .await;
}

#[tokio::test]
async fn a_long_poll_wakes_and_a_stop_ends_it() {
    let (server, mut device, token, space) = TestServer::with_space().await;
    let path = format!(
        "{}/v1/spaces/{space}/changes?since=1&wait=50",
        server.http.url
    );
    let poll = |token: &str| {
        let request = server.http.client.get(&path).bearer_auth(token);
        tokio::spawn(async move { read::<Changes>(request.send().await.unwrap()).await })
    };
    let waiting = poll(&token);
    let commit = device.batch(space, vec![put(1, 0)]);
    let receipt = server.http.commit(&token, space, &commit).await;
    let woken = waiting.await.unwrap();
    assert_eq!((woken.entries.len(), woken.receipt), (1, receipt.clone()));
    device.wrote(&commit, receipt.head);

    let path = path.replace("since=1", "since=2");
    let request = server.http.client.get(&path).bearer_auth(&token);
    let waiting = tokio::spawn(async move { read::<Changes>(request.send().await.unwrap()).await });
    server.stopping.send_replace(true);
    // Well before its own 50 seconds are over.
    let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(ended.unwrap().unwrap().entries.is_empty());
    let answer = server.http.get("/readyz", "").await;
    assert!(answer.headers().contains_key("retry-after"));
    problem(answer, 503).await;
}

#[tokio::test]
async fn too_many_requests_say_when_to_come_back() {
    let server = TestServer::start().await;
    let (_, request) = new_account(5, "WRONG-CODE");
    loop {
        let answer = server.http.post("/v1/accounts", "", &request).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            // The first wait after wrong codes.
            assert_eq!(answer.headers()["retry-after"], "1");
            problem(answer, 429).await;
            return;
        }
        problem(answer, 403).await;
    }
}
