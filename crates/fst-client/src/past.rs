//! A folder's past: its versions, its deleted files, and the way back, beside a running daemon or without one.
//!
//! Made by [`Client::past`]; the database is only read. Invariant: what is shown passed the checks of the log; the
//! user's files change only through [`crate::restore`]. Not here: words and times as people say them.
//! Source: docs/design/versions.md.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fst_crypto::space::seal_ignore_policy;
use fst_engine::restore::{self as planning, Newer};
use fst_engine::tree::Tree;
use fst_fs::real::RealVault;
use fst_fs::vault::{FileKind, Vault as _, VaultError};
use fst_proto::control::{Control, Pin, Retention};
use fst_proto::error::ErrorCode;
use fst_proto::ids::NodeId;
use fst_proto::limits;
use fst_proto::path::RelPath;
use fst_proto::time::{Clock as _, UnixMillis};

use crate::client::Client;
use crate::clock::SystemClock;
use crate::config::FolderConfig;
use crate::db::{Db, RevisionRow};
use crate::error::ClientError;
use crate::fetch::{Fetcher, Flat};
use crate::folder::Space;
use crate::remote::Remote;
use crate::restore::{Restore, Restored, Restorer, outside};
use crate::versions::{self, Deleted, Keeping, NodeHistory};

mod afar;
pub(crate) mod files;
mod space;
pub mod verify;

pub use afar::{Change, Changed, Intended, Item, Place};

/// One folder's past, and a path in it.
#[derive(Debug)]
pub struct Past<'a> {
    /// The folder.
    pub folder: &'a FolderConfig,
    /// The path meant, inside the folder; the root for the folder itself.
    pub path: RelPath,
    client: &'a Client,
    db: Db,
    space: Space,
    tree: Tree,
}

/// A node of a path, with what its place was called last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathHistory {
    /// Its versions.
    pub history: NodeHistory,
    /// Its path now; before the deletion when it is deleted.
    pub path: Option<RelPath>,
}

impl Client {
    /// Opens the past of the folder that `path` lies in; the path itself need not exist any more.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownFolder`] when it lies in none, or the folder was never synced.
    pub fn past(&self, path: &Path) -> Result<Past<'_>, ClientError> {
        let (folder, inside) = self.inside(path)?;
        let unknown = || in_no_folder(path);
        let file = self.database(folder);
        let opened = if file.exists() {
            Db::open_read_only(&file)?
        } else {
            None
        };
        let db = opened.ok_or_else(unknown)?;
        let known = self.spaces().open_known(&folder.remote_path, &db)?;
        let space = self.space(known.ok_or_else(unknown)?)?;
        let (_, tree) = db.trees()?;
        Ok(Past {
            folder,
            path: inside,
            client: self,
            db,
            space,
            tree,
        })
    }

    /// Numbers of the versions that the file at a path has, or the last one that was there, oldest first, with the devices
    /// that wrote them. For those who choose among them: unlike [`Client::past`], its cost does not grow with the tree.
    ///
    /// # Errors
    /// As [`Client::past`].
    pub fn version_numbers(&self, path: &Path) -> Result<Vec<(u32, String)>, ClientError> {
        let (folder, inside) = self.inside(path)?;
        let file = self.database(folder);
        let opened = match file.exists() {
            true => Db::open_read_only(&file)?,
            false => None,
        };
        let db = opened.ok_or_else(|| in_no_folder(path))?;
        let Some(node) = db.read().nodes_seen_at(&inside)?.into_iter().next() else {
            return Ok(Vec::new());
        };
        let members = self.known_members();
        let versions = versions::of_node(db.read(), node)?.versions.into_iter();
        let named = versions.map(|it| (it.number, members.name(it.revision.device)));
        Ok(named.collect())
    }

    /// The folder that a path lies in, and the path inside of it.
    fn inside(&self, path: &Path) -> Result<(&FolderConfig, RelPath), ClientError> {
        let real = match std::fs::canonicalize(path) {
            // A link to the folder itself is followed; a link inside is a file of its own.
            Ok(top) if self.config().folders.iter().any(|f| f.path == top) => top,
            Ok(_) | Err(_) => resolved(path)?,
        };
        let mut folders = self.config().folders.iter();
        let folder = folders.find(|folder| real.starts_with(&folder.path));
        let folder = folder.ok_or_else(|| in_no_folder(path))?;
        let inside = real.strip_prefix(&folder.path).unwrap_or(Path::new(""));
        let path = RelPath::from_bytes(inside.as_os_str().as_bytes())
            .map_err(|e| ClientError::caused(ErrorCode::BadName, "read the path", e))?;
        Ok((folder, path))
    }

    fn check_outside(&self, to: &Path) -> Result<PathBuf, ClientError> {
        let to = resolved(to)?;
        let inside = self
            .config()
            .folders
            .iter()
            .find(|folder| to.starts_with(&folder.path) || folder.path.starts_with(&to));
        match inside {
            None => Ok(to),
            Some(folder) => {
                let detail = format!(
                    "{} would be synced with {}",
                    to.display(),
                    folder.path.display()
                );
                Err(ClientError::new(ErrorCode::FolderOverlap, detail))
            },
        }
    }
}

