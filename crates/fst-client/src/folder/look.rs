//! The look phase: what lies in the folder and which node it is, for all that base does not show.
//!
//! Invariant: what was not looked at is as base has it; the stat cache and the hashes of listings are stored with
//! the look that found them. Not here: the disk ([`crate::scan`]), decisions.
//! Source: docs/adr/0011-scale-with-changes.md.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::identify::{FileKey, Identified, Seen, There, identify_part};
use fst_engine::ignore::{RULE_FILE, is_leaving};
use fst_engine::scope::{Local, Replica as _};
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::Place;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use super::Folder;
use crate::db::{DbError, Reader, path_in};
use crate::error::FolderError;
use crate::scan::{Noted, Places, Reach, Scanned, Scanner};

/// Nodes ahead of base whose paths are looked at one by one; with more of them everything is looked at.
const AHEAD_LOOKS_MAX: usize = 10_000;

/// What a look found.
pub(super) struct Look {
    pub(super) scanned: Scanned,
    /// States and ids of what was found.
    pub(super) seen: Identified,
    /// Nodes that could not be done, or that the server refuses: planned around.
    pub(super) held: BTreeSet<NodeId>,
    /// Base of the nodes that were looked at.
    base: Tree,
    keys: BTreeMap<NodeId, FileKey>,
}

impl Look {
    /// Nodes whose state on the disk is not that of base.
    pub(super) fn differing(&self) -> impl Iterator<Item = NodeId> {
        let (base, local) = (&self.base, &self.seen.local);
        let is_other = move |id: &NodeId| {
            let key = |node: &Node| (node.place.clone(), node.content);
            base.get(*id).map(key) != local.get(*id).map(key)
        };
        let gone = base.iter().map(|(id, _)| id);
        let gone = gone.filter(move |id| !local.contains(*id));
        let there = local.iter().map(|(id, _)| id).filter(is_other);
        gone.chain(there)
    }

    /// Identity that base has of a node that was looked at.
    pub(super) fn key(&self, id: NodeId) -> Option<FileKey> {
        self.keys.get(&id).copied()
    }

    /// Identities that base has to take over.
    pub(super) fn changed_keys(&self) -> Vec<(NodeId, Option<FileKey>)> {
        let ids = self.base.iter().map(|(id, _)| id);
        let changed = ids.filter(|id| self.keys.get(id) != self.seen.keys.get(id));
        changed
            .map(|id| (id, self.seen.keys.get(&id).copied()))
            .collect()
    }

    /// Whether a directory is there that base does not have, or not as this object.
    pub(super) fn has_new_dirs(&self) -> bool {
        let mut dirs = self.seen.local.iter().filter(|(_, node)| node.is_dir());
        dirs.any(|(id, _)| self.keys.get(&id) != self.seen.keys.get(&id))
    }

    /// Where nodes that rules keep from this device were and are: each look has to see both.
    pub(super) fn hidden(&self) -> Vec<RelPath> {
        let gone = self
            .seen
            .ignored
            .iter()
            .filter(|id| !self.seen.local.contains(**id));
        let keys: BTreeMap<FileKey, NodeId> =
            gone.filter_map(|id| Some((self.key(*id)?, *id))).collect();
        let mut paths = Vec::new();
        for (path, seen) in &self.scanned.scan {
            if let Seen::Ignored { key, .. } = seen
                && let Some(id) = keys.get(key)
            {
                paths.push(path.clone());
                paths.extend(self.base.path(*id));
            }
        }
        paths
    }

    /// Where something was found, to look at again.
    pub(super) fn found(&self) -> Places {
        let mut places = Places::default();
        for path in self.scanned.scan.keys() {
            places.add(path.clone(), Reach::Itself);
        }
        for (id, _) in self.base.iter() {
            if let Some(path) = self.base.path(id) {
                places.add(path, Reach::Itself);
            }
        }
        places
    }
}

impl Folder {
    /// Looks at some places, and at those where the server has something new for this folder.
    pub(super) fn look(&mut self, places: &Places, noted: Noted) -> Result<Look, FolderError> {
        let look = self.look_once(places, noted)?;
        let leaving = self.leaving_rules(&look)?;
        if !self.settings.ignore.retire(leaving) {
            return Ok(look);
        }
        let (is_everything, spots) = (true, places.spots.clone());
        self.look_once(
            &Places {
                is_everything,
                spots,
            },
            noted,
        )
    }

