//! Writes earlier contents to a place outside of every synced folder.
//!
//! Invariant: nothing that exists is touched: the target must be free, and a name that appears meanwhile is an error.
//! What was begun and failed is removed. Not here: whether the target lies inside a synced folder
//! ([`crate::past`] refuses that).

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fst_engine::restore::Step;
use fst_fs::vault::VaultError;
use fst_proto::entry::Kind;
use fst_proto::path::RelPath;
use rustix::fs::{CWD, RenameFlags};

use super::Restore;
use crate::db::RevisionRow;
use crate::error::FolderError;
use crate::fetch::{Fetcher, Flat};

/// Writes what `restore` would create below `scope` to `to`; returns the paths written.
///
/// # Errors
/// [`VaultError::Occupied`] when something is at `to`; [`FolderError`]. Files written before stay.
pub fn write(
    restore: &Restore,
    scope: &RelPath,
    to: &Path,
    fetcher: &mut Fetcher<'_>,
) -> Result<Vec<PathBuf>, FolderError> {
    if to.symlink_metadata().is_ok() {
        return Err(VaultError::Occupied { op: "restore to" }.into());
    }
    if scope.is_root() {
        std::fs::create_dir(to).map_err(failed)?;
    }
    let mut files = Vec::new();
    for step in &restore.plan.steps {
        let target = target(to, scope, step.path());
        match step {
            Step::MakeDir { path } if path.starts_with(scope) => {
                std::fs::create_dir(&target).map_err(failed)?;
            },
            Step::Create { past, .. } => {
                if let Some(source) = restore.sources.get(past) {
                    files.push((source, target));
                }
            },
            Step::MakeDir { .. } | Step::Replace { .. } | Step::Remove { .. } => {},
        }
    }
    files.sort_by_key(|(source, _)| source.idx);
    for (source, target) in &files {
        write_file(source, target, fetcher)?;
    }
    Ok(files.into_iter().map(|(_, target)| target).collect())
}

fn target(to: &Path, scope: &RelPath, path: &RelPath) -> PathBuf {
    let below = path.names().get(scope.names().len()..).unwrap_or_default();
    let names = below
        .iter()
        .map(|name| std::ffi::OsStr::from_bytes(name.as_bytes()));
    names.fold(to.to_path_buf(), |path, name| path.join(name))
}

fn write_file(
    source: &RevisionRow,
    target: &Path,
    fetcher: &mut Fetcher<'_>,
) -> Result<(), FolderError> {
    if source.state.content.kind == Kind::Symlink {
        let mut text = Vec::new();
        fetcher.write_revision(source, &mut Flat(&mut text))?;
        let text = Path::new(std::ffi::OsStr::from_bytes(&text));
        return std::os::unix::fs::symlink(text, target).map_err(failed);
    }
    let mut draft = target.as_os_str().to_owned();
    draft.push(".fst-part");
    let draft = PathBuf::from(draft);
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).open(&draft);
    let file = file.map_err(failed)?;
    let written = fill(source, &file, fetcher).and_then(|()| publish(&draft, target));
    if written.is_err() {
        // Best effort: it is ours and holds nothing but a part of what the server has.
        std::fs::remove_file(&draft).unwrap_or_default();
    }
    written
}

fn fill(source: &RevisionRow, file: &File, fetcher: &mut Fetcher<'_>) -> Result<(), FolderError> {
    let mut out = BufWriter::new(file);
    fetcher.write_revision(source, &mut Flat(&mut out))?;
    out.flush().map_err(failed)?;
    drop(out);
    if source.state.content.exec {
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        let readers = (mode & 0o444) >> 2;
        let exec = std::fs::Permissions::from_mode(mode | readers);
        file.set_permissions(exec).map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}

/// Gives the draft its name, unless somebody else took it.
fn publish(draft: &Path, target: &Path) -> Result<(), FolderError> {
    let moved = rustix::fs::renameat_with(CWD, draft, CWD, target, RenameFlags::NOREPLACE);
    match moved.map_err(io::Error::from) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(VaultError::Occupied { op: "restore to" }.into())
        },
        Err(_) => {
            // A file system without this kind of rename: a second name is refused just so when it is taken.
            std::fs::hard_link(draft, target).map_err(failed)?;
            std::fs::remove_file(draft).map_err(failed)
        },
    }
}

fn failed(source: io::Error) -> FolderError {
    let op = "restore to";
    match source.kind() {
        io::ErrorKind::AlreadyExists => VaultError::Occupied { op }.into(),
        io::ErrorKind::NotFound => VaultError::NotFound { op }.into(),
        _ => VaultError::Io { op, source }.into(),
    }
}
