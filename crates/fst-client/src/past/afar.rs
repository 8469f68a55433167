//! Spaces without a folder: paths at the server, what lies there now or lay there at a moment.
//!
//! Each space that is looked into has its own verified copy of the log below the state directory. Invariant: what is
//! shown passed the checks of a pull, which include every head that a folder of this device has verified; of files that
//! belong to a folder nothing is touched. Not here: how paths are typed, printing. Source: docs/design/commands.md §12.

use std::fs::File;
use std::io::Seek as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fst_crypto::random::OsRandom;
use fst_engine::ignore::RuleFile;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Kind, ROOT};
use fst_proto::error::ErrorCode;
use fst_proto::hash::sha256;
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, RelPath};
use fst_proto::time::UnixMillis;
use rustix::fs::FlockOperation;

use super::Past;
use crate::client::Client;
use crate::config::FolderConfig;
use crate::db::Db;
use crate::error::ClientError;
use crate::fetch::Flat;
use crate::folder::{Folder, Settings, Space};
use crate::ignore::Ignore;
use crate::versions;

mod change;

pub use change::{Change, Changed, Intended};

/// A moment after everything that has happened.
const NEWEST: UnixMillis = UnixMillis(i64::MAX as u64);

/// A path in a space at the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The space as a folder that lies nowhere.
    pub folder: FolderConfig,
    /// The path inside of it; the root for the space itself.
    pub path: RelPath,
}

/// A file, directory or link of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path in the space.
    pub path: RelPath,
    /// What it is.
    pub kind: Kind,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When its bytes were last changed, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Whether it may be run.
    pub is_executable: bool,
    /// Its revision at the server.
    pub revision: u64,
}

impl Client {
    /// Remote paths of all spaces of the account, sorted.
    ///
    /// # Errors
    /// [`ClientError`] when the server cannot be reached, or a space does not open.
    pub fn remote_paths(&self) -> Result<Vec<String>, ClientError> {
        self.spaces().remote_paths()
    }

    /// The space and the path in it that names below the root stand for.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when no space begins so; [`ErrorCode::Usage`] for names that no path has.
    pub fn remote_place(&self, names: &[&str]) -> Result<Place, ClientError> {
        let found = self.spaces().find_above(names)?;
        let (remote_path, n) = found.ok_or_else(|| {
            let detail = format!("the server has no space for /{}", names.join("/"));
            ClientError::new(ErrorCode::NotFound, detail)
        })?;
        let inside = names.get(n..).unwrap_or_default();
        let path = inside.iter().try_fold(RelPath::root(), |path, name| {
            path.child(Name::new(name.as_bytes())?)
        });
        let path = path.map_err(|e| ClientError::caused(ErrorCode::Usage, "this is no path", e))?;
        let folder = FolderConfig {
            remote_path,
            ..FolderConfig::default()
        };
        Ok(Place { folder, path })
    }

    /// Opens a path at the server: everything of it that changes nothing, and needs no folder.
    ///
    /// # Errors
    /// As a sync: [`ErrorCode::Unreachable`], or the log breaks a rule.
    pub fn past_afar<'a>(&'a self, place: &'a Place) -> Result<Past<'a>, ClientError> {
        let dir = self.afar(&place.folder.remote_path)?;
        let failed = |e| ClientError::caused(ErrorCode::Io, "lock the copy of the log", e);
        let lock = File::create(dir.join("lock")).map_err(failed)?;
        // Another command that reads the same space is waited for; it pulls and goes on without the lock.
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        let db = Db::open(&dir.join("log.db"))?;
        let folder = &place.folder;
        let (space, db) = self.replayed(folder, dir, db)?;
        let (_, tree) = db.trees()?;
        Ok(Past {
            folder,
            path: place.path.clone(),
            client: self,
            db,
            space,
            tree,
        })
    }

    /// The space of a folder, with its verified log in `db` brought up to the server's head; no file of the user is
    /// looked at. `dir` is a private directory.
    ///
    /// # Errors
    /// As [`Client::past_afar`]: the log has to hold every head that a folder of this device has verified.
    pub(super) fn replayed(
        &self,
        folder: &FolderConfig,
        dir: PathBuf,
        mut db: Db,
    ) -> Result<(Space, Db), ClientError> {
        let opened = self
            .spaces()
            .open(&folder.remote_path, &mut db, &OsRandom)?;
        let space = self.space(opened)?;
        let mut settings = Settings {
            evidence: Some(self.state_dir().join("evidence")),
            ..self.settings(folder, Ignore::new(&[])?, space.id)
        };
        let heads = self.known_heads()?.into_iter();
        let known = heads
            .filter(|(id, _)| *id == space.id)
            .map(|(_, head)| head);
        settings.pinned = settings
            .pinned
            .into_iter()
            .chain(known)
            .max_by_key(|h| h.size);
        let seams = self.seams(&FolderConfig {
            path: dir,
            ..FolderConfig::default()
        })?;
        Ok(Folder::open_to_look(space, seams, settings, db)?.refreshed()?)
    }

