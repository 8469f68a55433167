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
