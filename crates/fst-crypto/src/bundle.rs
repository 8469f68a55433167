//! What a joining device receives: the account seed and the newest state it must not be shown less than.
//! FROZEN v1.
//!
//! Sealed by [`crate::enrol`] and [`crate::account`] for the holder of an [`EnrolSecret`], kept by the server.
//! Invariant: a device that joins starts from pinned heads, so it cannot be shown an older state than its
//! inviter had; sizes are multiples of 1 024 bytes.
//! Not here: the secret's text forms ([`crate::slot`]).
//! Source: docs/design/crypto-format.md §1.5, §2.2 (kind 6).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use fst_proto::account::Chain;
use fst_proto::ids::{Hash32, SpaceId, VerifyKey};
use fst_proto::merkle::Head;
use fst_proto::wire::SealedSlot;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::account::{AccountKeys, AccountSeed, SEED_GENERATION};
use crate::envelope::{self, Kind, Payload, SaltSource, Scope};
use crate::error::{OpenError, SealError};
use crate::slot::EnrolSecret;

/// Contents of a slot.
#[derive(Debug)]
pub struct Bundle {
    /// The account's seed.
    pub seed: AccountSeed,
    /// Length of the account chain that the joining device must at least be shown.
    pub chain_len: u64,
    /// Hash of entry `chain_len - 1` of it.
    pub chain_head: Hash32,
    /// Heads of all spaces, sorted by space, distinct: no older state may be shown.
    pub heads: Vec<(SpaceId, Head)>,
    /// Key that verifies the server's receipts.
    pub receipt_key: VerifyKey,
}

/// A chain that is not the one the bundle was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongChain {
    /// Shorter than the inviter knew it.
    #[error("the server shows an account of {got} entries, {expected} are known")]
    Shorter {
        /// Length shown.
        got: u64,
        /// Length known.
        expected: u64,
    },
    /// Different entries.
    #[error("the server shows another account history than the inviter knew")]
    Differs,
    /// The chain's KEM key is not derived from the bundle's seed.
    #[error("the account's public key does not belong to its secret")]
    Key,
}

impl Bundle {
    /// Checks that `chain` continues what the bundle pins and that its keys are the seed's.
    ///
    /// # Errors
    /// [`WrongChain`]: do not join.
    pub fn check_chain(&self, chain: &Chain) -> Result<(), WrongChain> {
        if chain.len < self.chain_len {
            return Err(WrongChain::Shorter {
                got: chain.len,
                expected: self.chain_len,
            });
        }
        let last = self
            .chain_len
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok());
        if last.and_then(|at| chain.hashes.get(at)) != Some(&self.chain_head) {
            return Err(WrongChain::Differs);
        }
        let keys = AccountKeys::derive(chain.account, &self.seed);
        if keys.kem().public() == chain.kem_key {
            Ok(())
        } else {
            Err(WrongChain::Key)
        }
    }
}

/// Seals a bundle for the holder of `secret`.
///
/// # Errors
/// [`SealError::TooLarge`] above 64 KiB: about a thousand spaces.
/// Source: docs/design/crypto-format.md §2.2.
pub fn seal_bundle(
    salts: &SaltSource<'_>,
    secret: &EnrolSecret,
    bundle: &Bundle,
) -> Result<SealedSlot, SealError> {
    let plain = bundle.encode();
    let ctx = context(secret);
    let scope = Scope {
        kind: Kind::KeySlot,
        epoch: SEED_GENERATION,
        ctx: &ctx,
    };
    let key = secret.seal_key();
    let sealed = envelope::seal(salts, key.expose_secret(), &scope, &Payload::raw(&plain))?;
    Ok(SealedSlot {
        slot: secret.slot(),
        sealed,
    })
}

/// Opens the bundle that the server keeps for the holder of `secret`.
///
/// # Errors
/// [`OpenError`]: the server returned something else, or the words belong to another account.
pub fn open_bundle(secret: &EnrolSecret, sealed: &[u8]) -> Result<Bundle, OpenError> {
    let key = secret.seal_key();
    let opened = envelope::open(key.expose_secret(), Kind::KeySlot, &context(secret), sealed)?;
    let plain = Zeroizing::new(opened.payload);
    let malformed = OpenError::Malformed {
        what: "bundle is not canonical",
    };
    let wire: BundleWire<'_> = minicbor::decode(&plain).map_err(|_| malformed)?;
    let seed = wire.seed.try_into().map_err(|_| malformed)?;
    let bundle = Bundle {
        seed: AccountSeed::from_bytes(seed),
        chain_len: wire.chain_len,
        chain_head: wire.chain_head,
        heads: wire.heads.iter().map(|pin| (pin.0, pin.1)).collect(),
        receipt_key: wire.receipt_key,
    };
    // Encoding sorts the heads and drops duplicates, so this refuses any other order as well.
    if *bundle.encode() == *plain {
        Ok(bundle)
    } else {
        Err(malformed)
    }
}

/// `account ‖ slot ‖ u32be generation`.
fn context(secret: &EnrolSecret) -> Vec<u8> {
    let generation = SEED_GENERATION.to_be_bytes();
    [
        secret.account().as_bytes(),
        secret.slot().as_bytes(),
        &generation,
    ]
    .concat()
}

impl Bundle {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut heads: Vec<Pin> = self
            .heads
            .iter()
            .map(|&(space, head)| Pin(space, head))
            .collect();
        heads.sort_unstable_by_key(|pin| pin.0);
        heads.dedup_by_key(|pin| pin.0);
        let wire = BundleWire {
            seed: self.seed.expose_secret(),
            chain_len: self.chain_len,
            chain_head: self.chain_head,
            heads,
            receipt_key: self.receipt_key,
        };
        // Room for everything at once: a buffer that grows leaves copies of the seed behind.
        let room = wire.heads.len().saturating_mul(64).saturating_add(160);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        if minicbor::encode(&wire, &mut *bytes).is_err() {
            // Writing to a Vec cannot fail; an empty bundle opens nowhere.
            bytes.clear();
        }
        bytes
    }
}

/// FROZEN v1: CBOR array in this order.
#[derive(Encode, Decode)]
#[cbor(array)]
struct BundleWire<'a> {
    #[n(0)]
    #[cbor(borrow, with = "minicbor::bytes")]
    seed: &'a [u8],
    #[n(1)]
    chain_len: u64,
    #[n(2)]
    chain_head: Hash32,
    #[n(3)]
    heads: Vec<Pin>,
    #[n(4)]
    receipt_key: VerifyKey,
}

/// FROZEN v1: CBOR array in this order.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Pin(#[n(0)] SpaceId, #[n(1)] Head);
