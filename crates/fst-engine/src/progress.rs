//! Where things are while the steps of a plan are being done.
//!
//! `fst-client::exec` tells it each step that was done and asks for the path behind [`Source::Local`]. Invariant: after
//! all steps of a plan, the tree is the one that the plan was made for. Not here: doing steps, checking them.
//! Source: docs/design/sync-semantics.md, row S-109.
//!
//! [`Source::Local`]: crate::plan::Source::Local

use std::collections::BTreeMap;

use fst_proto::entry::{Content, Kind, Place};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::RelPath;

use crate::plan::DiskStep;
use crate::tree::{Node, Tree};

/// The local tree of a folder between two steps.
#[derive(Debug, Clone)]
pub struct Progress {
    tree: Tree,
    staged: BTreeMap<NodeId, Node>,
}

impl Progress {
    /// Starts from the local tree that a plan was made from, with [`Plan::united`] applied.
    ///
    /// [`Plan::united`]: crate::plan::Plan::united
    #[must_use]
    pub fn new(local: Tree) -> Self {
        Self {
            tree: local,
            staged: BTreeMap::new(),
        }
    }

    /// Follows a step that was done. A written file has size 0 here until the next scan.
    pub fn follow(&mut self, step: &DiskStep) {
        match step {
            DiskStep::MakeDir { node, path } => self.appear(*node, path, DIRECTORY, 0),
            DiskStep::Move { node, to, .. } => {
                let there = self.place_at(to);
                there
                    .into_iter()
                    .for_each(|place| self.tree.relocate(*node, place));
            },
            DiskStep::Stage { node, .. } => {
                let staged = self.tree.remove(*node);
                self.staged.extend(staged.map(|state| (*node, state)));
            },
            DiskStep::Unstage { node, to } => {
                if let (Some(state), Some(place)) = (self.staged.remove(node), self.place_at(to)) {
                    self.tree.insert(*node, Node { place, ..state });
                }
            },
            DiskStep::Write {
                node,
                path,
                content,
                mtime_ns,
                ..
            }
            | DiskStep::SetAttributes {
                node,
                path,
                content,
                mtime_ns,
            } => {
                self.appear(*node, path, *content, *mtime_ns);
            },
            DiskStep::Remove { node, .. } | DiskStep::RemoveDir { node, .. } => {
                let _gone = self.tree.remove(*node);
            },
        }
    }

    /// Path of a node now; `None` when it is staged or not there.
    #[must_use]
    pub fn path(&self, node: NodeId) -> Option<RelPath> {
        self.tree.path(node)
    }

    /// The folder as it is now, without what is staged.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    fn appear(&mut self, node: NodeId, path: &RelPath, content: Content, mtime_ns: i64) {
        if let Some(place) = self.place_at(path) {
            let size = self.tree.get(node).filter(|n| n.content.id == content.id);
            let size = size.map_or(0, |node| node.size);
            self.tree.insert(
                node,
                Node {
                    place,
                    content,
                    mtime_ns,
                    size,
                    rev: 0,
                },
            );
        }
    }

    fn place_at(&self, path: &RelPath) -> Option<Place> {
        let parent = self.tree.lookup(&path.parent()?)?;
        Some(Place {
            parent,
            name: path.name()?.clone(),
        })
    }
}

const DIRECTORY: Content = Content {
    kind: Kind::Dir,
    id: ContentId::ZERO,
    exec: false,
};
