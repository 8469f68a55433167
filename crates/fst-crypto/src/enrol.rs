//! Inviting a device and joining as one.
//!
//! `fst devices invite` calls [`make_invite`]; `fst init --join` and recovery call [`crate::bundle::open_bundle`]
//! and then [`make_join_entry`]. Invariant: the pinned chain head includes the invitation itself, so a chain
//! that lacks it is refused by the joining device.
//! Not here: sending anything; whether the chain accepts the entries (`fst-proto::account`).
//! Source: docs/design/crypto-format.md §1.5.

use fst_proto::account::{self, AccountEntry, Body, Chain, Signer};
use fst_proto::ids::{SpaceId, VerifyKey};
use fst_proto::merkle::Head;
use fst_proto::wire::SealedSlot;

use crate::account::{AccountSeed, seal_device_name, sign_entry};
use crate::bundle::{Bundle, seal_bundle};
use crate::device::DeviceSecrets;
use crate::envelope::SaltSource;
use crate::error::SealError;
use crate::random::SecureRandom;
use crate::secret::SecretText;
use crate::slot::EnrolSecret;

/// What an inviting device knows.
#[derive(Debug)]
pub struct Inviter<'a> {
    /// The device.
    pub device: &'a DeviceSecrets,
    /// The account's seed.
    pub seed: &'a AccountSeed,
    /// The verified chain, up to date.
    pub chain: &'a Chain,
    /// Verified heads of all spaces.
    pub heads: &'a [(SpaceId, Head)],
    /// The server's receipt key.
    pub receipt_key: VerifyKey,
}

/// A new invitation.
#[derive(Debug)]
pub struct NewInvite {
    /// The join string: shown once.
    pub join: SecretText,
    /// Entry to append to the account chain.
    pub entry: AccountEntry,
    /// Sealed bundle to send with it.
    pub slot: SealedSlot,
}

/// Invites one device until `expires_ms` (Unix milliseconds, by the server's clock).
///
/// # Errors
/// [`SealError::TooLarge`] with more than about a thousand spaces.
/// Source: docs/design/crypto-format.md §1.5.
pub fn make_invite(
    random: &dyn SecureRandom,
    inviter: &Inviter<'_>,
    expires_ms: u64,
) -> Result<NewInvite, SealError> {
    let secret = EnrolSecret::new_invite(random, inviter.chain.account);
    let body = Body::InviteAdd {
        slot: secret.slot(),
        key: secret.sign_key().public(),
        expires_ms,
    };
    let signer = Signer::Device(inviter.device.device);
    let entry = sign_entry(inviter.chain, signer, &inviter.device.sign_key(), body);
    let bundle = Bundle {
        seed: AccountSeed::from_bytes(*inviter.seed.expose_secret()),
        chain_len: inviter.chain.len + 1,
        chain_head: account::entry_hash(&entry),
        heads: inviter.heads.to_vec(),
        receipt_key: inviter.receipt_key,
    };
    let hedge = inviter.device.hedge_key();
    let slot = seal_bundle(
        &SaltSource {
            hedge: &hedge,
            random,
        },
        &secret,
        &bundle,
    )?;
    Ok(NewInvite {
        join: secret.to_text(),
        entry,
        slot,
    })
}

/// Entry that adds `device` under `name`, signed by the holder of `secret`.
///
/// # Errors
/// [`SealError::TooLarge`] when the name is beyond all measure.
/// Source: docs/design/crypto-format.md §1.5.
pub fn make_join_entry(
    random: &dyn SecureRandom,
    secret: &EnrolSecret,
    chain: &Chain,
    seed: &AccountSeed,
    (device, name): (&DeviceSecrets, &str),
) -> Result<AccountEntry, SealError> {
    let hedge = device.hedge_key();
    let salts = SaltSource {
        hedge: &hedge,
        random,
    };
    let name_sealed = seal_device_name(&salts, seed, chain.account, device.device, name)?;
    let body = Body::DeviceAdd(device.record(name_sealed));
    Ok(sign_entry(chain, secret.signer(), &secret.sign_key(), body))
}
