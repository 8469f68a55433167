//! What every metadata store promises.

use fst_proto::ids::{AccountId, DeviceId, Hash32, ObjectId, SlotId, SpaceId};
use fst_proto::log::{self, Op};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Conflict;

use super::make::{
    ACCOUNT, Author, SPACE, create, delete, edit, node, object, pack, structural, tag,
};
use crate::error::{Refused, StoreError, StoreResult};
use crate::meta::{
    CommitTx, Committed, ForgetTx, LEASE_MS, MetaStore, Outcome, PageLimit, Payload,
};

mod access;
mod accounts;
mod audit;
mod prune;
mod quota;

pub use prune::beside_commits as prune_beside_commits;

const CODE: Hash32 = Hash32([0xc0; 32]);
const ALL: PageLimit = PageLimit {
    entries: 1000,
    bytes: 1 << 30,
};

fn at(ms: u64) -> UnixMillis {
    UnixMillis(ms)
}

/// Runs every case, each on a fresh store.
pub async fn all<M: MetaStore>(fresh: impl AsyncFn() -> M) {
    accounts::secrets_stay(&fresh().await).await;
    accounts::setup_codes_work_once(&fresh().await).await;
    accounts::setup_codes_end_and_replace(&fresh().await).await;
    accounts::accounts_are_created_whole(&fresh().await).await;
    accounts::chains_grow_at_their_end(&fresh().await).await;
    accounts::invitations_work_once(&fresh().await).await;
    accounts::invitations_end(&fresh().await).await;
    accounts::recovery_slots_stay(&fresh().await).await;
    access::accounts_are_listed_in_pages(&fresh().await).await;
    access::the_barred_are_known(&fresh().await).await;
    quota::all(&fresh).await;
    audit::all(&fresh).await;
    spaces_begin_and_repeat(&fresh().await).await;
    commits_give_merkle_heads(&fresh().await).await;
    commits_repeat(&fresh().await).await;
    device_chains_hold(&fresh().await).await;
    seen_heads_are_checked(&fresh().await).await;
    epochs_are_checked(&fresh().await).await;
    orders_are_kept(&fresh().await).await;
    revisions_are_compared(&fresh().await).await;
    deleted_nodes_keep_their_revision(&fresh().await).await;
    names_are_unique(&fresh().await).await;
    names_swap_within_a_batch(&fresh().await).await;
    refusals_change_nothing(&fresh().await).await;
    references_need_objects(&fresh().await).await;
    packs_register_once(&fresh().await).await;
    packs_come_with_commits(&fresh().await).await;
    objects_are_forgotten(&fresh().await).await;
    forgetting_waits_for_leases_and_the_log(&fresh().await).await;
    prune::between_the_steps(&fresh().await).await;
    let store = fresh().await;
    prune_beside_commits(&store, &store).await;
    time_never_runs_backwards(&fresh().await).await;
    changes_come_in_pages(&fresh().await).await;
    heads_are_remembered(&fresh().await).await;
    unknown_things_are_said(&fresh().await).await;
    totals_add_up(&fresh().await).await;
    one_leads_a_role(&fresh().await).await;
}

