//! Who is served: accounts and devices that the administrator bars, and other people's ids.

use fst_proto::account::Body;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{DeviceId, SlotId, SpaceId};
use fst_proto::wire::{self, ChallengeRequest, ObjectIds};
use fst_server::openapi::ROUTES;
use fst_server::refusal::Refusal;
use fst_store::meta::Subject;
use reqwest::{Method, Response};

use crate::binary::{SPACE, code_file, run};
use crate::client::{Http, Process, TestServer, answer, problem};
use crate::support::{
    Device, World, assert_refused, expires, frame_of, invite, join, object, put, record,
};

/// Routes of a signed-in device with a method each, naming this space.
pub(crate) fn routes(space: SpaceId) -> Vec<(Method, String)> {
    let kept = ROUTES.iter().filter(|route| !route.is_open);
    let described = kept.map(|route| (route.method, route.path));
    let waiting = ("GET", "/v1/spaces/{space}/changes?since=1&wait=1");
    let named = described.chain([waiting]).map(|(method, path)| {
        let path = path.replace("{space}", &space.to_hex());
        let path = path.replace("{id}", &object(1).to_hex());
        let path = path.replace("{size}", "1");
        (method.parse().unwrap(), path)
    });
    named.collect()
}

/// A body that the route takes, from this device for this space.
fn body(device: &Device, space: SpaceId, path: &str) -> Vec<u8> {
    let ids = || {
        wire::to_cbor(&ObjectIds {
            ids: vec![object(1)],
        })
    };
    match path.rsplit_once('/').unwrap().1 {
        "commit" => wire::to_cbor(&device.batch(space, vec![put(9, 0)])),
        "objects" => frame_of(&[(1, 10)]),
        "missing" | "get" => ids(),
        "notes" => vec![7; 20],
        "spaces" => wire::to_cbor(&device.genesis(SpaceId([0x77; 16]))),
        "entries" => wire::to_cbor(&invite(device, 9, expires()).0),
        _ => Vec::new(),
    }
}

async fn ask(
    http: &Http,
    (method, path): &(Method, String),
    token: &str,
    device: &Device,
    space: SpaceId,
) -> Response {
    let body = match *method {
        Method::POST => body(device, space, path),
        _ => Vec::new(),
    };
    http.send(method.clone(), path, token, body).await
}

/// Adds device `n` to the account.
async fn second_of(world: &World, device: &mut Device, n: u8) -> Device {
    let entry = device.next_account_entry(Body::DeviceAdd(record(n)));
    world.append(device, entry, None).await;
    Device::new(n, device.account, device.account_len, device.account_hash)
}

#[tokio::test]
async fn a_disabled_account_is_refused_on_every_route_and_served_again() {
    let (server, device, token, space) = TestServer::with_space().await;
    let subject = Subject::Account(device.account);
    server.world.service.bar(subject).await.unwrap();
    for route in routes(space) {
        let refused = ask(&server.http, &route, &token, &device, space).await;
        if route.0 == Method::HEAD {
            assert_eq!(refused.status(), 403, "{route:?}");
            continue;
        }
        let refused = problem(refused, 403).await;
        assert_eq!(
            refused.error_code(),
            Some(ErrorCode::AccountDisabled),
            "{route:?}"
        );
    }
    server.world.service.unbar(subject).await.unwrap();
    for route in routes(space) {
        let served = ask(&server.http, &route, &token, &device, space).await;
        assert_ne!(served.status(), 403, "{route:?}");
    }
    let changes = server.http.changes(&token, space, 0).await;
    assert!(!changes.entries.is_empty(), "nothing was deleted");
}

#[tokio::test]
async fn a_disabled_account_neither_signs_in_nor_takes_devices() {
    let world = World::new();
    let mut device = world.account(1).await;
    let other = world.account(2).await;
    let (request, key) = invite(&device, 7, expires());
    world.append(&mut device, request.entry, request.slot).await;
    let slot = SlotId([7; 16]);
    let joining = join(&device, slot, &key, 3);
    let subject = Subject::Account(device.account);
    world.service.bar(subject).await.unwrap();
    assert_refused!(world.service.get_slot(slot).await, Refusal::Disabled);
    assert_refused!(
        world.service.join(slot, joining.clone()).await,
        Refusal::Disabled
    );
    let sign_in = async |device: &Device| {
        let challenge = ChallengeRequest { device: device.id };
        let nonce = world.service.challenge(challenge).await.unwrap().nonce;
        let request = answer(device, &world.service.receipt_key(), nonce);
        world.service.token(request).await
    };
    assert_refused!(sign_in(&device).await, Refusal::Disabled);
    sign_in(&other).await.unwrap();
    world.service.unbar(subject).await.unwrap();
    sign_in(&device).await.unwrap();
    world.service.join(slot, joining).await.unwrap();
}

