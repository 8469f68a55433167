//! Brings the bytes of remote versions: slot bodies, recipes, objects.
//!
//! [`crate::exec`] asks for them page by page. Invariant: bytes are handed on only after they opened in their own
//! context, and a whole file only when its content id fits. Bytes that the old version on the disk has are copied from
//! it and not fetched (module `own`); a file that its sender is still sending is written ahead (module `early`). Memory: the objects kept (module `cache`) and two pages of them, one on its way.
//! Not here: deciding what to fetch, writing to the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write};

use fst_crypto::batch::{self, OpenedOp};
use fst_fs::vault::{ReadFile, StagedFile, VaultError};
use fst_proto::entry::Content;
use fst_proto::frame;
use fst_proto::ids::{ContentId, NodeId, ObjectId};
use fst_proto::limits;
use fst_proto::log::{self, OpCode};
use fst_proto::recipe::{self, Body, Extent, PartRef};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Entry;

use crate::db::{DbError, Reader, RemoteRow, RevisionRow};
use crate::error::FolderError;
use crate::folder::Space;
use crate::remote::Remote;
use crate::sealed;
use crate::sketch::Sketch;
use crate::versions;

mod ahead;
mod cache;
mod early;
mod own;
mod sink;

use ahead::{Ahead, Line};
use cache::Cache;
pub use early::Early;
pub use own::{Own, READ_OLD};
use sink::{Sink, Sums};

