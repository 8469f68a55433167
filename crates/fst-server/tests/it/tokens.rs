//! Signing in.

use aws_lc_rs::hmac;
use fst_proto::account::Body;
use fst_proto::ids::{DeviceId, VerifyKey};
use fst_proto::limits;
use fst_proto::wire::{self, AppendAccount, ChallengeRequest, TokenRequest};
use fst_server::refusal::Refusal;

use crate::support::{Device, World, assert_refused, pair, record, sign};

async fn request(world: &World, device: &Device) -> TokenRequest {
    let challenge = ChallengeRequest { device: device.id };
    let nonce = world.service.challenge(challenge).await.unwrap().nonce;
    let message = wire::login_message(device.id, &world.service.receipt_key(), &nonce);
    TokenRequest {
        device: device.id,
        nonce,
        sig: sign(&device.pair, &message),
    }
}

async fn token(world: &World, device: &Device) -> String {
    world
        .service
        .token(request(world, device).await)
        .await
        .unwrap()
        .token
}

#[tokio::test]
async fn a_device_signs_in_and_is_known() {
    let world = World::new();
    let device = world.account(1).await;
    let token = token(&world, &device).await;
    assert_eq!(
        world.service.verify_token(&token).await.unwrap(),
        device.caller()
    );
}

#[tokio::test]
async fn a_challenge_works_once_in_time_and_for_its_device() {
    let world = World::new();
    let device = world.account(1).await;
    let other = world.account(2).await;
    let used = request(&world, &device).await;
    world.service.token(used.clone()).await.unwrap();
    assert_refused!(world.service.token(used).await, Refusal::Unauthorized(_));

    let late = request(&world, &device).await;
    world.clock.advance(limits::CHALLENGE_MS);
    assert_refused!(world.service.token(late).await, Refusal::Unauthorized(_));

    let mut stolen = request(&world, &device).await;
    let message = wire::login_message(other.id, &world.service.receipt_key(), &stolen.nonce);
    stolen = TokenRequest {
        device: other.id,
        sig: sign(&other.pair, &message),
        ..stolen
    };
    assert_refused!(world.service.token(stolen).await, Refusal::Unauthorized(_));
}

#[tokio::test]
async fn a_signature_must_be_the_devices_and_for_this_server() {
    let world = World::new();
    let device = world.account(1).await;
    let mut forged = request(&world, &device).await;
    forged.sig = sign(&pair(9), b"whatever");
    assert_refused!(world.service.token(forged).await, Refusal::Unauthorized(_));
    let mut relayed = request(&world, &device).await;
    let message = wire::login_message(device.id, &VerifyKey([1; 32]), &relayed.nonce);
    relayed.sig = sign(&device.pair, &message);
    assert_refused!(world.service.token(relayed).await, Refusal::Unauthorized(_));
}

#[tokio::test]
async fn unknown_devices_get_a_nonce_that_does_not_work() {
    let world = World::new();
    let ghost = Device::new(
        77,
        world.account(1).await.account,
        1,
        fst_proto::ids::Hash32::ZERO,
    );
    let request = request(&world, &ghost).await;
    assert_eq!(request.nonce.len(), 32);
    assert_refused!(world.service.token(request).await, Refusal::Unauthorized(_));
}

#[tokio::test]
async fn sign_ins_of_a_device_are_slowed_down() {
    let world = World::new();
    let device = world.account(1).await;
    for _ in 0..60 {
        token(&world, &device).await;
    }
    let challenge = || {
        world
            .service
            .challenge(ChallengeRequest { device: device.id })
    };
    assert_refused!(challenge().await, Refusal::RateLimited { .. });
    world.clock.advance(1000);
    challenge().await.unwrap();
}

#[tokio::test]
async fn a_token_ends() {
    let world = World::new();
    let device = world.account(1).await;
    let token = token(&world, &device).await;
    world.clock.advance((limits::TOKEN_SECONDS - 1) * 1000);
    world.service.verify_token(&token).await.unwrap();
    world.clock.advance(1000);
    assert_refused!(
        world.service.verify_token(&token).await,
        Refusal::Unauthorized(_)
    );
}

#[tokio::test]
async fn a_token_of_a_revoked_device_is_refused() {
    let world = World::new();
    let mut first = world.account(1).await;
    let entry = first.next_account_entry(Body::DeviceAdd(record(2)));
    let add = AppendAccount {
        entry: entry.clone(),
        slot: None,
    };
    world
        .service
        .append_account(first.caller(), add)
        .await
        .unwrap();
    first.appended(&entry);
    let second = Device::new(2, first.account, first.account_len, first.account_hash);
    let token = token(&world, &second).await;
    world.service.verify_token(&token).await.unwrap();
    let pending = request(&world, &second).await;

    let entry = first.next_account_entry(Body::DeviceRevoke(second.id));
    let revoke = AppendAccount { entry, slot: None };
    world
        .service
        .append_account(first.caller(), revoke)
        .await
        .unwrap();
    assert_refused!(
        world.service.verify_token(&token).await,
        Refusal::Unauthorized(_)
    );
    assert_refused!(world.service.token(pending).await, Refusal::Unauthorized(_));
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = World::new();
    let device = world.account(1).await;
    let good = token(&world, &device).await;
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |json: &str| base64url(json.as_bytes());
    let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
    let hs512 = encode(r#"{"alg":"HS512","typ":"JWT"}"#);
    let other = encode(&claims(&device, DeviceId([9; 16]), u64::MAX / 2));
    let own = encode(&claims(&device, device.id, u64::MAX / 2));
    let guessed = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let guessed_sig =
        base64url(hmac::sign(&guessed, format!("{}.{own}", parts[0]).as_bytes()).as_ref());
    let forged = [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{hs512}.{}.{}", parts[1], parts[2]),
        format!("{}.{other}.{}", parts[0], parts[2]),
        format!("{}.{own}.{guessed_sig}", parts[0]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        String::new(),
        "fst_at_whatever".to_owned(),
    ];
    for token in forged {
        assert_refused!(
            world.service.verify_token(&token).await,
            Refusal::Unauthorized(_)
        );
    }
    world.service.verify_token(&good).await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_server_is_refused() {
    // The same account on both servers: only their secrets differ.
    let (world, elsewhere) = (World::new(), World::seeded(1));
    let (device, there) = (world.account(1).await, elsewhere.account(1).await);
    let token = token(&world, &device).await;
    elsewhere
        .service
        .check_device(there.caller())
        .await
        .unwrap();
    assert_refused!(
        elsewhere.service.verify_token(&token).await,
        Refusal::Unauthorized(_)
    );
    world.service.verify_token(&token).await.unwrap();
}

#[tokio::test]
async fn a_client_key_is_never_accepted() {
    let world = World::new();
    let key = "fst_ck_abcdef";
    assert_refused!(
        world.service.verify_token(key).await,
        Refusal::ClientKeyOnWire
    );
}

fn claims(device: &Device, sub: DeviceId, exp: u64) -> String {
    format!(
        r#"{{"sub":"{sub}","acc":"{}","iat":0,"exp":{exp},"jti":"00"}}"#,
        device.account
    )
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=part.len()].copy_from_slice(part);
        let word = u32::from_be_bytes(word);
        for n in 0..=part.len() {
            let index = (word >> (18 - 6 * n)) & 63;
            out.push(char::from(LETTERS[index as usize]));
        }
    }
    out
}
