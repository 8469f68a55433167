//! Base and remote of a folder, read node by node from its database.
//!
//! `fst_engine::scope` reads through them. Invariant: every lookup uses an index; nothing here grows with the folder
//! but what is asked for. Not here: writing. Source: docs/adr/0011-scale-with-changes.md.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::identify::FileKey;
use fst_engine::scope::Replica;
use fst_engine::survey;
use fst_engine::tree::Node;
use fst_proto::entry::{Kind, Place, ROOT};
use fst_proto::ids::{ContentId, Hash32, NodeId};
use fst_proto::path::{Name, RelPath};
use rusqlite::{Params, Row, params};

use super::sum::{Side, checked_node};
use super::tx::kind_number;
use super::{
    DbError, Reader, StatRow, Totals, get_array, get_bits, get_blob, get_u64, sql, to_bits,
};

/// Columns that [`checked_node`] reads.
pub(super) const NODE: &str = "node,parent,name,kind,content,exec,mtime_ns,size,rev,sum";

/// A base node and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseRow {
    /// The node.
    pub id: NodeId,
    /// Its state.
    pub node: Node,
    /// Its identity in the file system.
    pub key: Option<FileKey>,
}

impl BaseRow {
    /// What a comparison needs of it.
    #[must_use]
    pub fn short(&self) -> survey::Row {
        survey::Row {
            id: self.id,
            content: self.node.content,
            key: self.key,
        }
    }
}

impl<'a> Reader<'a> {
    /// Base as the engine reads it.
    #[must_use]
    pub fn base(&self) -> Base<'a> {
        Base(*self)
    }

    /// Remote as the engine reads it.
    #[must_use]
    pub fn remote(&self) -> Remote<'a> {
        Remote(*self)
    }

    pub(super) fn rows<T>(
        self,
        query: &str,
        values: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        let mut statement = self.conn.prepare_cached(query).map_err(sql("prepare"))?;
        let mut rows = statement.query(values).map_err(sql("query"))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(sql("read row"))? {
            out.push(read(row)?);
        }
        Ok(out)
    }

    /// How many rows each table has.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn row_counts(&self) -> Result<BTreeMap<String, u64>, DbError> {
        let query = "SELECT name FROM main.sqlite_master WHERE type='table' ORDER BY name";
        let tables: Vec<String> =
            self.rows(query, [], |row| row.get(0).map_err(sql("read column")))?;
        let mut counts = BTreeMap::new();
        for table in tables {
            // The name is one of our own schema.
            let query = format!("SELECT count(*) FROM main.{table}");
            let n = self.rows(&query, [], |row| get_u64(row, 0))?;
            counts.extend(n.first().map(|n| (table, *n)));
        }
        Ok(counts)
    }

    /// What base adds up to.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn totals(&self) -> Result<Totals, DbError> {
        let query = "SELECT nodes,leaves,files,bytes,copies FROM totals";
        let totals = self.rows(query, [], |row| {
            Ok(Totals {
                nodes: get_u64(row, 0)?,
                leaves: get_u64(row, 1)?,
                files: get_u64(row, 2)?,
                bytes: get_u64(row, 3)?,
                copies: get_u64(row, 4)?,
            })
        })?;
        totals
            .first()
            .copied()
            .ok_or(DbError::Damaged { what: "total" })
    }

    /// Nodes whose base may differ from remote.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn ahead(&self) -> Result<Vec<NodeId>, DbError> {
        self.rows("SELECT node FROM ahead", [], id_of)
    }

    /// Hash of the listing that shows exactly the base nodes in this directory, and their number.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn clean(&self, dir: NodeId) -> Result<Option<(Hash32, u64)>, DbError> {
        let query = "SELECT print,n FROM clean WHERE dir=?1";
        let rows = self.rows(query, [dir.as_bytes()], |row| {
            Ok((Hash32(get_array(row, 0)?), get_u64(row, 1)?))
        })?;
        Ok(rows.first().copied())
    }

    /// Whether any node has this content, in base or at the server. Reads both whole: for what is rare.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn has_content(&self, kind: Kind, content: ContentId) -> Result<bool, DbError> {
        let query = "SELECT 1 WHERE EXISTS (SELECT 1 FROM base WHERE kind=?1 AND content=?2)
                     OR EXISTS (SELECT 1 FROM remote WHERE deleted=0 AND kind=?1 AND content=?2)";
        let values = params![kind_number(kind), content.as_bytes()];
        Ok(!self.rows(query, values, |_| Ok(()))?.is_empty())
    }

    /// What the stat cache knows about a file.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn stat(&self, key: FileKey) -> Result<Option<StatRow>, DbError> {
        let query = "SELECT size,mtime_ns,ctime_ns,content FROM stats WHERE dev=?1 AND ino=?2";
        let values = params![to_bits(key.dev), to_bits(key.ino)];
        let rows = self.rows(query, values, |row| {
            Ok(StatRow {
                key,
                size: get_u64(row, 0)?,
                mtime_ns: row.get(1).map_err(sql("read column"))?,
                ctime_ns: row.get(2).map_err(sql("read column"))?,
                content: ContentId(get_array(row, 3)?),
            })
        })?;
        Ok(rows.first().copied())
    }
}

