//! The server prunes by the signed rules of the space: what is kept stays whole, what is not is said honestly.
//!
//! Source: docs/design/versions.md §4.

use fst_client::error::FolderError;
use fst_client::fetch::{Fetcher, Flat};
use fst_client::versions::{self, Keeping};
use fst_fs::vault::Vault as _;
use fst_proto::control::{Control, Pin, Retention};
use fst_proto::hash::sha256;
use fst_proto::log::{self, EntryKind, Header, Op};
use fst_proto::time::Clock as _;
use fst_proto::wire::{self, Commit};
use fst_testkit::scene::{Scene, noise, path};
use futures::executor::block_on;

const AUTHOR: usize = 0;
const READER: usize = 1;
const DAY: u64 = 24 * 60 * 60 * 1000;
/// Larger than what travels inside a batch, and than what one chunk holds.
const LARGE: usize = 3 << 20;
const RULES: Retention = Retention {
    days: 30,
    versions: 10,
};

/// Two devices and a file of three versions, a day apart; a file that was deleted; one that never changed.
fn aged() -> Scene {
    let mut scene = Scene::new(51, 2);
    scene.write(AUTHOR, "still", &noise(9, LARGE));
    scene.write(AUTHOR, "gone", &noise(8, LARGE));
    for n in 1..=3 {
        scene.write(AUTHOR, "f", &noise(n, LARGE));
        scene.quiet();
        scene.clock.advance(DAY);
    }
    scene.user(AUTHOR, |vault| vault.user_remove(&path("gone")));
    scene.quiet();
    scene
}

/// What the reader gets for each version of a path's newest node: its noise, or why not.
fn fetched(scene: &mut Scene, file: &str) -> Vec<Result<Vec<u8>, String>> {
    let now = scene.clock.now();
    scene.devices[READER].beside(|db, space, remote| {
        let tree = db.trees().expect("sound").1;
        let nodes = versions::nodes_of_path(db.read(), &tree, &path(file)).expect("sound");
        let history = versions::of_node(db.read(), nodes[0]).expect("sound");
        let mut fetcher = Fetcher::new(space, remote, db.read()).at(now);
        let each = history.versions.iter().map(|version| {
            let mut bytes = Vec::new();
            match fetcher.write_revision(&version.revision, &mut Flat(&mut bytes)) {
                Ok(()) => Ok(bytes),
                Err(FolderError::Pruned) => Err("pruned".to_owned()),
                Err(other) => Err(other.to_string()),
            }
        });
        each.collect()
    })
}

/// A control entry of the author, as `fst versions pin|keep` makes it.
fn control(scene: &mut Scene, control: &Control) -> Result<(), String> {
    let sent = scene.devices[AUTHOR].beside(|db, space, remote| {
        let state = db.load().expect("sound");
        let payload = wire::to_cbor(control);
        let (ctr, prev) = state.chains[&space.device];
        let header = log::encode_header(&Header {
            version: log::VERSION,
            space: space.id,
            epoch: space.keys.epoch(),
            generation: space.keys.generation(),
            account: space.members.chain.account,
            device: space.device,
            account_len: space.members.chain.len,
            account_hash: space.members.chain.head(),
            dev_ctr: ctr + 1,
            dev_prev: prev,
            seen: state.range.head(),
            kind: EntryKind::Control,
            ops: vec![Op::control(sha256(&[&payload]))],
        });
        let commit = Commit {
            sig: space.sign_key.sign_entry(&header),
            header,
            payload,
            objects: Vec::new(),
        };
        remote.commit(space.id, &commit)
    });
    sent.map(drop).map_err(|error| error.to_string())
}

fn first_revision(scene: &mut Scene) -> (fst_proto::ids::NodeId, u64) {
    scene.devices[AUTHOR].beside(|db, _, _| {
        let node = db.trees().expect("sound").1.lookup(&path("f"));
        let node = node.expect("it is there");
        let history = versions::of_node(db.read(), node).expect("sound");
        (node, history.versions[0].revision.state.rev)
    })
}

fn kept(all: &[Result<Vec<u8>, String>]) -> Vec<&str> {
    all.iter()
        .map(|one| one.as_ref().map_or_else(String::as_str, |_| "kept"))
        .collect()
}

#[test]
fn nothing_goes_before_its_time() {
    let mut scene = aged();
    let pruned = block_on(scene.service.prune()).expect("memory does not fail");
    assert_eq!(pruned.objects, 0);
    scene.clock.advance(20 * DAY);
    let pruned = block_on(scene.service.prune()).expect("memory does not fail");
    assert_eq!(pruned.objects, 0);
    assert_eq!(kept(&fetched(&mut scene, "f")), ["kept", "kept", "kept"]);
}

