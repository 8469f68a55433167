//! Users who bring back what was, and a server that gives up what is over.
//!
//! Invariant: a restore takes nothing away but what the log has; pruning takes nothing that is current, pinned or
//! within its time. Not here: directed cases of both (the tests `restores` and `prunes`).
//! Source: docs/design/versions.md.

use std::collections::{BTreeMap, BTreeSet};

use fst_client::db::{Db, RevisionRow};
use fst_client::fetch::{Fetcher, Flat};
use fst_client::folder::Space;
use fst_client::remote::Remote;
use fst_client::restore::{Newer, Plan, Restore, Restored, Restorer, Step};
use fst_client::versions;
use fst_crypto::ids::content_id;
use fst_engine::restore::{plan, plan_one};
use fst_fs::fake::FakeVault;
use fst_proto::control::{Control, Retention};
use fst_proto::entry::Kind;
use fst_proto::ids::ContentId;
use fst_proto::path::RelPath;
use fst_proto::time::{Clock as _, UnixMillis};
use futures::executor::block_on;

use super::World;
use super::judge::{bytes_of, difference, shown};
use crate::rng::Rng;

/// An hour.
const HOUR_MS: u64 = 60 * 60 * 1000;
/// Revisions that are read again at the end of a world.
const READ_MAX: usize = 6;
/// The shortest that a space may keep.
const SHORTEST: Retention = Retention {
    days: 1,
    versions: 1,
};

/// What a user did with the past of a folder.
struct Revived {
    ended: Result<Restored, String>,
    /// Contents that the log has.
    known: BTreeSet<ContentId>,
    /// Ids of what lay in the folder before.
    before: BTreeMap<ContentId, Vec<u8>>,
}

impl World {
    /// A user brings a file or the whole folder back, and now and then the process ends in the middle of it.
    pub(super) fn revive(&mut self, at: usize) {
        let vault = self.devices[at].vault.clone();
        if vault.is_crashed() {
            return;
        }
        self.programs[at].clear();
        let rng = self.rng.clone();
        let now = self.devices[at].clock().now();
        if rng.chance(20) {
            vault.crash_at(vault.n_calls() + 1 + rng.next() % 8);
        }
        let act = |db: &Db, space: &Space, remote: &dyn Remote| {
            run_restore(db, space, remote, &vault, &rng, now)
        };
        let revived = self.devices[at].try_beside(act).flatten();
        if vault.is_crashed() {
            self.count("restore, crashed");
            self.devices[at].close();
            vault.revive();
        }
        let Some(revived) = revived else {
            return;
        };
        let after: BTreeSet<_> = vault
            .snapshot()
            .into_values()
            .filter_map(bytes_of)
            .collect();
        let is_whole = revived
            .ended
            .as_ref()
            .is_ok_and(|done| done.problems.is_empty());
        for (id, bytes) in revived.before {
            if after.contains(&bytes) || !revived.known.contains(&id) {
                // What the log does not have is the user's only copy: it stays to be found, here or anywhere.
                if !after.contains(&bytes) && is_whole {
                    self.report.faults.push(format!(
                        "a restore on {at} took a content that the log has not"
                    ));
                }
                continue;
            }
            self.contents.insert(bytes, true);
        }
        let text = revived
            .ended
            .map(|done| (done.done.len(), done.problems.len()));
        if text.is_ok() {
            self.count("restore");
        }
        self.say(format!("{at}: user restores {text:?}"));
    }

    /// Contents that some device knows a version of.
    pub(super) fn in_history(&mut self) -> BTreeSet<Vec<u8>> {
        let mut kept = BTreeSet::new();
        for device in &mut self.devices {
            let contents = &self.contents;
            let known = device.try_beside(|db, space, _| {
                let rows = files_of(db).unwrap_or_default();
                let known: BTreeSet<_> = rows.iter().map(|row| row.state.content.id).collect();
                let is_known = |bytes: &&Vec<u8>| known.contains(&content_id(&space.keys, bytes));
                contents
                    .keys()
                    .filter(is_known)
                    .cloned()
                    .collect::<Vec<_>>()
            });
            kept.extend(known.into_iter().flatten());
        }
        kept
    }

    /// Time passes, and the server gives up what is over.
    pub(super) fn prune(&mut self, at: usize) {
        if self.rng.chance(40) {
            let ended = self.devices[at].try_beside(|db, space, remote| {
                let commit = space.control(&db.load().ok()?, &Control::Retention(SHORTEST));
                remote.commit(space.id, &commit).ok()
            });
            self.say(format!("{at}: short rules {}", ended.flatten().is_some()));
        }
        self.clock
            .advance([HOUR_MS, 50 * HOUR_MS, 900 * HOUR_MS][self.rng.below(3)]);
        self.prune_now();
    }

    fn prune_now(&mut self) {
        let pruned = self.house.serve(|service| block_on(service.prune()).ok());
        let n = pruned.flatten().map_or(0, |pruned| pruned.objects);
        self.count("prune");
        if n > 0 {
            self.count("prune, something went");
        }
        self.say(format!("server prunes {n}"));
    }

