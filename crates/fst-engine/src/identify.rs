//! Gives what a scan found the node ids it had before.
//!
//! `fst-client` calls it after each scan; the local tree goes to [`crate::reconcile`]. Invariant: every `Known`
//! entry gets exactly one id and no id is given twice; a base node that is not in the result was deleted by
//! the user. Not here: reading the disk, hashing, comparing with the remote tree beyond adoption.
//! Source: docs/design/sync-semantics.md, rows S-160 to S-176.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

use fst_proto::entry::{Content, Kind, Place, ROOT};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};

use crate::naming::original_of;
use crate::tree::{Node, Tree};

/// Identity of an entry in its file system: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileKey {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// What a scan saw at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// An entry that can be synced.
    Known {
        /// Kind, bytes and executable bit.
        content: Content,
        /// Modification time.
        mtime_ns: i64,
        /// Size in bytes.
        size: u64,
        /// Identity in the file system.
        key: FileKey,
    },
    /// Something exists but is not synced: unreadable, special, too large, a bad name.
    Problem,
    /// A rule says that it is not synced.
    Ignored {
        /// Kind; `None` for what is neither file, directory nor link.
        kind: Option<Kind>,
        /// Modification time.
        mtime_ns: i64,
        /// Size in bytes.
        size: u64,
        /// Identity in the file system.
        key: FileKey,
    },
}

/// All paths of a folder, directories included, parents before their children.
pub type Scan = BTreeMap<RelPath, Seen>;

/// A scan with node ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identified {
    /// The local tree.
    pub local: Tree,
    /// Nodes that exist but could not be seen; they have their base state in `local`.
    pub frozen: BTreeSet<NodeId>,
    /// Names that something unknown to us occupies, by parent node.
    pub blocked: BTreeSet<(NodeId, Name)>,
    /// Nodes that a rule keeps from being synced here: frozen ones, and with [`crate::ignore::hide`] others that are
    /// not on the disk.
    pub ignored: BTreeSet<NodeId>,
    /// Base nodes that are ignored and gone on one side: base forgets them, so that nothing is deleted when the rule
    /// goes ([`crate::ignore::hide`]).
    pub forget: BTreeSet<NodeId>,
    /// What `base_keys` is to be from now on. Store it before any step runs: a crash may leave a node under another
    /// name, and an object that is one node now must not be taken for the one it was before.
    pub keys: BTreeMap<NodeId, FileKey>,
}

/// Returns the local tree that `scan` shows, with the ids of `base` where an entry is the same node.
///
/// An entry is, in this order: the base node with its key and content that remote has moved to this place; the base node
/// with its parent, name and kind; the remote node unknown to base with its
/// parent, name and kind (and bytes, for a leaf); the vanished base node with its key and kind; the vanished base
/// file with its content, if there is one on each side; a new node with an id from `new_id`.
/// Cost: O(n log n).
pub fn identify(
    scan: &Scan,
    base: &Tree,
    base_keys: &BTreeMap<NodeId, FileKey>,
    remote: &Tree,
    new_id: &mut dyn FnMut() -> NodeId,
) -> Identified {
    let mut remote_at = |place: &Place| {
        let there = remote.namesakes(place.parent, &place.name).iter();
        let there = there.filter_map(|id| {
            Some(There {
                node: *id,
                content: remote.get(*id)?.content,
                is_new: !base.contains(*id),
            })
        });
        Ok::<_, Infallible>(there.collect())
    };
    match identify_part(scan, base, base_keys, &mut remote_at, new_id) {
        Ok(identified) => identified,
        Err(never) => match never {},
    }
}

/// A remote node at a place that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct There {
    /// The node.
    pub node: NodeId,
    /// What it holds there.
    pub content: Content,
    /// The whole of base does not have it.
    pub is_new: bool,
}

/// Returns the remote nodes at a place.
pub type RemoteAt<'a, E> = dyn FnMut(&Place) -> Result<Vec<There>, E> + 'a;

/// As [`identify()`] for a part of a folder: the entries and base nodes that [`crate::survey`] did not find to be the
/// same, with all directories above them.
///
/// # Errors
/// Those of `remote_at`.
pub fn identify_part<E>(
    scan: &Scan,
    base: &Tree,
    base_keys: &BTreeMap<NodeId, FileKey>,
    remote_at: &mut RemoteAt<'_, E>,
    new_id: &mut dyn FnMut() -> NodeId,
) -> Result<Identified, E> {
    let mut matcher = Matcher::new(scan, base, base_keys, remote_at);
    matcher.match_below(None)?;
    matcher.match_by_key()?;
    matcher.match_by_content();
    matcher.match_ignored();
    Ok(matcher.into_tree(new_id))
}

