//! What every cache promises.

use std::pin::pin;

use bytes::Bytes;
use fst_proto::ids::{AccountId, DeviceId, SpaceId};
use fst_proto::time::UnixMillis;
use futures::FutureExt as _;

use crate::cache::{BackOff, Cache, Hint, Note, Pay, Rate, ShortValues, Taken, Topic};

/// Runs every case, each on a fresh cache.
pub async fn all<C: Cache>(fresh: impl AsyncFn() -> C) {
    hints_reach_subscribers_of_their_topic(&fresh().await).await;
    hints_merge_to_the_newest(&fresh().await).await;
    notes_reach_everybody_who_listens(&fresh().await).await;
    buckets_empty_and_refill(&fresh().await).await;
    what_is_paid_after_is_owed(&fresh().await).await;
    buckets_are_apart(&fresh().await).await;
    failures_cost_more_until_they_are_forgiven(&fresh().await).await;
    short(fresh).await;
}

/// Runs every case of short values, each on a fresh store.
pub async fn short<S: ShortValues>(fresh: impl AsyncFn() -> S) {
    short_values_are_taken_once(&fresh().await).await;
    short_values_end(&fresh().await).await;
}

const SPACE: Topic = Topic::Space(SpaceId([1; 16]));
const ACCOUNT: Topic = Topic::Account(AccountId([1; 16]));
const RATE: Rate = Rate {
    quota: 3,
    window_ms: 300,
};

fn at(ms: u64) -> UnixMillis {
    UnixMillis(ms)
}

async fn hints_reach_subscribers_of_their_topic<C: Cache>(cache: &C) {
    let mut both = cache.subscribe(&[SPACE, ACCOUNT]).await.unwrap();
    let mut other = cache
        .subscribe(&[Topic::Space(SpaceId([2; 16]))])
        .await
        .unwrap();
    cache
        .publish(Hint {
            topic: SPACE,
            size: 5,
        })
        .await
        .unwrap();
    assert_eq!(
        both.next().await,
        Some(Hint {
            topic: SPACE,
            size: 5
        })
    );
    cache
        .publish(Hint {
            topic: ACCOUNT,
            size: 6,
        })
        .await
        .unwrap();
    assert_eq!(
        both.next().await,
        Some(Hint {
            topic: ACCOUNT,
            size: 6
        })
    );
    assert!(
        pin!(other.next()).now_or_never().is_none(),
        "a hint for another topic"
    );
}

async fn hints_merge_to_the_newest<C: Cache>(cache: &C) {
    let mut hints = cache.subscribe(&[SPACE]).await.unwrap();
    for size in 1..=100 {
        cache.publish(Hint { topic: SPACE, size }).await.unwrap();
    }
    let mut newest = 0;
    while newest < 100 {
        newest = hints.next().await.unwrap().size;
    }
    assert!(
        pin!(hints.next()).now_or_never().is_none(),
        "nothing is left"
    );
}

async fn notes_reach_everybody_who_listens<C: Cache>(cache: &C) {
    let note = |n: u8| Note {
        space: SpaceId([1; 16]),
        from: DeviceId([2; 16]),
        bytes: Bytes::from(vec![n]),
    };
    let (mut one, mut other) = (cache.notes(), cache.notes());
    cache.tell(note(1)).await.unwrap();
    cache.tell(note(2)).await.unwrap();
    for listener in [&mut one, &mut other] {
        assert_eq!(listener.recv().await.unwrap(), note(1));
        assert_eq!(listener.recv().await.unwrap(), note(2));
        assert!(listener.try_recv().is_err(), "nothing comes twice");
    }
}

/// One unit, paid ahead: what is left, or the wait.
async fn unit<C: Cache>(cache: &C, bucket: &str, ms: u64) -> Result<u64, u64> {
    paid(cache, bucket, Pay::Ahead(1), ms).await
}

async fn paid<C: Cache>(cache: &C, bucket: &str, pay: Pay, ms: u64) -> Result<u64, u64> {
    match cache.pay(bucket, RATE, pay, at(ms)).await.unwrap() {
        Taken::Granted { left, .. } => Ok(left),
        Taken::Empty { retry_ms } => Err(retry_ms),
    }
}

