//! Long uploads: what overtakes them, and what an interruption costs. Bytes are counted on the wire.

use std::fs;

use crate::relay::Relay;
use crate::speed::{configure, noise};
use crate::support::{Home, Stack, eventually};

const MIB: u64 = 1 << 20;

/// A file that takes a while at [`RATE`].
const LONG: u64 = 160 * MIB;

/// As `performance.max_upload_speed`.
const RATE: &str = "8mb/s";

/// What an interruption may cost: a frame of each stream, and what is no content.
const AGAIN_MAX: u64 = 4 * 9 * MIB + 2 * MIB;

struct Scene {
    stack: Stack,
    relay: Relay,
    a: Home,
    b: Home,
}

/// Two devices, of which the first has begun to send a long file.
fn sending() -> Scene {
    let stack = Stack::start();
    let relay = Relay::to(stack.port());
    let a = stack.first_home(&relay.url());
    let b = stack.joined_home(&a, &stack.url(), "b");
    configure(&a, RATE);
    b.ok(&["daemon", "start"]);
    fs::write(a.folder.join("long"), noise(usize::try_from(LONG).unwrap())).unwrap();
    a.ok(&["daemon", "start"]);
    Scene { stack, relay, a, b }
}

impl Scene {
    /// Everything arrives, and no more went up than may.
    fn ends_with(&self, up_max: u64) {
        self.a.synced();
        self.b.synced();
        assert_eq!(self.a.tree(), self.b.tree());
        let up = self.relay.up();
        assert!(up <= up_max, "{up} bytes went up, {up_max} may");
        assert!(up >= LONG, "the file went this way");
    }
}

#[test]
fn a_small_change_overtakes_a_long_upload_that_goes_on_after_a_kill() {
    let scene = sending();
    let (a, b, relay) = (&scene.a, &scene.b, &scene.relay);
    eventually("the upload runs", || relay.up() > 24 * MIB);
    fs::write(a.folder.join("small"), vec![7; 1024]).unwrap();
    eventually("the small one is there", || b.folder.join("small").exists());
    let up = relay.up();
    println!("after {} MiB of the upload", up / MIB);
    assert!(
        up < LONG - 16 * MIB,
        "it came when the long one was nearly over"
    );
    assert!(!b.folder.join("long").exists());
    // Once more, for something that another device did.
    fs::write(b.folder.join("other"), "from b").unwrap();
    eventually("the other one is there", || a.folder.join("other").exists());
    assert!(!b.folder.join("long").exists());
    eventually("most is sent", || relay.up() > 110 * MIB);
    a.kill_daemon();
    configure(a, "unlimited");
    a.ok(&["daemon", "start"]);
    scene.ends_with(LONG + AGAIN_MAX);
    assert_eq!(scene.a.staged() + scene.b.staged(), 0);
}

#[test]
fn an_upload_goes_on_where_the_line_broke() {
    let mut scene = sending();
    eventually("half is sent", || scene.relay.up() > 80 * MIB);
    scene.relay.cut();
    scene.relay.mend();
    eventually("it goes on", || scene.relay.up() > 110 * MIB);
    scene.stack.kill_server();
    scene.stack.start_server();
    scene.ends_with(LONG + 2 * AGAIN_MAX);
}

#[test]
fn a_download_goes_on_after_a_broken_line_and_a_kill() {
    let stack = Stack::start();
    let a = stack.first_home(&stack.url());
    let line = Relay::to(stack.port());
    let b = stack.joined_home(&a, &line.url(), "b");
    fs::write(a.folder.join("long"), noise(usize::try_from(LONG).unwrap())).unwrap();
    a.ok(&["daemon", "start"]);
    a.synced();
    configure(&b, RATE);
    b.ok(&["daemon", "start"]);
    eventually("the download runs", || line.down() > 50 * MIB);
    line.cut();
    line.mend();
    eventually("it goes on", || line.down() > 100 * MIB);
    b.kill_daemon();
    assert!(!b.folder.join("long").exists());
    configure(&b, "unlimited");
    b.ok(&["daemon", "start"]);
    b.synced();
    assert_eq!(a.tree(), b.tree());
    assert_eq!(b.staged(), 0);
    let down_max = LONG + LONG / 50 + 2 * 9 * MIB;
    println!("{} bytes came down, {LONG} are in the file", line.down());
    assert!(line.down() <= down_max, "{} of {down_max}", line.down());
}

#[test]
fn what_compression_saved_is_shown() {
    let stack = Stack::start();
    let relay = Relay::to(stack.port());
    let a = stack.first_home(&relay.url());
    let text = "all work and no play makes a dull text\n".repeat(500_000);
    fs::write(a.folder.join("text"), &text).unwrap();
    a.ok(&["daemon", "start"]);
    a.synced();
    let status = a.json(&["status"]);
    let saved = status["data"]["folders"][0]["saved_bytes"]
        .as_u64()
        .unwrap();
    let len = text.len() as u64;
    assert!(saved > len * 9 / 10 && saved < len, "{saved} of {len}");
    assert!(relay.up() < len / 10);
    let page = String::from_utf8(a.ok(&["status"]).stdout).unwrap();
    assert!(page.contains(" by compression"), "{page}");
}
