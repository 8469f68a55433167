//! Writes inside one transaction of the folder's database.

use fst_engine::identify::FileKey;
use fst_engine::naming;
use fst_engine::tree::Node;
use fst_proto::entry::Kind;
use fst_proto::ids::{DeviceId, Hash32, NodeId, ObjectId};
use fst_proto::path::RelPath;
use fst_proto::wire;
use rusqlite::{Transaction, params};

use super::sum::{Side, sum_of, sum_of_value};
use super::{DbError, EntryRow, Reader, RemoteRow, StatRow, sql, to_bits, to_i64};

/// An open transaction; [`super::Db::transaction`] makes and ends it.
#[derive(Debug)]
pub struct Tx<'a> {
    pub(super) tx: &'a Transaction<'a>,
}

/// One line of history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryRow<'a> {
    /// Log position.
    pub idx: u64,
    /// Operation inside the entry.
    pub op: usize,
    /// Node concerned.
    pub node: NodeId,
    /// Author.
    pub device: DeviceId,
    /// Server time.
    pub time_ms: u64,
    /// `create | edit | move | delete | …`.
    pub action: &'a str,
    /// Path after the operation; before it for a delete.
    pub path: &'a RelPath,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(tx: &'a Transaction<'a>) -> Self {
        Self { tx }
    }

    /// Queries that see what this transaction wrote.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        Reader { conn: self.tx }
    }

    pub(super) fn run(&self, query: &str, values: impl rusqlite::Params) -> Result<(), DbError> {
        let mut statement = self.tx.prepare_cached(query).map_err(sql("prepare"))?;
        statement.execute(values).map_err(sql("write"))?;
        Ok(())
    }

    /// Sets a named value.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), DbError> {
        self.run(
            "INSERT OR REPLACE INTO meta VALUES (?1,?2,?3)",
            params![key, value, sum_of_value(key, value)],
        )
    }

    /// Forgets a named value.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_meta(&self, key: &str) -> Result<(), DbError> {
        self.run("DELETE FROM meta WHERE key=?1", [key])
    }

    /// Sets base of a node to what the server has; without a key the node keeps the one it had.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_base(&self, id: NodeId, node: &Node, key: Option<FileKey>) -> Result<(), DbError> {
        let no_key = FileKey { dev: 0, ino: 0 };
        let is_file = node.content.kind == Kind::File;
        let is_copy = is_file && naming::original_of(&node.place.name).is_some();
        let stored = key.unwrap_or(no_key);
        let values = params![
            id.as_bytes(),
            node.place.parent.as_bytes(),
            node.place.name.as_bytes(),
            kind_number(node.content.kind),
            node.content.id.as_bytes(),
            node.content.exec,
            node.mtime_ns,
            to_i64(node.size),
            to_i64(node.rev),
            to_bits(stored.dev),
            to_bits(stored.ino),
            is_copy,
            sum_of(id, node, Side::Base),
        ];
        let keyed = "dev=excluded.dev, ino=excluded.ino, ";
        let keyed = if key.is_some() { keyed } else { "" };
        self.run(
            &format!(
                "INSERT INTO base VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)
                 ON CONFLICT (node) DO UPDATE SET {keyed}parent=excluded.parent, name=excluded.name,
                 kind=excluded.kind, content=excluded.content, exec=excluded.exec, mtime_ns=excluded.mtime_ns,
                 size=excluded.size, rev=excluded.rev, copy=excluded.copy, sum=excluded.sum"
            ),
            values,
        )?;
        self.remove_ahead(id)
    }

    /// Sets the identity of a base node's file, or forgets it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_key(&self, id: NodeId, key: Option<FileKey>) -> Result<(), DbError> {
        let key = key.unwrap_or(FileKey { dev: 0, ino: 0 });
        let values = params![id.as_bytes(), to_bits(key.dev), to_bits(key.ino)];
        self.run("UPDATE base SET dev=?2, ino=?3 WHERE node=?1", values)
    }

    /// Forgets a base node that the server has deleted.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_base(&self, id: NodeId) -> Result<(), DbError> {
        self.run("DELETE FROM base WHERE node=?1", [id.as_bytes()])?;
        self.remove_ahead(id)
    }

    /// Notes that the server's state of a node is not in base.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_ahead(&self, id: NodeId) -> Result<(), DbError> {
        self.run("INSERT OR IGNORE INTO ahead VALUES (?1)", [id.as_bytes()])
    }

    /// Notes that the server's state of a node is in base.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_ahead(&self, id: NodeId) -> Result<(), DbError> {
        self.run("DELETE FROM ahead WHERE node=?1", [id.as_bytes()])
    }

    /// Notes that the listing of a directory, by its hash, shows exactly the `n` base nodes in it.
    ///
    /// Any change of base in this directory forgets it.
    /// # Errors
    /// [`DbError`].
    pub fn put_clean(&self, dir: NodeId, print: &Hash32, n: u64) -> Result<(), DbError> {
        let values = params![dir.as_bytes(), print.as_bytes(), to_i64(n)];
        self.run("INSERT OR REPLACE INTO clean VALUES (?1,?2,?3)", values)
    }

    /// Forgets all directories that are known to be unchanged.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn clear_clean(&self) -> Result<(), DbError> {
        self.run("DELETE FROM clean", [])
    }

    /// Sets a node's newest version at the server.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_remote(&self, id: NodeId, row: &RemoteRow) -> Result<(), DbError> {
        let node = &row.node;
        let refs: Vec<u8> = row.refs.iter().flat_map(|id| id.0).collect();
        let values = params![
            id.as_bytes(),
            node.place.parent.as_bytes(),
            node.place.name.as_bytes(),
            kind_number(node.content.kind),
            node.content.id.as_bytes(),
            node.content.exec,
            node.mtime_ns,
            to_i64(node.size),
            to_i64(node.rev),
            row.is_deleted,
            wire::to_cbor(&row.body),
            refs,
            to_i64(row.idx),
            row.device.as_bytes(),
            to_i64(row.time_ms),
            sum_of(id, node, Side::remote(row.is_deleted)),
        ];
        self.run(
            "INSERT INTO remote VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)
             ON CONFLICT (node) DO UPDATE SET parent=excluded.parent, name=excluded.name, kind=excluded.kind,
             content=excluded.content, exec=excluded.exec, mtime_ns=excluded.mtime_ns, size=excluded.size,
             rev=excluded.rev, deleted=excluded.deleted, body=excluded.body, refs=excluded.refs,
             idx=excluded.idx, device=excluded.device, time_ms=excluded.time_ms, sum=excluded.sum",
            values,
        )
    }

    /// Keeps the bytes of a body slot until they are applied.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_body(&self, id: NodeId, rev: u64, bytes: &[u8]) -> Result<(), DbError> {
        let values = params![id.as_bytes(), to_i64(rev), bytes];
        self.run("INSERT OR REPLACE INTO bodies VALUES (?1,?2,?3)", values)
    }

    /// Forgets the kept bytes of a node.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_body(&self, id: NodeId) -> Result<(), DbError> {
        self.run("DELETE FROM bodies WHERE node=?1", [id.as_bytes()])
    }

    /// Adds a verified log entry.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_entry(&self, idx: u64, entry: &EntryRow) -> Result<(), DbError> {
        let values = params![
            to_i64(idx),
            entry.root.as_bytes(),
            entry.hash.as_bytes(),
            entry.device.as_bytes(),
            entry.class.as_u8(),
            to_i64(entry.time_ms),
        ];
        self.run("INSERT INTO entries VALUES (?1,?2,?3,?4,?5,?6)", values)
    }

    /// Sets a device's newest entry.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_chain(&self, device: DeviceId, ctr: u64, hash: &Hash32) -> Result<(), DbError> {
        let values = params![device.as_bytes(), to_i64(ctr), hash.as_bytes()];
        self.run("INSERT OR REPLACE INTO chains VALUES (?1,?2,?3)", values)
    }

    /// Notes that an entry is about to be sent.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_intent(&self, header_hash: &Hash32, ctr: u64) -> Result<(), DbError> {
        let values = params![header_hash.as_bytes(), to_i64(ctr)];
        self.run("INSERT OR REPLACE INTO intents VALUES (?1,?2)", values)
    }

    /// Forgets intents that the log has passed.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_intents(&self, up_to_ctr: u64) -> Result<(), DbError> {
        self.run("DELETE FROM intents WHERE dev_ctr<=?1", [to_i64(up_to_ctr)])
    }

    /// Notes that the server has an object.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_object(&self, id: ObjectId) -> Result<(), DbError> {
        self.run("INSERT OR IGNORE INTO objects VALUES (?1)", [id.as_bytes()])
    }

    /// Forgets which objects the server has.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_object(&self, id: ObjectId) -> Result<(), DbError> {
        self.run("DELETE FROM objects WHERE id=?1", [id.as_bytes()])
    }

    /// Sets a line of the stat cache.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_stat(&self, row: &StatRow) -> Result<(), DbError> {
        let values = params![
            to_bits(row.key.dev),
            to_bits(row.key.ino),
            to_i64(row.size),
            row.mtime_ns,
            row.ctime_ns,
            row.content.as_bytes(),
        ];
        self.run(
            "INSERT OR REPLACE INTO stats VALUES (?1,?2,?3,?4,?5,?6)",
            values,
        )
    }

    /// Removes a line of the stat cache.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove_stat(&self, key: FileKey) -> Result<(), DbError> {
        let values = params![to_bits(key.dev), to_bits(key.ino)];
        self.run("DELETE FROM stats WHERE dev=?1 AND ino=?2", values)
    }

    /// Empties the stat cache, so that everything is read again.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn clear_stats(&self) -> Result<(), DbError> {
        self.run("DELETE FROM stats", [])?;
        self.clear_clean()
    }

    /// Adds a line of history.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn put_history(&self, row: &HistoryRow<'_>) -> Result<(), DbError> {
        let values = params![
            to_i64(row.idx),
            i64::try_from(row.op).unwrap_or(i64::MAX),
            row.node.as_bytes(),
            row.device.as_bytes(),
            to_i64(row.time_ms),
            row.action,
            row.path.to_bytes(),
        ];
        self.run(
            "INSERT OR REPLACE INTO history VALUES (?1,?2,?3,?4,?5,?6,?7)",
            values,
        )
    }
}

pub(super) fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::File => 0,
        Kind::Dir => 1,
        Kind::Symlink => 2,
    }
}
