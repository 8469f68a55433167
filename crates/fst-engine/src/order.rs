//! Puts the changes of a folder into an order in which each finds what it needs.
//!
//! Called by `reconcile` with the folder as it is and as it is to be. Invariant: run one by one, every step finds its
//! parent directory in place and its destination free; bytes are copied from a file before it is overwritten.
//! Not here: deciding anything; touching a disk. A path is where a thing is at the moment its step runs.
//! Source: docs/design/sync-semantics.md, rows S-100 to S-111.

mod moves;

use std::collections::BTreeMap;

use fst_proto::entry::Kind;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::paths::Paths;
use crate::plan::{DiskStep, Source};
use crate::tree::{Node, Tree};

/// Returns the steps that turn `local` into `goal`.
///
/// Both must be well-formed, and a node must have the same kind in both. `copies` says where the bytes of
/// a conflict copy are; those of any other leaf that changes come from its remote version. `folds_names`: the disk
/// takes names for one that differ in case or Unicode form only.
/// Cost: O(n log n); each staged directory costs its size once.
#[must_use]
pub fn steps(
    local: &Tree,
    goal: &Tree,
    copies: &BTreeMap<NodeId, Source>,
    folds_names: bool,
) -> Vec<DiskStep> {
    let mut steps = moves::steps(local, goal, folds_names);
    steps.extend(writes(local, goal, copies));
    steps
}

/// New contents and attributes: conflict copies of local files first, then by path.
fn writes(local: &Tree, goal: &Tree, copies: &BTreeMap<NodeId, Source>) -> Vec<DiskStep> {
    let mut paths = Paths::default();
    let mut found = Vec::new();
    for (id, node) in goal
        .iter()
        .filter(|(_, node)| node.content.kind != Kind::Dir)
    {
        let have = local.get(id);
        if have.is_some_and(|have| have.content == node.content) {
            continue;
        }
        let Some(path) = paths.of(goal, id) else {
            continue;
        };
        let source = copies.get(&id).copied().unwrap_or(Source::Remote(id));
        let order = u8::from(!matches!(source, Source::Local(_)));
        found.push(((order, path.clone()), write(id, path, source, node, have)));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.into_iter().map(|(_, step)| step).collect()
}

fn write(
    node: NodeId,
    path: RelPath,
    source: Source,
    goal: &Node,
    have: Option<&Node>,
) -> DiskStep {
    let (content, mtime_ns) = (goal.content, goal.mtime_ns);
    let expect = have.map(|have| have.content);
    if expect.is_some_and(|expect| expect.id == content.id) {
        DiskStep::SetAttributes {
            node,
            path,
            content,
            mtime_ns,
        }
    } else {
        DiskStep::Write {
            node,
            path,
            source,
            content,
            mtime_ns,
            expect,
        }
    }
}
