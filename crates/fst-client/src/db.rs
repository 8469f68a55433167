//! The folder's local database: base and remote tree, stat cache, verified log, in one SQLite file.
//!
//! Owned by one [`crate::folder::Folder`]; read by [`crate::views`]. Invariant: every change is one
//! transaction, durable when it returns (WAL, `synchronous=FULL`); deleting the file loses nothing but time.
//! Not here: deciding what to write. Source: docs/adr/0004-what-base-means.md.

use std::collections::BTreeMap;
use std::path::Path;

use fst_engine::identify::FileKey;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, Place};
use fst_proto::ids::{ContentId, DeviceId, Hash32, NodeId, ObjectId};
use fst_proto::log::OrderClass;
use fst_proto::merkle::CompactRange;
use fst_proto::path::Name;
use fst_proto::recipe::Body;
use rusqlite::{Connection, Row};

mod conflicts;
mod read;
mod sides;
mod sketches;
mod sum;
mod tx;
mod versions;

pub use read::{HistoryLine, Reader};
use sides::NODE;
pub use sides::{Base, BaseRow, Remote, path_in};
use tx::kind_number;
pub use tx::{HistoryRow, Tx};
pub use versions::{IGNORE_KEY, RETENTION_KEY, RevisionRow};

/// Version of the schema; another one is rebuilt, never migrated by guessing.
const SCHEMA_VERSION: i64 = 6;
/// Prepared statements kept.
const STATEMENTS_MAX: usize = 64;

/// The local database failed or holds something it cannot hold.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// SQLite said no.
    #[error("database: {what}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// Cause.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored value is damaged.
    #[error("database holds a damaged {what}")]
    Damaged {
        /// What is damaged.
        what: &'static str,
    },
    /// Written by another version.
    #[error("database has schema {found}, this program needs {SCHEMA_VERSION}")]
    Schema {
        /// Version found.
        found: i64,
    },
}

impl DbError {
    /// True when the file is of no use and everything in it can be found again.
    fn is_rebuilt(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Schema { .. } => true,
            Self::Sql { source, .. } => source
                .sqlite_error_code()
                .is_some_and(|code| [DatabaseCorrupt, NotADatabase].contains(&code)),
            Self::Damaged { .. } => false,
        }
    }
}

/// Renames a database that is made anew, with the files beside it; the one before it goes.
fn set_aside(path: &Path) -> Result<(), DbError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = path.as_os_str().to_owned();
        to.push(format!(".old{suffix}"));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DbError::Damaged { what: "file" });
            },
            Ok(()) | Err(_) => {},
        }
    }
    Ok(())
}

pub(crate) fn sql(what: &'static str) -> impl Fn(rusqlite::Error) -> DbError {
    move |source| DbError::Sql { what, source }
}

/// A node's newest known version at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRow {
    /// Place, content, revision.
    pub node: Node,
    /// Whether the server has it deleted; then only the revision counts.
    pub is_deleted: bool,
    /// Where its bytes are.
    pub body: Body,
    /// All objects this revision references, sorted.
    pub refs: Vec<ObjectId>,
    /// Log position of this revision.
    pub idx: u64,
    /// Author.
    pub device: DeviceId,
    /// Server time.
    pub time_ms: u64,
}

/// What the stat cache knows about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatRow {
    /// File system and inode.
    pub key: FileKey,
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime_ns: i64,
    /// Change time.
    pub ctime_ns: i64,
    /// Content when it had this stat.
    pub content: ContentId,
}

/// A verified log entry, as far as later entries need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRow {
    /// Root of the log including this entry.
    pub root: Hash32,
    /// Entry hash.
    pub hash: Hash32,
    /// Author.
    pub device: DeviceId,
    /// Order class.
    pub class: OrderClass,
    /// Server time.
    pub time_ms: u64,
}

/// What a folder keeps in memory of its log; the trees stay in the database.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Merkle state of the verified log.
    pub range: CompactRange,
    /// Server time of the newest entry.
    pub last_time_ms: u64,
    /// Longest account chain that any entry has named.
    pub account_len: u64,
    /// Each device's newest entry: counter and hash.
    pub chains: BTreeMap<DeviceId, (u64, Hash32)>,
    /// Identities of files in a commit that is on its way: base takes them over with it.
    pub sent_keys: BTreeMap<NodeId, FileKey>,
}

