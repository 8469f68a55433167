//! Sends a new version as references to what the server has and the bytes it lacks.
//!
//! [`super::upload`] tries it where a sketch of the old version is kept. Two readings: the first compares the whole file
//! with the old version, the second reads only what is sent. Invariant: every block of the second reading has the
//! hash it had in the first, whose content id is the planned one. Memory: the pieces, one object, one chunk.
//! Not here: what is worth sending ([`fst_chunk::delta::plan`]).

use std::collections::BTreeMap;

use fst_chunk::cdc::Chunker;
use fst_chunk::delta::{Matcher, Old, Part, Piece, Signature, SignatureBuilder, plan};
use fst_chunk::params::ChunkParams;
use fst_fs::vault::{ReadFile, VaultError};
use fst_proto::entry::Content;
use fst_proto::ids::ObjectId;
use fst_proto::recipe::Extent;

use super::Stage;
use super::upload::{HOLE_MIN, Uploader};
use crate::digest::Digest;
use crate::error::FolderError;
use crate::scan::{Run, for_each_run};
use crate::sketch::Sketch;

/// Small new stretches are gathered into objects of this size: a power of two, which sealing does not pad. Scattered edits
/// lay it over many times as many bytes of the file, and whoever reads the file goes through all versions at once: the objects
/// of twenty of them have to fit into memory together.
const GATHERED_LEN: usize = 256 << 10;

/// Read at a time of a stretch that is cut by content.
const CUT_READ_LEN: usize = 1 << 20;

/// New stretches from this size on are cut by content, because they may lie elsewhere too.
const CUT_MIN: u64 = 4 << 20;

/// Sends what is new in `file`; `None` when it is better sent whole.
///
/// # Errors
/// [`VaultError::Changed`] when its bytes are not those of `content`.
pub(super) fn read_file(
    file: &mut dyn ReadFile,
    size: u64,
    content: &Content,
    base: &Sketch,
    uploader: &mut Uploader<'_>,
    stage: &Stage<'_>,
) -> Result<Option<Sketch>, FolderError> {
    let Some((pieces, signature)) = compare(file, size, content, base, stage)? else {
        return Ok(None);
    };
    let old = Old {
        extents: &base.extents,
        lens: &base.lens,
    };
    // An object whose presence cannot be looked up now is sent again.
    let is_usable = |id: ObjectId| uploader.has(stage, id).unwrap_or(false);
    let Some(parts) = plan(&pieces, old, &is_usable) else {
        return Ok(None);
    };
    let mut sender = Sender {
        file,
        size,
        signature: &signature,
        uploader,
        stage,
        slots: Vec::new(),
        gathered: Vec::new(),
        gathered_ids: Vec::new(),
        lens: BTreeMap::new(),
    };
    let mut at = 0;
    for part in &parts {
        sender.part(at, part, base)?;
        at += part.len();
    }
    let (extents, lens) = sender.finish()?;
    Ok(Some(Sketch {
        signature,
        extents,
        lens,
    }))
}

/// First reading: what of the file the old version has, and the signature of the new one.
fn compare(
    file: &mut dyn ReadFile,
    size: u64,
    content: &Content,
    base: &Sketch,
    stage: &Stage<'_>,
) -> Result<Option<(Vec<Piece>, Signature)>, FolderError> {
    let key = fst_crypto::random::bytes(stage.space.random.as_ref());
    let Some(builder) = SignatureBuilder::new(key, size) else {
        return Ok(None);
    };
    let mut matcher = Matcher::new(&base.signature);
    let mut digest = Digest::new(&stage.space.keys, Some(builder), size);
    for_each_run(file, size, &mut |run| {
        match run {
            Run::Data(bytes) => {
                digest.update(bytes);
                matcher.push(bytes);
            },
            Run::Hole(len) => {
                digest.update_zeros(len);
                if len < HOLE_MIN {
                    matcher.push(&vec![0; usize::try_from(len).unwrap_or(0)]);
                } else {
                    matcher.push_zeros(len);
                }
            },
        }
        Ok(())
    })?;
    let (read, signature) = digest.finish();
    if read != content.id {
        return Err(changed().into());
    }
    Ok(signature.map(|signature| (matcher.finish(), signature.finish())))
}

fn changed() -> VaultError {
    VaultError::Changed { op: "read file" }
}

/// An extent whose object may not have its id yet.
enum Slot {
    Ready(Extent),
    Gathered { nth: usize, offset: u32, len: u32 },
}

struct Sender<'a, 'u, 's> {
    file: &'a mut dyn ReadFile,
    size: u64,
    signature: &'a Signature,
    uploader: &'a mut Uploader<'u>,
    stage: &'a Stage<'s>,
    slots: Vec<Slot>,
    gathered: Vec<u8>,
    gathered_ids: Vec<ObjectId>,
    lens: BTreeMap<ObjectId, u32>,
}

