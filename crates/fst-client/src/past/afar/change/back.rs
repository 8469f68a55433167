//! What a change at the server is about, for the log of operations, and the way back.
//!
//! Invariant: a way back is a change like any other, made from the tree that was just pulled; what it brings back is
//! compared with what the operation took away. Source: ADR 0037.

use std::collections::BTreeMap;

use fst_engine::restore::{self as planning, Newer};
use fst_engine::tree::{Node, Tree};
use fst_proto::entry::Kind;
use fst_proto::error::ErrorCode;
use fst_proto::hash::sha256;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;
use fst_proto::time::UnixMillis;

use super::{Draft, Source, bad_path, last, new_id, spot};
use crate::client::Client;
use crate::config::FolderConfig;
use crate::db::RevisionRow;
use crate::error::ClientError;
use crate::operations::{Back, Operation, Thing, Way};
use crate::past::afar::{Change, Changed, Place};
use crate::restore::{Restore, outside};
use crate::versions;

/// What a change is about to do, for the log of operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// What it changes.
    pub things: Vec<Thing>,
    /// How it is undone.
    pub way: Way,
}

/// Where a draft changes something.
pub(super) enum Touched {
    /// The path was made, or got another content.
    Put(RelPath),
    /// It goes.
    Removed(RelPath),
    /// It becomes another one.
    Moved { from: RelPath, to: RelPath },
}

impl Touched {
    /// The path that people are told.
    pub(super) fn path(self) -> RelPath {
        match self {
            Self::Put(path) | Self::Removed(path) | Self::Moved { to: path, .. } => path,
        }
    }
}

impl Client {
    /// Takes back what an operation changed at the server. `note` is asked before anything is sent.
    ///
    /// # Errors
    /// [`ErrorCode::ChangedSince`], [`ErrorCode::NotUndoable`]; [`ErrorCode::NoSuchVersion`] when the server does not keep
    /// any more what is to come back; as [`Client::change_afar`].
    pub fn undo_afar(
        &self,
        operation: &Operation,
        note: &mut dyn FnMut(Intended) -> Result<(), ClientError>,
    ) -> Result<Changed, ClientError> {
        let Way::Afar { space, path, .. } = &operation.way else {
            let detail = "it changed nothing at the server";
            return Err(ClientError::new(ErrorCode::NotUndoable, detail));
        };
        let place = Place {
            folder: FolderConfig {
                remote_path: space.clone(),
                ..FolderConfig::default()
            },
            path: RelPath::parse(path).map_err(bad_path)?,
        };
        self.change_afar(&place, &Change::Back(Box::new(operation.clone())), note)
    }
}

