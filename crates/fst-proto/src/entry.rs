//! What a node is: kind, place, content. The plain side of a meta slot.
//!
//! `fst-engine` compares these, `fst-crypto` seals their bytes, the server never sees them. Equality that
//! matters for syncing leaves the modification time out: see [`Content`].

use crate::ids::{ContentId, NodeId};
use crate::path::Name;
use crate::recipe::Body;

/// Node id of the top directory of every space; never stored, never deleted.
pub const ROOT: NodeId = NodeId([0; 16]);

/// Kind of a node; it never changes during the life of a node.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Kind {
    /// Regular file.
    #[n(0)]
    File,
    /// Directory.
    #[n(1)]
    Dir,
    /// Symbolic link, kept as its text.
    #[n(2)]
    Symlink,
}

/// What must be equal for two replicas of a node to be "the same": everything but times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// Kind of the node.
    pub kind: Kind,
    /// Content of the file, or text of the link; zero for a directory.
    pub id: ContentId,
    /// Executable bit of a file; false otherwise.
    pub exec: bool,
}

/// Where a node hangs in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Directory that holds it.
    pub parent: NodeId,
    /// Its name there.
    pub name: Name,
}

/// Everything a meta slot says about one version of a node. FROZEN v1: CBOR array in this order.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct NodeMeta {
    /// Directory that holds it.
    #[n(0)]
    pub parent: NodeId,
    /// Its name, byte-exact.
    #[n(1)]
    pub name: Name,
    /// Kind.
    #[n(2)]
    pub kind: Kind,
    /// Executable bit.
    #[n(3)]
    pub exec: bool,
    /// Modification time, nanoseconds since 1970, may be negative.
    #[n(4)]
    pub mtime_ns: i64,
    /// Plain size in bytes; length of the text for a link; 0 for a directory.
    #[n(5)]
    pub size: u64,
    /// Content of the file or link.
    #[n(6)]
    pub content: ContentId,
    /// Where the bytes are.
    #[n(7)]
    pub body: Body,
    /// What a conflict copy was kept from, on its first revision; absent otherwise, and then not encoded.
    #[n(8)]
    pub copy_of: Option<CopyOf>,
}

/// Where a conflict copy comes from: it and another content were both made from a third. FROZEN v1: CBOR array in this
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct CopyOf {
    /// Node that kept its name.
    #[n(0)]
    pub node: NodeId,
    /// Its revision that both contents were made from; 0 when there is none.
    #[n(1)]
    pub base_rev: u64,
}

impl NodeMeta {
    /// The part that replicas compare.
    #[must_use]
    pub fn content(&self) -> Content {
        Content {
            kind: self.kind,
            id: self.content,
            exec: self.exec,
        }
    }

    /// Where it hangs.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            parent: self.parent,
            name: self.name.clone(),
        }
    }
}
