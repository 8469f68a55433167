//! Files that are fetched while their sender still sends them: what is told is a head start and nothing else.
//!
//! Source: docs/adr/0041-telling-of-files-under-way.md.

use fst_crypto::space::{open_note, seal_note};
use fst_fs::fake::FakeEntry;
use fst_fs::vault::Vault as _;
use fst_proto::ids::DeviceId;
use fst_proto::note::Note;
use fst_testkit::scene::{Scene, noise, path};

const AUTHOR: usize = 0;
const READER: usize = 1;

/// Several frames.
const LEN: usize = 30 << 20;

/// What travels with the commit, and the recipe.
const REST_MAX: u64 = 9 << 20;

type Told = Vec<(DeviceId, Vec<u8>)>;

/// The author has sent a large new file, the reader has not asked for it yet; and what was told meanwhile.
fn sent(seed: u64) -> (Scene, Vec<u8>, Told) {
    let mut scene = Scene::new(seed, 2);
    scene.write(AUTHOR, "small", b"1");
    scene.quiet();
    let mut notes = scene.service.notes();
    let bytes = noise(seed, LEN);
    scene.write(AUTHOR, "big.bin", &bytes);
    scene.sync(AUTHOR);
    let mut told = Told::new();
    while let Ok(note) = notes.try_recv() {
        told.push((note.from, note.bytes.to_vec()));
    }
    assert!(told.len() >= 3, "one for each frame but the last");
    (scene, bytes, told)
}

/// Syncs the reader, who has to end with the file and an empty stage; returns what it received since `before`.
#[track_caller]
fn arrives(scene: &mut Scene, bytes: &[u8], before: u64) -> u64 {
    scene.quiet();
    let tree = scene.assert_equal();
    let found = &tree[&path("big.bin")];
    assert!(matches!(found, FakeEntry::File { bytes: found, .. } if found == bytes));
    assert_eq!(tree.len(), 2, "nothing else");
    assert_stage_is_empty(scene);
    received(scene) - before
}

#[track_caller]
fn assert_stage_is_empty(scene: &Scene) {
    let staged = scene.devices[READER].vault.stage_list();
    assert_eq!(staged.expect("it can be listed").len(), 0);
}

fn received(scene: &Scene) -> u64 {
    scene.devices[READER].weather.traffic().1
}

/// Changes the notes as a member could that lies.
fn forge(scene: &mut Scene, told: &Told, change: impl Fn(usize, &mut Note)) -> Told {
    scene.devices[READER].beside(|_, space, _| {
        let forged = told.iter().enumerate().map(|(at, (from, sealed))| {
            let mut note = open_note(&space.keys, *from, sealed).expect("it is for us");
            change(at, &mut note);
            let sealed = seal_note(&space.salts(), &space.keys, *from, &note);
            (*from, sealed.expect("it is small"))
        });
        forged.collect()
    })
}

/// The reader opens its folder again, as a daemon does, before it hears anything of the server.
fn open_again(scene: &mut Scene) {
    scene.devices[READER].weather.partition(true);
    scene.devices[READER].sync();
    scene.devices[READER].weather.partition(false);
}

#[test]
fn what_was_told_is_not_fetched_again() {
    let (mut scene, bytes, told) = sent(1);
    let before = received(&scene);
    scene.devices[READER].take_notes(&told);
    let ahead = received(&scene) - before;
    assert!(ahead > (LEN as u64) - REST_MAX, "{ahead} bytes ahead");
    let there = scene.devices[READER].vault.list(&path(""));
    assert_eq!(
        there.expect("it can be listed").len(),
        1,
        "it does not show yet"
    );
    let all = arrives(&mut scene, &bytes, before);
    assert!(all < LEN as u64 + (1 << 20), "{all} bytes of {LEN}");
}

#[test]
fn one_by_one_is_as_good_as_together() {
    let (mut scene, bytes, told) = sent(2);
    let before = received(&scene);
    for one in &told {
        scene.devices[READER].take_notes(std::slice::from_ref(one));
    }
    let all = arrives(&mut scene, &bytes, before);
    assert!(all < LEN as u64 + (1 << 20), "{all} bytes of {LEN}");
}

