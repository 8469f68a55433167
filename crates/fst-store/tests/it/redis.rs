//! What the cache in Redis promises when Redis does not.

use std::sync::Arc;
use std::time::Duration;

use fst_proto::ids::SpaceId;
use fst_proto::time::UnixMillis;
use fst_store::cache::local::LocalCache;
use fst_store::cache::redis::{POLL, RedisCache};
use fst_store::cache::{
    BackOff, Cache, Hint, Note, Pay, Rate, ShortValues, Strikes, Subscription, Taken, Topic,
};
use fst_store::conformance::servers::{PrivateRedis, look_again};
use fst_store::error::StoreResult;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

const TOPIC: Topic = Topic::Space(SpaceId([1; 16]));
const RATE: Rate = Rate {
    quota: 1,
    window_ms: 1_000_000,
};
/// What a test waits for at most: a poll and a slow machine.
const SOON: Duration = Duration::from_secs(30);

/// Two workers: what one says, the other hears; what one keeps, the other takes.
#[derive(Debug)]
pub(crate) struct TwoWorkers {
    one: RedisCache,
    other: RedisCache,
}

impl TwoWorkers {
    pub(crate) async fn open(server: &PrivateRedis) -> Self {
        let url = server.url();
        let both: Arc<dyn ShortValues> = Arc::new(LocalCache::new());
        let short = || Arc::clone(&both);
        let caches = Self {
            one: RedisCache::open(&url, Some(1), [1; 8], Some(short()))
                .await
                .unwrap(),
            other: RedisCache::open(&url, Some(1), [2; 8], Some(short()))
                .await
                .unwrap(),
        };
        assert!(caches.one.is_shared_now() && caches.other.is_shared_now());
        caches
    }
}

#[async_trait::async_trait]
impl ShortValues for TwoWorkers {
    async fn put_short(
        &self,
        key: &str,
        value: Vec<u8>,
        now: UnixMillis,
        ends: UnixMillis,
    ) -> StoreResult<()> {
        self.one.put_short(key, value, now, ends).await
    }

    async fn take_short(&self, key: &str, now: UnixMillis) -> StoreResult<Option<Vec<u8>>> {
        self.other.take_short(key, now).await
    }
}

#[async_trait::async_trait]
impl Cache for TwoWorkers {
    async fn publish(&self, hint: Hint) -> StoreResult<()> {
        self.one.publish(hint).await
    }

    async fn subscribe(&self, topics: &[Topic]) -> StoreResult<Subscription> {
        self.other.subscribe(topics).await
    }

    async fn tell(&self, note: Note) -> StoreResult<()> {
        self.one.tell(note).await
    }

    fn notes(&self) -> Receiver<Note> {
        self.other.notes()
    }

    async fn pay(&self, bucket: &str, rate: Rate, pay: Pay, now: UnixMillis) -> StoreResult<Taken> {
        let first = self.one.pay(bucket, rate, pay, now).await?;
        if let Taken::Empty { .. } = first {
            assert_eq!(self.other.pay(bucket, rate, pay, now).await?, first);
        }
        Ok(first)
    }

