//! SHA-256 and Ed25519 verification over public bytes: what client and server must compute alike.
//!
//! Not here: anything with a secret key.

use aws_lc_rs::{digest, signature};

use crate::ids::{Hash32, Signature, VerifyKey};

/// SHA-256 of the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash32 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Hash32(out)
}

/// True when `sig` is `key`'s Ed25519 signature over `message`.
#[must_use]
pub fn is_signed_by(key: &VerifyKey, message: &[u8], sig: &Signature) -> bool {
    signature::UnparsedPublicKey::new(&signature::ED25519, key.as_bytes())
        .verify(message, sig.as_bytes())
        .is_ok()
}
