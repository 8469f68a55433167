//! Which sub-folders of a space a device has chosen.
//!
//! A part of [`super::Rules`]: what is not chosen is hands-off here, like what a rule ignores. Invariant: the deepest
//! directory named above a path decides, so order and repetition of the names do not matter; a directory on the way
//! to a chosen one is synced itself, what else lies in it is not. Not here: what becomes of copies that are on the disk.
//! Source: docs/design/sync-semantics.md, rows S-180 to S-187; docs/adr/0042-selective-sync.md.

use std::collections::BTreeSet;

use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use super::RULE_FILE;
use crate::tree::Tree;

mod edit;

pub use edit::{Copies, Refusal, Share};

/// The sub-folders that a device syncs; by default everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    only: BTreeSet<RelPath>,
    except: BTreeSet<RelPath>,
    cleared: BTreeSet<RelPath>,
}

impl Selection {
    /// Chooses the directories `only`, or everything when there is none, without those in `except` and `cleared`; of
    /// what is in `cleared`, copies that are synced are to leave this device.
    #[must_use]
    pub fn new(
        only: impl IntoIterator<Item = RelPath>,
        except: impl IntoIterator<Item = RelPath>,
        cleared: impl IntoIterator<Item = RelPath>,
    ) -> Self {
        Self {
            only: only.into_iter().collect(),
            except: except.into_iter().collect(),
            cleared: cleared.into_iter().collect(),
        }
    }

    /// True when everything is chosen.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.except.is_empty() && self.cleared.is_empty()
    }

    /// Whether what lies at `path` is not synced here. A rule file is, where its directory is: devices have to agree.
    #[must_use]
    pub fn leaves_out(&self, path: &RelPath, is_dir: bool) -> bool {
        let is_rules = path
            .name()
            .is_some_and(|name| name.as_bytes() == RULE_FILE.as_bytes());
        match path.parent().filter(|_| is_rules && !is_dir) {
            Some(dir) => !dir.is_root() && self.is_out(&dir, true),
            None => self.is_out(path, is_dir),
        }
    }

    fn is_out(&self, path: &RelPath, is_dir: bool) -> bool {
        let is_on_the_way = is_dir && self.only.iter().any(|dir| dir.starts_with(path));
        let chosen = deepest(&self.only, path);
        let taken_out = deepest(&self.except, path).max(deepest(&self.cleared, path));
        let is_in = if taken_out.is_none() && self.only.is_empty() {
            true
        } else {
            chosen > taken_out
        };
        !(is_in || is_on_the_way)
    }

    /// Whether synced copies of what lies at `path`, which is not chosen, are to leave this device.
    #[must_use]
    pub fn clears(&self, path: &RelPath) -> bool {
        let kept = deepest(&self.except, path).max(deepest(&self.only, path));
        deepest(&self.cleared, path) > kept
    }

    /// Whether `path` is one of the directories that were chosen by name, or on the way to one.
    #[must_use]
    pub fn is_named(&self, path: &RelPath) -> bool {
        self.only.iter().any(|only| only.starts_with(path))
    }

    /// The directories whose synced copies are to leave this device.
    pub fn cleared(&self) -> impl Iterator<Item = &RelPath> {
        self.cleared.iter()
    }

    /// Nodes of base that are not chosen: it is to forget them, so that nothing that becomes of their copies here looks
    /// like a deletion when they are chosen again.
    #[must_use]
    pub fn left_out(&self, base: &Tree) -> BTreeSet<NodeId> {
        let is_out = |id: &NodeId| {
            let path = base.path(*id);
            path.is_some_and(|path| self.leaves_out(&path, base.is_dir(*id)))
        };
        base.iter().map(|(id, _)| id).filter(is_out).collect()
    }

    /// The names, the same for the same choice; empty for everything.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let lists = [
            (b'+', &self.only),
            (b'-', &self.except),
            (b'~', &self.cleared),
        ];
        let mut out = Vec::new();
        for (mark, paths) in lists {
            for path in paths {
                out.push(mark);
                out.extend(path.to_bytes());
                out.push(0);
            }
        }
        out
    }

    /// Whether all that lies below `dir`, which is chosen, is chosen too.
    #[must_use]
    pub fn is_whole(&self, dir: &RelPath) -> bool {
        let named = [&self.only, &self.except, &self.cleared];
        let has_below = named
            .into_iter()
            .flatten()
            .any(|other| other != dir && other.starts_with(dir));
        let is_in = self.only.is_empty() || self.only.iter().any(|only| dir.starts_with(only));
        is_in && !has_below
    }
}

/// Depth of the deepest of `dirs` that `path` is or lies in.
fn deepest(dirs: &BTreeSet<RelPath>, path: &RelPath) -> Option<usize> {
    let above = dirs.iter().filter(|dir| path.starts_with(dir));
    above.map(|dir| dir.names().len()).max()
}