#[test]
fn lost_late_and_repeated_notes_cost_a_head_start_at_most() {
    let orders: [&[usize]; 5] = [&[1, 2], &[0, 2, 1], &[0, 0, 1, 1, 2], &[2, 1, 0], &[0]];
    for (seed, order) in (3..).zip(orders) {
        let (mut scene, bytes, told) = sent(seed);
        let mixed: Told = order.iter().map(|at| told[*at].clone()).collect();
        let before = received(&scene);
        scene.devices[READER].take_notes(&mixed);
        let all = arrives(&mut scene, &bytes, before);
        assert!(
            all < LEN as u64 + (1 << 20),
            "{order:?}: {all} bytes of {LEN}"
        );
        // The server repeats what is long over.
        scene.devices[READER].take_notes(&told);
        scene.quiet();
        assert_stage_is_empty(&scene);
    }
}

#[test]
fn lies_change_nothing_of_what_arrives() {
    type Lie = fn(usize, &mut Note);
    let lies: [(&str, Lie); 6] = [
        ("order", |_, note| note.extents.reverse()),
        ("left out", |at, note| {
            drop(note.extents.drain(..usize::from(at == 1)));
        }),
        ("twice", |_, note| {
            let first = note.extents[0];
            note.extents.push(first);
        }),
        ("longer", |_, note| note.size += 1),
        ("far too long", |_, note| note.size = u64::MAX),
        ("short", |_, note| note.size = 1 << 20),
    ];
    for (seed, (what, lie)) in (20..).zip(lies) {
        let (mut scene, bytes, told) = sent(seed);
        let forged = forge(&mut scene, &told, lie);
        open_again(&mut scene);
        let before = received(&scene);
        scene.devices[READER].take_notes(&forged);
        let all = arrives(&mut scene, &bytes, before);
        assert!(all <= 2 * LEN as u64 + REST_MAX, "{what}: {all} bytes");
    }
}

/// As after a kill of the sender: another node, another stream, the same bytes.
#[test]
fn an_upload_that_is_begun_anew_is_followed_where_it_was() {
    for (seed, is_other) in [(40, false), (41, true)] {
        let (mut scene, bytes, told) = sent(seed);
        let first = forge(&mut scene, &told, |_, note| {
            note.stream[0] ^= 1;
            note.node.0[0] ^= 1;
            if is_other {
                note.size -= 1;
            }
        });
        open_again(&mut scene);
        let before = received(&scene);
        scene.devices[READER].take_notes(&first[..2]);
        let there = received(&scene) - before;
        scene.devices[READER].take_notes(&told);
        let all = arrives(&mut scene, &bytes, before);
        let twice = if is_other { there } else { 0 };
        assert!(
            all < LEN as u64 + twice + (1 << 20),
            "{all} bytes of {LEN}, {twice} for nothing"
        );
    }
}

#[test]
fn a_note_of_somebody_else_is_not_opened() {
    let (mut scene, bytes, mut told) = sent(30);
    for (from, _) in &mut told {
        from.0[0] ^= 1;
    }
    let before = received(&scene);
    scene.devices[READER].take_notes(&told);
    assert_eq!(received(&scene), before);
    arrives(&mut scene, &bytes, before);
}

#[test]
fn a_sender_that_falls_silent_is_given_up() {
    let (mut scene, bytes, told) = sent(32);
    let before = received(&scene);
    scene.devices[READER].take_notes(&told[..1]);
    let staged = scene.devices[READER].vault.stage_list();
    assert_eq!(staged.expect("it can be listed").len(), 1);
    scene.clock.advance(10 * 60 * 1000);
    open_again(&mut scene);
    assert_stage_is_empty(&scene);
    arrives(&mut scene, &bytes, before);
}

#[test]
fn what_a_crash_leaves_of_it_is_cleared_away() {
    let (mut scene, bytes, told) = sent(33);
    let before = received(&scene);
    scene.devices[READER].take_notes(&told[..2]);
    scene.devices[READER].vault.crash_now();
    scene.devices[READER].close();
    scene.devices[READER].vault.revive();
    arrives(&mut scene, &bytes, before);
}

#[test]
fn a_line_that_breaks_at_the_end_costs_what_was_under_way() {
    let (mut scene, bytes, told) = sent(34);
    let before = received(&scene);
    scene.devices[READER].take_notes(&told[..2]);
    // The log and the recipe still arrive, the next page does not.
    scene.devices[READER].weather.dark_after(3);
    scene.devices[READER].sync();
    scene.devices[READER].weather.dark_after(0);
    let all = arrives(&mut scene, &bytes, before);
    assert!(all < LEN as u64 + REST_MAX, "{all} bytes of {LEN}");
}
