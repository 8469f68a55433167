//! Finds ignored nodes that a scan cannot show, because they are not on the disk.
//!
//! `fst-client` calls it between [`identify`](crate::identify::identify) and the plan. Invariant: only nodes that
//! changed or vanished are asked about, so a quiet folder costs one walk over two sorted maps. Base forgets an ignored
//! node as soon as one side is rid of it: when the rule goes, nothing is deleted for its sake.
//! Not here: what holds them ([`crate::reconcile`]). Source: docs/design/sync-semantics.md, rows S-225 to S-233.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Place, ROOT};
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use super::{Rules, Verdict};
use crate::identify::Identified;
use crate::scope::Part;
use crate::tree::Tree;

/// Adds to [`Identified::ignored`] the nodes that `rules` keep from this device, and fills [`Identified::forget`].
pub fn hide(rules: &Rules, base: &Tree, remote: &Tree, seen: &mut Identified) {
    let gone_there = seen.ignored.iter().filter(|&&id| seen.frozen.contains(&id));
    let gone_there: Vec<NodeId> = gone_there
        .copied()
        .filter(|&id| base.contains(id) && !remote.contains(id))
        .collect();
    seen.forget.extend(gone_there);
    if rules.is_empty() {
        return;
    }
    let is_vanished = |id: NodeId| !seen.local.contains(id) && !seen.ignored.contains(&id);
    let vanished = base.iter().map(|(id, _)| id).filter(|&id| is_vanished(id));
    let was_hidden = Said::of(rules, base, vanished);
    let is_news = |id: NodeId, place: &Place| {
        base.get(id).is_none_or(|was| was.place != *place) || is_vanished(id)
    };
    let news = remote.iter().filter(|(id, node)| is_news(*id, &node.place));
    let is_hidden = Said::of(rules, remote, news.map(|(id, _)| id));
    seen.forget.extend(was_hidden.ignored);
    seen.ignored.extend(was_hidden.hands_off);
    seen.ignored.extend(is_hidden.hands_off);
}

/// As [`hide`] for a part of a folder: what lies below a frozen or ignored directory is so too, looked at or not.
pub fn hide_part(rules: &Rules, part: &mut Part, seen: &mut Identified) {
    for (id, node) in part.base.iter() {
        // What was found in another place is not what cannot be seen.
        let found = part.local.get(id);
        if found.is_some_and(|found| found.place != node.place) {
            continue;
        }
        let mut above = vec![id];
        while let Some(node) = above.last().and_then(|id| part.base.get(*id)) {
            let dir = node.place.parent;
            if seen.frozen.contains(&dir) {
                seen.frozen.extend(above.iter().copied());
                if seen.ignored.contains(&dir) {
                    seen.ignored.extend(above);
                }
                break;
            }
            if above.contains(&dir) {
                break;
            }
            above.push(dir);
        }
    }
    std::mem::swap(&mut seen.local, &mut part.local);
    hide(rules, &part.base, &part.remote, seen);
    std::mem::swap(&mut seen.local, &mut part.local);
}

/// What the rules say about some nodes of a tree.
#[derive(Default)]
struct Said {
    /// Not to be touched.
    hands_off: BTreeSet<NodeId>,
    /// Of these, those that are so by a rule, not by damage.
    ignored: BTreeSet<NodeId>,
}

impl Said {
    fn of(rules: &Rules, tree: &Tree, nodes: impl Iterator<Item = NodeId>) -> Self {
        let mut by_dir: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for id in nodes {
            if let Some(node) = tree.get(id) {
                by_dir.entry(node.place.parent).or_default().push(id);
            }
        }
        let mut said = Self::default();
        for (dir, nodes) in by_dir {
            if let Some(path) = tree.path(dir) {
                said.in_dir(rules, tree, (dir, &path), &nodes);
            }
        }
        said
    }

    fn in_dir(
        &mut self,
        rules: &Rules,
        tree: &Tree,
        (dir, path): (NodeId, &RelPath),
        nodes: &[NodeId],
    ) {
        let above = if dir == ROOT {
            None
        } else {
            rules.decide(path, true)
        };
        if let Some(verdict) = above.filter(Verdict::is_hands_off) {
            return nodes.iter().for_each(|&id| self.note(id, &verdict));
        }
        let mut level = rules.level(path);
        for &id in nodes {
            let Some(node) = tree.get(id) else { continue };
            let verdict = level.decide(&node.place.name, node.is_dir());
            if let Some(verdict) = verdict.filter(Verdict::is_hands_off) {
                self.note(id, &verdict);
            }
        }
    }

    fn note(&mut self, id: NodeId, verdict: &Verdict<'_>) {
        self.hands_off.insert(id);
        if matches!(verdict, Verdict::Ignored(_) | Verdict::NotChosen) {
            self.ignored.insert(id);
        }
    }
}
