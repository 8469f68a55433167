//! Until when a version is kept: the server's rule, computed from the verified log.

use std::collections::BTreeSet;

use fst_engine::limits::RETENTION_GRACE_MS;
use fst_engine::retention::{self, Revision};
use fst_proto::control::Retention;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::time::UnixMillis;

use crate::db::{DbError, Reader, RevisionRow};
use crate::folder::Space;

/// Whether a version is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is the newest: for ever.
    Newest,
    /// Somebody pinned it: until it is unpinned.
    Pinned,
    /// By the rules of the space, until then at least; over when that has passed.
    Until(UnixMillis),
}

impl Keeping {
    /// When the server was free to give it up; `None` while it must not.
    #[must_use]
    pub fn over_since(self, now: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Until(end) if end <= now => Some(end),
            Self::Newest | Self::Pinned | Self::Until(_) => None,
        }
    }
}

/// The rules of a space as they are now.
///
/// # Errors
/// [`DbError`].
pub fn rules(db: Reader<'_>, space: &Space) -> Result<Retention, DbError> {
    let changed = db.retention()?;
    Ok(changed.unwrap_or_else(|| space.policy.retention()))
}

/// Tells for a content of a node until when it is kept: as long as any revision that carries it on.
///
/// # Errors
/// [`DbError`].
pub fn keeping(db: Reader<'_>, rules: Retention, wanted: &RevisionRow) -> Result<Keeping, DbError> {
    let rows = db.revisions(wanted.node)?;
    let pins = db.pins()?;
    let ends = retention::ends(&revisions(&rows), rules);
    let carries =
        |row: &RevisionRow| !row.is_deleted && row.state.content.id == wanted.state.content.id;
    let from = rows
        .iter()
        .position(|row| row.state.rev == wanted.state.rev)
        .unwrap_or(rows.len());
    let carried = rows.iter().zip(ends).skip(from);
    let carried: Vec<_> = carried.take_while(|(row, _)| carries(row)).collect();
    let is_pinned = |row: &RevisionRow| pins.contains(&(row.node, row.state.rev));
    if carried.iter().any(|(row, _)| is_pinned(row)) {
        return Ok(Keeping::Pinned);
    }
    Ok(match carried.last() {
        Some((_, Some(end))) => Keeping::Until(*end),
        Some((_, None)) | None => Keeping::Newest,
    })
}

/// Contents of a node that the server must keep for a day from now at the least: what may be overwritten and fetched again.
///
/// # Errors
/// [`DbError`].
pub fn kept(
    db: Reader<'_>,
    space: &Space,
    node: NodeId,
    now: UnixMillis,
) -> Result<BTreeSet<ContentId>, DbError> {
    let rows = db.revisions(node)?;
    let pins = db.pins()?;
    let ends = retention::ends(&revisions(&rows), rules(db, space)?);
    let soon = now.0.saturating_add(RETENTION_GRACE_MS);
    let is_kept = |row: &RevisionRow, end: Option<UnixMillis>| {
        end.is_none_or(|end| end.0 > soon) || pins.contains(&(row.node, row.state.rev))
    };
    let live = rows.iter().zip(ends).filter(|(row, _)| !row.is_deleted);
    let kept = live.filter(|(row, end)| is_kept(row, *end));
    Ok(kept.map(|(row, _)| row.state.content.id).collect())
}

fn revisions(rows: &[RevisionRow]) -> Vec<Revision> {
    let content = |row: &RevisionRow| (!row.is_deleted).then_some(row.state.content.id);
    let before = std::iter::once(None).chain(rows.iter().map(content));
    let pairs = rows.iter().zip(before);
    pairs
        .map(|(row, before)| Revision {
            rev: row.state.rev,
            idx: row.idx,
            time_ms: row.time_ms,
            is_version: !row.is_deleted && content(row) != before,
        })
        .collect()
}
