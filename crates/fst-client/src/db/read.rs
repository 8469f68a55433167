//! Point queries of the folder's database, inside or outside a transaction.

use fst_proto::ids::{DeviceId, Hash32, NodeId, ObjectId};
use fst_proto::path::RelPath;
use fst_proto::wire;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    DbError, EntryRow, RemoteRow, entry_of, get_array, get_blob, get_u64, node_of, refs_of, sql,
    to_i64,
};

/// Answers queries on an open connection.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub(super) conn: &'a Connection,
}

/// One line of history as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// Log position.
    pub idx: u64,
    /// Author.
    pub device: DeviceId,
    /// Server time.
    pub time_ms: u64,
    /// What happened.
    pub action: String,
    /// Path concerned.
    pub path: RelPath,
}

impl Reader<'_> {
    /// A named value.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT value FROM meta WHERE key=?1")
            .map_err(sql("prepare"))?;
        statement
            .query_row([key], |row| row.get(0))
            .optional()
            .map_err(sql("read meta"))
    }

    /// The verified entry at `idx`.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn entry(&self, idx: u64) -> Result<Option<EntryRow>, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT root,hash,device,class,time_ms FROM entries WHERE idx=?1")
            .map_err(sql("prepare"))?;
        let mut rows = statement.query([to_i64(idx)]).map_err(sql("read entry"))?;
        let Some(row) = rows.next().map_err(sql("read entry"))? else {
            return Ok(None);
        };
        Ok(Some(entry_of(row)?))
    }

    /// Entries from `idx` on, in order.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn entries_from(&self, idx: u64) -> Result<Vec<EntryRow>, DbError> {
        let mut statement = self
            .conn
            .prepare_cached(
                "SELECT root,hash,device,class,time_ms FROM entries WHERE idx>=?1 ORDER BY idx",
            )
            .map_err(sql("prepare"))?;
        let mut rows = statement
            .query([to_i64(idx)])
            .map_err(sql("read entries"))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(sql("read entries"))? {
            out.push(entry_of(row)?);
        }
        Ok(out)
    }

    /// A node's newest version at the server.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remote_row(&self, node: NodeId) -> Result<Option<RemoteRow>, DbError> {
        let query = "SELECT node,parent,name,kind,content,exec,mtime_ns,size,rev,deleted,body,refs,
                     idx,device,time_ms FROM remote WHERE node=?1";
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let mut rows = statement
            .query([node.as_bytes()])
            .map_err(sql("read remote"))?;
        let Some(row) = rows.next().map_err(sql("read remote"))? else {
            return Ok(None);
        };
        let (_, stored) = node_of(row)?;
        let body = get_blob(row, 10)?;
        Ok(Some(RemoteRow {
            node: stored,
            is_deleted: get_u64(row, 9)? != 0,
            body: wire::from_cbor(&body).map_err(|_| DbError::Damaged { what: "body" })?,
            refs: refs_of(&get_blob(row, 11)?)?,
            idx: get_u64(row, 12)?,
            device: DeviceId(get_array(row, 13)?),
            time_ms: get_u64(row, 14)?,
        }))
    }

    /// Bytes of a node whose body came in a batch and was not applied yet.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn slot_body(&self, node: NodeId, rev: u64) -> Result<Option<Vec<u8>>, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT bytes FROM bodies WHERE node=?1 AND rev=?2")
            .map_err(sql("prepare"))?;
        statement
            .query_row(params![node.as_bytes(), to_i64(rev)], |row| row.get(0))
            .optional()
            .map_err(sql("read body"))
    }

    /// True when a verified entry referenced this object, so the server has it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn knows_object(&self, id: ObjectId) -> Result<bool, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM objects WHERE id=?1")
            .map_err(sql("prepare"))?;
        statement
            .exists([id.as_bytes()])
            .map_err(sql("read objects"))
    }

    /// True when this device meant to commit the entry with this header.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn is_intended(&self, header_hash: &Hash32) -> Result<bool, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM intents WHERE header_hash=?1")
            .map_err(sql("prepare"))?;
        statement
            .exists([header_hash.as_bytes()])
            .map_err(sql("read intents"))
    }

    /// Newest history lines.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn history(&self, limit: usize) -> Result<Vec<HistoryLine>, DbError> {
        let query = "SELECT idx,device,time_ms,action,path FROM history
                     ORDER BY idx DESC, op DESC LIMIT ?1";
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query([limit]).map_err(sql("read history"))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(sql("read history"))? {
            let path = RelPath::from_bytes(&get_blob(row, 4)?)
                .map_err(|_| DbError::Damaged { what: "path" })?;
            out.push(HistoryLine {
                idx: get_u64(row, 0)?,
                device: DeviceId(get_array(row, 1)?),
                time_ms: get_u64(row, 2)?,
                action: row.get(3).map_err(sql("read column"))?,
                path,
            });
        }
        Ok(out)
    }
}
