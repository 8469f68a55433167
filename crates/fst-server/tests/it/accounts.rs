//! Accounts, slots and chains.

use fst_proto::account::{Body, Chain, Signer};
use fst_proto::ids::{DeviceId, SlotId, SpaceId};
use fst_proto::limits;
use fst_proto::wire::{AppendAccount, Conflict, Join, SealedSlot};
use fst_server::refusal::Refusal;
use fst_store::meta::Outcome;

use crate::support::{
    Device, World, account_entry, assert_refused, conflict, expires, invite, join, new_account,
    put, record, recovery_pair,
};

#[tokio::test]
async fn an_account_is_created_by_a_code_once() {
    let world = World::new();
    let code = world.service.create_setup_code().await.unwrap();
    assert!(world.service.is_setup_code_open(&code).await.unwrap());
    let (_, request) = new_account(1, &code);
    assert_eq!(
        world.service.create_account(request.clone()).await.unwrap(),
        Outcome::New
    );
    assert_eq!(
        world.service.create_account(request).await.unwrap(),
        Outcome::Repeated
    );
    let (_, second) = new_account(2, &code);
    assert_refused!(
        world.service.create_account(second).await,
        Refusal::SetupCode
    );
}

#[tokio::test]
async fn a_code_is_read_as_people_type_it() {
    let world = World::new();
    let code = world.service.create_setup_code().await.unwrap();
    assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'));
    let typed = format!(" {} ", code.to_lowercase().replace('-', ""));
    let (_, request) = new_account(1, &typed);
    assert_eq!(
        world.service.create_account(request).await.unwrap(),
        Outcome::New
    );
}

#[tokio::test]
async fn a_code_ends_and_a_new_one_replaces_it() {
    let world = World::new();
    let first = world.service.create_setup_code().await.unwrap();
    let second = world.service.create_setup_code().await.unwrap();
    let (_, request) = new_account(1, &first);
    assert_refused!(
        world.service.create_account(request).await,
        Refusal::SetupCode
    );
    world.clock.advance(limits::SETUP_CODE_MS);
    let (_, request) = new_account(1, &second);
    assert_refused!(
        world.service.create_account(request).await,
        Refusal::SetupCode
    );
}

#[tokio::test]
async fn codes_cannot_be_guessed_fast() {
    let world = World::new();
    let mut refused = 0;
    for _ in 0..100 {
        let (_, request) = new_account(1, "AAAA-AAAA");
        match world.service.create_account(request).await {
            Err(Refusal::RateLimited { retry_ms }) if retry_ms > 0 => refused += 1,
            Err(Refusal::SetupCode) => {},
            other => panic!("{other:?}"),
        }
    }
    assert!(refused >= 80, "{refused} of 100 guesses were slowed down");
}

#[tokio::test]
async fn a_genesis_must_certify_itself() {
    let world = World::new();
    let code = world.service.create_setup_code().await.unwrap();
    let (_, mut forged) = new_account(1, &code);
    forged.genesis.sig.0[5] ^= 1;
    assert_refused!(
        world.service.create_account(forged).await,
        Refusal::Malformed(_)
    );
    let (_, mut cut) = new_account(1, &code);
    cut.genesis.header.pop();
    assert_refused!(
        world.service.create_account(cut).await,
        Refusal::Malformed(_)
    );
    let (_, mut large) = new_account(1, &code);
    large.recovery.sealed = vec![0; limits::SLOT_BYTES_MAX + 1];
    assert_refused!(
        world.service.create_account(large).await,
        Refusal::TooLarge { .. }
    );
    assert!(world.service.is_setup_code_open(&code).await.unwrap());
}

#[tokio::test]
async fn a_device_joins_by_an_invitation() {
    let world = World::new();
    let mut first = world.account(1).await;
    let (request, key) = invite(&first, 9, expires());
    let slot = SlotId([9; 16]);
    let caller = first.caller();
    world
        .service
        .append_account(caller, request.clone())
        .await
        .unwrap();
    let again = world
        .service
        .append_account(caller, request.clone())
        .await
        .unwrap();
    assert_eq!(again, Outcome::Repeated);
    first.appended(&request.entry);

    let reply = world.service.get_slot(slot).await.unwrap();
    assert_eq!((reply.account, reply.sealed), (first.account, vec![9; 200]));
    let chain = Chain::replay(&reply.chain).unwrap();
    assert_eq!((chain.len, chain.head()), (2, first.account_hash));

    let request = join(&first, slot, &key, 2);
    assert_eq!(
        world.service.join(slot, request.clone()).await.unwrap(),
        Outcome::New
    );
    assert_eq!(
        world.service.join(slot, request.clone()).await.unwrap(),
        Outcome::Repeated
    );
    first.appended(&request.entry);
    let entries = world
        .service
        .account_entries(caller, 1)
        .await
        .unwrap()
        .entries;
    assert_eq!((entries.len(), &entries[1]), (2, &request.entry));

    // Used: neither read nor used again.
    assert_refused!(world.service.get_slot(slot).await, Refusal::Slot);
    let second = join(&first, slot, &key, 3);
    assert_refused!(world.service.join(slot, second).await, Refusal::Slot);
}

