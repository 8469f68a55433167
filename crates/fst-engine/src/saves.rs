//! Saves of files that stay where they are, told from everything else that is pushed.
//!
//! `fst-client` asks before a commit: these reach the disk by waiting for each file alone, anything else needs a wait for
//! all that the file system has to write. Invariant: a name that went or changed, and one in a directory that base does
//! not have, is never among them. Not here: waiting; how many are few. Source: docs/design/sync-semantics.md, row S-156.

use fst_proto::entry::Kind;
use fst_proto::path::RelPath;

use crate::plan::{PushKind, PushOp};
use crate::tree::Tree;

/// Paths of the files that `push` saves, in its order; `None` when it does anything else.
#[must_use]
pub fn only_saves(push: &[PushOp], base: &Tree, local: &Tree) -> Option<Vec<RelPath>> {
    push.iter().map(|op| save(op, base, local)).collect()
}

fn save(op: &PushOp, base: &Tree, local: &Tree) -> Option<RelPath> {
    let PushKind::Put { content, .. } = &op.kind else {
        return None;
    };
    let here = local.get(op.node)?;
    let stays = base
        .get(op.node)
        .is_none_or(|was| was.place == here.place && was.content.kind == Kind::File);
    let is_file = content.kind == Kind::File && here.content.kind == Kind::File;
    let path = || local.path(op.node);
    (is_file && stays && base.is_dir(here.place.parent)).then(path)?
}
