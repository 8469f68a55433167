//! The structural part of an order: removals, new directories, renames.
//!
//! Works on a copy of the folder's tree on which each step is done as soon as it is chosen. Nodes are placed from the
//! top of the goal downwards, so that a directory is never moved into itself; what stands in the way goes first if it
//! can, and into staging if it cannot. Invariant: a staged node holds nothing that is needed before it comes back.
//! Not here: contents. Source: docs/design/sync-semantics.md, rows S-100 to S-110.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Kind, Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, RelPath};
use unicode_normalization::UnicodeNormalization as _;

use crate::paths::Paths;
use crate::plan::DiskStep;
use crate::tree::{Node, Tree};

pub(super) fn steps(local: &Tree, goal: &Tree, folds_names: bool) -> Vec<DiskStep> {
    let mut desk = Desk {
        goal,
        disk: Cow::Borrowed(local),
        local,
        leaving: folds_names.then(|| leaving(local, goal)),
        rank: BTreeMap::new(),
        staged: BTreeSet::new(),
        paths: Paths::default(),
        goal_paths: Paths::default(),
        steps: Vec::new(),
    };
    let doomed = desk.remove_leaves();
    desk.remove_empty(&doomed);
    for id in desk.rank_pending() {
        desk.place(id);
    }
    desk.remove_empty(&doomed);
    desk.steps
}

/// Nodes whose places become free, by directory and folded name.
type Leaving = BTreeMap<(NodeId, Vec<u8>), Vec<NodeId>>;

struct Desk<'a> {
    local: &'a Tree,
    goal: &'a Tree,
    /// The folder after the steps so far; staged nodes are not in it, what they hold still is.
    disk: Cow<'a, Tree>,
    /// On a disk that folds names only.
    leaving: Option<Leaving>,
    /// Nodes that have to be made or moved still, by the order of their turn.
    rank: BTreeMap<NodeId, usize>,
    staged: BTreeSet<NodeId>,
    paths: Paths,
    goal_paths: Paths,
    steps: Vec<DiskStep>,
}