/// One scanned path.
struct Entry<'a> {
    name: &'a Name,
    seen: &'a Seen,
    /// Index of the directory that holds it; `None` for the root.
    parent: Option<usize>,
    /// Indices of what it holds.
    children: Vec<usize>,
    node: Option<NodeId>,
}

impl Entry<'_> {
    fn kind(&self) -> Option<Kind> {
        match self.seen {
            Seen::Known { content, .. } => Some(content.kind),
            Seen::Problem | Seen::Ignored { .. } => None,
        }
    }

    /// Content of a file worth recognising by its bytes. Many unrelated files are empty; and what is called like a
    /// conflict copy may be one that we wrote before a crash, not a file that moved.
    fn telling_content(&self) -> Option<ContentId> {
        match self.seen {
            Seen::Known { content, size, .. }
                if content.kind == Kind::File && *size > 0 && original_of(self.name).is_none() =>
            {
                Some(content.id)
            },
            Seen::Known { .. } | Seen::Problem | Seen::Ignored { .. } => None,
        }
    }
}

/// The remote node that another device made at the same place with the same content, or that we wrote before a crash.
fn adoptable(entry: &Entry<'_>, there: &[There]) -> Option<NodeId> {
    let Seen::Known { content, .. } = entry.seen else {
        return None;
    };
    let new = there
        .iter()
        .filter(|at| at.is_new && is_same(&at.content, content));
    new.map(|at| at.node).min()
}

/// The same bytes of the same kind.
fn is_same(one: &Content, other: &Content) -> bool {
    (one.kind, one.id) == (other.kind, other.id)
}

struct Matcher<'a, E> {
    scan: &'a Scan,
    base: &'a Tree,
    base_keys: &'a BTreeMap<NodeId, FileKey>,
    remote_at: &'a mut RemoteAt<'a, E>,
    /// Parents before children.
    entries: Vec<Entry<'a>>,
    top: Vec<usize>,
    /// Base nodes that are accounted for.
    found: BTreeSet<NodeId>,
    frozen: BTreeSet<NodeId>,
    ignored: BTreeSet<NodeId>,
    /// Entries that turned out to be a frozen node.
    hidden: BTreeSet<usize>,
    /// Paths of what is there and not looked into.
    unseen: BTreeSet<&'a RelPath>,
}

impl<'a, E> Matcher<'a, E> {
    fn new(
        scan: &'a Scan,
        base: &'a Tree,
        base_keys: &'a BTreeMap<NodeId, FileKey>,
        remote_at: &'a mut RemoteAt<'a, E>,
    ) -> Self {
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(scan.len());
        let mut top = Vec::new();
        let mut above: Vec<(&RelPath, usize)> = Vec::new();
        for (path, seen) in scan {
            let Some(name) = path.name() else { continue };
            while above.last().is_some_and(|(dir, _)| !path.starts_with(dir)) {
                above.pop();
            }
            let parent = above.last().map(|&(_, index)| index);
            if above.len() + 1 != path.names().len() {
                // What holds it is not a readable directory: that entry speaks for all below it.
                continue;
            }
            let index = entries.len();
            match parent {
                Some(parent) => entries[parent].children.push(index),
                None => top.push(index),
            }
            let entry = Entry {
                name,
                seen,
                parent,
                children: Vec::new(),
                node: None,
            };
            if entry.kind() == Some(Kind::Dir) {
                above.push((path, index));
            }
            entries.push(entry);
        }
        let (found, frozen, hidden) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let ignored = BTreeSet::new();
        let is_unseen = |seen: &Seen| matches!(seen, Seen::Problem | Seen::Ignored { .. });
        let unseen = scan.iter().filter(|(_, seen)| is_unseen(seen));
        Self {
            scan,
            unseen: unseen.map(|(path, _)| path).collect(),
            base,
            base_keys,
            remote_at,
            entries,
            top,
            found,
            frozen,
            ignored,
            hidden,
        }
    }

    /// Matches by parent and name everything below a matched directory.
    fn match_below(&mut self, dir: Option<usize>) -> Result<(), E> {
        let mut open = vec![dir];
        while let Some(dir) = open.pop() {
            let (parent, children) = match dir {
                None => (ROOT, self.top.clone()),
                Some(index) => match self.entries[index].node {
                    Some(node) => (node, self.entries[index].children.clone()),
                    None => continue,
                },
            };
            for child in children {
                if self.match_by_name(parent, child)? {
                    open.push(Some(child));
                }
            }
        }
        Ok(())
    }

