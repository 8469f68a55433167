//! A prune beside commits: on one store, and on two that share a database.
//!
//! The prune of one worker plans from a log that another worker writes on. Invariant under test: what an
//! acknowledged entry references is there, whatever the order of look, upload, commit and forgetting.

use fst_proto::log;
use fst_proto::wire::Conflict;

use super::{ALL, Author, LATER, SPACE, at, conflict, create, edit, forget, object, pack, tag};
use super::{with_space, write};
use crate::error::{Refused, StoreError};
use crate::meta::{CommitTx, MetaStore};

/// Rounds in which both ways a race can go should have been seen; a fair coin misses one in 2^200 runs.
const ROUNDS_MAX: u32 = 200;

/// Rounds that are run in any case.
const ROUNDS_MIN: u32 = 40;

/// Objects that come and go; more than one, so that what is given up comes back.
const N_OBJECTS: u32 = 3;

/// What a prune beside commits did.
#[derive(Debug, Default)]
struct Seen {
    n_forgot: u32,
    n_too_late: u32,
}

/// What comes between plan and forgetting, and between look and commit, step by step.
pub(super) async fn between_the_steps<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    store.register_pack(pack(1, &[1])).await.unwrap();
    // The plan says that nothing references object 1; then an entry does.
    let planned = author.seen.size;
    let mut op = create(1, 0, 1);
    op.add_refs = vec![object(1)];
    write(store, &mut author, vec![op]).await;
    let late = store.forget_objects(forget(planned, &[1], LATER)).await;
    assert_eq!(late.unwrap(), None);
    assert!(is_there(store, 1).await);
    // An author finds object 1 there and does not send it; then it goes.
    let mut gone = edit(1, 1, Some(tag(1)));
    gone.drop_refs = vec![object(1)];
    write(store, &mut author, vec![gone]).await;
    assert!(is_there(store, 1).await);
    let forgot = store
        .forget_objects(forget(author.seen.size, &[1], LATER))
        .await;
    assert_eq!(forgot.unwrap(), Some(vec![pack(1, &[]).key]));
    let mut back = edit(1, 2, Some(tag(1)));
    back.add_refs = vec![object(1)];
    let tx = author.batch(vec![back], at(2000));
    let ids = vec![object(1)];
    assert_eq!(
        conflict(store.commit(tx.clone()).await),
        Conflict::MissingObjects { ids }
    );
    // Sent again, in a pack of another name, it is there for good.
    store.register_pack(pack(2, &[1])).await.unwrap();
    store.commit(tx).await.unwrap();
    let late = store.forget_objects(forget(author.seen.size, &[1], LATER));
    assert_eq!(late.await.unwrap(), None);
    assert!(is_there(store, 1).await);
}

/// A worker that commits beside a worker that prunes, both without pause.
///
/// For two stores on one database `commits` and `prunes` are different workers.
///
/// # Panics
/// When an acknowledged entry references what is not there, or no race happened.
pub async fn beside_commits<M: MetaStore>(commits: &M, prunes: &M) {
    let author = with_space(commits).await;
    let (done, is_done) = tokio::sync::watch::channel(Seen::default());
    let written = write_on(commits, author, is_done);
    let pruned = prune_on(prunes, done);
    tokio::join!(written, pruned);
}

async fn write_on<M: MetaStore>(
    store: &M,
    mut author: Author,
    seen: tokio::sync::watch::Receiver<Seen>,
) {
    let mut op = create(1, 0, 1);
    for round in 0..ROUNDS_MAX {
        let new = number(round);
        op.base_rev = u64::from(round);
        op.add_refs = vec![object(new)];
        let tx = author.batch(vec![op], at(2000));
        commit_with(store, &tx, round, new).await;
        let head = store.changes(SPACE, 0, ALL).await.unwrap().head;
        author.wrote(&tx, head);
        assert!(is_there(store, new).await, "round {round}");
        let both = seen.borrow().n_forgot > 0 && seen.borrow().n_too_late > 0;
        if both && round > ROUNDS_MIN {
            return;
        }
        op = edit(1, 0, Some(tag(1)));
        op.drop_refs = vec![object(new)];
        step(round).await;
    }
    panic!("no race in {ROUNDS_MAX} rounds: {:?}", *seen.borrow());
}

/// Commits as devices do: sends what is missing, commits, and sends again what went meanwhile.
async fn commit_with<M: MetaStore>(store: &M, tx: &CommitTx, round: u32, new: u8) {
    for attempt in 0.. {
        if !is_there(store, new).await {
            let mut sent = pack(0, &[new]);
            sent.key.0[..8].copy_from_slice(&u64::from(round).to_be_bytes());
            sent.key.0[8..].copy_from_slice(&u64::to_be_bytes(attempt));
            store.register_pack(sent).await.unwrap();
        }
        step(round + 1).await;
        match store.commit(tx.clone()).await {
            Ok(_) => return,
            Err(StoreError::Refused(Refused::Conflict(Conflict::MissingObjects { ids }))) => {
                assert_eq!(ids, [object(new)]);
            },
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Prunes until nobody writes any more.
async fn prune_on<M: MetaStore>(store: &M, done: tokio::sync::watch::Sender<Seen>) {
    for round in 0_u32.. {
        if done.is_closed() {
            return;
        }
        let page = store.changes(SPACE, 0, ALL).await.unwrap();
        let last = page.entries.last().expect("the genesis is there");
        let header = log::decode_header(&last.header).unwrap();
        let live = &header.ops[0].add_refs;
        let dead: Vec<u8> = (0..N_OBJECTS)
            .map(number)
            .filter(|n| !live.contains(&object(*n)))
            .collect();
        step(round).await;
        let forgot = store.forget_objects(forget(page.head.size, &dead, LATER));
        match forgot.await.unwrap() {
            None => done.send_modify(|seen| seen.n_too_late += 1),
            Some(packs) if !packs.is_empty() => done.send_modify(|seen| seen.n_forgot += 1),
            Some(_) => {},
        }
        step(round + 2).await;
    }
}

fn number(round: u32) -> u8 {
    u8::try_from(1 + round % N_OBJECTS).expect("it is a small number")
}

async fn is_there<M: MetaStore>(store: &M, n: u8) -> bool {
    let found = store.locate_objects(SPACE, vec![object(n)]).await.unwrap();
    !found.is_empty()
}

/// Lets the other side go on, sometimes further than at other times.
async fn step(round: u32) {
    for _ in 0..round % 4 {
        tokio::task::yield_now().await;
    }
}
