//! What a description of a node may say. FROZEN v1.
//!
//! The sealer refuses to write and the opener refuses to accept by the same table. Invariant: a node's
//! kind, size, content and place of bytes agree, so nothing behind this point checks them again.
//! Not here: whether the node fits the tree (`fst-client`).
//! Source: docs/design/crypto-format.md §3.2, §5.7.

use fst_proto::entry::{Kind, NodeMeta};
use fst_proto::ids::ContentId;
use fst_proto::recipe::{self, Body};
use fst_proto::{limits, wire};

/// Checks `meta` against itself and against the bytes in its body slot.
pub(super) fn check(meta: &NodeMeta, body: Option<&[u8]>) -> Result<(), &'static str> {
    match (&meta.body, body) {
        (Body::Slot, Some(bytes)) => check_slot(meta, bytes)?,
        (Body::Slot, None) => return Err("its body is missing"),
        (Body::None | Body::Inline(_) | Body::Parts { .. }, Some(_)) => {
            return Err("it has a body that its description does not name");
        },
        (Body::None | Body::Inline(_) | Body::Parts { .. }, None) => {},
    }
    match (meta.kind, &meta.body) {
        (Kind::Dir, Body::None) => check_dir(meta),
        (Kind::File, Body::None) if meta.size == 0 => Ok(()),
        (Kind::File, Body::None) => Err("a file without bytes has a size"),
        (Kind::File, Body::Slot) => Ok(()),
        (Kind::Symlink, Body::Slot) if meta.exec => Err("a link is executable"),
        (Kind::Symlink, Body::Slot) => Ok(()),
        (Kind::File, Body::Inline(_) | Body::Parts { .. }) => check_recipe(meta),
        (Kind::Dir, Body::Slot | Body::Inline(_) | Body::Parts { .. }) => {
            Err("a directory has bytes")
        },
        (Kind::Symlink, Body::None | Body::Inline(_) | Body::Parts { .. }) => {
            Err("a link's text is not in its slot")
        },
    }
}

fn check_slot(meta: &NodeMeta, bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.is_empty() || bytes.len() > limits::INLINE_BODY_MAX {
        return Err("its body is empty or too large for a slot");
    }
    if bytes.len() as u64 == meta.size {
        Ok(())
    } else {
        Err("its size is not its body's")
    }
}

fn check_dir(meta: &NodeMeta) -> Result<(), &'static str> {
    let is_bare = meta.size == 0 && !meta.exec && meta.content == ContentId::ZERO;
    if is_bare {
        Ok(())
    } else {
        Err("a directory has size, content or executable bit")
    }
}

fn check_recipe(meta: &NodeMeta) -> Result<(), &'static str> {
    if meta.size == 0 {
        return Err("an empty file has a recipe");
    }
    match &meta.body {
        Body::None | Body::Slot => Ok(()),
        Body::Inline(extents) => {
            if wire::to_cbor(extents).len() > limits::INLINE_RECIPE_MAX {
                return Err("its recipe is too large for the description");
            }
            recipe::check_extents(extents, meta.size).map_err(|_| "its recipe breaks a rule")
        },
        Body::Parts { level, parts } => {
            if *level > limits::PARTS_LEVEL_MAX {
                return Err("its recipe is too deep");
            }
            recipe::check_parts(parts, meta.size).map_err(|_| "its recipe breaks a rule")
        },
    }
}