/// What base adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Nodes.
    pub nodes: u64,
    /// Files and links.
    pub leaves: u64,
    /// Files.
    pub files: u64,
    /// Bytes in files.
    pub bytes: u64,
    /// Files that are conflict copies.
    pub copies: u64,
}

/// Name of the bytes that compression has saved.
pub(crate) const SAVED: &str = "saved-by-compression";

/// What the server has got and the database is to note.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// Objects.
    pub ids: Vec<ObjectId>,
    /// What compression took off them.
    pub saved: u64,
}

impl Arrived {
    /// Takes more in.
    pub(crate) fn add(&mut self, more: Self) {
        self.ids.extend(more.ids);
        self.saved += more.saved;
    }
}

/// One folder's database.
#[derive(Debug)]
pub struct Db {
    conn: Connection,
    /// The only writer reads under one lock from one change to the next; taking and leaving it for every query costs a
    /// tenth of a cycle. Who looks from outside must not hold it: the file beside the database would grow without end.
    holds_reads: bool,
}

impl Db {
    /// Opens or creates the database at `path`.
    ///
    /// # Errors
    /// [`DbError`]. A file of another version, or one that is no database, is set aside and made anew: all of it can be
    /// found again.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        if let Some(dir) = path.parent() {
            // A missing directory shows up as an open error just below.
            crate::dirs::make_private(dir).unwrap_or_default();
        }
        match Self::open_file(path) {
            Err(error) if error.is_rebuilt() => {
                tracing::warn!(%error, "the folder's database is made anew");
                set_aside(path)?;
                Self::open_file(path)
            },
            opened => opened,
        }
    }

    fn open_file(path: &Path) -> Result<Self, DbError> {
        let conn = Connection::open(path).map_err(sql("open"))?;
        conn.execute_batch("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=2000;")
            .map_err(sql("set journal mode"))?;
        Self::prepare(conn)
    }

    /// Opens an existing database for reading only, beside a running daemon.
    ///
    /// `None` while the daemon is still creating it: there is nothing to read yet.
    ///
    /// # Errors
    /// [`DbError`] when it does not exist, is damaged or of another version.
    pub fn open_read_only(path: &Path) -> Result<Option<Self>, DbError> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = Connection::open_with_flags(path, flags).map_err(sql("open"))?;
        match schema_of(&conn)? {
            0 => Ok(None),
            SCHEMA_VERSION => Ok(Some(Self {
                conn,
                holds_reads: false,
            })),
            found => Err(DbError::Schema { found }),
        }
    }

    /// A private copy in memory of an existing database, as of one moment, for looking beside a running daemon.
    ///
    /// # Errors
    /// As [`Db::open_read_only`].
    pub fn open_copy(path: &Path) -> Result<Self, DbError> {
        let mut db = Self::in_memory()?;
        let name = path.to_string_lossy();
        db.conn
            .execute("ATTACH ?1 AS original", [name.as_ref()])
            .map_err(sql("attach"))?;
        let found = db
            .conn
            .query_row("PRAGMA original.user_version", [], |row| row.get(0))
            .map_err(sql("read version"))?;
        match found {
            0 => {},
            SCHEMA_VERSION => db.copy_tables()?,
            found => return Err(DbError::Schema { found }),
        }
        db.conn
            .execute("DETACH original", [])
            .map_err(sql("detach"))?;
        Ok(db)
    }

    fn copy_tables(&mut self) -> Result<(), DbError> {
        let mut tables: Vec<String> = Vec::new();
        self.each(
            "SELECT name FROM main.sqlite_master WHERE type='table'",
            |row| {
                tables.push(row.get(0).map_err(sql("read column"))?);
                Ok(())
            },
        )?;
        // The totals have a row already, and triggers count on it. Sketches explain nothing and may be large.
        let copies = tables
            .iter()
            .filter(|table| !["totals", "sketches"].contains(&table.as_str()))
            .map(|table| format!("INSERT INTO main.{table} SELECT * FROM original.{table};"));
        let script = format!("BEGIN; {} COMMIT;", copies.collect::<String>());
        self.conn.execute_batch(&script).map_err(sql("copy"))
    }

    /// A database that lives in memory, for simulations.
    ///
    /// # Errors
    /// [`DbError`] when SQLite has no memory left.
    pub fn in_memory() -> Result<Self, DbError> {
        Self::prepare(Connection::open_in_memory().map_err(sql("open"))?)
    }

    /// The whole database as the bytes of its file, for simulations of backups and damage.
    ///
    /// # Errors
    /// [`DbError`] when SQLite has no memory left.
    pub fn image(&self) -> Result<Vec<u8>, DbError> {
        let data = self.conn.serialize("main").map_err(sql("copy"))?;
        Ok(data.to_vec())
    }

    /// A database in memory that begins as `image`.
    ///
    /// # Errors
    /// [`DbError`] when it is damaged or of another version.
    pub fn from_image(image: &[u8]) -> Result<Self, DbError> {
        let mut conn = Connection::open_in_memory().map_err(sql("open"))?;
        conn.deserialize_read_exact("main", image, image.len(), false)
            .map_err(sql("read a copy"))?;
        Self::prepare(conn)
    }

    fn prepare(conn: Connection) -> Result<Self, DbError> {
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.execute_batch(
            "PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;",
        )
        .map_err(sql("set pragmas"))?;
        match schema_of(&conn)? {
            0 => {
                let script = format!(
                    "BEGIN; {} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;",
                    include_str!("db/schema.sql")
                );
                conn.execute_batch(&script).map_err(sql("create schema"))?;
            },
            SCHEMA_VERSION => {},
            found => return Err(DbError::Schema { found }),
        }
        Ok(Self {
            conn,
            holds_reads: true,
        })
    }

    /// Runs `work` in one transaction: all of it happens, durably, or nothing.
    ///
    /// # Errors
    /// What `work` returned, or [`DbError`] of begin and commit.
    pub fn transaction<T, E: From<DbError>>(
        &mut self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.end_reads()?;
        let tx = self.conn.transaction().map_err(sql("begin"))?;
        let value = work(&Tx::new(&tx))?;
        tx.commit().map_err(sql("commit"))?;
        Ok(value)
    }

    /// Notes what the server has got, in a transaction of its own.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) fn note_arrived(&self, arrived: &Arrived) -> Result<(), DbError> {
        if arrived.ids.is_empty() && arrived.saved == 0 {
            return Ok(());
        }
        self.end_reads()?;
        let tx = self.conn.unchecked_transaction().map_err(sql("begin"))?;
        let work = Tx::new(&tx);
        arrived.ids.iter().try_for_each(|&id| work.put_object(id))?;
        let saved = work.read().saved_by_compression()? + arrived.saved;
        work.set_meta(SAVED, &saved.to_le_bytes())?;
        tx.commit().map_err(sql("commit"))
    }

    /// Base and remote as a whole, for explaining and for tests.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn trees(&self) -> Result<(Tree, Tree), DbError> {
        let (mut base, mut remote) = (Tree::new(), Tree::new());
        for (table, kind, tree) in [
            ("base", sum::Side::Base, &mut base),
            ("remote WHERE deleted=0", sum::Side::Remote, &mut remote),
        ] {
            self.each(&format!("SELECT {NODE} FROM {table}"), |row| {
                let (id, node) = sum::checked_node(row, kind)?;
                tree.insert(id, node);
                Ok(())
            })?;
        }
        Ok((base, remote))
    }

    /// Reads what is kept in memory.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn load(&self) -> Result<Loaded, DbError> {
        self.read().log_state()
    }

    fn each(
        &self,
        query: &str,
        mut visit: impl FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut statement = self.conn.prepare(query).map_err(sql("prepare"))?;
        let mut rows = statement.query([]).map_err(sql("query"))?;
        while let Some(row) = rows.next().map_err(sql("read row"))? {
            visit(row)?;
        }
        Ok(())
    }

    /// Queries between two changes.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        if self.holds_reads && self.conn.is_autocommit() {
            // Without it every query is one of its own: slower, not wrong.
            self.run_cached("BEGIN").unwrap_or_default();
        }
        Reader { conn: &self.conn }
    }

    /// Leaves what [`Self::read`] entered.
    fn end_reads(&self) -> Result<(), DbError> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.run_cached("COMMIT").map_err(sql("end reading"))
    }

    fn run_cached(&self, statement: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(statement)?.execute([]).map(drop)
    }
}

