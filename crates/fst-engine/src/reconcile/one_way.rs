//! Plans for a folder that syncs in one direction only.
//!
//! The leading side is copied to the other as long as the other has not changed; what changed against the
//! direction is left alone and reported. Invariant: the target of every node that is not held is its state on the
//! leading side, so that side needs no change at all.
//! Source: docs/design/sync-semantics.md, rows S-090 to S-097.

use super::merge::{Merge, all_ids, is_same};
use super::{Inputs, Side};
use crate::plan::Why;

pub(super) fn merge<'a>(inputs: &'a Inputs<'a>, leading: Side) -> Merge<'a> {
    let mut merge = Merge::new(inputs);
    let Inputs {
        base,
        local,
        remote,
        ..
    } = *inputs;
    let (lead, follow) = match leading {
        Side::Local => (local, remote),
        Side::Remote => (remote, local),
    };
    for id in all_ids(&[local, remote]) {
        if merge.is_hidden(id) {
            merge.doubtful.insert(id, Why::Ignored);
            continue;
        }
        let (led, followed) = (lead.get(id), follow.get(id));
        if !is_same(followed, base.get(id)) && !is_same(led, followed) {
            merge.doubtful.insert(id, Why::OneWay);
        }
        if let Some(node) = led {
            merge.put(id, node.clone(), leading);
        }
    }
    merge
}
