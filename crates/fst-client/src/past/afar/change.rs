//! Changes of a space without a folder: put, make, move, remove.
//!
//! Sent by the pusher of a sync from a private stage. Invariant: a change is conditional on the revisions that were
//! pulled just before, so nothing is replaced that was not seen; what it replaces or removes stays in the versions; it is
//! done when the verified log has it. Not here: what was typed. Source: docs/design/commands.md §12.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fst_crypto::random::{OsRandom, SecureRandom as _};
use fst_engine::plan::{PushKind, PushOp, Source};
use fst_engine::restore as planning;
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::{Content, Kind, Place as Spot, ROOT};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{BadPath, Name, RelPath};
use fst_proto::recipe::Body;

use super::{NEWEST, Past, Place};
use crate::client::Client;
use crate::config::FolderConfig;
use crate::db::Db;
use crate::error::ClientError;
use crate::folder::{Merges, Seams};
use crate::operations::Operation;
use crate::private::Private;
use crate::push::Pusher;
use crate::push::lanes::Lanes;
use crate::restore::{Restore, outside};
use crate::scan::{Scanned, hash_file};

mod back;

pub use back::Intended;
use back::Touched;

/// What is to be changed at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file gets these bytes; the directories above are made.
    Put {
        /// The local file.
        from: PathBuf,
        /// Whether a file that is there may get a new version.
        replace: bool,
    },
    /// A directory is made, with those above it.
    MakeDir,
    /// The path goes.
    Remove {
        /// With everything in it.
        recursive: bool,
    },
    /// The path becomes another one, or goes into a directory.
    Move {
        /// Its new path, or the directory.
        to: RelPath,
    },
    /// What an operation changed becomes what it was.
    Back(Box<Operation>),
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The path that was made, changed or removed.
    pub path: RelPath,
    /// Nodes that changed; 0 when all was so already.
    pub n_nodes: usize,
    /// Server time of the newest entry before: then it was as it was.
    pub before_ms: u64,
}

/// What is sent, and how the space looks with it.
struct Draft<'a> {
    past: &'a Past<'a>,
    stage: &'a Path,
    seams: Seams,
    tree: Tree,
    ops: Vec<PushOp>,
    /// The topmost directory that is made.
    made: Option<RelPath>,
}

impl Client {
    /// Changes a space at the server. `note` is told what is about to be sent, and nothing is sent when it fails.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]; [`ErrorCode::InTheWay`]; [`ErrorCode::Conflict`] when another device was first. Else as a
    /// sync.
    pub fn change_afar(
        &self,
        place: &Place,
        change: &Change,
        note: &mut dyn FnMut(Intended) -> Result<(), ClientError>,
    ) -> Result<Changed, ClientError> {
        let past = self.past_afar(place)?;
        let before_ms = past.db.load()?.last_time_ms;
        let dir = self.afar(&place.folder.remote_path)?;
        let stage = Private::new(&dir, "stage")?;
        let mut draft = Draft {
            past: &past,
            stage: stage.path(),
            seams: self.seams(&FolderConfig {
                path: stage.path().to_owned(),
                ..FolderConfig::default()
            })?,
            tree: past.tree.clone(),
            ops: Vec::new(),
            made: None,
        };
        let touched = draft.add(change)?;
        let ops = draft.ops.len();
        if ops > 0 {
            note(draft.intended(&touched, before_ms))?;
            draft.send(Db::open_copy(&dir.join("log.db"))?)?;
            let now = self.past_afar(place)?;
            if !draft.ops.iter().all(|op| is_done(op, &now.tree)) {
                return Err(overtaken());
            }
        }
        Ok(Changed {
            path: touched.path(),
            n_nodes: ops,
            before_ms,
        })
    }
}

