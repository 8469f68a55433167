//! Paths of many nodes of one tree, each directory worked out once.
//!
//! [`crate::order`] and `reconcile` use it. Invariant: an answer is that of [`Tree::path`]. Not here: noticing that
//! the tree changed; whoever moves a directory calls [`Paths::forget`].

use std::collections::BTreeMap;

use fst_proto::entry::{Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::tree::Tree;

/// Cache of directory paths.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    known: BTreeMap<NodeId, RelPath>,
}

impl Paths {
    /// Path of a node, or `None` when it has none.
    pub(crate) fn of(&mut self, tree: &Tree, id: NodeId) -> Option<RelPath> {
        if id == ROOT {
            return Some(RelPath::root());
        }
        self.at(tree, &tree.get(id)?.place)
    }

    /// Path of a place, or `None` when its directory has none.
    pub(crate) fn at(&mut self, tree: &Tree, place: &Place) -> Option<RelPath> {
        self.directory(tree, place.parent)?
            .child(place.name.clone())
            .ok()
    }

    /// Drops everything: a directory moved.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    fn directory(&mut self, tree: &Tree, id: NodeId) -> Option<RelPath> {
        let mut below = Vec::new();
        let mut at = id;
        let mut path = loop {
            if at == ROOT {
                break RelPath::root();
            }
            if let Some(path) = self.known.get(&at) {
                break path.clone();
            }
            let node = tree.get(at)?;
            below.push((at, &node.place.name));
            at = node.place.parent;
            if below.len() > tree.len() {
                return None;
            }
        };
        for (dir, name) in below.into_iter().rev() {
            path = path.child(name.clone()).ok()?;
            self.known.insert(dir, path.clone());
        }
        Some(path)
    }
}
