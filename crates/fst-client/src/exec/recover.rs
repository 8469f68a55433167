//! Settles what a crash left in the stage, before anything else happens to the folder.
//!
//! Invariant: afterwards the stage is empty but for drafts of long files that are still to be written, and every content
//! of the user that lay there is in the folder again, at its place or beside it. Other drafts are ours and go. A swap tag
//! goes only when no program holds it open and its content is known: to history (base or remote of its node; any kept
//! version, when one was being brought back; any node, when it was one more file with its content) or to a conflict copy
//! beside its place. A move tag goes back to where base has it.

use fst_crypto::key::SpaceKeys;
use fst_engine::naming::{Origin, conflict_name, original_of};
use fst_engine::scope::Replica as _;
use fst_fs::vault::{FileKind, StageName, StagedEntry, Vault, VaultError};
use fst_proto::entry::Kind;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};
use fst_proto::time::UnixMillis;

use super::tags::{Resting, parse};
use crate::db::{DbError, Reader, path_in};
use crate::error::FolderError;
use crate::folder::Space;
use crate::scan::{content_of, hash_file};
use crate::versions;

/// Attempts to find a free name for something rescued.
const NAME_TRIES_MAX: usize = 100;

/// Empties the stage. Returns the paths at which something was put back.
///
/// # Errors
/// [`FolderError`] of disk or database; may be called again.
pub fn recover(
    vault: &dyn Vault,
    space: &Space,
    db: Reader<'_>,
    now: UnixMillis,
) -> Result<Vec<RelPath>, FolderError> {
    let keys = &space.keys;
    let mut rescued = Vec::new();
    for entry in vault.stage_list()? {
        let Some((resting, node)) = parse(&entry.tag) else {
            rescued.push(rescue(vault, &entry.tag, NodeId::ZERO, db, now)?);
            continue;
        };
        let is_disposable = match resting {
            Resting::Draft if is_wanted(db, &entry, node)? => continue,
            Resting::Draft | Resting::Early => true,
            // What a program writes from now on goes where it has the file open: that must keep a name.
            Resting::Swapped | Resting::SwappedBack if has_writer(vault, &entry)? => false,
            Resting::Swapped => is_known(vault, keys, db, &entry, node)?,
            Resting::SwappedBack => {
                let kept = versions::kept(db, space, node, now)?;
                content_staged(vault, keys, &entry)?.is_some_and(|id| kept.contains(&id))
            },
            Resting::Moving => false,
        };
        if is_disposable {
            vault.discard(&entry.tag)?;
        } else {
            rescued.push(rescue(vault, &entry.tag, node, db, now)?);
        }
    }
    if !rescued.is_empty() {
        vault.sync_stage()?;
    }
    Ok(rescued)
}

/// Whether a draft is the beginning of a long file that base does not have yet.
fn is_wanted(db: Reader<'_>, entry: &StagedEntry, node: NodeId) -> Result<bool, DbError> {
    if entry.stat.kind != FileKind::File || entry.stat.size <= super::LONG_FILE {
        return Ok(false);
    }
    let (base, remote) = (db.base().node(node)?, db.remote().node(node)?);
    let is_longer = |size: u64| size >= entry.stat.size;
    let is_new = base.map(|base| base.content.id) != remote.as_ref().map(|node| node.content.id);
    Ok(is_new && remote.is_some_and(|node| is_longer(node.size)))
}

fn has_writer(vault: &dyn Vault, entry: &StagedEntry) -> Result<bool, VaultError> {
    Ok(entry.stat.kind == FileKind::File && vault.has_writer(&entry.tag)? == Some(true))
}

fn is_known(
    vault: &dyn Vault,
    keys: &SpaceKeys,
    db: Reader<'_>,
    entry: &StagedEntry,
    node: NodeId,
) -> Result<bool, FolderError> {
    let Some(id) = content_staged(vault, keys, entry)? else {
        return Ok(false);
    };
    let has = |known: Option<ContentId>| known == Some(id);
    let is_in_history = has(db.base().node(node)?.map(|n| n.content.id))
        || has(db.remote().node(node)?.map(|n| n.content.id))
        || is_archived(db, node, id)?;
    Ok(is_in_history
        || is_copied(vault, keys, db, (node, id))?
        || is_double(db, node, (entry.stat.kind, id))?)
}

fn content_staged(
    vault: &dyn Vault,
    keys: &SpaceKeys,
    entry: &StagedEntry,
) -> Result<Option<ContentId>, VaultError> {
    Ok(match entry.stat.kind {
        FileKind::File => {
            let mut file = vault.read_staged(&entry.tag)?;
            Some(hash_file(keys, file.as_mut(), entry.stat.size)?)
        },
        FileKind::Symlink => Some(content_of(keys, &vault.read_staged_link(&entry.tag)?)),
        FileKind::Dir | FileKind::Special => None,
    })
}