#[tokio::test]
async fn an_invitation_ends() {
    let world = World::new();
    let mut first = world.account(1).await;
    let slot = SlotId([9; 16]);
    // It asks for a century; it gets three days.
    let (request, key) = invite(&first, 9, u64::MAX);
    world
        .service
        .append_account(first.caller(), request.clone())
        .await
        .unwrap();
    first.appended(&request.entry);
    world.clock.advance(limits::INVITE_MS - 1);
    world.service.get_slot(slot).await.unwrap();
    world.clock.advance(1);
    assert_refused!(world.service.get_slot(slot).await, Refusal::Slot);
    assert_refused!(
        world.service.join(slot, join(&first, slot, &key, 2)).await,
        Refusal::Slot
    );
    assert_refused!(world.service.get_slot(SlotId([8; 16])).await, Refusal::Slot);
}

#[tokio::test]
async fn a_join_must_fit_its_slot() {
    let world = World::new();
    let mut first = world.account(1).await;
    let (request, key) = invite(&first, 9, expires());
    world
        .service
        .append_account(first.caller(), request.clone())
        .await
        .unwrap();
    first.appended(&request.entry);
    let slot = SlotId([9; 16]);
    let recovery = SlotId([1; 16]);
    let good = join(&first, slot, &key, 2);
    assert_refused!(
        world.service.join(recovery, good.clone()).await,
        Refusal::Malformed(_)
    );
    let forged = join(&first, slot, &recovery_pair(3), 2);
    assert_refused!(
        world.service.join(slot, forged).await,
        Refusal::Malformed(_)
    );
    let header = first.account_header(Signer::Invite(slot), Body::DeviceRevoke(DeviceId([1; 16])));
    let revoke = Join {
        entry: account_entry(&header, &key),
    };
    assert_refused!(
        world.service.join(slot, revoke).await,
        Refusal::Malformed(_)
    );
    let taken = join(&first, slot, &key, 1);
    assert_refused!(world.service.join(slot, taken).await, Refusal::Malformed(_));
    // None of it used the invitation up.
    world.service.join(slot, good).await.unwrap();
}

#[tokio::test]
async fn of_two_joins_at_one_length_the_second_signs_anew() {
    let world = World::new();
    let mut first = world.account(1).await;
    let mut keys = Vec::new();
    for n in [8, 9] {
        let (request, key) = invite(&first, n, expires());
        world
            .service
            .append_account(first.caller(), request.clone())
            .await
            .unwrap();
        first.appended(&request.entry);
        keys.push((SlotId([n; 16]), key));
    }
    let one = join(&first, keys[0].0, &keys[0].1, 2);
    let two = join(&first, keys[1].0, &keys[1].1, 3);
    world.service.join(keys[0].0, one.clone()).await.unwrap();
    assert_eq!(
        conflict(world.service.join(keys[1].0, two).await),
        Conflict::Exists
    );
    first.appended(&one.entry);
    let anew = join(&first, keys[1].0, &keys[1].1, 3);
    world.service.join(keys[1].0, anew).await.unwrap();
}

#[tokio::test]
async fn the_24_words_let_devices_in_again_and_again() {
    let world = World::new();
    let mut first = world.account(1).await;
    let slot = SlotId([1; 16]);
    for n in [5, 6] {
        let reply = world.service.get_slot(slot).await.unwrap();
        assert_eq!(reply.sealed, vec![1; 100]);
        let header = first.account_header(Signer::Recovery, Body::DeviceAdd(record(n)));
        let entry = account_entry(&header, &recovery_pair(1));
        world
            .service
            .join(
                slot,
                Join {
                    entry: entry.clone(),
                },
            )
            .await
            .unwrap();
        first.appended(&entry);
    }
}