    /// What is within its time can be read, and whoever comes new gets everything.
    pub(super) fn judge_kept(&mut self) {
        self.clock.advance(50 * HOUR_MS);
        self.prune_now();
        let (rng, now) = (self.rng.clone(), self.clock.now());
        let read =
            self.devices[0].try_beside(|db, space, remote| read_kept(db, space, remote, &rng, now));
        match read {
            Some(Ok(n)) => {
                let read = "old versions read".to_owned();
                *self.report.counts.entry(read).or_default() += n;
            },
            Some(Err(text)) => self.report.faults.push(text),
            None => self.report.faults.push("the past does not open".to_owned()),
        }
        let join = self.devices[0].invite(&[]);
        let mut late = super::device::enrol_one(
            &self.house,
            "late",
            fst_client::Enrol::Join(&join),
            &self.clock,
            &self.rng,
        );
        late.vault = FakeVault::with_options(self.disk_options());
        let ended = late.sync();
        let (first, all) = (shown(&self.devices[0].vault), shown(&late.vault));
        if first != all {
            let text = format!("a new device gets {:?}, {ended}", difference(&first, &all));
            self.report.faults.push(text);
        }
    }
}

fn files_of(db: &Db) -> Option<Vec<RevisionRow>> {
    let mut rows = Vec::new();
    let keep = &mut |row: RevisionRow| {
        if !row.is_deleted && row.state.content.kind != Kind::Dir {
            rows.push(row);
        }
    };
    db.read().revisions_until(u64::MAX >> 1, keep).ok()?;
    Some(rows)
}

fn run_restore(
    db: &Db,
    space: &Space,
    remote: &dyn Remote,
    vault: &FakeVault,
    rng: &Rng,
    now: UnixMillis,
) -> Option<Revived> {
    let rows = files_of(db)?;
    let row = rows.get(rng.below(rows.len()))?;
    let tree = db.trees().ok()?.1;
    let plan = if rng.chance(70) {
        let deletions = db.read().deletions().ok()?;
        let was_at = deletions.into_iter().find(|(node, _)| *node == row.node);
        let path = tree
            .path(row.node)
            .or_else(|| was_at.map(|(_, path)| path))?;
        plan_one(&tree, &path, row.node, row.state.content)
    } else {
        let past = versions::tree_at(db.read(), row.time_ms).ok()?;
        let newer = if rng.chance(50) {
            Newer::Remove
        } else {
            Newer::Keep
        };
        plan(&past, &tree, &RelPath::root(), newer)?
    };
    let restore = Restore {
        sources: sources(&plan, &rows, row),
        plan,
    };
    let before = vault.snapshot().into_values().filter_map(bytes_of);
    let before = before
        .map(|bytes| (content_id(&space.keys, &bytes), bytes))
        .collect();
    let restorer = Restorer {
        vault,
        space,
        remote,
        db: db.read(),
        now,
    };
    Some(Revived {
        ended: restorer.run(&restore).map_err(|error| error.to_string()),
        known: rows.iter().map(|row| row.state.content.id).collect(),
        before,
    })
}

/// The revision that each step takes: that of the moment of `row`.
fn sources(
    plan: &Plan,
    rows: &[RevisionRow],
    row: &RevisionRow,
) -> BTreeMap<fst_proto::ids::NodeId, RevisionRow> {
    let mut sources = BTreeMap::new();
    for step in &plan.steps {
        if let Step::Create { past, .. } | Step::Replace { past, .. } = step {
            let mut until = rows
                .iter()
                .filter(|one| one.node == *past && one.idx <= row.idx);
            sources.extend(until.next_back().map(|one| (*past, one.clone())));
        }
    }
    sources
}

/// Reads some versions that have to be there; says how many there were.
fn read_kept(
    db: &Db,
    space: &Space,
    remote: &dyn Remote,
    rng: &Rng,
    now: UnixMillis,
) -> Result<u64, String> {
    let rows = files_of(db).ok_or("no revisions")?;
    let rules = db.read().retention().map_err(|error| error.to_string())?;
    let rules = rules.unwrap_or_else(|| space.policy.retention());
    let mut n_read = 0;
    for _ in 0..READ_MAX.min(rows.len()) {
        let row = &rows[rng.below(rows.len())];
        let keeping =
            versions::keeping(db.read(), rules, row).map_err(|error| error.to_string())?;
        if keeping.over_since(now).is_some() {
            continue;
        }
        let mut bytes = Vec::new();
        let mut fetcher = Fetcher::new(space, remote, db.read()).at(now);
        let done = fetcher.write_revision(row, &mut Flat(&mut bytes));
        done.map_err(|error| {
            format!(
                "revision {} is kept ({keeping:?}) and does not open: {error}",
                row.idx
            )
        })?;
        n_read += 1;
    }
    Ok(n_read)
}