#[test]
fn what_is_over_goes_and_what_is_current_stays_whole() {
    let mut scene = aged();
    scene.clock.advance(40 * DAY);
    // Devices that wrote lately have the newest as their base.
    scene.write(READER, "touch", b"reader was here");
    scene.quiet();
    scene.write(AUTHOR, "touch", b"author was here");
    scene.quiet();
    let pruned = block_on(scene.service.prune()).expect("memory does not fail");
    assert!(pruned.objects > 0 && pruned.blobs > 0, "{pruned:?}");
    assert_eq!(
        kept(&fetched(&mut scene, "f")),
        ["pruned", "pruned", "kept"]
    );
    assert_eq!(kept(&fetched(&mut scene, "gone")), ["pruned"]);
    assert_eq!(kept(&fetched(&mut scene, "still")), ["kept"]);
    let again = block_on(scene.service.prune()).expect("memory does not fail");
    assert_eq!(
        (again.objects, again.blobs),
        (0, 0),
        "nothing is left to do"
    );

    // A device that joins now replays the whole log and gets every current byte.
    let join = scene.devices[AUTHOR].invite(&[]);
    scene.join("late", &join);
    scene.quiet();
    scene.assert_equal();
    // What was pruned may come again as something new.
    scene.write(AUTHOR, "f", &noise(1, LARGE));
    scene.quiet();
    scene.assert_equal();
    assert_eq!(
        kept(&fetched(&mut scene, "f")),
        ["kept", "pruned", "kept", "kept"],
        "the first is there again, because the fourth is"
    );
}

#[test]
fn pins_and_longer_rules_hold() {
    let mut scene = aged();
    let (node, rev) = first_revision(&mut scene);
    let pin = |is_pinned| {
        Control::Pin(Pin {
            node,
            rev,
            is_pinned,
        })
    };
    control(&mut scene, &pin(true)).expect("acceptable");
    scene.clock.advance(40 * DAY);
    scene.write(READER, "touch", b"reader was here");
    scene.quiet();
    scene.write(AUTHOR, "touch", b"author was here");
    scene.quiet();
    block_on(scene.service.prune()).expect("memory does not fail");
    assert_eq!(kept(&fetched(&mut scene, "f")), ["kept", "pruned", "kept"]);
    let known = scene.devices[READER].beside(|db, _, _| {
        let rows = db.read().revisions(node).expect("sound");
        versions::keeping(db.read(), RULES, &rows[0]).expect("sound")
    });
    assert_eq!(known, Keeping::Pinned, "every device knows of the pin");

    control(&mut scene, &pin(false)).expect("acceptable");
    scene.quiet();
    block_on(scene.service.prune()).expect("memory does not fail");
    assert_eq!(
        kept(&fetched(&mut scene, "f")),
        ["pruned", "pruned", "kept"]
    );
}

#[test]
fn longer_rules_keep_longer_and_bad_ones_are_refused() {
    let mut scene = aged();
    let days = |days| Control::Retention(Retention { days, ..RULES });
    control(&mut scene, &days(0)).expect_err("no days are no rule");
    control(&mut scene, &days(90)).expect("acceptable");
    scene.quiet();
    scene.clock.advance(40 * DAY);
    scene.write(READER, "touch", b"reader was here");
    scene.quiet();
    scene.write(AUTHOR, "touch", b"author was here");
    scene.quiet();
    block_on(scene.service.prune()).expect("memory does not fail");
    assert_eq!(kept(&fetched(&mut scene, "f")), ["kept", "kept", "kept"]);
}

#[test]
fn the_base_of_a_device_that_is_away_stays() {
    let mut scene = Scene::new(52, 2);
    scene.write(AUTHOR, "f", &noise(1, LARGE));
    scene.quiet();
    scene.write(READER, "touch", b"this is the last that it did");
    scene.quiet();
    scene.write(AUTHOR, "f", &noise(2, LARGE));
    scene.sync(AUTHOR);
    scene.clock.advance(2 * DAY);
    scene.write(AUTHOR, "f", &noise(3, LARGE));
    scene.sync(AUTHOR);
    scene.clock.advance(40 * DAY);
    scene.write(AUTHOR, "touch", b"author was here");
    scene.sync(AUTHOR);
    block_on(scene.service.prune()).expect("memory does not fail");
    let found = fetched_by(&mut scene, AUTHOR);
    assert_eq!(kept(&found), ["kept", "pruned", "kept"]);
    // It comes back with an edit of its own: two contents, both kept.
    scene.write(READER, "f", b"edited far away");
    scene.quiet();
    let shown = scene.assert_equal();
    assert!(shown.len() >= 3, "a conflict copy: {:?}", shown.keys());
    assert!(
        scene.devices[READER]
            .vault
            .stage_list()
            .is_ok_and(|list| list.is_empty())
    );
}

fn fetched_by(scene: &mut Scene, at: usize) -> Vec<Result<Vec<u8>, String>> {
    scene.devices.swap(READER, at);
    let found = fetched(scene, "f");
    scene.devices.swap(READER, at);
    found
}
