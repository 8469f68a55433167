//! Every exit code of the documented table, each by a situation that a user can come into.

use std::collections::BTreeSet;
use std::path::Path;

use crate::world::{Home, Run, Server, nobody, too_small};

/// A situation that ends with its exit code.
type Situation = (i32, fn() -> Run);

const SITUATIONS: &[Situation] = &[
    (0, || Home::new().fst(["version"])),
    (1, a_folder_that_is_not_there),
    (2, || Home::new().fst(["status", "--nonsense"])),
    (3, a_merge_that_leaves_a_conflict),
    (4, || Home::new().fst(["status"])),
    (5, || Home::new().fst(["explain", "FST-0000"])),
    (6, a_device_that_is_set_up_already),
    (7, || with_code(&nobody())),
    (8, || Home::new().fst(["daemon", "status"])),
    (9, a_slip_in_the_configuration),
    (10, a_server_that_went_back_in_time),
    (11, a_second_daemon),
    (12, words_of_another_account),
    (13, || with_code(&too_small())),
    (14, a_wait_that_is_too_short),
    (130, an_interrupted_demo),
];

fn with_code(url: &str) -> Run {
    Home::new().fst(["init", "--server", url, "--setup-code", "1234-5678"])
}

fn a_folder_that_is_not_there() -> Run {
    let server = Server::start();
    let home = Home::first(&server);
    let folder = home.make_dir("Documents");
    home.fst(["add", &folder]).ok();
    home.fst(["sync"]).ok();
    std::fs::remove_dir_all(&folder).expect("a folder");
    home.fst(["sync"])
}

fn a_merge_that_leaves_a_conflict() -> Run {
    let server = Server::start();
    let anna = Home::first(&server);
    anna.fst(["add", &anna.make_dir("Documents")]).ok();
    anna.write("Documents/plan.md", "one\n");
    anna.fst(["sync"]).ok();
    let bo = Home::joined(&anna, &server);
    bo.fst(["add", &bo.make_dir("Documents")]).ok();
    bo.fst(["sync"]).ok();
    anna.write("Documents/plan.md", "two\n");
    bo.write("Documents/plan.md", "three\n");
    anna.fst(["sync"]).ok();
    bo.fst(["sync"]).ok();
    bo.fst(["conflicts", "resolve-all", "--strategy", "merge"])
}

fn a_device_that_is_set_up_already() -> Run {
    let server = Server::start();
    let home = Home::first(&server);
    home.fst(["init", "--server", &server.url(), "--setup-code", "1234"])
}

fn a_slip_in_the_configuration() -> Run {
    let home = Home::new();
    home.make_dir(".config/filesynctool");
    home.write(".config/filesynctool/config.yaml", "sync_folders: [\n");
    home.fst(["status"])
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

fn a_server_that_went_back_in_time() -> Run {
    let disk = Home::new();
    let [data, kept] = ["data", "kept"].map(|name| disk.path(name));
    let mut server = Server::start_at(&data);
    let home = Home::first(&server);
    home.fst(["add", &home.make_dir("Documents")]).ok();
    let sync = |text: &str, server: &Server| {
        home.fst(["config", "set", "server.url", &server.url()])
            .ok();
        home.write("Documents/plan.md", text);
        home.fst(["sync"])
    };
    sync("one\n", &server).ok();
    server.stop();
    copy(&data, &kept);
    let mut server = Server::start_at(&data);
    sync("two\n", &server).ok();
    server.stop();
    sync("three\n", &Server::start_at(&kept))
}

fn a_second_daemon() -> Run {
    let server = Server::start();
    let home = Home::first(&server);
    home.fst(["daemon", "start"]).ok();
    home.fst(["daemon", "start"])
}

fn words_of_another_account() -> Run {
    let server = Server::start();
    let _anna = Home::first(&server);
    let bo = Home::new();
    bo.write("words", "abandon ".repeat(24));
    let words = bo.path("words").to_string_lossy().into_owned();
    bo.fst(["init", "--server", &server.url(), "--recover", &words])
}

fn a_wait_that_is_too_short() -> Run {
    let mut server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    server.stop();
    home.write("Documents/plan.md", "one\n");
    home.fst(["wait", "--timeout", "1s"])
}

fn an_interrupted_demo() -> Run {
    let home = Home::new();
    let temp = home.make_dir("tmp");
    home.shell(&format!(
        "TMPDIR='{temp}' fst demo & demo=$!
         until ls -d '{temp}'/fst-demo-*; do kill -0 $demo || exit 1; done
         kill -INT $demo; wait $demo"
    ))
}

#[test]
fn every_documented_exit_code_is_reached() {
    for (exit, situation) in SITUATIONS {
        let run = situation();
        assert_eq!(run.exit, *exit, "{run:?}");
    }
}

#[test]
fn the_table_and_the_situations_name_the_same_codes() {
    let reached: BTreeSet<i32> = SITUATIONS.iter().map(|(exit, _)| *exit).collect();
    let home = Home::new();
    let told = home.fst(["explain", "exit-codes", "--json"]).ok().json();
    let told = told["data"]["exits"].as_array().expect("a list").clone();
    let code = |row: &serde_json::Value| row["exit"].as_i64().and_then(|code| code.try_into().ok());
    let told: BTreeSet<i32> = told.iter().filter_map(code).collect();
    assert_eq!(told, reached);
    let text = home.fst(["explain", "exit-codes"]).ok().out;
    let is_code = |line: &&str| {
        line.trim()
            .split(' ')
            .next()
            .is_some_and(|word| word.parse::<i32>().is_ok())
    };
    let table = text.split("fst status --check").next().unwrap_or_default();
    assert_eq!(
        table.lines().filter(is_code).count(),
        reached.len(),
        "{text}"
    );
}

/// A mebibyte that does not become smaller by compression.
fn noise() -> Vec<u8> {
    let numbers = (0_u32..1 << 18).map(|n| n.wrapping_mul(0x9e37_79b9).rotate_left(n % 32));
    numbers.flat_map(u32::to_le_bytes).collect()
}

/// 21 is in the tests of conflicts.
#[test]
fn every_state_has_its_exit_code() {
    let mut server = Server::start();
    let home = Home::first(&server).with_folder("Documents");
    home.wait();
    assert_eq!(home.check(), 0);
    home.fst(["config", "set", "max_upload", "10kbps"]).ok();
    home.write("Documents/large", noise());
    home.comes_to(20);
    home.fst(["config", "unset", "max_upload"]).ok();
    home.wait();
    home.fst(["pause"]).ok();
    home.comes_to(24);
    home.fst(["resume"]).ok();
    home.wait();
    home.shell("mkfifo Documents/pipe").ok();
    home.wait();
    assert_eq!(home.check(), 23);
    std::fs::remove_file(home.path("Documents/pipe")).expect("a pipe");
    home.wait();
    server.stop();
    home.write("Documents/plan.md", "one\n");
    home.comes_to(22);
    home.fst(["daemon", "stop"]).ok();
    assert_eq!(home.check(), 8);
}
