//! Point queries of the folder's database, inside or outside a transaction.

use std::collections::BTreeMap;

use fst_proto::ids::{DeviceId, Hash32, NodeId, ObjectId};
use fst_proto::log;
use fst_proto::merkle::CompactRange;
use fst_proto::path::RelPath;
use fst_proto::wire;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::sum::{Side, checked_node, sum_of_value};
use super::{
    DbError, EntryRow, Loaded, NODE, RemoteRow, entry_of, get_array, get_blob, get_u64, refs_of,
    sql, to_i64,
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
            .prepare_cached("SELECT value,sum FROM meta WHERE key=?1")
            .map_err(sql("prepare"))?;
        let stored: Option<(Vec<u8>, i64)> = statement
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(sql("read meta"))?;
        match stored {
            Some((value, sum)) if sum_of_value(key, &value) != sum => Err(DbError::Damaged {
                what: "named value",
            }),
            stored => Ok(stored.map(|(value, _)| value)),
        }
    }

    /// What is kept in memory of the verified log.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn log_state(self) -> Result<Loaded, DbError> {
        let mut loaded = Loaded::default();
        if let Some(bytes) = self.meta("range")? {
            let damaged = |_| DbError::Damaged {
                what: "merkle range",
            };
            loaded.range = wire::from_canonical(&bytes).map_err(damaged)?;
        }
        if let Some(bytes) = self.meta("account-len")? {
            let damaged = |_| DbError::Damaged {
                what: "account length",
            };
            loaded.account_len = u64::from_be_bytes(bytes.try_into().map_err(damaged)?);
        }
        let size = loaded.range.size();
        if size > 0 {
            let newest = self
                .entry(size - 1)?
                .ok_or(DbError::Damaged { what: "log entry" })?;
            loaded.last_time_ms = newest.time_ms;
        }
        let chains = self.rows("SELECT device,dev_ctr,hash FROM chains", [], |row| {
            let device = DeviceId(get_array(row, 0)?);
            Ok((device, (get_u64(row, 1)?, Hash32(get_array(row, 2)?))))
        })?;
        loaded.chains.extend(chains);
        Ok(loaded)
    }

    /// Whether the log that is stored here is one that was verified: its entries have the roots that were noted with
    /// them, up to the newest, and each device's chain ends where it should.
    ///
    /// Cost: grows with the log. Asked before the server is accused of showing another.
    /// # Errors
    /// [`DbError::Damaged`] when it is not.
    pub fn check_log(&self) -> Result<(), DbError> {
        let damaged = Err(DbError::Damaged { what: "log" });
        let mut range = CompactRange::new();
        let mut newest: BTreeMap<DeviceId, (u64, Hash32)> = BTreeMap::new();
        for entry in self.entries_from(0)? {
            range.append(&log::leaf(&entry.hash, entry.time_ms));
            if range.root() != entry.root {
                return damaged;
            }
            let (ctr, hash) = newest.entry(entry.device).or_insert((0, Hash32::ZERO));
            (*ctr, *hash) = (*ctr + 1, entry.hash);
        }
        let stored = self.log_state()?;
        if stored.range.head() == range.head() && stored.chains == newest {
            Ok(())
        } else {
            damaged
        }
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
        let query =
            format!("SELECT {NODE},deleted,body,refs,idx,device,time_ms FROM remote WHERE node=?1");
        let mut statement = self.conn.prepare_cached(&query).map_err(sql("prepare"))?;
        let mut rows = statement
            .query([node.as_bytes()])
            .map_err(sql("read remote"))?;
        let Some(row) = rows.next().map_err(sql("read remote"))? else {
            return Ok(None);
        };
        let is_deleted = get_u64(row, 10)? != 0;
        let (_, stored) = checked_node(row, Side::remote(is_deleted))?;
        let body = get_blob(row, 11)?;
        Ok(Some(RemoteRow {
            node: stored,
            is_deleted,
            body: wire::from_cbor(&body).map_err(|_| DbError::Damaged { what: "body" })?,
            refs: refs_of(&get_blob(row, 12)?)?,
            idx: get_u64(row, 13)?,
            device: DeviceId(get_array(row, 14)?),
            time_ms: get_u64(row, 15)?,
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

    /// Bytes that compression has taken off what was sent, since this database was made.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn saved_by_compression(&self) -> Result<u64, DbError> {
        let stored = self.meta(super::SAVED)?.unwrap_or_default();
        let bytes: Result<[u8; 8], _> = stored.try_into();
        Ok(bytes.map_or(0, u64::from_le_bytes))
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

    /// True when this device has sent something and does not know what became of it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn has_intents(&self) -> Result<bool, DbError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM intents")
            .map_err(sql("prepare"))?;
        statement.exists([]).map_err(sql("read intents"))
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