    fn look_once(&mut self, places: &Places, noted: Noted) -> Result<Look, FolderError> {
        let mut places = places.clone();
        self.add_ahead(&mut places)?;
        let policy = self.db.read().ignore_policy()?;
        places.is_everything |= self.settings.ignore.obey(policy);
        let may_hold_rules = |path| self.may_hold_rules(path);
        places.is_everything |= self.folds_names || places.spots.keys().any(may_hold_rules);
        let scanner = Scanner {
            vault: self.seams.vault.as_ref(),
            keys: &self.space.keys,
            db: self.db.read(),
            ignore: &self.settings.ignore,
            now: self.seams.clock.now(),
            grain_ns: self.grain_ns,
            noted,
        };
        let mut scanned = scanner.run(&places)?;
        self.rules = self
            .settings
            .ignore
            .remember(std::mem::take(&mut scanned.loaded));
        self.db.transaction(|tx| {
            scanned.fresh.iter().try_for_each(|row| tx.put_stat(row))?;
            let mut stale = scanned.stale.iter();
            stale.try_for_each(|key| tx.remove_stat(*key))?;
            let mut clean = scanned.clean.iter();
            clean.try_for_each(|(dir, print, n)| tx.put_clean(*dir, print, *n))
        })?;
        self.identify(scanned)
    }

    /// Directories whose rule file is about to go.
    fn leaving_rules(&self, look: &Look) -> Result<BTreeSet<RelPath>, DbError> {
        let db = self.db.read();
        let (base, remote) = (db.base(), db.remote());
        let local = Local {
            base: &base,
            seen: &look.seen.local,
            looked: &look.scanned.looked,
        };
        let mut leaving = BTreeSet::new();
        for id in db.ahead()? {
            let places = [base.node(id)?, local.node(id)?, remote.node(id)?];
            if let [Some(was), Some(is), Some(will)] = &places
                && is_leaving([&was.place, &is.place, &will.place])
            {
                leaving.extend(path_in(&local, id)?.and_then(|path| path.parent()));
            }
        }
        Ok(leaving)
    }

    /// Whether rules may be others when something changed at this path.
    fn may_hold_rules(&self, path: &RelPath) -> bool {
        let is_file = path
            .name()
            .is_some_and(|name| name.as_bytes() == RULE_FILE.as_bytes());
        is_file || self.rules.files.keys().any(|dir| dir.starts_with(path))
    }

    fn add_ahead(&self, places: &mut Places) -> Result<(), DbError> {
        let db = self.db.read();
        let ahead = db.ahead()?;
        if ahead.len() > AHEAD_LOOKS_MAX || (places.is_everything && db.totals()?.nodes == 0) {
            places.is_everything = true;
            return Ok(());
        }
        let (base, remote) = (db.base(), db.remote());
        for id in ahead {
            let next = remote.node(id)?;
            let is_leaving = base.node(id)?.is_some_and(|node| node.is_dir()) && next.is_none();
            let reach = if is_leaving {
                Reach::Below
            } else {
                Reach::Itself
            };
            let was = path_in(&base, id)?;
            let will = path_in(&remote, id)?;
            for path in was.into_iter().chain(will) {
                places.add(path, reach);
            }
        }
        Ok(())
    }

    fn identify(&self, scanned: Scanned) -> Result<Look, FolderError> {
        let db = self.db.read();
        let (mut base, mut keys) = (Tree::new(), BTreeMap::new());
        for &id in &scanned.looked {
            if let Some(row) = db.base().row(id)? {
                keys.extend(row.key.map(|key| (id, key)));
                base.insert(id, row.node);
            }
        }
        let random = self.space.random.as_ref();
        let mut new_id = || {
            let mut id = [0; NodeId::LEN];
            random.fill(&mut id);
            NodeId(id)
        };
        let mut remote_at = |place: &Place| remote_at(db, place);
        let seen = identify_part(&scanned.scan, &base, &keys, &mut remote_at, &mut new_id)?;
        Ok(Look {
            scanned,
            seen,
            held: BTreeSet::new(),
            base,
            keys,
        })
    }
}

/// Remote nodes at a place.
fn remote_at(db: Reader<'_>, place: &Place) -> Result<Vec<There>, DbError> {
    let mut there = Vec::new();
    for id in db.remote().namesakes(place)? {
        if let Some(node) = db.remote().node(id)? {
            there.push(There {
                node: id,
                content: node.content,
                is_new: db.base().node(id)?.is_none(),
            });
        }
    }
    Ok(there)
}
