//! Files of folders that an operation changed: what lies there now, and the way back from the versions.
//!
//! Invariant: whether a file is as the operation left it is seen on the disk; what is displaced on the way back is judged
//! again, as by every restore. Not here: what may be taken back ([`fst_engine::undo`]). Source: ADR 0037.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fst_engine::restore::Step;
use fst_fs::real::RealVault;
use fst_fs::vault::{FileKind, Vault as _};
use fst_proto::entry::{Content, Kind};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::RelPath;

use super::{Intended, Past};
use crate::client::Client;
use crate::db::RevisionRow;
use crate::error::ClientError;
use crate::operations::{Operation, Thing, Way};
use crate::restore::{Restore, Restored};
use crate::scan::{content_of, hash_file};
use crate::versions;

/// What a directory is, among things.
const DIRECTORY: &str = "directory";

impl Past<'_> {
    /// What a restore is about to do, for the log of operations. Directories that it makes stay when it is undone.
    #[must_use]
    pub fn intended(&self, restore: &Restore) -> Intended {
        let now = |node| self.tree.get(node).map(|node| described(&node.content));
        let then = |node| {
            let row: Option<&RevisionRow> = restore.sources.get(node);
            row.map(|row| described(&row.state.content))
        };
        let steps = restore.plan.steps.iter();
        let changes = steps.filter_map(|step| match step {
            Step::MakeDir { .. } => None,
            Step::Create { path, past } => Some((path, None, then(past))),
            Step::Replace {
                path,
                past,
                now: there,
            } => Some((path, now(*there), then(past))),
            Step::Remove { path, now: there } => Some((path, now(*there), None)),
        });
        intended(&self.folder.path, changes)
    }

    /// What lies at a path on the disk.
    fn here(&self, vault: &RealVault, path: &RelPath) -> Result<Option<String>, ClientError> {
        let Some(stat) = vault.stat(path)? else {
            return Ok(None);
        };
        let keys = &self.space.keys;
        Ok(Some(match stat.kind {
            FileKind::Dir => DIRECTORY.to_owned(),
            FileKind::Symlink => {
                let id = content_of(keys, &vault.read_link(path)?);
                said(Kind::Symlink, &id)
            },
            FileKind::File => {
                let mut file = vault.open_read(path)?;
                said(Kind::File, &hash_file(keys, file.as_mut(), stat.size)?)
            },
            FileKind::Special => "neither file, directory nor link".to_owned(),
        }))
    }

    /// The newest version with a content that the path ever had.
    fn version_of(&self, path: &RelPath, content: &str) -> Result<RevisionRow, ClientError> {
        for node in versions::nodes_of_path(self.db.read(), &self.tree, path)? {
            let rows = self.db.read().revisions(node)?.into_iter().rev();
            let mut rows = rows.filter(|row| !row.is_deleted);
            if let Some(row) = rows.find(|row| described(&row.state.content) == content) {
                return Ok(row);
            }
        }
        let detail = format!("the versions have nothing of {path} as it was");
        Err(ClientError::new(ErrorCode::NoSuchVersion, detail))
    }

    /// The node at a path, if what the operation left there is a version of it by now.
    fn synced(&self, path: &RelPath, left: Option<&str>) -> Result<NodeId, ClientError> {
        let is_left =
            |row: &RevisionRow| left.is_some_and(|left| described(&row.state.content) == left);
        if let Some(node) = self.tree.lookup(path)
            && self.db.read().revisions(node)?.iter().any(is_left)
        {
            return Ok(node);
        }
        let detail = format!("{path} is not synced yet");
        Err(ClientError::new(ErrorCode::Unsynced, detail))
    }

    /// The steps that make a thing what it was.
    fn steps_back(
        &self,
        (vault, path): (&RealVault, &RelPath),
        thing: &Thing,
    ) -> Result<(Vec<Step>, Option<RevisionRow>), ClientError> {
        let path = path.clone();
        let there = || self.synced(&path, thing.left.as_deref());
        match (thing.was.as_deref(), &thing.left) {
            (None, _) => {
                let now = there()?;
                Ok((vec![Step::Remove { path, now }], None))
            },
            (Some(DIRECTORY), _) => {
                let mut steps = missing_above(vault, &path)?;
                steps.push(Step::MakeDir { path });
                Ok((steps, None))
            },
            (Some(was), None) => {
                let row = self.version_of(&path, was)?;
                let mut steps = missing_above(vault, &path)?;
                let past = row.node;
                steps.push(Step::Create { path, past });
                Ok((steps, Some(row)))
            },
            (Some(was), Some(_)) => {
                let (row, now) = (self.version_of(&path, was)?, there()?);
                let past = row.node;
                Ok((vec![Step::Replace { path, past, now }], Some(row)))
            },
        }
    }
}

/// A folder that an operation changed something in.
struct Part<'a> {
    past: Past<'a>,
    vault: RealVault,
    /// In the order of the steps.
    restores: Vec<Restore>,
}