impl Draft<'_> {
    fn add(&mut self, change: &Change) -> Result<Touched, ClientError> {
        let path = self.past.path.clone();
        match change {
            Change::Put { from, replace } => {
                let name = from.file_name().unwrap_or_default().as_bytes();
                let path = self.aim(&path, || Name::new(name))?;
                self.put(&path, from, *replace)?;
                Ok(Touched::Put(path))
            },
            Change::MakeDir => {
                self.dir(&path)?;
                Ok(Touched::Put(path))
            },
            Change::Remove { recursive } => {
                self.remove(&path, *recursive)?;
                Ok(Touched::Removed(path))
            },
            Change::Move { to } => {
                let to = self.relocate(&path, to)?;
                Ok(Touched::Moved { from: path, to })
            },
            Change::Back(operation) => self.back(operation),
        }
    }

    /// The path itself, or in it when it is a directory.
    fn aim(
        &self,
        path: &RelPath,
        name: impl FnOnce() -> Result<Name, BadPath>,
    ) -> Result<RelPath, ClientError> {
        let node = self.tree.lookup(path);
        match path.is_root() || node.is_some_and(|dir| self.tree.is_dir(dir)) {
            true => name().and_then(|name| path.child(name)).map_err(bad_path),
            false => Ok(path.clone()),
        }
    }

    /// The directory at a path; what is missing is made.
    fn dir(&mut self, path: &RelPath) -> Result<NodeId, ClientError> {
        let mut at = ROOT;
        let mut above = RelPath::root();
        for name in path.names() {
            above = above.child(name.clone()).map_err(bad_path)?;
            at = match self.tree.child(at, name) {
                Some(child) if self.tree.is_dir(child) => child,
                Some(_) => return Err(in_the_way(&above)),
                None => {
                    self.made.get_or_insert_with(|| above.clone());
                    let node = Node {
                        place: spot(at, name),
                        content: Content {
                            kind: Kind::Dir,
                            id: ContentId::ZERO,
                            exec: false,
                        },
                        mtime_ns: 0,
                        size: 0,
                        rev: 0,
                    };
                    self.op(new_id(), node, None)
                },
            };
        }
        Ok(at)
    }

    fn put(&mut self, path: &RelPath, from: &Path, replace: bool) -> Result<(), ClientError> {
        let name = last(path)?;
        let parent = self.dir(&path.parent().unwrap_or_default())?;
        let there = self.tree.child(parent, &name);
        let old = there.and_then(|id| self.tree.get(id)).cloned();
        let may_replace = |old: &Node| replace && old.content.kind == Kind::File;
        if !old.as_ref().is_none_or(may_replace) {
            return Err(in_the_way(path));
        }
        let (content, size, mtime_ns) = self.take(path, from)?;
        if old.as_ref().is_some_and(|old| old.content == content) {
            return Ok(());
        }
        let is_other = old.as_ref().is_none_or(|old| old.content.id != content.id);
        let id = there.unwrap_or_else(new_id);
        let node = Node {
            place: spot(parent, &name),
            content,
            mtime_ns,
            size,
            rev: old.map_or(0, |old| old.rev),
        };
        self.op(id, node, is_other.then_some(Source::Local(id)));
        Ok(())
    }

    /// Copies a file to the stage: what is sent cannot change on the way.
    fn take(&self, path: &RelPath, from: &Path) -> Result<(Content, u64, i64), ClientError> {
        let metadata = std::fs::metadata(from).map_err(|e| unreadable(from, e))?;
        if !metadata.is_file() {
            let detail = format!("{} is no file", from.display());
            return Err(ClientError::new(ErrorCode::Usage, detail));
        }
        let to = self.staged(path)?;
        std::fs::copy(from, to).map_err(|e| unreadable(from, e))?;
        let mut file = self.seams.vault.open_read(path)?;
        let size = file.stat()?.size;
        let content = Content {
            kind: Kind::File,
            id: hash_file(&self.past.space.keys, file.as_mut(), size)?,
            exec: metadata.mode() & 0o100 != 0,
        };
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Ok((content, size, seconds.saturating_add(metadata.mtime_nsec())))
    }

    fn remove(&mut self, path: &RelPath, recursive: bool) -> Result<(), ClientError> {
        last(path)?;
        let mut open = vec![self.lookup(path)?];
        let mut ops = Vec::new();
        while let Some(id) = open.pop() {
            open.extend(self.tree.children(id).map(|(_, child)| child));
            ops.extend(self.tree.get(id).map(|node| PushOp {
                node: id,
                base_rev: node.rev,
                kind: PushKind::Delete {
                    is_dir: node.is_dir(),
                },
            }));
        }
        if ops.len() > 1 && !recursive {
            let detail = format!("{path} is not empty: --recursive removes what is in it too");
            return Err(ClientError::new(ErrorCode::InTheWay, detail));
        }
        self.ops.extend(ops.into_iter().rev());
        Ok(())
    }

    fn relocate(&mut self, path: &RelPath, to: &RelPath) -> Result<RelPath, ClientError> {
        let (id, own) = (self.lookup(path)?, last(path)?);
        let to = self.aim(to, || Ok(own))?;
        if to.starts_with(path) {
            let detail = format!("{to} lies in {path}");
            return Err(ClientError::new(ErrorCode::Usage, detail));
        }
        let name = last(&to)?;
        let parent = self.dir(&to.parent().unwrap_or_default())?;
        if self.tree.child(parent, &name).is_some() {
            return Err(in_the_way(&to));
        }
        let row = self.past.db.read().remote_row(id)?;
        if row.is_some_and(|row| row.body == Body::Slot) {
            self.fetch(&to)?;
        }
        if let Some(node) = self.tree.get(id).cloned() {
            let place = spot(parent, &name);
            self.op(id, Node { place, ..node }, None);
        }
        Ok(to)
    }

    /// Brings the bytes of a small file or a link to the stage: they travel with each operation on it.
    fn fetch(&self, to: &RelPath) -> Result<(), ClientError> {
        let path = &self.past.path;
        let row = self.past.file_at(NEWEST)?;
        let plan = planning::plan_one(&Tree::new(), path, row.node, row.state.content);
        let sources = BTreeMap::from([(row.node, row)]);
        let restore = Restore { plan, sources };
        outside::write(&restore, path, &self.staged(to)?, &mut self.past.fetcher())?;
        Ok(())
    }

    /// A path in the stage, with the directories above it.
    fn staged(&self, path: &RelPath) -> Result<PathBuf, ClientError> {
        let names = path.names().iter();
        let names = names.map(|name| std::ffi::OsStr::from_bytes(name.as_bytes()));
        let file = names.fold(self.stage.to_path_buf(), |file, name| file.join(name));
        let made = std::fs::create_dir_all(file.parent().unwrap_or(self.stage));
        made.map_err(|e| unreadable(self.stage, e))?;
        Ok(file)
    }

    fn op(&mut self, id: NodeId, node: Node, bytes: Option<Source>) -> NodeId {
        let old = self.tree.get(id);
        self.ops.push(PushOp {
            node: id,
            base_rev: node.rev,
            kind: PushKind::Put {
                place: node.place.clone(),
                content: node.content,
                mtime_ns: node.mtime_ns,
                size: node.size,
                bytes,
                is_move: old.is_some_and(|old| old.place != node.place),
            },
        });
        self.tree.insert(id, node);
        id
    }

    fn lookup(&self, path: &RelPath) -> Result<NodeId, ClientError> {
        self.tree
            .lookup(path)
            .ok_or_else(|| ClientError::new(ErrorCode::NotFound, format!("{path} is not there")))
    }

    /// Sends the operations. `db` is a copy: the entry comes to the log kept here with the next pull, as any.
    fn send(&self, mut db: Db) -> Result<(), ClientError> {
        let mut state = db.load()?;
        let (_, mut remote_tree) = db.trees()?;
        let mut pusher = Pusher {
            vault: self.seams.vault.as_ref(),
            remote: self.seams.remote.as_ref(),
            space: &self.past.space,
            db: &mut db,
            state: &mut state,
            local: &self.tree,
            remote_tree: &mut remote_tree,
            scanned: &Scanned::default(),
            merges: &Merges::default(),
            now: self.seams.clock.now(),
            evidence: None,
            urgent: &AtomicBool::new(false),
        };
        let mut lanes = Lanes::new(std::sync::Arc::clone(&self.seams.remote), None);
        let pushed = pusher.run(&self.ops, &mut lanes)?;
        match pushed.problems.first() {
            Some(problem) => Err(ClientError::new(ErrorCode::Io, problem.reason.clone())),
            None if pushed.is_stale => Err(overtaken()),
            None => Ok(()),
        }
    }
}

