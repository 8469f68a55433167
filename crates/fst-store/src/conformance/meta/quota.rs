//! What every metadata store promises of quotas.

use fst_proto::ids::SpaceId;
use fst_proto::wire::Conflict;

use super::{at, with_space, write};
use crate::conformance::make::{ACCOUNT, SPACE, create, delete, edit, node, object, pack, tag};
use crate::error::{Refused, StoreError};
use crate::meta::{Bounds, CommitTx, MetaStore, Outcome, PackTx, Quota, Usage};

/// Runs every case, each on a fresh store.
pub(super) async fn all<M: MetaStore>(fresh: &impl AsyncFn() -> M) {
    quotas_are_set_and_taken_away(&fresh().await).await;
    use_is_counted(&fresh().await).await;
    what_does_not_fit_is_refused_whole(&fresh().await).await;
    the_quota_of_an_account_wins_over_the_default(&fresh().await).await;
    all_spaces_of_an_account_count(&fresh().await).await;
    two_at_once_do_not_both_fit(&fresh().await).await;
    files_have_a_largest_size(&fresh().await).await;
}

fn bytes(n: u64) -> Quota {
    Quota {
        bytes: Some(n),
        files: None,
    }
}

fn files(n: u64) -> Quota {
    Quota {
        bytes: None,
        files: Some(n),
    }
}

fn bounded(tx: CommitTx, quota: Quota) -> CommitTx {
    let bounds = Bounds {
        quota,
        file_bytes: None,
    };
    CommitTx { bounds, ..tx }
}

fn is_over<T>(made: Result<T, StoreError>) -> bool {
    made.is_err_and(|error| matches!(error.refused(), Some(Refused::Quota { .. })))
}

async fn quotas_are_set_and_taken_away<M: MetaStore>(store: &M) {
    let set = async |quota| store.set_quota(ACCOUNT, quota, at(1)).await.unwrap();
    assert_eq!(store.quota(ACCOUNT).await.unwrap(), None);
    assert_eq!(set(None).await, Outcome::Repeated);
    for quota in [
        bytes(7),
        files(0),
        Quota::default(),
        bytes(u64::from(u32::MAX) << 20),
    ] {
        assert_eq!(set(Some(quota)).await, Outcome::New);
        assert_eq!(set(Some(quota)).await, Outcome::Repeated);
        assert_eq!(store.quota(ACCOUNT).await.unwrap(), Some(quota));
    }
    assert_eq!(set(None).await, Outcome::New);
    assert_eq!(store.quota(ACCOUNT).await.unwrap(), None);
}

async fn use_is_counted<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    let before = store.usage(ACCOUNT).await.unwrap();
    assert_eq!(before.files, 0);
    assert_eq!(before.bytes, store.totals().await.unwrap().bytes);
    store.register_pack(pack(1, &[1, 2])).await.unwrap();
    write(store, &mut author, vec![create(1, 0, 1), create(2, 0, 2)]).await;
    write(store, &mut author, vec![edit(1, 1, Some(tag(1)))]).await;
    assert_eq!(store.usage(ACCOUNT).await.unwrap().files, 2);
    write(store, &mut author, vec![delete(2, 1)]).await;
    assert_eq!(store.usage(ACCOUNT).await.unwrap().files, 1);
    write(store, &mut author, vec![create(2, 2, 2)]).await;
    let now = store.usage(ACCOUNT).await.unwrap();
    assert_eq!(
        (now.files, now.bytes),
        (2, store.totals().await.unwrap().bytes)
    );
    let nobody = fst_proto::ids::AccountId([9; 16]);
    assert_eq!(store.usage(nobody).await.unwrap(), Usage::default());
}

