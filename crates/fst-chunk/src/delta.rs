//! What a new version of a content shares with an old one, found without the old bytes.
//!
//! `fst-client` keeps a [`Signature`] of each larger content it has had in hands, lets a [`Matcher`] compare the next
//! version with it, and asks [`plan()`] which bytes are worth sending. Invariant: a piece says `Copy` only of bytes whose
//! 96-bit keyed hash equals that of the old block; hashes are made under a random key of the device, so contents
//! cannot be chosen to collide, and they never leave the device.
//! Not here: reading files, sealing, sending, applying (`fst-client`).
//! Source: docs/design/crypto-format.md §5.2; docs/adr/0018-deltas-by-a-kept-signature.md.
//!
//! ```
//! use fst_chunk::delta::{Matcher, Piece, SignatureBuilder};
//!
//! let old: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
//! let mut builder = SignatureBuilder::new([7; 32], old.len() as u64).expect("large enough");
//! builder.update(&old);
//! let signature = builder.finish();
//! let mut matcher = Matcher::new(&signature);
//! matcher.push(&old);
//! matcher.push(b"and more");
//! let pieces = matcher.finish();
//! assert_eq!(pieces, [Piece::Copy { from: 0, len: old.len() as u64 }, Piece::New { len: 8 }]);
//! ```

mod matcher;
mod plan;
mod signature;

pub use matcher::{Matcher, Piece};
pub use plan::{Old, Part, plan};
pub use signature::{BadSignature, Signature, SignatureBuilder};