#[tokio::test]
async fn a_chain_grows_by_its_own_devices_only() {
    let world = World::new();
    let mut first = world.account(1).await;
    let stranger = world.account(2).await;
    let caller = first.caller();
    let add = |entry| AppendAccount { entry, slot: None };

    let entry = first.next_account_entry(Body::DeviceAdd(record(7)));
    let foreign = world
        .service
        .append_account(stranger.caller(), add(entry.clone()))
        .await;
    assert_refused!(foreign, Refusal::Malformed(_));
    let mut forged = entry.clone();
    forged.sig.0[0] ^= 1;
    assert_refused!(
        world.service.append_account(caller, add(forged)).await,
        Refusal::Malformed(_)
    );
    world
        .service
        .append_account(caller, add(entry.clone()))
        .await
        .unwrap();

    // Signed for a position that is taken now.
    let stale = first.next_account_entry(Body::DeviceAdd(record(8)));
    let stale = world.service.append_account(caller, add(stale)).await;
    assert_eq!(conflict(stale), Conflict::Exists);
    first.appended(&entry);

    // A device of another account cannot be claimed.
    let theft = first.next_account_entry(Body::DeviceAdd(record(2)));
    let theft = world.service.append_account(caller, add(theft)).await;
    assert_eq!(conflict(theft), Conflict::Exists);
}

#[tokio::test]
async fn an_invitation_comes_with_its_own_bundle() {
    let world = World::new();
    let first = world.account(1).await;
    let caller = first.caller();
    let (mut bare, _) = invite(&first, 9, expires());
    bare.slot = None;
    assert_refused!(
        world.service.append_account(caller, bare).await,
        Refusal::Malformed(_)
    );
    let (mut other, _) = invite(&first, 9, expires());
    other.slot = Some(SealedSlot {
        slot: SlotId([8; 16]),
        sealed: Vec::new(),
    });
    assert_refused!(
        world.service.append_account(caller, other).await,
        Refusal::Malformed(_)
    );
    let (mut large, _) = invite(&first, 9, expires());
    large.slot = Some(SealedSlot {
        slot: SlotId([9; 16]),
        sealed: vec![0; limits::SLOT_BYTES_MAX + 1],
    });
    assert_refused!(
        world.service.append_account(caller, large).await,
        Refusal::TooLarge { .. }
    );
    let extra = AppendAccount {
        entry: first.next_account_entry(Body::DeviceAdd(record(7))),
        slot: Some(SealedSlot {
            slot: SlotId([9; 16]),
            sealed: Vec::new(),
        }),
    };
    assert_refused!(
        world.service.append_account(caller, extra).await,
        Refusal::Malformed(_)
    );
}

#[tokio::test]
async fn a_revoked_device_is_out_at_once() {
    let world = World::new();
    let mut first = world.account(1).await;
    let entry = first.next_account_entry(Body::DeviceAdd(record(2)));
    let request = AppendAccount {
        entry: entry.clone(),
        slot: None,
    };
    world
        .service
        .append_account(first.caller(), request)
        .await
        .unwrap();
    first.appended(&entry);
    let second = Device::new(2, first.account, first.account_len, first.account_hash);
    world.service.check_device(second.caller()).await.unwrap();

    let entry = first.next_account_entry(Body::DeviceRevoke(second.id));
    let request = AppendAccount { entry, slot: None };
    world
        .service
        .append_account(first.caller(), request)
        .await
        .unwrap();
    assert_refused!(
        world.service.check_device(second.caller()).await,
        Refusal::Unauthorized(_)
    );
    // Not even with a header that names the chain as it was before, and a call already under way.
    let space = SpaceId([0x51; 16]);
    world.create_space(&mut first, space).await.unwrap();
    let mut late = second;
    let begin = world.create_space(&mut late, SpaceId([0x52; 16])).await;
    assert_refused!(begin, Refusal::Unauthorized(_));
    late.seen = first.seen;
    let commit = world.write(&mut late, space, vec![put(1, 0)]).await;
    assert_refused!(commit, Refusal::Unauthorized(_));
    world.service.check_device(first.caller()).await.unwrap();
}

#[tokio::test]
async fn a_revoked_device_lets_nobody_in() {
    let world = World::new();
    let mut first = world.account(1).await;
    let entry = first.next_account_entry(Body::DeviceAdd(record(2)));
    world.append(&mut first, entry, None).await;
    let mut second = Device::new(2, first.account, first.account_len, first.account_hash);
    let (request, key) = invite(&second, 9, expires());
    world
        .append(&mut second, request.entry.clone(), request.slot)
        .await;
    first.appended(&request.entry);
    let (request, own_key) = invite(&first, 8, expires());
    world.append(&mut first, request.entry, request.slot).await;

    let entry = first.next_account_entry(Body::DeviceRevoke(second.id));
    world.append(&mut first, entry, None).await;
    let slot = SlotId([9; 16]);
    let joined = world.service.join(slot, join(&first, slot, &key, 3)).await;
    assert_refused!(joined, Refusal::Slot);
    // What another device has handed out stays good.
    let slot = SlotId([8; 16]);
    let join = join(&first, slot, &own_key, 4);
    world.service.join(slot, join).await.unwrap();
}
