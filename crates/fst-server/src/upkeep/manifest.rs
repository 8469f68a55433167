//! The list of what a backup holds, with lengths and hashes.
//!
//! Written last by [`super::backup`], read first by [`super::restore`]. Invariant: text that was cut or changed
//! anywhere is not read as a manifest. Not here: files. Source: ADR 0038.

use std::fmt::Write as _;

use fst_proto::hash::sha256;
use fst_proto::ids::Hash32;
use fst_proto::time::UnixMillis;
use fst_store::blob::BlobKey;

/// First line.
const TITLE: &str = "fst-server backup 1";

/// Length and hash of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    pub(super) hash: Hash32,
}

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            hash: sha256(&[bytes]),
        }
    }
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// When it was made.
    pub(super) time: UnixMillis,
    /// Version of the database.
    pub(super) schema: usize,
    /// The database.
    pub(super) database: Digest,
    /// Blobs by rising key, each once.
    pub(super) blobs: Vec<(BlobKey, Digest)>,
}

impl Manifest {
    /// Name of the database's file: another content has another name.
    pub(super) fn database_name(&self) -> String {
        format!("database-{}", self.database.hash)
    }

    /// Digest of a blob, if the backup has it.
    pub(super) fn blob(&self, key: BlobKey) -> Option<Digest> {
        let found = self.blobs.binary_search_by_key(&key, |(key, _)| *key);
        found.ok().map(|at| self.blobs[at].1)
    }

    pub(super) fn render(&self) -> String {
        let Digest { bytes, hash } = self.database;
        let mut out = format!(
            "{TITLE}\ntime {}\nschema {}\ndatabase {bytes} {hash}\n",
            self.time.0, self.schema
        );
        for (key, Digest { bytes, hash }) in &self.blobs {
            // Writing to a String cannot fail.
            writeln!(out, "blob {key} {bytes} {hash}").unwrap_or_default();
        }
        let hash = sha256(&[out.as_bytes()]);
        out + &format!("end {hash}\n")
    }

    /// Reads a manifest; `None` when it is damaged, or of a later format.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (body, end) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let body = &text[..=body.len()];
        if Hash32::parse(end.strip_prefix("end ")?)? != sha256(&[body.as_bytes()]) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name);
        let time = UnixMillis(value("time ")?.parse().ok()?);
        let schema = value("schema ")?.parse().ok()?;
        let database = digest(value("database ")?)?;
        let blobs = lines.map(|line| {
            let (key, rest) = line.strip_prefix("blob ")?.split_once(' ')?;
            Some((BlobKey::parse(key)?, digest(rest)?))
        });
        let blobs = blobs.collect::<Option<Vec<_>>>()?;
        let is_sorted = blobs.is_sorted_by(|(one, _), (next, _)| one < next);
        is_sorted.then_some(Self {
            time,
            schema,
            database,
            blobs,
        })
    }
}

fn digest(text: &str) -> Option<Digest> {
    let (bytes, hash) = text.split_once(' ')?;
    Some(Digest {
        bytes: bytes.parse().ok()?,
        hash: Hash32::parse(hash)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let blob = |n: u8| (BlobKey([n; 16]), Digest::of(&[n; 7]));
        Manifest {
            time: UnixMillis(1_800_000_000_000),
            schema: 2,
            database: Digest::of(b"database"),
            blobs: vec![blob(1), blob(2)],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let empty = Manifest {
            blobs: Vec::new(),
            ..sample()
        };
        for manifest in [sample(), empty] {
            assert_eq!(Manifest::parse(&manifest.render()), Some(manifest));
        }
        assert_eq!(
            sample().blob(BlobKey([2; 16])),
            Some(Digest::of(&[2; 7])),
            "a blob is found by its key"
        );
        assert_eq!(sample().blob(BlobKey([3; 16])), None);
    }

    #[test]
    fn nothing_cut_or_changed_is_read() {
        let text = sample().render();
        for end in 0..text.len() {
            assert_eq!(Manifest::parse(&text[..end]), None, "cut at {end}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(Manifest::parse(&changed), None, "changed at {at}");
        }
    }

    #[test]
    fn blobs_out_of_order_are_no_manifest() {
        let mut twice = sample();
        twice.blobs[1] = twice.blobs[0];
        assert_eq!(Manifest::parse(&twice.render()), None);
    }
}
