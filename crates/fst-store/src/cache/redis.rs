//! The cache that several workers share: Redis.
//!
//! One task keeps the link: it listens to the hints of other workers, sends ours, and comes back after a loss.
//! Invariant: no caller waits longer than [`ANSWER_MAX`] for Redis, and none fails because of it: without an answer
//! buckets are this worker's own, and subscribers are woken every [`POLL`] to look for themselves.
//! Not here: what hints mean; sign-ins under way, which lie with the metadata. Source: ADR 0017.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fst_proto::ids::{AccountId, DeviceId, SpaceId};
use fst_proto::time::UnixMillis;
use futures::StreamExt as _;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, RedisError, Script};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::local::LocalCache;
use super::{
    BackOff, Cache, Hint, Note, Pay, Rate, ShortValues, Strikes, Subscription, Taken, Topic,
};
use crate::error::{StoreError, StoreResult};

/// Longest wait for an answer of Redis.
pub const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Pause between attempts to come back, and between polls while Redis is away.
pub const POLL: Duration = Duration::from_secs(2);

/// Hints on their way to Redis: some seconds of commits; what does not fit is found by polling.
const QUEUE_MAX: usize = 4096;

/// Shortest life of a key in Redis, milliseconds: ends are checked by our own clock, Redis only cleans up.
const KEY_LIFE_MIN_MS: u64 = 60_000;

/// The sums of [`super::bucket::take`]: KEYS bucket; ARGV now, cost, capacity (microseconds), life (milliseconds), whether
/// it is paid ahead. Answers how much too much it is, and when the bucket is full again from now on.
const PAY: &str = r"
local now, cost, capacity = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + cost
local over = full_at - now - capacity
if over > 0 and ARGV[5] == '1' then return {over, 0} end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.max(tonumber(ARGV[4]), math.ceil((full_at - now) / 1000)))
return {0, full_at - now}
";

/// The sums of [`Strikes::and_one`]: KEYS who; ARGV now, free, first, cap, forget (milliseconds), life. Answers how many
/// failures there are, and the wait.
const STRIKE: &str = r"
local now, free, forget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local n, ends = string.match(redis.call('GET', KEYS[1]) or '0 0', '^(%d+) (%d+)$')
n, ends = tonumber(n or 0), tonumber(ends or 0)
if now >= ends + forget then n = 0 end
n = n + 1
local wait = 0
if n > free then wait = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ math.min(n - free - 1, 40)) end
redis.call('SET', KEYS[1], string.format('%.0f %.0f', n, now + wait), 'PX', math.max(wait + forget, tonumber(ARGV[6])))
return {n, wait}
";

/// The cache in Redis, and what stands in for it.
#[derive(Debug)]
pub struct RedisCache {
    local: Arc<LocalCache>,
    /// Sign-ins, which must not fail because Redis does.
    short: Arc<dyn ShortValues>,
    link: watch::Receiver<Option<MultiplexedConnection>>,
    words: mpsc::Sender<Word>,
    lost: mpsc::Sender<()>,
    pay: Script,
    strike: Script,
    task: JoinHandle<()>,
}

/// What workers tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Hint(Hint),
    Note(Note),
}

/// What the task that keeps the link owns.
struct Keeper {
    client: Client,
    channel: String,
    /// Who sends, so that a worker does not hear itself.
    worker: [u8; 8],
    local: Arc<LocalCache>,
    link: watch::Sender<Option<MultiplexedConnection>>,
    words: mpsc::Receiver<Word>,
    lost: mpsc::Receiver<()>,
}

impl RedisCache {
    /// Opens the cache; `worker` tells this worker from others. Returns when Redis answered or did not in time.
    ///
    /// `short` keeps short values where every worker finds them whatever Redis does; without it they are this
    /// worker's own.
    ///
    /// # Errors
    /// When the URL does not parse. A Redis that does not answer is no error: the cache then stands on its own.
    pub async fn open(
        url: &str,
        db: Option<i64>,
        worker: [u8; 8],
        short: Option<Arc<dyn ShortValues>>,
    ) -> StoreResult<Self> {
        let bad = StoreError::backend("open Redis");
        let mut info = url.into_connection_info().map_err(bad)?;
        if let Some(db) = db {
            let settings = info.redis_settings().clone().set_db(db);
            info = info.set_redis_settings(settings);
        }
        let channel = format!("fst:{}:hints", info.redis_settings().db());
        let client = Client::open(info).map_err(StoreError::backend("open Redis"))?;
        let local = Arc::new(LocalCache::new());
        let (set_link, mut link) = watch::channel(None);
        let (words, queue) = mpsc::channel(QUEUE_MAX);
        let (lost, is_lost) = mpsc::channel(1);
        let keeper = Keeper {
            client,
            channel,
            worker,
            local: Arc::clone(&local),
            link: set_link,
            words: queue,
            lost: is_lost,
        };
        let task = tokio::spawn(keeper.run());
        let first = timeout(4 * ANSWER_MAX, link.wait_for(Option::is_some)).await;
        if first.is_err() {
            tracing::warn!("Redis does not answer: changes of other workers are found by polling");
        }
        drop(first);
        Ok(Self {
            short: short.unwrap_or_else(|| Arc::clone(&local) as _),
            local,
            link,
            words,
            lost,
            pay: Script::new(PAY),
            strike: Script::new(STRIKE),
            task,
        })
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        self.link.borrow().clone()
    }

