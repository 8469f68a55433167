//! Trees to measure with and edits of them; the same bytes in every run.
//!
//! Used by the benchmarks of the whole path. Not here: what is measured.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of a page that is overwritten.
pub(crate) const PAGE: u64 = 4096;

/// Writes over a part of a file.
pub(crate) fn overwrite(file: &Path, at: u64, bytes: &[u8]) -> anyhow::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(file)?;
    Ok(file.write_all_at(bytes, at)?)
}

/// Puts bytes in front of a file, as editors do: by writing it anew.
pub(crate) fn insert(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut new = bytes.to_vec();
    new.extend_from_slice(&fs::read(file)?);
    Ok(fs::write(file, new)?)
}

/// Bytes without pattern, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(len).collect()
    }

    pub(crate) fn append(&mut self, file: &Path, len: u64) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)?;
        let mut left = len;
        while left > 0 {
            let take = left.min(1 << 20);
            file.write_all(&self.bytes(usize::try_from(take)?))?;
            left -= take;
        }
        Ok(())
    }

    pub(crate) fn pages(&mut self, path: &Path, n: u64) -> anyhow::Result<()> {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        let n_pages = file.metadata()?.len() / PAGE;
        for _ in 0..n {
            let page = self.next() % n_pages;
            file.write_all_at(&self.bytes(usize::try_from(PAGE)?), page * PAGE)?;
        }
        Ok(())
    }
}
