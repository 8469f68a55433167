//! Plans how a folder, or a part of it, gets back what it held at an earlier time.
//!
//! `fst-client` carries the steps out as a user would, so that each is an ordinary change with a version before it.
//! Invariant: a plan only writes files where a file or nothing is, makes directories, and, only when asked to be exact,
//! removes what is newer; everything else is named and left alone. Not here: unsynced edits, which the one who
//! carries the plan out finds on the disk and leaves alone. Source: docs/design/versions.md.

use std::collections::BTreeMap;

use fst_proto::entry::Content;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::tree::Tree;

/// What happens to files that were not there at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newer {
    /// They stay.
    #[default]
    Keep,
    /// They go, and can be brought back as any deleted file.
    Remove,
}

/// One step of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a directory that is missing now.
    MakeDir {
        /// Where.
        path: RelPath,
    },
    /// Write a file or link that is missing now.
    Create {
        /// Where.
        path: RelPath,
        /// The node that it was.
        past: NodeId,
    },
    /// Write a file or link over another content.
    Replace {
        /// Where.
        path: RelPath,
        /// The node that it was.
        past: NodeId,
        /// The node that lies there now.
        now: NodeId,
    },
    /// Remove a file, link or, after its contents, a directory that was not there.
    Remove {
        /// Where.
        path: RelPath,
        /// The node that lies there now.
        now: NodeId,
    },
}

impl Step {
    /// The path concerned.
    #[must_use]
    pub fn path(&self) -> &RelPath {
        match self {
            Self::MakeDir { path }
            | Self::Create { path, .. }
            | Self::Replace { path, .. }
            | Self::Remove { path, .. } => path,
        }
    }
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Steps in an order in which they can be done: parents before children, removals last and deepest first.
    pub steps: Vec<Step>,
    /// Files and links that are what they were.
    pub n_same: usize,
    /// Paths newer than the time, which stay.
    pub kept: Vec<RelPath>,
    /// Paths that cannot get back what they held: a directory lies where a file was, or the other way round.
    pub blocked: Vec<RelPath>,
}

/// Plans to bring back under `scope` what `past` holds there, starting from `now`.
///
/// Shape: `None` when there was nothing at `scope` then. Both trees are well formed.
/// Cost: O(n log n) in the nodes below `scope`. Source: docs/design/versions.md.
#[must_use]
pub fn plan(past: &Tree, now: &Tree, scope: &RelPath, newer: Newer) -> Option<Plan> {
    let old = below(past, scope)?;
    let new = below(now, scope).unwrap_or_default();
    let mut plan = Plan::default();
    plan.make_way(now, scope);
    for (path, &(node, content)) in &old {
        if plan.blocked.iter().any(|blocked| path.starts_with(blocked)) {
            continue;
        }
        plan.bring_back(path, node, content, new.get(path).copied());
    }
    let extra = new.iter().filter(|(path, _)| !old.contains_key(*path));
    for (path, &(now, _)) in extra.rev() {
        let is_under_blocked = plan.blocked.iter().any(|blocked| path.starts_with(blocked));
        if is_under_blocked || newer == Newer::Keep {
            plan.kept.push(path.clone());
        } else {
            let path = path.clone();
            plan.steps.push(Step::Remove { path, now });
        }
    }
    plan.kept.reverse();
    Some(plan)
}

/// Plans to put one earlier content to `path`, whatever node lies there now.
///
/// Shape: at most one file step, after the directories that it needs.
#[must_use]
pub fn plan_one(now: &Tree, path: &RelPath, past: NodeId, content: Content) -> Plan {
    let mut plan = Plan::default();
    plan.make_way(now, path);
    if plan.blocked.is_empty() {
        let there = now.lookup(path).and_then(|id| Some((id, now.get(id)?)));
        let there = there.map(|(id, node)| (id, (!node.is_dir()).then_some(node.content)));
        plan.bring_back(path, past, Some(content), there);
    }
    plan
}

impl Plan {
    /// Directories above `scope` that are missing; a file in their place blocks everything.
    fn make_way(&mut self, now: &Tree, scope: &RelPath) {
        let names = scope
            .names()
            .split_last()
            .map_or(&[][..], |(_, above)| above);
        let mut path = RelPath::root();
        for name in names {
            let Ok(next) = path.child(name.clone()) else {
                return;
            };
            path = next;
            match now.lookup(&path) {
                Some(there) if now.is_dir(there) => {},
                Some(_) => return self.blocked.push(path),
                None => self.steps.push(Step::MakeDir { path: path.clone() }),
            }
        }
    }

    fn bring_back(
        &mut self,
        path: &RelPath,
        past: NodeId,
        content: Option<Content>,
        there: Option<(NodeId, Option<Content>)>,
    ) {
        let path = path.clone();
        match (content, there) {
            (None, Some((_, None))) => {},
            (None, None) => self.steps.push(Step::MakeDir { path }),
            (Some(_), None) => self.steps.push(Step::Create { path, past }),
            (Some(old), Some((_, Some(new)))) if old == new => self.n_same += 1,
            (Some(_), Some((now, Some(_)))) => self.steps.push(Step::Replace { path, past, now }),
            (None, Some((_, Some(_)))) | (Some(_), Some((_, None))) => self.blocked.push(path),
        }
    }
}

/// Everything at and below `scope` by path; directories have no content. The root itself is left out.
fn below(tree: &Tree, scope: &RelPath) -> Option<BTreeMap<RelPath, (NodeId, Option<Content>)>> {
    let top = tree.lookup(scope)?;
    let mut found = BTreeMap::new();
    let mut open = vec![(scope.clone(), top)];
    while let Some((path, id)) = open.pop() {
        let content = tree.get(id).filter(|node| !node.is_dir());
        let content = content.map(|node| node.content);
        let children = tree.children(id).filter_map(|(name, child)| {
            let path = path.child(name.clone()).ok()?;
            Some((path, child))
        });
        open.extend(children);
        if !path.is_root() {
            found.insert(path, (id, content));
        }
    }
    Some(found)
}
