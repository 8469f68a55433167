//! Sketches of contents in the folder's database: oldest out first, loss costs bandwidth only.

use fst_proto::ids::ContentId;
use rusqlite::{OptionalExtension as _, params};

use super::{DbError, Reader, Tx, sql, to_i64};
use crate::sketch::Sketch;

/// Bytes of all sketches of one folder: signatures of 500 GiB of contents.
const SKETCHES_BYTES_MAX: u64 = 2 << 30;

impl Reader<'_> {
    /// What is known of a content; `None` also when what is stored cannot be read.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn sketch(&self, content: ContentId) -> Result<Option<Sketch>, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT bytes FROM sketches WHERE content=?1")
            .map_err(sql("prepare"))?;
        let bytes: Option<Vec<u8>> = statement
            .query_row([content.as_bytes()], |row| row.get(0))
            .optional()
            .map_err(sql("read sketch"))?;
        Ok(bytes.and_then(|bytes| Sketch::decode(&bytes)))
    }

    /// True when something is known of a content.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn has_sketch(&self, content: ContentId) -> Result<bool, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM sketches WHERE content=?1")
            .map_err(sql("prepare"))?;
        statement
            .exists([content.as_bytes()])
            .map_err(sql("read sketches"))
    }
}

impl Tx<'_> {
    /// Keeps sketches, and drops the oldest ones beyond the limit.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_sketches(&self, sketches: &[(ContentId, Sketch)]) -> Result<(), DbError> {
        for (content, sketch) in sketches {
            let bytes = sketch.encode();
            self.run(
                "INSERT OR REPLACE INTO sketches (content,n_bytes,bytes) VALUES (?1,?2,?3)",
                params![content.as_bytes(), to_i64(bytes.len() as u64), bytes],
            )?;
        }
        if sketches.is_empty() {
            return Ok(());
        }
        self.run(
            "DELETE FROM sketches WHERE seq IN (SELECT seq FROM
             (SELECT seq, sum(n_bytes) OVER (ORDER BY seq DESC) AS newer FROM sketches) WHERE newer > ?1)",
            [to_i64(SKETCHES_BYTES_MAX)],
        )
    }
}