async fn buckets_empty_and_refill<C: Cache>(cache: &C) {
    for left in [2, 1, 0] {
        assert_eq!(unit(cache, "a", 1000).await, Ok(left));
    }
    assert_eq!(unit(cache, "a", 1000).await, Err(100));
    assert_eq!(unit(cache, "a", 1050).await, Err(50));
    assert_eq!(unit(cache, "a", 1100).await, Ok(0));
    assert_eq!(unit(cache, "a", 1100).await, Err(100));
    for left in [2, 1, 0] {
        assert_eq!(unit(cache, "a", 9000).await, Ok(left));
    }
    assert_eq!(unit(cache, "a", 9000).await, Err(100));
}

async fn what_is_paid_after_is_owed<C: Cache>(cache: &C) {
    assert_eq!(paid(cache, "a", Pay::After(5), 1000).await, Ok(0));
    assert_eq!(unit(cache, "a", 1000).await, Err(300));
    assert_eq!(paid(cache, "a", Pay::After(1), 1200).await, Ok(0));
    assert_eq!(unit(cache, "a", 1400).await, Ok(0));
    assert_eq!(paid(cache, "a", Pay::Ahead(9), 2000).await, Ok(0));
    let rate = Rate {
        quota: 64 << 30,
        window_ms: 60_000,
    };
    // A time of today, and more in a millisecond than milliseconds could tell.
    let now = at(1_800_000_000_000);
    let taken = cache.pay("b", rate, Pay::After(24 << 20), now).await;
    let (left, full_ms) = (68_694_310_518, 22);
    assert_eq!(taken.unwrap(), Taken::Granted { left, full_ms });
}

async fn buckets_are_apart<C: Cache>(cache: &C) {
    assert_eq!(paid(cache, "a", Pay::Ahead(3), 0).await, Ok(0));
    assert_eq!(unit(cache, "b", 0).await, Ok(2));
    assert_eq!(unit(cache, "a", 0).await, Err(100));
}

async fn failures_cost_more_until_they_are_forgiven<C: Cache>(cache: &C) {
    let rule = BackOff {
        free: 2,
        first_ms: 100,
        cap_ms: 300,
        forget_ms: 5000,
    };
    for (ms, n, wait) in [
        (10, 1, 0),
        (10, 2, 0),
        (10, 3, 100),
        (20, 4, 200),
        (300, 5, 300),
        (700, 6, 300),
        (6000, 1, 0),
    ] {
        let now = at(ms);
        let struck = cache.strike("a", rule, now).await.unwrap();
        assert_eq!((struck.n, struck.wait_ms(now)), (n, wait), "at {ms}");
        assert_eq!(cache.strikes("a", rule, now).await.unwrap(), struck);
    }
    let none = (0, 0);
    for (who, ms) in [("b", 6000), ("a", 11_000)] {
        let kept = cache.strikes(who, rule, at(ms)).await.unwrap();
        assert_eq!((kept.n, kept.wait_ms(at(ms))), none, "{who}");
    }
    cache.forgive("a").await.unwrap();
    let kept = cache.strikes("a", rule, at(6000)).await.unwrap();
    assert_eq!((kept.n, kept.wait_ms(at(6000))), none);
}

async fn short_values_are_taken_once<C: ShortValues>(cache: &C) {
    cache
        .put_short("k", b"v".to_vec(), at(0), at(100))
        .await
        .unwrap();
    assert_eq!(cache.take_short("other", at(1)).await.unwrap(), None);
    assert_eq!(
        cache.take_short("k", at(1)).await.unwrap(),
        Some(b"v".to_vec())
    );
    assert_eq!(cache.take_short("k", at(1)).await.unwrap(), None);
}

async fn short_values_end<C: ShortValues>(cache: &C) {
    cache
        .put_short("k", b"v".to_vec(), at(0), at(100))
        .await
        .unwrap();
    assert_eq!(cache.take_short("k", at(100)).await.unwrap(), None);
    cache
        .put_short("k", b"old".to_vec(), at(0), at(100))
        .await
        .unwrap();
    cache
        .put_short("k", b"new".to_vec(), at(0), at(200))
        .await
        .unwrap();
    assert_eq!(
        cache.take_short("k", at(150)).await.unwrap(),
        Some(b"new".to_vec())
    );
}
