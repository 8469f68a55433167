//! A world of one server and some clients in memory, that runs plans exactly as the client does.
//!
//! Every step checks what it expects and panics if it is not so; a commit is all or nothing and conditional. A user
//! changes disks; what a user's operation overwrote or removed is `destroyed`, everything else must live.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::batch::cuts;
use fst_engine::identify::{FileKey, Identified, Scan, Seen, identify};
use fst_engine::ignore::{Rules, Verdict, hide};
use fst_engine::naming::{ByHash, Origin, conflict_name, original_of};
use fst_engine::plan::{DiskStep, Plan, PushKind, PushOp, Source};
use fst_engine::progress::Progress;
use fst_engine::reconcile::{
    Backup, ConflictNaming, Inputs, Loser, Merged, Policy, Reason, Side, Strategy, explain, plan,
};
use fst_engine::row::Row;
use fst_engine::scope::Part;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, ROOT};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};
use fst_proto::time::UnixMillis;

use crate::disk::{Bytes, Disk, Entry, bytes_of, content_id};
use crate::part::{self, Looked};

/// What an entry may follow unseen: see ADR 0006.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Content,
    Creates,
    Structural,
}

/// The server: newest state of every node, the dead, and who wrote which class of entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    pub(crate) tree: Tree,
    pub(crate) tombstones: BTreeMap<NodeId, u64>,
    log: Vec<(u8, Class)>,
    /// Every content ever committed.
    pub(crate) history: BTreeSet<Bytes>,
}

impl Server {
    /// Commits all operations or none; false when something unseen forbids it. Panics when the tree is not well
    /// formed afterwards: other clients would refuse the whole log.
    fn commit(&mut self, author: u8, seen: usize, ops: &[PushOp]) -> bool {
        let class = self.class(ops);
        let may_follow = |&(other, unseen): &(u8, Class)| match class {
            Class::Content => other != author,
            Class::Creates => other != author && unseen != Class::Structural,
            Class::Structural => other != author && unseen == Class::Content,
        };
        let mut next = self.clone();
        let is_current =
            self.log[seen..].iter().all(may_follow) && ops.iter().all(|op| next.apply(op));
        let is_free = next.tree.collisions().next().is_none();
        if is_current && is_free {
            next.log.push((author, class));
            next.assert_sound();
            *self = next;
        }
        is_current && is_free
    }

    fn class(&self, ops: &[PushOp]) -> Class {
        let of = |op: &PushOp| match (&op.kind, self.tree.get(op.node)) {
            (PushKind::Delete { is_dir: true }, _) => Class::Structural,
            (PushKind::Delete { is_dir: false }, _) => Class::Content,
            (PushKind::Put { .. }, None) => Class::Creates,
            (PushKind::Put { place, .. }, Some(node)) if *place != node.place => Class::Structural,
            (PushKind::Put { .. }, Some(_)) => Class::Content,
        };
        ops.iter().map(of).max().unwrap_or(Class::Content)
    }

    fn apply(&mut self, op: &PushOp) -> bool {
        let current = self.tree.get(op.node).map(|node| node.rev);
        let current = current
            .or_else(|| self.tombstones.get(&op.node).copied())
            .unwrap_or(0);
        let rev = current + 1;
        match &op.kind {
            PushKind::Put {
                place,
                content,
                mtime_ns,
                size,
                ..
            } => {
                let (place, content) = (place.clone(), *content);
                let node = Node {
                    place,
                    content,
                    mtime_ns: *mtime_ns,
                    size: *size,
                    rev,
                };
                self.tree.insert(op.node, node);
                self.tombstones.remove(&op.node);
                self.history.insert(bytes_of(content));
            },
            PushKind::Delete { .. } => {
                self.tree.remove(op.node);
                self.tombstones.insert(op.node, rev);
            },
        }
        current == op.base_rev
    }

    pub(crate) fn assert_sound(&self) {
        for (id, node) in self.tree.iter() {
            assert!(self.tree.path(id).is_some(), "{id} hangs nowhere");
            assert!(self.tree.is_dir(node.place.parent), "{id} lies in a file");
        }
        assert_eq!(self.tree.collisions().count(), 0);
    }

