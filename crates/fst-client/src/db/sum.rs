//! Checksums of nodes and named values in the folder's database.
//!
//! SQLite notices a torn page, not a bit that changed inside a row; believed, such a bit in `remote` could delete a file
//! here. Invariant: a node of base or remote, and a named value, that is read is the one that was written. Log entries have
//! their own ([`super::Reader::check_log`]). Not here: what is done about a
//! damaged database (it is found again, as if it were lost).

use fst_engine::tree::Node;
use fst_proto::hash::sha256;
use fst_proto::ids::{Hash32, NodeId};
use rusqlite::Row;

use super::{DbError, node_of, sql};

/// Whose node a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A node of base.
    Base = 0,
    /// A node the server has.
    Remote = 1,
    /// A node the server has deleted.
    Deleted = 2,
}

impl Side {
    /// A row of `remote`.
    pub(super) fn remote(is_deleted: bool) -> Self {
        if is_deleted {
            Self::Deleted
        } else {
            Self::Remote
        }
    }
}

/// Checksum of a node in a row of this kind.
pub(super) fn sum_of(id: NodeId, node: &Node, side: Side) -> i64 {
    let content = &node.content;
    let hash = sha256(&[
        &[side as u8, content.kind as u8, u8::from(content.exec)],
        id.as_bytes(),
        node.place.parent.as_bytes(),
        content.id.as_bytes(),
        &node.mtime_ns.to_be_bytes(),
        &node.size.to_be_bytes(),
        &node.rev.to_be_bytes(),
        node.place.name.as_bytes(),
    ]);
    short(&hash)
}

/// Checksum of a named value.
pub(super) fn sum_of_value(key: &str, value: &[u8]) -> i64 {
    short(&sha256(&[key.as_bytes(), &[0], value]))
}

fn short(hash: &Hash32) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_be_bytes(first)
}

/// The node in the leading columns of `base` and `remote` ([`super::sides::NODE`]).
pub(super) fn checked_node(row: &Row<'_>, side: Side) -> Result<(NodeId, Node), DbError> {
    let (id, node) = node_of(row)?;
    let sum: i64 = row.get(9).map_err(sql("read column"))?;
    if sum_of(id, &node, side) == sum {
        Ok((id, node))
    } else {
        Err(DbError::Damaged { what: "node" })
    }
}
