//! What the server costs under load: `cargo xtask bench server` runs and prints it.
//!
//! One worker and its clients share this machine. Printed are commits of one file of 4 KiB each, as fast as they go and
//! at the rate that a team makes, the time until a change reached every open stream, and the resident memory of the
//! worker. Each writer has a space of its own. Latencies at a rate count from when the commit was due.
//! Not here: verdicts, which depend on the machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unused_imports,
    unused_macros,
    reason = "helpers of the tests, which fail whoever calls them"
)]

#[path = "../tests/it/client.rs"]
mod client;
#[path = "../tests/it/farm.rs"]
mod farm;
#[path = "../tests/it/support.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use fst_proto::ids::SpaceId;
use fst_proto::limits;
use fst_proto::wire::Commit;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::client::{Http, Process};
use crate::farm::{Farm, Shares};
use crate::support::{Device, put_with};

/// How long each rate is measured.
const SPELL: Duration = Duration::from_secs(10);

/// Writers that do not pause.
const N_EAGER: u8 = 64;

/// Writers that share a rate.
const N_PACED: u8 = 100;

/// Open streams.
const N_STREAMS: usize = 500;

/// Changes that every stream has to hear.
const N_CHANGES: u32 = 20;

/// Commits each second that a server of this kind is asked to take.
const SQLITE_RATE: u32 = 200;
const POSTGRES_RATE: u32 = 500;

/// A signed-in device in a space of its own.
struct Writer {
    http: Http,
    token: String,
    device: Device,
    space: SpaceId,
    n: u32,
}

impl Writer {
    /// A commit of one more file of 4 KiB.
    fn next(&mut self) -> Commit {
        self.n += 1;
        let body = vec![2; limits::INLINE_BODY_MAX];
        let op = put_with(self.n, 0, vec![1; 281], Some(body));
        self.device.batch(self.space, vec![op])
    }

    async fn commit(&mut self) {
        let commit = self.next();
        let receipt = self.http.commit(&self.token, self.space, &commit).await;
        self.device.wrote(&commit, receipt.head);
    }
}

/// Times of what was done, and how long all of it took.
struct Times {
    each: Vec<Duration>,
    all: Duration,
}

impl Times {
    fn at(&self, percent: usize) -> Duration {
        let last = self.each.len().saturating_sub(1);
        self.each[last * percent / 100]
    }

    fn line(&self) -> String {
        let rate = self.each.len() as f64 / self.all.as_secs_f64();
        format!(
            "{rate:.0}/s, half within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms",
            ms(self.at(50)),
            ms(self.at(99)),
            ms(self.at(100)),
        )
    }
}

