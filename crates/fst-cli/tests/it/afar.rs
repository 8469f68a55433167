//! Files at the server, seen from a device that has no folder of the space: through the real command and server.

use serde_json::Value;

use crate::world::{Home, Server};

/// A device with a synced folder `docs`, and one that only joined the account.
fn two(server: &Server) -> (Home, Home) {
    let anna = Home::first(server).with_folder("docs");
    anna.make_dir("docs/d/deep");
    anna.write("docs/a.txt", "a, then");
    anna.write("docs/d/b.txt", "b");
    anna.write("docs/d/deep/c.bin", [0xff, 0, 1]);
    anna.wait();
    let bo = Home::joined(&anna, server);
    (anna, bo)
}

fn paths(answer: &Value) -> Vec<&str> {
    let entries = answer["data"]["entries"].as_array().expect("entries");
    entries.iter().filter_map(|e| e["path"].as_str()).collect()
}

#[test]
fn a_device_without_a_folder_sees_what_lies_at_the_server() {
    let server = Server::start();
    let (_anna, bo) = two(&server);
    assert_eq!(bo.fst(["ls"]).ok().out, "/docs\n");
    let ls = bo.fst(["ls", "/docs", "--json"]).ok().json();
    assert_eq!(paths(&ls), ["a.txt", "d"]);
    assert_eq!(ls["data"]["entries"][0]["size"], 7);
    assert_eq!(ls["data"]["entries"][1]["kind"], "directory");
    let one = bo.fst(["ls", "docs:/d/b.txt", "--json"]).ok().json();
    assert_eq!(paths(&one), ["d/b.txt"]);
    let text = bo.fst(["ls", "remote:/docs"]).ok().out;
    assert!(
        text.contains("7 B  a.txt") && text.contains(" d/\n"),
        "{text}"
    );

    let tree = bo.fst(["tree", "/docs"]).ok().out;
    assert_eq!(tree, "  a.txt\n  d/\n    b.txt\n    deep/\n      c.bin\n");
    let part = bo.fst(["tree", "/docs/d", "--json"]).ok().json();
    assert_eq!(paths(&part), ["d", "d/b.txt", "d/deep", "d/deep/c.bin"]);

    assert_eq!(
        bo.fst(["find", "/docs", "*.txt"]).ok().out,
        "/docs/a.txt\n/docs/d/b.txt\n"
    );
    let below = bo.fst(["find", "/docs/d", "*.txt", "--json"]).ok().json();
    assert_eq!(paths(&below), ["d/b.txt"]);
    let du = bo.fst(["du", "/docs", "--json"]).ok().json();
    assert_eq!(
        (&du["data"]["files"], &du["data"]["bytes"]),
        (&3.into(), &11.into())
    );

    bo.fst(["ls", "/none"]).failed("FST-1201", 5);
    bo.fst(["cat", "/docs/none"]).failed("FST-1205", 5);
    bo.fst(["tree", "/docs/none", "--json"])
        .failed_json("FST-1201", 5);
    bo.fst(["find", "/docs", ""]).failed("FST-1301", 2);
    assert_eq!(bo.fst(["cat", "docs/a.txt"]).exit, 2, "no remote path");
    assert_eq!(bo.status()["folders"].as_array().map(Vec::len), Some(0));
}

#[test]
fn bytes_come_whole_and_never_over_anything() {
    let server = Server::start();
    let (anna, bo) = two(&server);
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "a, then");
    let cat = bo.fst(["cat", "/docs/d/deep/c.bin", "--json"]).ok().json();
    assert_eq!(
        (&cat["data"]["size"], &cat["data"]["text"]),
        (&3.into(), &Value::Null)
    );

    let to = bo.path("got");
    let to = to.to_str().expect("text");
    bo.fst(["get", "/docs/d", to]).ok();
    assert_eq!(bo.read("got/b.txt"), "b");
    assert_eq!(
        std::fs::read(bo.path("got/deep/c.bin")).expect("a file"),
        [0xff, 0, 1]
    );
    bo.fst(["get", "/docs/a.txt", to]).failed("FST-6022", 6);
    let all = bo.path("all");
    bo.fst(["get", "/docs", all.to_str().expect("text")]).ok();
    assert_eq!(bo.read("all/a.txt"), "a, then");
    assert_eq!(bo.read("all/d/b.txt"), "b");

    // Inside a synced folder it would be synced as a new file.
    let inside = anna.path("docs/again");
    let inside = inside.to_str().expect("text");
    anna.fst(["get", "/docs/a.txt", inside])
        .failed("FST-1204", 6);
}

