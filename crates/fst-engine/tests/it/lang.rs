//! The small language of the rows: trees and plans as text.
//!
//! A tree is a list of entries: `d/` a directory, `d/a=1` a file with content 1, `a=1x` executable, `l->t` a link,
//! `a=1~5` with time 5, `b@a=1` the node `a` at the path `b`; `-` is the empty tree. A node is called after the path
//! where it was first. A scenario is `base … | local … | remote …`; a tree left out equals base. Further parts:
//! `frozen a d/b`, `ignored a`, `blocked d/x`, `dead a:5`, `up`, `down`, `oldest`, `manual`, `history`, and `merge a:23` for a clean
//! merge of the two contents of `a`.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::batch::cuts;
use fst_engine::identify::{FileKey, Scan, Seen, identify};
use fst_engine::ignore::{Rules, hide};
use fst_engine::plan::{ConflictKind, DiskStep, Plan, PushKind, PushOp, Source, Why};
use fst_engine::reconcile::{
    Backup, ConflictNaming, Direction, Inputs, Loser, Merged, Policy, Side, Strategy, explain, plan,
};
use fst_engine::scope::Part;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};

use crate::part;

/// Plans the scenario and compares the plan, as text, with `expected` (parts separated by `; `).
#[track_caller]
pub(crate) fn check(scenario: &str, expected: &str) {
    Scenario::parse(scenario).expect(expected);
}

pub(crate) struct Scenario {
    pub(crate) base: Tree,
    pub(crate) local: Tree,
    pub(crate) remote: Tree,
    tombstones: BTreeMap<NodeId, u64>,
    frozen: BTreeSet<NodeId>,
    ignored: BTreeSet<NodeId>,
    blocked: BTreeSet<(NodeId, Name)>,
    merged: BTreeMap<NodeId, Merged>,
    policy: Policy,
}

impl Scenario {
    pub(crate) fn parse(text: &str) -> Self {
        let parts: BTreeMap<&str, &str> = text
            .split('|')
            .map(|p| p.trim().split_once(' ').unwrap_or((p.trim(), "")))
            .collect();
        let base = parts
            .get("base")
            .map_or_else(Tree::new, |text| tree(text, 1));
        let side = |name, rev| {
            parts
                .get(name)
                .map_or_else(|| base.clone(), |text| tree(text, rev))
        };
        let (local, mut remote) = (with_rev(&side("local", 0), |_| 0), side("remote", 2));
        let revised = remote.clone();
        for (id, node) in revised.iter() {
            let was = base.get(id).filter(|was| {
                Node {
                    rev: 2,
                    ..(*was).clone()
                } == *node
            });
            remote.insert(id, was.unwrap_or(node).clone());
        }
        let words = |name: &str| parts.get(name).copied().unwrap_or("").split_whitespace();
        let tombstones = words("dead").map(|word| {
            let (label, rev) = word.split_once(':').expect("label:rev");
            (id(label), rev.parse().expect("a revision"))
        });
        let blocked = words("blocked").map(|path| {
            let path = RelPath::parse(path).expect("a path");
            let parent = local
                .lookup(&path.parent().expect("a parent"))
                .expect("its directory");
            (parent, path.name().expect("a name").clone())
        });
        let merged = words("merge").map(|word| {
            let (label, result) = word.split_once(':').expect("label:content");
            let content = |tree: &Tree| tree.get(id(label)).expect("in both trees").content.id;
            let merged = Merged {
                local: content(&local),
                remote: content(&remote),
                content: leaf(Kind::File, result, false).id,
                size: 2,
            };
            (id(label), merged)
        });
        Self {
            tombstones: tombstones.collect(),
            merged: merged.collect(),
            frozen: words("frozen").map(id).collect(),
            ignored: words("ignored").map(id).collect(),
            blocked: blocked.collect(),
            policy: policy(&parts),
            base: base.clone(),
            local: local.clone(),
            remote,
        }
    }

    #[track_caller]
    pub(crate) fn expect(&self, expected: &str) {
        let plan = self.plan();
        assert_eq!(show(&plan, self), expected);
        assert_eq!(plan, self.plan(), "the same inputs give the same plan");
        let cuts = cuts(&self.remote, &plan.push);
        assert_eq!(
            cuts.last().copied().unwrap_or(0),
            plan.push.len(),
            "the end is a cut"
        );
    }

