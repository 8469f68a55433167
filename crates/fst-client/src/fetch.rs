//! Brings the bytes of remote versions: slot bodies, recipes, objects.
//!
//! [`crate::exec`] asks for them page by page. Invariant: bytes are handed on only after they opened in their own
//! context, and a whole file only when its content id fits. Memory: one page of objects.
//! Not here: deciding what to fetch, writing to the folder.

use std::collections::BTreeMap;

use fst_crypto::batch;
use fst_crypto::ids::ContentHasher;
use fst_fs::vault::{StagedFile, VaultError};
use fst_proto::entry::Content;
use fst_proto::frame;
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::limits;
use fst_proto::log::{self, OpCode};
use fst_proto::recipe::{self, Body, Extent, PartRef};

use crate::db::{Reader, RemoteRow};
use crate::error::FolderError;
use crate::folder::Space;
use crate::remote::Remote;
use crate::scan::hash_zeros;
use crate::sealed;

/// Fetches contents of one space.
#[derive(Debug)]
pub struct Fetcher<'a> {
    space: &'a Space,
    remote: &'a dyn Remote,
    db: Reader<'a>,
    page: BTreeMap<ObjectId, Vec<u8>>,
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
        }
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
            Err(FolderError::Sealed(_)) => Ok(()),
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
        let mut sink = Sink {
            file,
            hasher: ContentHasher::new(&self.space.keys),
        };
        match &row.body {
            Body::None => {},
            Body::Slot => sink.data(&self.slot(node, row)?)?,
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
    pub fn slot(&self, node: NodeId, row: &RemoteRow) -> Result<Vec<u8>, FolderError> {
        if let Some(bytes) = self.db.slot_body(node, row.node.rev)? {
            return Ok(bytes);
        }
        let page = self.remote.changes(self.space.id, row.idx)?;
        let lost = || FolderError::Sealed(format!("entry {} has no such body", row.idx));
        let entry = page.entries.into_iter().next().ok_or_else(lost)?;
        let known = self.db.entry(row.idx)?.ok_or_else(lost)?;
        if log::entry_hash(&entry.header, &entry.sig) != known.hash {
            return Err(lost());
        }
        let header = log::decode_header(&entry.header).map_err(|_| lost())?;
        let opened = batch::open_batch(
            &self.space.keys,
            &header,
            &entry.payload.unwrap_or_default(),
        )
        .map_err(|e| FolderError::Sealed(e.to_string()))?;
        let puts = header.ops.iter().filter(|op| op.code == OpCode::Put);
        let slot = puts.zip(opened).find(|(op, _)| op.node == node);
        slot.and_then(|(_, plain)| plain.body).ok_or_else(lost)
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
    FolderError::Sealed(format!("the server does not deliver object {id}"))
}

/// Where fetched bytes go, hashed on the way.
struct Sink<'a> {
    file: &'a mut dyn StagedFile,
    hasher: ContentHasher,
}

impl Sink<'_> {
    fn data(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.hasher.update(bytes);
        let failed = |source| VaultError::Io {
            op: "write staged file",
            source,
        };
        self.file.write_all(bytes).map_err(failed)?;
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<(), FolderError> {
        hash_zeros(&mut self.hasher, len);
        self.file.skip(len)?;
        Ok(())
    }
}
