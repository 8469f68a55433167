//! Messages between client and server, and the CBOR they travel in.
//!
//! Bulk messages are CBOR, refusals are problem documents (RFC 9457) in JSON. Invariant: every message that
//! is signed or hashed is decoded by [`from_canonical`], which accepts one encoding only.
//! Not here: routes (docs/design/wire.md), transport.

use minicbor::{Decode, Encode};

use crate::account::AccountEntry;
use crate::ids::{AccountId, DeviceId, NodeId, ObjectId, Signature, SlotId, SpaceId, VerifyKey};
use crate::merkle::Head;

/// Bytes that are not the canonical encoding of the expected value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes are not canonical cbor of the expected shape")]
pub struct NotCanonical;

/// Deterministic CBOR (RFC 8949 §4.2) of `value`: all our types encode definite lengths and shortest ints.
pub fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a Vec cannot fail, and our Encode impls raise no errors of their own.
    if minicbor::encode(value, &mut out).is_err() {
        out.clear();
    }
    out
}

/// Decodes `bytes` and insists that they are the one canonical encoding, with nothing after it.
///
/// # Errors
/// [`NotCanonical`] otherwise.
pub fn from_canonical<'b, T: Encode<()> + Decode<'b, ()>>(
    bytes: &'b [u8],
) -> Result<T, NotCanonical> {
    let value: T = minicbor::decode(bytes).map_err(|_| NotCanonical)?;
    if to_cbor(&value) == bytes {
        Ok(value)
    } else {
        Err(NotCanonical)
    }
}

/// Decodes a message that nobody signed; unknown trailing fields are tolerated.
///
/// # Errors
/// [`NotCanonical`] when it is not of the expected shape.
pub fn from_cbor<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, NotCanonical> {
    minicbor::decode(bytes).map_err(|_| NotCanonical)
}

/// `GET /v1/server`: who answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, serde::Serialize, serde::Deserialize)]
#[cbor(map)]
pub struct ServerInfo {
    /// Always `filesynctool`.
    #[n(0)]
    pub product: String,
    /// Server version.
    #[n(1)]
    pub version: String,
    /// Key that verifies receipts.
    #[n(2)]
    pub receipt_key: VerifyKey,
    /// Server clock, Unix milliseconds.
    #[n(3)]
    pub time_ms: u64,
}

/// `POST /v1/accounts`: the first device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CreateAccount {
    /// Set-up code printed by the server.
    #[n(0)]
    pub setup_code: String,
    /// Genesis entry.
    #[n(1)]
    pub genesis: AccountEntry,
    /// Recovery slot and its sealed bundle.
    #[n(2)]
    pub recovery: SealedSlot,
}

/// A sealed bundle that only the holder of a secret can open.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SealedSlot {
    /// Id derived from the same secret.
    #[n(0)]
    pub slot: SlotId,
    /// Envelope of kind 6.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// `GET /v1/slots/{slot}`: what a joining device needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SlotReply {
    /// The account.
    #[n(0)]
    pub account: AccountId,
    /// Envelope of kind 6.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// The whole sigchain.
    #[n(2)]
    pub chain: Vec<AccountEntry>,
}

/// `POST /v1/slots/{slot}/join`: the entry that adds the device, signed by the slot's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Join {
    /// `DeviceAdd` entry.
    #[n(0)]
    pub entry: AccountEntry,
}

/// `POST /v1/account/entries`: appends to the own sigchain, with a bundle when it adds an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AppendAccount {
    /// Entry.
    #[n(0)]
    pub entry: AccountEntry,
    /// Bundle of a new invitation.
    #[n(1)]
    pub slot: Option<SealedSlot>,
}

/// `GET /v1/account/entries?since=N`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AccountEntries {
    /// Entries from `since` on.
    #[n(0)]
    pub entries: Vec<AccountEntry>,
}

/// `POST /v1/auth/challenge`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChallengeRequest {
    /// Device that signs in.
    #[n(0)]
    pub device: DeviceId,
}

/// A nonce to sign.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Challenge {
    /// 32 random bytes.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub nonce: Vec<u8>,
}

/// `POST /v1/auth/token`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenRequest {
    /// Device that signs in.
    #[n(0)]
    pub device: DeviceId,
    /// Nonce of the challenge.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub nonce: Vec<u8>,
    /// Signature over [`login_message`].
    #[n(2)]
    pub sig: Signature,
}