    pub(crate) fn shape(&self) -> BTreeMap<RelPath, Content> {
        let path = |id| self.tree.path(id).expect("every node has a path");
        self.tree
            .iter()
            .map(|(id, node)| (path(id), node.content))
            .collect()
    }
}

/// Everything that can go wrong in one cycle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Plans with the remote state of the last cycle.
    pub(crate) is_stale: bool,
    /// Dies before this step, or before the push if it is the number of steps.
    pub(crate) crash_at: Option<usize>,
    /// The commit is done, but the client dies before it hears of it.
    pub(crate) loses_reply: bool,
    /// Only so many of the batches are sent.
    pub(crate) pushes_until: Option<usize>,
    /// This step cannot be done; its node is held in the next cycle.
    pub(crate) fails_at: Option<usize>,
    /// The entry with this index cannot be read.
    pub(crate) unreadable: Option<usize>,
    /// The client database is lost before the cycle.
    pub(crate) forgets: bool,
}

/// The law of parts costs more than the cycle itself, and there are very many of them.
const PARTS_CHECKED_EVERY: u64 = 3;

#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    pub(crate) disk: Disk,
    pub(crate) base: Tree,
    pub(crate) policy: Policy,
    /// What this device does not sync.
    pub(crate) rules: Rules,
    remote: Server,
    keys: BTreeMap<NodeId, FileKey>,
    /// Nodes whose last step failed.
    failing: BTreeSet<NodeId>,
    /// What own commits made of their nodes whose answers were lost; base follows when the log tells.
    unanswered: Vec<(NodeId, Option<Node>)>,
    /// Clean merges of what it has found.
    merged: BTreeMap<NodeId, Merged>,
    n_ids: u8,
    n_looks: u64,
    pub(crate) number: u8,
    pub(crate) n_notes: usize,
    /// Steps of the last plan.
    n_steps: usize,
}

impl Client {
    /// Scans and gives ids.
    fn look(&mut self, faults: Faults) -> (Identified, Option<Looked>) {
        let mut scan = self.disk.scan();
        if let Some(nth) = faults.unreadable.filter(|_| !scan.is_empty()) {
            let path = scan.keys().nth(nth % scan.len()).expect("in range").clone();
            scan.retain(|other, _| !other.starts_with(&path));
            scan.insert(path, Seen::Problem);
        }
        ignore(&mut scan, &self.rules);
        let number = self.number;
        let ids_from = |count: &mut u8| {
            *count += 1;
            let mut id = [0; NodeId::LEN];
            // Ids of different clients sort in mixed order.
            (id[0], id[1], id[2]) = (count.wrapping_mul(73) | 1, number, *count);
            NodeId(id)
        };
        self.n_looks = self.n_looks.wrapping_add(1);
        let mut again = self.n_ids;
        let (base, keys, remote) = (&self.base, &self.keys, &self.remote.tree);
        let count = &mut self.n_ids;
        let mut seen = identify(&scan, base, keys, remote, &mut || ids_from(count));
        let mut looked = None;
        if self.n_looks.is_multiple_of(PARTS_CHECKED_EVERY) {
            let mut new_id = || ids_from(&mut again);
            looked = Some(part::check_identify(
                &scan,
                [base, remote],
                keys,
                &seen,
                &mut new_id,
            ));
        }
        hide(&self.rules, base, remote, &mut seen);
        // Base forgets some at once: what is left is another picture.
        let looked = looked.filter(|_| seen.forget.is_empty());
        (seen, looked)
    }