    /// Looks at `local` as at a disk on which `rules` hold; inodes are called after nodes. Returns what base forgets.
    pub(crate) fn look(&mut self, rules: &Rules) -> BTreeSet<NodeId> {
        let mut scan = Scan::new();
        for (id, node) in self.local.iter() {
            let known = Seen::Known {
                content: node.content,
                mtime_ns: node.mtime_ns,
                size: node.size,
                key: key(id),
            };
            scan.insert(self.local.path(id).expect("a path"), known);
        }
        crate::sim::ignore(&mut scan, rules);
        let keys = self.base.iter().map(|(id, _)| (id, key(id))).collect();
        let is_new = |path: &&RelPath| matches!(scan[*path], Seen::Known { .. });
        let new = scan
            .keys()
            .filter(is_new)
            .filter_map(|path| self.local.lookup(path));
        let mut new: Vec<NodeId> = new.filter(|id| !self.base.contains(*id)).collect();
        new.retain(|id| !self.remote.contains(*id));
        let mut new = new.into_iter();
        let mut new_id = || new.next().expect("a new entry");
        let mut seen = identify(&scan, &self.base, &keys, &self.remote, &mut new_id);
        hide(rules, &self.base, &self.remote, &mut seen);
        (self.local, self.frozen) = (seen.local, seen.frozen);
        (self.ignored, self.blocked) = (seen.ignored, seen.blocked);
        seen.forget
    }

    /// What the planner says about each node: `label way action row`.
    pub(crate) fn reasons(&self) -> String {
        let (_, reasons) = self.with_inputs(|inputs| {
            let explained = explain(inputs);
            assert_eq!(
                explained.0,
                plan(inputs),
                "a plan is the same when it is explained"
            );
            explained
        });
        let told = reasons.iter().map(|reason| {
            let (way, action) = (reason.way, reason.action);
            format!("{} {way:?} {action:?} {}", label(reason.node), reason.row)
        });
        told.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn plan(&self) -> Plan {
        self.with_inputs(|inputs| {
            let plan = plan(inputs);
            part::check_plan(inputs, &self.local, near_naming, None, &plan);
            plan
        })
    }

    fn with_inputs<T>(&self, make: impl FnOnce(&Inputs<'_>) -> T) -> T {
        make(&Inputs {
            base: &self.base,
            local: &self.local,
            remote: &self.remote,
            tombstones: &self.tombstones,
            frozen: &self.frozen,
            ignored: &self.ignored,
            blocked: &self.blocked,
            folds_names: false,
            naming: &ByContent {
                local: &self.local,
                remote: &self.remote,
            },
            merged: &self.merged,
            policy: self.policy,
        })
    }
}

fn policy(parts: &BTreeMap<&str, &str>) -> Policy {
    let direction = match (parts.contains_key("up"), parts.contains_key("down")) {
        (true, _) => Direction::UploadOnly,
        (_, true) => Direction::DownloadOnly,
        (false, false) => Direction::TwoWay,
    };
    let strategies = [
        ("oldest", Strategy::Oldest),
        ("manual", Strategy::Manual),
        ("merge", Strategy::Merge),
    ];
    let strategy = strategies.iter().find(|(word, _)| parts.contains_key(word));
    let strategy = strategy.map_or(Strategy::Newest, |(_, strategy)| *strategy);
    let backup = if parts.contains_key("history") {
        Backup::HistoryOnly
    } else {
        Backup::Keep
    };
    Policy {
        direction,
        strategy,
        backup,
    }
}

/// Calls a copy of content 1 of `a` `a!1`, and its node too; copies of `_a` would be ignored.
pub(crate) struct ByContent<'a> {
    pub(crate) local: &'a Tree,
    pub(crate) remote: &'a Tree,
}

fn near_naming(part: &Part) -> Box<dyn ConflictNaming + '_> {
    let (local, remote) = (&part.local, &part.remote);
    Box::new(ByContent { local, remote })
}

