//! Keyed names: of objects, of contents, of places. FROZEN v1.
//!
//! `fst-client` computes them while it reads files. Invariant: without the generation's keys nobody can
//! tell from an id what it names; equal bytes have equal ids inside one space and generation only.
//! Not here: random ids, hashes of public bytes (`fst-proto::hash`).
//! Source: docs/design/crypto-format.md §2.3, §3.2.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use fst_proto::ids::{ContentId, NameTag, NodeId, ObjectId};
use fst_proto::path::Name;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroize as _;

use crate::key::SpaceKeys;

/// Id of a data chunk.
#[must_use]
pub fn chunk_id(keys: &SpaceKeys, raw: &[u8]) -> ObjectId {
    ObjectId(*blake3::keyed_hash(keys.chunk_id.expose_secret(), raw).as_bytes())
}

/// Id of a recipe part.
#[must_use]
pub fn recipe_id(keys: &SpaceKeys, raw: &[u8]) -> ObjectId {
    ObjectId(*blake3::keyed_hash(keys.recipe_id.expose_secret(), raw).as_bytes())
}

/// Id of a directory object.
#[must_use]
pub fn dir_id(keys: &SpaceKeys, raw: &[u8]) -> ObjectId {
    ObjectId(*blake3::keyed_hash(keys.dir_id.expose_secret(), raw).as_bytes())
}

/// Id of a whole content in memory.
#[must_use]
pub fn content_id(keys: &SpaceKeys, bytes: &[u8]) -> ContentId {
    let mut hasher = ContentHasher::new(keys);
    hasher.update(bytes);
    hasher.finish()
}

/// Computes the id of a content that comes in pieces.
pub struct ContentHasher(Box<blake3::Hasher>);

impl ContentHasher {
    /// Begins a content.
    #[must_use]
    pub fn new(keys: &SpaceKeys) -> Self {
        Self(Box::new(blake3::Hasher::new_keyed(
            keys.content.expose_secret(),
        )))
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The id of everything added.
    #[must_use]
    pub fn finish(&self) -> ContentId {
        ContentId(*self.0.finalize().as_bytes())
    }
}

impl Drop for ContentHasher {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContentHasher({} bytes)", self.0.count())
    }
}

/// Tag that keeps `name` unique in `parent`: `HMAC-SHA-256(K_name, parent ‖ canon(name))[0..16]`.
///
/// Composed and decomposed spellings of one name have one tag.
#[must_use]
pub fn name_tag(keys: &SpaceKeys, parent: NodeId, name: &Name) -> NameTag {
    let name = canon(name.as_bytes());
    NameTag(hmac16(
        keys.name.expose_secret(),
        &[parent.as_bytes(), &name],
    ))
}

/// NFC of a valid UTF-8 name; any other name as it is.
#[must_use]
pub fn canon(name: &[u8]) -> Cow<'_, [u8]> {
    match str::from_utf8(name) {
        Ok(text) if !text.is_ascii() => Cow::Owned(text.nfc().collect::<String>().into_bytes()),
        Ok(_) | Err(_) => Cow::Borrowed(name),
    }
}

/// First half of an HMAC-SHA-256.
pub(crate) fn hmac16(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    out
}
