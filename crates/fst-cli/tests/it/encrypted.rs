//! Over TLS: a whole sync with a pinned server, and servers that do not prove themselves.

use crate::world::{Home, Run, Server};

/// A key that no server of these tests has.
const OTHER: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn first(server: &Server) -> Home {
    let home = Home::new();
    init(&home, server, &server.pin()).ok();
    home
}

/// Makes `home` the first device, with this pin.
fn init(home: &Home, server: &Server, pin: &str) -> Run {
    let (url, code) = (server.url(), server.code());
    home.fst([
        "init",
        "--server",
        &url,
        "--pin",
        pin,
        "--setup-code",
        &code,
    ])
}

#[test]
fn two_devices_sync_with_a_pinned_server() {
    let server = Server::start_with_tls();
    assert!(server.url().starts_with("https://"));
    let anna = first(&server).with_folder("Documents");
    anna.write("Documents/plan", "one");
    anna.wait();
    // The line for the next device says which key it has to meet.
    let line = anna.fst(["devices", "invite", "--json"]).json();
    let line = line["data"]["run"].as_str().expect("a line").to_owned();
    assert!(line.contains(&format!("--pin {}", server.pin())), "{line}");
    let bo = Home::new();
    bo.shell(&line).ok();
    assert_eq!(bo.read("Documents/plan"), "one");
    // And changes come by the stream, both ways.
    bo.write("Documents/plan", "two");
    bo.wait();
    anna.wait();
    assert_eq!(anna.read("Documents/plan"), "two");
    let kept = anna.fst(["config", "get", "server.pin"]).ok();
    assert!(kept.out.contains(&server.pin()), "{}", kept.out);
    anna.fst(["doctor", "network"]).ok();
}

#[test]
fn a_server_with_another_key_is_refused() {
    let (server, home) = (Server::start_with_tls(), Home::new());
    let pin = server.pin();
    let run = init(&home, &server, OTHER);
    run.failed("FST-4004", 6);
    // Both keys are said, so that they can be compared.
    assert!(
        run.err.contains(OTHER) && run.err.contains(&pin),
        "{}",
        run.err
    );
    // The code was not given away, and nothing was set up.
    home.fst(["status"]).failed("FST-1101", 4);
    init(&home, &server, &pin).ok();
    // Every way to the server asks for the key, later too.
    home.fst(["config", "set", "server.pin", OTHER]).ok();
    home.fst(["devices", "invite"]).failed("FST-4004", 6);
    let doctor = home.fst(["doctor", "network"]);
    assert!(doctor.exit != 0 && (doctor.out + &doctor.err).contains(OTHER));
    home.fst(["config", "set", "server.pin", &pin]).ok();
    home.fst(["devices", "invite"]).ok();
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (server, home) = (Server::start_with_tls(), Home::new());
    let (url, code) = (server.url(), server.code());
    home.fst(["init", "--server", &url, "--setup-code", &code])
        .failed("FST-4005", 6);
}

#[test]
fn a_pin_is_written_in_one_way() {
    let home = Home::new();
    let url = "https://127.0.0.1:9";
    for pin in [
        "sha256:00",
        "0011",
        "sha1:00112233445566778899aabbccddeeff00112233",
    ] {
        let init = [
            "init",
            "--server",
            url,
            "--pin",
            pin,
            "--setup-code",
            "AAAA",
        ];
        assert_eq!(home.fst(init).exit, 2, "{pin}");
        home.fst(["config", "set", "server.pin", pin])
            .failed("FST-2011", 9);
    }
}

#[test]
fn a_device_set_up_over_https_does_not_fall_back_to_http() {
    let server = Server::start_with_tls();
    let home = first(&server);
    home.fst(["config", "set", "server.url", "http://192.0.2.1:9"])
        .ok();
    home.fst(["devices", "invite"]).failed("FST-4003", 6);
}
