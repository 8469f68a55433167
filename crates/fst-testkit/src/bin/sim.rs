//! Runs worlds on all processors: `sim [--seeds N] [--from S]`, `sim --seed S` with its trace,
//! `sim --kills client=N,server=M` until that many processes were killed; with `--choosing` worlds of choices. Prints each failing seed, then totals.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fst_testkit::world::{self, Plan, Report};

/// Every so many seeds one is run twice and must give the same trace.
const REPLAY_EVERY: u64 = 100;

/// Worlds when nothing else is said.
const SEEDS: u64 = 200;

/// What is to be run.
struct Order {
    first: u64,
    n_seeds: u64,
    /// Kills to reach: of clients, of the server.
    kills: Option<(u64, u64)>,
    plan_of: fn(u64) -> Plan,
}

#[derive(Default)]
struct Totals {
    next: AtomicU64,
    n_seeds: AtomicU64,
    n_crashes: AtomicU64,
    n_kills: AtomicU64,
    n_server_kills: AtomicU64,
    counts: Mutex<BTreeMap<String, u64>>,
    failed: Mutex<BTreeMap<u64, String>>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let text = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let plan_of = match () {
        () if has("--choosing") => Plan::of_choices,
        () if has("--killing") || has("--kills") => Plan::of_kills,
        () => Plan::of_seed,
    };
    if let Some(seed) = number("--seed") {
        return show(seed, plan_of);
    }
    let kills = text("--kills").map(|text| (amount(&text, "client="), amount(&text, "server=")));
    let order = Order {
        first: number("--from").unwrap_or(0),
        n_seeds: number("--seeds").unwrap_or(if kills.is_some() { u64::MAX } else { SEEDS }),
        kills,
        plan_of,
    };
    run(&order)
}

fn amount(text: &str, name: &str) -> u64 {
    let part = text.split(',').find_map(|part| part.strip_prefix(name));
    part.and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn show(seed: u64, plan_of: fn(u64) -> Plan) -> ExitCode {
    let plan = plan_of(seed);
    say(&format!("{plan:?}"));
    let report = world::run(seed, &plan);
    say(&report.trace.join("\n"));
    say(&format!("seed {seed}: {:?}", report.faults));
    if report.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::disallowed_methods, reason = "a tool that measures itself")]
fn run(order: &Order) -> ExitCode {
    let begin = Instant::now();
    let totals = Totals::default();
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| work(order, &totals));
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let n_seeds = read(&totals.n_seeds);
    let failed = totals.failed.lock().unwrap_or_else(PoisonError::into_inner);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = n_seeds as f64 / seconds.max(0.001);
    say(&format!(
        "{n_seeds} seeds in {seconds:.1} s, {rate:.1} seeds per second on {n_threads} threads; {} crashes, \
         {} kills of clients, {} kills of the server; {} failed",
        read(&totals.n_crashes),
        read(&totals.n_kills),
        read(&totals.n_server_kills),
        failed.len()
    ));
    let counts = totals.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let counts: Vec<String> = counts
        .iter()
        .map(|(what, n)| format!("{what} {n}"))
        .collect();
    say(&format!("hazards: {}", counts.join(" · ")));
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn work(order: &Order, totals: &Totals) {
    loop {
        let n = totals.next.fetch_add(1, Ordering::Relaxed);
        if n >= order.n_seeds || order.kills.is_some_and(|wanted| is_reached(wanted, totals)) {
            return;
        }
        run_one(order.first + n, order.plan_of, totals);
    }
}

fn is_reached((clients, servers): (u64, u64), totals: &Totals) -> bool {
    totals.n_kills.load(Ordering::Relaxed) >= clients
        && totals.n_server_kills.load(Ordering::Relaxed) >= servers
}

fn run_one(seed: u64, plan_of: fn(u64) -> Plan, totals: &Totals) {
    let plan = plan_of(seed);
    let report: Report = world::run(seed, &plan);
    let is_repeatable = !seed.is_multiple_of(REPLAY_EVERY) || world::run(seed, &plan) == report;
    totals.n_seeds.fetch_add(1, Ordering::Relaxed);
    totals
        .n_crashes
        .fetch_add(report.n_crashes as u64, Ordering::Relaxed);
    totals.n_kills.fetch_add(report.n_kills, Ordering::Relaxed);
    totals
        .n_server_kills
        .fetch_add(report.n_server_kills, Ordering::Relaxed);
    let mut counts = totals.counts.lock().unwrap_or_else(PoisonError::into_inner);
    for (what, n) in &report.counts {
        *counts.entry(what.clone()).or_default() += n;
    }
    drop(counts);
    if !report.faults.is_empty() || !is_repeatable {
        let text = format!("{:?} repeatable={is_repeatable}", report.faults);
        say(&format!("seed {seed}: {text}"));
        let mut failed = totals.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.insert(seed, text);
    }
}

#[expect(clippy::print_stdout, reason = "the report of a tool")]
fn say(text: &str) {
    println!("{text}");
}
