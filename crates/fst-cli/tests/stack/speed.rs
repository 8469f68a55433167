//! Limits of speed, measured on the wire.

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::relay::Relay;
use crate::support::{Home, Stack, eventually};

/// The limit: 2 MB/s.
const RATE: u64 = 2_000_000;

/// How long it is held.
const SECONDS: u64 = 30;

/// Where the measuring begins: what was buffered on the way does not count any more.
const WARM_UP: u64 = 6_000_000;

#[test]
#[ignore = "measures for over a minute"]
fn a_limit_is_held_within_five_percent() {
    let stack = Stack::start();
    let relay = Relay::to(stack.port());
    let a = stack.first_home(&relay.url());
    configure(&a, "2mb/s");
    let len = usize::try_from(WARM_UP + RATE * (SECONDS + 5)).unwrap();
    fs::write(a.folder.join("big"), noise(len)).unwrap();
    a.ok(&["daemon", "start"]);
    let up = measure(|| relay.up());
    configure(&a, "unlimited");
    a.ok(&["daemon", "restart"]);
    a.synced();
    let line = Relay::to(stack.port());
    let b = stack.joined_home(&a, &line.url(), "b");
    configure(&b, "2mb/s");
    b.ok(&["daemon", "start"]);
    let down = measure(|| line.down());
    configure(&b, "unlimited");
    b.ok(&["daemon", "restart"]);
    b.synced();
    assert_eq!(a.tree(), b.tree());
    println!("shares of the limit: up {up:.4}, down {down:.4}");
    for share in [up, down] {
        assert!((0.95..=1.05).contains(&share), "{share} of the limit");
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

/// Bytes that pass in the time, as a share of the limit.
fn measure(count: impl Fn() -> u64) -> f64 {
    eventually("the transfer runs", || count() > WARM_UP);
    #[expect(clippy::disallowed_methods, reason = "a rate is bytes in real time")]
    let (start, first) = (Instant::now(), count());
    let (_keep, rest) = mpsc::channel::<()>();
    // tidy: real-time wait, because a rate is bytes in real time.
    rest.recv_timeout(Duration::from_secs(SECONDS))
        .unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = (count() - first) as f64 / start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let share = rate / RATE as f64;
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
