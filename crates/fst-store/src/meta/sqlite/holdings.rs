//! What a SQLite database says must lie among the blobs.
//!
//! Read by `fst-server verify` and `backup`, in a process of their own beside a running server. Invariant: nothing
//! here writes to the database; one [`Holdings`] and one copy show one moment. Not here: blobs themselves.
//! Source: ADR 0030, ADR 0038.

use std::path::Path;

use fst_proto::ids::{Hash32, ObjectId, SpaceId};
use fst_proto::merkle::Head;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{BUSY_MS, MIGRATIONS, id};
use crate::blob::BlobKey;
use crate::error::{StoreError, StoreResult};

/// A blob that the database names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedBlob {
    /// Its key.
    pub key: BlobKey,
    /// Its length in bytes.
    pub bytes: u64,
}

/// An object that the database names, in the blob that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedObject {
    /// Space of the object.
    pub space: SpaceId,
    /// The object.
    pub id: ObjectId,
    /// First byte of its envelope in the blob.
    pub offset: u64,
    /// Length of its envelope in bytes.
    pub len: u64,
}

/// A payload that the database names, in the blob that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPayload {
    /// Space of the entry.
    pub space: SpaceId,
    /// Position of the entry in its log.
    pub index: u64,
    /// Signed header, which has the hashes of the payload.
    pub header: Vec<u8>,
    /// First byte of the payload in the blob.
    pub offset: u64,
    /// Length of the payload in bytes.
    pub len: u64,
}

/// Version of databases that this program reads and writes; a lower one is brought to it, a higher one refused.
pub const SCHEMA: usize = MIGRATIONS.len();

/// Copies one moment of a database, which others may write meanwhile, into `into`, an empty file.
///
/// The copy is one file without a log beside it; it is not durable yet.
/// # Errors
/// When the database is missing, damaged or of another version; a full disk.
pub fn copy(path: &Path, into: &Path) -> StoreResult<()> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version = version(&connection)?;
    if version != SCHEMA {
        return Err(other_version());
    }
    let into = into.to_str().ok_or(StoreError::Damaged {
        what: "path of the copy",
    })?;
    connection
        .execute("VACUUM INTO ?1", [into])
        .map_err(StoreError::backend("copy the database"))?;
    Ok(())
}

/// Opens a file that is there.
fn connect(path: &Path, how: OpenFlags) -> StoreResult<Connection> {
    let connection =
        Connection::open_with_flags(path, how).map_err(StoreError::backend("open the database"))?;
    connection.execute_batch(&format!("PRAGMA busy_timeout = {BUSY_MS}"))?;
    Ok(connection)
}

fn version(connection: &Connection) -> StoreResult<usize> {
    let sql = "SELECT user_version FROM pragma_user_version";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

fn other_version() -> StoreError {
    StoreError::backend("open the database")(
        "it is of another version: run fst-server migrate, or a newer fst-server",
    )
}

/// One moment of a database, to read.
#[derive(Debug)]
pub struct Holdings {
    connection: Connection,
}

impl Holdings {
    /// Opens a database that exists and is of this program's version; later commits to it are not seen.
    ///
    /// # Errors
    /// When the file is missing, unreadable, or of another version.
    pub fn open(path: &Path) -> StoreResult<Self> {
        // Not read-only: reading beside a write-ahead log makes an index of it when nobody else has.
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.execute_batch("PRAGMA query_only = ON; BEGIN")?;
        // The first read of a transaction fixes the moment that it sees.
        if version(&connection)? != SCHEMA {
            return Err(other_version());
        }
        Ok(Self { connection })
    }

    /// Opens a copy that [`copy`] made, now or with an earlier version of this program; nobody writes to it.
    ///
    /// # Errors
    /// When the file is missing, unreadable, or of a newer version.
    pub fn open_copy(path: &Path) -> StoreResult<Self> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if version(&connection)? > SCHEMA {
            return Err(other_version());
        }
        Ok(Self { connection })
    }

    /// Newest state of each space's log that has entries.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn heads(&self) -> StoreResult<Vec<(SpaceId, Head)>> {
        let sql = "SELECT s.space, s.size, l.root FROM spaces s \
                   JOIN log l ON l.space_no = s.no AND l.idx = s.size - 1 ORDER BY s.no";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let root = id(row, 2, Hash32::from_slice)?;
            let head = Head {
                size: row.get(1)?,
                root,
            };
            Ok((id(row, 0, SpaceId::from_slice)?, head))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// True when the space's log went through this state, or is in it.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn has_seen(&self, space: SpaceId, head: Head) -> StoreResult<bool> {
        let sql = "SELECT 1 FROM spaces s JOIN log l ON l.space_no = s.no \
                   WHERE s.space = ?1 AND l.idx + 1 = ?2 AND l.root = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement
            .query_row(
                params![space.as_bytes(), head.size, head.root.as_bytes()],
                |_| Ok(()),
            )
            .optional()?;
        Ok(found.is_some())
    }

    /// All blobs, each once, in order of keys.
    ///
    /// # Errors
    /// Failures of the database; a key that is none.
    pub fn blobs(&self) -> StoreResult<Vec<NamedBlob>> {
        // A payload without objects is the whole of its blob; else its pack counts it.
        let sql = "SELECT key, max(bytes) FROM (SELECT key, bytes FROM packs UNION ALL \
                   SELECT payload_pack, payload_offset + payload_len FROM bodies \
                   WHERE payload_pack IS NOT NULL) GROUP BY key ORDER BY key";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (key, bytes) = row?;
            let key = BlobKey::parse(&key).ok_or(StoreError::Damaged { what: "pack key" })?;
            Ok(NamedBlob { key, bytes })
        })
        .collect()
    }

    /// Objects in one blob.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn objects(&self, blob: BlobKey) -> StoreResult<Vec<NamedObject>> {
        let sql = "SELECT s.space, o.object, o.pack_offset, o.len FROM packs p \
                   JOIN objects o ON o.pack_no = p.no JOIN spaces s ON s.no = o.space_no \
                   WHERE p.key = ?1 ORDER BY o.pack_offset";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([blob.to_string()], |row| {
            Ok(NamedObject {
                space: id(row, 0, SpaceId::from_slice)?,
                id: id(row, 1, ObjectId::from_slice)?,
                offset: row.get(2)?,
                len: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Payloads in one blob.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn payloads(&self, blob: BlobKey) -> StoreResult<Vec<NamedPayload>> {
        let sql = "SELECT s.space, b.idx, b.header, b.payload_offset, b.payload_len FROM bodies b \
                   JOIN spaces s ON s.no = b.space_no WHERE b.payload_pack = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([blob.to_string()], |row| {
            Ok(NamedPayload {
                space: id(row, 0, SpaceId::from_slice)?,
                index: row.get(1)?,
                header: row.get(2)?,
                offset: row.get(3)?,
                len: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What SQLite's own check of the file complains about, at most a hundred lines; empty when it is whole.
    ///
    /// # Errors
    /// When the check cannot run.
    pub fn complaints(&self) -> StoreResult<Vec<String>> {
        let mut statement = self.connection.prepare("PRAGMA integrity_check")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut lines: Vec<String> = rows.collect::<Result<_, _>>()?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }
}