/// What both sides were when they were last equal.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a>(Reader<'a>);

impl Base<'_> {
    fn rows(self, rest: &str, values: impl Params) -> Result<Vec<BaseRow>, DbError> {
        let query = format!("SELECT {NODE},dev,ino FROM base WHERE {rest}");
        self.0.rows(&query, values, base_row)
    }

    /// A node and where it lies.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn row(&self, id: NodeId) -> Result<Option<BaseRow>, DbError> {
        Ok(self.rows("node=?1", [id.as_bytes()])?.pop())
    }

    /// Nodes with this directory and name: more than one only between two steps of a plan.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn at(&self, parent: NodeId, name: &Name) -> Result<Vec<BaseRow>, DbError> {
        let values = params![parent.as_bytes(), name.as_bytes()];
        self.rows("parent=?1 AND name=?2 ORDER BY node", values)
    }

    /// Nodes in a directory, sorted by name.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn within(&self, dir: NodeId) -> Result<Vec<BaseRow>, DbError> {
        self.rows("parent=?1 ORDER BY name", [dir.as_bytes()])
    }

    /// Directories in a directory, by name.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn dirs_within(&self, dir: NodeId) -> Result<BTreeMap<Name, NodeId>, DbError> {
        let query = "SELECT node,name FROM base WHERE parent=?1 AND kind=1";
        let rows = self.0.rows(query, [dir.as_bytes()], |row| {
            let name = Name::new(&get_blob(row, 1)?);
            let name = name.map_err(|_| DbError::Damaged { what: "name" })?;
            Ok((name, NodeId(get_array(row, 0)?)))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Nodes with this identity in the file system.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn with_key(&self, key: FileKey) -> Result<Vec<NodeId>, DbError> {
        let query = "SELECT node FROM base WHERE ino=?2 AND dev=?1";
        let values = params![to_bits(key.dev), to_bits(key.ino)];
        self.0.rows(query, values, id_of)
    }

    /// A file of 64 KiB or more with this content.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn holder(&self, content: ContentId) -> Result<Option<NodeId>, DbError> {
        let query = "SELECT node FROM base WHERE content=?1 AND kind=0 AND size>=65536 ORDER BY node LIMIT 1";
        Ok(self.0.rows(query, [content.as_bytes()], id_of)?.pop())
    }

    /// Files that are conflict copies.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn copies(&self) -> Result<Vec<BaseRow>, DbError> {
        self.rows("copy!=0 ORDER BY node", [])
    }

    /// `top` and all nodes below it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn below(&self, top: NodeId) -> Result<BTreeSet<NodeId>, DbError> {
        let mut all = BTreeSet::new();
        let mut open = vec![top];
        while let Some(id) = open.pop() {
            if all.insert(id) {
                open.extend(self.children(id)?);
            }
        }
        Ok(all)
    }

    /// Nodes that do not hang below the root: there are some only between two steps of a plan.
    ///
    /// Cost: grows with the folder.
    /// # Errors
    /// [`DbError`].
    pub fn astray(&self) -> Result<BTreeSet<NodeId>, DbError> {
        let dirs = "SELECT node,parent FROM base WHERE kind=1";
        let pair = |row: &Row<'_>| Ok((NodeId(get_array(row, 0)?), NodeId(get_array(row, 1)?)));
        let parents: BTreeMap<NodeId, NodeId> = self.0.rows(dirs, [], pair)?.into_iter().collect();
        let mut rooted: BTreeMap<NodeId, bool> = BTreeMap::from([(ROOT, true)]);
        for &start in parents.keys() {
            let mut walk = BTreeSet::new();
            let mut at = start;
            while !rooted.contains_key(&at) && walk.insert(at) {
                match parents.get(&at) {
                    Some(&parent) => at = parent,
                    None => break,
                }
            }
            let is_rooted = rooted.get(&at).copied().unwrap_or(false);
            rooted.extend(walk.into_iter().map(|id| (id, is_rooted)));
        }
        let mut all = BTreeSet::new();
        for (&dir, _) in rooted.iter().filter(|(_, is_rooted)| !**is_rooted) {
            all.extend(self.below(dir)?);
        }
        let none = "SELECT node FROM base b WHERE parent!=?1 AND NOT EXISTS
                    (SELECT 1 FROM base p WHERE p.node=b.parent)";
        for top in self.0.rows(none, [ROOT.as_bytes()], id_of)? {
            all.extend(self.below(top)?);
        }
        Ok(all)
    }
}

