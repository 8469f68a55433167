//! A folder in memory: strict about what it is asked to do.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::identify::{FileKey, Scan, Seen};
use fst_engine::plan::DiskStep;
use fst_proto::entry::{Content, Kind};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};

pub(crate) type Bytes = u32;

pub(crate) fn content_id(bytes: Bytes) -> ContentId {
    let mut id = [0; ContentId::LEN];
    id[..4].copy_from_slice(&bytes.to_be_bytes());
    ContentId(id)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) content: Content,
    pub(crate) mtime_ns: i64,
    pub(crate) key: FileKey,
}

/// A folder: entries by path, and what is staged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) entries: BTreeMap<RelPath, Entry>,
    pub(crate) staged: BTreeMap<NodeId, (RelPath, Vec<(RelPath, Entry)>)>,
    pub(crate) last_key: u64,
    /// Give a freed inode number to the next new entry, as many file systems do.
    pub(crate) reuses_keys: bool,
}

impl Disk {
    fn new_key(&mut self) -> FileKey {
        let staged = self
            .staged
            .values()
            .flat_map(|(_, entries)| entries.iter().map(|(_, e)| e));
        let used: BTreeSet<u64> = self
            .entries
            .values()
            .chain(staged)
            .map(|e| e.key.ino)
            .collect();
        let mut free = 1..;
        self.last_key += 1;
        let ino = match self.reuses_keys {
            true => free
                .find(|ino| !used.contains(ino))
                .expect("numbers do not end"),
            false => self.last_key,
        };
        FileKey { dev: 1, ino }
    }

    pub(crate) fn is_dir(&self, path: &RelPath) -> bool {
        path.is_root()
            || self
                .entries
                .get(path)
                .is_some_and(|e| e.content.kind == Kind::Dir)
    }

    fn assert_free(&self, path: &RelPath) {
        assert!(
            !self.entries.contains_key(path),
            "{path} is occupied: {:?}",
            self.show()
        );
        let parent = path.parent().expect("not the root");
        assert!(
            self.is_dir(&parent),
            "{path} has no directory: {:?}",
            self.show()
        );
    }

    pub(crate) fn add(&mut self, path: &RelPath, content: Content, mtime_ns: i64) {
        self.assert_free(path);
        let key = self.new_key();
        self.entries.insert(
            path.clone(),
            Entry {
                content,
                mtime_ns,
                key,
            },
        );
    }

    /// Takes an entry and all below it out, with paths relative to it.
    pub(crate) fn take(&mut self, path: &RelPath) -> Vec<(RelPath, Entry)> {
        let below: Vec<RelPath> = self
            .entries
            .range(path.clone()..)
            .map(|(p, _)| p.clone())
            .take_while(|p| p.starts_with(path))
            .collect();
        assert!(!below.is_empty(), "{path} is not there: {:?}", self.show());
        let depth = path.names().len();
        let relative = |p: &RelPath| join(&RelPath::root(), &p.names()[depth..]);
        below
            .iter()
            .map(|p| (relative(p), self.entries.remove(p).expect("listed")))
            .collect()
    }

    pub(crate) fn put(&mut self, path: &RelPath, entries: Vec<(RelPath, Entry)>) {
        self.assert_free(path);
        for (below, entry) in entries {
            self.entries.insert(join(path, below.names()), entry);
        }
    }

    pub(crate) fn rename(&mut self, from: &RelPath, to: &RelPath) {
        assert!(
            !to.starts_with(from),
            "{from} cannot go into itself at {to}"
        );
        let entries = self.take(from);
        self.put(to, entries);
    }

    pub(crate) fn remove_all(&mut self, path: &RelPath) -> Vec<Entry> {
        self.take(path)
            .into_iter()
            .map(|(_, entry)| entry)
            .collect()
    }

    /// What a start after a crash does: nothing stays in staging.
    pub(crate) fn recover(&mut self, steps: &[DiskStep]) {
        for (node, (from, entries)) in std::mem::take(&mut self.staged) {
            let to = steps.iter().find_map(|step| match step {
                DiskStep::Unstage { node: other, to } if *other == node => Some(to.clone()),
                _ => None,
            });
            let spare = RelPath::parse(&format!("~{}", node.to_hex())).expect("a name");
            let candidates = [Some(from), to, Some(spare)];
            let is_free = |path: &RelPath| {
                !self.entries.contains_key(path) && self.is_dir(&path.parent().expect("a name"))
            };
            let place = candidates
                .into_iter()
                .flatten()
                .find(is_free)
                .expect("the last is free");
            self.put(&place, entries);
        }
    }

    pub(crate) fn scan(&self) -> Scan {
        assert!(self.staged.is_empty(), "nothing stays in staging");
        let seen = |e: &Entry| {
            let size = u64::from(e.content.kind != Kind::Dir);
            Seen::Known {
                content: e.content,
                mtime_ns: e.mtime_ns,
                size,
                key: e.key,
            }
        };
        self.entries
            .iter()
            .map(|(path, entry)| (path.clone(), seen(entry)))
            .collect()
    }

    /// What users see: paths and contents.
    pub(crate) fn shape(&self) -> BTreeMap<RelPath, Content> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.clone(), entry.content))
            .collect()
    }

    pub(crate) fn show(&self) -> Vec<String> {
        self.entries
            .iter()
            .map(|(p, e)| format!("{p}:{}", bytes_of(e.content)))
            .collect()
    }
}

pub(crate) fn bytes_of(content: Content) -> Bytes {
    Bytes::from_be_bytes(content.id.0[..4].try_into().expect("four bytes"))
}

fn join(path: &RelPath, names: &[Name]) -> RelPath {
    names.iter().fold(path.clone(), |path, name| {
        path.child(name.clone()).expect("a good name")
    })
}