    /// The answer, or `None` when Redis has none; a lost link is reported to its keeper.
    fn answer<T>(&self, answer: Result<T, RedisError>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::debug!(%error, "Redis did not serve");
                if error.is_timeout() || error.is_io_error() || error.is_connection_dropped() {
                    // A report that waits already says the same.
                    self.lost.try_send(()).unwrap_or_default();
                }
                None
            },
        }
    }
}

impl Drop for RedisCache {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait::async_trait]
impl ShortValues for RedisCache {
    async fn put_short(
        &self,
        key: &str,
        value: Vec<u8>,
        now: UnixMillis,
        ends: UnixMillis,
    ) -> StoreResult<()> {
        self.short.put_short(key, value, now, ends).await
    }

    async fn take_short(&self, key: &str, now: UnixMillis) -> StoreResult<Option<Vec<u8>>> {
        self.short.take_short(key, now).await
    }
}

#[async_trait::async_trait]
impl Cache for RedisCache {
    async fn publish(&self, hint: Hint) -> StoreResult<()> {
        self.local.publish(hint).await?;
        let queued = self.words.try_send(Word::Hint(hint));
        queued.map_err(StoreError::backend("tell other workers"))
    }

    async fn subscribe(&self, topics: &[Topic]) -> StoreResult<Subscription> {
        self.local.subscribe(topics).await
    }

    async fn tell(&self, note: Note) -> StoreResult<()> {
        self.local.tell(note.clone()).await?;
        let queued = self.words.try_send(Word::Note(note));
        queued.map_err(StoreError::backend("tell other workers"))
    }

    fn notes(&self) -> broadcast::Receiver<Note> {
        self.local.notes()
    }

    async fn pay(&self, bucket: &str, rate: Rate, pay: Pay, now: UnixMillis) -> StoreResult<Taken> {
        if let Some(mut connection) = self.connection() {
            let mut call = self.pay.key(format!("fst:bucket:{bucket}"));
            call.arg(now.0.saturating_mul(1000)).arg(rate.cost_us(pay));
            call.arg(rate.capacity_us()).arg(KEY_LIFE_MIN_MS);
            call.arg(u8::from(matches!(pay, Pay::Ahead(_))));
            let answer: Result<(u64, u64), RedisError> = call.invoke_async(&mut connection).await;
            match self.answer(answer) {
                Some((0, full_us)) => return Ok(rate.granted(full_us)),
                Some((over, _)) => {
                    let retry_ms = over.div_ceil(1000);
                    return Ok(Taken::Empty { retry_ms });
                },
                None => {},
            }
        }
        self.local.pay(bucket, rate, pay, now).await
    }

    async fn strike(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes> {
        if let Some(mut connection) = self.connection() {
            let mut call = self.strike.key(strikes_key(who));
            call.arg(now.0).arg(rule.free).arg(rule.first_ms);
            call.arg(rule.cap_ms)
                .arg(rule.forget_ms)
                .arg(KEY_LIFE_MIN_MS);
            let answer: Result<(u32, u64), RedisError> = call.invoke_async(&mut connection).await;
            if let Some((n, wait)) = self.answer(answer) {
                let until = UnixMillis(now.0.saturating_add(wait));
                return Ok(Strikes { n, until });
            }
        }
        self.local.strike(who, rule, now).await
    }

    async fn strikes(&self, who: &str, rule: BackOff, now: UnixMillis) -> StoreResult<Strikes> {
        if let Some(mut connection) = self.connection() {
            let mut get = redis::cmd("GET");
            get.arg(strikes_key(who));
            let answer: Result<Option<String>, RedisError> = get.query_async(&mut connection).await;
            if let Some(kept) = self.answer(answer) {
                let kept = kept.and_then(|kept| read_strikes(&kept));
                return Ok(kept.unwrap_or_default().now(rule, now));
            }
        }
        self.local.strikes(who, rule, now).await
    }

    async fn forgive(&self, who: &str) -> StoreResult<()> {
        if let Some(mut connection) = self.connection() {
            let mut delete = redis::cmd("DEL");
            delete.arg(strikes_key(who));
            let answer: Result<(), RedisError> = delete.query_async(&mut connection).await;
            self.answer(answer);
        }
        self.local.forgive(who).await
    }

    fn is_shared_now(&self) -> bool {
        self.link.borrow().is_some()
    }
}

impl Keeper {
    async fn run(mut self) {
        loop {
            if let Ok(Ok((connection, listener))) =
                timeout(2 * ANSWER_MAX, connect(&self.client, &self.channel)).await
            {
                self.link.send_replace(Some(connection.clone()));
                // Hints may have been missed while the link was down.
                self.local.wake_all();
                tracing::info!("Redis is there");
                self.serve(connection, listener).await;
                self.link.send_replace(None);
                tracing::warn!("Redis is gone: changes of other workers are found by polling");
            }
            self.local.wake_all();
            // tidy: real-time wait, because subscribers have to look for themselves now and then.
            sleep(POLL).await;
            // What was reported meanwhile is about the link that is gone.
            while self.lost.try_recv().is_ok() {}
        }
    }

