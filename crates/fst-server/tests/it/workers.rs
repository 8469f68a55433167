//! Several workers on one PostgreSQL, Redis and bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fst_proto::ids::SpaceId;
use fst_proto::wire::{Changes, Commit, Receipt};
use fst_store::conformance::servers::look_again;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::client::{Process, read};
use crate::farm::{Farm, Shares, commit_at_last, payloads};
use crate::support::{Device, frame_of, object, object_bytes, put, put_with};

/// Longest time for something that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Shorter than the wait of a poll and than the tick of a stream: who answers sooner was woken.
const WOKEN: Duration = Duration::from_secs(10);

/// Longest time until clients go on after the database is back.
const RESUMED: Duration = Duration::from_secs(10);

/// How often something dies in one run; a long run says more by [`KILLS_VAR`].
const KILLS: usize = 20;
const KILLS_VAR: &str = "FST_TEST_KILLS";

/// What one writer did.
struct Written {
    device: Device,
    space: SpaceId,
    acknowledged: Vec<(Commit, Receipt)>,
}

/// A commit with a payload beside the metadata, in the bucket, or with an object in the bucket.
fn sample(device: &Device, space: SpaceId, n: u32) -> Commit {
    let mut op = match n % 4 {
        0 => put_with(n, 0, vec![1; 281], Some(vec![2; 100_000])),
        _ => put(n, 0),
    };
    if n % 4 == 1 {
        op.op.add_refs = vec![object(n)];
    }
    let mut commit = device.batch(space, vec![op]);
    if n % 4 == 1 {
        commit.objects = frame_of(&[(n, 10_000)]);
    }
    commit
}

/// What writers may meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errors {
    /// None at all.
    None,
    /// A failing server, which they try again as clients do.
    TryAgain,
}

/// Writers under way.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    n_done: AtomicUsize,
}

/// Writers that commit without pause until the load is over.
async fn writers(
    farm: &Arc<Farm>,
    n: u8,
    load: &Arc<Load>,
    errors: Errors,
) -> Vec<JoinHandle<Written>> {
    let mut tasks = Vec::new();
    for writer in 1..=n {
        let written = farm.device(writer).await;
        tasks.push(tokio::spawn(write_on(
            Arc::clone(farm),
            Arc::clone(load),
            written,
            errors,
        )));
    }
    tasks
}

async fn write_on(
    farm: Arc<Farm>,
    load: Arc<Load>,
    (mut device, mut token, space): (Device, String, SpaceId),
    errors: Errors,
) -> Written {
    let mut acknowledged = Vec::new();
    for n in 1.. {
        if load.is_over.load(Ordering::Relaxed) {
            break;
        }
        let commit = sample(&device, space, n);
        let receipt = match errors {
            Errors::None => farm.balancer.commit(&token, space, &commit).await,
            Errors::TryAgain => {
                commit_at_last(&farm.balancer, &device, &mut token, space, &commit).await
            },
        };
        device.wrote(&commit, receipt.head);
        acknowledged.push((commit, receipt));
        load.n_done.fetch_add(1, Ordering::Relaxed);
    }
    Written {
        device,
        space,
        acknowledged,
    }
}

/// Everything that was acknowledged is there, in order, once.
async fn check(worker: &Process, tasks: Vec<JoinHandle<Written>>) -> usize {
    let mut n_commits = 0;
    for task in tasks {
        let written = task.await.unwrap();
        // The writer's own token may have ended in a long run.
        let token = worker.http().sign_in(&written.device).await;
        let found = payloads(worker, &token, written.space).await;
        let expected = written.acknowledged.iter();
        let expected: Vec<_> = expected.map(|(commit, _)| commit.payload.clone()).collect();
        assert!(found[1..] == expected, "space {}", written.space);
        assert_eq!(written.device.seen.size, found.len() as u64);
        for n in (1..).take(expected.len()).filter(|n| n % 4 == 1) {
            let path = format!("/v1/spaces/{}/objects/{}", written.space, object(n));
            let bytes = worker.http().get(&path, &token).await;
            assert_eq!(bytes.bytes().await.unwrap(), object_bytes(n, 10_000));
        }
        n_commits += expected.len();
    }
    n_commits
}

/// Waits until the writers have got `more` receipts.
async fn progress(load: &Load, more: usize) {
    let target = load.n_done.load(Ordering::Relaxed) + more;
    let reached = timeout(2 * SOON, async {
        while load.n_done.load(Ordering::Relaxed) < target {
            look_again().await;
        }
    });
    reached.await.expect("commits go on");
}