impl Draft<'_> {
    /// What is about to be sent; `before_ms` is the time of the newest entry before it.
    pub(super) fn intended(&self, touched: &Touched, before_ms: u64) -> Intended {
        match self.try_intended(touched, before_ms) {
            Some(intended) => intended,
            None => Intended {
                things: Vec::new(),
                way: Way::None {
                    why: "its name is no text".to_owned(),
                },
            },
        }
    }

    /// `None` for names that a record cannot hold.
    fn try_intended(&self, touched: &Touched, before_ms: u64) -> Option<Intended> {
        let space = self.past.folder.remote_path.clone();
        let before = &self.past.tree;
        let (things, path, back) = match touched {
            Touched::Moved { from, to } => {
                let node = node_of(before, from);
                let things = vec![
                    self.thing(from, node.clone(), None)?,
                    self.thing(to, None, node)?,
                ];
                (things, to, Back::Move { to: text(from)? })
            },
            Touched::Put(path) => {
                let top = self.made.as_ref().unwrap_or(path);
                let was = print_of(before, top);
                let back = match before.lookup(top) {
                    None => Back::Remove,
                    Some(node) => Back::Version {
                        node: node.to_hex(),
                        rev: before.get(node)?.rev,
                    },
                };
                let thing = self.thing(top, was, print_of(&self.tree, top))?;
                (vec![thing], top, back)
            },
            Touched::Removed(path) => {
                let thing = self.thing(path, print_of(before, path), None)?;
                (vec![thing], path, Back::Restore { at_ms: before_ms })
            },
        };
        let path = text(path)?;
        let way = Way::Afar { space, path, back };
        Some(Intended { things, way })
    }

    fn thing(&self, path: &RelPath, was: Option<String>, left: Option<String>) -> Option<Thing> {
        let name = format!("{}/{}", self.past.folder.remote_path, text(path)?);
        Some(Thing { name, was, left })
    }

    /// Takes an operation back, if everything is as it left it.
    pub(super) fn back(&mut self, operation: &Operation) -> Result<Touched, ClientError> {
        let Way::Afar { space, path, back } = &operation.way else {
            let detail = "it changed nothing at the server";
            return Err(ClientError::new(ErrorCode::NotUndoable, detail));
        };
        let path = RelPath::parse(path).map_err(bad_path)?;
        let mut now = Vec::new();
        for thing in &operation.things {
            let inside = thing.name.strip_prefix(space).unwrap_or_default();
            let inside = RelPath::parse(inside.trim_start_matches('/')).map_err(bad_path)?;
            now.push(match back {
                Back::Move { .. } => node_of(&self.tree, &inside),
                Back::Remove | Back::Restore { .. } | Back::Version { .. } | Back::Newer => {
                    print_of(&self.tree, &inside)
                },
            });
        }
        let plan = operation.plan(&now)?;
        if plan.len() < operation.things.len() {
            let detail = format!("{path} was changed since");
            return Err(ClientError::new(ErrorCode::ChangedSince, detail));
        }
        match back {
            Back::Move { to } => {
                let to = RelPath::parse(to).map_err(bad_path)?;
                let to = self.relocate(&path, &to)?;
                Ok(Touched::Moved { from: path, to })
            },
            Back::Remove => {
                self.remove(&path, true)?;
                Ok(Touched::Removed(path))
            },
            Back::Restore { at_ms } => {
                let was = operation.things.first().and_then(|thing| thing.was.clone());
                self.bring_back(&path, UnixMillis(*at_ms), was.as_deref())?;
                Ok(Touched::Put(path))
            },
            Back::Version { node, rev } => {
                self.bring_version(&path, node, *rev)?;
                Ok(Touched::Put(path))
            },
            Back::Newer => Err(ClientError::new(
                ErrorCode::NotUndoable,
                "a newer version of this program has noted it",
            )),
        }
    }

    /// Puts everything below a path that was there at a moment, from a stage; each becomes a new node.
    fn bring_back(
        &mut self,
        path: &RelPath,
        at: UnixMillis,
        was: Option<&str>,
    ) -> Result<(), ClientError> {
        let past = versions::tree_at(self.past.db.read(), at.0)?;
        let top = past.lookup(path);
        if print_of(&past, path).as_deref() != was {
            let detail = format!("what {path} was cannot be told from what came after it");
            return Err(ClientError::new(ErrorCode::NoSuchVersion, detail));
        }
        let restore = self.past.plan_from(at, &Tree::new(), Newer::Keep)?;
        self.write_staged(path, &restore)?;
        let mut open: Vec<(RelPath, NodeId)> =
            top.map(|top| (path.clone(), top)).into_iter().collect();
        while let Some((path, old)) = open.pop() {
            let Some(node) = past.get(old) else { continue };
            if node.is_dir() {
                self.dir(&path)?;
                for (name, child) in past.children(old) {
                    open.push((path.child(name.clone()).map_err(bad_path)?, child));
                }
                continue;
            }
            let parent = self.dir(&path.parent().unwrap_or_default())?;
            let id = new_id();
            let node = Node {
                place: spot(parent, &last(&path)?),
                rev: 0,
                ..node.clone()
            };
            self.op(id, node, Some(Source::Local(id)));
        }
        Ok(())
    }

    /// Gives the file at a path the content of an earlier revision.
    fn bring_version(&mut self, path: &RelPath, node: &str, rev: u64) -> Result<(), ClientError> {
        let id = self.lookup(path)?;
        let rows = self.past.db.read().revisions(id)?;
        let row = rows.into_iter().find(|row| row.state.rev == rev);
        let row = row.filter(|row| row.node.to_hex() == node && !row.is_deleted);
        let row = row.ok_or_else(|| {
            ClientError::new(
                ErrorCode::NoSuchVersion,
                format!("{path} has no such revision"),
            )
        })?;
        let plan = planning::plan_one(&Tree::new(), path, row.node, row.state.content);
        let RevisionRow { state, .. } = row.clone();
        let sources = BTreeMap::from([(row.node, row)]);
        self.write_staged(path, &Restore { plan, sources })?;
        if let Some(now) = self.tree.get(id).cloned() {
            let node = Node {
                place: now.place,
                rev: now.rev,
                ..state
            };
            self.op(id, node, Some(Source::Local(id)));
        }
        Ok(())
    }

    fn write_staged(&self, path: &RelPath, restore: &Restore) -> Result<(), ClientError> {
        let to = self.staged(path)?;
        outside::write(restore, path, &to, &mut self.past.fetcher())?;
        Ok(())
    }
}

/// Which node lies at a path.
fn node_of(tree: &Tree, path: &RelPath) -> Option<String> {
    let node = tree.lookup(path)?;
    Some(format!("node {}", node.to_hex()))
}

/// What tells everything at and below a path from anything else: names and contents. No times, and no nodes, which
/// are others once something was removed and came back.
fn print_of(tree: &Tree, path: &RelPath) -> Option<String> {
    let top = tree.lookup(path)?;
    let kind = match tree.get(top)?.content.kind {
        Kind::Dir => "directory",
        Kind::File => "file",
        Kind::Symlink => "link",
    };
    let mut all = Vec::new();
    let mut open = vec![(RelPath::root(), top)];
    while let Some((path, id)) = open.pop() {
        let node = tree.get(id)?;
        all.extend(path.to_bytes());
        all.push(0);
        all.push(node.content.kind as u8);
        if !node.is_dir() {
            all.extend_from_slice(node.content.id.as_bytes());
            all.push(u8::from(node.content.exec));
        }
        for (name, child) in tree.children(id) {
            open.push((path.child(name.clone()).ok()?, child));
        }
    }
    Some(format!("{kind} {}", &sha256(&[&all]).to_hex()[..16]))
}

fn text(path: &RelPath) -> Option<String> {
    String::from_utf8(path.to_bytes()).ok()
}
