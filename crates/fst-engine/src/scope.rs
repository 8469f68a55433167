//! Reads the part of a folder that a plan depends on, and nothing else.
//!
//! `fst-client` knows which nodes may differ and reads a [`Part`] from its database; [`crate::reconcile`] plans on it. A
//! part is closed: of every node in it, it has the directories above on each side, whoever shares its place on any side,
//! and the inside of a directory that is not one on all sides. What a plan asks for besides (names of conflict copies)
//! is added by [`Part::add`], and planned again.
//! Invariant: if every node with a difference is in the part, its plan is that of the whole folder.
//! Not here: finding out what differs ([`crate::survey`]). Source: docs/adr/0011-scale-with-changes.md.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use fst_proto::entry::{Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::Name;

use crate::reconcile::Asked;
use crate::tree::{Node, Tree};

/// One side of a folder, read node by node. Order and repetition of what is returned do not matter.
pub trait Replica {
    /// Why it cannot be read.
    type Error;

    /// State of a node.
    ///
    /// # Errors
    /// Those of the store behind it.
    fn node(&self, id: NodeId) -> Result<Option<Node>, Self::Error>;

    /// Nodes with this place.
    ///
    /// # Errors
    /// As [`Replica::node`].
    fn namesakes(&self, place: &Place) -> Result<Vec<NodeId>, Self::Error>;

    /// Nodes in a directory.
    ///
    /// # Errors
    /// As [`Replica::node`].
    fn children(&self, dir: NodeId) -> Result<Vec<NodeId>, Self::Error>;

    /// Revision of a node that was deleted here.
    ///
    /// # Errors
    /// As [`Replica::node`].
    fn tombstone(&self, id: NodeId) -> Result<Option<u64>, Self::Error>;
}

impl Replica for Tree {
    type Error = Infallible;

    fn node(&self, id: NodeId) -> Result<Option<Node>, Infallible> {
        Ok(self.get(id).cloned())
    }

    fn namesakes(&self, place: &Place) -> Result<Vec<NodeId>, Infallible> {
        Ok(self.namesakes(place.parent, &place.name).to_vec())
    }

    fn children(&self, dir: NodeId) -> Result<Vec<NodeId>, Infallible> {
        Ok(self.children(dir).map(|(_, id)| id).collect())
    }

    fn tombstone(&self, _id: NodeId) -> Result<Option<u64>, Infallible> {
        Ok(None)
    }
}

/// The folder on the disk: what a look saw, and base wherever it did not look or saw nothing new.
#[derive(Debug)]
pub struct Local<'a, B> {
    /// The whole of base.
    pub base: &'a B,
    /// Nodes that were looked at and are there.
    pub seen: &'a Tree,
    /// Base nodes that were looked at; those not in `seen` are gone.
    pub looked: &'a BTreeSet<NodeId>,
}

impl<B: Replica> Local<'_, B> {
    fn with_unseen(&self, seen: Vec<NodeId>, base: Vec<NodeId>) -> Vec<NodeId> {
        let is_unseen = |id: &NodeId| !self.looked.contains(id) && !self.seen.contains(*id);
        let mut ids = seen;
        ids.extend(base.into_iter().filter(is_unseen));
        ids
    }
}

impl<B: Replica> Replica for Local<'_, B> {
    type Error = B::Error;

    fn node(&self, id: NodeId) -> Result<Option<Node>, B::Error> {
        match self.seen.get(id) {
            Some(node) => Ok(Some(node.clone())),
            None if self.looked.contains(&id) => Ok(None),
            None => Ok(self.base.node(id)?.map(|node| Node { rev: 0, ..node })),
        }
    }

    fn namesakes(&self, place: &Place) -> Result<Vec<NodeId>, B::Error> {
        let seen = self.seen.namesakes(place.parent, &place.name).to_vec();
        Ok(self.with_unseen(seen, self.base.namesakes(place)?))
    }

    fn children(&self, dir: NodeId) -> Result<Vec<NodeId>, B::Error> {
        let seen = self.seen.children(dir).map(|(_, id)| id).collect();
        Ok(self.with_unseen(seen, self.base.children(dir)?))
    }

    fn tombstone(&self, _id: NodeId) -> Result<Option<u64>, B::Error> {
        Ok(None)
    }
}

/// The three sides of a folder.
pub struct Sides<'a, E> {
    /// What both sides were when they were last equal.
    pub base: &'a dyn Replica<Error = E>,
    /// The folder now: [`Local`].
    pub local: &'a dyn Replica<Error = E>,
    /// The server's newest known state, with its tombstones.
    pub remote: &'a dyn Replica<Error = E>,
}