/// Fetches contents of one space.
#[derive(Debug)]
pub struct Fetcher<'a> {
    space: &'a Space,
    remote: &'a dyn Remote,
    db: Reader<'a>,
    cache: Cache,
    /// Parts of recipes that were asked for together.
    recipes: BTreeMap<ObjectId, Vec<u8>>,
    /// The old version of the file that is being written.
    own: Option<Own>,
    /// What an earlier try left of it.
    draft: Option<Box<dyn ReadFile>>,
    sketches: Vec<(ContentId, Sketch)>,
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
            cache: Cache::default(),
            recipes: BTreeMap::new(),
            own: None,
            draft: None,
            sketches: Vec::new(),
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

    /// Fetches the objects that these versions need, as far as one page holds.
    ///
    /// # Errors
    /// [`FolderError`]; what is not fetched here is fetched one by one later.
    pub fn prefetch<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r RemoteRow>,
    ) -> Result<(), FolderError> {
        let mut ids: BTreeSet<ObjectId> = BTreeSet::new();
        for row in rows {
            // A file beyond one page is fetched in its own order.
            let is_small = size_of(&row.body) <= limits::PAGE_BYTES_TARGET as u64;
            if let (Body::Inline(extents), true) = (&row.body, is_small) {
                ids.extend(extents.iter().filter_map(Extent::object));
            }
        }
        let ids: Vec<ObjectId> = ids.into_iter().collect();
        match self.load(&ids) {
            // A bad object concerns the files that need it, and they ask for it again; others go on.
            Err(FolderError::Sealed(_) | FolderError::NotDelivered(_)) => Ok(()),
            done => done,
        }
    }

    /// Takes what an earlier try left of the next file to be written: objects that lie there are not fetched. Each is checked
    /// by its id, so nothing needs to be known of the draft.
    pub fn resume(&mut self, draft: Option<Box<dyn ReadFile>>) {
        self.draft = draft;
    }

    /// What is to be kept of the contents written since the last call.
    #[must_use]
    pub fn take_sketches(&mut self) -> Vec<(ContentId, Sketch)> {
        std::mem::take(&mut self.sketches)
    }

    /// Writes the bytes of `row` into `file` and checks them against `content`; what `own` has is copied from there.
    ///
    /// # Errors
    /// [`FolderError::Sealed`] when they do not open or do not fit; nothing is then used. With `own` it may be the
    /// reason: try again without it.
    pub fn write(
        &mut self,
        node: NodeId,
        row: &RemoteRow,
        content: &Content,
        file: &mut dyn StagedFile,
        own: Option<Own>,
    ) -> Result<(), FolderError> {
        self.own = own;
        let slot = match &row.body {
            Body::Slot => Some(self.slot(node, row)?),
            Body::None | Body::Inline(_) | Body::Parts { .. } => None,
        };
        let mut staged = Staged(file);
        let sink = Sink::new(&mut staged, Sums::keeping(self.space, size_of(&row.body)));
        let done = self.fill(&row.body, slot.as_deref(), content, sink);
        self.own = None;
        self.draft = None;
        done
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
        let body = op.body.as_deref();
        let size = size_of(&op.meta.body);
        let sink = Sink::new(target, Sums::new(self.space, size));
        let filled = self.fill(&op.meta.body, body, &content, sink);
        match (filled, self.now) {
            (Err(FolderError::NotDelivered(_)), Some(now)) if self.is_over(revision, now)? => {
                Err(FolderError::Pruned)
            },
            (filled, _) => filled,
        }
    }

    fn is_over(&self, revision: &RevisionRow, now: UnixMillis) -> Result<bool, DbError> {
        let rules = versions::rules(self.db, self.space)?;
        let keeping = versions::keeping(self.db, rules, revision)?;
        Ok(keeping.over_since(now).is_some())
    }

    fn fill(
        &mut self,
        body: &Body,
        slot: Option<&[u8]>,
        content: &Content,
        mut sink: Sink<'_>,
    ) -> Result<(), FolderError> {
        match body {
            Body::None => {},
            Body::Slot => sink.data(slot.unwrap_or_default())?,
            Body::Inline(extents) => self.extents(extents, &mut sink)?,
            Body::Parts { level, parts } => self.parts(*level, parts, &mut sink)?,
        }
        let (id, sketch) = sink.finish()?;
        if id != content.id {
            return Err(FolderError::Sealed(
                "content differs from its id".to_owned(),
            ));
        }
        self.sketches.extend(sketch.map(|sketch| (id, sketch)));
        Ok(())
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
        let extents = sink.take(extents)?;
        let line = Line {
            remote: self.remote,
            space: self.space.id,
        };
        std::thread::scope(|scope| {
            let mut ahead = Ahead::new(scope, line);
            for (i, extent) in extents.iter().enumerate() {
                self.first_of(&extents[i..], sink, &mut ahead)?;
                sink.note(*extent);
            }
            Ok(())
        })
    }

    /// Writes the first of `extents`.
    fn first_of(
        &mut self,
        extents: &[Extent],
        sink: &mut Sink<'_>,
        ahead: &mut Ahead<'_, '_>,
    ) -> Result<(), FolderError> {
        match extents.first() {
            None => Ok(()),
            Some(Extent::Hole { len }) => sink.hole(*len),
            Some(extent @ Extent::Data { object, .. }) => {
                let at = self.own.as_ref().and_then(|own| own.find(extent));
                let is_here = at.is_some() || self.cache.contains(object);
                if !is_here && !self.take_from_draft(extent, sink.at()) {
                    self.load_run(extents, ahead)?;
                }
                self.data(extent, at, sink)
            },
        }
    }

    /// Keeps the object of an extent when the draft has it at this place; whatever else lies there is fetched.
    fn take_from_draft(&mut self, extent: &Extent, at: u64) -> bool {
        let (
            Some(draft),
            Extent::Data {
                object,
                offset: 0,
                len,
            },
        ) = (&self.draft, extent)
        else {
            return false;
        };
        let mut bytes = vec![0; *len as usize];
        let is_object = own::read_exact_at(draft.as_ref(), at, &mut bytes)
            && sealed::chunk_id(self.space, &bytes) == *object;
        if is_object {
            self.cache.make_room(std::slice::from_ref(extent));
            self.cache.insert(*object, bytes);
        }
        is_object
    }

    /// Bytes of one extent: from place `at` of the old file, else from its object, which is loaded.
    fn data(
        &mut self,
        extent: &Extent,
        at: Option<u64>,
        sink: &mut Sink<'_>,
    ) -> Result<(), FolderError> {
        let Extent::Data {
            object,
            offset,
            len,
        } = extent
        else {
            return Ok(());
        };
        if let (Some(own), Some(at)) = (&mut self.own, at) {
            own.copy(at, *len, &mut |bytes| sink.data(bytes))?;
            if let Some(n) = own.len_of(object) {
                sink.note_object(*object, n);
            }
            return Ok(());
        }
        let plain = self.cache.get(object).ok_or_else(|| missing(*object))?;
        let start = *offset as usize;
        let bytes = plain.get(start..start.saturating_add(*len as usize));
        let beyond = || FolderError::Sealed(format!("extent reaches beyond object {object}"));
        sink.data(bytes.ok_or_else(beyond)?)?;
        let n = u32::try_from(plain.len()).unwrap_or(u32::MAX);
        sink.note_object(*object, n);
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
        for (i, part) in parts.iter().enumerate() {
            let segment = self.own.as_ref().and_then(|own| own.segment(part));
            if let Some(extents) = segment {
                self.extents(&extents, sink)?;
                continue;
            }
            let plain = self.recipe_part(&parts[i..])?;
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

    /// Plain bytes of the first of `parts`; those behind it come along as far as one page holds.
    fn recipe_part(&mut self, parts: &[PartRef]) -> Result<Vec<u8>, FolderError> {
        let Some(first) = parts.first().map(|part| part.object) else {
            return Err(FolderError::Sealed("recipe has no parts".to_owned()));
        };
        if let Some(plain) = self.recipes.remove(&first) {
            return Ok(plain);
        }
        self.recipes.clear();
        let is_own = |part: &&PartRef| self.own.as_ref().is_some_and(|own| own.has(part));
        let lacking = parts.iter().filter(|part| !is_own(part));
        let ids: Vec<ObjectId> = lacking
            .map(|part| part.object)
            .take(limits::PARTS_MAX)
            .collect();
        let frame = self.remote.objects(self.space.id, &ids)?;
        for item in frame::parse(&frame).map_err(|_| missing(first))? {
            if ids.contains(&item.id) {
                let plain = sealed::open_recipe(self.space, item.id, item.envelope)?;
                self.recipes.insert(item.id, plain);
            }
        }
        self.recipes.remove(&first).ok_or_else(|| missing(first))
    }

    /// Loads the objects of the next extents, up to one page, and begins to fetch the page after it.
    fn load_run(
        &mut self,
        extents: &[Extent],
        ahead: &mut Ahead<'_, '_>,
    ) -> Result<(), FolderError> {
        let page = ahead.page(self.next_page(extents))?;
        self.cache.make_room(extents);
        self.take_in(&page.asked, &page.frame)?;
        ahead.begin(self.next_page(extents));
        Ok(())
    }

    /// Objects of the next extents that are not here, up to one page.
    fn next_page(&self, extents: &[Extent]) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = Vec::new();
        let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
        let mut bytes = 0;
        for extent in extents {
            let is_own = self
                .own
                .as_ref()
                .is_some_and(|own| own.find(extent).is_some());
            let Some(object) = extent.object().filter(|_| !is_own) else {
                continue;
            };
            if self.cache.contains(&object) {
                continue;
            }
            if seen.insert(object) {
                ids.push(object);
            }
            bytes += extent.len();
            if bytes >= limits::PAGE_BYTES_TARGET as u64 || ids.len() == limits::FRAME_OBJECTS_MAX {
                break;
            }
        }
        ids
    }

    /// Asks for `ids` once; the server answers with the first of them that fit into a page.
    fn load(&mut self, ids: &[ObjectId]) -> Result<(), FolderError> {
        let wanted = &ids[..ids.len().min(limits::FRAME_OBJECTS_MAX)];
        if wanted.is_empty() {
            return Ok(());
        }
        self.cache.make_room(&[]);
        let frame = self.remote.objects(self.space.id, wanted)?;
        self.take_in(wanted, &frame)
    }

    /// Opens what was asked for and keeps it.
    fn take_in(&mut self, wanted: &[ObjectId], frame: &[u8]) -> Result<(), FolderError> {
        let items =
            frame::parse(frame).map_err(|e| FolderError::Sealed(format!("answered frame: {e}")))?;
        for item in items {
            // An object nobody asked for is ignored: the server may not fill our memory.
            // Small envelopes may hold large objects: what is too much at once is asked for again.
            if wanted.contains(&item.id) && !self.cache.is_full() {
                let plain = sealed::open_chunk(self.space, item.id, item.envelope)?;
                self.cache.insert(item.id, plain);
            }
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
fn malformed(error: recipe::BadRecipe) -> FolderError {
    FolderError::Sealed(error.to_string())
}

/// Bytes that a body stands for; its description was checked against it when the entry was.
fn size_of(body: &Body) -> u64 {
    match body {
        Body::None | Body::Slot => 0,
        Body::Inline(extents) => add_up(extents.iter().map(Extent::len)),
        Body::Parts { parts, .. } => add_up(parts.iter().map(|part| part.len)),
    }
}

/// Lengths come from whoever wrote the version: they may be anything.
fn add_up(lens: impl Iterator<Item = u64>) -> u64 {
    lens.fold(0, u64::saturating_add)
}

fn missing(id: ObjectId) -> FolderError {
    FolderError::NotDelivered(id)
}

fn no_such_body(idx: u64) -> FolderError {
    FolderError::Sealed(format!("entry {idx} has no such body"))
}
