//! What a user calls a version, and the tree that stood at a moment: functions of the log's revisions.
//!
//! `fst-client` reads the revisions from its verified copy of the log. Invariant: version numbers never change,
//! because the log only grows. Not here: fetching bytes; which versions are kept (`retention`).
//! Source: docs/design/versions.md.

use fst_proto::ids::{ContentId, NodeId};

use crate::tree::{Node, Tree};

/// Numbers the versions of one node: from 1, one for each revision that brought a content which the revision
/// before did not have. A move, a change of attributes, compacting and deleting make no version; coming back to
/// life does.
///
/// Shape: one item per revision, oldest first; `contents` has `None` for a deletion.
#[must_use]
pub fn version_numbers(contents: &[Option<ContentId>]) -> Vec<Option<u32>> {
    let mut n = 0;
    let before = std::iter::once(&None).chain(contents);
    let pairs = contents.iter().zip(before);
    pairs
        .map(|(now, before)| {
            let is_new = now.is_some() && now != before;
            n += u32::from(is_new);
            is_new.then_some(n)
        })
        .collect()
}

/// A tree that follows the log.
#[derive(Debug, Default)]
pub struct Past {
    tree: Tree,
}

impl Past {
    /// Follows one revision; call in the order of the log.
    pub fn follow(&mut self, id: NodeId, node: Node, is_deleted: bool) {
        if is_deleted {
            self.tree.remove(id);
        } else {
            self.tree.insert(id, node);
        }
    }

    /// The tree after the last revision followed.
    #[must_use]
    pub fn into_tree(self) -> Tree {
        self.tree
    }
}