fn conflict<T: std::fmt::Debug>(result: StoreResult<T>) -> Conflict {
    match result {
        Err(StoreError::Refused(Refused::Conflict(conflict))) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(result: StoreResult<T>) -> Refused {
    match result {
        Err(StoreError::Refused(refused)) => refused,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// A store with the space of the suites, and its author.
async fn with_space<M: MetaStore>(store: &M) -> Author {
    let mut author = Author::new(1);
    let tx = author.genesis(at(1000));
    let committed = store.create_space(tx.clone()).await.unwrap();
    author.wrote(&tx.commit, committed.head);
    author
}

async fn write<M: MetaStore>(store: &M, author: &mut Author, ops: Vec<Op>) -> Committed {
    let tx = author.batch(ops, at(2000));
    let committed = store.commit(tx.clone()).await.unwrap();
    author.wrote(&tx, committed.head);
    committed
}

async fn try_write<M: MetaStore>(
    store: &M,
    author: &Author,
    ops: Vec<Op>,
) -> StoreResult<Committed> {
    store.commit(author.batch(ops, at(2000))).await
}

async fn spaces_begin_and_repeat<M: MetaStore>(store: &M) {
    let author = Author::new(1);
    let tx = author.genesis(at(1000));
    let first = store.create_space(tx.clone()).await.unwrap();
    assert_eq!((first.head.size, first.outcome), (1, Outcome::New));
    let again = store.create_space(tx.clone()).await.unwrap();
    assert_eq!(
        (again.head, again.time, again.outcome),
        (first.head, first.time, Outcome::Repeated)
    );
    assert_eq!(store.space_owner(SPACE).await.unwrap(), Some(ACCOUNT));
    assert_eq!(store.space_owner(SpaceId([1; 16])).await.unwrap(), None);
    let listed = store.spaces(ACCOUNT).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].space, listed[0].tag, listed[0].head),
        (SPACE, tx.tag, first.head)
    );
    assert!(store.spaces(AccountId([1; 16])).await.unwrap().is_empty());

    let mut same_tag = tx.clone();
    same_tag.commit.header.space = SpaceId([1; 16]);
    same_tag.commit.header_bytes = log::encode_header(&same_tag.commit.header);
    assert_eq!(
        conflict(store.create_space(same_tag.clone()).await),
        Conflict::Exists
    );
    let mut same_space = tx;
    same_space.tag = tag(1);
    assert_eq!(
        conflict(store.create_space(same_space).await),
        Conflict::Exists
    );
    same_tag.account = AccountId([3; 16]);
    store.create_space(same_tag).await.unwrap();
}

async fn commits_give_merkle_heads<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    let mut range = CompactRange::new();
    let genesis = &store.changes(SPACE, 0, ALL).await.unwrap().entries[0];
    range.append(&log::leaf(
        &log::entry_hash(&genesis.header, &genesis.sig),
        genesis.time.0,
    ));
    for n in 1..=9 {
        let tx = author.batch(vec![create(n, 0, n)], at(2000));
        let committed = store.commit(tx.clone()).await.unwrap();
        range.append(&log::leaf(&tx.entry_hash(), committed.time.0));
        assert_eq!(committed.head, range.head());
        author.wrote(&tx, committed.head);
    }
}

async fn commits_repeat<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    let tx = author.batch(vec![create(1, 0, 1)], at(2000));
    let first = store.commit(tx.clone()).await.unwrap();
    author.wrote(&tx, first.head);
    write(store, &mut author, vec![create(2, 0, 2)]).await;
    // Later, with more entries behind it, the same entry gets the same place and time.
    let again = store
        .commit(CommitTx {
            now: at(9000),
            ..tx.clone()
        })
        .await
        .unwrap();
    assert_eq!((again.head, again.time), (first.head, first.time));
    assert_eq!(
        (first.outcome, again.outcome),
        (Outcome::New, Outcome::Repeated)
    );
    assert_eq!(store.changes(SPACE, 0, ALL).await.unwrap().entries.len(), 3);
    // Another signature is another entry.
    let mut resigned = tx;
    resigned.sig.0[0] ^= 1;
    assert_eq!(
        conflict(store.commit(resigned).await),
        Conflict::DeviceChain
    );
}

async fn device_chains_hold<M: MetaStore>(store: &M) {
    let author = with_space(store).await;
    let wrong = [
        Author {
            ctr: author.ctr + 1,
            ..author.clone()
        },
        Author {
            ctr: 0,
            ..author.clone()
        },
        Author {
            prev: Hash32([9; 32]),
            ..author.clone()
        },
        Author {
            ctr: 1,
            seen: author.seen,
            ..Author::new(2)
        },
        Author {
            prev: Hash32([9; 32]),
            seen: author.seen,
            ..Author::new(2)
        },
    ];
    for author in wrong {
        let refused = try_write(store, &author, vec![edit(1, 0, None)]).await;
        assert_eq!(conflict(refused), Conflict::DeviceChain, "{author:?}");
    }
}