    fn plan(&self, seen: &Identified, looked: Option<&Looked>) -> Plan {
        let frozen = seen.frozen.union(&self.failing).copied().collect();
        let naming = ByVersion {
            local: &seen.local,
            remote: &self.remote.tree,
        };
        let inputs = Inputs {
            base: &self.base,
            local: &seen.local,
            remote: &self.remote.tree,
            tombstones: &self.remote.tombstones,
            frozen: &frozen,
            ignored: &seen.ignored,
            blocked: &seen.blocked,
            folds_names: false,
            naming: &naming,
            merged: &self.merged,
            policy: self.policy,
        };
        let first = plan(&inputs);
        let (explained, reasons) = explain(&inputs);
        assert_eq!(first, explained, "the same inputs give the same plan");
        assert_explained(&first, &reasons);
        if let Some(looked) = looked {
            let local = looked.local(&self.base);
            let seen = Some((&self.rules, looked.part.clone(), &self.failing));
            part::check_plan(&inputs, &local, near_naming, seen, &first);
        }
        first
    }

    /// Clean merges, for a client that merges.
    fn merges(&self, local: &Tree) -> BTreeMap<NodeId, Merged> {
        let merges = self.policy.strategy == Strategy::Merge;
        let nodes = local
            .iter()
            .filter(|(_, node)| merges && node.content.kind == Kind::File);
        let merge = |(id, here): (NodeId, &Node)| {
            let base = self.base.get(id)?.content.id;
            let there = self.remote.tree.get(id)?;
            let (local, remote) = (here.content.id, there.content.id);
            if base == local || base == remote || local == remote {
                return None;
            }
            let content = content_id(merge(bytes_of(here.content), bytes_of(there.content))?);
            let merged = Merged {
                local,
                remote,
                content,
                size: 1,
            };
            Some((id, merged))
        };
        nodes.filter_map(merge).collect()
    }

    /// One cycle; says whether there was anything to do.
    pub(crate) fn sync(&mut self, server: &mut Server, faults: Faults) -> bool {
        if faults.forgets {
            (self.base, self.keys, self.remote) = Default::default();
            self.failing.clear();
            self.unanswered.clear();
        }
        if !faults.is_stale {
            self.remote = server.clone();
            for (id, node) in std::mem::take(&mut self.unanswered) {
                match node {
                    Some(node) => drop(self.base.insert(id, node)),
                    None => drop((self.base.remove(id), self.keys.remove(&id))),
                }
            }
        }
        let (seen, looked) = self.look(faults);
        self.keys = seen.keys.clone();
        for id in &seen.forget {
            self.base.remove(*id);
            self.keys.remove(id);
        }
        self.merged = self.merges(&seen.local);
        let plan = self.plan(&seen, looked.as_ref());
        let had_failing = !std::mem::take(&mut self.failing).is_empty();
        self.n_notes += plan.conflicts.len();
        self.n_steps = plan.steps.len();
        let mut local = seen.local;
        for &(fresh, known) in &plan.united {
            local.rename(fresh, known);
        }
        let mut progress = Progress::new(local);
        for &id in &plan.adopt {
            self.record(id, &progress);
        }
        if self.run(&plan, &mut progress, faults) {
            self.push(server, &plan, &progress, faults);
        }
        had_failing || !plan.is_empty()
    }

    /// Does the steps; false when the client died or a step failed.
    fn run(&mut self, plan: &Plan, progress: &mut Progress, faults: Faults) -> bool {
        let mut left: BTreeMap<NodeId, usize> = BTreeMap::new();
        for step in &plan.steps {
            *left.entry(step.node()).or_default() += 1;
        }
        for (index, step) in plan.steps.iter().enumerate() {
            if faults.crash_at == Some(index) || faults.fails_at == Some(index) {
                self.disk.recover(&plan.steps);
                self.failing.extend(faults.fails_at.map(|_| step.node()));
                return false;
            }
            self.step(step, progress);
            progress.follow(step);
            left.entry(step.node()).and_modify(|n| *n -= 1);
            for id in finished(&left, plan) {
                left.remove(&id);
                self.record(id, progress);
            }
        }
        faults.crash_at != Some(plan.steps.len())
    }