#[test]
fn a_time_shows_what_was() {
    let server = Server::start();
    let (anna, bo) = two(&server);
    let file = anna.path("docs/a.txt");
    let file = file.to_str().expect("text");
    let then = anna.fst(["versions", file, "--json"]).ok().json();
    // Everything above was one commit or several; the file's own moment is all that is asked for.
    let then = then["data"]["versions"][0]["time"]
        .as_u64()
        .expect("a time");
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "a, then");
    anna.write("docs/a.txt", "a, now");
    anna.write("docs/new.txt", "new");
    std::fs::remove_dir_all(anna.path("docs/d")).expect("it was there");
    anna.wait();

    let ls = bo.fst(["ls", "/docs", "--json"]).ok().json();
    assert_eq!(paths(&ls), ["a.txt", "new.txt"]);
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "a, now");
    let was = format!("/docs@@{then}");
    let ls = bo.fst(["ls", &was, "--json"]).ok().json();
    assert_eq!(ls["data"]["at"], then);
    assert!(
        paths(&ls).contains(&"a.txt") && !paths(&ls).contains(&"new.txt"),
        "{ls}"
    );
    let was = format!("/docs/a.txt@@{then}");
    assert_eq!(bo.fst(["cat", &was]).ok().out, "a, then");
    let to = bo.path("was");
    bo.fst(["get", &was, to.to_str().expect("text")]).ok();
    assert_eq!(bo.read("was"), "a, then");
    bo.fst(["ls", "/docs@2020-01-01"]).ok();
    bo.fst(["cat", "/docs/a.txt@2020-01-01"])
        .failed("FST-1205", 5);
}

#[test]
fn without_the_server_nothing_is_shown() {
    let mut server = Server::start();
    let (_anna, bo) = two(&server);
    bo.fst(["ls", "/docs"]).ok();
    server.stop();
    assert_eq!(bo.fst(["ls", "/docs"]).exit, 7);
}

#[test]
fn what_is_put_made_moved_and_removed_reaches_folders() {
    let server = Server::start();
    let (anna, bo) = two(&server);
    let long: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    bo.write("long", &long);
    bo.write("small", "small");
    let (long_path, small) = (bo.path("long"), bo.path("small"));
    let long_path = long_path.to_str().expect("text");
    let small = small.to_str().expect("text");
    bo.fst(["put", long_path, "/docs/new/dir/long.bin"]).ok();
    bo.fst(["put", small, "docs:/"]).ok();
    let again = bo
        .fst(["put", small, "/docs/small", "--replace", "--json"])
        .ok()
        .json();
    assert_eq!(again["data"]["changed"], 0);
    bo.fst(["mkdir", "/docs/empty/deep"]).ok();
    anna.wait();
    assert!(std::fs::read(anna.path("docs/new/dir/long.bin")).expect("a file") == long);
    assert_eq!(anna.read("docs/small"), "small");
    assert!(anna.path("docs/empty/deep").is_dir());

    bo.fst(["mv", "/docs/small", "/docs/empty"]).ok();
    bo.fst(["mv", "/docs/new", "/docs/renamed"]).ok();
    bo.fst(["mv", "/docs/renamed", "/docs/renamed/in"])
        .failed("FST-1301", 2);
    bo.fst(["mv", "/docs/a.txt", "/docs/empty/small"])
        .failed("FST-6022", 6);
    anna.wait();
    assert_eq!(anna.read("docs/empty/small"), "small");
    assert!(!anna.path("docs/small").exists() && !anna.path("docs/new").exists());
    assert!(anna.path("docs/renamed/dir/long.bin").exists());

    bo.fst(["rm", "/docs/d"]).failed("FST-6022", 6);
    let gone = bo
        .fst(["rm", "/docs/d", "--recursive", "--json"])
        .ok()
        .json();
    assert_eq!(gone["data"]["changed"], 4);
    let back = gone["next"][0]["run"].as_str().expect("a command");
    bo.shell(back).ok();
    assert_eq!(bo.read("d/b.txt"), "b");
    anna.wait();
    assert!(!anna.path("docs/d").exists());
    let trash = anna.fst(["trash", "list", "--json"]).ok().json();
    assert_eq!(trash["data"]["trash"].as_array().map(Vec::len), Some(2));
    bo.fst(["rm", "/docs/d"]).failed("FST-1201", 5);
    bo.fst(["rm", "/docs"]).failed("FST-1301", 2);
    bo.fst(["rm", "/docs/a.txt@now"]).failed("FST-1301", 2);
}

