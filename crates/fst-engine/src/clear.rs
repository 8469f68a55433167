//! Which copies of what is not chosen any more may leave a device.
//!
//! `fst-client` looks at a directory that is to be cleared and asks what the server has in its place. Invariant: a file
//! is given up only where the server has exactly its content, kind and executable bit as the newest version of the node
//! that is named; a directory only when all that lies in it is given up before. Not here: looking; removing, which
//! compares once more. Source: docs/design/sync-semantics.md, rows S-185 to S-187.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Content, Kind};
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use crate::identify::{Scan, Seen};
use crate::plan::{DiskStep, Plan};

/// What lies in a place that is to be cleared.
#[derive(Debug, Default)]
pub struct Copies {
    /// All that lies there, as it was seen.
    pub scan: Scan,
    /// What the server has for a path of it: the node and its newest content.
    pub there: BTreeMap<RelPath, (NodeId, Content)>,
    /// Paths of it that are to stay for another reason, such as being chosen.
    pub spared: BTreeSet<RelPath>,
}

/// What becomes of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Clearing {
    /// Removals, in an order in which each directory is empty when its turn comes.
    pub plan: Plan,
    /// Files that stay because the server does not have them as they are here, sorted. Ignored ones are not among them.
    pub kept: Vec<RelPath>,
}

/// Returns what may go, and what has to stay. Cost: O(n log n).
#[must_use]
pub fn clear(copies: &Copies) -> Clearing {
    let mut out = Clearing::default();
    // Directories in which something stays.
    let mut needed: BTreeSet<RelPath> = BTreeSet::new();
    let mut going: BTreeMap<&RelPath, NodeId> = BTreeMap::new();
    // What lies in a directory comes before it.
    for (path, seen) in copies.scan.iter().rev() {
        let step = step(copies, path, seen).filter(|step| {
            let is_dir = matches!(step, DiskStep::RemoveDir { .. });
            !(is_dir && needed.contains(path))
        });
        match step {
            Some(step) => {
                going.insert(path, step.node());
                out.plan.steps.push(step);
            },
            None => {
                needed.extend(path.parent());
                if is_to_be_told(seen) && !copies.spared.contains(path) {
                    out.kept.push(path.clone());
                }
            },
        }
    }
    for (path, &node) in &going {
        let dir = path.parent().and_then(|dir| going.get(&dir).copied());
        out.plan.waits.extend(dir.map(|dir| (dir, node)));
    }
    out.plan.waits.sort_unstable();
    out.kept.sort_unstable();
    out
}

/// The removal of one entry, if the server has it as it is.
fn step(copies: &Copies, path: &RelPath, seen: &Seen) -> Option<DiskStep> {
    let Seen::Known { content, .. } = seen else {
        return None;
    };
    let &(node, there) = copies.there.get(path)?;
    if there != *content || copies.spared.contains(path) {
        return None;
    }
    let path = path.clone();
    Some(match content.kind {
        Kind::Dir => DiskStep::RemoveDir { node, path },
        Kind::File | Kind::Symlink => DiskStep::Remove {
            node,
            path,
            expect: *content,
        },
    })
}

/// Directories stay with what is in them, and nobody expects what is ignored to be synced.
fn is_to_be_told(seen: &Seen) -> bool {
    match seen {
        Seen::Known { content, .. } => content.kind != Kind::Dir,
        Seen::Problem => true,
        Seen::Ignored { .. } => false,
    }
}