    /// Where the copy of a space's log lies.
    fn afar(&self, remote_path: &str) -> Result<PathBuf, ClientError> {
        let key = sha256(&[remote_path.as_bytes()]).to_hex();
        let dir = self.state_dir().join("afar").join(&key[..16]);
        let made = crate::dirs::make_private(&dir);
        made.map_err(|e| ClientError::caused(ErrorCode::Io, "make a state directory", e))?;
        Ok(dir)
    }
}

impl Past<'_> {
    /// What lies at and below the path, each directory before what is in it and sorted by name; now, or at a moment.
    ///
    /// The path itself comes first, unless it is the whole space. `depth` 0 is the path alone.
    /// # Errors
    /// [`ErrorCode::NotFound`] when nothing is there, [`ErrorCode::NoSuchVersion`] when nothing was.
    pub fn items(&self, at: Option<UnixMillis>, depth: usize) -> Result<Vec<Item>, ClientError> {
        let then = match at {
            Some(at) => Some(versions::tree_at(self.db.read(), at.0)?),
            None => None,
        };
        let tree = then.as_ref().unwrap_or(&self.tree);
        let top = match self.path.is_root() {
            true => Some(ROOT),
            false => tree.lookup(&self.path),
        };
        let top = top.ok_or_else(|| match at {
            Some(_) => {
                let detail = format!("{} was not there then", self.path);
                ClientError::new(ErrorCode::NoSuchVersion, detail)
            },
            None => {
                let detail = format!("{} is not there", self.path);
                ClientError::new(ErrorCode::NotFound, detail)
            },
        })?;
        Ok(below(tree, top, &self.path, depth))
    }

    /// Everything at and below the path, at a free place outside of every synced folder; now, or as of a moment.
    ///
    /// # Errors
    /// As [`Past::write_moment`].
    pub fn get(&self, at: Option<UnixMillis>, to: &Path) -> Result<Vec<PathBuf>, ClientError> {
        self.write_moment(at.unwrap_or(NEWEST), to)
    }

    /// The checked bytes of the file or link at the path, in a file that has no name; now, or as of a moment.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchVersion`] when no file is or was there, or its bytes are not kept any more.
    pub fn spooled(&self, at: Option<UnixMillis>) -> Result<File, ClientError> {
        let row = self.file_at(at.unwrap_or(NEWEST))?;
        let dir = self.client.afar(&self.folder.remote_path)?;
        let name = dir.join(format!("spool-{}", std::process::id()));
        let failed =
            |e| ClientError::caused(ErrorCode::Io, "keep the bytes until they are checked", e);
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).mode(0o600);
        let mut file = file.open(&name).map_err(failed)?;
        std::fs::remove_file(&name).map_err(failed)?;
        self.fetcher().write_revision(&row, &mut Flat(&mut file))?;
        file.rewind().map_err(failed)?;
        Ok(file)
    }
}

impl Item {
    /// Of `items` those whose path fits a pattern as rule files have them.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] when it is none.
    pub fn fitting(items: Vec<Self>, pattern: &str) -> Result<Vec<Self>, ClientError> {
        let rules = RuleFile::parse(pattern.as_bytes());
        if rules.damage().is_some() || rules.rules().len() != 1 {
            let detail = format!("{pattern:?} is no pattern: write it as *.txt or notes/*.md");
            return Err(ClientError::new(ErrorCode::Usage, detail));
        }
        let fits = |item: &Self| {
            let said = rules.decide(&item.path.to_bytes(), item.kind == Kind::Dir);
            said.is_some()
        };
        Ok(items.into_iter().filter(fits).collect())
    }
}

fn below(tree: &Tree, top: NodeId, path: &RelPath, depth: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut open = vec![(top, path.clone(), 0)];
    while let Some((id, path, level)) = open.pop() {
        if level < depth {
            let children: Vec<(&Name, NodeId)> = tree.children(id).collect();
            let children = children.into_iter().rev().filter_map(|(name, child)| {
                Some((child, path.child(name.clone()).ok()?, level + 1))
            });
            open.extend(children);
        }
        items.extend(tree.get(id).map(|node| item(node, path)));
    }
    items
}

fn item(node: &Node, path: RelPath) -> Item {
    Item {
        path,
        kind: node.content.kind,
        size: node.size,
        mtime_ns: node.mtime_ns,
        is_executable: node.content.exec,
        revision: node.rev,
    }
}