/// Device and inode numbers use all 64 bits; they are stored by their bits.
pub(crate) fn to_bits(n: u64) -> i64 {
    i64::from_ne_bytes(n.to_ne_bytes())
}

/// Version of the schema; 0 before there is one.
fn schema_of(conn: &Connection) -> Result<i64, DbError> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(sql("read schema version"))
}

fn get_bits(row: &Row<'_>, column: usize) -> Result<u64, DbError> {
    let n: i64 = row.get(column).map_err(sql("read column"))?;
    Ok(u64::from_ne_bytes(n.to_ne_bytes()))
}

/// SQLite integers are signed; our counters stay far below 2^63.
pub(crate) fn to_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn get_u64(row: &Row<'_>, column: usize) -> Result<u64, DbError> {
    let n: i64 = row.get(column).map_err(sql("read column"))?;
    u64::try_from(n).map_err(|_| DbError::Damaged { what: "number" })
}

fn get_blob(row: &Row<'_>, column: usize) -> Result<Vec<u8>, DbError> {
    row.get(column).map_err(sql("read column"))
}

fn get_array<const N: usize>(row: &Row<'_>, column: usize) -> Result<[u8; N], DbError> {
    let damaged = |_| DbError::Damaged { what: "id" };
    get_blob(row, column)?.try_into().map_err(damaged)
}