    /// Passes hints on until the link breaks.
    async fn serve(&mut self, mut connection: MultiplexedConnection, listener: PubSub) {
        let mut heard = listener.into_on_message();
        let mut probe = tokio::time::interval(POLL);
        loop {
            let is_alive = tokio::select! {
                message = heard.next() => match message {
                    Some(message) => self.hear(message.get_payload_bytes()).await,
                    None => false,
                },
                Some(word) = self.words.recv() => self.send(&mut connection, &word).await,
                _ = self.lost.recv() => false,
                _ = probe.tick() => {
                    let pong: Result<(), RedisError> = redis::cmd("PING").query_async(&mut connection).await;
                    pong.is_ok()
                },
            };
            if !is_alive {
                return;
            }
        }
    }

    async fn send(&self, connection: &mut MultiplexedConnection, word: &Word) -> bool {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.channel).arg(encode(self.worker, word));
        let sent: Result<(), RedisError> = publish.query_async(connection).await;
        sent.is_ok()
    }

    async fn hear(&self, message: &[u8]) -> bool {
        // What does not parse was not sent by a worker of this version; polling finds the change.
        match decode(message) {
            Some((worker, Word::Hint(hint))) if worker != self.worker => {
                self.local.publish(hint).await.unwrap_or_default();
            },
            Some((worker, Word::Note(note))) if worker != self.worker => {
                self.local.tell(note).await.unwrap_or_default();
            },
            Some(_) | None => {},
        }
        true
    }
}

async fn connect(
    client: &Client,
    channel: &str,
) -> Result<(MultiplexedConnection, PubSub), RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_MAX))
        .set_response_timeout(Some(ANSWER_MAX));
    let connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let mut listener = client.get_async_pubsub().await?;
    listener.subscribe(channel).await?;
    Ok((connection, listener))
}

fn strikes_key(who: &str) -> String {
    format!("fst:strikes:{who}")
}

fn read_strikes(kept: &str) -> Option<Strikes> {
    let (n, until) = kept.split_once(' ')?;
    Some(Strikes {
        n: n.parse().ok()?,
        until: UnixMillis(until.parse().ok()?),
    })
}

/// Sender, kind, then id and size of a hint, or space, device and bytes of a note.
fn encode(worker: [u8; 8], word: &Word) -> Vec<u8> {
    let (kind, id, rest) = match word {
        Word::Hint(Hint { topic, size }) => match topic {
            Topic::Space(space) => (0, space.as_bytes(), size.to_be_bytes().to_vec()),
            Topic::Account(account) => (1, account.as_bytes(), size.to_be_bytes().to_vec()),
        },
        Word::Note(note) => {
            let rest = [note.from.as_bytes(), &note.bytes[..]].concat();
            (2, note.space.as_bytes(), rest)
        },
    };
    [&worker[..], &[kind], id, &rest].concat()
}

fn decode(message: &[u8]) -> Option<([u8; 8], Word)> {
    let (worker, rest) = message.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let hint = |topic| {
        let size = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Word::Hint(Hint { topic, size }))
    };
    let word = match kind {
        0 => hint(Topic::Space(SpaceId(*id)))?,
        1 => hint(Topic::Account(AccountId(*id)))?,
        2 => {
            let (from, bytes) = rest.split_first_chunk::<16>()?;
            Word::Note(Note {
                space: SpaceId(*id),
                from: DeviceId(*from),
                bytes: Bytes::copy_from_slice(bytes),
            })
        },
        _ => return None,
    };
    Some((*worker, word))
}