    fn match_by_name(&mut self, parent: NodeId, index: usize) -> Result<bool, E> {
        let entry = &self.entries[index];
        let there = match entry.seen {
            Seen::Known { .. } => (self.remote_at)(&Place {
                parent,
                name: entry.name.clone(),
            })?,
            Seen::Problem | Seen::Ignored { .. } => Vec::new(),
        };
        let id = self
            .moved_here(parent, entry, &there)
            .or_else(|| self.namesake(parent, entry))
            .or_else(|| adoptable(entry, &there));
        let kind = self.entries[index].kind();
        match (id, kind) {
            (None, _) => return Ok(false),
            (Some(id), None) => self.freeze(index, id),
            (Some(id), Some(_)) => self.assign(index, id),
        }
        Ok(kind == Some(Kind::Dir))
    }

    /// The base node with this parent, the name and the kind of an entry. Between two steps of a plan base may have
    /// two: then the one with its key.
    fn namesake(&self, parent: NodeId, entry: &Entry<'_>) -> Option<NodeId> {
        let may_be = |id: &NodeId| {
            let node = self.base.get(*id).filter(|_| !self.found.contains(id));
            let is_kind = |kind| node.is_some_and(|node| node.content.kind == kind);
            entry.kind().map_or(node.is_some(), is_kind)
        };
        let key = |id: &NodeId| match entry.seen {
            Seen::Known { key, .. } => self.base_keys.get(id) == Some(key),
            Seen::Problem | Seen::Ignored { .. } => false,
        };
        let namesakes = self
            .base
            .namesakes(parent, entry.name)
            .iter()
            .copied()
            .filter(may_be);
        namesakes.min_by_key(|id| (!key(id), *id))
    }

    /// The base node that remote has moved to this place, if its object with its content lies there: we moved it before a
    /// crash, or the user did the same.
    fn moved_here(&self, parent: NodeId, entry: &Entry<'_>, there: &[There]) -> Option<NodeId> {
        let Seen::Known { key, content, .. } = entry.seen else {
            return None;
        };
        let is_it = |at: &&There| {
            let base = self
                .base
                .get(at.node)
                .filter(|_| !self.found.contains(&at.node));
            base.is_some_and(|base| {
                let has_moved = (base.place.parent, &base.place.name) != (parent, entry.name);
                let is_whole = [base.content, at.content]
                    .iter()
                    .any(|it| is_same(it, content));
                let is_it = self.base_keys.get(&at.node) == Some(key);
                has_moved && is_whole && is_it && !self.is_out_of_sight(at.node)
            })
        };
        there.iter().find(is_it).map(|at| at.node)
    }

    /// True for a node below what cannot be seen: all of that stays as it is in base.
    fn is_out_of_sight(&self, id: NodeId) -> bool {
        let mut above = self.base.path(id);
        while let Some(path) = above {
            if self.unseen.contains(&path) {
                return true;
            }
            above = path.parent();
        }
        false
    }

    fn assign(&mut self, index: usize, id: NodeId) {
        self.entries[index].node = Some(id);
        self.found.insert(id);
    }

    fn freeze(&mut self, index: usize, top: NodeId) {
        self.hidden.insert(index);
        let is_ignored = matches!(self.entries[index].seen, Seen::Ignored { .. });
        let mut open = vec![top];
        while let Some(id) = open.pop() {
            if self.found.insert(id) {
                self.frozen.insert(id);
                if is_ignored {
                    self.ignored.insert(id);
                }
                open.extend(self.base.children(id).map(|(_, child)| child));
            }
        }
    }

    /// A vanished node that an ignored entry still holds, by its inode: the user moved it to where it is not synced.
    fn match_ignored(&mut self) {
        // Of what is not looked into, a scan may still show entries that could be such a node.
        let keys: BTreeMap<FileKey, (Option<Kind>, i64, u64)> = self
            .scan
            .values()
            .filter_map(|seen| match *seen {
                Seen::Ignored {
                    kind,
                    mtime_ns,
                    size,
                    key,
                } => Some((key, (kind, mtime_ns, size))),
                Seen::Known { .. } | Seen::Problem => None,
            })
            .collect();
        if keys.is_empty() {
            return;
        }
        for id in self.missing_by_depth() {
            let Some((key, node)) = self.base_keys.get(&id).zip(self.base.get(id)) else {
                continue;
            };
            // File systems reuse inodes; a file that was only moved keeps its time and size.
            let is_it = keys.get(key).is_some_and(|&(kind, mtime_ns, size)| {
                kind == Some(node.content.kind)
                    && (node.is_dir() || (mtime_ns, size) == (node.mtime_ns, node.size))
            });
            if is_it {
                self.ignored.insert(id);
            }
        }
        let mut open: Vec<NodeId> = self.ignored.iter().copied().collect();
        while let Some(id) = open.pop() {
            let below = self.base.children(id).map(|(_, child)| child);
            let gone: Vec<NodeId> = below.filter(|id| !self.found.contains(id)).collect();
            open.extend(gone.into_iter().filter(|id| self.ignored.insert(*id)));
        }
    }