#[tokio::test]
async fn init_makes_the_database_once_and_migrate_tells() {
    let farm = Farm::without_database().await;
    let (code, _, err) = farm.admin(&["migrate", "--check"]);
    assert_eq!(code, Some(9));
    assert!(err.contains("run fst-server migrate"), "{err}");
    let (code, out, _) = farm.admin(&["migrate", "--plan"]);
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            "to do  0001_init\nto do  0002_barred\nto do  0003_quotas\nto do  0004_audit\n"
        )
    );
    assert_eq!(
        farm.admin(&["migrate", "--check"]).0,
        Some(9),
        "a plan changes nothing"
    );
    let (code, _, err) = farm.admin(&["start"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("run fst-server init"), "{err}");
    assert_eq!(farm.init(), farm.init());
    assert_eq!(farm.admin(&["migrate", "--check"]).0, Some(0));
    let (code, out, _) = farm.admin(&["migrate", "--plan"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "the database is up to date\n")
    );
    assert_eq!(farm.admin(&["migrate"]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_share_too_little_do_not_start_together() {
    let farm = Farm::start().await;
    let first = Process::spawn(farm.worker_command(Shares::Nothing));
    for (shares, says) in [
        (Shares::Nothing, "set redis.url"),
        (Shares::BusOnly, "storage.backend: s3"),
        (Shares::All, "redis.url and storage.backend: s3"),
    ] {
        let mut second = farm.worker_command(shares);
        let second = second.output().unwrap();
        assert_eq!(second.status.code(), Some(11));
        let err = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(err.contains("another worker uses the database"), "{err}");
        assert!(err.contains(says), "{err}");
    }
    drop(first);
    let (one, two) = (farm.worker(), farm.worker());
    assert!(one.stdout.contains("PostgreSQL"), "{}", one.stdout);
    assert!(!two.stdout.contains("secret"), "{}", two.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_be_used_is_told_at_the_start() {
    let farm = Farm::start().await;
    for (right, wrong, cause) in [
        ("s3_bucket: fst-test", "s3_bucket: nowhere", "NoSuchBucket"),
        (
            "s3_access_key_id: AKID",
            "s3_access_key_id: NOT",
            "403 Forbidden",
        ),
    ] {
        let mut worker = farm.worker_command(Shares::All);
        let config = worker.get_args().last().unwrap().to_owned();
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(text.contains(right), "{text}");
        std::fs::write(&config, text.replace(right, wrong)).unwrap();
        let ended = tokio::task::spawn_blocking(move || worker.output()).await;
        let ended = ended.unwrap().unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(9), "{err}");
        assert!(err.contains("cannot be used: check storage"), "{err}");
        assert!(err.contains(cause), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_and_streams_go_on_at_another_worker() {
    let farm = Farm::start().await;
    let (one, two) = (farm.join(), farm.join());
    let (mut device, token, space) = farm.device(1).await;
    let wait = |worker: &Process, since: u64| {
        let http = worker.http();
        let (token, path) = (
            token.clone(),
            format!("/v1/spaces/{space}/changes?since={since}&wait=25"),
        );
        tokio::spawn(async move { read::<Changes>(http.get(&path, &token).await).await })
    };
    for n in 1..=6 {
        // The poll waits at one worker, the commit goes to the other.
        let (here, there) = if n % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let poll = wait(here, device.seen.size);
        let url = format!(
            "{}/v1/spaces/{space}/events?since={}",
            here.url, device.seen.size
        );
        let stream = reqwest::Client::new().get(url).bearer_auth(&token).send();
        let mut stream = stream.await.unwrap();
        let commit = sample(&device, space, n);
        let receipt = there.http().commit(&token, space, &commit).await;
        let seen = timeout(WOKEN, poll)
            .await
            .expect("a poll ends early")
            .unwrap();
        assert_eq!(seen.receipt.head, receipt.head);
        let event = timeout(WOKEN, stream.chunk())
            .await
            .expect("an event")
            .unwrap()
            .unwrap();
        let event = String::from_utf8_lossy(&event).into_owned();
        assert!(
            event.contains(&format!("\"size\":{}", receipt.head.size)),
            "{event}"
        );
        device.wrote(&commit, receipt.head);
    }
    // Without Redis it takes a poll, not the whole wait.
    farm.redis.crash();
    let poll = wait(&one, device.seen.size);
    let commit = sample(&device, space, 7);
    let receipt = two.http().commit(&token, space, &commit).await;
    let seen = timeout(WOKEN, poll).await.expect("polled").unwrap();
    assert_eq!(seen.receipt.head, receipt.head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_shows_no_error() {
    let farm = Arc::new(Farm::start().await);
    let mut workers = vec![farm.join(), farm.join(), farm.join()];
    let load = Arc::new(Load::default());
    let tasks = writers(&farm, 4, &load, Errors::None).await;
    for round in 0..6 {
        progress(&load, 8).await;
        let old = workers.remove(0);
        workers.push(farm.join());
        // Half of the time the balancer learns of it only by a refused connection.
        let url = old.url.clone();
        if round % 2 == 0 {
            farm.balancer.leave(&url);
        }
        let broken = farm.balancer.n_broken();
        let stopped = tokio::task::spawn_blocking(move || old.stop())
            .await
            .unwrap();
        assert_eq!(stopped.0, Some(0), "{}", stopped.1);
        if round % 2 == 0 {
            assert_eq!(
                farm.balancer.n_broken(),
                broken,
                "requests under way were answered"
            );
        }
        farm.balancer.leave(&url);
    }
    progress(&load, 8).await;
    load.is_over.store(true, Ordering::Relaxed);
    let n_commits = check(&workers[0], tasks).await;
    assert!(n_commits >= 56, "{n_commits}");
}

/// A choice of the next thing to die: the same kills in the same order for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_anything_dies() {
    let farm = Arc::new(Farm::start().await);
    let mut workers = vec![farm.join(), farm.join()];
    let load = Arc::new(Load::default());
    let tasks = writers(&farm, 3, &load, Errors::TryAgain).await;
    let n_kills = n_kills();
    let mut dice = Dice(n_kills as u64);
    let mut slowest = Duration::ZERO;
    for n in 0..n_kills {
        // At other moments of a commit each time.
        progress(&load, 1 + n % 5).await;
        let died = Instant::now();
        match dice.throw(4) {
            0 => {
                let dead = workers.remove(0);
                let url = dead.url.clone();
                dead.kill();
                workers.push(farm.join());
                farm.balancer.leave(&url);
            },
            1 => {
                farm.postgres.crash();
                farm.postgres.restart();
            },
            2 => {
                farm.redis.crash();
                farm.redis.restart();
            },
            _ => {
                farm.s3.crash().await;
                farm.s3.restart().await;
            },
        }
        let resumed = timeout(RESUMED, progress(&load, 1)).await;
        resumed.unwrap_or_else(|_| panic!("clients do not go on after kill {n}"));
        slowest = slowest.max(died.elapsed());
    }
    load.is_over.store(true, Ordering::Relaxed);
    let n_commits = check(&workers[0], tasks).await;
    assert!(n_commits > n_kills, "{n_commits}");
    println!("{n_kills} kills, {n_commits} commits, clients went on within {slowest:?}");
}

fn n_kills() -> usize {
    let asked = std::env::var(KILLS_VAR).map(|n| n.parse().unwrap());
    asked.unwrap_or(KILLS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_dies_under_load_loses_nothing() {
    let farm = Arc::new(Farm::start().await);
    let mut workers = [farm.join(), farm.join()];
    let load = Arc::new(Load::default());
    let tasks = writers(&farm, 3, &load, Errors::TryAgain).await;
    let n_kills = n_kills();
    for n in 0..n_kills {
        // At other moments of a commit each time.
        progress(&load, 1 + n % 5).await;
        farm.postgres.crash();
        farm.postgres.restart();
        let resumed = timeout(RESUMED, progress(&load, 1)).await;
        resumed.unwrap_or_else(|_| panic!("clients do not go on after kill {n}"));
    }
    load.is_over.store(true, Ordering::Relaxed);
    let n_commits = check(&workers[0], tasks).await;
    assert!(n_commits > n_kills, "{n_commits}");
    for worker in &mut workers {
        let ended = worker.child.try_wait().unwrap();
        assert_eq!(ended, None, "no worker had to be started again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_redis_does_no_client_sees_an_error() {
    let farm = Arc::new(Farm::start().await);
    let workers = [farm.join(), farm.join()];
    let load = Arc::new(Load::default());
    let tasks = writers(&farm, 3, &load, Errors::None).await;
    progress(&load, 4).await;
    assert_eq!(farm.redis.cli(&["FLUSHALL"]), "OK");
    progress(&load, 8).await;
    // It answers nobody for some seconds.
    assert_eq!(farm.redis.cli(&["CLIENT", "PAUSE", "3000", "ALL"]), "OK");
    progress(&load, 8).await;
    farm.redis.crash();
    progress(&load, 8).await;
    farm.redis.restart();
    progress(&load, 8).await;
    assert_eq!(farm.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    progress(&load, 8).await;
    // A sign-in that another worker finishes does not need Redis either.
    let (mut device, token, space) = farm.device(100).await;
    let commit = sample(&device, space, 1);
    let receipt = farm.balancer.commit(&token, space, &commit).await;
    device.wrote(&commit, receipt.head);
    load.is_over.store(true, Ordering::Relaxed);
    check(&workers[0], tasks).await;
    assert_eq!(farm.balancer.n_broken(), 0);
}
