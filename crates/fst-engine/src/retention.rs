//! Which revisions are kept, and which objects nothing kept needs any more.
//!
//! The server prunes by it; clients tell by it whether a version may be gone. Invariant: what is current is never
//! given up, nor what is pinned, nor what a device may still have as its base, nor what was superseded in the last
//! day. It works on what the log says in the clear: node, revision, flags, references, time.
//! Not here: deleting anything; uploads that were never referenced. Source: docs/design/versions.md §4.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::control::Policy;
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::log::{Flags, Op, OpCode};
use fst_proto::time::UnixMillis;

use crate::limits::RETENTION_GRACE_MS;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// One revision of a node, as far as keeping it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub rev: u64,
    /// Position of its entry in the log.
    pub idx: u64,
    /// Server time of the entry.
    pub time_ms: u64,
    /// Whether it brought a content.
    pub is_version: bool,
    /// Whether it deleted the node.
    pub is_deleted: bool,
}

/// What is held besides the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Revisions that people pinned.
    pub pins: BTreeSet<(NodeId, u64)>,
    /// Sizes of the log up to which devices have it: what was current there is their base.
    pub positions: BTreeSet<u64>,
}

/// Tells for each revision of a node whether it is kept; oldest first in and out.
///
/// A superseded version is kept for `retention_days` after it was superseded, while it is among the newest
/// `max_versions` of its node. A revision without a content of its own is kept with its version.
#[must_use]
pub fn keep(
    node: NodeId,
    revisions: &[Revision],
    policy: &Policy,
    held: &Held,
    now: UnixMillis,
) -> Vec<bool> {
    let mut newer_versions = 0_u64;
    let mut kept = vec![true; revisions.len()];
    for (at, revision) in revisions.iter().enumerate().rev() {
        let next = revisions.get(at + 1);
        kept[at] = next.is_none_or(|next| {
            let age = now.0.saturating_sub(next.time_ms);
            let is_young = age < u64::from(policy.retention_days).saturating_mul(DAY_MS);
            let is_of_few = newer_versions < u64::from(policy.max_versions);
            let is_base = held
                .positions
                .range(revision.idx + 1..=next.idx)
                .next()
                .is_some();
            let is_pinned = held.pins.contains(&(node, revision.rev));
            age < RETENTION_GRACE_MS || (is_young && is_of_few) || is_base || is_pinned
        });
        newer_versions += u64::from(revision.is_version);
    }
    kept
}

/// What a log references, in the clear.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    nodes: BTreeMap<NodeId, NodeLog>,
}

#[derive(Debug, Clone, Default)]
struct NodeLog {
    revisions: Vec<Revision>,
    /// For each object the revisions that reference it: from an index on, up to and without another.
    refs: BTreeMap<ObjectId, Vec<(usize, usize)>>,
}

impl Ledger {
    /// Follows one operation; call in the order of the log.
    pub fn follow(&mut self, idx: u64, time_ms: u64, op: &Op) {
        if op.code == OpCode::Control {
            return;
        }
        let log = self.nodes.entry(op.node).or_default();
        let at = log.revisions.len();
        log.revisions.push(Revision {
            rev: op.base_rev.saturating_add(1),
            idx,
            time_ms,
            is_version: op.code == OpCode::Put && op.flags.has(Flags::CONTENT),
            is_deleted: op.code == OpCode::Delete,
        });
        for object in &op.drop_refs {
            let spans = log.refs.entry(*object).or_default();
            if let Some(open) = spans.last_mut().filter(|span| span.1 == usize::MAX) {
                open.1 = at;
            }
        }
        for object in &op.add_refs {
            let spans = log.refs.entry(*object).or_default();
            spans.push((at, usize::MAX));
        }
    }

    /// Objects that were referenced once and that no kept revision references.
    #[must_use]
    pub fn dead(&self, policy: &Policy, held: &Held, now: UnixMillis) -> BTreeSet<ObjectId> {
        let (mut live, mut dead) = (BTreeSet::new(), BTreeSet::new());
        for (node, log) in &self.nodes {
            let kept = keep(*node, &log.revisions, policy, held, now);
            for (object, spans) in &log.refs {
                let is_in = |&(from, to): &(usize, usize)| {
                    let to = to.min(kept.len());
                    kept.get(from..to).is_some_and(|span| span.contains(&true))
                };
                match spans.iter().any(is_in) {
                    true => live.insert(*object),
                    false => dead.insert(*object),
                };
            }
        }
        dead.retain(|object| !live.contains(object));
        dead
    }
}