impl Replica for Base<'_> {
    type Error = DbError;

    fn node(&self, id: NodeId) -> Result<Option<Node>, DbError> {
        Ok(self.row(id)?.map(|row| row.node))
    }

    fn namesakes(&self, place: &Place) -> Result<Vec<NodeId>, DbError> {
        let query = "SELECT node FROM base WHERE parent=?1 AND name=?2";
        let values = params![place.parent.as_bytes(), place.name.as_bytes()];
        self.0.rows(query, values, id_of)
    }

    fn children(&self, dir: NodeId) -> Result<Vec<NodeId>, DbError> {
        let query = "SELECT node FROM base WHERE parent=?1";
        self.0.rows(query, [dir.as_bytes()], id_of)
    }

    fn tombstone(&self, _id: NodeId) -> Result<Option<u64>, DbError> {
        Ok(None)
    }
}

/// The server's newest known state.
#[derive(Debug, Clone, Copy)]
pub struct Remote<'a>(Reader<'a>);

impl Remote<'_> {
    fn state(self, id: NodeId) -> Result<Option<(Node, bool)>, DbError> {
        let query = format!("SELECT {NODE},deleted FROM remote WHERE node=?1");
        let mut rows = self.0.rows(&query, [id.as_bytes()], |row| {
            let is_deleted = get_u64(row, 10)? != 0;
            let (_, node) = checked_node(row, Side::remote(is_deleted))?;
            Ok((node, is_deleted))
        })?;
        // What base has came from the server or went there: its state, or its deletion, is on record.
        if rows.is_empty() && self.0.base().row(id)?.is_some() {
            return Err(DbError::Damaged { what: "node" });
        }
        Ok(rows.pop())
    }
}

impl Replica for Remote<'_> {
    type Error = DbError;

    fn node(&self, id: NodeId) -> Result<Option<Node>, DbError> {
        let state = self.state(id)?.filter(|(_, is_deleted)| !is_deleted);
        Ok(state.map(|(node, _)| node))
    }

    fn namesakes(&self, place: &Place) -> Result<Vec<NodeId>, DbError> {
        let query = "SELECT node FROM remote WHERE parent=?1 AND name=?2 AND deleted=0";
        let values = params![place.parent.as_bytes(), place.name.as_bytes()];
        self.0.rows(query, values, id_of)
    }

    fn children(&self, dir: NodeId) -> Result<Vec<NodeId>, DbError> {
        let query = "SELECT node FROM remote WHERE parent=?1 AND deleted=0";
        self.0.rows(query, [dir.as_bytes()], id_of)
    }

    fn tombstone(&self, id: NodeId) -> Result<Option<u64>, DbError> {
        let state = self.state(id)?.filter(|(_, is_deleted)| *is_deleted);
        Ok(state.map(|(node, _)| node.rev))
    }
}

/// Path of a node in a replica; `None` when it is not there or hangs nowhere.
///
/// # Errors
/// Those of the replica.
pub fn path_in<R: Replica>(replica: &R, id: NodeId) -> Result<Option<RelPath>, R::Error> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    let mut at = id;
    while at != ROOT {
        match replica.node(at)? {
            Some(node) if seen.insert(at) => {
                names.push(node.place.name);
                at = node.place.parent;
            },
            Some(_) | None => return Ok(None),
        }
    }
    let mut names = names.into_iter().rev();
    Ok(names.try_fold(RelPath::root(), |path, name| path.child(name).ok()))
}

fn id_of(row: &Row<'_>) -> Result<NodeId, DbError> {
    Ok(NodeId(get_array(row, 0)?))
}

fn base_row(row: &Row<'_>) -> Result<BaseRow, DbError> {
    let (id, node) = checked_node(row, Side::Base)?;
    let (dev, ino) = (get_bits(row, 10)?, get_bits(row, 11)?);
    let key = (ino != 0).then_some(FileKey { dev, ino });
    Ok(BaseRow { id, node, key })
}
