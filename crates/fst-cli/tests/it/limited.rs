//! A server that allows little: work takes longer, nothing is lost, and it goes on by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use fst_server::config::Rate;

use crate::world::{Home, Server};

/// The value of a metric of the server.
fn metric(server: &Server, name: &str) -> u64 {
    let url = server.url();
    let address = url.strip_prefix("http://").expect("plain http");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.expect("the metric").parse().expect("a number")
}

#[test]
fn a_sync_finishes_against_a_tiny_limit() {
    let in_a_second = |quota| {
        let window_ms = 1000;
        Rate { quota, window_ms }
    };
    let server = Server::start_with(|options| {
        options.rate_limits.read = Some(in_a_second(3));
        options.rate_limits.write = Some(in_a_second(2));
        options.rate_limits.bytes = Some(in_a_second(2 << 20));
    });
    let anna = Home::first(&server).with_folder("Documents");
    let bo = Home::joined(&anna, &server).with_folder("Documents");
    for n in 0..40_u32 {
        let text = format!("{n}\n").repeat(4000);
        anna.write(format!("Documents/{n}.txt"), text);
    }
    anna.wait();
    bo.wait();
    for n in 0..40_u32 {
        let text = format!("{n}\n").repeat(4000);
        assert_eq!(bo.read(format!("Documents/{n}.txt")), text);
    }
    assert!(
        metric(&server, "fst_rate_limited_total") > 0,
        "the limit was met"
    );
    assert_eq!(anna.check(), 0);
    assert_eq!(bo.check(), 0);
}

/// Bytes that nothing makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn a_full_account_keeps_everything_and_goes_on_when_there_is_room() {
    let server = Server::start_with(|options| options.bounds.quota.bytes = Some(2 << 20));
    let anna = Home::first(&server).with_folder("Documents");
    let bo = Home::joined(&anna, &server).with_folder("Documents");
    anna.write("Documents/old.txt", "old\n");
    anna.wait();
    bo.wait();
    let big = noise(3 << 20);
    anna.write("Documents/big.bin", &big);
    anna.comes_to(23);
    anna.fst(["daemon", "stop"]).ok();
    anna.fst(["sync"]).failed("FST-5008", 13);
    anna.fst(["daemon", "start"]).ok();
    anna.comes_to(23);
    let text = anna.fst(["status"]).out;
    assert!(
        text.contains("FST-5008") && text.contains("may keep 2097152"),
        "{text}"
    );
    assert!(text.contains("fst-server user quota"), "{text}");
    assert!(anna.path("Documents/big.bin").exists());

    // What needs no room is sent, and what others do arrives.
    std::fs::remove_file(anna.path("Documents/old.txt")).expect("a removal");
    bo.shell("until ! test -e Documents/old.txt; do fst wait --timeout 1s >/dev/null; done")
        .ok();
    bo.write("Documents/note.txt", "from bo\n");
    bo.wait();
    anna.shell("until test -e Documents/note.txt; do fst status >/dev/null; done")
        .ok();

    let listed = server.administer(&["user", "list"]);
    let account = listed.split_whitespace().next().expect("an account");
    let said = server.administer(&["user", "quota", account, "--bytes", "100mb"]);
    let undo = format!("undo: fst-server user quota {account} --default");
    assert!(
        said.contains("of 104857600") && said.contains(&undo),
        "{said}"
    );
    anna.wait();
    bo.wait();
    assert!(std::fs::read(bo.path("Documents/big.bin")).expect("the file") == big);
    assert_eq!(anna.check(), 0);
}

#[test]
fn a_file_that_is_too_large_is_left_out_and_the_rest_is_sent() {
    let server = Server::start_with(|options| options.bounds.file_bytes = Some(1 << 20));
    let anna = Home::first(&server).with_folder("Documents");
    let bo = Home::joined(&anna, &server).with_folder("Documents");
    anna.write("Documents/big.bin", noise(2 << 20));
    anna.write("Documents/fits.bin", noise(900 << 10));
    anna.write("Documents/plan.md", "plan\n");
    anna.fst(["wait", "--timeout", "60s"]);
    bo.wait();
    assert_eq!(bo.read("Documents/plan.md"), "plan\n");
    assert!(bo.path("Documents/fits.bin").exists());
    assert!(!bo.path("Documents/big.bin").exists());
    let status = anna.status();
    let problems = &status["folders"][0]["problems"];
    assert_eq!(problems[0]["path"], "big.bin", "{status}");
    assert_eq!(problems[0]["code"], "FST-5004");
    // Made smaller, it goes.
    anna.write("Documents/big.bin", noise(100 << 10));
    anna.wait();
    bo.wait();
    assert!(bo.path("Documents/big.bin").exists());
}
