//! Versions of a node: what the verified log says that it was, when, and by whom; and the way to the bytes.
//!
//! Read by the views, by restoring and by conflict merging; works beside a running daemon. Invariant: nothing is
//! listed that did not pass the checks of the log, and bytes are handed out only by
//! [`crate::fetch::Fetcher::write_revision`], which compares them with the content id. Not here: the rows
//! ([`crate::db`]), what is kept how long (`fst_engine::retention`). Source: docs/design/versions.md.

use fst_engine::history::{Past, version_numbers};
use fst_engine::tree::Tree;
use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::db::{DbError, Reader, RevisionRow};

mod keeping;

pub use keeping::{Keeping, keeping, kept, rules};

/// One version of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1, stable for ever.
    pub number: u32,
    /// Revision that brought it: content, size, author, time, place.
    pub revision: RevisionRow,
    /// Whether the node lives and has this content now.
    pub is_current: bool,
}

/// A node with its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHistory {
    /// The node.
    pub node: NodeId,
    /// Its versions, oldest first; none for a directory that never was anything else.
    pub versions: Vec<Version>,
    /// The deletion, when it is deleted now.
    pub deleted: Option<RevisionRow>,
}

/// A file or link that is deleted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Where it was.
    pub path: RelPath,
    /// The deletion: when, by whom.
    pub deletion: RevisionRow,
    /// Its last version.
    pub last: Version,
}

/// All versions of a node, deleted or not.
///
/// # Errors
/// [`DbError`].
pub fn of_node(db: Reader<'_>, node: NodeId) -> Result<NodeHistory, DbError> {
    let rows = db.revisions(node)?;
    let content = |row: &RevisionRow| (!row.is_deleted).then_some(row.state.content.id);
    let contents: Vec<_> = rows.iter().map(content).collect();
    let numbers = version_numbers(&contents);
    let deleted = rows.last().filter(|row| row.is_deleted).cloned();
    let numbered = rows.into_iter().zip(numbers);
    let mut versions: Vec<Version> = numbered
        .filter_map(|(revision, number)| {
            Some(Version {
                number: number?,
                revision,
                is_current: false,
            })
        })
        .collect();
    if let Some(last) = versions.last_mut() {
        last.is_current = deleted.is_none();
    }
    Ok(NodeHistory {
        node,
        versions,
        deleted,
    })
}

/// Nodes that a path has stood for: the one that lies there in `remote` first, then earlier and deleted ones, latest
/// first.
///
/// # Errors
/// [`DbError`].
pub fn nodes_of_path(
    db: Reader<'_>,
    remote: &Tree,
    path: &RelPath,
) -> Result<Vec<NodeId>, DbError> {
    let now = remote.lookup(path);
    let earlier = db.nodes_seen_at(path)?;
    let others = earlier.into_iter().filter(|id| Some(*id) != now);
    Ok(now.into_iter().chain(others).collect())
}

/// The space's tree as it stood at server time `at_ms`.
///
/// # Errors
/// [`DbError`]. Cost: one pass over all revisions up to then.
pub fn tree_at(db: Reader<'_>, at_ms: u64) -> Result<Tree, DbError> {
    let mut past = Past::default();
    db.revisions_until(at_ms, &mut |row| {
        past.follow(row.node, row.state, row.is_deleted);
    })?;
    Ok(past.into_tree())
}

/// Files and links that are deleted now, the latest deletion first, with what they were before.
///
/// # Errors
/// [`DbError`]. Cost: one pass over the deletions of the history.
pub fn deleted(db: Reader<'_>) -> Result<Vec<Deleted>, DbError> {
    let mut found = Vec::new();
    for (node, path) in db.deletions()? {
        let history = of_node(db, node)?;
        let is_file = |row: &RevisionRow| row.state.content.kind != Kind::Dir;
        if let (Some(deletion), Some(last)) = (history.deleted, history.versions.into_iter().last())
            && is_file(&deletion)
        {
            found.push(Deleted {
                path,
                deletion,
                last,
            });
        }
    }
    Ok(found)
}
