//! Brings the bytes of remote versions: slot bodies, recipes, objects.
//!
//! [`crate::exec`] asks for them page by page. Invariant: bytes are handed on only after they opened in their own
//! context, and a whole file only when its content id fits. Memory: one page of objects.
//! Not here: deciding what to fetch, writing to the folder.

use std::collections::BTreeMap;
use std::io::{Read as _, Write};

use fst_crypto::batch::{self, OpenedOp};
use fst_crypto::ids::ContentHasher;
use fst_fs::vault::{StagedFile, VaultError};
use fst_proto::entry::Content;
use fst_proto::frame;
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::limits;
use fst_proto::log::{self, OpCode};
use fst_proto::recipe::{self, Body, Extent, PartRef};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Entry;

use crate::db::{DbError, Reader, RemoteRow, RevisionRow};
use crate::error::FolderError;
use crate::folder::Space;
use crate::remote::Remote;
use crate::scan::hash_zeros;
use crate::sealed;
use crate::versions;

/// Fetches contents of one space.
#[derive(Debug)]
pub struct Fetcher<'a> {
    space: &'a Space,
    remote: &'a dyn Remote,
    db: Reader<'a>,
    page: BTreeMap<ObjectId, Vec<u8>>,
    /// The page of the log fetched last, and the position of its first entry.
    entries: (u64, Vec<Entry>),
    now: Option<UnixMillis>,
}

/// Where plain bytes go.
pub trait Target {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`VaultError`] of the disk.
    fn data(&mut self, bytes: &[u8]) -> Result<(), VaultError>;

    /// Takes `len` zero bytes that no object holds.
    ///
    /// # Errors
    /// [`VaultError`] of the disk.
    fn hole(&mut self, len: u64) -> Result<(), VaultError>;
}

/// A file in the stage takes them.
#[derive(Debug)]
pub struct Staged<'a>(pub &'a mut dyn StagedFile);

impl Target for Staged<'_> {
    fn data(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.0.write_all(bytes).map_err(failed_write)
    }

    fn hole(&mut self, len: u64) -> Result<(), VaultError> {
        self.0.skip(len)
    }
}

/// Any writer takes them; holes become zeros.
#[derive(Debug)]
pub struct Flat<W>(pub W);

impl<W: Write> Target for Flat<W> {
    fn data(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.0.write_all(bytes).map_err(failed_write)
    }

    fn hole(&mut self, len: u64) -> Result<(), VaultError> {
        let copied = std::io::copy(&mut std::io::repeat(0).take(len), &mut self.0);
        copied.map(drop).map_err(failed_write)
    }
}

fn failed_write(source: std::io::Error) -> VaultError {
    VaultError::Io {
        op: "write staged file",
        source,
    }
}

impl<'a> Fetcher<'a> {
    /// A fetcher with an empty page.
    #[must_use]
    pub fn new(space: &'a Space, remote: &'a dyn Remote, db: Reader<'a>) -> Self {
        Self {
            space,
            remote,
            db,
            page: BTreeMap::new(),
            entries: (0, Vec::new()),
            now: None,
        }
    }

    /// Tells the time, so that what is not delivered can be told from what the server was free to give up.
    #[must_use]
    pub fn at(mut self, now: UnixMillis) -> Self {
        self.now = Some(now);
        self
    }