#[expect(clippy::print_stdout, reason = "a measurement is read by people")]
fn say(line: &str) {
    println!("{line}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    sqlite().await;
    postgresql().await;
}

async fn sqlite() {
    let data = tempfile::tempdir().unwrap();
    let worker = Process::start(data.path());
    let code = std::fs::read_to_string(data.path().join("setup-code")).unwrap();
    measure("SQLite", &worker, &code, SQLITE_RATE).await;
}

async fn postgresql() {
    let farm = Farm::start().await;
    let code = farm.new_setup_code();
    let worker = Process::spawn(farm.worker_command(Shares::BusOnly));
    measure("PostgreSQL, Redis", &worker, &code, POSTGRES_RATE).await;
}

async fn measure(name: &str, worker: &Process, code: &str, rate: u32) {
    say(&format!("{name}: memory at the start {}", memory(worker)));
    let http = worker.http();
    let first = http.create_account(1, code.trim()).await;
    let token = http.sign_in(&first).await;
    let mut writers = Vec::new();
    for n in 0..N_EAGER.max(N_PACED) {
        let mut device = Device::new(1, first.account, first.account_len, first.account_hash);
        let space = SpaceId([n + 1; 16]);
        http.create_space(&token, &mut device, space).await;
        writers.push(Writer {
            http: worker.http(),
            token: token.clone(),
            device,
            space,
            n: 0,
        });
    }
    let paced = writers.split_off(usize::from(N_PACED.min(N_EAGER)));
    let (times, eager) = run(writers, |writer| as_fast_as_it_goes(writer, SPELL)).await;
    say(&format!(
        "{name}: {N_EAGER} writers without pause {}",
        times.line()
    ));
    let all: Vec<Writer> = eager.into_iter().chain(paced).collect();
    let gap = Duration::from_secs(1) * u32::from(N_PACED) / rate;
    let (times, mut all) = run(all, |writer| at_a_rate(writer, gap, SPELL)).await;
    say(&format!(
        "{name}: {N_PACED} writers at {rate}/s together {}",
        times.line()
    ));
    let before = memory(worker);
    let writer = all.swap_remove(0);
    let times = fan_out(worker, writer).await;
    say(&format!(
        "{name}: a change at {N_STREAMS} streams {}; memory before {before}, with them {}",
        times.line(),
        memory(worker)
    ));
}

/// Runs all writers and gathers their times, sorted.
async fn run<F: Future<Output = (Writer, Vec<Duration>)> + Send + 'static>(
    writers: Vec<Writer>,
    work: impl Fn(Writer) -> F,
) -> (Times, Vec<Writer>) {
    let begun = Instant::now();
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|writer| tokio::spawn(work(writer)))
        .collect();
    let (mut each, mut writers) = (Vec::new(), Vec::new());
    for task in tasks {
        let (writer, times) = task.await.unwrap();
        writers.push(writer);
        each.extend(times);
    }
    let all = begun.elapsed();
    each.sort_unstable();
    (Times { each, all }, writers)
}

async fn as_fast_as_it_goes(mut writer: Writer, spell: Duration) -> (Writer, Vec<Duration>) {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < spell {
        let at = Instant::now();
        writer.commit().await;
        times.push(at.elapsed());
    }
    (writer, times)
}

async fn at_a_rate(mut writer: Writer, gap: Duration, spell: Duration) -> (Writer, Vec<Duration>) {
    // Writers begin spread over one gap.
    let begun = Instant::now() + gap * u32::from(writer.space.0[0]) / u32::from(N_PACED);
    let mut due = tokio::time::interval_at(begun, gap);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut times = Vec::new();
    loop {
        // tidy: real-time wait, because a rate is commits in real time.
        let at = due.tick().await;
        if at.duration_since(begun) >= spell {
            return (writer, times);
        }
        writer.commit().await;
        times.push(at.elapsed());
    }
}

/// Times from sending a commit until every stream has heard of it, sorted.
async fn fan_out(worker: &Process, mut writer: Writer) -> Times {
    let (heard, mut hears) = mpsc::channel(N_STREAMS);
    let client = Arc::new(reqwest::Client::builder().no_proxy().build().unwrap());
    for _ in 0..N_STREAMS {
        let since = writer.device.seen.size;
        let url = format!(
            "{}/v1/spaces/{}/events?since={since}",
            worker.url, writer.space
        );
        let stream = client.get(url).bearer_auth(&writer.token).send();
        let stream = stream.await.unwrap();
        assert_eq!(stream.status(), reqwest::StatusCode::OK);
        tokio::spawn(listen(stream, heard.clone()));
    }
    let (begun, mut each) = (Instant::now(), Vec::new());
    for _ in 0..N_CHANGES {
        let at = Instant::now();
        writer.commit().await;
        for _ in 0..N_STREAMS {
            hears.recv().await.unwrap();
        }
        each.push(at.elapsed());
    }
    let all = begun.elapsed();
    each.sort_unstable();
    Times { each, all }
}

/// Tells of each event; comments between them are not one.
async fn listen(mut stream: reqwest::Response, heard: mpsc::Sender<()>) {
    while let Ok(Some(chunk)) = stream.chunk().await {
        for _ in String::from_utf8_lossy(&chunk).matches("data:") {
            if heard.send(()).await.is_err() {
                return;
            }
        }
    }
}

/// Resident memory of a process.
fn memory(worker: &Process) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    format!("{:.1} MB", kib.unwrap() as f64 * 1024.0 / 1e6)
}
