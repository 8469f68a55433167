//! Commits, changes and heads.

use std::sync::Arc;
use std::time::Duration;

use fst_proto::account::Body;
use fst_proto::hash::is_signed_by;
use fst_proto::ids::{AccountId, Hash32, NameTag, SpaceId};
use fst_proto::limits;
use fst_proto::log::{self, EntryKind, Flags};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::wire::{AppendAccount, Changes, Commit, Conflict};
use fst_server::refusal::Refusal;

use crate::support::{
    Device, World, assert_refused, conflict, frame_of, object, pair, put, put_with, record,
};

async fn changes(world: &World, device: &Device, space: SpaceId, since: u64) -> Changes {
    world
        .service
        .changes(device.caller(), space, since, Duration::ZERO)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_space_begins_and_is_listed() {
    let (world, device, space) = World::with_space().await;
    let spaces = world.service.spaces(device.caller()).await.unwrap().spaces;
    assert_eq!(spaces.len(), 1);
    assert_eq!((spaces[0].space, spaces[0].head), (space, device.seen));
    assert_eq!(device.seen.size, 1);
}

#[tokio::test]
async fn a_genesis_must_be_the_callers_own() {
    let world = World::new();
    let device = world.account(1).await;
    let stranger = world.account(2).await;
    let space = SpaceId([0x51; 16]);
    let caller = device.caller();
    let foreign = stranger.genesis(space);
    assert_refused!(
        world.service.create_space(caller, foreign).await,
        Refusal::Malformed(_)
    );

    let mut other_payload = device.genesis(space);
    other_payload.commit.payload = device.genesis(SpaceId([0x52; 16])).commit.payload;
    let refused = world.service.create_space(caller, other_payload).await;
    assert_refused!(refused, Refusal::Malformed(_));

    let mut forged = device.genesis(space);
    forged.commit.sig.0[0] ^= 1;
    assert_refused!(
        world.service.create_space(caller, forged).await,
        Refusal::Malformed(_)
    );

    let mut no_hash = device.genesis(space);
    let mut header = log::decode_header(&no_hash.commit.header).unwrap();
    header.ops[0].meta_hash = Some(Hash32::ZERO);
    no_hash.commit = device.signed(&header, no_hash.commit.payload);
    assert_refused!(
        world.service.create_space(caller, no_hash).await,
        Refusal::Malformed(_)
    );

    let batch = device.batch(space, vec![put(1, 0)]);
    let batch = fst_proto::wire::CreateSpace {
        tag: NameTag([1; 16]),
        commit: batch,
    };
    assert_refused!(
        world.service.create_space(caller, batch).await,
        Refusal::Malformed(_)
    );
    assert!(
        world
            .service
            .spaces(caller)
            .await
            .unwrap()
            .spaces
            .is_empty()
    );
}

#[tokio::test]
async fn creating_a_space_repeats_and_its_tag_is_unique() {
    let world = World::new();
    let device = world.account(1).await;
    let request = device.genesis(SpaceId([0x51; 16]));
    let caller = device.caller();
    let first = world
        .service
        .create_space(caller, request.clone())
        .await
        .unwrap();
    world.clock.advance(5000);
    let again = world
        .service
        .create_space(caller, request.clone())
        .await
        .unwrap();
    assert_eq!(first, again);
    let mut same_tag = device.genesis(SpaceId([0x52; 16]));
    same_tag.tag = request.tag;
    let refused = world.service.create_space(caller, same_tag).await;
    assert_eq!(conflict(refused), Conflict::Exists);
}

#[tokio::test]
async fn a_receipt_is_a_signed_merkle_head() {
    let (world, mut device, space) = World::with_space().await;
    let commit = device.batch(space, vec![put(1, 0)]);
    world.clock.advance(7);
    let receipt = world
        .service
        .commit(device.caller(), space, commit.clone())
        .await
        .unwrap();
    let key = world.service.receipt_key();
    let message = log::receipt_message(space, &receipt.head, receipt.time_ms);
    assert!(is_signed_by(&key, &message, &receipt.sig));
    device.wrote(&commit, receipt.head);
    world
        .write(&mut device, space, vec![put(2, 0)])
        .await
        .unwrap();

    // Every client can rebuild the head from what is served.
    let served = changes(&world, &device, space, 0).await;
    let mut range = CompactRange::new();
    for entry in &served.entries {
        range.append(&log::leaf(
            &log::entry_hash(&entry.header, &entry.sig),
            entry.time_ms,
        ));
        let at = world
            .service
            .head_at(device.caller(), space, range.size())
            .await
            .unwrap();
        assert_eq!(at.head, range.head());
    }
    assert_eq!(served.receipt.head, range.head());
    assert_eq!(served.entries[1].payload.as_ref(), Some(&commit.payload));
    assert_eq!(served.entries[1].header, commit.header);
    let beyond = world.service.head_at(device.caller(), space, 4).await;
    assert_refused!(beyond, Refusal::NotFound(_));
    let empty = world
        .service
        .head_at(device.caller(), space, 0)
        .await
        .unwrap();
    assert_eq!(empty.head, Head::empty());
}

#[tokio::test]
async fn the_same_commit_gets_the_same_receipt() {
    let (world, mut device, space) = World::with_space().await;
    let commit = device.batch(
        space,
        vec![put_with(1, 0, vec![1; 300], Some(vec![2; 100_000]))],
    );
    let first = world
        .service
        .commit(device.caller(), space, commit.clone())
        .await
        .unwrap();
    device.wrote(&commit, first.head);
    world.clock.advance(60_000);
    world
        .write(&mut device, space, vec![put(2, 0)])
        .await
        .unwrap();
    let again = world
        .service
        .commit(device.caller(), space, commit)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(changes(&world, &device, space, 0).await.entries.len(), 3);
}

#[tokio::test]
async fn what_a_stranger_asks_for_is_not_there() {
    let (world, device, space) = World::with_space().await;
    let mut stranger = world.account(2).await;
    stranger.seen = device.seen;
    let caller = stranger.caller();
    let service = &world.service;
    let commit = stranger.batch(space, vec![put(1, 0)]);
    assert_refused!(
        service.commit(caller, space, commit).await,
        Refusal::NotFound(_)
    );
    let page = service.changes(caller, space, 0, Duration::ZERO).await;
    assert_refused!(page, Refusal::NotFound(_));
    assert_refused!(
        service.head_at(caller, space, 1).await,
        Refusal::NotFound(_)
    );
    let frame = frame_of(&[(1, 10)]).into();
    assert_refused!(
        service.upload_objects(caller, space, frame).await,
        Refusal::NotFound(_)
    );
    assert_refused!(
        service.get_object(caller, space, object(1), None).await,
        Refusal::NotFound(_)
    );
    assert!(service.spaces(caller).await.unwrap().spaces.is_empty());
}

#[tokio::test]
async fn headers_are_checked_before_anything_is_stored() {
    let (world, device, space) = World::with_space().await;
    let good = || device.header(space, EntryKind::Batch, vec![put(1, 0).op]);
    let payload = device.batch(space, vec![put(1, 0)]).payload;
    let mut wrong = Vec::new();
    let mut add = |change: &dyn Fn(&mut log::Header)| {
        let mut header = good();
        change(&mut header);
        wrong.push(device.signed(&header, payload.clone()));
    };
    add(&|header| header.space = SpaceId([9; 16]));
    add(&|header| header.device = fst_proto::ids::DeviceId([9; 16]));
    add(&|header| header.account = AccountId([9; 16]));
    add(&|header| header.account_len = 0);
    add(&|header| header.account_len = 2);
    add(&|header| header.account_hash = Hash32([9; 32]));
    add(&|header| header.version = 2);
    add(&|header| header.ops.clear());
    let mut forged = device.signed(&good(), payload.clone());
    forged.sig.0[0] ^= 1;
    wrong.push(forged);
    let mut other_key = device.signed(&good(), payload.clone());
    other_key.sig = crate::support::sign(&pair(7), &log::entry_message(&other_key.header));
    wrong.push(other_key);
    let mut trailing = device.signed(&good(), payload.clone());
    trailing.header.push(0);
    wrong.push(trailing);
    let before = world.service.totals().await.unwrap();
    for commit in wrong {
        let refused = world.service.commit(device.caller(), space, commit).await;
        assert_refused!(refused, Refusal::Malformed(_));
    }
    assert_eq!(world.service.totals().await.unwrap(), before);
    let commit = device.signed(&good(), payload);
    world
        .service
        .commit(device.caller(), space, commit)
        .await
        .unwrap();
}

#[tokio::test]
async fn payloads_must_be_what_the_header_names() {
    let (world, device, space) = World::with_space().await;
    let op = put_with(1, 0, vec![1; 281], Some(vec![2; 400]));
    let good = device.batch(space, vec![op, put(2, 0)]);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut commit = good.clone();
        change(&mut commit.payload);
        commit
    };
    let wrong = [
        with(&Vec::clear),
        with(&|payload| payload.truncate(64)),
        with(&|payload| payload[70] ^= 1),
        with(&|payload| payload[67] ^= 1),
        with(&|payload| payload.push(0)),
        with(&|payload| payload.truncate(payload.len() - 1)),
        with(&|payload| payload[64] = 0xff),
    ];
    for commit in wrong {
        let refused = world.service.commit(device.caller(), space, commit).await;
        assert_refused!(refused, Refusal::Malformed(_));
    }
    let large = with(&|payload| payload.resize(limits::BATCH_BYTES_MAX + 1, 0));
    let refused = world.service.commit(device.caller(), space, large).await;
    assert_refused!(refused, Refusal::TooLarge { .. });
    world
        .service
        .commit(device.caller(), space, good)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_second_control_entry_is_refused() {
    let (world, mut device, space) = World::with_space().await;
    let again = device.genesis(space).commit;
    let refused = world.service.commit(device.caller(), space, again).await;
    assert_refused!(refused, Refusal::Malformed(_));
    // Nor may another device begin the log a second time.
    let entry = device.next_account_entry(Body::DeviceAdd(record(2)));
    let add = AppendAccount {
        entry: entry.clone(),
        slot: None,
    };
    world
        .service
        .append_account(device.caller(), add)
        .await
        .unwrap();
    device.appended(&entry);
    let mut second = Device::new(2, device.account, device.account_len, device.account_hash);
    second.seen = device.seen;
    let control = second.genesis(space).commit;
    let refused = world.service.commit(second.caller(), space, control).await;
    assert_refused!(refused, Refusal::Malformed(_));
}

#[tokio::test]
async fn conflicts_name_what_is_in_the_way() {
    let (world, mut device, space) = World::with_space().await;
    world
        .write(&mut device, space, vec![put(1, 0)])
        .await
        .unwrap();
    let stale = world.write(&mut device, space, vec![put(1, 0)]).await;
    assert_eq!(
        conflict(stale),
        Conflict::Revision {
            nodes: vec![put(1, 0).op.node]
        }
    );
    let mut same_name = put(2, 0);
    same_name.op.name_tag = put(1, 0).op.name_tag;
    let taken = world.write(&mut device, space, vec![same_name]).await;
    assert_eq!(
        conflict(taken),
        Conflict::NameTaken {
            nodes: vec![put(2, 0).op.node]
        }
    );
    let mut missing = put(3, 0);
    missing.op.add_refs = vec![object(1)];
    let missing = world.write(&mut device, space, vec![missing]).await;
    assert_eq!(
        conflict(missing),
        Conflict::MissingObjects {
            ids: vec![object(1)]
        }
    );
    let (ctr, seen) = (device.ctr, device.seen);
    device.ctr += 1;
    let gap = world.write(&mut device, space, vec![put(3, 0)]).await;
    assert_eq!(conflict(gap), Conflict::DeviceChain);
    device.ctr = ctr;
    device.seen = Head {
        size: seen.size,
        root: Hash32::ZERO,
    };
    let head = world.write(&mut device, space, vec![put(3, 0)]).await;
    assert_eq!(conflict(head), Conflict::UnknownHead);
    device.seen = seen;
    let mut header = device.header(space, EntryKind::Batch, vec![put(3, 0).op]);
    header.epoch = 2;
    let epoch = device.signed(&header, device.batch(space, vec![put(3, 0)]).payload);
    assert_eq!(
        conflict(world.commit(&mut device, space, epoch).await),
        Conflict::Epoch
    );
    world
        .write(&mut device, space, vec![put(3, 0)])
        .await
        .unwrap();
}

#[tokio::test]
async fn unseen_structure_forbids_creation() {
    let (world, mut first, space) = World::with_space().await;
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
    // The first device has not read its own addition yet: it writes by the shorter chain.
    let mut second = Device::new(2, first.account, 2, fst_proto::account::entry_hash(&entry));
    second.seen = first.seen;
    let mut moves = put(1, 0);
    moves.op.flags = moves.op.flags.with(Flags::STRUCTURAL);
    world.write(&mut first, space, vec![moves]).await.unwrap();
    let refused = world.write(&mut second, space, vec![put(2, 0)]).await;
    assert_eq!(conflict(refused), Conflict::Order);
    second.seen = first.seen;
    world
        .write(&mut second, space, vec![put(2, 0)])
        .await
        .unwrap();
    // A device cannot sign by a chain that did not know it.
    second.account_len = 1;
    second.account_hash = {
        let entries = world
            .service
            .account_entries(first.caller(), 0)
            .await
            .unwrap()
            .entries;
        fst_proto::account::entry_hash(&entries[0])
    };
    let refused = world.write(&mut second, space, vec![put(3, 0)]).await;
    assert_refused!(refused, Refusal::Malformed(_));
}

#[tokio::test]
async fn objects_may_come_with_their_commit() {
    let (world, mut device, space) = World::with_space().await;
    let mut op = put_with(1, 0, vec![1; 70_000], None);
    op.op.add_refs = vec![object(1), object(2)];
    op.op.add_refs.sort_unstable();
    let mut commit = device.batch(space, vec![op]);
    commit.objects = frame_of(&[(1, 5000), (2, 70)]);
    world
        .commit(&mut device, space, commit.clone())
        .await
        .unwrap();
    let part = world
        .service
        .get_object(device.caller(), space, object(1), None)
        .await
        .unwrap();
    assert_eq!(part.bytes, crate::support::object_bytes(1, 5000));
    let entry = changes(&world, &device, space, 1).await.entries.remove(0);
    assert_eq!(entry.payload, Some(commit.payload));
    let mut broken = device.batch(space, vec![put(2, 0)]);
    broken.objects = vec![0; 35];
    let refused = world.service.commit(device.caller(), space, broken).await;
    assert_refused!(refused, Refusal::Malformed(_));
}

#[tokio::test]
async fn pages_are_bounded_and_follow_each_other() {
    let (world, mut device, space) = World::with_space().await;
    for n in 1..=4 {
        let body = vec![u8::try_from(n).unwrap(); 3 << 20];
        let op = put_with(n, 0, vec![0; 300], Some(body));
        world.write(&mut device, space, vec![op]).await.unwrap();
    }
    let mut since = 0;
    let mut sizes = Vec::new();
    while since < 5 {
        let page = changes(&world, &device, space, since).await;
        assert_eq!(page.receipt.head, device.seen);
        since += page.entries.len() as u64;
        sizes.push(page.entries.len());
    }
    assert_eq!(sizes, [3, 2]);
    let none = changes(&world, &device, space, 99).await;
    assert!(none.entries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_poll_wakes_at_a_commit() {
    let (world, mut device, space) = World::with_space().await;
    let service = Arc::clone(&world.service);
    let caller = device.caller();
    let since = device.seen.size;
    let poll = tokio::spawn(async move {
        service
            .changes(caller, space, since, Duration::from_secs(30))
            .await
            .unwrap()
    });
    tokio::task::yield_now().await;
    assert!(!poll.is_finished());
    world
        .write(&mut device, space, vec![put(1, 0)])
        .await
        .unwrap();
    let started = tokio::time::Instant::now();
    let page = poll.await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_poll_ends_empty_and_is_capped() {
    let (world, device, space) = World::with_space().await;
    let started = tokio::time::Instant::now();
    let wait = Duration::from_secs(1_000_000);
    let page = world
        .service
        .changes(device.caller(), space, 1, wait)
        .await
        .unwrap();
    assert!(page.entries.is_empty());
    assert_eq!(started.elapsed().as_secs(), limits::LONG_POLL_SECONDS_MAX);
}

#[tokio::test]
async fn time_never_runs_backwards_when_the_clock_does() {
    let (world, mut device, space) = World::with_space().await;
    world.clock.advance(10_000);
    world
        .write(&mut device, space, vec![put(1, 0)])
        .await
        .unwrap();
    world.clock.advance(0_u64.wrapping_sub(20_000));
    world
        .write(&mut device, space, vec![put(2, 0)])
        .await
        .unwrap();
    let times: Vec<u64> = changes(&world, &device, space, 0)
        .await
        .entries
        .iter()
        .map(|e| e.time_ms)
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(times[1], times[2]);
}

#[tokio::test]
async fn a_batch_of_deletes_comes_in_its_envelope() {
    let (world, mut device, space) = World::with_space().await;
    world
        .write(&mut device, space, vec![put(1, 0)])
        .await
        .unwrap();
    let mut op = put(1, 1);
    op.op.code = log::OpCode::Delete;
    op.op.flags = Flags::DELETE;
    (op.op.name_tag, op.op.meta_hash, op.meta) = (None, None, None);
    let commit: Commit = device.batch(space, vec![op]);
    let mut bare = commit.clone();
    bare.payload.clear();
    // Clients would refuse it, for good.
    let refused = world.commit(&mut device, space, bare).await;
    assert_refused!(refused, Refusal::Malformed(_));
    world.commit(&mut device, space, commit).await.unwrap();
}