    async fn strike(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes> {
        self.one.strike(who, rule, now).await
    }

    async fn strikes(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes> {
        self.other.strikes(who, rule, now).await
    }

    async fn forgive(&self, who: &str) -> StoreResult<()> {
        self.other.forgive(who).await
    }
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = timeout(SOON, work).await;
    done.unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn until(cache: &RedisCache, is_shared: bool) {
    soon("the link changes", async {
        while cache.is_shared_now() != is_shared {
            look_again().await;
        }
    })
    .await;
}

async fn is_granted(cache: &RedisCache, bucket: &str, now: UnixMillis) -> bool {
    let taken = cache.pay(bucket, RATE, Pay::Ahead(1), now).await.unwrap();
    matches!(taken, Taken::Granted { .. })
}

/// Every call works at once, whatever Redis does.
async fn serves(cache: &RedisCache, n: u64) {
    let now = UnixMillis(1000);
    let bucket = n.to_string();
    let calls = async {
        assert!(is_granted(cache, &bucket, now).await);
        assert!(
            !is_granted(cache, &bucket, now).await,
            "a bucket stays a bucket"
        );
        let ends = UnixMillis(2000);
        cache.put_short(&bucket, vec![1], now, ends).await.unwrap();
        assert_eq!(cache.take_short(&bucket, now).await.unwrap(), Some(vec![1]));
        assert_eq!(cache.take_short(&bucket, now).await.unwrap(), None);
    };
    soon("calls without Redis", calls).await;
}

#[tokio::test]
async fn a_stopped_redis_is_polled_around_and_found_again() {
    let server = PrivateRedis::start();
    let workers = TwoWorkers::open(&server).await;
    let mut hints = workers.subscribe(&[TOPIC]).await.unwrap();
    server.crash();
    until(&workers.one, false).await;
    until(&workers.other, false).await;
    serves(&workers.one, 1).await;
    for _ in 0..2 {
        soon("a poll wakes", hints.next()).await.unwrap();
    }
    server.restart();
    until(&workers.one, true).await;
    until(&workers.other, true).await;
    serves(&workers.one, 2).await;
    workers
        .publish(Hint {
            topic: TOPIC,
            size: 9,
        })
        .await
        .unwrap();
    soon("a hint crosses again", async {
        while hints.next().await.unwrap().size != 9 {}
    })
    .await;
}

#[tokio::test]
async fn a_worker_starts_without_redis_and_finds_it_later() {
    let server = PrivateRedis::start();
    server.crash();
    let cache = RedisCache::open(&server.url(), None, [1; 8], None)
        .await
        .unwrap();
    assert!(!cache.is_shared_now());
    serves(&cache, 1).await;
    server.restart();
    until(&cache, true).await;
    serves(&cache, 2).await;
    assert!(
        RedisCache::open("http://nonsense", None, [1; 8], None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_flushed_redis_forgets_and_goes_on() {
    let server = PrivateRedis::start();
    let workers = TwoWorkers::open(&server).await;
    let now = UnixMillis(1);
    assert!(is_granted(&workers.one, "b", now).await);
    let is_apart = is_granted(&workers.other, "b", now).await;
    assert!(!is_apart, "one bucket for all");
    assert_eq!(server.cli(&["FLUSHALL"]), "OK");
    assert!(is_granted(&workers.other, "b", now).await);
    serves(&workers.one, 1).await;
    assert!(workers.one.is_shared_now());
}

#[tokio::test]
async fn a_full_redis_is_stood_in_for() {
    let server = PrivateRedis::start();
    let workers = TwoWorkers::open(&server).await;
    let mut hints = workers.subscribe(&[TOPIC]).await.unwrap();
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let set = server.cli(&["SET", "x", "y"]);
    assert!(set.contains("OOM"), "{set}");
    serves(&workers.one, 1).await;
    workers
        .publish(Hint {
            topic: TOPIC,
            size: 4,
        })
        .await
        .unwrap();
    soon("a hint crosses", hints.next()).await.unwrap();
}

#[tokio::test]
async fn a_slow_redis_costs_one_short_wait() {
    let server = PrivateRedis::start();
    let workers = TwoWorkers::open(&server).await;
    let mut hints = workers.subscribe(&[TOPIC]).await.unwrap();
    assert_eq!(server.cli(&["CLIENT", "PAUSE", "5000", "ALL"]), "OK");
    // Far less than the pause: no caller waits for Redis to come back.
    let calls = timeout(Duration::from_secs(4), serves(&workers.one, 1));
    calls.await.unwrap();
    workers
        .publish(Hint {
            topic: TOPIC,
            size: 5,
        })
        .await
        .unwrap();
    soon("a poll or the hint wakes", hints.next())
        .await
        .unwrap();
    until(&workers.one, true).await;
    assert!(POLL < SOON);
}
