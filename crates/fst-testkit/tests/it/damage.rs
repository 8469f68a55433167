//! A client's database that was torn or cut off on the disk: what it says is not believed, and finding everything
//! again costs no transfer, no commit and no file. Nor does a bit that changes inside a row, which SQLite does not notice.
//!
//! Source: docs/design/sync-semantics.md §"What must hold".

use fst_client::db::{Db, RemoteRow};
use fst_engine::scope::Replica as _;
use fst_engine::tree::Node;
use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, DeviceId, NodeId};
use fst_proto::path::Name;
use fst_proto::recipe::Body;
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

/// Every bit of the rows of nodes and of what leads to them: a node is read as it was written, or as damage.
#[test]
fn a_changed_bit_makes_no_other_node() {
    let node = |rev, name: &[u8]| Node {
        place: Place {
            parent: ROOT,
            name: Name::new(name).expect("a name"),
        },
        content: Content {
            kind: Kind::File,
            id: ContentId([0x5a; 32]),
            exec: false,
        },
        mtime_ns: 1_700_000_000_000_000_000,
        size: 300,
        rev,
    };
    let rows = [
        (NodeId([0x11; 16]), node(1, b"live"), false),
        (NodeId([0x22; 16]), node(2, b"dead"), true),
    ];
    let mut db = Db::in_memory().expect("memory database");
    let written = db.transaction(|tx| {
        for (id, node, is_deleted) in &rows {
            tx.put_remote(*id, &remote_row(node, *is_deleted))?;
            tx.put_base(*id, node, None)?;
        }
        tx.set_meta("range", b"value")
    });
    written.expect("written");
    let image = db.image().expect("an image");
    let marks: [&[u8]; 4] = [&[0x11; 16], &[0x22; 16], b"live", b"dead"];
    let is_near = |at: usize| {
        let around = &image[at.saturating_sub(24)..image.len().min(at + 24)];
        marks
            .iter()
            .any(|mark| around.windows(mark.len()).any(|bytes| bytes == *mark))
    };
    let near: Vec<usize> = (0..image.len()).filter(|at| is_near(*at)).collect();
    assert!(near.len() > 400, "rows and indices: {}", near.len());
    for bit in near
        .iter()
        .flat_map(|at| (0..8).map(move |bit| at * 8 + bit))
    {
        let mut image = image.clone();
        image[bit / 8] ^= 1 << (bit % 8);
        let Ok(db) = Db::from_image(&image) else {
            continue;
        };
        for (id, node, is_deleted) in &rows {
            let (base, remote) = (db.read().base(), db.read().remote());
            if let Ok(Some(read)) = base.node(*id) {
                assert_eq!(read, *node, "base, bit {bit}");
            }
            // Base knows it, so it must be there: "never heard of it" would delete the file here.
            if let (Ok(Some(_)), Ok(read)) = (base.node(*id), remote.node(*id)) {
                assert_eq!(
                    read,
                    (!is_deleted).then(|| node.clone()),
                    "remote, bit {bit}"
                );
            }
        }
    }
}

fn remote_row(node: &Node, is_deleted: bool) -> RemoteRow {
    RemoteRow {
        node: node.clone(),
        is_deleted,
        body: Body::None,
        refs: Vec::new(),
        idx: 1,
        device: DeviceId([3; 16]),
        time_ms: 1,
    }
}
