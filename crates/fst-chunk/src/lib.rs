//! Cutting contents into chunks, comparing versions and compressing: the pure tools before sealing.
//!
//! `fst-client` cuts new content here, compresses each chunk, and hands both to `fst-crypto`. Invariant: cuts
//! depend on the bytes, the space's policy and the space's secret key only, never on how the bytes arrive.
//! Not here: sealing, ids, files (`fst-client`).
//! Source: docs/design/crypto-format.md §2.4, §2.6.
//!
//! ```
//! use fst_chunk::cdc::Chunker;
//! use fst_chunk::compress;
//! use fst_chunk::params::ChunkParams;
//! use fst_proto::control::Policy;
//!
//! let params = ChunkParams::from_policy(&Policy::default()).expect("the default is valid");
//! let mut chunker = Chunker::new(params, &[7; 32]);
//! let content = vec![b'x'; 300_000];
//! let mut rest = content.as_slice();
//! while let Some(len) = chunker.next_cut(rest, true) {
//!     let (chunk, tail) = rest.split_at(len);
//!     let encoded = compress::compress(chunk);
//!     assert_eq!(compress::decompress(encoded.as_bytes(), chunk.len()).as_deref(), Some(chunk));
//!     rest = tail;
//! }
//! assert!(rest.is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod cdc;
pub mod compress;
pub mod delta;
mod field;
pub mod params;