fn is_done(op: &PushOp, now: &Tree) -> bool {
    match &op.kind {
        PushKind::Put { .. } => now.get(op.node).is_some_and(|node| node.rev > op.base_rev),
        PushKind::Delete { .. } => !now.contains(op.node),
    }
}

fn spot(parent: NodeId, name: &Name) -> Spot {
    let name = name.clone();
    Spot { parent, name }
}

fn new_id() -> NodeId {
    let mut id = [0; NodeId::LEN];
    OsRandom.fill(&mut id);
    NodeId(id)
}

/// The last name of a path; the whole space has none.
fn last(path: &RelPath) -> Result<Name, ClientError> {
    path.name().cloned().ok_or_else(|| {
        let detail = "this is the whole space: name a path in it";
        ClientError::new(ErrorCode::Usage, detail)
    })
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
fn bad_path(error: BadPath) -> ClientError {
    ClientError::new(ErrorCode::Usage, format!("this is no path: {error}"))
}

fn in_the_way(path: &RelPath) -> ClientError {
    ClientError::new(ErrorCode::InTheWay, format!("{path} is there already"))
}

fn overtaken() -> ClientError {
    let detail = "another device was first: look again and repeat the command";
    ClientError::new(ErrorCode::Conflict, detail)
}

fn unreadable(path: &Path, error: std::io::Error) -> ClientError {
    ClientError::caused(ErrorCode::Io, format!("use {}", path.display()), error)
}