    /// Fetches the objects that these versions need into the page, as far as one page holds.
    ///
    /// # Errors
    /// [`FolderError`]; what is not fetched here is fetched one by one later.
    pub fn prefetch<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r RemoteRow>,
    ) -> Result<(), FolderError> {
        self.page.clear();
        let mut ids: Vec<ObjectId> = Vec::new();
        for row in rows {
            match &row.body {
                Body::Inline(extents) => ids.extend(extents.iter().filter_map(object_of)),
                Body::Parts { parts, .. } => ids.extend(parts.iter().map(|part| part.object)),
                Body::None | Body::Slot => {},
            }
        }
        ids.sort_unstable();
        ids.dedup();
        match self.load(&ids) {
            // A bad object concerns the files that need it, and they ask for it again; others go on.
            Err(FolderError::Sealed(_) | FolderError::NotDelivered(_)) => Ok(()),
            done => done,
        }
    }

    /// Writes the bytes of `row` into `file` and checks them against `content`.
    ///
    /// # Errors
    /// [`FolderError::Sealed`] when they do not open or do not fit; nothing is then used.
    pub fn write(
        &mut self,
        node: NodeId,
        row: &RemoteRow,
        content: &Content,
        file: &mut dyn StagedFile,
    ) -> Result<(), FolderError> {
        let slot = match &row.body {
            Body::Slot => Some(self.slot(node, row)?),
            Body::None | Body::Inline(_) | Body::Parts { .. } => None,
        };
        let mut staged = Staged(file);
        self.fill(&row.body, slot.as_deref(), content, &mut staged)
    }

    /// Writes the bytes of any revision that the verified log tells of into `target`: of a file its contents, of a
    /// link its text.
    ///
    /// Cost: one page of the log, unless the page fetched last holds the entry too: ask in the order of the log.
    /// # Errors
    /// [`FolderError::Pruned`] when the server does not keep it any more; [`FolderError::Sealed`] when what it
    /// gives is not what the log told. What was written is then to be thrown away.
    pub fn write_revision(
        &mut self,
        revision: &RevisionRow,
        target: &mut dyn Target,
    ) -> Result<(), FolderError> {
        let (node, content) = (revision.node, revision.state.content);
        let op = self.opened(node, revision.idx)?;
        if op.meta.content() != content {
            return Err(FolderError::Sealed(format!(
                "entry {} tells another content than before",
                revision.idx
            )));
        }
        let filled = self.fill(&op.meta.body, op.body.as_deref(), &content, target);
        match (filled, self.now) {
            (Err(FolderError::NotDelivered(_)), Some(now)) if self.is_over(revision, now)? => {
                Err(FolderError::Pruned)
            },
            (filled, _) => filled,
        }
    }

    fn is_over(&self, revision: &RevisionRow, now: UnixMillis) -> Result<bool, DbError> {
        let changed = self.db.retention()?;
        let rules = changed.unwrap_or_else(|| self.space.policy.retention());
        let keeping = versions::keeping(self.db, rules, revision)?;
        Ok(keeping.over_since(now).is_some())
    }

    fn fill(
        &mut self,
        body: &Body,
        slot: Option<&[u8]>,
        content: &Content,
        target: &mut dyn Target,
    ) -> Result<(), FolderError> {
        let mut sink = Sink {
            target,
            hasher: ContentHasher::new(&self.space.keys),
        };
        match body {
            Body::None => {},
            Body::Slot => sink.data(slot.unwrap_or_default())?,
            Body::Inline(extents) => self.extents(extents, &mut sink)?,
            Body::Parts { level, parts } => self.parts(*level, parts, &mut sink)?,
        }
        if sink.hasher.finish() == content.id {
            Ok(())
        } else {
            Err(FolderError::Sealed(
                "content differs from its id".to_owned(),
            ))
        }
    }

    /// Bytes of a body slot: kept since the pull, or asked for again.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn slot(&mut self, node: NodeId, row: &RemoteRow) -> Result<Vec<u8>, FolderError> {
        if let Some(bytes) = self.db.slot_body(node, row.node.rev)? {
            return Ok(bytes);
        }
        let body = self.opened(node, row.idx)?.body;
        body.ok_or_else(|| no_such_body(row.idx))
    }

    /// What a verified entry said about a node, from the server's copy of it.
    fn opened(&mut self, node: NodeId, idx: u64) -> Result<OpenedOp, FolderError> {
        let known = self.db.entry(idx)?;
        let known = known.ok_or(DbError::Damaged { what: "log entry" })?;
        let keys = &self.space.keys;
        let entry = self.entry(idx)?;
        if log::entry_hash(&entry.header, &entry.sig) != known.hash {
            return Err(no_such_body(idx));
        }
        let header = log::decode_header(&entry.header).map_err(|_| no_such_body(idx))?;
        let payload = entry.payload.as_deref().unwrap_or_default();
        let opened = batch::open_batch(keys, &header, payload)
            .map_err(|e| FolderError::Sealed(e.to_string()))?;
        let puts = header.ops.iter().filter(|op| op.code == OpCode::Put);
        let slot = puts.zip(opened).find(|(op, _)| op.node == node);
        slot.map(|(_, plain)| plain)
            .ok_or_else(|| no_such_body(idx))
    }

    /// One entry of the log, from the page fetched last or a new one.
    fn entry(&mut self, idx: u64) -> Result<&Entry, FolderError> {
        let is_in = |first: u64, n: usize| (first..first.saturating_add(n as u64)).contains(&idx);
        if !is_in(self.entries.0, self.entries.1.len()) {
            let page = self.remote.changes(self.space.id, idx)?;
            self.entries = (idx, page.entries);
        }
        let at = usize::try_from(idx - self.entries.0).unwrap_or(usize::MAX);
        self.entries.1.get(at).ok_or_else(|| no_such_body(idx))
    }

    fn extents(&mut self, extents: &[Extent], sink: &mut Sink<'_>) -> Result<(), FolderError> {
        for (i, extent) in extents.iter().enumerate() {
            match extent {
                Extent::Hole { len } => sink.hole(*len)?,
                Extent::Data {
                    object,
                    offset,
                    len,
                } => {
                    if !self.page.contains_key(object) {
                        self.load_run(&extents[i..])?;
                    }
                    let plain = self.page.get(object).ok_or_else(|| missing(*object))?;
                    let start = *offset as usize;
                    let range = start..start.saturating_add(*len as usize);
                    let bytes = plain.get(range).ok_or_else(|| {
                        FolderError::Sealed(format!("extent reaches beyond object {object}"))
                    })?;
                    sink.data(bytes)?;
                },
            }
        }
        Ok(())
    }

    fn parts(
        &mut self,
        level: u8,
        parts: &[PartRef],
        sink: &mut Sink<'_>,
    ) -> Result<(), FolderError> {
        if level > limits::PARTS_LEVEL_MAX {
            return Err(FolderError::Sealed("recipe is too deep".to_owned()));
        }
        for part in parts {
            let plain = self.recipe_part(part.object)?;
            let malformed = |e: recipe::BadRecipe| FolderError::Sealed(e.to_string());
            if level == 0 {
                let extents = recipe::decode_segment(&plain, part.len).map_err(malformed)?;
                self.extents(&extents, sink)?;
            } else {
                let inner = recipe::decode_parts(&plain, part.len).map_err(malformed)?;
                self.parts(level - 1, &inner, sink)?;
            }
        }
        Ok(())
    }

    fn recipe_part(&mut self, id: ObjectId) -> Result<Vec<u8>, FolderError> {
        let frame = self.remote.objects(self.space.id, &[id])?;
        let items = frame::parse(&frame).map_err(|_| missing(id))?;
        let item = items
            .iter()
            .find(|item| item.id == id)
            .ok_or_else(|| missing(id))?;
        sealed::open_recipe(self.space, id, item.envelope)
    }

    /// Loads the objects of the next extents, up to one page.
    fn load_run(&mut self, extents: &[Extent]) -> Result<(), FolderError> {
        self.page.clear();
        let mut ids: Vec<ObjectId> = Vec::new();
        let mut bytes = 0;
        for extent in extents {
            if let Some(object) = object_of(extent)
                && ids.last() != Some(&object)
            {
                ids.push(object);
            }
            bytes += if matches!(extent, Extent::Data { .. }) {
                extent.len()
            } else {
                0
            };
            if bytes >= limits::PAGE_BYTES_TARGET as u64 {
                break;
            }
        }
        self.load(&ids)
    }

    /// Asks for `ids` once; the server answers with the first of them that fit into a page.
    fn load(&mut self, ids: &[ObjectId]) -> Result<(), FolderError> {
        let wanted = &ids[..ids.len().min(limits::FRAME_OBJECTS_MAX)];
        if wanted.is_empty() {
            return Ok(());
        }
        let frame = self.remote.objects(self.space.id, wanted)?;
        let items = frame::parse(&frame)
            .map_err(|e| FolderError::Sealed(format!("answered frame: {e}")))?;
        for item in items {
            // An object nobody asked for is ignored: the server may not fill our memory.
            if wanted.contains(&item.id) {
                let plain = sealed::open_chunk(self.space, item.id, item.envelope)?;
                self.page.insert(item.id, plain);
            }
        }
        Ok(())
    }
}

fn object_of(extent: &Extent) -> Option<ObjectId> {
    match extent {
        Extent::Data { object, .. } => Some(*object),
        Extent::Hole { .. } => None,
    }
}

fn missing(id: ObjectId) -> FolderError {
    FolderError::NotDelivered(id)
}

fn no_such_body(idx: u64) -> FolderError {
    FolderError::Sealed(format!("entry {idx} has no such body"))
}

/// Where fetched bytes go, hashed on the way.
struct Sink<'a> {
    target: &'a mut dyn Target,
    hasher: ContentHasher,
}

impl Sink<'_> {
    fn data(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.hasher.update(bytes);
        Ok(self.target.data(bytes)?)
    }

    fn hole(&mut self, len: u64) -> Result<(), FolderError> {
        hash_zeros(&mut self.hasher, len);
        Ok(self.target.hole(len)?)
    }
}
