//! Where conflict copies come from: the table `conflicts`, as the verified log tells it, and `copies`, what this device
//! has to tell the log.
//!
//! [`crate::exec`] leaves a hint when it writes a copy, [`crate::push`] finds it when the copy is sent as the new file
//! that it then is; [`crate::log`] writes what entries say. Invariant: a lost hint loses the common base of
//! a conflict, never a content. Not here: which copies are open conflicts ([`crate::views`]).

use fst_proto::entry::CopyOf;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::RelPath;
use rusqlite::{Row, params};

use super::{DbError, Reader, Tx, get_array, get_u64, sql, to_i64};

impl Reader<'_> {
    /// What a copy of this content at this path was kept from.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn copy_hint(
        &self,
        path: &RelPath,
        content: &ContentId,
    ) -> Result<Option<CopyOf>, DbError> {
        let query = "SELECT node,base_rev FROM copies WHERE path=?1 AND content=?2";
        self.copy_of(query, params![path.to_bytes(), content.as_bytes()])
    }

    /// What the conflict copy `node` was kept from.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn conflict(&self, node: NodeId) -> Result<Option<CopyOf>, DbError> {
        let query = "SELECT original,base_rev FROM conflicts WHERE node=?1";
        self.copy_of(query, params![node.as_bytes()])
    }

    fn copy_of(
        self,
        query: &str,
        values: impl rusqlite::Params,
    ) -> Result<Option<CopyOf>, DbError> {
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let mut rows = statement.query(values).map_err(sql("read conflict"))?;
        let row = rows.next().map_err(sql("read conflict"))?;
        row.map(read).transpose()
    }
}

fn read(row: &Row<'_>) -> Result<CopyOf, DbError> {
    Ok(CopyOf {
        node: NodeId(get_array(row, 0)?),
        base_rev: get_u64(row, 1)?,
    })
}

impl Tx<'_> {
    /// Remembers what the copy about to be written at `path` is kept from.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_copy_hint(
        &self,
        path: &RelPath,
        content: &ContentId,
        of: CopyOf,
    ) -> Result<(), DbError> {
        let values = params![
            path.to_bytes(),
            content.as_bytes(),
            of.node.as_bytes(),
            to_i64(of.base_rev),
        ];
        self.run("INSERT OR REPLACE INTO copies VALUES (?1,?2,?3,?4)", values)
    }

    /// Remembers what the log says that `node` was kept from.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_conflict(&self, node: NodeId, of: CopyOf) -> Result<(), DbError> {
        let values = params![node.as_bytes(), of.node.as_bytes(), to_i64(of.base_rev)];
        self.run("INSERT OR REPLACE INTO conflicts VALUES (?1,?2,?3)", values)
    }
}
