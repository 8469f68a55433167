//! Limits of speed, measured on the wire.
//!
//! `FST_TEST_SPEED=30` measures for so many seconds each way and wants the limit held within 5 %. Without it only what no
//! load of the machine can break is wanted: that no more passes than may.

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::relay::Relay;
use crate::support::{Home, Stack, eventually};

/// The limit: 2 MB/s.
const RATE: u64 = 2_000_000;

/// How long it is held, unless asked for.
const SECONDS: u64 = 3;

/// Where the measuring begins: what was buffered on the way does not count any more.
const WARM_UP: u64 = 6_000_000;

/// What may lie in buffers of the system between server and client: counted already, not yet read.
const BUFFERED_MAX: u64 = 16_000_000;

#[test]
fn a_limit_of_speed_is_kept_both_ways() {
    let asked = std::env::var("FST_TEST_SPEED").ok();
    let seconds = asked.as_ref().map_or(SECONDS, |text| text.parse().unwrap());
    let stack = Stack::start();
    let relay = Relay::to(stack.port());
    let a = stack.first_home(&relay.url());
    configure(&a, "2mb/s");
    let len = WARM_UP + RATE * (seconds + 5) + 2 * BUFFERED_MAX;
    fs::write(a.folder.join("big"), noise(usize::try_from(len).unwrap())).unwrap();
    let up = measure(&a, seconds, || relay.up());
    let line = Relay::to(stack.port());
    let b = stack.joined_home(&a, &line.url(), "b");
    configure(&b, "2mb/s");
    let down = measure(&b, seconds, || line.down());
    b.synced();
    assert_eq!(a.tree(), b.tree());
    println!("shares of the limit: up {up:.4}, down {down:.4}");
    for share in [up, down] {
        assert!(
            asked.is_none() || (0.95..=1.05).contains(&share),
            "{share} of the limit"
        );
    }
}

pub(crate) fn configure(home: &Home, rate: &str) {
    let file = home.home.join(".config/filesynctool/config.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = text.split("performance:").collect();
    let text = format!(
        "{}\nperformance:\n  max_upload_speed: {rate}\n  max_download_speed: {rate}\n",
        kept[0].trim_end()
    );
    fs::write(file, text).unwrap();
}

/// Bytes that pass in the time, as a share of the limit; then the rest goes as fast as it can.
fn measure(home: &Home, seconds: u64, count: impl Fn() -> u64) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a rate is bytes in real time")]
    let begun = Instant::now();
    home.ok(&["daemon", "start"]);
    eventually("the transfer runs", || count() > WARM_UP);
    #[expect(clippy::disallowed_methods, reason = "a rate is bytes in real time")]
    let (start, first) = (Instant::now(), count());
    let (_keep, rest) = mpsc::channel::<()>();
    // tidy: real-time wait, because a rate is bytes in real time.
    rest.recv_timeout(Duration::from_secs(seconds))
        .unwrap_or_default();
    let passed = count();
    let ms_max = u64::try_from(begun.elapsed().as_millis()).unwrap();
    assert!(
        passed <= RATE * ms_max / 1000 + BUFFERED_MAX,
        "{passed} bytes in {ms_max} ms"
    );
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let share = (passed - first) as f64 / start.elapsed().as_secs_f64() / RATE as f64;
    configure(home, "unlimited");
    home.ok(&["daemon", "restart"]);
    home.synced();
    share
}

/// Bytes that nothing shortens.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}
