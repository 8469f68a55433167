//! `fst bench`: what it tells, and that nothing stays. How fast anything is, no test says.

use std::fs;

use serde_json::Value;

use crate::world::{Home, Server};

fn part<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let parts = answer["data"]["parts"].as_array().expect("parts");
    let found = parts.iter().find(|part| part["part"] == name);
    found.expect("every part is told")
}

#[test]
fn without_a_server_all_but_the_network_is_measured_and_nothing_stays() {
    let home = Home::new();
    let dir = home.make_dir("disk");
    let answer = home.fst(["bench", "--dir", &dir, "--json"]).ok().json();
    assert!(part(&answer, "disk")["save_p50_us"].is_u64(), "{answer}");
    for name in ["hash", "chunker", "compression", "cipher"] {
        let rate = part(&answer, name)["bytes_per_s"].as_u64();
        assert!(rate.is_some_and(|rate| rate > 0), "{answer}");
    }
    let next = part(&answer, "network")["next"].as_str().expect("a step");
    assert!(next.starts_with("fst init"), "{answer}");
    assert_eq!(answer["data"]["small_files"]["part"], "disk", "{answer}");
    assert_eq!(fs::read_dir(&dir).expect("ours").count(), 0);
}

#[test]
fn what_cannot_be_measured_at_all_is_a_failure() {
    let home = Home::new();
    home.fst(["bench", "network"]).failed("FST-1101", 4);
    let gone = home.path("gone");
    home.fst(["bench", "disk", "--dir", &gone.to_string_lossy()])
        .failed("FST-1201", 5);
    assert_eq!(home.fst(["bench", "weather"]).exit, 2);
}

#[test]
fn round_trips_to_the_server_are_measured() {
    let server = Server::start();
    let home = Home::first(&server);
    let answer = home.fst(["bench", "network", "--json"]).ok().json();
    let network = part(&answer, "network");
    assert!(network["round_trip_p50_us"].is_u64(), "{answer}");
    assert_eq!(answer["data"]["small_files"]["part"], "network", "{answer}");
    assert_eq!(answer["data"]["large_files"], Value::Null, "{answer}");
}