impl Client {
    /// Takes back what an operation changed in folders. `note` is asked before anything is done.
    ///
    /// # Errors
    /// [`ErrorCode::ChangedSince`], [`ErrorCode::NotUndoable`]; [`ErrorCode::Unsynced`] when the server has not yet what would be
    /// replaced; [`ErrorCode::NoSuchVersion`]; as [`Past::restore`]. Single paths are in the result.
    pub fn undo_files(
        &self,
        operation: &Operation,
        note: &mut dyn FnMut(Intended) -> Result<(), ClientError>,
    ) -> Result<Restored, ClientError> {
        let mut parts: Vec<Part<'_>> = Vec::new();
        let mut places = Vec::new();
        let mut now = Vec::new();
        for thing in &operation.things {
            let place = self.part(&mut parts, Path::new(&thing.name))?;
            let Part { past, vault, .. } = &parts[place.0];
            now.push(past.here(vault, &place.1)?);
            places.push(place);
        }
        let mut back = operation.plan(&now)?;
        // What a directory holds comes after it, and goes before it.
        back.sort_by_key(|at| &operation.things[*at].name);
        let (gone, rest): (Vec<usize>, Vec<usize>) = back
            .into_iter()
            .partition(|at| operation.things[*at].was.is_none());
        let back: Vec<usize> = rest.into_iter().chain(gone.into_iter().rev()).collect();
        for &at in &back {
            let (part, path) = &places[at];
            parts[*part].add(path, &operation.things[at])?;
        }
        let turned = |thing: &Thing| Thing {
            name: thing.name.clone(),
            was: thing.left.clone(),
            left: thing.was.clone(),
        };
        let things = back.iter().map(|at| turned(&operation.things[*at]));
        note(Intended {
            things: things.collect(),
            way: Way::Files,
        })?;
        let mut out = Restored::default();
        for part in &parts {
            for restore in &part.restores {
                let done = part.past.restore(restore)?;
                out.done.extend(done.done);
                out.problems.extend(done.problems);
            }
        }
        Ok(out)
    }

    /// The number of the part that a path lies in, and the path inside of it.
    fn part<'a>(
        &'a self,
        parts: &mut Vec<Part<'a>>,
        path: &Path,
    ) -> Result<(usize, RelPath), ClientError> {
        let inside = |folder: &PathBuf| {
            let inside = path.strip_prefix(folder).ok()?;
            RelPath::from_bytes(inside.as_os_str().as_bytes()).ok()
        };
        let known = parts.iter().enumerate();
        let mut known = known.filter_map(|(at, part)| Some((at, inside(&part.past.folder.path)?)));
        if let Some(found) = known.next() {
            return Ok(found);
        }
        let past = self.past(path)?;
        let vault = RealVault::open(&past.folder.path)?;
        let path = past.path.clone();
        parts.push(Part {
            past,
            vault,
            restores: Vec::new(),
        });
        Ok((parts.len() - 1, path))
    }
}

impl Part<'_> {
    /// Adds the way back of a thing. A node of which two versions are wanted needs two restores.
    fn add(&mut self, path: &RelPath, thing: &Thing) -> Result<(), ClientError> {
        let (steps, source) = self.past.steps_back((&self.vault, path), thing)?;
        let fits = |restore: &Restore| match &source {
            Some(row) => {
                let other = restore.sources.get(&row.node);
                other.is_none_or(|other| other == row)
            },
            None => true,
        };
        if !self.restores.last().is_some_and(fits) {
            self.restores.push(Restore::default());
        }
        if let Some(restore) = self.restores.last_mut() {
            restore.plan.steps.extend(steps);
            restore.sources.extend(source.map(|row| (row.node, row)));
        }
        Ok(())
    }
}

/// A change of files below a folder, each with what it was and what it becomes.
pub(crate) fn intended<'p>(
    folder: &Path,
    changes: impl IntoIterator<Item = (&'p RelPath, Option<String>, Option<String>)>,
) -> Intended {
    let thing = |(path, was, left): (&RelPath, _, _)| {
        let mut name = folder.as_os_str().as_bytes().to_vec();
        name.push(b'/');
        name.extend(path.to_bytes());
        let name = String::from_utf8(name).ok()?;
        Some(Thing { name, was, left })
    };
    let changes = changes.into_iter().filter(|(_, was, left)| was != left);
    let things: Option<Vec<Thing>> = changes.map(thing).collect();
    match things {
        Some(things) => Intended {
            things,
            way: Way::Files,
        },
        None => Intended {
            things: Vec::new(),
            way: Way::None {
                why: "a name is no text".to_owned(),
            },
        },
    }
}

/// What a content is, among things.
pub(crate) fn described(content: &Content) -> String {
    said(content.kind, &content.id)
}

pub(crate) fn said(kind: Kind, id: &ContentId) -> String {
    match kind {
        Kind::Dir => DIRECTORY.to_owned(),
        Kind::File => format!("file {}", &id.to_hex()[..32]),
        Kind::Symlink => format!("link {}", &id.to_hex()[..32]),
    }
}

/// Directories above a path that are not there.
fn missing_above(vault: &RealVault, path: &RelPath) -> Result<Vec<Step>, ClientError> {
    let mut steps = Vec::new();
    let mut above = path.parent();
    while let Some(path) = above.filter(|path| !path.is_root()) {
        if vault.stat(&path)?.is_some() {
            break;
        }
        above = path.parent();
        steps.push(Step::MakeDir { path });
    }
    steps.reverse();
    Ok(steps)
}
