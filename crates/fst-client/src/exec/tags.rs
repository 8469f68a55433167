//! Names in the stage: what rests under one says whose it is and which node it belongs to.
//!
//! Made by the steps, by restoring and by settling conflicts; read back by [`super::recover()`]. Invariant: a tag made
//! here is read back as the kind it was made for. Not here: what is done with an object of each kind.
//! Source: docs/design/sync-semantics.md.

use fst_fs::vault::StageName;
use fst_proto::ids::NodeId;

/// Whose an object in the stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resting {
    /// Ours alone.
    Draft,
    /// Ours alone, and of no use when nobody goes on with it.
    Early,
    /// Ours, or what the user had there.
    Swapped,
    /// A version that was being brought back, or what the user had there.
    SwappedBack,
    /// The user's, on its way to another place.
    Moving,
}

/// Tag of a file that is being written: ours alone, may be removed at any time.
pub(crate) fn draft_tag(node: NodeId) -> StageName {
    tag("d", node)
}

/// Tag of what an earlier try left of a long file: ours alone too.
pub(super) fn old_tag(node: NodeId) -> StageName {
    tag("o", node)
}

/// Tag of a file that is written before it is committed: ours alone too.
pub(crate) fn early_tag(node: NodeId) -> StageName {
    tag("e", node)
}

/// Tag under which something of the user may rest while it is being looked at.
pub(crate) fn swap_tag(node: NodeId) -> StageName {
    tag("w", node)
}

/// Tag of a swap for a version that is brought back: what rests under it may be any kept version of the node.
pub(crate) fn swap_back_tag(node: NodeId) -> StageName {
    tag("b", node)
}

/// Tag of a node that is on its way to another place.
pub(super) fn move_tag(node: NodeId) -> StageName {
    tag("m", node)
}

fn tag(prefix: &str, node: NodeId) -> StageName {
    StageName::new(&format!("{prefix}-{node}")).expect("hex and a prefix make a stage name")
}

/// What a tag says; `None` when it is none of ours.
pub(super) fn parse(tag: &StageName) -> Option<(Resting, NodeId)> {
    let (kind, rest) = tag.as_str().split_once('-')?;
    // A vault without an atomic swap may have left the displaced object under a longer tag.
    let hex = rest.get(..NodeId::LEN * 2)?;
    let kind = match (kind, rest.len() == hex.len()) {
        ("d" | "o", true) => Resting::Draft,
        ("e", true) => Resting::Early,
        ("d" | "w", _) => Resting::Swapped,
        ("b", _) => Resting::SwappedBack,
        ("m", _) => Resting::Moving,
        _ => return None,
    };
    Some((kind, NodeId::parse(hex)?))
}
