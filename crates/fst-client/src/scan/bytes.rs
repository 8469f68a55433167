//! Reads and hashes the bytes of a file, without reading its holes.
//!
//! Invariant: a file that ends before the size it was seen with is an error, never a shorter content.

use fst_crypto::ids::ContentHasher;
use fst_crypto::key::SpaceKeys;
use fst_fs::vault::{ReadFile, VaultError};
use fst_proto::ids::ContentId;

use crate::digest::Digest;

/// Read at a time while hashing.
const READ_LEN: usize = 256 << 10;

/// Content id of bytes in memory.
#[must_use]
pub fn content_of(keys: &SpaceKeys, bytes: &[u8]) -> ContentId {
    let mut hasher = ContentHasher::new(keys);
    hasher.update(bytes);
    hasher.finish()
}

/// Content id of an open file of `size` bytes; holes are not read from the disk.
///
/// # Errors
/// [`VaultError::Changed`] when it ends early; [`VaultError::Io`].
pub fn hash_file(
    keys: &SpaceKeys,
    file: &mut dyn ReadFile,
    size: u64,
) -> Result<ContentId, VaultError> {
    let mut digest = Digest::new(keys, None, size);
    for_each_run(file, size, &mut |run| {
        match run {
            Run::Data(bytes) => digest.update(bytes),
            Run::Hole(len) => digest.update_zeros(len),
        }
        Ok(())
    })?;
    Ok(digest.finish().0)
}

/// A stretch of a file while it is read.
#[derive(Debug)]
pub enum Run<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// Zeros that the disk does not store.
    Hole(u64),
}

/// Reads a file front to back, telling data from holes.
///
/// # Errors
/// [`VaultError::Changed`] when it ends before `size`; what `visit` returns.
pub fn for_each_run(
    file: &mut dyn ReadFile,
    size: u64,
    visit: &mut dyn FnMut(Run<'_>) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let mut buffer = vec![0; READ_LEN.min(usize::try_from(size).unwrap_or(READ_LEN))];
    let mut offset = 0;
    while offset < size {
        let (start, end) = match file.next_data(offset)? {
            Some((start, end)) => (start.min(size), end.min(size)),
            None => (size, size),
        };
        if start > offset {
            visit(Run::Hole(start - offset))?;
        }
        offset = start;
        while offset < end {
            let want = usize::try_from(end - offset)
                .unwrap_or(READ_LEN)
                .min(buffer.len());
            let read = file.read_at(offset, &mut buffer[..want]);
            let n = read.map_err(|source| VaultError::Io {
                op: "read file",
                source,
            })?;
            if n == 0 {
                return Err(VaultError::Changed { op: "read file" });
            }
            visit(Run::Data(&buffer[..n]))?;
            offset += n as u64;
        }
    }
    Ok(())
}