async fn seen_heads_are_checked<M: MetaStore>(store: &M) {
    let author = with_space(store).await;
    let wrong = [
        Head {
            size: 1,
            root: Hash32([1; 32]),
        },
        Head {
            size: 2,
            root: author.seen.root,
        },
        Head {
            size: 0,
            root: author.seen.root,
        },
        Head {
            size: u64::MAX,
            root: author.seen.root,
        },
    ];
    for seen in wrong {
        let author = Author {
            seen,
            ..author.clone()
        };
        let refused = try_write(store, &author, vec![edit(1, 0, None)]).await;
        assert_eq!(conflict(refused), Conflict::UnknownHead, "{seen:?}");
    }
}

async fn epochs_are_checked<M: MetaStore>(store: &M) {
    let author = with_space(store).await;
    for (epoch, generation) in [(2, 1), (1, 2), (0, 1)] {
        let mut tx = author.batch(vec![edit(1, 0, None)], at(2000));
        tx.header.epoch = epoch;
        tx.header.generation = generation;
        tx.header_bytes = log::encode_header(&tx.header);
        assert_eq!(conflict(store.commit(tx).await), Conflict::Epoch);
    }
}

async fn orders_are_kept<M: MetaStore>(store: &M) {
    let mut first = with_space(store).await;
    let behind = Author {
        seen: first.seen,
        ..Author::new(2)
    };
    write(store, &mut first, vec![create(1, 0, 1)]).await;
    // Unseen: one creation by another device.
    let refused = try_write(store, &behind, vec![structural(create(2, 0, 2))]).await;
    assert_eq!(conflict(refused), Conflict::Order);
    let mut follows = behind.clone();
    write(store, &mut follows, vec![create(3, 0, 3)]).await;
    // Unseen: a structural entry too.
    write(store, &mut first, vec![create(9, 0, 9)]).await;
    first.seen = store.changes(SPACE, 0, ALL).await.unwrap().head;
    let before = Author {
        seen: follows.seen,
        ..follows.clone()
    };
    write(store, &mut first, vec![structural(create(4, 0, 4))]).await;
    let refused = try_write(store, &before, vec![create(5, 0, 5)]).await;
    assert_eq!(conflict(refused), Conflict::Order);
    let mut contents = before.clone();
    write(store, &mut contents, vec![edit(6, 0, None)]).await;
    // One's own entries never stand in the way.
    let own = Author {
        seen: first.seen,
        ..first.clone()
    };
    let mut own_behind = own;
    own_behind.seen = contents.seen;
    write(store, &mut own_behind, vec![structural(create(7, 0, 7))]).await;
}

async fn revisions_are_compared<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(store, &mut author, vec![create(1, 0, 1), create(2, 0, 2)]).await;
    write(store, &mut author, vec![edit(1, 1, Some(tag(1)))]).await;
    let stale = vec![
        edit(1, 1, Some(tag(1))),
        edit(2, 1, Some(tag(2))),
        edit(3, 1, None),
    ];
    let refused = try_write(store, &author, stale).await;
    assert_eq!(
        conflict(refused),
        Conflict::Revision {
            nodes: vec![node(1), node(3)]
        }
    );
    write(
        store,
        &mut author,
        vec![edit(1, 2, Some(tag(1))), edit(2, 1, Some(tag(2)))],
    )
    .await;
}

async fn deleted_nodes_keep_their_revision<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(store, &mut author, vec![create(1, 0, 1)]).await;
    write(store, &mut author, vec![delete(1, 1)]).await;
    let refused = try_write(store, &author, vec![create(1, 0, 1)]).await;
    assert_eq!(
        conflict(refused),
        Conflict::Revision {
            nodes: vec![node(1)]
        }
    );
    // Its name is free for others, and it can come back.
    write(store, &mut author, vec![create(2, 0, 1)]).await;
    let refused = try_write(store, &author, vec![create(1, 2, 1)]).await;
    assert_eq!(
        conflict(refused),
        Conflict::NameTaken {
            nodes: vec![node(1)]
        }
    );
    write(store, &mut author, vec![create(1, 2, 5)]).await;
}

