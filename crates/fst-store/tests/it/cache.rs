//! Bounds of the cache in process.

use bytes::Bytes;
use fst_proto::ids::{DeviceId, SpaceId};
use fst_proto::time::UnixMillis;
use fst_store::cache::local::{BUCKETS_MAX, LocalCache, NOTES_MAX, SHORT_MAX};
use fst_store::cache::{Cache as _, Hint, Note, Pay, Rate, ShortValues as _, Taken, Topic};

#[tokio::test]
async fn short_values_are_bounded_and_the_oldest_go_first() {
    let cache = LocalCache::new();
    for n in 0..=SHORT_MAX as u64 {
        let ends = UnixMillis(1_000_000 + n);
        cache
            .put_short(&n.to_string(), vec![1], UnixMillis(0), ends)
            .await
            .unwrap();
    }
    assert_eq!(cache.take_short("0", UnixMillis(0)).await.unwrap(), None);
    assert_eq!(
        cache.take_short("1", UnixMillis(0)).await.unwrap(),
        Some(vec![1])
    );
    let last = SHORT_MAX.to_string();
    assert_eq!(
        cache.take_short(&last, UnixMillis(0)).await.unwrap(),
        Some(vec![1])
    );
}

#[tokio::test]
async fn buckets_are_bounded() {
    let cache = LocalCache::new();
    let rate = Rate {
        quota: 1,
        window_ms: 1000,
    };
    for n in 0..BUCKETS_MAX + 10 {
        let bucket = n.to_string();
        let taken = cache.pay(&bucket, rate, Pay::Ahead(1), UnixMillis(0));
        assert!(matches!(taken.await.unwrap(), Taken::Granted { .. }));
    }
}

#[tokio::test]
async fn a_hint_without_listeners_is_forgotten() {
    let cache = LocalCache::new();
    let topic = Topic::Space(SpaceId([1; 16]));
    drop(cache.subscribe(&[topic]).await.unwrap());
    cache.publish(Hint { topic, size: 3 }).await.unwrap();
    let mut later = cache.subscribe(&[topic]).await.unwrap();
    cache.publish(Hint { topic, size: 4 }).await.unwrap();
    assert_eq!(later.next().await, Some(Hint { topic, size: 4 }));
}

#[tokio::test]
async fn a_subscription_to_nothing_ends() {
    let cache = LocalCache::new();
    assert_eq!(cache.subscribe(&[]).await.unwrap().next().await, None);
}

#[tokio::test]
async fn a_slow_listener_misses_the_oldest_notes() {
    let cache = LocalCache::new();
    let note = |n: usize| Note {
        space: SpaceId([1; 16]),
        from: DeviceId([2; 16]),
        bytes: Bytes::from(n.to_be_bytes().to_vec()),
    };
    cache.tell(note(0)).await.unwrap();
    let mut slow = cache.notes();
    for n in 0..=NOTES_MAX {
        cache.tell(note(n)).await.unwrap();
    }
    assert!(slow.recv().await.is_err(), "it is told that it missed some");
    assert_eq!(slow.recv().await.unwrap(), note(1));
}