impl Desk<'_> {
    /// Removes all leaves that go; returns the directories that go, deepest first.
    fn remove_leaves(&mut self) -> Vec<NodeId> {
        let mut going = Vec::new();
        for (id, node) in self.local.iter().filter(|(id, _)| !self.goal.contains(*id)) {
            if let Some(path) = self.paths.of(self.local, id) {
                going.push((path.names().len(), path, id, node.content));
            }
        }
        going.sort_by(|(depth, path, ..), (other_depth, other, ..)| {
            other_depth.cmp(depth).then_with(|| path.cmp(other))
        });
        let mut dirs = Vec::new();
        for (_, path, node, expect) in going {
            if expect.kind == Kind::Dir {
                dirs.push(node);
            } else {
                self.disk.to_mut().remove(node);
                self.steps.push(DiskStep::Remove { node, path, expect });
            }
        }
        dirs
    }

    /// Removes those of `dirs` that hold nothing any more.
    fn remove_empty(&mut self, dirs: &[NodeId]) {
        for &node in dirs {
            if self.disk.contains(node) && self.disk.children(node).next().is_none() {
                self.remove_dir(node);
            }
        }
    }

    fn remove_dir(&mut self, node: NodeId) {
        if let Some(path) = self.path(node) {
            self.disk.to_mut().remove(node);
            self.steps.push(DiskStep::RemoveDir { node, path });
        }
    }

    /// Finds what has to be made or moved, and gives it turns: upper goal paths first.
    fn rank_pending(&mut self) -> Vec<NodeId> {
        let is_pending = |id: NodeId, goal: &Node| match self.local.get(id) {
            Some(have) => have.place != goal.place,
            None => goal.content.kind == Kind::Dir,
        };
        let mut pending = Vec::new();
        for (id, _) in self.goal.iter().filter(|(id, node)| is_pending(*id, node)) {
            if let Some(path) = self.goal_paths.of(self.goal, id) {
                pending.push((path.names().len(), path, id));
            }
        }
        pending.sort();
        self.rank = pending
            .iter()
            .enumerate()
            .map(|(rank, (.., id))| (*id, rank))
            .collect();
        pending.into_iter().map(|(.., id)| id).collect()
    }

    /// Brings a node to its place, after whatever can make room for it.
    fn place(&mut self, first: NodeId) {
        let mut chain = vec![first];
        let mut in_chain = BTreeSet::from([first]);
        while let Some(&id) = chain.last() {
            match self.obstacle(id) {
                Some(other) if !self.goal.contains(other) => self.clear(other),
                Some(other) if self.may_be_placed(other) && in_chain.insert(other) => {
                    chain.push(other);
                    continue;
                },
                Some(other) => self.stage(other),
                None => {
                    self.put(id);
                    chain.pop();
                    continue;
                },
            }
            if self.obstacle(id).is_some() {
                // Only in a malformed tree: leave the node where it is.
                self.rank.remove(&id);
            }
        }
    }

    /// What lies where `id` has to go.
    fn obstacle(&self, id: NodeId) -> Option<NodeId> {
        self.rank.get(&id)?;
        let place = &self.goal.get(id)?.place;
        let there = self.disk.namesakes(place.parent, &place.name);
        let is_other = |other: &NodeId| *other != id;
        let same = there.iter().copied().find(is_other);
        same.or_else(|| self.alike(place).find(is_other))
    }

    /// What the disk takes for something at `place`, and has not left it yet. Two that are to stay are no obstacle to
    /// each other that an order could clear.
    fn alike(&self, place: &Place) -> impl Iterator<Item = NodeId> {
        let leaving = self.leaving.as_ref();
        let there = leaving.and_then(|leaving| leaving.get(&(place.parent, folded(&place.name))));
        let is_there = |id: &NodeId| {
            let (now, first) = (self.disk.get(*id), self.local.get(*id));
            now.is_some() && now.map(|node| &node.place) == first.map(|node| &node.place)
        };
        there.into_iter().flatten().copied().filter(is_there)
    }

    /// True when a node waits for nothing but a free name: all above its goal is in place.
    fn may_be_placed(&self, id: NodeId) -> bool {
        let mut at = id;
        while let Some(node) = self.goal.get(at) {
            at = node.place.parent;
            if self.rank.contains_key(&at) {
                return false;
            }
        }
        at == ROOT
    }

    /// Empties and removes a directory that goes, although it holds nodes that stay.
    fn clear(&mut self, dir: NodeId) {
        let mut dirs = vec![dir];
        let mut at = 0;
        while let Some(&dir) = dirs.get(at) {
            at += 1;
            let children: Vec<NodeId> = self.disk.children(dir).map(|(_, id)| id).collect();
            for child in children {
                if !self.goal.contains(child) {
                    dirs.push(child);
                } else if self.may_be_placed(child) && self.obstacle(child).is_none() {
                    self.put(child);
                } else {
                    self.stage(child);
                }
            }
        }
        for dir in dirs.into_iter().rev() {
            self.remove_dir(dir);
        }
    }

    /// Moves a pending node aside, and before it everything in it whose turn comes earlier.
    fn stage(&mut self, id: NodeId) {
        let Some(turn) = self.rank.get(&id).copied() else {
            return;
        };
        let mut open: Vec<NodeId> = vec![id];
        while let Some(dir) = open.pop() {
            let children: Vec<NodeId> = self.disk.children(dir).map(|(_, id)| id).collect();
            for child in children {
                match self.rank.get(&child) {
                    Some(&earlier) if earlier < turn => self.stage(child),
                    Some(_) | None => open.push(child),
                }
            }
        }
        if let Some(from) = self.path(id) {
            self.disk.to_mut().remove(id);
            self.staged.insert(id);
            if self.local.is_dir(id) {
                self.paths.forget();
            }
            self.steps.push(DiskStep::Stage { node: id, from });
        }
    }

    /// Does the step that a node waits for, if it waits for one; its place is free.
    fn put(&mut self, node: NodeId) {
        let Some(goal) = self.goal.get(node) else {
            return;
        };
        if self.rank.remove(&node).is_none() {
            return;
        }
        let from = self.path(node);
        let Some(to) = self.paths.at(&self.disk, &goal.place) else {
            return;
        };
        let step = match (self.staged.remove(&node), from) {
            (true, _) => DiskStep::Unstage { node, to },
            (false, Some(from)) => DiskStep::Move { node, from, to },
            (false, None) => DiskStep::MakeDir { node, path: to },
        };
        if goal.content.kind == Kind::Dir && !matches!(step, DiskStep::MakeDir { .. }) {
            self.paths.forget();
        }
        self.disk.to_mut().insert(node, goal.clone());
        self.steps.push(step);
    }

    fn path(&mut self, id: NodeId) -> Option<RelPath> {
        self.paths.of(&self.disk, id)
    }
}

fn leaving(local: &Tree, goal: &Tree) -> Leaving {
    let mut leaving = Leaving::new();
    for (id, node) in local.iter() {
        if goal.get(id).is_none_or(|goal| goal.place != node.place) {
            let key = (node.place.parent, folded(&node.place.name));
            leaving.entry(key).or_default().push(id);
        }
    }
    leaving
}

/// A key that names share if any common disk takes them for one; others may share it too, at the price of a detour.
fn folded(name: &Name) -> Vec<u8> {
    match std::str::from_utf8(name.as_bytes()) {
        Ok(text) => text.nfd().collect::<String>().to_lowercase().into_bytes(),
        Err(_) => name.as_bytes().to_ascii_lowercase(),
    }
}