impl ConflictNaming for ByContent<'_> {
    fn copy_name(&self, original: &Name, loser: Loser, taken: &dyn Fn(&Name) -> bool) -> Name {
        let tree = match loser.side {
            Side::Local => self.local,
            Side::Remote => self.remote,
        };
        // The copy may come from a node that was made up on the way.
        let content = tree.get(loser.node).map(|node| node.content);
        let mut text = format!(
            "{original}!{}",
            content.map_or_else(String::new, content_mark)
        );
        while taken(&name(&text)) {
            text.push('+');
        }
        name(&text)
    }

    fn copy_id(&self, node: NodeId, loser_content: &Content) -> NodeId {
        id(&format!("{}!{}", label(node), content_mark(*loser_content)))
    }

    fn is_ignored(&self, _parent: NodeId, name: &Name) -> bool {
        name.as_bytes().starts_with(b"_")
    }
}

fn content_mark(content: Content) -> String {
    match content.kind {
        Kind::Dir => "d".to_owned(),
        Kind::File | Kind::Symlink => text(&content.id.0),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

/// Node id that reads as `label`.
pub(crate) fn id(label: &str) -> NodeId {
    let mut bytes = [0; NodeId::LEN];
    bytes[..label.len()].copy_from_slice(label.as_bytes());
    NodeId(bytes)
}

/// Inode of a node in a scenario.
fn key(id: NodeId) -> FileKey {
    let (one, other) = id.0.split_at(8);
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    FileKey {
        dev: number(one),
        ino: number(other),
    }
}

pub(crate) fn label(id: NodeId) -> String {
    text(&id.0)
}

fn text(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take_while(|b| **b != 0)
        .map(|b| char::from(*b))
        .collect()
}

/// A tree from its entries.
pub(crate) fn tree(text: &str, rev: u64) -> Tree {
    let mut tree = Tree::new();
    for word in text.split_whitespace().filter(|word| *word != "-") {
        let (head, content, mtime_ns) = entry(word);
        let (path, label) = head.split_once('@').unwrap_or((head, head));
        let path = RelPath::parse(path).expect("a path");
        let parent = tree
            .lookup(&path.parent().expect("not the root"))
            .expect("parents first");
        let place = Place {
            parent,
            name: path.name().expect("not the root").clone(),
        };
        let size = u64::from(content.kind != Kind::Dir);
        tree.insert(
            id(label),
            Node {
                place,
                content,
                mtime_ns,
                size,
                rev,
            },
        );
    }
    tree
}

fn entry(word: &str) -> (&str, Content, i64) {
    let (word, time) = word.split_once('~').unwrap_or((word, "0"));
    let time = time.parse().expect("a time");
    if let Some((head, target)) = word.split_once("->") {
        return (head, leaf(Kind::Symlink, target, false), time);
    }
    if let Some((head, content)) = word.split_once('=') {
        let bytes = content.strip_suffix('x');
        return (
            head,
            leaf(Kind::File, bytes.unwrap_or(content), bytes.is_some()),
            time,
        );
    }
    let head = word.strip_suffix('/').expect("an entry is d/, f=1 or l->t");
    (
        head,
        Content {
            kind: Kind::Dir,
            id: ContentId::ZERO,
            exec: false,
        },
        time,
    )
}

pub(crate) fn leaf(kind: Kind, text: &str, exec: bool) -> Content {
    let mut bytes = [0; ContentId::LEN];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    Content {
        kind,
        id: ContentId(bytes),
        exec,
    }
}

fn with_rev(tree: &Tree, rev: impl Fn(NodeId) -> u64) -> Tree {
    let mut out = Tree::new();
    for (id, node) in tree.iter() {
        out.insert(
            id,
            Node {
                rev: rev(id),
                ..node.clone()
            },
        );
    }
    out
}

/// The plan as text, parts separated by `; `; `nothing` when it is empty.
pub(crate) fn show(plan: &Plan, scenario: &Scenario) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(
        plan.united
            .iter()
            .map(|(a, b)| format!("unite {}={}", label(*a), label(*b))),
    );
    parts.extend(plan.adopt.iter().map(|id| format!("adopt {}", label(*id))));
    parts.extend(plan.steps.iter().map(show_step));
    parts.extend(plan.push.iter().map(|op| show_op(op, scenario)));
    parts.extend(plan.conflicts.iter().map(|note| {
        let copy = note
            .copy
            .map_or_else(String::new, |id| format!(" copy {}", label(id)));
        let side = if note.local_won { "local" } else { "remote" };
        format!(
            "note {} {}{copy} {side}",
            show_kind(note.kind),
            label(note.node)
        )
    }));
    let held = plan
        .held
        .iter()
        .map(|held| format!("hold {} {}", label(held.node), why(held.why)));
    parts.extend(held);
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join("; ")
    }
}

