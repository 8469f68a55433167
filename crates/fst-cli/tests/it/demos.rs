//! `fst demo`: every claim it prints holds, and nothing stays behind.

use crate::world::Home;

#[test]
fn the_demo_holds_what_it_says() {
    let home = Home::new();
    let temp = home.make_dir("tmp");
    let run = home.shell(&format!("TMPDIR='{temp}' fst demo --json")).ok();
    let figures = run.json()["data"].clone();
    let number = |name: &str| figures[name].as_u64().unwrap_or(u64::MAX);
    assert!(number("rename_sent_bytes") < 64 << 10, "{figures}");
    assert_eq!(
        figures["conflict_files"].as_array().map(Vec::len),
        Some(2),
        "{figures}"
    );
    assert!(number("killed_after_bytes") < 48 << 20, "{figures}");
    assert_eq!(number("server_found"), 0, "{figures}");
    assert!(number("total_ms") < 60_000, "{figures}");
    let left = std::fs::read_dir(temp).expect("a folder").count();
    assert_eq!(left, 0, "the demo left something behind");
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let home = Home::new();
    let temp = home.make_dir("tmp");
    let run = home.shell(&format!(
        "TMPDIR='{temp}' fst demo & demo=$!
         until ls -d '{temp}'/fst-demo-*/bo/Shared; do kill -0 $demo || exit 1; done
         kill -INT $demo; wait $demo"
    ));
    assert_eq!(run.exit, 130, "{run:?}");
    let left = std::fs::read_dir(temp).expect("a folder").count();
    assert_eq!(left, 0, "the demo left something behind");
}
