//! The old version of a file on this disk, as a source of bytes for the new one.
//!
//! [`crate::exec`] opens it where a sketch of what lies there is kept. What it gives is checked with the whole file, so a
//! file that changed meanwhile costs a second try and nothing else. Not here: what is fetched instead.

use std::collections::BTreeMap;

use fst_fs::vault::{ReadFile, Vault, VaultError};
use fst_proto::ids::{ContentId, ObjectId};
use fst_proto::path::RelPath;
use fst_proto::recipe::{self, Extent, PartRef};

use super::Fetcher;
use crate::error::FolderError;
use crate::sealed;

/// What was tried when the old version could not be read.
pub const READ_OLD: &str = "read old file";

/// Read at a time while copying.
const READ_LEN: usize = 256 << 10;

/// Bytes of an object that lie in the old file.
#[derive(Debug, Clone, Copy)]
struct Range {
    offset: u32,
    len: u32,
    /// Place in the file.
    at: u64,
}

impl Range {
    fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.len)
    }
}

/// An open file with known content, and which bytes of which objects it holds.
#[derive(Debug)]
pub struct Own {
    file: Box<dyn ReadFile>,
    /// Of each object, by offset; a later range ends behind those before it, so that one look finds the one that helps.
    ranges: BTreeMap<ObjectId, Vec<Range>>,
    lens: BTreeMap<ObjectId, u32>,
    segments: BTreeMap<ObjectId, Vec<Extent>>,
}

impl Fetcher<'_> {
    /// Opens the file at `path`, which should hold `content`; `None` when nothing is known of it.
    ///
    /// # Errors
    /// [`FolderError::Db`]. A file that cannot be read is left alone: everything is fetched.
    pub fn own(
        &self,
        vault: &dyn Vault,
        path: &RelPath,
        content: ContentId,
    ) -> Result<Option<Own>, FolderError> {
        let Some(sketch) = self.db.sketch(content)? else {
            return Ok(None);
        };
        let Ok(file) = vault.open_read(path) else {
            return Ok(None);
        };
        let segments = recipe::segments(&sketch.extents)
            .into_iter()
            .map(|segment| {
                let id = sealed::recipe_id(self.space, &recipe::encode_segment(segment));
                (id, segment.to_vec())
            });
        Ok(Some(Own {
            file,
            ranges: ranges_of(&sketch.extents),
            segments: segments.collect(),
            lens: sketch.lens,
        }))
    }
}

/// Fills `buffer` from place `at`; false when that much is not there.
pub(super) fn read_exact_at(file: &dyn ReadFile, at: u64, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(at + filled as u64, &mut buffer[filled..]) {
            Ok(0) | Err(_) => return false,
            Ok(n) => filled += n,
        }
    }
    true
}

/// Which bytes of which object lie where in a file of these extents.
fn ranges_of(extents: &[Extent]) -> BTreeMap<ObjectId, Vec<Range>> {
    let mut ranges: BTreeMap<ObjectId, Vec<Range>> = BTreeMap::new();
    let mut at = 0;
    for extent in extents {
        if let Extent::Data {
            object,
            offset,
            len,
        } = *extent
        {
            let range = Range { offset, len, at };
            ranges.entry(object).or_default().push(range);
        }
        at += extent.len();
    }
    for ranges in ranges.values_mut() {
        ranges.sort_unstable_by_key(|range| (range.offset, range.end(), range.at));
        let mut reached = 0;
        ranges.retain(|range| {
            let is_further = range.end() > reached;
            reached = reached.max(range.end());
            is_further
        });
    }
    ranges
}

impl Own {
    /// Where the bytes of `extent` lie in the file.
    pub(super) fn find(&self, extent: &Extent) -> Option<u64> {
        let Extent::Data {
            object,
            offset,
            len,
        } = extent
        else {
            return None;
        };
        let end = u64::from(*offset) + u64::from(*len);
        let ranges = self.ranges.get(object)?;
        let behind = ranges.partition_point(|range| range.offset <= *offset);
        let range = ranges[..behind].last().filter(|range| end <= range.end())?;
        Some(range.at + u64::from(offset - range.offset))
    }

    /// Plain length of an object that the old version used.
    pub(super) fn len_of(&self, object: &ObjectId) -> Option<u32> {
        self.lens.get(object).copied()
    }

    /// True when the old recipe had this part.
    pub(super) fn has(&self, part: &PartRef) -> bool {
        self.segments.contains_key(&part.object)
    }

    /// The extents of a part that the old recipe had too; its id says that they are the same.
    pub(super) fn segment(&self, part: &PartRef) -> Option<Vec<Extent>> {
        let extents = self.segments.get(&part.object)?;
        let len: u64 = extents.iter().map(Extent::len).sum();
        (len == part.len).then(|| extents.clone())
    }

    /// Hands on `len` bytes at `at`.
    pub(super) fn copy(
        &mut self,
        at: u64,
        len: u32,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), FolderError>,
    ) -> Result<(), FolderError> {
        let (mut at, mut left) = (at, len as usize);
        let mut buffer = vec![0; READ_LEN.min(left)];
        while left > 0 {
            let want = left.min(buffer.len());
            let read = self.file.read_at(at, &mut buffer[..want]);
            let n = read.map_err(|source| VaultError::Io {
                op: READ_OLD,
                source,
            })?;
            if n == 0 {
                return Err(FolderError::Sealed("the old file is shorter".to_owned()));
            }
            visit(&buffer[..n])?;
            at += n as u64;
            left -= n;
        }
        Ok(())
    }
}
