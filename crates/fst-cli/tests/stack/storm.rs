//! kill -9 of server and daemons at random instants while 10 000 files travel.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::Stack;

const FILES: usize = 10_000;
const KILLS: usize = 50;

/// Chance of the storm: a fixed seed, so that a failure names it.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn fifty_kills_lose_nothing() {
    let mut stack = Stack::start();
    let url = stack.url();
    let a = stack.first_home(&url);
    for i in 0..FILES {
        let dir = a.folder.join(format!("d{}", i / 250));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("f{i}")), noise(i)).unwrap();
    }
    let written = a.tree();
    let b = stack.joined_home(&a, &url, "b");
    a.ok(&["daemon", "start"]);
    b.ok(&["daemon", "start"]);
    let mut chance = Chance(0x5eed);
    // A random instant is real time by its nature: nothing here waits for an outcome.
    let (_keep, instant) = mpsc::channel::<()>();
    for _ in 0..KILLS {
        let _: Result<(), mpsc::RecvTimeoutError> =
            instant.recv_timeout(Duration::from_millis(5 + chance.below(250)));
        match chance.below(3) {
            0 => {
                stack.kill_server();
                stack.start_server();
            },
            1 => {
                a.kill_daemon();
                a.ok(&["daemon", "start"]);
            },
            _ => {
                b.kill_daemon();
                b.ok(&["daemon", "start"]);
            },
        }
    }
    a.synced();
    b.synced();
    assert_eq!(a.tree(), written, "the author's own folder changed");
    assert!(b.tree() == written, "the receiver differs");
    assert_eq!(
        (a.staged(), b.staged()),
        (0, 0),
        "something rests in a stage"
    );
}

/// 4 KiB that no two files share.
fn noise(i: usize) -> Vec<u8> {
    let mut chance = Chance(i as u64);
    (0..512)
        .flat_map(|_| chance.below(u64::from(u32::MAX)).to_le_bytes())
        .collect()
}