/// What a device signs to sign in; `origin` (the server's receipt key) stops relaying to another server.
#[must_use]
pub fn login_message(device: DeviceId, origin: &VerifyKey, nonce: &[u8]) -> Vec<u8> {
    [
        b"fst/v1/login\0".as_slice(),
        device.as_bytes(),
        origin.as_bytes(),
        nonce,
    ]
    .concat()
}

/// A short-lived bearer token.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Token {
    /// JWT.
    #[n(0)]
    pub token: String,
    /// Seconds until it ends.
    #[n(1)]
    pub expires_in: u64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token(…, {} s)", self.expires_in)
    }
}

/// `POST /v1/spaces`: creates a space by its first commit; `tag` keeps its name unique in the account.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CreateSpace {
    /// HMAC of the space's name under an account key, 16 bytes.
    #[n(0)]
    pub tag: crate::ids::NameTag,
    /// Genesis entry of the log.
    #[n(1)]
    pub commit: Commit,
}

/// A space as listed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SpaceInfo {
    /// Its id.
    #[n(0)]
    pub space: SpaceId,
    /// Its tag.
    #[n(1)]
    pub tag: crate::ids::NameTag,
    /// Its newest head.
    #[n(2)]
    pub head: Head,
}

/// `GET /v1/spaces`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Spaces {
    /// Spaces of the account.
    #[n(0)]
    pub spaces: Vec<SpaceInfo>,
}

/// `POST /v1/spaces/{space}/commit`: one entry, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Commit {
    /// Canonical header.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// Device signature over it.
    #[n(1)]
    pub sig: Signature,
    /// Sealed batch payload, or cleartext control payload.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub payload: Vec<u8>,
    /// Frame of objects that the entry references; may be empty.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub objects: Vec<u8>,
}

/// The server's promise: the entry is durable at this position.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Head including the entry; its position is `head.size - 1`.
    #[n(0)]
    pub head: Head,
    /// Server time of the entry.
    #[n(1)]
    pub time_ms: u64,
    /// Server signature over [`crate::log::receipt_message`].
    #[n(2)]
    pub sig: Signature,
}

/// An entry as served.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// Canonical header.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// Author's signature.
    #[n(1)]
    pub sig: Signature,
    /// Server time, Unix milliseconds.
    #[n(2)]
    pub time_ms: u64,
    /// Payload, unless pruned.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub payload: Option<Vec<u8>>,
}

/// `GET /v1/spaces/{space}/changes?since=N&wait=SECONDS`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Changes {
    /// Newest head and the server's signature over it.
    #[n(0)]
    pub receipt: Receipt,
    /// Entries from `since` on, in order; empty when there is nothing new.
    #[n(1)]
    pub entries: Vec<Entry>,
}

/// `POST …/objects:missing` and `POST …/objects:get`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ObjectIds {
    /// Ids asked for or answered.
    #[n(0)]
    pub ids: Vec<ObjectId>,
}

/// Why a commit was refused although it was well formed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, serde::Serialize, serde::Deserialize)]
pub enum Conflict {
    /// These nodes are not at the base revision.
    #[n(0)]
    Revision {
        /// Nodes concerned.
        #[n(0)]
        nodes: Vec<NodeId>,
    },
    /// These nodes want a name that another live node has.
    #[n(1)]
    NameTaken {
        /// Nodes concerned.
        #[n(0)]
        nodes: Vec<NodeId>,
    },
    /// Entries unseen by the author forbid this order; see [`crate::log::OrderClass`].
    #[n(2)]
    Order,
    /// `dev_ctr` or `dev_prev` do not continue the device's chain.
    #[n(3)]
    DeviceChain,
    /// `seen` is not a head of this log.
    #[n(4)]
    UnknownHead,
    /// The epoch or generation is not current.
    #[n(5)]
    Epoch,
    /// Referenced objects are not there.
    #[n(6)]
    MissingObjects {
        /// Objects concerned.
        #[n(0)]
        ids: Vec<ObjectId>,
    },
    /// The account chain or the space's tag moved on.
    #[n(7)]
    Exists,
    /// These files are larger than the server allows.
    #[n(8)]
    FileTooLarge {
        /// Nodes concerned.
        #[n(0)]
        nodes: Vec<NodeId>,
        /// Most stored bytes of one.
        #[n(1)]
        limit: u64,
    },
}
