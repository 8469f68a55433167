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
        Ok(bytes.and_then(|bytes| Sketch::decode(content, &bytes)))
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
            let bytes = sketch.encode(*content);
            // Not replaced in place, so that the triggers see what goes.
            self.run(
                "DELETE FROM sketches WHERE content=?1",
                [content.as_bytes()],
            )?;
            self.run(
                "INSERT INTO sketches (content,n_bytes,bytes) VALUES (?1,?2,?3)",
                params![content.as_bytes(), to_i64(bytes.len() as u64), bytes],
            )?;
        }
        while !sketches.is_empty() && self.sketch_bytes()? > SKETCHES_BYTES_MAX {
            self.run(
                "DELETE FROM sketches WHERE seq = (SELECT min(seq) FROM sketches)",
                [],
            )?;
        }
        Ok(())
    }

    fn sketch_bytes(&self) -> Result<u64, DbError> {
        let query = "SELECT sketch_bytes FROM totals";
        let read = self.tx.query_row(query, [], |row| row.get::<_, i64>(0));
        let total = read.map_err(sql("read totals"))?;
        u64::try_from(total).map_err(|_| DbError::Damaged { what: "number" })
    }
}
