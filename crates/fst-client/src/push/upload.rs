//! Cuts files into objects and sends those the server lacks, frame by frame.
//!
//! Invariant: at most one chunk buffer and one frame are in memory besides those on their way ([`super::lanes`]), whatever
//! the size of the file; the bytes sent have the content id that was planned, or nothing is committed. What has arrived
//! is noted, so that an upload that ended early goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use fst_chunk::cdc::Chunker;
use fst_chunk::delta::SignatureBuilder;
use fst_chunk::params::ChunkParams;
use fst_engine::rate;
use fst_fs::vault::{ReadFile, VaultError};
use fst_proto::entry::Content;
use fst_proto::ids::{ContentId, ObjectId};
use fst_proto::limits;
use fst_proto::recipe::{self, Body, Extent, PartRef};
use fst_proto::wire;

use super::lanes::{Lanes, Sent};
use super::packing::{Item, Packed, Packing};
use super::telling::Teller;
use super::{Stage, Stored, delta};
use crate::db::Db;
use crate::digest::Digest;
use crate::error::FolderError;
use crate::folder::Space;
use crate::scan::{Run, for_each_run};
use crate::sealed::{self, Sealer};
use crate::sketch::{SKETCH_EXTENTS_MAX, Sketch};

/// Files up to this size are one chunk: cutting them would cost more than it saves.
const ONE_CHUNK_MAX: u64 = 1 << 20;

/// Shortest hole kept as a hole; shorter ones are bytes like any others.
pub(super) const HOLE_MIN: u64 = 4096;

/// Sketches are written to the database when they take this many bytes in memory.
const SKETCHES_PENDING_MAX: usize = 8 << 20;

/// Parts that fit into a meta slot beside everything else.
const ROOT_PARTS_MAX: usize = 40;

/// Objects on their way to the server.
#[derive(Debug)]
pub(super) struct Uploader<'a> {
    space: &'a Space,
    lanes: &'a mut Lanes,
    /// Something else has come up.
    urgent: &'a AtomicBool,
    sealer: Sealer,
    frame: Packing,
    sent: BTreeSet<ObjectId>,
    sketches: Vec<(ContentId, Sketch)>,
    begun_ms: u64,
    /// When the first frame went out: what came before was sent in an earlier try, or did not take long.
    gaining_ms: Option<u64>,
    has_given_way: bool,
    /// Frames sent so far.
    n_frames: u64,
}

impl<'a> Uploader<'a> {
    pub(super) fn new(space: &'a Space, lanes: &'a mut Lanes, urgent: &'a AtomicBool) -> Self {
        lanes.forget_failures();
        Self {
            begun_ms: lanes.now_ms(),
            sealer: Sealer::new(space),
            space,
            lanes,
            urgent,
            frame: Packing::default(),
            sent: BTreeSet::new(),
            sketches: Vec::new(),
            gaining_ms: None,
            has_given_way: false,
            n_frames: 0,
        }
    }

    /// True when it stopped in the middle of a file for something more urgent.
    pub(super) fn has_given_way(&self) -> bool {
        self.has_given_way
    }

    /// Waits until all of `refs` that are on their way have arrived.
    ///
    /// # Errors
    /// [`FolderError::Remote`], [`FolderError::Db`].
    pub(super) fn settle(&mut self, refs: &BTreeSet<ObjectId>, db: &Db) -> Result<(), FolderError> {
        let settled = self.lanes.settle(refs);
        db.note_arrived(&self.lanes.take_arrived())?;
        settled
    }

    /// What is to be kept of the contents sent since the last call.
    pub(super) fn take_sketches(&mut self) -> Vec<(ContentId, Sketch)> {
        std::mem::take(&mut self.sketches)
    }

    /// True when the sketches should be taken before more is sent.
    pub(super) fn is_heavy(&self) -> bool {
        let weights = self.sketches.iter().map(|(_, sketch)| sketch.weight());
        weights.sum::<usize>() > SKETCHES_PENDING_MAX
    }

