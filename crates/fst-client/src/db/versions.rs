//! Every revision of every node, as the verified log told it: the table `versions`.
//!
//! [`crate::log`] writes one row per operation, in the transaction that verifies the entry; [`crate::versions`]
//! reads. Invariant: rows are only added. Not here: the bytes, which stay at the server; what counts as a version
//! ([`crate::versions`]). Cost: about 200 bytes per revision.

use std::collections::BTreeSet;

use fst_engine::tree::Node;
use fst_proto::control::{Pin, Retention};
use fst_proto::ids::{DeviceId, NodeId};
use fst_proto::path::RelPath;
use fst_proto::wire;
use rusqlite::{Row, params};

use super::{DbError, Reader, Tx, get_array, get_blob, get_u64, node_of, sql, to_i64};

/// Key of the named value that holds how long versions are kept.
pub const RETENTION_KEY: &str = "retention";

/// Key of the named value that holds the ignore policy of the space.
pub const IGNORE_KEY: &str = "ignore";

/// One revision of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    /// The node.
    pub node: NodeId,
    /// Place, content, size and number of the revision; of a deletion: what was there before.
    pub state: Node,
    /// Whether it deleted the node.
    pub is_deleted: bool,
    /// Log position.
    pub idx: u64,
    /// Author.
    pub device: DeviceId,
    /// Server time, Unix milliseconds.
    pub time_ms: u64,
}

const COLUMNS: &str = "SELECT node,parent,name,kind,content,exec,mtime_ns,size,rev,deleted,idx,device,time_ms FROM versions";

impl Reader<'_> {
    /// Revisions of a node, oldest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn revisions(&self, node: NodeId) -> Result<Vec<RevisionRow>, DbError> {
        let mut rows = Vec::new();
        self.each_revision(
            "WHERE node=?1 ORDER BY rev",
            params![node.as_bytes()],
            &mut |row| rows.push(row),
        )?;
        Ok(rows)
    }

    /// Visits all revisions up to server time `until_ms`, in the order of the log.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn revisions_until(
        &self,
        until_ms: u64,
        visit: &mut dyn FnMut(RevisionRow),
    ) -> Result<(), DbError> {
        self.each_revision(
            "WHERE time_ms<=?1 ORDER BY idx",
            params![to_i64(until_ms)],
            visit,
        )
    }

    /// Nodes that were created at this path, moved or edited there, or deleted there; latest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn nodes_seen_at(&self, path: &RelPath) -> Result<Vec<NodeId>, DbError> {
        let query = "SELECT node FROM history WHERE path=?1 GROUP BY node ORDER BY MAX(idx) DESC";
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let mut rows = statement
            .query([path.to_bytes()])
            .map_err(sql("read history"))?;
        let mut nodes = Vec::new();
        while let Some(row) = rows.next().map_err(sql("read history"))? {
            nodes.push(NodeId(get_array(row, 0)?));
        }
        Ok(nodes)
    }

    /// Nodes that are deleted now and the path that each had, the latest deletion first.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn deletions(&self) -> Result<Vec<(NodeId, RelPath)>, DbError> {
        let query = "SELECT h.node,h.path FROM history h JOIN remote r ON r.node=h.node
                     WHERE h.action='delete' AND r.deleted=1 AND r.idx=h.idx ORDER BY h.idx DESC, h.op DESC";
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let mut rows = statement.query([]).map_err(sql("read history"))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(sql("read history"))? {
            let path = RelPath::from_bytes(&get_blob(row, 1)?);
            let path = path.map_err(|_| DbError::Damaged { what: "path" })?;
            found.push((NodeId(get_array(row, 0)?), path));
        }
        Ok(found)
    }

    /// Revisions that are pinned.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn pins(&self) -> Result<BTreeSet<(NodeId, u64)>, DbError> {
        let query = "SELECT node,rev FROM pins";
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let mut rows = statement.query([]).map_err(sql("read pins"))?;
        let mut pins = BTreeSet::new();
        while let Some(row) = rows.next().map_err(sql("read pins"))? {
            pins.insert((NodeId(get_array(row, 0)?), get_u64(row, 1)?));
        }
        Ok(pins)
    }

    /// How long versions are kept, when it was ever changed.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn retention(&self) -> Result<Option<Retention>, DbError> {
        let damaged = |_| DbError::Damaged { what: "retention" };
        let stored = self.meta(RETENTION_KEY)?;
        let read = stored.map(|bytes| wire::from_canonical(&bytes));
        read.transpose().map_err(damaged)
    }

    /// Text of the space's ignore policy; empty when there never was one.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn ignore_policy(self) -> Result<String, DbError> {
        let damaged = |_| DbError::Damaged {
            what: "ignore policy",
        };
        let stored = self.meta(IGNORE_KEY)?.unwrap_or_default();
        String::from_utf8(stored).map_err(damaged)
    }

    fn each_revision(
        self,
        filter: &str,
        values: impl rusqlite::Params,
        visit: &mut dyn FnMut(RevisionRow),
    ) -> Result<(), DbError> {
        let query = format!("{COLUMNS} {filter}");
        let mut statement = self.conn.prepare_cached(&query).map_err(sql("prepare"))?;
        let mut rows = statement.query(values).map_err(sql("read versions"))?;
        while let Some(row) = rows.next().map_err(sql("read versions"))? {
            visit(revision_of(row)?);
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Pins a revision, or lets it go.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_pin(&self, pin: &Pin) -> Result<(), DbError> {
        let query = match pin.is_pinned {
            true => "INSERT OR IGNORE INTO pins VALUES (?1,?2)",
            false => "DELETE FROM pins WHERE node=?1 AND rev=?2",
        };
        self.run(query, params![pin.node.as_bytes(), to_i64(pin.rev)])
    }

    /// Adds a revision.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_revision(&self, row: &RevisionRow) -> Result<(), DbError> {
        let state = &row.state;
        let values = params![
            row.node.as_bytes(),
            state.place.parent.as_bytes(),
            state.place.name.as_bytes(),
            super::kind_number(state.content.kind),
            state.content.id.as_bytes(),
            state.content.exec,
            state.mtime_ns,
            to_i64(state.size),
            to_i64(state.rev),
            row.is_deleted,
            to_i64(row.idx),
            row.device.as_bytes(),
            to_i64(row.time_ms),
        ];
        let query = "INSERT INTO versions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)";
        self.run(query, values)
    }
}

fn revision_of(row: &Row<'_>) -> Result<RevisionRow, DbError> {
    let (node, state) = node_of(row)?;
    Ok(RevisionRow {
        node,
        state,
        is_deleted: get_u64(row, 9)? != 0,
        idx: get_u64(row, 10)?,
        device: DeviceId(get_array(row, 11)?),
        time_ms: get_u64(row, 12)?,
    })
}
