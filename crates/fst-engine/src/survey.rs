//! Compares what lies at one name of a directory with what base has there.
//!
//! The scan of `fst-client` asks for every name it looks at. What is not [`Finding::Same`] goes to
//! [`crate::identify`], with the base nodes concerned. Invariant: identifying only these gives every node the id and
//! state that identifying the whole folder gives. Not here: listing, hashing, directories as a whole.
//! Source: docs/adr/0011-scale-with-changes.md.

use fst_proto::entry::{Content, Kind};
use fst_proto::ids::NodeId;

use crate::identify::{FileKey, Seen};

/// What base has at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The node.
    pub id: NodeId,
    /// Its content in base.
    pub content: Content,
    /// Its identity in the file system, when it is known.
    pub key: Option<FileKey>,
}

/// What a name turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The base node, unchanged. If it is a directory, its inside is compared with the node's children.
    Same(NodeId),
    /// The base node, with another content or identity. A directory's inside is compared all the same.
    Changed(NodeId),
    /// Something that base does not have there: everything in it is new. Base nodes at this name and all below them are
    /// gone from here, though perhaps not far.
    New,
    /// Nothing. Base nodes at this name and all below them are gone from here.
    Gone,
    /// The base node, which cannot be seen now: what is below it stays as it is.
    Hidden(NodeId),
}

/// Compares an entry of the disk with the base nodes of the same directory and name.
///
/// Between two steps of a plan base may have several nodes at one name; which of them is there is then decided by
/// looking at everything below each.
#[must_use]
pub fn compare(entry: Option<&Seen>, rows: &[Row]) -> Finding {
    match (entry, rows) {
        (None, _) => Finding::Gone,
        (Some(Seen::Problem | Seen::Ignored { .. }), [row]) => Finding::Hidden(row.id),
        (Some(Seen::Known { content, key, .. }), [row]) if is_kind(row, content.kind) => {
            if row.content == *content && row.key == Some(*key) {
                Finding::Same(row.id)
            } else {
                Finding::Changed(row.id)
            }
        },
        (Some(_), _) => Finding::New,
    }
}

fn is_kind(row: &Row, kind: Kind) -> bool {
    row.content.kind == kind
}
