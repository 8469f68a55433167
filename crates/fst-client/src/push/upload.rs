//! Cuts files into objects and sends those the server lacks, frame by frame.
//!
//! Invariant: at most one chunk buffer and one frame are in memory, whatever the size of the file; the bytes
//! sent have the content id that was planned, or nothing is committed.

use std::collections::BTreeSet;

use fst_chunk::cdc::Chunker;
use fst_chunk::params::ChunkParams;
use fst_crypto::ids::ContentHasher;
use fst_fs::vault::{ReadFile, VaultError};
use fst_proto::entry::Content;
use fst_proto::frame;
use fst_proto::ids::ObjectId;
use fst_proto::limits;
use fst_proto::recipe::{self, Body, Extent, PartRef};
use fst_proto::wire;

use super::{Stage, Stored};
use crate::error::FolderError;
use crate::folder::Space;
use crate::scan::{Run, for_each_run, hash_zeros};
use crate::sealed;

/// Files up to this size are one chunk: cutting them would cost more than it saves.
const ONE_CHUNK_MAX: u64 = 1 << 20;

/// Shortest hole kept as a hole; shorter ones are bytes like any others.
const HOLE_MIN: u64 = 4096;

/// Parts that fit into a meta slot beside everything else.
const ROOT_PARTS_MAX: usize = 40;

/// Objects on their way to the server.
#[derive(Debug)]
pub(super) struct Uploader<'a> {
    space: &'a Space,
    frame: Vec<u8>,
    n_objects: usize,
    sent: BTreeSet<ObjectId>,
}

impl<'a> Uploader<'a> {
    pub(super) fn new(space: &'a Space) -> Self {
        Self {
            space,
            frame: Vec::new(),
            n_objects: 0,
            sent: BTreeSet::new(),
        }
    }

    /// The frame that is not sent yet; it travels with the commit.
    pub(super) fn take_frame(&mut self) -> Vec<u8> {
        self.n_objects = 0;
        std::mem::take(&mut self.frame)
    }

    /// Forgets what was sent: the server refused the commit.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
    }

    fn chunk(&mut self, stage: &Stage<'_>, raw: &[u8]) -> Result<ObjectId, FolderError> {
        let id = sealed::chunk_id(self.space, raw);
        if self.is_needed(stage, id)? {
            let envelope = sealed::seal_chunk(self.space, id, raw)?;
            self.add(stage, id, &envelope)?;
        }
        Ok(id)
    }

    fn recipe_part(&mut self, stage: &Stage<'_>, raw: &[u8]) -> Result<ObjectId, FolderError> {
        let (id, envelope) = sealed::seal_recipe(self.space, raw)?;
        if self.is_needed(stage, id)? {
            self.add(stage, id, &envelope)?;
        }
        Ok(id)
    }

    fn is_needed(&mut self, stage: &Stage<'_>, id: ObjectId) -> Result<bool, FolderError> {
        Ok(!self.sent.contains(&id) && !stage.db.knows_object(id)?)
    }

    fn add(&mut self, stage: &Stage<'_>, id: ObjectId, envelope: &[u8]) -> Result<(), FolderError> {
        let is_full = self.n_objects == limits::FRAME_OBJECTS_MAX
            || self.frame.len() + envelope.len() > limits::FRAME_BYTES_TARGET;
        if is_full && !self.frame.is_empty() {
            let frame = self.take_frame();
            stage.remote.upload(self.space.id, frame)?;
        }
        let pushed = frame::push(&mut self.frame, id, envelope);
        pushed.map_err(|e| FolderError::Sealed(e.to_string()))?;
        self.n_objects += 1;
        self.sent.insert(id);
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
    let (extents, hasher) = cutter.finish()?;
    if hasher.finish() != content.id {
        return Err(VaultError::Changed { op: "read file" }.into());
    }
    store(&extents, uploader, stage)
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

struct Cutter<'a, 'u, 's> {
    chunker: Chunker,
    is_one_chunk: bool,
    buffer: Vec<u8>,
    extents: Vec<Extent>,
    hasher: ContentHasher,
    uploader: &'a mut Uploader<'u>,
    stage: &'a Stage<'s>,
}

impl<'a, 'u, 's> Cutter<'a, 'u, 's> {
    fn new(
        params: ChunkParams,
        size: u64,
        uploader: &'a mut Uploader<'u>,
        stage: &'a Stage<'s>,
    ) -> Self {
        let space = stage.space;
        Self {
            chunker: Chunker::new(params, space.keys.cdc().expose_secret()),
            is_one_chunk: size <= ONE_CHUNK_MAX,
            buffer: Vec::new(),
            extents: Vec::new(),
            hasher: ContentHasher::new(&space.keys),
            uploader,
            stage,
        }
    }

    fn feed(&mut self, run: &Run<'_>) -> Result<(), FolderError> {
        match run {
            Run::Data(bytes) => self.data(bytes),
            Run::Hole(len) if *len >= HOLE_MIN => {
                hash_zeros(&mut self.hasher, *len);
                self.flush()?;
                self.extents.push(Extent::Hole { len: *len });
                Ok(())
            },
            Run::Hole(len) => self.data(&vec![0; usize::try_from(*len).unwrap_or(0)]),
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.hasher.update(bytes);
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
        Ok(())
    }

    fn finish(mut self) -> Result<(Vec<Extent>, ContentHasher), FolderError> {
        self.flush()?;
        Ok((self.extents, self.hasher))
    }
}

/// Writes the recipe: into the meta slot when it is small, else as a tree of objects.
fn store(
    extents: &[Extent],
    uploader: &mut Uploader<'_>,
    stage: &Stage<'_>,
) -> Result<Stored, FolderError> {
    let mut refs: BTreeSet<ObjectId> = BTreeSet::new();
    for extent in extents {
        if let Extent::Data { object, .. } = extent {
            refs.insert(*object);
        }
    }
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