impl Sender<'_, '_, '_> {
    fn part(&mut self, at: u64, part: &Part, base: &Sketch) -> Result<(), FolderError> {
        match part {
            Part::Known(extent) => {
                if let Extent::Data { object, .. } = extent
                    && let Some(len) = base.lens.get(object)
                {
                    self.lens.insert(*object, *len);
                }
                self.slots.push(Slot::Ready(*extent));
                Ok(())
            },
            Part::New { len } if *len >= CUT_MIN => self.cut(at, *len),
            Part::New { len } => self.gather(at, *len),
        }
    }

    /// Gathers `len` bytes with those of other stretches, in file order.
    fn gather(&mut self, at: u64, len: u64) -> Result<(), FolderError> {
        let (mut at, mut left) = (at, len);
        while left > 0 {
            let offset = self.gathered.len();
            let room = GATHERED_LEN - offset;
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(room);
            let mut gathered = std::mem::take(&mut self.gathered);
            self.read(at, take, &mut gathered)?;
            self.gathered = gathered;
            self.slots.push(Slot::Gathered {
                nth: self.gathered_ids.len(),
                offset: short(offset)?,
                len: short(take)?,
            });
            if self.gathered.len() == GATHERED_LEN {
                self.close()?;
            }
            at += take as u64;
            left -= take as u64;
        }
        Ok(())
    }

    /// Cuts a long stretch by content.
    fn cut(&mut self, at: u64, len: u64) -> Result<(), FolderError> {
        let params = ChunkParams::from_policy(&self.stage.space.policy)
            .map_err(|e| FolderError::Sealed(e.to_string()))?;
        let key = self.stage.space.keys.cdc();
        let mut chunker = Chunker::new(params, key.expose_secret());
        let (mut at, mut left) = (at, len);
        let mut buffer = Vec::new();
        loop {
            let take = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(CUT_READ_LEN);
            self.read(at, take, &mut buffer)?;
            at += take as u64;
            left -= take as u64;
            while let Some(n) = chunker.next_cut(&buffer, left == 0) {
                let object = self.object(&buffer[..n])?;
                self.slots.push(Slot::Ready(Extent::Data {
                    object,
                    offset: 0,
                    len: short(n)?,
                }));
                buffer.drain(..n);
            }
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Second reading: appends `len` bytes at `at` to `out`, block by block, each as it was in the first.
    fn read(&mut self, at: u64, len: usize, out: &mut Vec<u8>) -> Result<(), FolderError> {
        let block_len = self.signature.block() as u64;
        let end = at + len as u64;
        let mut start = at - at % block_len;
        let mut block = Vec::new();
        while start < end {
            let stop = (start + block_len).min(self.size);
            block.resize(usize::try_from(stop - start).unwrap_or(0), 0);
            fill(self.file, start, &mut block)?;
            let index = usize::try_from(start / block_len).unwrap_or(usize::MAX);
            if !self.signature.is_block(index, &block) {
                return Err(changed().into());
            }
            let from = usize::try_from(at.saturating_sub(start)).unwrap_or(0);
            let to = usize::try_from(end.min(stop) - start).unwrap_or(0);
            out.extend_from_slice(&block[from..to]);
            start = stop;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), FolderError> {
        let gathered = std::mem::take(&mut self.gathered);
        let object = self.object(&gathered)?;
        self.gathered_ids.push(object);
        Ok(())
    }

    fn object(&mut self, raw: &[u8]) -> Result<ObjectId, FolderError> {
        let object = self.uploader.chunk(self.stage, raw)?;
        self.lens.insert(object, short(raw.len())?);
        Ok(object)
    }

    fn finish(mut self) -> Result<(Vec<Extent>, BTreeMap<ObjectId, u32>), FolderError> {
        if !self.gathered.is_empty() {
            self.close()?;
        }
        let ids = self.gathered_ids;
        let extents = self.slots.into_iter().map(|slot| match slot {
            Slot::Ready(extent) => extent,
            Slot::Gathered { nth, offset, len } => Extent::Data {
                object: ids[nth],
                offset,
                len,
            },
        });
        Ok((extents.collect(), self.lens))
    }
}

fn fill(file: &dyn ReadFile, at: u64, buffer: &mut [u8]) -> Result<(), FolderError> {
    let mut done = 0;
    while done < buffer.len() {
        let read = file.read_at(at + done as u64, &mut buffer[done..]);
        let n = read.map_err(|source| VaultError::Io {
            op: "read file",
            source,
        })?;
        if n == 0 {
            return Err(changed().into());
        }
        done += n;
    }
    Ok(())
}

fn short(len: usize) -> Result<u32, FolderError> {
    u32::try_from(len).map_err(|_| FolderError::Sealed("chunk is too long".to_owned()))
}
