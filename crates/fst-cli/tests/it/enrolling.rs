//! `fst init` and `fst add`: what can go wrong, and what it says then.

use crate::world::{Home, Server, nobody, stranger};

#[test]
fn an_unknown_setup_code() {
    let (server, home) = (Server::start(), Home::new());
    let init = [
        "init",
        "--server",
        &server.url(),
        "--setup-code",
        "AAAA-BBBB",
    ];
    home.fst(init).failed("FST-1102", 4);
    let failed = home
        .fst(init.into_iter().chain(["--json"]))
        .failed_json("FST-1102", 4);
    assert!(
        failed["hint"]
            .as_str()
            .expect("a hint")
            .contains("setup-code")
    );
    // Nothing was stored: the right code still works.
    home.fst([
        "init",
        "--server",
        &server.url(),
        "--setup-code",
        &server.code(),
    ])
    .ok();
}

#[test]
fn a_device_is_set_up_once() {
    let server = Server::start();
    let home = Home::first(&server);
    home.fst(["init", "--server", &server.url(), "--setup-code", "AAAA"])
        .failed("FST-1106", 6);
}

#[test]
fn a_used_join_string() {
    let server = Server::start();
    let anna = Home::first(&server);
    let join = anna.fst(["devices", "invite", "--json"]).json();
    let join = join["data"]["join"]
        .as_str()
        .expect("a join string")
        .to_owned();
    let (bo, late) = (Home::new(), Home::new());
    bo.fst(["init", "--server", &server.url(), "--join", &join])
        .ok();
    late.fst(["init", "--server", &server.url(), "--join", &join])
        .failed("FST-1103", 4);
}

#[test]
fn a_join_string_that_is_none() {
    let (server, home) = (Server::start(), Home::new());
    home.fst(["init", "--server", &server.url(), "--join", "hello"])
        .failed("FST-1104", 2);
}

#[test]
fn recovery_words_let_a_device_in() {
    let server = Server::start();
    let (anna, bo) = (Home::new(), Home::new());
    let init = [
        "init",
        "--server",
        &server.url(),
        "--setup-code",
        &server.code(),
        "--json",
    ];
    let words = anna.fst(init).ok().json()["data"]["recovery_words"].clone();
    let words = words.as_str().expect("words").to_owned();
    bo.write("wrong", "abandon ".repeat(24));
    let wrong = bo.path("wrong").to_string_lossy().into_owned();
    bo.fst(["init", "--server", &server.url(), "--recover", &wrong])
        .failed("FST-1107", 12);
    bo.fst_with_input(
        ["init", "--server", &server.url(), "--recover", "-"],
        &words,
    )
    .ok();
    let count = bo.with_folder("Documents");
    count.wait();
    assert_eq!(count.status()["device"]["devices"], 2);
}

#[test]
fn nothing_listens_at_the_address() {
    let home = Home::new();
    home.fst(["init", "--server", &nobody(), "--setup-code", "AAAA"])
        .failed("FST-4001", 7);
}

#[test]
fn something_else_listens_at_the_address() {
    let home = Home::new();
    home.fst(["init", "--server", &stranger(), "--setup-code", "AAAA"])
        .failed("FST-4002", 7);
}

#[test]
fn plain_http_beyond_this_machine_needs_a_word() {
    let home = Home::new();
    let init = [
        "init",
        "--server",
        "http://192.0.2.1:9",
        "--setup-code",
        "AAAA",
    ];
    home.fst(init).failed("FST-4003", 6);
}

#[test]
fn nothing_is_asked_without_a_terminal() {
    let (server, home) = (Server::start(), Home::new());
    home.fst(["init", "--server", &server.url()])
        .failed("FST-1101", 4);
}

#[test]
fn commands_before_init_say_so() {
    let home = Home::new();
    let folder = home.make_dir("Documents");
    home.fst(["status"]).failed("FST-1101", 4);
    home.fst(["add", &folder]).failed("FST-1101", 4);
    home.fst(["devices", "invite"]).failed("FST-1101", 4);
    home.fst(["daemon", "start"]).failed("FST-1101", 4);
    home.fst(["wait"]).failed("FST-3009", 8);
}

#[test]
fn folders_do_not_overlap() {
    let server = Server::start();
    let home = Home::first(&server);
    let outer = home.make_dir("Documents");
    let inner = home.make_dir("Documents/inner");
    home.fst(["add", &outer, "--two-way"]).ok();
    let overlap = home.fst(["add", &inner, "--two-way"]);
    overlap.failed("FST-1204", 6);
    assert!(
        overlap.err.contains("fst remove ~/Documents\n"),
        "{}",
        overlap.err
    );
    home.fst(["add", &outer, "--two-way"]).failed("FST-1203", 6);
    home.fst(["remove", &inner]).failed("FST-1202", 5);
    // Nor inside a folder that another home syncs, once that one has begun.
    home.fst(["sync"]).ok();
    let other = Home::joined(&home, &server);
    other
        .fst(["add", &inner, "--two-way"])
        .failed("FST-1204", 6);
}

#[test]
fn a_folder_that_is_not_there() {
    let server = Server::start();
    let home = Home::first(&server);
    let missing = home.path("Missing").to_string_lossy().into_owned();
    let failed = home.fst(["add", &missing]);
    failed.failed("FST-3001", 1);
    assert!(failed.err.contains("mkdir -p ~/Missing"), "{}", failed.err);
    home.write("file", "x");
    let file = home.path("file").to_string_lossy().into_owned();
    home.fst(["add", &file]).failed("FST-1301", 2);
}

#[test]
fn a_read_only_folder() {
    let server = Server::start();
    let home = Home::first(&server);
    let folder = home.make_dir("Frozen");
    // A mount that only this command sees; it goes with it.
    let line = format!(
        "unshare -m sh -c 'mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} \
         && exec fst add {folder}'"
    );
    if home
        .shell(&format!("unshare -m mount --bind {folder} {folder}"))
        .exit
        != 0
    {
        eprintln!("SKIPPED a_read_only_folder: this machine does not let a test mount");
        return;
    }
    home.shell(&line).failed("FST-3003", 1);
}
