//! The state of one replica of a space: nodes by id, children by name.
//!
//! `fst-client` keeps three of these per folder: base, local, remote. Invariant of a well-formed tree: every
//! node's parent is [`ROOT`] or a directory in the tree, no cycle, no two nodes with one parent and name.
//! Not here: comparing trees ([`crate::reconcile`]).

use std::collections::BTreeMap;

use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, RelPath};

/// State of one node in one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it hangs.
    pub place: Place,
    /// Kind, bytes and executable bit.
    pub content: Content,
    /// Modification time; carried, never part of equality.
    pub mtime_ns: i64,
    /// Plain size in bytes.
    pub size: u64,
    /// Revision at the server; 0 in a local tree.
    pub rev: u64,
}

impl Node {
    /// True for a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.content.kind == Kind::Dir
    }
}

/// Nodes of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    /// May hold several ids under one name while a tree is being merged.
    children: BTreeMap<NodeId, BTreeMap<Name, Vec<NodeId>>>,
}

impl Tree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The node, if it is in the tree.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// True when the node is in the tree; the root always is.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        id == ROOT || self.nodes.contains_key(&id)
    }

    /// Adds or replaces a node, and returns what was there.
    pub fn insert(&mut self, id: NodeId, node: Node) -> Option<Node> {
        let old = self.remove(id);
        let names = self.children.entry(node.place.parent).or_default();
        let ids = names.entry(node.place.name.clone()).or_default();
        ids.push(id);
        ids.sort_unstable();
        self.nodes.insert(id, node);
        old
    }

    /// Takes a node out; its children stay and become orphans.
    pub fn remove(&mut self, id: NodeId) -> Option<Node> {
        let node = self.nodes.remove(&id)?;
        if let Some(names) = self.children.get_mut(&node.place.parent) {
            if let Some(ids) = names.get_mut(&node.place.name) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    names.remove(&node.place.name);
                }
            }
            if names.is_empty() {
                self.children.remove(&node.place.parent);
            }
        }
        Some(node)
    }

    /// Gives the node `old` the id `new`, which must not be in use; its children follow.
    pub fn rename(&mut self, old: NodeId, new: NodeId) {
        let Some(node) = self.remove(old) else { return };
        self.insert(new, node);
        let children: Vec<NodeId> = self.children(old).map(|(_, id)| id).collect();
        for id in children {
            if let Some(mut child) = self.remove(id) {
                child.place.parent = new;
                self.insert(id, child);
            }
        }
    }

    /// Gives a node another place; nothing happens when it is not in the tree.
    pub fn relocate(&mut self, id: NodeId, place: Place) {
        if let Some(node) = self.remove(id) {
            self.insert(id, Node { place, ..node });
        }
    }

    /// All nodes, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(&id, node)| (id, node))
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True when there is no node but the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Children of a directory, sorted by name, then id.
    pub fn children(&self, parent: NodeId) -> impl Iterator<Item = (&Name, NodeId)> + Clone {
        self.children
            .get(&parent)
            .into_iter()
            .flatten()
            .flat_map(|(name, ids)| ids.iter().map(move |&id| (name, id)))
    }

    /// The first node with this parent and name.
    #[must_use]
    pub fn child(&self, parent: NodeId, name: &Name) -> Option<NodeId> {
        self.children.get(&parent)?.get(name)?.first().copied()
    }

    /// All nodes with this parent and name: more than one only during a merge.
    #[must_use]
    pub fn namesakes(&self, parent: NodeId, name: &Name) -> &[NodeId] {
        self.children
            .get(&parent)
            .and_then(|names| names.get(name))
            .map_or(&[], Vec::as_slice)
    }

    /// Places that more than one node claims.
    pub fn collisions(&self) -> impl Iterator<Item = Place> {
        self.children.iter().flat_map(|(&parent, names)| {
            let shared = names.iter().filter(|(_, ids)| ids.len() > 1);
            shared.map(move |(name, _)| Place {
                parent,
                name: name.clone(),
            })
        })
    }

    /// The node at `path`; [`ROOT`] for the empty path.
    #[must_use]
    pub fn lookup(&self, path: &RelPath) -> Option<NodeId> {
        path.names()
            .iter()
            .try_fold(ROOT, |parent, name| self.child(parent, name))
    }

    /// Path of a node; `None` when it is not in the tree, orphaned or on a cycle.
    #[must_use]
    pub fn path(&self, id: NodeId) -> Option<RelPath> {
        let mut names = Vec::new();
        let mut at = id;
        while at != ROOT {
            let node = self.nodes.get(&at)?;
            names.push(node.place.name.clone());
            at = node.place.parent;
            if names.len() > self.nodes.len() {
                return None;
            }
        }
        names
            .into_iter()
            .rev()
            .try_fold(RelPath::root(), |path, name| path.child(name).ok())
    }

    /// True when `id` is `ancestor` or lies below it.
    #[must_use]
    pub fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        let mut at = id;
        for _ in 0..=self.nodes.len() {
            if at == ancestor {
                return true;
            }
            match self.nodes.get(&at) {
                Some(node) => at = node.place.parent,
                None => return false,
            }
        }
        false
    }

    /// True when `id` is the root or a directory in the tree.
    #[must_use]
    pub fn is_dir(&self, id: NodeId) -> bool {
        id == ROOT
            || self
                .nodes
                .get(&id)
                .is_some_and(|n| n.content.kind == Kind::Dir)
    }
}