impl Past<'_> {
    /// Nodes that the path has stood for: the one there now first; only the first unless `all`.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchVersion`] when the path never was in the space; [`ErrorCode::BadState`].
    pub fn histories(&self, all: bool) -> Result<Vec<PathHistory>, ClientError> {
        let nodes = versions::nodes_of_path(self.db.read(), &self.tree, &self.path)?;
        let mut found = Vec::new();
        for node in nodes {
            let history = versions::of_node(self.db.read(), node)?;
            if history.versions.is_empty() || self.tree.is_dir(node) {
                continue;
            }
            let path = match &history.deleted {
                Some(_) => Some(self.path.clone()),
                None => self.tree.path(node),
            };
            found.push(PathHistory { history, path });
            if !all {
                break;
            }
        }
        if found.is_empty() {
            let detail = format!("the log knows no file {}", self.path);
            return Err(ClientError::new(ErrorCode::NoSuchVersion, detail));
        }
        Ok(found)
    }

    /// Name of a device for people.
    #[must_use]
    pub fn device_name(&self, row: &RevisionRow) -> String {
        self.space.members.name(row.device)
    }

    /// Deleted files at or below the path, latest deletion first.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn deleted(&self) -> Result<Vec<Deleted>, ClientError> {
        let mut all = versions::deleted(self.db.read())?;
        all.retain(|gone| gone.path.starts_with(&self.path));
        Ok(all)
    }

    /// Plans to bring one version back to the path.
    #[must_use]
    pub fn plan_revision(&self, revision: &RevisionRow) -> Restore {
        self.plan_revisions([(&self.path, revision)])
    }

    /// Plans to bring deleted files back to where they were; of several at one path the latest.
    #[must_use]
    pub fn plan_deleted(&self, gone: &[Deleted]) -> Restore {
        let mut latest: BTreeMap<&RelPath, &RevisionRow> = BTreeMap::new();
        for item in gone {
            latest.entry(&item.path).or_insert(&item.last.revision);
        }
        self.plan_revisions(latest)
    }

    fn plan_revisions<'r>(
        &self,
        wanted: impl IntoIterator<Item = (&'r RelPath, &'r RevisionRow)>,
    ) -> Restore {
        let mut out = Restore::default();
        for (path, row) in wanted {
            let plan = planning::plan_one(&self.tree, path, row.node, row.state.content);
            for step in plan.steps {
                if !out.plan.steps.contains(&step) {
                    out.plan.steps.push(step);
                }
            }
            out.plan.n_same += plan.n_same;
            out.plan.blocked.extend(plan.blocked);
            out.sources.insert(row.node, row.clone());
        }
        out
    }

    /// Plans to bring everything at and below the path back to a moment.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchVersion`] when nothing was there then; [`ErrorCode::BadState`].
    pub fn plan_moment(&self, at: UnixMillis, newer: Newer) -> Result<Restore, ClientError> {
        self.plan_from(at, &self.tree, newer)
    }

    fn plan_from(&self, at: UnixMillis, now: &Tree, newer: Newer) -> Result<Restore, ClientError> {
        let past = versions::tree_at(self.db.read(), at.0)?;
        let plan = planning::plan(&past, now, &self.path, newer).ok_or_else(|| {
            let detail = format!("{} was not there then", self.path);
            ClientError::new(ErrorCode::NoSuchVersion, detail)
        })?;
        let mut sources = BTreeMap::new();
        for step in &plan.steps {
            if let planning::Step::Create { past: node, .. }
            | planning::Step::Replace { past: node, .. } = step
            {
                sources.extend(self.revision_at(*node, at)?.map(|row| (*node, row)));
            }
        }
        Ok(Restore { plan, sources })
    }

    /// The revision of a node that was current at a moment.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn revision_at(
        &self,
        node: NodeId,
        at: UnixMillis,
    ) -> Result<Option<RevisionRow>, ClientError> {
        let rows = self.db.read().revisions(node)?;
        let until = rows.into_iter().take_while(|row| row.time_ms <= at.0);
        Ok(until.last())
    }

    /// The file or link that the path was at a moment.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchVersion`] when there was none.
    pub fn file_at(&self, at: UnixMillis) -> Result<RevisionRow, ClientError> {
        let past = versions::tree_at(self.db.read(), at.0)?;
        let node = past.lookup(&self.path).filter(|id| !past.is_dir(*id));
        let row = match node {
            Some(node) => self.revision_at(node, at)?,
            None => None,
        };
        row.ok_or_else(|| {
            let detail = format!("{} was no file then", self.path);
            ClientError::new(ErrorCode::NoSuchVersion, detail)
        })
    }

    /// Restores into the folder, as edits of now.
    ///
    /// # Errors
    /// [`ClientError`] when server or disk fail as a whole; single paths are in the result.
    pub fn restore(&self, restore: &Restore) -> Result<Restored, ClientError> {
        let vault = RealVault::open(&self.folder.path)?;
        let restorer = Restorer {
            vault: &vault,
            space: &self.space,
            remote: self.remote(),
            db: self.db.read(),
            now: SystemClock.now(),
        };
        Ok(restorer.run(restore)?)
    }

    /// Writes everything that the path held at a moment to a free place outside of every synced folder.
    ///
    /// # Errors
    /// [`ErrorCode::FolderOverlap`] when `to` lies in a synced folder; [`ErrorCode::InTheWay`] when it exists.
    pub fn write_moment(&self, at: UnixMillis, to: &Path) -> Result<Vec<PathBuf>, ClientError> {
        let restore = self.plan_from(at, &Tree::new(), Newer::Keep)?;
        self.write_outside(&restore, to)
    }

    /// Writes one version to a free place outside of every synced folder.
    ///
    /// # Errors
    /// As [`Past::write_moment`].
    pub fn write_revision(
        &self,
        row: &RevisionRow,
        to: &Path,
    ) -> Result<Vec<PathBuf>, ClientError> {
        let plan = planning::plan_one(&Tree::new(), &self.path, row.node, row.state.content);
        let sources = BTreeMap::from([(row.node, row.clone())]);
        self.write_outside(&Restore { plan, sources }, to)
    }

    fn write_outside(&self, restore: &Restore, to: &Path) -> Result<Vec<PathBuf>, ClientError> {
        let to = self.client.check_outside(to)?;
        let mut fetcher = self.fetcher();
        outside::write(restore, &self.path, &to, &mut fetcher).map_err(|error| {
            if let crate::FolderError::Vault(VaultError::Occupied { .. }) = &error {
                let detail = format!("{} exists", to.display());
                ClientError::caused(ErrorCode::InTheWay, detail, error)
            } else {
                error.into()
            }
        })
    }

    /// Bytes of a version, checked.
    ///
    /// # Errors
    /// [`ErrorCode::TooLarge`] beyond `bytes_max`; [`ErrorCode::NoSuchVersion`] when it is not kept any more.
    pub fn bytes(&self, row: &RevisionRow, bytes_max: u64) -> Result<Vec<u8>, ClientError> {
        if row.state.size > bytes_max {
            let detail = format!("{} bytes are too many to show", row.state.size);
            return Err(ClientError::new(ErrorCode::TooLarge, detail));
        }
        let mut bytes = Vec::new();
        let mut fetcher = self.fetcher();
        fetcher.write_revision(row, &mut Flat(&mut bytes))?;
        Ok(bytes)
    }

    /// Bytes that lie at the path on the disk now: of a link its text.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::TooLarge`] beyond `bytes_max`, [`ErrorCode::SpecialFile`].
    pub fn bytes_here(&self, bytes_max: u64) -> Result<Vec<u8>, ClientError> {
        let vault = RealVault::open(&self.folder.path)?;
        let stat = vault.stat(&self.path)?.ok_or_else(|| {
            ClientError::new(ErrorCode::NotFound, format!("no file {} here", self.path))
        })?;
        if stat.kind == FileKind::Symlink {
            return Ok(vault.read_link(&self.path)?);
        }
        let mut bytes = Vec::new();
        let file = vault.open_read(&self.path)?;
        let read = file
            .take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes);
        read.map_err(|e| ClientError::caused(ErrorCode::Io, "read the file", e))?;
        if bytes.len() as u64 > bytes_max {
            let detail = format!("{} bytes are too many to show", stat.size);
            return Err(ClientError::new(ErrorCode::TooLarge, detail));
        }
        Ok(bytes)
    }

    /// How long versions are kept in this space.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn retention(&self) -> Result<Retention, ClientError> {
        Ok(versions::rules(self.db.read(), &self.space)?)
    }

    /// Until when a version is kept.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn keeping(&self, row: &RevisionRow) -> Result<Keeping, ClientError> {
        Ok(versions::keeping(self.db.read(), self.retention()?, row)?)
    }

    /// Changes how long versions are kept, for every device of the space.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] outside of the bounds; as [`Past::pin`].
    pub fn set_retention(&self, retention: Retention) -> Result<(), ClientError> {
        if !retention.is_acceptable() {
            let detail = format!(
                "at least 1, at most {} days and {} versions",
                limits::RETENTION_DAYS_MAX,
                limits::RETENTION_VERSIONS_MAX
            );
            return Err(ClientError::new(ErrorCode::Usage, detail));
        }
        self.commit(&Control::Retention(retention))
    }

    /// Rules of what no device of the space syncs, a line each.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`].
    pub fn ignore_policy(&self) -> Result<Vec<String>, ClientError> {
        let text = self.db.read().ignore_policy()?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Replaces the rules of what no device of the space syncs.
    ///
    /// # Errors
    /// [`ErrorCode::TooLarge`]; as [`Past::pin`].
    pub fn set_ignore_policy(&self, rules: &[String]) -> Result<(), ClientError> {
        let text: String = rules.iter().map(|rule| format!("{rule}\n")).collect();
        let policy = seal_ignore_policy(&self.space.salts(), &self.space.keys, &text);
        let policy =
            policy.map_err(|e| ClientError::caused(ErrorCode::Internal, "seal the rules", e))?;
        if policy.is_acceptable() {
            self.commit(&Control::Ignore(policy))
        } else {
            let detail = format!("the rules have {} bytes", text.len());
            Err(ClientError::new(ErrorCode::TooLarge, detail))
        }
    }

    /// Keeps a version for as long as it is pinned, or lets the rules decide again.
    ///
    /// The next sync tells this device and the others.
    /// # Errors
    /// [`ErrorCode::Conflict`] when the log has grown beyond what is known here: sync first.
    pub fn pin(&self, row: &RevisionRow, is_pinned: bool) -> Result<(), ClientError> {
        self.commit(&Control::Pin(Pin {
            node: row.node,
            rev: row.state.rev,
            is_pinned,
        }))
    }

    /// Signs a control entry on top of what this device has verified.
    fn commit(&self, control: &Control) -> Result<(), ClientError> {
        let commit = self.space.control(&self.db.load()?, control);
        // The receipt is checked when the entry comes with the next pull, as any entry.
        self.remote().commit(self.space.id, &commit)?;
        Ok(())
    }

    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher::new(&self.space, self.remote(), self.db.read()).at(SystemClock.now())
    }

    fn remote(&self) -> &dyn Remote {
        self.client.remote()
    }
}

fn in_no_folder(path: &Path) -> ClientError {
    let detail = format!("{} lies in no synced folder", path.display());
    ClientError::new(ErrorCode::UnknownFolder, detail)
}

/// The path with links followed, except in its last name and in what does not exist.
fn resolved(path: &Path) -> Result<PathBuf, ClientError> {
    let failed = |e| ClientError::caused(ErrorCode::Usage, "this is not a path", e);
    let path = std::path::absolute(path).map_err(failed)?;
    let exists_above = path
        .ancestors()
        .skip(1)
        .find_map(|above| Some((std::fs::canonicalize(above).ok()?, above)));
    Ok(match exists_above {
        Some((real, above)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    })
}