    /// The frame that is not sent yet, which travels with the commit.
    ///
    /// # Errors
    /// [`FolderError::Sealed`] when an object is too large.
    pub(super) fn take_frame(&mut self) -> Result<Packed, FolderError> {
        std::mem::take(&mut self.frame).pack(&self.sealer)
    }

    /// Forgets what was sent: the server refused the commit.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
    }

    pub(super) fn chunk(&mut self, stage: &Stage<'_>, raw: &[u8]) -> Result<ObjectId, FolderError> {
        let id = sealed::chunk_id(self.space, raw);
        if !self.has(stage, id)? {
            self.add(stage, id, Item::Chunk(raw.to_vec()))?;
        }
        Ok(id)
    }

    fn recipe_part(&mut self, stage: &Stage<'_>, raw: &[u8]) -> Result<ObjectId, FolderError> {
        let (id, envelope) = sealed::seal_recipe(self.space, raw)?;
        if !self.has(stage, id)? {
            self.add(stage, id, Item::Sealed(envelope))?;
        }
        Ok(id)
    }

    fn keep(&mut self, content: ContentId, sketch: Sketch) {
        if sketch.extents.len() <= SKETCH_EXTENTS_MAX {
            self.sketches.push((content, sketch));
        }
    }

    /// True when the server has the object, or will have it with this batch.
    pub(super) fn has(&self, stage: &Stage<'_>, id: ObjectId) -> Result<bool, FolderError> {
        let is_coming = self.sent.contains(&id) || self.lanes.has(id);
        Ok(is_coming || stage.db.read().knows_object(id)?)
    }

    fn add(&mut self, stage: &Stage<'_>, id: ObjectId, item: Item) -> Result<(), FolderError> {
        if !self.frame.has_room(&item, self.lanes.frame_bytes()) {
            self.send(stage)?;
        }
        self.frame.push(id, item);
        self.sent.insert(id);
        Ok(())
    }

    fn send(&mut self, stage: &Stage<'_>) -> Result<(), FolderError> {
        let frame = std::mem::take(&mut self.frame);
        let started = self.lanes.now_ms();
        let gaining = *self.gaining_ms.get_or_insert(started);
        let again_ms = gaining.saturating_sub(self.begun_ms);
        let (urgent, clock) = (self.urgent, self.lanes.clock());
        let gives_way = move || {
            let gained_ms = clock().saturating_sub(gaining);
            urgent.load(Ordering::Acquire) && rate::gives_way(again_ms, gained_ms)
        };
        let sent = self
            .lanes
            .send(self.space.id, (frame, &self.sealer), &gives_way);
        // Also what arrived before something failed is not sent again.
        stage.db.note_arrived(&self.lanes.take_arrived())?;
        let sent = sent?;
        self.n_frames += 1;
        if sent == Sent::GaveWay || gives_way() {
            self.has_given_way = true;
            return Err(VaultError::Changed { op: "give way" }.into());
        }
        Ok(())
    }
}

/// Reads a file of `size` bytes, sends what the server lacks, and says where its bytes are.
///
/// # Errors
/// [`VaultError::Changed`] when its bytes are not those of `content`.
pub(super) fn read_file(
    file: &mut dyn ReadFile,
    size: u64,
    content: &Content,
    uploader: &mut Uploader<'_>,
    stage: &Stage<'_>,
) -> Result<Stored, FolderError> {
    if size <= limits::INLINE_BODY_MAX as u64 {
        return read_small(file, size, content, stage);
    }
    if let Some(extents) = known(content, size, uploader, stage)? {
        return store(&extents, uploader, stage);
    }
    let base = stage
        .base
        .map(|base| stage.db.read().sketch(base))
        .transpose()?;
    if let Some(base) = base.flatten()
        && let Some(sketch) = delta::read_file(file, size, content, &base, uploader, stage)?
    {
        let stored = store(&sketch.extents, uploader, stage)?;
        uploader.keep(content.id, sketch);
        return Ok(stored);
    }
    read_whole(file, size, content, uploader, stage)
}