    /// Matches vanished base nodes by inode, upper directories first: where a directory went
    /// decides where its children are looked for.
    fn match_by_key(&mut self) -> Result<(), E> {
        let mut open_entries: BTreeMap<(FileKey, Kind), Vec<usize>> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            match entry.seen {
                Seen::Known { content, key, .. } if entry.node.is_none() => {
                    open_entries
                        .entry((*key, content.kind))
                        .or_default()
                        .push(index);
                },
                Seen::Known { .. } | Seen::Problem | Seen::Ignored { .. } => {},
            }
        }
        if open_entries.is_empty() {
            return Ok(());
        }
        for id in self.missing_by_depth() {
            let Some((&key, node)) = self.base_keys.get(&id).zip(self.base.get(id)) else {
                continue;
            };
            if self.found.contains(&id) {
                continue;
            }
            let may_be = |index: &usize| self.entries[*index].node.is_none();
            let same_key = open_entries
                .get(&(key, node.content.kind))
                .into_iter()
                .flatten();
            if let Some(index) = same_key.copied().find(may_be) {
                self.assign(index, id);
                self.match_below(Some(index))?;
            }
        }
        Ok(())
    }

    /// Base nodes not accounted for, upper ones first, then by name. Between two steps of a plan base may not be a
    /// tree: what does not hang below the root comes last.
    fn missing_by_depth(&self) -> Vec<NodeId> {
        let mut reached = Vec::with_capacity(self.base.len());
        let mut open = VecDeque::from([ROOT]);
        while let Some(dir) = open.pop_front() {
            let children = self.base.children(dir).map(|(_, id)| id);
            open.extend(children.clone().filter(|id| self.base.is_dir(*id)));
            reached.extend(children);
        }
        if reached.len() < self.base.len() {
            let in_tree: BTreeSet<NodeId> = reached.iter().copied().collect();
            let all = self.base.iter().map(|(id, _)| id);
            reached.extend(all.filter(|id| !in_tree.contains(id)));
        }
        reached.retain(|id| !self.found.contains(id));
        reached
    }

    /// Matches a vanished base file with a new one of the same bytes, when neither has a double.
    fn match_by_content(&mut self) {
        let mut new: BTreeMap<ContentId, Vec<usize>> = BTreeMap::new();
        for (index, entry) in self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.node.is_none())
        {
            if let Some(content) = entry.telling_content() {
                new.entry(content).or_default().push(index);
            }
        }
        if new.is_empty() {
            return;
        }
        let mut gone: BTreeMap<ContentId, Vec<NodeId>> = BTreeMap::new();
        for (id, node) in self.base.iter().filter(|(id, _)| !self.found.contains(id)) {
            if node.content.kind == Kind::File {
                gone.entry(node.content.id).or_default().push(id);
            }
        }
        for (content, indices) in new {
            if let ([index], Some([id])) = (&indices[..], gone.get(&content).map(Vec::as_slice)) {
                self.assign(*index, *id);
            }
        }
    }

    /// Gives every entry left an id, parents first, and builds the tree.
    fn into_tree(mut self, new_id: &mut dyn FnMut() -> NodeId) -> Identified {
        let mut out = Identified::default();
        for &id in &self.frozen {
            if let Some(node) = self.base.get(id) {
                out.local.insert(
                    id,
                    Node {
                        rev: 0,
                        ..node.clone()
                    },
                );
            }
        }
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let parent = entry
                .parent
                .map_or(Some(ROOT), |dir| self.entries[dir].node);
            let Some(parent) = parent else { continue };
            let place = Place {
                parent,
                name: entry.name.clone(),
            };
            let &Seen::Known {
                content,
                mtime_ns,
                size,
                key,
            } = entry.seen
            else {
                if !self.hidden.contains(&index) {
                    out.blocked.insert((parent, place.name));
                }
                continue;
            };
            let id = entry.node.unwrap_or_else(&mut *new_id);
            self.assign(index, id);
            if self.base.contains(id) {
                out.keys.insert(id, key);
            }
            out.local.insert(
                id,
                Node {
                    place,
                    content,
                    mtime_ns,
                    size,
                    rev: 0,
                },
            );
        }
        let seen: BTreeSet<FileKey> = out.keys.values().copied().collect();
        let is_kept = |(id, key): &(&NodeId, &FileKey)| {
            self.base.contains(**id) && !out.keys.contains_key(id) && !seen.contains(key)
        };
        let kept: Vec<_> = self
            .base_keys
            .iter()
            .filter(is_kept)
            .map(|(&id, &k)| (id, k))
            .collect();
        out.keys.extend(kept);
        out.frozen = self.frozen;
        out.ignored = self.ignored;
        out
    }
}