    /// Base takes over the remote state of a node whose local state includes it.
    fn record(&mut self, id: NodeId, progress: &Progress) {
        match self.remote.tree.get(id) {
            Some(node) => {
                self.base.insert(id, node.clone());
                self.note_key(id, progress);
            },
            None => {
                self.base.remove(id);
                self.keys.remove(&id);
            },
        }
    }

    fn note_key(&mut self, id: NodeId, progress: &Progress) {
        let entry = progress
            .path(id)
            .and_then(|path| self.disk.entries.get(&path));
        self.keys.extend(entry.map(|entry| (id, entry.key)));
    }

    /// Does one step, strictly.
    fn step(&mut self, step: &DiskStep, progress: &Progress) {
        let disk = &mut self.disk;
        match step {
            DiskStep::MakeDir { path, .. } => {
                let id = ContentId::ZERO;
                disk.add(
                    path,
                    Content {
                        kind: Kind::Dir,
                        id,
                        exec: false,
                    },
                    0,
                );
            },
            DiskStep::Move { from, to, .. } => disk.rename(from, to),
            DiskStep::Stage { node, from } => {
                let entries = disk.take(from);
                assert!(disk.staged.insert(*node, (from.clone(), entries)).is_none());
            },
            DiskStep::Unstage { node, to } => {
                let (_, entries) = disk.staged.remove(node).expect("staged before");
                disk.put(to, entries);
            },
            DiskStep::Write {
                path,
                source,
                content,
                mtime_ns,
                expect,
                ..
            } => {
                assert_eq!(
                    self.source_content(*source, progress),
                    content.id,
                    "{step:?}"
                );
                let there = self.disk.entries.get(path).map(|entry| entry.content);
                assert_eq!(there, *expect, "{step:?}");
                self.disk.entries.remove(path);
                self.disk.add(path, *content, *mtime_ns);
            },
            DiskStep::SetAttributes {
                path,
                content,
                mtime_ns,
                ..
            } => {
                let entry = disk.entries.get_mut(path).expect("there");
                assert_eq!(entry.content.id, content.id, "{step:?}");
                (entry.content, entry.mtime_ns) = (*content, *mtime_ns);
            },
            DiskStep::Remove { path, expect, .. } => {
                let entry = disk.entries.remove(path).expect("there");
                assert_eq!(entry.content, *expect, "{step:?}");
                assert_ne!(entry.content.kind, Kind::Dir);
            },
            DiskStep::RemoveDir { path, .. } => {
                let gone = disk.take(path);
                assert_eq!(gone.len(), 1, "{path} is not empty: {gone:?}");
            },
        }
    }

    fn source_content(&self, source: Source, progress: &Progress) -> ContentId {
        match source {
            Source::Local(id) => {
                let path = progress.path(id).expect("a source is in the folder");
                self.disk
                    .entries
                    .get(&path)
                    .expect("a source is on disk")
                    .content
                    .id
            },
            Source::Remote(id) => {
                self.remote
                    .tree
                    .get(id)
                    .expect("a source is live")
                    .content
                    .id
            },
            Source::Merged(id) => self.merged.get(&id).expect("a merge").content,
        }
    }

    /// Commits the operations.
    fn push(&mut self, server: &mut Server, plan: &Plan, progress: &Progress, faults: Faults) {
        for op in &plan.push {
            self.assert_has_bytes(op, progress);
        }
        let cuts = cuts(&self.remote.tree, &plan.push);
        assert_eq!(cuts.last().copied().unwrap_or(0), plan.push.len());
        let until = faults.pushes_until.filter(|_| !cuts.is_empty());
        let len = until.map_or(plan.push.len(), |nth| cuts[nth % cuts.len()]);
        let ops = &plan.push[..len];
        let is_done = !ops.is_empty() && server.commit(self.number, self.remote.log.len(), ops);
        if is_done && !faults.loses_reply {
            self.remote = server.clone();
            for op in ops.iter().filter(|op| !sends_merge(op)) {
                self.record(op.node, progress);
            }
        } else if is_done {
            let own = ops.iter().filter(|op| !sends_merge(op));
            let made = own.map(|op| (op.node, server.tree.get(op.node).cloned()));
            self.unanswered.extend(made);
        }
    }