/// The recipe of a content that this device has had in hands before, if the server still has all of it.
fn known(
    content: &Content,
    size: u64,
    uploader: &Uploader<'_>,
    stage: &Stage<'_>,
) -> Result<Option<Vec<Extent>>, FolderError> {
    let Some(sketch) = stage.db.read().sketch(content.id)? else {
        return Ok(None);
    };
    for id in sketch.extents.iter().filter_map(Extent::object) {
        if !uploader.has(stage, id)? {
            return Ok(None);
        }
    }
    Ok((sketch.signature.content_len() == size).then_some(sketch.extents))
}

/// Cuts the whole file into chunks.
fn read_whole(
    file: &mut dyn ReadFile,
    size: u64,
    content: &Content,
    uploader: &mut Uploader<'_>,
    stage: &Stage<'_>,
) -> Result<Stored, FolderError> {
    let params = ChunkParams::from_policy(&stage.space.policy)
        .map_err(|e| FolderError::Sealed(e.to_string()))?;
    let mut cutter = Cutter::new(params, size, uploader, stage);
    let mut trouble = None;
    let read = for_each_run(file, size, &mut |run| {
        cutter.feed(&run).map_err(|error| {
            trouble = Some(error);
            VaultError::Changed { op: "send file" }
        })
    });
    if let Some(error) = trouble {
        return Err(error);
    }
    read?;
    let (extents, read, signature) = cutter.finish()?;
    if read != content.id {
        return Err(VaultError::Changed { op: "read file" }.into());
    }
    let stored = store(&extents, uploader, stage)?;
    if let Some(signature) = signature {
        let sketch = Sketch {
            signature: signature.finish(),
            lens: lens_of_whole(&extents),
            extents,
        };
        uploader.keep(content.id, sketch);
    }
    Ok(stored)
}

/// Lengths of objects that are all used whole.
fn lens_of_whole(extents: &[Extent]) -> BTreeMap<ObjectId, u32> {
    let data = extents.iter().filter_map(|extent| match extent {
        Extent::Data { object, len, .. } => Some((*object, *len)),
        Extent::Hole { .. } => None,
    });
    data.collect()
}

fn read_small(
    file: &mut dyn ReadFile,
    size: u64,
    content: &Content,
    stage: &Stage<'_>,
) -> Result<Stored, FolderError> {
    let mut bytes = Vec::new();
    for_each_run(file, size, &mut |run| {
        match run {
            Run::Data(data) => bytes.extend_from_slice(data),
            // Small by the caller's check.
            Run::Hole(len) => bytes.resize(bytes.len() + usize::try_from(len).unwrap_or(0), 0),
        }
        Ok(())
    })?;
    if crate::scan::content_of(&stage.space.keys, &bytes) == content.id {
        Ok(Stored::slot(bytes))
    } else {
        Err(VaultError::Changed { op: "read file" }.into())
    }
}

/// A file that was cut: its extents, and what its bytes hash to.
type Cut = (Vec<Extent>, ContentId, Option<SignatureBuilder>);

struct Cutter<'a, 'u, 's> {
    chunker: Chunker,
    is_one_chunk: bool,
    buffer: Vec<u8>,
    extents: Vec<Extent>,
    digest: Digest,
    uploader: &'a mut Uploader<'u>,
    stage: &'a Stage<'s>,
    teller: Option<Teller<'s>>,
    /// Frames when something was told last.
    n_told: u64,
}

impl<'a, 'u, 's> Cutter<'a, 'u, 's> {
    fn new(
        params: ChunkParams,
        size: u64,
        uploader: &'a mut Uploader<'u>,
        stage: &'a Stage<'s>,
    ) -> Self {
        let space = stage.space;
        let key = fst_crypto::random::bytes(space.random.as_ref());
        Self {
            digest: Digest::new(&space.keys, SignatureBuilder::new(key, size), size),
            chunker: Chunker::new(params, space.keys.cdc().expose_secret()),
            is_one_chunk: size <= ONE_CHUNK_MAX,
            buffer: Vec::new(),
            extents: Vec::new(),
            teller: Teller::new(stage, size),
            n_told: uploader.n_frames,
            uploader,
            stage,
        }
    }