/// Whether this content of a node went into history on its own, before a merge or a winner took its place.
fn is_archived(db: Reader<'_>, node: NodeId, id: ContentId) -> Result<bool, DbError> {
    let (spare, remote) = (crate::folder::copy_id(node, id), db.remote());
    let is_live = remote
        .node(spare)?
        .is_some_and(|spare| spare.content.id == id);
    Ok(is_live || remote.tombstone(spare)?.is_some())
}

/// Whether this was nothing but a further file with the content of a node that was about to take its place: no side
/// knows it by itself.
fn is_double(
    db: Reader<'_>,
    node: NodeId,
    (kind, id): (FileKind, ContentId),
) -> Result<bool, FolderError> {
    let kind = match kind {
        FileKind::File => Kind::File,
        FileKind::Symlink => Kind::Symlink,
        FileKind::Dir | FileKind::Special => return Ok(false),
    };
    Ok(home_of(db, node)?.is_none() && db.has_content(kind, id)?)
}

/// Whether a conflict copy beside the node's place holds this content: the crash came after it was placed.
fn is_copied(
    vault: &dyn Vault,
    keys: &SpaceKeys,
    db: Reader<'_>,
    (node, id): (NodeId, ContentId),
) -> Result<bool, FolderError> {
    let Some(home) = home_of(db, node)? else {
        return Ok(false);
    };
    let dir = home.parent().unwrap_or_default();
    let beside = match vault.list(&dir) {
        Ok(entries) => entries,
        Err(VaultError::NotFound { .. } | VaultError::NotADirectory { .. }) => return Ok(false),
        Err(other) => return Err(other.into()),
    };
    for name in beside.into_iter().filter_map(|entry| entry.name.ok()) {
        let is_copy = original_of(&name).as_ref() == home.name();
        let Some(path) = dir.child(name).ok().filter(|_| is_copy) else {
            continue;
        };
        if content_at(vault, keys, &path)? == Some(id) {
            // Its name may not be on the disk for good, and what it is a copy of is about to go.
            vault.sync_stage()?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn content_at(
    vault: &dyn Vault,
    keys: &SpaceKeys,
    path: &RelPath,
) -> Result<Option<ContentId>, VaultError> {
    let Some(stat) = vault.stat(path)? else {
        return Ok(None);
    };
    Ok(match stat.kind {
        FileKind::File => Some(hash_file(keys, vault.open_read(path)?.as_mut(), stat.size)?),
        FileKind::Symlink => Some(content_of(keys, &vault.read_link(path)?)),
        FileKind::Dir | FileKind::Special => None,
    })
}

/// Where base has a node, or the server.
fn home_of(db: Reader<'_>, node: NodeId) -> Result<Option<RelPath>, FolderError> {
    match path_in(&db.base(), node)? {
        Some(path) => Ok(Some(path)),
        None => Ok(path_in(&db.remote(), node)?),
    }
}

/// Puts a staged object back where base has its node, or beside it under a conflict name.
fn rescue(
    vault: &dyn Vault,
    tag: &StageName,
    node: NodeId,
    db: Reader<'_>,
    now: UnixMillis,
) -> Result<RelPath, FolderError> {
    let home = home_of(db, node)?;
    let fallback = || {
        Name::new(b"rescued")
            .ok()
            .and_then(|name| RelPath::root().child(name).ok())
    };
    let home = home
        .filter(|path| !path.is_root())
        .or_else(fallback)
        .unwrap_or_default();
    let parent = home.parent().unwrap_or_default();
    let mut place = home.clone();
    for attempt in 0..NAME_TRIES_MAX {
        match vault.unstage_move(tag, &place) {
            Ok(_) => return Ok(place),
            Err(VaultError::Occupied { .. }) => {
                let hex = format!("{attempt:04x}");
                let origin = Origin {
                    device: "rescued",
                    at: now,
                    version_hex4: &hex,
                };
                let name = home
                    .name()
                    .map(|name| conflict_name(name, origin, &|_| false));
                place = name
                    .and_then(|name| parent.child(name).ok())
                    .unwrap_or_default();
            },
            // Its directory is gone: the top of the folder always exists.
            Err(VaultError::NotFound { .. } | VaultError::NotADirectory { .. })
                if !parent.is_root() && place.parent() == Some(parent.clone()) =>
            {
                let name = home.name().cloned();
                place = name
                    .and_then(|n| RelPath::root().child(n).ok())
                    .unwrap_or_default();
            },
            Err(other) => return Err(other.into()),
        }
    }
    Err(VaultError::Occupied {
        op: "rescue staged file",
    }
    .into())
}