    fn assert_has_bytes(&self, op: &PushOp, progress: &Progress) {
        let PushKind::Put { content, bytes, .. } = &op.kind else {
            return;
        };
        if content.kind == Kind::Dir {
            return;
        }
        let id = self.source_content(bytes.unwrap_or(Source::Remote(op.node)), progress);
        assert_eq!(id, content.id, "{op:?}");
    }

    /// Everything on the disk that a rule ignores, with its contents.
    pub(crate) fn ignored(&self) -> Vec<Entry> {
        let entries = self.disk.entries.iter();
        let is_ignored = |path: &RelPath, entry: &Entry| {
            let said = self.rules.decide(path, entry.content.kind == Kind::Dir);
            said.is_some_and(|verdict| verdict.is_hands_off())
        };
        let ignored = entries.filter(|(path, entry)| is_ignored(path, entry));
        ignored.map(|(_, entry)| *entry).collect()
    }

    /// Everything that could not be read in this cycle, with its contents.
    pub(crate) fn unreadable(&self, faults: Faults) -> Vec<Entry> {
        let Some(nth) = faults.unreadable.filter(|_| !self.disk.entries.is_empty()) else {
            return Vec::new();
        };
        let path = self
            .disk
            .entries
            .keys()
            .nth(nth % self.disk.entries.len())
            .expect("in range");
        let below = self
            .disk
            .entries
            .iter()
            .filter(|(other, _)| other.starts_with(path));
        below.map(|(_, entry)| *entry).collect()
    }
}

/// Every node that the plan concerns has one reason, and no other node has one.
fn assert_explained(plan: &Plan, reasons: &[Reason]) {
    let steps = plan.steps.iter().map(DiskStep::node);
    let ops = plan.push.iter().map(|op| op.node);
    let held = plan.held.iter().map(|held| held.node);
    let rest = plan.adopt.iter().copied().chain(held);
    let concerned: BTreeSet<NodeId> = steps.chain(ops).chain(rest).collect();
    let told: Vec<NodeId> = reasons.iter().map(|reason| reason.node).collect();
    assert_eq!(told, concerned.into_iter().collect::<Vec<_>>());
    for reason in reasons {
        assert_ne!(reason.row, Row::Nothing, "{reason:?} in {plan:?}");
    }
}

/// Marks what `rules` ignore, as a scan of the client does.
pub(crate) fn ignore(scan: &mut Scan, rules: &Rules) {
    let paths: Vec<RelPath> = scan.keys().cloned().collect();
    for path in paths {
        let Some(&Seen::Known {
            content,
            mtime_ns,
            size,
            key,
        }) = scan.get(&path)
        else {
            continue;
        };
        let above = path
            .parent()
            .filter(|dir| rules.decide(dir, true).is_some_and(|v| v.is_hands_off()));
        let is_dir = content.kind == Kind::Dir;
        if above.is_some() {
            scan.remove(&path);
            continue;
        }
        let kind = Some(content.kind);
        match rules.decide(&path, is_dir) {
            Some(Verdict::NotChosen | Verdict::Ignored(_)) => scan.insert(
                path,
                Seen::Ignored {
                    kind,
                    mtime_ns,
                    size,
                    key,
                },
            ),
            Some(Verdict::Held { .. }) => scan.insert(path, Seen::Problem),
            Some(Verdict::Kept(_)) | None => None,
        };
    }
}

/// Whether the folder has something else than what this operation sends.
fn sends_merge(op: &PushOp) -> bool {
    let PushKind::Put { bytes, .. } = &op.kind else {
        return false;
    };
    matches!(bytes, Some(Source::Merged(_)))
}

/// Half of all pairs merge cleanly; an input and the result give the result.
fn merge(one: Bytes, other: Bytes) -> Option<Bytes> {
    let (low, high) = (one.min(other), one.max(other));
    let pair = high
        .checked_sub(MERGES_FROM)
        .map(|pair| (pair / 1000, pair % 1000));
    match pair {
        Some((first, second)) if first == low || second == low => Some(high),
        None if (low + high).is_multiple_of(2) => Some(MERGES_FROM + low * 1000 + high),
        Some(_) | None => None,
    }
}

