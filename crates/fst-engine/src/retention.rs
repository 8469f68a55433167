//! Which revisions are kept, and which objects nothing kept needs any more.
//!
//! The server prunes by it; clients tell by it whether a version may be gone. Invariant: what is current is never
//! given up, nor what is pinned, nor what a device may still have as its base, nor what was superseded in the last
//! day. It works on what the log says in the clear: node, revision, flags, references, time.
//! Not here: deleting anything; uploads that were never referenced. Source: docs/design/versions.md §4.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::control::Retention;
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
}

/// What is held besides the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Revisions that people pinned.
    pub pins: BTreeSet<(NodeId, u64)>,
    /// Sizes of the log up to which devices have it: what was current there is their base.
    pub positions: BTreeSet<u64>,
}

/// When the rules alone let a revision go; `None` for the newest, which stays.
///
/// A superseded version is kept for so many days after it was superseded, while it is among the newest so many of
/// its node, and for a day in any case. A revision without a content of its own counts with its version.
/// Shape: revisions of one node, oldest first, in and out.
#[must_use]
pub fn ends(revisions: &[Revision], rules: Retention) -> Vec<Option<UnixMillis>> {
    // Times of the versions newer than the one looked at, oldest last.
    let mut newer: Vec<u64> = Vec::new();
    let mut out = vec![None; revisions.len()];
    for (at, revision) in revisions.iter().enumerate().rev() {
        out[at] = revisions.get(at + 1).map(|next| {
            let after = |ms: u64| next.time_ms.saturating_add(ms);
            let by_age = after(u64::from(rules.days).saturating_mul(DAY_MS));
            let last = newer.len().checked_sub(rules.versions as usize);
            let by_count = last.and_then(|last| newer.get(last)).copied();
            let end = by_count.map_or(by_age, |time| time.min(by_age));
            UnixMillis(end.max(after(RETENTION_GRACE_MS)))
        });
        if revision.is_version {
            newer.push(revision.time_ms);
        }
    }
    out
}

/// Tells for each revision of a node whether it is kept; oldest first in and out.
#[must_use]
pub fn keep(
    node: NodeId,
    revisions: &[Revision],
    rules: Retention,
    held: &Held,
    now: UnixMillis,
) -> Vec<bool> {
    let ends = ends(revisions, rules);
    let pairs = revisions.iter().zip(ends).enumerate();
    pairs
        .map(|(at, (revision, end))| {
            let first = revision.idx.saturating_add(1);
            let last = revisions.get(at + 1).map_or(u64::MAX, |next| next.idx);
            let is_base = first <= last && held.positions.range(first..=last).next().is_some();
            let is_pinned = held.pins.contains(&(node, revision.rev));
            end.is_none_or(|end| now < end) || is_base || is_pinned
        })
        .collect()
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
    pub fn dead(&self, rules: Retention, held: &Held, now: UnixMillis) -> BTreeSet<ObjectId> {
        let (mut live, mut dead) = (BTreeSet::new(), BTreeSet::new());
        for (node, log) in &self.nodes {
            let kept = keep(*node, &log.revisions, rules, held, now);
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