async fn names_are_unique<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(store, &mut author, vec![create(1, 0, 1)]).await;
    let refused = try_write(store, &author, vec![create(2, 0, 1)]).await;
    assert_eq!(
        conflict(refused),
        Conflict::NameTaken {
            nodes: vec![node(2)]
        }
    );
    let refused = try_write(store, &author, vec![create(2, 0, 7), create(3, 0, 7)]).await;
    assert_eq!(
        conflict(refused),
        Conflict::NameTaken {
            nodes: vec![node(3)]
        }
    );
    // Without tags nothing is compared.
    write(store, &mut author, vec![edit(4, 0, None), edit(5, 0, None)]).await;
    // Delete and create with the same name in one batch.
    write(store, &mut author, vec![create(6, 0, 1), delete(1, 1)]).await;
    // A rename frees the old name.
    write(store, &mut author, vec![edit(6, 1, Some(tag(8)))]).await;
    write(store, &mut author, vec![create(7, 0, 1)]).await;
}

async fn names_swap_within_a_batch<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(
        store,
        &mut author,
        vec![create(1, 0, 1), create(2, 0, 2), create(3, 0, 3)],
    )
    .await;
    let rotate = vec![
        edit(1, 1, Some(tag(2))),
        edit(2, 1, Some(tag(3))),
        edit(3, 1, Some(tag(1))),
    ];
    write(store, &mut author, rotate).await;
    let refused = try_write(store, &author, vec![create(4, 0, 1)]).await;
    assert_eq!(
        conflict(refused),
        Conflict::NameTaken {
            nodes: vec![node(4)]
        }
    );
    let half = vec![edit(1, 2, Some(tag(3)))];
    let refused = try_write(store, &author, half).await;
    assert_eq!(
        conflict(refused),
        Conflict::NameTaken {
            nodes: vec![node(1)]
        }
    );
}

async fn refusals_change_nothing<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    let before = store.changes(SPACE, 0, ALL).await.unwrap();
    let totals = store.totals().await.unwrap();
    let mut bad = edit(2, 0, None);
    bad.add_refs = vec![object(9)];
    let mut tx = author.batch(vec![create(1, 0, 1), bad], at(2000));
    tx.pack = Some(pack(1, &[1, 2]));
    let refused = store.commit(tx).await;
    assert_eq!(
        conflict(refused),
        Conflict::MissingObjects {
            ids: vec![object(9)]
        }
    );
    assert_eq!(store.changes(SPACE, 0, ALL).await.unwrap(), before);
    assert_eq!(store.totals().await.unwrap(), totals);
    let ids = vec![object(1), object(2)];
    assert_eq!(
        store.missing_objects(SPACE, ids.clone()).await.unwrap(),
        ids
    );
    write(store, &mut author, vec![create(1, 0, 1)]).await;
}

async fn references_need_objects<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    store.register_pack(pack(1, &[1, 2, 3])).await.unwrap();
    let mut op = create(1, 0, 1);
    op.add_refs = vec![object(1), object(2), object(4), object(5)];
    let refused = try_write(store, &author, vec![op.clone()]).await;
    assert_eq!(
        conflict(refused),
        Conflict::MissingObjects {
            ids: vec![object(4), object(5)]
        }
    );
    let mut twin = create(2, 0, 2);
    twin.add_refs = vec![object(5), object(6)];
    let refused = try_write(store, &author, vec![op.clone(), twin]).await;
    let each_once = vec![object(4), object(5), object(6)];
    assert_eq!(
        conflict(refused),
        Conflict::MissingObjects { ids: each_once }
    );
    op.add_refs = vec![object(1), object(2)];
    write(store, &mut author, vec![op]).await;
    let mut next = edit(1, 1, Some(tag(1)));
    next.drop_refs = vec![object(1)];
    next.add_refs = vec![object(3)];
    write(store, &mut author, vec![next]).await;
    let mut gone = delete(1, 2);
    gone.drop_refs = vec![object(2), object(3)];
    write(store, &mut author, vec![gone]).await;
    let mut back = create(1, 3, 1);
    back.add_refs = vec![object(2)];
    write(store, &mut author, vec![back]).await;
}