/// Reads the nine leading columns shared by `base`, `remote` and `versions`.
fn node_of(row: &Row<'_>) -> Result<(NodeId, Node), DbError> {
    let kind = match get_u64(row, 3)? {
        0 => Kind::File,
        1 => Kind::Dir,
        2 => Kind::Symlink,
        _ => return Err(DbError::Damaged { what: "kind" }),
    };
    let name = Name::new(&get_blob(row, 2)?).map_err(|_| DbError::Damaged { what: "name" })?;
    let node = Node {
        place: Place {
            parent: NodeId(get_array(row, 1)?),
            name,
        },
        content: Content {
            kind,
            id: ContentId(get_array(row, 4)?),
            exec: get_u64(row, 5)? != 0,
        },
        mtime_ns: row.get(6).map_err(sql("read column"))?,
        size: get_u64(row, 7)?,
        rev: get_u64(row, 8)?,
    };
    Ok((NodeId(get_array(row, 0)?), node))
}

fn entry_of(row: &Row<'_>) -> Result<EntryRow, DbError> {
    Ok(EntryRow {
        root: Hash32(get_array(row, 0)?),
        hash: Hash32(get_array(row, 1)?),
        device: DeviceId(get_array(row, 2)?),
        class: OrderClass::from_u8(u8::try_from(get_u64(row, 3)?).unwrap_or(u8::MAX)),
        time_ms: get_u64(row, 4)?,
    })
}

fn refs_of(bytes: &[u8]) -> Result<Vec<ObjectId>, DbError> {
    let damaged = |_| DbError::Damaged { what: "object id" };
    bytes
        .chunks(ObjectId::LEN)
        .map(|id| ObjectId::from_slice(id).map_err(damaged))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_between_changes_neither_go_stale_nor_let_the_log_grow() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("folder.db");
        let mut db = Db::open(&path).expect("a new one");
        // Each change writes some pages, and a checkpoint is due after 2 000 of them.
        for n in 0..300_u32 {
            let value = n.to_be_bytes().repeat(25_000);
            db.transaction(|tx| tx.set_meta("value", &value))
                .expect("a disk with room");
            assert_eq!(db.read().meta("value").expect("whole"), Some(value));
        }
        let log = path.with_extension("db-wal").metadata().expect("a log");
        assert!(log.len() < 20 << 20, "{} bytes", log.len());
        // Somebody beside it sees the newest, and keeps nobody from going on.
        let beside = Db::open_read_only(&path)
            .expect("readable")
            .expect("complete");
        assert!(beside.read().meta("value").expect("whole").is_some());
        assert!(beside.conn.is_autocommit() && !db.conn.is_autocommit());
    }
}
