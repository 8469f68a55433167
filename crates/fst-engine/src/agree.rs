//! Which parts of a node local and remote agree on already, when they do not agree on all of it.
//!
//! `fst-client` asks after a crash or a failed step, before it learns of newer versions. A node that takes two steps
//! may have made one; without this the half that was made looks like the user's doing when the next version comes.
//! Invariant: base takes from remote only what the disk shows too. Not here: nodes that agree in everything
//! ([`crate::plan::Plan::adopt`]). Source: docs/design/sync-semantics.md, row S-049; docs/adr/0004-what-base-means.md.

use fst_proto::entry::{Content, Kind};
use fst_proto::ids::NodeId;

use crate::tree::{Node, Tree};

/// Returns the nodes of `base` that move towards `remote`, each with what it becomes.
///
/// Shape: sorted by id; only nodes that are in all three trees. A place that another node of base still holds, or
/// that would close a circle, is left for later.
#[must_use]
pub fn agreed(base: &Tree, local: &Tree, remote: &Tree) -> Vec<(NodeId, Node)> {
    let in_all = |(id, old)| Some((id, old, local.get(id)?, remote.get(id)?));
    base.iter()
        .filter_map(in_all)
        .filter_map(|(id, old, here, there)| {
            let mut new = old.clone();
            if here.place == there.place && is_free(base, id, there) {
                new.place = there.place.clone();
            }
            agree_on_content(&mut new, here, there);
            (new != *old).then_some((id, new))
        })
        .collect()
}

fn is_free(base: &Tree, id: NodeId, there: &Node) -> bool {
    let (parent, name) = (there.place.parent, &there.place.name);
    base.is_dir(parent)
        && !base.is_within(parent, id)
        && base.child(parent, name).is_none_or(|holder| holder == id)
}

/// Bytes and executable bit one by one.
fn agree_on_content(new: &mut Node, here: &Node, there: &Node) {
    let kind = new.content.kind;
    if kind != there.content.kind || kind != here.content.kind || kind == Kind::Dir {
        return;
    }
    if here.content.id == there.content.id {
        new.content = Content {
            exec: new.content.exec,
            ..there.content
        };
        (new.size, new.mtime_ns) = (there.size, there.mtime_ns);
    }
    if here.content.exec == there.content.exec {
        new.content.exec = there.content.exec;
    }
}