/// Time after every lease of the suites.
const LATER: UnixMillis = UnixMillis(1000 + LEASE_MS);

fn forget(size: u64, ids: &[u8], now: UnixMillis) -> ForgetTx {
    ForgetTx {
        space: SPACE,
        size,
        ids: ids.iter().map(|n| object(*n)).collect(),
        now,
    }
}

async fn objects_are_forgotten<M: MetaStore>(store: &M) {
    assert_eq!(
        refused(store.forget_objects(forget(0, &[1], LATER)).await),
        Refused::NoSpace
    );
    assert!(store.all_spaces().await.unwrap().is_empty());
    let mut author = with_space(store).await;
    assert_eq!(store.all_spaces().await.unwrap(), [SPACE]);
    let before = store.totals().await.unwrap().bytes;
    store.register_pack(pack(1, &[1, 2])).await.unwrap();
    store.register_pack(pack(2, &[3])).await.unwrap();
    // A pack goes with its last object, and a second time is fine.
    let one = store.forget_objects(forget(1, &[1, 9], LATER)).await;
    assert_eq!(one.unwrap(), Some(Vec::new()));
    let ids = || vec![object(1), object(2), object(3)];
    assert_eq!(
        store.missing_objects(SPACE, ids()).await.unwrap(),
        [object(1)]
    );
    let rest = store.forget_objects(forget(1, &[1, 2, 3], LATER)).await;
    let mut rest = rest.unwrap().unwrap();
    rest.sort_unstable();
    assert_eq!(rest, [pack(1, &[]).key, pack(2, &[]).key]);
    let again = store.forget_objects(forget(1, &[1, 2, 3], LATER)).await;
    assert_eq!(again.unwrap(), Some(Vec::new()));
    assert_eq!(store.missing_objects(SPACE, ids()).await.unwrap(), ids());
    assert_eq!(store.totals().await.unwrap().bytes, before);
    // What was forgotten can come again.
    let again = store.register_pack(pack(3, &[1])).await.unwrap();
    assert_eq!(again, [object(1)]);
    // A blob that holds a payload too stays.
    let mut tx = author.batch(vec![create(1, 0, 1)], at(1500));
    let shared = pack(4, &[4]);
    tx.payload = Payload::Pack {
        key: shared.key,
        offset: 82,
        len: 10,
    };
    tx.pack = Some(shared);
    let committed = store.commit(tx.clone()).await.unwrap();
    author.wrote(&tx, committed.head);
    let kept = store.forget_objects(forget(2, &[4], LATER)).await;
    assert_eq!(kept.unwrap(), Some(Vec::new()));
    assert_eq!(
        store.missing_objects(SPACE, vec![object(4)]).await.unwrap(),
        [object(4)]
    );
}

async fn forgetting_waits_for_leases_and_the_log<M: MetaStore>(store: &M) {
    with_space(store).await;
    store.register_pack(pack(1, &[1])).await.unwrap();
    let early = UnixMillis(LATER.0 - 1);
    let leased = store.forget_objects(forget(1, &[1], early)).await;
    assert_eq!(leased.unwrap(), Some(Vec::new()));
    for size in [0, 2] {
        let stale = store.forget_objects(forget(size, &[1], LATER)).await;
        assert_eq!(stale.unwrap(), None);
    }
    let missing = store.missing_objects(SPACE, vec![object(1)]).await;
    assert!(missing.unwrap().is_empty());
}