async fn what_does_not_fit_is_refused_whole<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(store, &mut author, vec![create(1, 0, 1)]).await;
    let used = store.usage(ACCOUNT).await.unwrap();
    let tight = bytes(used.bytes + 91);
    let big = PackTx {
        bounds: Bounds {
            quota: tight,
            file_bytes: None,
        },
        ..pack(1, &[1, 2])
    };
    assert!(is_over(store.register_pack(big.clone()).await), "92 bytes");
    assert_eq!(store.usage(ACCOUNT).await.unwrap(), used);
    let missing = store.missing_objects(SPACE, vec![object(1)]).await;
    assert_eq!(missing.unwrap(), [object(1)]);
    let small = PackTx {
        items: big.items[..1].to_vec(),
        bytes: 46,
        ..big
    };
    assert_eq!(
        store.register_pack(small.clone()).await.unwrap(),
        [object(1)]
    );
    assert_eq!(store.register_pack(small).await.unwrap(), [], "it is there");

    // No room for contents; deletes and new names of what is there are served.
    let none = bytes(0);
    let put = author.batch(vec![edit(1, 1, Some(tag(1)))], at(3000));
    assert!(is_over(store.commit(bounded(put, none)).await));
    let one = files(1);
    let second = author.batch(vec![create(2, 0, 2)], at(3000));
    assert!(is_over(store.commit(bounded(second, one)).await));
    let same = author.batch(vec![edit(1, 1, Some(tag(3)))], at(3000));
    let made = store.commit(bounded(same.clone(), one)).await.unwrap();
    author.wrote(&same, made.head);
    let gone = bounded(
        author.batch(vec![delete(1, 2)], at(3000)),
        Quota {
            files: Some(0),
            ..none
        },
    );
    let made = store.commit(gone.clone()).await.unwrap();
    author.wrote(&gone, made.head);
    assert_eq!(store.usage(ACCOUNT).await.unwrap().files, 0);
    // What was committed once is answered again, whatever the quota is now.
    assert_eq!(
        store.commit(bounded(gone, none)).await.unwrap().outcome,
        Outcome::Repeated
    );
}

async fn the_quota_of_an_account_wins_over_the_default<M: MetaStore>(store: &M) {
    let author = with_space(store).await;
    let tx = bounded(author.batch(vec![create(1, 0, 1)], at(2000)), files(0));
    assert!(is_over(store.commit(tx.clone()).await));
    store
        .set_quota(ACCOUNT, Some(files(1)), at(1))
        .await
        .unwrap();
    let free = bounded(tx.clone(), Quota::default());
    assert_eq!(store.commit(tx).await.unwrap().outcome, Outcome::New);
    assert_eq!(store.commit(free).await.unwrap().outcome, Outcome::Repeated);
}

async fn all_spaces_of_an_account_count<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(store, &mut author, vec![create(1, 0, 1)]).await;
    let other = SpaceId([0x66; 16]);
    let mut second = super::Author::new(2);
    let mut request = second.genesis(at(1000));
    request.commit.header.space = other;
    request.commit.header_bytes = fst_proto::log::encode_header(&request.commit.header);
    request.tag = tag(77);
    let made = store.create_space(request.clone()).await.unwrap();
    second.wrote(&request.commit, made.head);
    let mut tx = bounded(second.batch(vec![create(2, 0, 2)], at(2000)), files(1));
    tx.header.space = other;
    tx.header_bytes = fst_proto::log::encode_header(&tx.header);
    assert!(is_over(store.commit(tx).await));
}

/// Two requests that fit one by one and not together: one is served.
async fn two_at_once_do_not_both_fit<M: MetaStore>(store: &M) {
    let _author = with_space(store).await;
    let used = store.usage(ACCOUNT).await.unwrap().bytes;
    store
        .set_quota(ACCOUNT, Some(bytes(used + 60)), at(1))
        .await
        .unwrap();
    let (one, other) = futures::join!(
        store.register_pack(pack(1, &[1])),
        store.register_pack(pack(2, &[2])),
    );
    assert!(is_over(one) != is_over(other));
    assert_eq!(store.usage(ACCOUNT).await.unwrap().bytes, used + 46);
}

async fn files_have_a_largest_size<M: MetaStore>(store: &M) {
    let author = with_space(store).await;
    store.register_pack(pack(1, &[1, 2, 3])).await.unwrap();
    let with = |n: u8, refs: &[u8]| {
        let mut op = create(n, 0, n);
        op.add_refs = refs.iter().map(|n| object(*n)).collect();
        op
    };
    let limited = |ops, limit| {
        let mut tx = author.batch(ops, at(2000));
        tx.bounds.file_bytes = Some(limit);
        tx
    };
    let tx = limited(vec![with(1, &[1]), with(2, &[2, 3])], 19);
    let refused = store.commit(tx).await.unwrap_err();
    let expected = Conflict::FileTooLarge {
        nodes: vec![node(2)],
        limit: 19,
    };
    assert_eq!(refused.refused(), Some(&Refused::Conflict(expected)));
    let tx = limited(vec![with(1, &[1]), with(2, &[2, 3])], 20);
    assert_eq!(store.commit(tx).await.unwrap().outcome, Outcome::New);
}