fn why(why: Why) -> &'static str {
    match why {
        Why::Frozen => "frozen",
        Why::Ignored => "ignored",
        Why::Blocked => "blocked",
        Why::OneWay => "one-way",
        Why::Malformed => "malformed",
        Why::Archiving => "archiving",
        Why::Dependent => "dependent",
    }
}

fn show_kind(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::EditEdit => "edit-edit",
        ConflictKind::Merged => "merged",
        ConflictKind::EditDelete => "edit-delete",
        ConflictKind::MoveMove => "move-move",
        ConflictKind::MoveDelete => "move-delete",
        ConflictKind::SameName => "same-name",
        ConflictKind::MoveCycle => "move-cycle",
    }
}

fn show_content(content: Content) -> String {
    let text = text(&content.id.0);
    match content.kind {
        Kind::Dir => "/".to_owned(),
        Kind::Symlink => format!("->{text}"),
        Kind::File => format!("={text}{}", if content.exec { "x" } else { "" }),
    }
}

pub(crate) fn show_step(step: &DiskStep) -> String {
    let at = |node: NodeId, path: &RelPath| match (label(node), path.to_string()) {
        (label, path) if label == path => String::new(),
        (_, path) => format!(" at {path}"),
    };
    match step {
        DiskStep::MakeDir { node, path } => format!("mkdir {}{}", label(*node), at(*node, path)),
        DiskStep::Move { from, to, .. } => format!("mv {from} {to}"),
        DiskStep::Stage { from, .. } => format!("stage {from}"),
        DiskStep::Unstage { node, to } => format!("unstage {} {to}", label(*node)),
        DiskStep::Write {
            node,
            path,
            source,
            content,
            expect,
            ..
        } => {
            let over = expect.map_or_else(String::new, |c| format!(" over {}", show_content(c)));
            let from = match source {
                Source::Remote(id) if id == node => String::new(),
                Source::Remote(_) | Source::Local(_) | Source::Merged(_) => show_source(*source),
            };
            let (label, content) = (label(*node), show_content(*content));
            format!("write {label}{content}{}{over}{from}", at(*node, path))
        },
        DiskStep::SetAttributes {
            node,
            path,
            content,
            ..
        } => {
            format!(
                "set {}{}{}",
                label(*node),
                show_content(*content),
                at(*node, path)
            )
        },
        DiskStep::Remove { path, .. } => format!("rm {path}"),
        DiskStep::RemoveDir { path, .. } => format!("rmdir {path}"),
    }
}

fn show_source(source: Source) -> String {
    match source {
        Source::Local(id) => format!(" from local {}", label(id)),
        Source::Remote(id) => format!(" from remote {}", label(id)),
        Source::Merged(id) => format!(" from merge {}", label(id)),
    }
}

fn show_op(op: &PushOp, scenario: &Scenario) -> String {
    let known = scenario.remote.get(op.node).map(|node| node.rev);
    let rev = match (known, op.base_rev) {
        (Some(rev), base_rev) => {
            assert_eq!(
                rev, base_rev,
                "an operation is conditional on what was seen"
            );
            String::new()
        },
        (None, 0) => String::new(),
        (None, buried) => format!(" rev {buried}"),
    };
    let (place, content, bytes, is_move) = match &op.kind {
        PushKind::Delete { .. } => return format!("del {}", label(op.node)),
        PushKind::Put {
            place,
            content,
            bytes,
            is_move,
            ..
        } => (place, content, bytes, is_move),
    };
    let parent = if place.parent == ROOT {
        String::new()
    } else {
        label(place.parent) + "/"
    };
    let place = format!("{parent}{}", place.name);
    let at = if place == label(op.node) {
        String::new()
    } else {
        format!(" at {place}")
    };
    let bytes = match bytes {
        Some(Source::Local(id)) if *id == op.node => " send".to_owned(),
        Some(source) => show_source(*source),
        None => String::new(),
    };
    let is_move = if *is_move { " move" } else { "" };
    format!(
        "put {}{}{at}{bytes}{is_move}{rev}",
        label(op.node),
        show_content(*content)
    )
}