async fn packs_register_once<M: MetaStore>(store: &M) {
    assert_eq!(
        refused(store.register_pack(pack(1, &[1])).await),
        Refused::NoSpace
    );
    with_space(store).await;
    let bytes = store.totals().await.unwrap().bytes;
    let new = store.register_pack(pack(1, &[1, 2])).await.unwrap();
    assert_eq!(new, [object(1), object(2)]);
    // The second pack brings one new object; the known one stays where it was.
    let new = store.register_pack(pack(2, &[2, 3])).await.unwrap();
    assert_eq!(new, [object(3)]);
    assert!(
        store
            .register_pack(pack(3, &[1, 2, 3]))
            .await
            .unwrap()
            .is_empty()
    );
    // Twice in one pack: the first counts.
    assert_eq!(
        store.register_pack(pack(4, &[7, 7])).await.unwrap(),
        [object(7)]
    );
    let asked = vec![object(3), object(9), object(2), object(7)];
    let located = store.locate_objects(SPACE, asked.clone()).await.unwrap();
    let places: Vec<(ObjectId, u8, u64, u64)> = located
        .iter()
        .map(|l| (l.id, l.pack.0[0], l.offset, l.len))
        .collect();
    let expected = [
        (object(3), 2, 82, 10),
        (object(2), 1, 82, 10),
        (object(7), 4, 36, 10),
    ];
    assert_eq!(places, expected);
    assert_eq!(
        store.missing_objects(SPACE, asked).await.unwrap(),
        [object(9)]
    );
    assert_eq!(store.totals().await.unwrap().bytes - bytes, 3 * 2 * 46);
    // Objects of one space are nothing in another.
    let other = SpaceId([1; 16]);
    assert_eq!(
        store.missing_objects(other, vec![object(1)]).await.unwrap(),
        [object(1)]
    );
    assert!(
        store
            .locate_objects(other, vec![object(1)])
            .await
            .unwrap()
            .is_empty()
    );
}

async fn packs_come_with_commits<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    let bytes = store.totals().await.unwrap().bytes;
    let mut op = create(1, 0, 1);
    op.add_refs = vec![object(1), object(2)];
    let mut tx = author.batch(vec![op], at(2000));
    let packed = pack(1, &[1, 2]);
    tx.payload = Payload::Pack {
        key: packed.key,
        offset: packed.bytes,
        len: 500,
    };
    tx.pack = Some(crate::meta::PackTx {
        bytes: packed.bytes + 500,
        ..packed
    });
    let committed = store.commit(tx.clone()).await.unwrap();
    author.wrote(&tx, committed.head);
    let located = store.locate_objects(SPACE, vec![object(2)]).await.unwrap();
    assert_eq!((located[0].offset, located[0].len), (82, 10));
    let entry = store
        .changes(SPACE, 1, ALL)
        .await
        .unwrap()
        .entries
        .remove(0);
    assert_eq!(entry.payload, tx.payload);
    assert_eq!(entry.n_files, 1);
    let added = store.totals().await.unwrap().bytes - bytes;
    assert_eq!(added, tx.header_bytes.len() as u64 + 2 * 46 + 500);
    assert_eq!(store.commit(tx).await.unwrap().outcome, Outcome::Repeated);
}

async fn time_never_runs_backwards<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    for (now, expected) in [(5000, 5000), (4000, 5000), (0, 5000), (6000, 6000)] {
        let n = u8::try_from(author.ctr).unwrap();
        let tx = author.batch(vec![create(n, 0, n)], at(now));
        let committed = store.commit(tx.clone()).await.unwrap();
        assert_eq!(committed.time, at(expected));
        author.wrote(&tx, committed.head);
    }
}

