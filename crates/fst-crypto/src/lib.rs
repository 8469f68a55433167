//! The client's cryptography: key tree, sealed envelopes, batches, enrolment secrets.
//!
//! `fst-client` seals everything here before it leaves the device and opens everything here that comes back;
//! the server never links this crate. Invariant: no plaintext leaves a function of this crate before the
//! commitment, the tag and, for objects, the id have been checked.
//! Not here: compression and chunking (`fst-chunk`), the log's checks (`fst-client`), files, sockets, clocks;
//! randomness comes in through [`random::SecureRandom`] only.
//! Source: docs/design/crypto-format.md §§1–4.
//!
//! ```
//! use fst_crypto::envelope::{Payload, SaltSource};
//! use fst_crypto::key::{SpaceKeys, new_space_secrets};
//! use fst_crypto::object::{self, ObjectKind};
//! use fst_crypto::{device::DeviceSecrets, random::OsRandom};
//! use fst_proto::ids::SpaceId;
//!
//! let (epoch, generation) = new_space_secrets(&OsRandom);
//! let keys = SpaceKeys::derive(SpaceId([7; 16]), 1, &epoch, 1, &generation);
//! let device = DeviceSecrets::generate(&OsRandom);
//! let hedge = device.hedge_key();
//! let salts = SaltSource { hedge: &hedge, random: &OsRandom };
//!
//! let id = object::object_id(&keys, ObjectKind::Data, b"hello");
//! let sealed = object::seal_object(&salts, &keys, ObjectKind::Data, &id, &Payload::raw(b"hello"))
//!     .expect("five bytes fit a chunk");
//! let plain = object::open_chunk(&keys, &id, &sealed, |_, _| None).expect("our own envelope");
//! assert_eq!(plain, b"hello");
//! ```
#![forbid(unsafe_code)]

pub mod account;
#[cfg(test)]
mod appendix_a;
pub mod batch;
pub mod bundle;
pub mod device;
pub mod enrol;
pub mod envelope;
pub mod error;
mod gcm;
pub mod ids;
pub mod kdf;
pub mod key;
pub mod object;
pub mod pad;
pub mod random;
pub mod secret;
pub mod sign;
pub mod slot;
pub mod space;
pub mod wrap;
