//! A client's database that was torn or cut off on the disk: what it says is not believed, and finding everything
//! again costs no transfer, no commit and no file. Not here: bits that change inside a row, which SQLite does not
//! notice.
//!
//! Source: docs/design/sync-semantics.md §"What must hold".

use fst_proto::error::ErrorCode;
use fst_testkit::rng::Rng;
use fst_testkit::scene::{Scene, noise, path};

use crate::evil::capture;

const AUTHOR: usize = 0;
const HURT: usize = 1;

/// Size of a page of the database.
const PAGE: usize = 4096;

/// Damages tried of each kind.
const TRIES: u64 = 60;

fn settled() -> Scene {
    let mut scene = Scene::new(21, 2);
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("d")));
    for n in 0..40 {
        scene.write(AUTHOR, &format!("d/file {n}"), &noise(n, 200 + 40 * 7));
    }
    scene.write(AUTHOR, "big", &noise(99, 300_000));
    scene.user(AUTHOR, |vault| vault.user_remove(&path("d/file 3")));
    scene.quiet();
    scene
}

/// Damages the database of one device in many ways; each time everything stays as it was.
fn check(damage: impl Fn(&Rng, &mut Vec<u8>)) {
    let mut scene = settled();
    let before = scene.assert_equal();
    let (space, head) = scene.devices[AUTHOR].verified_head();
    let line = capture(&mut scene, HURT);
    let mut n_noticed = 0;
    for n in 0..TRIES {
        let rng = Rng::new(n);
        let device = &mut scene.devices[HURT];
        device.back_up();
        n_noticed += usize::from(device.damage(|image| damage(&rng, image)));
        if let Err(code) = device.settle() {
            // What the daemon does about it: everything is found again.
            assert_eq!(code, ErrorCode::BadState, "damage {n}");
            n_noticed += 1;
            device.lose_database();
        }
        scene.quiet();
        assert!(scene.assert_equal() == before, "damage {n} changes files");
        assert_eq!(scene.head(space), head, "damage {n} is committed");
        assert_eq!(line.n_object_bytes(), 0, "damage {n} makes content travel");
        assert!(scene.devices[HURT].restore(), "it was backed up");
    }
    assert!(n_noticed > 0, "none of the damages hit anything");
}

#[test]
fn a_database_cut_off_anywhere_is_found_again() {
    check(|rng, image| image.truncate(rng.below(image.len())));
}

#[test]
fn a_database_with_an_empty_page_is_found_again() {
    check(|rng, image| {
        let page = rng.below(image.len() / PAGE) * PAGE;
        image[page..page + PAGE].fill(0);
    });
}