/// Contents from here on are merges of two below a thousand.
const MERGES_FROM: Bytes = 1_000_000;

/// Nodes whose steps are all done, and those of the copies they wait for.
fn finished(left: &BTreeMap<NodeId, usize>, plan: &Plan) -> Vec<NodeId> {
    let is_done = |id: NodeId| left.get(&id).copied().unwrap_or(0) == 0;
    left.keys()
        .copied()
        .filter(|&id| is_done(id) && plan.waits_for(id).all(is_done))
        .collect()
}

/// Names copies by the losing content, as every device does.
struct ByVersion<'a> {
    local: &'a Tree,
    remote: &'a Tree,
}

fn near_naming(part: &Part) -> Box<dyn ConflictNaming + '_> {
    let (local, remote) = (&part.local, &part.remote);
    Box::new(ByVersion { local, remote })
}

impl ConflictNaming for ByVersion<'_> {
    fn copy_name(&self, original: &Name, loser: Loser, taken: &dyn Fn(&Name) -> bool) -> Name {
        let tree = match loser.side {
            Side::Local => self.local,
            Side::Remote => self.remote,
        };
        let bytes = tree
            .get(loser.node)
            .map_or(0, |node| bytes_of(node.content));
        let version = format!("{bytes:04x}");
        let origin = Origin {
            device: "x",
            at: UnixMillis(0),
            version_hex4: &version,
        };
        conflict_name(original, origin, taken)
    }

    fn copy_id(&self, node: NodeId, loser_content: &Content) -> NodeId {
        ByHash.copy_id(node, loser_content)
    }

    fn is_ignored(&self, _parent: NodeId, _name: &Name) -> bool {
        false
    }
}

/// Server, clients, and what the users did.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    pub(crate) written: BTreeSet<Bytes>,
    pub(crate) destroyed: BTreeSet<Bytes>,
    /// Contents to choose from; 0 gives every write a content of its own.
    pub(crate) n_contents: u32,
}

