//! A restore beside the daemon: an ordinary edit that writes over nothing that is not in the history.
//!
//! Source: docs/design/versions.md §2.

use fst_client::restore::{Newer, Restore, Restored, Restorer, Step};
use fst_client::versions;
use fst_engine::restore::plan;
use fst_proto::path::RelPath;
use fst_proto::time::Clock as _;
use fst_testkit::scene::{Scene, noise, path};

const AUTHOR: usize = 0;
const OTHER: usize = 1;

/// Brings the whole folder of a device back to a server time.
fn back_to(scene: &mut Scene, at: usize, then_ms: u64, newer: Newer) -> Restored {
    let (vault, now) = (scene.devices[at].vault.clone(), scene.clock.now());
    scene.devices[at].beside(|db, space, remote| {
        let past = versions::tree_at(db.read(), then_ms).expect("a sound database");
        let tree = db.trees().expect("a sound database").1;
        let plan = plan(&past, &tree, &RelPath::root(), newer).expect("the root is always there");
        let mut restore = Restore {
            plan,
            ..Restore::default()
        };
        for step in &restore.plan.steps {
            if let Step::Create { past: node, .. } | Step::Replace { past: node, .. } = step {
                let rows = db.read().revisions(*node).expect("a sound database");
                let until = rows.into_iter().take_while(|row| row.time_ms <= then_ms);
                restore.sources.extend(until.last().map(|row| (*node, row)));
            }
        }
        let restorer = Restorer {
            vault: &vault,
            space,
            remote,
            db: db.read(),
            now,
        };
        restorer.run(&restore).expect("disk and server work")
    })
}

fn last_time(scene: &mut Scene) -> u64 {
    scene.devices[AUTHOR].beside(|db, _, _| db.load().expect("sound").last_time_ms)
}

fn read(scene: &Scene, at: usize, file: &str) -> Option<Vec<u8>> {
    scene.devices[at].vault.user_read(&path(file))
}

/// Two devices with a small and a large file that both changed since the time returned.
fn changed() -> (Scene, u64) {
    let mut scene = Scene::new(41, 2);
    scene.user(AUTHOR, |vault| vault.user_mkdir(&path("d")));
    scene.write(AUTHOR, "d/small", b"small, then");
    scene.write(AUTHOR, "large", &noise(1, 3 << 20));
    scene.quiet();
    let then = last_time(&mut scene);
    scene.write(OTHER, "large", &noise(2, 3 << 20));
    scene.user(OTHER, |vault| vault.user_remove(&path("d/small")));
    scene.user(OTHER, |vault| vault.user_remove(&path("d")));
    scene.write(OTHER, "newer", b"newer");
    scene.quiet();
    (scene, then)
}

#[test]
fn a_folder_goes_back_and_every_device_follows() {
    let (mut scene, then) = changed();
    let before = last_time(&mut scene);
    let done = back_to(&mut scene, AUTHOR, then, Newer::Remove);
    assert_eq!(done.problems, []);
    scene.quiet();
    let shown = scene.assert_equal();
    assert_eq!(
        read(&scene, OTHER, "d/small").as_deref(),
        Some(&b"small, then"[..])
    );
    assert_eq!(read(&scene, OTHER, "large"), Some(noise(1, 3 << 20)));
    assert_eq!(shown.len(), 3, "{:?}", shown.keys());

    let done = back_to(&mut scene, OTHER, before, Newer::Remove);
    assert_eq!(done.problems, []);
    scene.quiet();
    scene.assert_equal();
    assert_eq!(read(&scene, AUTHOR, "large"), Some(noise(2, 3 << 20)));
    assert_eq!(
        read(&scene, AUTHOR, "newer").as_deref(),
        Some(&b"newer"[..])
    );
    assert_eq!(read(&scene, AUTHOR, "d/small"), None);
}

#[test]
fn what_nobody_else_has_is_left_alone() {
    let (mut scene, then) = changed();
    scene.write(AUTHOR, "large", b"edited, not synced");
    scene.write(AUTHOR, "newer", b"edited, not synced either");
    scene.user(AUTHOR, |vault| {
        vault.user_write(&path("d"), b"a file of the same name")
    });
    let done = back_to(&mut scene, AUTHOR, then, Newer::Remove);
    let mut codes: Vec<_> = done
        .problems
        .iter()
        .map(|problem| (problem.path.as_str(), problem.code.as_str()))
        .collect();
    codes.sort_unstable();
    assert_eq!(codes[0], ("d", "FST-6021"));
    assert!(codes.contains(&("large", "FST-6021")), "{codes:?}");
    assert!(codes.contains(&("newer", "FST-6021")), "{codes:?}");
    assert_eq!(
        read(&scene, AUTHOR, "large").as_deref(),
        Some(&b"edited, not synced"[..])
    );
    assert_eq!(
        read(&scene, AUTHOR, "newer").as_deref(),
        Some(&b"edited, not synced either"[..])
    );
    assert_eq!(
        read(&scene, AUTHOR, "d").as_deref(),
        Some(&b"a file of the same name"[..])
    );
    assert!(
        scene.devices[AUTHOR].vault.stage_is_empty(),
        "nothing stays behind"
    );
    scene.quiet();
    scene.assert_equal();
}