#[tokio::test]
async fn a_barred_device_is_refused_and_its_account_served() {
    let world = World::new();
    let mut first = world.account(1).await;
    let second = second_of(&world, &mut first, 2).await;
    world.service.bar(Subject::Device(second.id)).await.unwrap();
    let check = async |device: &Device| world.service.check_device(device.caller()).await;
    assert_refused!(check(&second).await, Refusal::Barred);
    check(&first).await.unwrap();
    let rows = world.service.device_rows(None).await.unwrap();
    let barred: Vec<_> = rows
        .iter()
        .map(|row| (row.device, row.barred.is_some()))
        .collect();
    assert_eq!(barred, [(first.id, false), (second.id, true)]);
    world
        .service
        .unbar(Subject::Device(second.id))
        .await
        .unwrap();
    check(&second).await.unwrap();
    let nobody = Subject::Device(DeviceId([9; 16]));
    assert_refused!(world.service.bar(nobody).await, Refusal::NotFound(_));
}

#[tokio::test]
async fn an_open_stream_tells_a_barred_device_nothing_more() {
    let (server, mut first, token, space) = TestServer::with_space().await;
    let second = second_of(&server.world, &mut first, 2).await;
    let seconds = server.http.sign_in(&second).await;
    let url = format!("{}/v1/spaces/{space}/events?since=1", server.http.url);
    let get = server.http.client.get(url).bearer_auth(&seconds);
    let mut stream = get.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let poll = format!("/v1/spaces/{space}/changes?since=1&wait=30");
    let poll = server.http.get(&poll, &seconds);
    let bar = async {
        // Both wait, or will be refused at their first look: neither may learn of the commit.
        let subject = Subject::Device(second.id);
        server.world.service.bar(subject).await.unwrap();
        let commit = first.batch(space, vec![put(1, 0)]);
        server.http.commit(&token, space, &commit).await;
    };
    let (polled, ()) = tokio::join!(poll, bar);
    problem(polled, 403).await;
    let mut told = String::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        told.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(!told.contains("data:"), "{told}");
}

/// What two answers must share: a stranger's space and no space at all are told apart by nothing.
async fn seen(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    (status, answer.text().await.unwrap())
}

#[tokio::test]
async fn another_tenants_ids_answer_like_ids_of_nobody() {
    let (server, _, _, space) = TestServer::with_space().await;
    let stranger = server.world.account(2).await;
    let token = server.http.sign_in(&stranger).await;
    let nobodys = SpaceId([0xee; 16]);
    let of_spaces = |space| {
        let routes = routes(space).into_iter();
        routes.filter(move |(_, path)| path.contains(&space.to_hex()))
    };
    let mut n = 0;
    for (theirs, nones) in of_spaces(space).zip(of_spaces(nobodys)) {
        let theirs_seen = seen(ask(&server.http, &theirs, &token, &stranger, space).await).await;
        let nones_seen = seen(ask(&server.http, &nones, &token, &stranger, nobodys).await).await;
        assert_eq!(theirs_seen, nones_seen, "{theirs:?}");
        assert_eq!(theirs_seen.0, 404, "{theirs:?}");
        n += 1;
    }
    assert_eq!(n, 11, "every route that names a space");
}

#[tokio::test]
async fn commands_bar_and_admit_beside_a_running_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Process::start(&data);
    let http = server.http();
    let (device, token) = http.settle(1, &code_file(&data), SPACE).await;
    let (account, id) = (device.account.to_hex(), device.id.to_hex());
    let done = |args: &[&str]| {
        let (code, out, err) = run(&data, args);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        out
    };
    let code = async || {
        let answer = http.get("/v1/spaces", &token).await;
        match answer.status().as_u16() {
            200 => None,
            status => problem(answer, status).await.error_code(),
        }
    };
    assert_eq!(
        done(&["user", "list"]),
        format!("{account}  devices 1  spaces 1  open\n")
    );
    assert_eq!(code().await, None);
    done(&["user", "disable", &account]);
    assert_eq!(code().await, Some(ErrorCode::AccountDisabled));
    assert!(done(&["user", "list"]).contains("disabled since 20"));
    done(&["user", "enable", &account]);
    assert_eq!(code().await, None);
    done(&["device", "revoke", &id]);
    assert_eq!(code().await, Some(ErrorCode::DeviceBarred));
    let listed = done(&["device", "list", "--account", &account]);
    assert!(
        listed.starts_with(&format!("{id}  account {account}  refused since 20")),
        "{listed}"
    );
    done(&["device", "admit", &id]);
    assert_eq!(code().await, None);

    let (code, _, err) = run(&data, &["user", "disable", &"0".repeat(32)]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("FST-1201"), "{err}");
    assert_eq!(run(&data, &["user", "disable", "alice"]).0, Some(2));
    assert!(done(&["gc", "--dry-run"]).starts_with("to delete: objects 0  bytes 0"));
    assert_eq!(done(&["gc"]), "deleted: objects 0  bytes 0  blobs 0\n");
}