/// One user operation at fixed paths.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Write(&'static str),
    MakeDir(&'static str),
    Delete(&'static str),
    Rename(&'static str, &'static str),
    Chmod(&'static str),
}

/// Rounds in which everything must settle.
const ROUNDS_MAX: usize = 6;

/// Names that users choose from; two differ in case only.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "A"];

impl World {
    pub(crate) fn new(n_clients: u8, n_contents: u32, reuses_keys: bool) -> Self {
        let mut world = Self {
            n_contents,
            ..Self::default()
        };
        for number in 0..n_clients {
            let disk = Disk {
                reuses_keys,
                ..Disk::default()
            };
            world.clients.push(Client {
                number,
                disk,
                ..Client::default()
            });
        }
        world
    }

    /// One user operation on one client; what it means depends on what is there.
    pub(crate) fn user(&mut self, client: usize, [kind, a, b, c]: [u8; 4]) {
        let disk = &self.clients[client].disk;
        let dirs: Vec<RelPath> = disk
            .entries
            .keys()
            .filter(|p| disk.is_dir(p))
            .cloned()
            .collect();
        let dir = match usize::from(a) % (dirs.len() + 1) {
            0 => RelPath::root(),
            nth => dirs[nth - 1].clone(),
        };
        let name = Name::new(NAMES[usize::from(b) % NAMES.len()].as_bytes()).expect("a name");
        let to = dir.child(name).expect("a good name");
        let picked = disk
            .entries
            .keys()
            .nth(usize::from(c) % disk.entries.len().max(1))
            .cloned();
        match (kind % 16, picked) {
            (0..=2, _) => self.write(client, &to, c, Kind::File),
            (3, _) => self.write(client, &to, c, Kind::Symlink),
            (4 | 5, _) => self.make_dir(client, &to),
            (6 | 7, Some(path)) if !self.clients[client].disk.is_dir(&path) => {
                let kind = self.clients[client].disk.entries[&path].content.kind;
                self.write(client, &path, a, kind);
            },
            (8, Some(path)) => self.delete(client, &path),
            (9..=12, Some(path)) => self.rename(client, &path, &to),
            (13, Some(path)) => self.swap(client, &path, &to),
            (14, Some(path)) => self.chmod(client, &path),
            (15, Some(path)) => self.save_by_rename(client, &path, a),
            (_, _) => self.make_dir(client, &to),
        }
    }

    pub(crate) fn act(&mut self, client: usize, act: Act) {
        let path = |text| RelPath::parse(text).expect("a path");
        match act {
            Act::Write(at) => self.write(client, &path(at), 0, Kind::File),
            Act::MakeDir(at) => self.make_dir(client, &path(at)),
            Act::Delete(at) => self.delete(client, &path(at)),
            Act::Rename(from, to) => self.rename(client, &path(from), &path(to)),
            Act::Chmod(at) => self.chmod(client, &path(at)),
        }
    }

    /// Does the act if it changes anything, and says whether it did.
    pub(crate) fn act_if_possible(&mut self, client: usize, act: Act) -> bool {
        let disk = &self.clients[client].disk;
        let path = |text| RelPath::parse(text).expect("a path");
        let is_there = |text| disk.entries.contains_key(&path(text));
        let has_dir = |text| disk.is_dir(&path(text).parent().expect("not the root"));
        let is_possible = match act {
            Act::Write(at) => has_dir(at) && !disk.is_dir(&path(at)),
            Act::MakeDir(at) => has_dir(at) && !is_there(at),
            Act::Delete(at) => is_there(at),
            Act::Rename(from, to) => {
                is_there(from) && has_dir(to) && !path(to).starts_with(&path(from))
            },
            Act::Chmod(at) => is_there(at) && !disk.is_dir(&path(at)),
        };
        if is_possible {
            self.act(client, act);
        }
        is_possible
    }

    fn new_bytes(&mut self, choice: u8) -> Bytes {
        let bytes = match self.n_contents {
            0 => u32::try_from(self.written.len()).expect("few") + 1,
            n => u32::from(choice) % n + 1,
        };
        self.written.insert(bytes);
        bytes
    }

    fn write(&mut self, client: usize, path: &RelPath, choice: u8, kind: Kind) {
        let mtime_ns = i64::from(choice);
        match self.clients[client]
            .disk
            .entries
            .get(path)
            .map(|entry| entry.content)
        {
            None => {
                let content = Content {
                    kind,
                    id: content_id(self.new_bytes(choice)),
                    exec: false,
                };
                self.clients[client].disk.add(path, content, mtime_ns);
            },
            Some(content) if content.kind == Kind::Dir => {},
            Some(content) => {
                self.destroyed.insert(bytes_of(content));
                let id = content_id(self.new_bytes(choice));
                let entry = self.clients[client]
                    .disk
                    .entries
                    .get_mut(path)
                    .expect("there");
                (entry.content.id, entry.mtime_ns) = (id, mtime_ns);
            },
        }
    }

    fn make_dir(&mut self, client: usize, path: &RelPath) {
        let disk = &mut self.clients[client].disk;
        if !disk.entries.contains_key(path) {
            disk.add(
                path,
                Content {
                    kind: Kind::Dir,
                    id: ContentId::ZERO,
                    exec: false,
                },
                0,
            );
        }
    }

    fn delete(&mut self, client: usize, path: &RelPath) {
        let gone = self.clients[client].disk.remove_all(path);
        let leaves = gone
            .into_iter()
            .filter(|entry| entry.content.kind != Kind::Dir);
        self.destroyed
            .extend(leaves.map(|entry| bytes_of(entry.content)));
    }

    fn rename(&mut self, client: usize, from: &RelPath, to: &RelPath) {
        if to.starts_with(from) || from.starts_with(to) {
            return;
        }
        if self.clients[client].disk.entries.contains_key(to) {
            self.delete(client, to);
        }
        self.clients[client].disk.rename(from, to);
    }

    fn swap(&mut self, client: usize, one: &RelPath, other: &RelPath) {
        let disk = &mut self.clients[client].disk;
        let is_apart = !one.starts_with(other) && !other.starts_with(one);
        if is_apart && disk.entries.contains_key(other) {
            let aside = disk.take(one);
            disk.rename(other, one);
            disk.put(other, aside);
        }
    }

    fn chmod(&mut self, client: usize, path: &RelPath) {
        let entry = self.clients[client]
            .disk
            .entries
            .get_mut(path)
            .expect("picked");
        entry.content.exec ^= entry.content.kind == Kind::File;
    }

    /// What editors do: write another file, rename it over the old one.
    fn save_by_rename(&mut self, client: usize, path: &RelPath, choice: u8) {
        let content = self.clients[client].disk.entries[path].content;
        if content.kind == Kind::File {
            self.delete(client, path);
            self.write(client, path, choice, Kind::File);
        }
    }

    pub(crate) fn sync(&mut self, client: usize, faults: Faults) -> bool {
        self.clients[client].sync(&mut self.server, faults)
    }

    /// Syncs and dies before step `at`, or before the push; false when there are fewer steps.
    pub(crate) fn sync_until(&mut self, client: usize, at: usize) -> bool {
        let faults = Faults {
            crash_at: Some(at),
            ..Faults::default()
        };
        self.sync(client, faults);
        self.clients[client].n_steps >= at
    }

    /// Syncs everybody until nobody has anything to do.
    pub(crate) fn settle(&mut self) {
        let mut is_busy = true;
        for _ in 0..ROUNDS_MAX {
            is_busy = false;
            for client in 0..self.clients.len() {
                is_busy |= self.sync(client, Faults::default());
            }
            if !is_busy {
                break;
            }
        }
        assert!(!is_busy, "not settled: {self:#?}");
    }

    /// All trees are equal, and nothing that should live is missing.
    pub(crate) fn assert_good(&self) {
        self.server.assert_sound();
        let shape = self.server.shape();
        for client in &self.clients {
            assert_eq!(
                client.disk.shape(),
                shape,
                "folder {} differs",
                client.number
            );
            assert_eq!(
                client.base, self.server.tree,
                "base {} differs",
                client.number
            );
        }
        if self.n_contents == 0 {
            let kept: BTreeSet<Bytes> = self.contents().into_iter().collect();
            let is_history_only = |client: &Client| client.policy.backup == Backup::HistoryOnly;
            let merges = |client: &Client| client.policy.strategy == Strategy::Merge;
            let mut clients = self.clients.iter();
            let may_be_history = clients.any(|client| is_history_only(client) || merges(client));
            let mut missing = self.written.clone();
            missing.retain(|bytes| !self.destroyed.contains(bytes) && !kept.contains(bytes));
            missing.retain(|bytes| !(may_be_history && self.server.history.contains(bytes)));
            assert_eq!(missing, BTreeSet::new(), "lost; there is {kept:?}");
        }
    }

    pub(crate) fn contents(&self) -> Vec<Bytes> {
        let leaves = self
            .server
            .tree
            .iter()
            .filter(|(_, node)| node.content.kind != Kind::Dir);
        leaves.map(|(_, node)| bytes_of(node.content)).collect()
    }

    /// No content has two conflict copies beside one file.
    pub(crate) fn assert_no_double_copies(&self) {
        let shape = self.server.shape();
        let mut seen = BTreeSet::new();
        for (path, content) in shape
            .iter()
            .filter(|(_, content)| content.kind != Kind::Dir)
        {
            if let Some(original) = path.name().and_then(original_of) {
                let is_new = seen.insert((path.parent(), original, content.id));
                assert!(is_new, "a copy was doubled: {shape:?}");
            }
        }
    }
}

/// The root is never in a tree.
#[test]
fn root_is_nobody() {
    assert!(Tree::new().get(ROOT).is_none());
}