async fn changes_come_in_pages<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    for n in 1..=5 {
        write(store, &mut author, vec![create(n, 0, n)]).await;
    }
    let all = store.changes(SPACE, 0, ALL).await.unwrap();
    assert_eq!(
        (all.entries.len(), all.head, all.time),
        (6, author.seen, at(2000))
    );
    let two = store
        .changes(SPACE, 1, PageLimit { entries: 2, ..ALL })
        .await
        .unwrap();
    assert_eq!(two.entries, all.entries[1..3]);
    assert_eq!(two.head, all.head);
    let one = store
        .changes(SPACE, 3, PageLimit { bytes: 1, ..ALL })
        .await
        .unwrap();
    assert_eq!(one.entries, all.entries[3..4]);
    let size = all.entries[1].header.len() + 100;
    let fit = store
        .changes(
            SPACE,
            1,
            PageLimit {
                bytes: size * 2,
                ..ALL
            },
        )
        .await
        .unwrap();
    assert_eq!(fit.entries.len(), 2);
    for since in [6, 7, u64::MAX] {
        assert!(
            store
                .changes(SPACE, since, ALL)
                .await
                .unwrap()
                .entries
                .is_empty()
        );
    }
    let none = store
        .changes(
            SPACE,
            0,
            PageLimit {
                entries: 0,
                bytes: 0,
            },
        )
        .await
        .unwrap();
    assert_eq!((none.entries.len(), none.head), (0, all.head));
}

async fn heads_are_remembered<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    let mut heads = vec![(Head::empty(), at(0)), (author.seen, at(1000))];
    for n in 1..=5 {
        let committed = write(store, &mut author, vec![create(n, 0, n)]).await;
        heads.push((committed.head, committed.time));
    }
    for (size, expected) in (0_u64..).zip(heads) {
        assert_eq!(store.head_at(SPACE, size).await.unwrap(), Some(expected));
    }
    assert_eq!(store.head_at(SPACE, 7).await.unwrap(), None);
    assert_eq!(store.head_at(SPACE, u64::MAX).await.unwrap(), None);
}

async fn unknown_things_are_said<M: MetaStore>(store: &M) {
    let author = Author::new(1);
    assert_eq!(
        refused(try_write(store, &author, vec![edit(1, 0, None)]).await),
        Refused::NoSpace
    );
    assert_eq!(
        refused(store.changes(SPACE, 0, ALL).await),
        Refused::NoSpace
    );
    assert_eq!(refused(store.head_at(SPACE, 0).await), Refused::NoSpace);
    assert_eq!(store.slot(SlotId([1; 16])).await.unwrap(), None);
    assert_eq!(store.device_account(DeviceId([1; 16])).await.unwrap(), None);
    assert!(store.account_entries(ACCOUNT, 0).await.unwrap().is_empty());
    assert_eq!(store.account_len(ACCOUNT).await.unwrap(), 0);
    // A space whose first entry is refused does not exist afterwards.
    let mut tx = author.genesis(at(1000));
    tx.commit.header.dev_ctr = 2;
    tx.commit.header_bytes = log::encode_header(&tx.commit.header);
    assert_eq!(
        conflict(store.create_space(tx).await),
        Conflict::DeviceChain
    );
    assert_eq!(store.space_owner(SPACE).await.unwrap(), None);
}

async fn totals_add_up<M: MetaStore>(store: &M) {
    assert_eq!(
        store.totals().await.unwrap(),
        crate::meta::Totals::default()
    );
    accounts::with_account(store).await;
    let mut author = with_space(store).await;
    let tx = author.batch(vec![create(1, 0, 1)], at(2000));
    let before = store.totals().await.unwrap();
    let committed = store.commit(tx.clone()).await.unwrap();
    author.wrote(&tx, committed.head);
    store.commit(tx.clone()).await.unwrap();
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.accounts, totals.devices), (1, 1));
    assert_eq!((totals.spaces, totals.entries), (1, 2));
    assert_eq!(
        totals.bytes - before.bytes,
        tx.header_bytes.len() as u64 + 100
    );
}

async fn one_leads_a_role<M: MetaStore>(store: &M) {
    let first = store.lead("a").await.unwrap().unwrap();
    assert!(first.is_held());
    assert!(store.lead("a").await.unwrap().is_none());
    assert!(store.lead("b").await.unwrap().is_some());
    drop(first);
    // A backend may need a moment to see that the leader left.
    let mut again = store.lead("a").await.unwrap();
    for _ in 0..1000 {
        if again.is_some() {
            break;
        }
        tokio::task::yield_now().await;
        again = store.lead("a").await.unwrap();
    }
    assert!(again.unwrap().is_held());
}