    fn feed(&mut self, run: &Run<'_>) -> Result<(), FolderError> {
        match run {
            Run::Data(bytes) => self.data(bytes),
            Run::Hole(len) if *len >= HOLE_MIN => {
                self.digest.update_zeros(*len);
                self.flush()?;
                self.extents.push(Extent::Hole { len: *len });
                Ok(())
            },
            Run::Hole(len) => self.data(&vec![0; usize::try_from(*len).unwrap_or(0)]),
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.digest.update(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.is_one_chunk {
            return Ok(());
        }
        while let Some(cut) = self.chunker.next_cut(&self.buffer, false) {
            self.cut(cut)?;
        }
        Ok(())
    }

    /// Sends what is buffered: the end of the file, or of a stretch before a hole.
    fn flush(&mut self) -> Result<(), FolderError> {
        if self.is_one_chunk && !self.buffer.is_empty() {
            self.cut(self.buffer.len())?;
        }
        while !self.buffer.is_empty() {
            let cut = self
                .chunker
                .next_cut(&self.buffer, true)
                .unwrap_or(self.buffer.len());
            self.cut(cut)?;
        }
        Ok(())
    }

    fn cut(&mut self, len: usize) -> Result<(), FolderError> {
        let object = self.uploader.chunk(self.stage, &self.buffer[..len])?;
        let too_long = |_| FolderError::Sealed("chunk is too long".to_owned());
        let len32 = u32::try_from(len).map_err(too_long)?;
        self.extents.push(Extent::Data {
            object,
            offset: 0,
            len: len32,
        });
        self.buffer.drain(..len);
        self.tell()
    }

    /// Lets others know what has arrived, once for each frame.
    fn tell(&mut self) -> Result<(), FolderError> {
        if let Some(teller) = &mut self.teller
            && self.n_told != self.uploader.n_frames
        {
            self.n_told = self.uploader.n_frames;
            if !teller.tell(self.stage, &self.extents)? {
                self.teller = None;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Cut, FolderError> {
        self.flush()?;
        let (content, signature) = self.digest.finish();
        Ok((self.extents, content, signature))
    }
}

/// Writes the recipe: into the meta slot when it is small, else as a tree of objects.
fn store(
    extents: &[Extent],
    uploader: &mut Uploader<'_>,
    stage: &Stage<'_>,
) -> Result<Stored, FolderError> {
    let mut refs: BTreeSet<ObjectId> = extents.iter().filter_map(Extent::object).collect();
    if wire::to_cbor(&extents).len() <= limits::INLINE_RECIPE_MAX {
        let body = Body::Inline(extents.to_vec());
        return Ok(Stored {
            body,
            slot: None,
            refs: refs.into_iter().collect(),
        });
    }
    let mut parts = Vec::new();
    for segment in recipe::segments(extents) {
        let object = uploader.recipe_part(stage, &recipe::encode_segment(segment))?;
        refs.insert(object);
        parts.push(PartRef {
            object,
            len: segment.iter().map(Extent::len).sum(),
        });
    }
    let mut level = 0;
    while parts.len() > ROOT_PARTS_MAX {
        let mut above = Vec::new();
        for group in parts.chunks(limits::PARTS_MAX) {
            let object = uploader.recipe_part(stage, &recipe::encode_parts(group))?;
            refs.insert(object);
            above.push(PartRef {
                object,
                len: group.iter().map(|part| part.len).sum(),
            });
        }
        parts = above;
        level += 1;
    }
    let body = Body::Parts { level, parts };
    Ok(Stored {
        body,
        slot: None,
        refs: refs.into_iter().collect(),
    })
}