#[test]
fn put_replaces_only_what_it_is_told_to_and_keeps_it() {
    let server = Server::start();
    let (anna, bo) = two(&server);
    bo.write("mine", "bo's");
    let mine = bo.path("mine");
    let mine = mine.to_str().expect("text");
    bo.fst(["put", mine, "/docs/a.txt"]).failed("FST-6022", 6);
    bo.fst(["put", mine, "/docs/a.txt/below"])
        .failed("FST-6022", 6);
    bo.fst(["put", mine, "/docs/d", "--replace"]).ok();
    assert_eq!(
        bo.fst(["cat", "/docs/d/mine"]).ok().out,
        "bo's",
        "into the directory"
    );
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "a, then");
    bo.fst(["put", mine, "/docs/a.txt", "--replace"]).ok();
    anna.wait();
    assert_eq!(anna.read("docs/a.txt"), "bo's");
    let file = anna.path("docs/a.txt");
    let file = file.to_str().expect("text");
    anna.fst(["restore", file, "--version", "1"]).ok();
    anna.wait();
    assert_eq!(bo.fst(["cat", "/docs/a.txt"]).ok().out, "a, then");
    bo.fst(["put", "/nowhere", "/docs/x"]).failed("FST-3007", 1);

    // A device that has the folder may put as well: its own folder gets it as from anybody.
    anna.write("outside", "from outside");
    let outside = anna.path("outside");
    anna.fst(["put", outside.to_str().expect("text"), "/docs/d/o"])
        .ok();
    anna.wait();
    assert_eq!(anna.read("docs/d/o"), "from outside");
}

#[test]
fn of_puts_at_once_each_becomes_a_version_or_is_refused() {
    let server = Server::start();
    let (anna, bo) = two(&server);
    let names = ["p0", "p1", "p2", "p3"];
    for name in names {
        bo.write(name, name);
    }
    let put = |name: &str| {
        let from = bo.path(name);
        bo.fst([
            "put",
            from.to_str().expect("text"),
            "/docs/a.txt",
            "--replace",
        ])
    };
    let put = &put;
    let runs = std::thread::scope(|scope| {
        let running = names.map(|name| scope.spawn(move || put(name)));
        running.map(|run| run.join().expect("a run"))
    });
    let (done, refused): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.exit == 0);
    for run in refused {
        run.failed("FST-5003", 1);
    }
    assert!(!done.is_empty(), "the first one is not refused");
    anna.wait();
    let file = anna.path("docs/a.txt");
    let found = anna.fst(["versions", file.to_str().expect("text"), "--json"]);
    let found = found.ok().json();
    let n = found["data"]["versions"].as_array().map(Vec::len);
    assert_eq!(n, Some(done.len() + 1), "{found}");
}