impl<E> std::fmt::Debug for Sides<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sides").finish_non_exhaustive()
    }
}

impl<'a, E> Sides<'a, E> {
    fn all(&self) -> [&'a dyn Replica<Error = E>; 3] {
        [self.base, self.local, self.remote]
    }
}

/// Some nodes of a folder with their states on all sides: what [`crate::reconcile::Inputs`] wants of it.
#[derive(Debug, Default)]
pub struct Part {
    /// Base states.
    pub base: Tree,
    /// Local states.
    pub local: Tree,
    /// Remote states.
    pub remote: Tree,
    /// Revisions of those that are deleted at the server.
    pub tombstones: BTreeMap<NodeId, u64>,
    /// Nodes read, whether they are anywhere or not.
    read: BTreeSet<NodeId>,
    places: BTreeSet<Place>,
}

impl Part {
    /// Reads `dirty` and what a plan about them depends on.
    ///
    /// Cost: for each of them its depth and a handful of lookups, whatever the size of the folder; a directory that is
    /// not one on all sides costs what is in it.
    /// # Errors
    /// Those of the sides.
    pub fn read<E>(
        sides: &Sides<'_, E>,
        dirty: impl IntoIterator<Item = NodeId>,
    ) -> Result<Self, E> {
        let mut part = Self::default();
        part.close(sides, dirty.into_iter().collect())?;
        Ok(part)
    }

    /// Reads what a plan asked for; true when that was something new, so that the plan has to be made again.
    ///
    /// # Errors
    /// Those of the sides.
    pub fn add<E>(&mut self, sides: &Sides<'_, E>, asked: Asked) -> Result<bool, E> {
        let mut open: Vec<NodeId> = asked.nodes.into_iter().collect();
        for place in asked.places {
            self.open_place(sides, place, &mut open)?;
        }
        self.close(sides, open)
    }

    /// Those of some blocked names that the plan of this part can meet.
    #[must_use]
    pub fn blocked(&self, all: &BTreeSet<(NodeId, Name)>) -> BTreeSet<(NodeId, Name)> {
        let is_near = |parent: NodeId| parent == ROOT || self.read.contains(&parent);
        let near = all.iter().filter(|(parent, _)| is_near(*parent));
        near.cloned().collect()
    }

    fn close<E>(&mut self, sides: &Sides<'_, E>, mut open: Vec<NodeId>) -> Result<bool, E> {
        let mut is_grown = false;
        while let Some(id) = open.pop() {
            if id == ROOT || !self.read.insert(id) {
                continue;
            }
            let [base, local, remote] = sides.all();
            let states = [base.node(id)?, local.node(id)?, remote.node(id)?];
            self.open_around(sides, id, &states, &mut open)?;
            let tombstone = remote.tombstone(id)?;
            is_grown |= tombstone.is_some() || states.iter().any(Option::is_some);
            self.tombstones.extend(tombstone.map(|rev| (id, rev)));
            let trees = [&mut self.base, &mut self.local, &mut self.remote];
            for (tree, state) in trees.into_iter().zip(states) {
                if let Some(node) = state {
                    tree.insert(id, node);
                }
            }
        }
        Ok(is_grown)
    }

    fn open_around<E>(
        &mut self,
        sides: &Sides<'_, E>,
        id: NodeId,
        states: &[Option<Node>; 3],
        open: &mut Vec<NodeId>,
    ) -> Result<(), E> {
        let nodes = || states.iter().flatten();
        open.extend(nodes().map(|node| node.place.parent));
        if is_settled(states) {
            return Ok(());
        }
        let places: BTreeSet<&Place> = nodes().map(|node| &node.place).collect();
        for place in places {
            self.open_place(sides, place.clone(), open)?;
        }
        if (1..states.len()).contains(&nodes().filter(|node| node.is_dir()).count()) {
            for side in sides.all() {
                open.extend(side.children(id)?);
            }
        }
        Ok(())
    }

    fn open_place<E>(
        &mut self,
        sides: &Sides<'_, E>,
        place: Place,
        open: &mut Vec<NodeId>,
    ) -> Result<(), E> {
        if self.places.contains(&place) {
            return Ok(());
        }
        for side in sides.all() {
            open.extend(side.namesakes(&place)?);
        }
        self.places.insert(place);
        Ok(())
    }
}

/// Nothing is to be done about such a node; whoever wants its place finds it there.
fn is_settled([base, local, remote]: &[Option<Node>; 3]) -> bool {
    let key = |node: &Option<Node>| node.as_ref().map(|node| (node.place.clone(), node.content));
    key(base) == key(local) && key(base) == key(remote)
}
