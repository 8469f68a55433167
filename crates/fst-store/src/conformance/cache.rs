//! What every cache promises.

use std::pin::pin;

use bytes::Bytes;
use fst_proto::ids::{AccountId, DeviceId, SpaceId};
use fst_proto::time::UnixMillis;
use futures::FutureExt as _;

use crate::cache::{Cache, Hint, Note, Rate, ShortValues, Taken, Topic};

/// Runs every case, each on a fresh cache.
pub async fn all<C: Cache>(fresh: impl AsyncFn() -> C) {
    hints_reach_subscribers_of_their_topic(&fresh().await).await;
    hints_merge_to_the_newest(&fresh().await).await;
    notes_reach_everybody_who_listens(&fresh().await).await;
    buckets_empty_and_refill(&fresh().await).await;
    buckets_are_apart(&fresh().await).await;
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
    burst: 3,
    refill_ms: 100,
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

async fn buckets_empty_and_refill<C: Cache>(cache: &C) {
    for _ in 0..3 {
        assert_eq!(
            cache.take_token("a", RATE, at(1000)).await.unwrap(),
            Taken::Granted
        );
    }
    let empty = cache.take_token("a", RATE, at(1000)).await.unwrap();
    assert_eq!(empty, Taken::Empty { retry_ms: 100 });
    let empty = cache.take_token("a", RATE, at(1050)).await.unwrap();
    assert_eq!(empty, Taken::Empty { retry_ms: 50 });
    assert_eq!(
        cache.take_token("a", RATE, at(1100)).await.unwrap(),
        Taken::Granted
    );
    assert!(matches!(
        cache.take_token("a", RATE, at(1100)).await.unwrap(),
        Taken::Empty { .. }
    ));
    for _ in 0..3 {
        assert_eq!(
            cache.take_token("a", RATE, at(9000)).await.unwrap(),
            Taken::Granted
        );
    }
    assert!(matches!(
        cache.take_token("a", RATE, at(9000)).await.unwrap(),
        Taken::Empty { .. }
    ));
}

async fn buckets_are_apart<C: Cache>(cache: &C) {
    let one = Rate {
        burst: 1,
        refill_ms: 100,
    };
    assert_eq!(
        cache.take_token("a", one, at(0)).await.unwrap(),
        Taken::Granted
    );
    assert_eq!(
        cache.take_token("b", one, at(0)).await.unwrap(),
        Taken::Granted
    );
    assert!(matches!(
        cache.take_token("a", one, at(0)).await.unwrap(),
        Taken::Empty { .. }
    ));
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
